"""How counts and findings of a verification add up, and who is asked no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate import errors
from gcr_migrate.errors import Exit, MigrateError
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.plan import Source
from gcr_migrate.model.settings import CleanupCondition, CleanupPolicy, RepositorySettings
from gcr_migrate.report.proof import all_facts, verify_facts
from gcr_migrate.report.proof_lines import verify_all_lines, verify_lines
from gcr_migrate.verify.baseline_promises import root_at
from gcr_migrate.verify.checks import Check, Checks, Wrong
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.promise import PromisedVersion
from gcr_migrate.verify.result import Level, Outcome, Verification, worst
from gcr_migrate.verify.upkeep import changes, deleting_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

US = "us-docker.pkg.dev"
HOSTS = ("us.gcr.io/builds", "eu.gcr.io/builds")
LEVELS = frozenset({Level.TAGS, Level.MANIFESTS})
_DAY_MS = 86_400_000


class _Nobody:
    """Is told, and does nothing of it."""

    def checked(self, level: str, *, ok: bool) -> None:
        """Take note of one check."""


def _marked(checks: Sequence[tuple[str, Level, str]]) -> Verification:
    """Mark checks at hosts: right, wrong, or not made."""
    result = Verification(LEVELS)
    for host, level, how in checks:
        marks = Marks(result, _Nobody(), host)
        if how == "ok":
            marks.ok(level)
        elif how == "wrong":
            marks.wrong(level, errors.TAG_GONE, f"{host}/app:1")
        elif how == "lost":
            marks.unchecked(level, f"{host}/app:1", MigrateError(errors.UNREACHABLE, subject=host))
        else:
            marks.unchecked(level, f"{host}/app:1", MigrateError(errors.DENIED, subject=host))
    return result


_CHECKS = st.lists(
    st.tuples(
        st.sampled_from(HOSTS),
        st.sampled_from(sorted(LEVELS)),
        st.sampled_from(["ok", "wrong", "lost", "unknown"]),
    ),
    max_size=12,
)


@given(_CHECKS)
def test_nothing_is_proven_but_by_checks_that_were_all_right(
    checks: list[tuple[str, Level, str]],
) -> None:
    """What differs counts for more than what nobody looked at; hosts add up to the whole."""
    facts = verify_facts("x", "live", _marked(checks))
    hows = {how for *_, how in checks}
    if "wrong" in hows:
        assert (facts.outcome, facts.exit) == (Outcome.DIFFERS, Exit.FAILED)
    elif hows - {"ok"}:
        assert (facts.outcome, facts.exit) == (Outcome.UNPROVEN, Exit.OUT_OF_REACH)
    else:
        assert (facts.outcome, facts.exit) == (Outcome.PROVEN, Exit.OK)
    for name, level in facts.levels.items():
        assert level.checked == level.ok + level.wrong
        assert level.checked == sum(one.levels[name].checked for one in facts.hosts.values())
        assert level.unchecked == sum(one.levels[name].unchecked for one in facts.hosts.values())
    assert facts.outcome is worst(one.outcome for one in facts.hosts.values())
    assert sum(sum(one.findings.values()) for one in facts.hosts.values()) == len(facts.findings)


@given(_CHECKS)
def test_a_lost_host_is_told_once(checks: list[tuple[str, Level, str]]) -> None:
    """However many of its names could not be looked at; the finding says how many."""
    facts = verify_facts("x", "live", _marked(checks))
    lost = {host for host, _, how in checks if how == "lost"}
    told = [one.subject for one in facts.findings if one.code == "unreachable"]
    assert sorted(told) == sorted(lost)


@given(st.lists(st.sampled_from([errors.DENIED, errors.SERVER_ERROR]), max_size=40))
def test_one_cause_is_not_told_for_each_name(causes: list[errors.Problem]) -> None:
    """A few names stand for it; every other one is counted, and none is lost."""
    result = Verification(LEVELS)
    marks = Marks(result, _Nobody(), HOSTS[0])
    for at, cause in enumerate(causes):
        name = f"{HOSTS[0]}/app:{at}"
        marks.unchecked(Level.TAGS, name, MigrateError(cause, subject=name, saw=f"no: {name}"))

    named = [one for one in result.findings if one.subject != HOSTS[0]]
    rest = [one.saw for one in result.findings if one.subject == HOSTS[0]]
    assert len(named) == sum(min(5, causes.count(one)) for one in set(causes))
    assert len(rest) == (len(named) < len(causes))
    assert all(saw.endswith(f"tags: {len(causes) - len(named)}") for saw in rest)
    assert result.levels[Level.TAGS].unchecked == len(causes)


def test_an_incomplete_promise_is_never_proven() -> None:
    """However right all is that it names."""
    result = _marked([(HOSTS[0], Level.TAGS, "ok")])
    facts = verify_facts("was.snapshot", "snapshot", result, complete=False)
    assert facts.outcome is Outcome.UNPROVEN
    lines = [str(line) for line in verify_lines(facts)]
    assert "The baseline is incomplete: there may be more than it names." in lines


def test_errors_come_first_and_fit_a_terminal() -> None:
    """Also where a warning's name is before theirs; the table stays within 80 columns."""
    result = _marked([(HOSTS[1], Level.TAGS, "wrong"), (HOSTS[0], Level.TAGS, "ok")])
    Marks(result, _Nobody(), HOSTS[0]).note(errors.IMAGE_NEW, Severity.WARNING, "a")
    facts = verify_facts("builds", "live", result)
    assert [one.code for one in facts.findings] == ["tag-gone", "image-new"]
    both = all_facts([facts], [("gone", MigrateError(errors.BAD_NAME, subject="gone"))])
    assert both.outcome is Outcome.DIFFERS
    table = [str(line) for line in (*verify_lines(facts), *verify_all_lines(both))]
    hosts = [line for line in table if line.split()[0] in {*HOSTS, "host", "gone"}]
    assert len(hosts) == 7
    assert max(map(len, hosts)) <= 80


def test_targets_that_could_not_be_begun_are_never_green() -> None:
    """Even where all the others are proven."""
    proven = verify_facts("builds", "live", _marked([]))
    facts = all_facts([proven], [("x", MigrateError(errors.FILE_MISSING, subject="x"))])
    assert (facts.outcome, facts.exit) == (Outcome.UNPROVEN, Exit.OUT_OF_REACH)
    assert facts.errors[0].code == "file-missing"


def _asks(answers: list[Any], asked: list[int]) -> list[Check]:
    def check(at: int) -> Check:
        async def ask() -> Wrong | None:
            asked.append(at)
            answer = answers[at]
            if isinstance(answer, MigrateError):
                raise answer
            return answer  # type: ignore[no-any-return]  # as the test says

        return Check(Level.TAGS, f"{HOSTS[0]}/app:{at}", ask)

    return [check(at) for at in range(len(answers))]


def test_a_lost_host_is_not_asked_for_all_of_its_names() -> None:
    """A few in a row are enough; each name counts as not checked all the same."""
    result, asked = Verification(LEVELS), list[int]()
    checks = _asks([MigrateError(errors.UNREACHABLE, subject="us-docker.pkg.dev")] * 50, asked)
    marks = Marks(result, _Nobody(), HOSTS[0])
    asyncio.run(Checks(at_once=1).all_of(marks, checks))
    assert len(asked) < 10
    assert result.levels[Level.TAGS].unchecked == 50


def test_a_host_that_answers_in_between_is_asked_on() -> None:
    """So that a network with gaps hides no drift."""
    lost = MigrateError(errors.UNREACHABLE, subject="us-docker.pkg.dev")
    result, asked = Verification(LEVELS), list[int]()
    answers = [lost, lost, None, lost, lost, Wrong(errors.TAG_MOVED), lost, lost, None]
    asyncio.run(Checks(at_once=1).all_of(Marks(result, _Nobody(), HOSTS[0]), _asks(answers, asked)))
    assert len(asked) == len(answers)
    count = result.levels[Level.TAGS]
    assert (count.ok, count.wrong, count.unchecked) == (2, 1, 6)


def test_a_login_that_has_ended_ends_all() -> None:
    """What was found until then is not the whole."""
    ended = MigrateError(errors.TOKEN_EXPIRED, subject="login")
    marks = Marks(Verification(LEVELS), _Nobody(), HOSTS[0])
    with pytest.raises(MigrateError) as told:
        asyncio.run(Checks().all_of(marks, _asks([ended], [])))
    assert told.value.problem is errors.TOKEN_EXPIRED


@pytest.mark.parametrize(
    ("source", "host", "resource"),
    [
        (
            Source(
                "us.gcr.io/builds", "us-docker.pkg.dev", "builds/us.gcr.io", "artifact-registry"
            ),
            "us.gcr.io/builds",
            "projects/builds/locations/us/repositories/us.gcr.io",
        ),
        (
            Source(f"{US}/example.com/b/app", US, "example.com/b/app", "artifact-registry"),
            "us-docker.pkg.dev/example.com/b",
            "projects/example.com:b/locations/us/repositories/app",
        ),
        (Source("127.0.0.1:5000", "127.0.0.1:5000", "", "distribution"), "127.0.0.1:5000", ""),
        (Source("gcr.io/builds", "gcr.io", "builds", "gcr"), "gcr.io/builds", ""),
    ],
)
def test_a_root_counts_under_its_host_and_project(source: Source, host: str, resource: str) -> None:
    """As people name it; its repository follows from where it is read."""
    root = root_at(source)
    assert (root.host, root.resource) == (host, resource)


_OLD = CleanupPolicy("old", deletes=True, condition=CleanupCondition(older_than_s=86_400))
_NEWEST = CleanupPolicy("newest", deletes=False, keep_count=2)
_UNTAGGED = CleanupPolicy("loose", deletes=True, condition=CleanupCondition(tag_state="untagged"))


@pytest.mark.parametrize(
    ("policies", "version", "expected"),
    [
        ([_OLD], PromisedVersion((), 0, 0), "old"),
        ([_OLD], PromisedVersion((), 2 * _DAY_MS - 1, 0), ""),  # it is younger
        ([_OLD], PromisedVersion((), None, 0), "old"),  # nobody knows how old it is
        ([_OLD, _NEWEST], PromisedVersion((), 0, 1), ""),
        ([_OLD, _NEWEST], PromisedVersion((), 0, 2), "old"),
        ([_UNTAGGED], PromisedVersion(("1",), 0, 0), ""),
        ([_UNTAGGED, _OLD], PromisedVersion((), 2 * _DAY_MS, 0), "loose"),
        ([], PromisedVersion((), 0, 0), ""),
    ],
)
def test_a_policy_is_named_only_if_it_can_have_deleted_this(
    policies: list[CleanupPolicy], version: PromisedVersion, expected: str
) -> None:
    """By its state, its age now, and what keeps it."""
    digest = f"sha256:{'0' * 64}"
    found = deleting_policy(policies, "app", digest, version, now_ms=2 * _DAY_MS)
    assert (found.id if found else "") == expected


def test_each_setting_that_decides_about_images_is_compared() -> None:
    """A text or a label of the repository is none of these."""
    was = RepositorySettings(description="then", cleanup=(_OLD,))
    assert not list(changes(RepositorySettings(description="now", cleanup=(_OLD,)), was))
    now = RepositorySettings(immutable_tags=True, kms_key="k", cleanup=(_NEWEST,))
    assert list(changes(now, was)) == [
        "immutable tags are on, were off",
        "key is k, was none of its own",
        "clean-up policy newest is: keep the newest 2; was: not there",
        "clean-up policy old is: not there; was: delete older than 1 days",
    ]
