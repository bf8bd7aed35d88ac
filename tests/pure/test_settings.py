"""Settings of repositories: what is compared, what is written when, and what comes back whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import MigrateError
from gcr_migrate.google.settings import change_of, policy_body, settings_in
from gcr_migrate.model.settings import (
    CleanupCondition,
    CleanupPolicy,
    RepositorySettings,
    Scanning,
    after_copy,
    changes_of,
    differences,
    plain,
    settings_of,
)
from gcr_migrate.spec import load_spec
from gcr_migrate.spec.settings import read_duration
from tests.made import made

WORDS = st.text("abc-", min_size=1, max_size=5)
PREFIXES = st.lists(WORDS, max_size=2).map(tuple)
AGES = st.none() | st.integers(1, 10**9)
CONDITIONS = made(
    CleanupCondition,
    st.sampled_from(["any", "tagged", "untagged"]),
    PREFIXES,
    PREFIXES,
    PREFIXES,
    AGES,
    AGES,
    AGES,
)
POLICIES = st.one_of(
    made(CleanupPolicy, WORDS, st.booleans(), CONDITIONS),
    made(
        CleanupPolicy,
        WORDS,
        deletes=st.sampled_from([False]),
        keep_count=st.integers(1, 10**6),
        newest_prefixes=PREFIXES,
    ),
)
SETTINGS = made(
    RepositorySettings,
    st.text(max_size=5),
    st.dictionaries(WORDS, WORDS, max_size=2).map(lambda one: tuple(sorted(one.items()))),
    st.booleans(),
    st.sampled_from(["", "projects/p/locations/us/keyRings/r/cryptoKeys/k"]),
    st.lists(POLICIES, max_size=3, unique_by=lambda one: one.id).map(
        lambda some: tuple(sorted(some, key=lambda one: one.id))
    ),
    st.booleans(),
    st.none() | st.sampled_from(Scanning),
    st.booleans(),
)
TWICE = f"cleanup_policies: [{', '.join(['{id: a, action: keep, condition: {}}'] * 2)}]"
SITE = "source: {project: builds}\nroutes: [{match: '{a}/**', repository: r, settings: {%s}}]\n"


@given(SETTINGS)
def test_settings_outlive_a_file(settings: RepositorySettings) -> None:
    """What a migration file keeps is what the spec said."""
    assert settings_of(json.loads(json.dumps(plain(settings)))) == settings


@given(POLICIES)
def test_the_service_gives_a_policy_back_as_it_was_said(policy: CleanupPolicy) -> None:
    """A clean-up policy in the service's words is read as the same policy."""
    assert settings_in({"cleanupPolicies": {policy.id: policy_body(policy)}}).cleanup == (policy,)


@given(SETTINGS, SETTINGS)
def test_a_change_ends_every_difference_that_can_end(
    has: RepositorySettings, wants: RepositorySettings
) -> None:
    """After it only the key may differ, which is fixed, and nothing of others is lost."""
    raw: dict[str, Any] = {"name": "n", "futureField": {"x": 1}, "labels": dict(has.labels)}
    raw["cleanupPolicies"] = {one.id: policy_body(one) | {"new": 1} for one in has.cleanup}
    raw["dockerConfig"] = {"immutableTags": has.immutable_tags, "other": True}
    changes = changes_of(differences(settings_in(raw), wants))
    body, mask = change_of(raw, wants, changes)
    after = raw | body

    assert {one.setting for one in differences(settings_in(after), wants)} <= {"kms_key"}
    assert after["futureField"] == {"x": 1}
    assert after["dockerConfig"]["other"] is True
    assert dict(has.labels).keys() <= after["labels"].keys()
    assert {one.id for one in has.cleanup} <= after["cleanupPolicies"].keys()
    assert len(mask) == len(changes)


def test_what_the_spec_does_not_say_is_no_difference() -> None:
    """A description, a label and a policy of others are left alone."""
    other = CleanupPolicy("theirs", deletes=True, condition=CleanupCondition())
    has = RepositorySettings("by hand", (("team", "a"),), cleanup=(other,))
    assert differences(has, RepositorySettings()) == []


def test_each_setting_that_differs_is_told_with_both_values() -> None:
    """One by one, and what is fixed is marked."""
    has = RepositorySettings(labels=(("team", "a"),), scanning=Scanning.ON)
    policy = CleanupPolicy("old", deletes=True, condition=CleanupCondition(older_than_s=86_400))
    wants = RepositorySettings(
        labels=(("team", "b"),),
        immutable_tags=True,
        kms_key="k",
        cleanup=(policy,),
        scanning=Scanning.OFF,
    )
    assert [(str(one), one.fixed) for one in differences(has, wants)] == [
        ("labels.team is 'a', spec says 'b'", False),
        ("kms_key is '', spec says 'k'", True),
        ("immutable_tags is false, spec says true", False),
        ("cleanup_policies.old is missing, spec says delete older than 1 days", False),
        ("scanning is on, spec says off", False),
    ]


def test_what_would_meet_the_copy_waits_for_its_end() -> None:
    """Tags that stay, clean-up and scans are written last; a description at once."""
    policy = CleanupPolicy("old", deletes=True, condition=CleanupCondition())
    wants = RepositorySettings("d", immutable_tags=True, cleanup=(policy,))
    assert after_copy(wants) == ("cleanup_dry_run", "cleanup_policies", "immutable_tags")
    assert after_copy(RepositorySettings("d", scanning=Scanning.AFTER_COPY)) == ("scanning",)
    assert after_copy(RepositorySettings("d", scanning=Scanning.ON)) == ()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("cleanup_policies: [{id: a, action: delete}]", "exactly one of them"),
        (
            "cleanup_policies: [{id: a, action: delete, most_recent_versions: {keep_count: 1}}]",
            "can only keep",
        ),
        (
            "cleanup_policies: [{id: a, action: delete, condition: {older_than: 30}}]",
            "cleanup_policies[0].condition.older_than",
        ),
        (
            "cleanup_policies: [{id: a, action: delete, condition: {older_than: 1w}}]",
            "no time such as 30d",
        ),
        (
            TWICE,
            "two have the id a",
        ),
        ("cleanup_policies: [{id: A b, action: keep, condition: {}}]", "cleanup_policies[0].id"),
        ("scanning: later", "scanning"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_their_field(settings: str, says: str) -> None:
    """Whoever wrote it reads which field, and what it may be."""
    with pytest.raises(MigrateError) as raised:
        load_spec(SITE % settings, "s.yaml")
    assert says in raised.value.saw


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2_592_000), ("12h", 43_200), ("90m", 5_400), ("60s", 60)]
)
def test_times_are_read_in_seconds(text: str, seconds: int) -> None:
    """As the service counts them."""
    assert read_duration(text) == seconds
