"""What clean-up policies would delete of what is copied, against a judge of single moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcr_migrate.model.finding import Severity
from gcr_migrate.model.settings import CleanupCondition, CleanupPolicy, RepositorySettings
from gcr_migrate.plan.deletions import (
    CopiedVersion,
    Losses,
    age_text,
    deletions,
    effective,
)
from gcr_migrate.plan.moved_cleanup import MovedPath, prefix_at, stays_behind
from tests.made import made

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = 86_400
AGES = (0, 1, 2, 3, 5, 8)
_ages = st.none() | st.sampled_from(AGES[1:])
_prefixes = st.sampled_from(((), (), (), ("a",), ("ab", "x"), ("x",)))  # most of them fit
conditions = made(
    CleanupCondition,
    tag_state=st.sampled_from(("any", "any", "tagged", "untagged")),
    tag_prefixes=_prefixes,
    version_prefixes=st.sampled_from(((), (), ("sha256:1",), ("sha256:",))),
    package_prefixes=_prefixes,
    older_than_s=_ages,
    newer_than_s=_ages,
    more_stale_than_s=_ages,
)
ages_alone = made(
    CleanupCondition, older_than_s=_ages, newer_than_s=_ages, more_stale_than_s=st.none()
)
policies = st.lists(
    made(CleanupPolicy, st.just(""), st.booleans(), ages_alone | conditions)
    | made(
        CleanupPolicy,
        st.just(""),
        st.just(value=False),
        st.none(),
        keep_count=st.integers(1, 4),
        newest_prefixes=_prefixes,
    ),
    min_size=2,
    max_size=5,
).map(lambda some: [_named(one, f"p{at}") for at, one in enumerate(some)])
versions = st.lists(
    st.lists(st.sampled_from(("abc", "rc-1", "2")), unique=True, max_size=2), min_size=1, max_size=5
).map(
    lambda tags: [
        CopiedVersion("ab/app", f"sha256:{at}", tuple(some)) for at, some in enumerate(tags)
    ]
)


def _named(policy: CleanupPolicy, id_: str) -> CleanupPolicy:
    return CleanupPolicy(
        id_, policy.deletes, policy.condition, policy.keep_count, policy.newest_prefixes
    )


def _picks(  # noqa: PLR0911  # a sentence of the documentation each
    policy: CleanupPolicy, version: CopiedVersion, newer: int, age_s: int
) -> bool:
    """Whether a policy picks a version at one moment, word by word."""
    if policy.keep_count is not None:
        inside = [version.path.startswith(one) for one in policy.newest_prefixes]
        return newer < policy.keep_count and (any(inside) or not inside)
    asks = policy.condition
    if asks is None:
        return True
    if asks.tag_state == "tagged" and not version.tags:
        return False
    if asks.tag_state == "untagged" and version.tags:
        return False
    tags = [tag.startswith(one) for tag in version.tags for one in asks.tag_prefixes]
    if asks.tag_prefixes and not any(tags):
        return False
    for text, wanted in (
        (version.digest, asks.version_prefixes),
        (version.path, asks.package_prefixes),
    ):
        if wanted and not any(text.startswith(one) for one in wanted):
            return False
    if asks.older_than_s is not None and age_s < asks.older_than_s:
        return False
    if asks.more_stale_than_s is not None and age_s < asks.more_stale_than_s:
        return False
    return asks.newer_than_s is None or age_s < asks.newer_than_s


@pytest.mark.slow
@settings(max_examples=400)
@given(policies, versions)
def test_a_deletion_is_the_first_moment_at_which_nothing_keeps(
    rules: list[CleanupPolicy], some: list[CopiedVersion]
) -> None:
    """Moment by moment, each policy that deletes is judged together with all that keep."""
    wanted = {}
    for at, version in enumerate(some):
        newer = len(some) - 1 - at
        for policy in (one for one in rules if one.deletes):
            first = next(
                (
                    age
                    for age in range(10)
                    if _picks(policy, version, newer, age)
                    and not any(
                        _picks(one, version, newer, age) for one in rules if not one.deletes
                    )
                ),
                None,
            )
            if first is not None:
                wanted[policy.id, version.digest] = first
    found = {(one.policy, one.version.digest): one.age_s for one in deletions(rules, some)}
    assert found == wanted


@given(policies, conditions, versions)
def test_one_more_policy_that_keeps_never_deletes_more(
    rules: list[CleanupPolicy], picks: CleanupCondition, some: list[CopiedVersion]
) -> None:
    """What keeps counts for more than what deletes, whatever else there is."""
    more = [*rules, CleanupPolicy("keep", deletes=False, condition=picks)]
    before = {(one.policy, one.version): one.age_s for one in deletions(rules, some)}
    for one in deletions(more, some):
        assert one.age_s >= before[one.policy, one.version]


def _delete(id_: str = "old", **condition: object) -> CleanupPolicy:
    return CleanupPolicy(id_, deletes=True, condition=CleanupCondition(**condition))  # type: ignore[arg-type]


def _told(rules: Sequence[CleanupPolicy], *, acts: bool = True) -> list[tuple[str, str, str]]:
    losses = Losses("us-docker.pkg.dev/builds/one", rules, acts=acts)
    losses.add(
        [
            CopiedVersion("app", "sha256:1", is_part=True),
            CopiedVersion("app", "sha256:2", ("1",)),
            CopiedVersion("app", "sha256:3", ("2",)),
        ]
    )
    return [(one.severity, one.subject.rpartition(" ")[2], one.saw) for one in losses.findings()]


def test_a_loss_at_once_is_a_warning_with_names() -> None:
    """What the copy resets is no loss at once; a dry run loses nothing."""
    newest = CleanupPolicy("newest", deletes=False, keep_count=2)
    saw = "of 3 planned versions it deletes 1 at once; 1 of these belong to an index"
    assert _told([_delete(), newest]) == [(Severity.WARNING, "old", f"{saw}; first app@sha256:1")]
    ((severity, _, later),) = _told([_delete(older_than_s=30 * DAY, tag_state="tagged")])
    assert severity is Severity.INFO
    saw = "of 3 planned versions it deletes 2 from an age of 30d on"
    assert later == f"{saw}; first app:1, app:2"
    ((severity, _, dry),) = _told([_delete()], acts=False)
    assert severity is Severity.INFO
    assert dry.startswith("a dry run, which deletes nothing; of 3 planned versions it would")
    assert _told([newest]) == []


def test_newer_versions_crowd_out_what_a_policy_keeps() -> None:
    """Told of images of which the target has some versions and gets others."""
    newest = CleanupPolicy("newest", deletes=False, keep_count=2, newest_prefixes=("a",))
    losses = Losses("us-docker.pkg.dev/builds/one", [_delete(), newest], acts=True)
    for path in ("app", "other"):
        losses.add([CopiedVersion(path, f"sha256:{n}", is_there=n < 2) for n in range(4)])
    losses.add([CopiedVersion("also", "sha256:1", is_there=True)])
    told = {one.subject.rpartition(" ")[2]: (one.severity, one.saw) for one in losses.findings()}
    saw = "newer versions come to 1 image there, and it keeps the newest only"
    assert told["newest"] == (Severity.WARNING, saw)


def test_policies_of_the_spec_count_where_they_will_be_written() -> None:
    """On what is made and what is adopted, beside those that are there and not named."""
    stated, other = _delete("a"), _delete("b")
    has = RepositorySettings(cleanup=(other,), cleanup_dry_run=True)
    wants = RepositorySettings(cleanup=(stated,))
    adopts = RepositorySettings(cleanup=(stated,), adopt=True)
    assert effective(None, wants) == ((stated,), True)
    assert effective(has, wants) == ((other,), False)
    assert effective(has, adopts) == ((stated, other), True)
    assert effective(has, RepositorySettings(adopt=True)) == ((other,), False)


@pytest.mark.parametrize(("age_s", "text"), [(DAY, "1d"), (7_200, "2h"), (90, "90s"), (120, "2m")])
def test_ages_are_told_in_whole_units(age_s: int, text: str) -> None:
    """As the spec writes them."""
    assert age_text(age_s) == text


MOVED = [
    MovedPath("team-a/api", "eu/p/team-a", "api"),
    MovedPath("team-a/web/x", "eu/p/team-a", "web/x"),
    MovedPath("team-ab/api", "eu/p/team-ab", "api"),
    MovedPath("old", "eu/p/shared", "attic/other"),
]


@pytest.mark.parametrize(
    ("prefix", "at"),
    [
        ("team-a/", {"eu/p/team-a": {""}}),
        ("team-a/w", {"eu/p/team-a": {"w"}}),
        ("team-a", {"eu/p/team-a": {None}, "eu/p/team-ab": {None}}),
        ("old", {"eu/p/shared": {"attic/other"}}),
        ("ol", {"eu/p/shared": {None}}),
        ("none", {}),
    ],
)
def test_a_prefix_is_told_as_it_is_at_each_target(
    prefix: str, at: dict[str, set[str | None]]
) -> None:
    """A split takes parts of paths away; where what follows changed too, none says the same."""
    assert prefix_at(prefix, MOVED) == at


def test_each_policy_of_a_source_is_named() -> None:
    """With what it does, and its prefixes at the targets."""
    has = RepositorySettings(
        cleanup=(
            _delete("drop", package_prefixes=("team-a/",)),
            CleanupPolicy("newest", deletes=False, keep_count=5),
        ),
        cleanup_dry_run=True,
    )
    told = [(one.subject, one.saw) for one in stays_behind("us.gcr.io/p", has, MOVED)]
    assert told == [
        (
            "us.gcr.io/p policy drop",
            "deletes, in a dry run; 'team-a/' is all of it in eu/p/team-a",
        ),
        ("us.gcr.io/p policy newest", "keeps the newest 5, in a dry run"),
    ]
