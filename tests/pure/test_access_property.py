"""For any policies: what somebody can do after a run is what the proof said, told by another hand.

`tests/evaluator.py` works out who holds what from plain policies, and imports nothing of the tool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gcr_migrate.access import SourceAccess, settle
from gcr_migrate.model.access import (
    AccessWish,
    Binding,
    Condition,
    Grant,
    Level,
    Picture,
    Policy,
    PolicyOn,
)
from tests import evaluator

if TYPE_CHECKING:
    from tests.evaluator import BindingList

NOW_MS = 1_795_000_000_000
PEOPLE = tuple(f"{kind}:{name}@x.example" for kind in ("user", "group") for name in "abc")
OTHERS = (
    "serviceAccount:s@p.iam.gserviceaccount.com",
    "domain:x.example",
    "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/P/*",
    "allUsers",
    "allAuthenticatedUsers",
    "deleted:user:z@x.example?uid=1",
    "serviceAccount:service-1@containerregistry.iam.gserviceaccount.com",
)
GROUPS = ("projectOwner:p", "projectEditor:p", "projectViewer:p")
STORAGE = (
    "roles/storage.admin",
    "roles/storage.objectAdmin",
    "roles/storage.objectUser",
    "roles/storage.objectViewer",
    "roles/storage.objectCreator",
    "roles/storage.legacyBucketOwner",
    "roles/storage.legacyBucketReader",
    "roles/storage.legacyBucketWriter",
    "roles/storage.legacyObjectOwner",
    "roles/storage.legacyObjectReader",
)
ARTIFACTS = tuple(f"roles/artifactregistry.{name}" for name in ("reader", "writer", "repoAdmin"))
BASIC = ("roles/owner", "roles/editor", "roles/viewer")
CUSTOM = {"projects/p/roles/Both": ("storage.objects.get", "storage.objects.delete")}
CONDITIONS = st.sampled_from(
    [
        None,
        None,
        None,
        'request.time < timestamp("2020-01-01T00:00:00Z")',
        'request.time < timestamp("2040-01-01T00:00:00Z")',
        'resource.name.startsWith("x")',
    ]
)
CARRIED = frozenset({*PEOPLE, *OTHERS[:3]})
PUBLIC = frozenset({"allUsers", "allAuthenticatedUsers"})


def policies(roles: tuple[str, ...], members: tuple[str, ...]) -> st.SearchStrategy[BindingList]:
    """Draw a policy of some roles and members."""
    binding = st.fixed_dictionaries(
        {
            "role": st.sampled_from(roles),
            "members": st.lists(st.sampled_from(members), min_size=1, max_size=3, unique=True),
            "condition": CONDITIONS,
        }
    )
    return st.lists(binding, max_size=4)


@dataclass(frozen=True)
class Case:
    """Policies of a source and of a target, and what the spec says."""

    kind: str
    own: Any
    project: Any
    folder: Any
    same_project: bool
    other_project: Any
    target: Any
    public: bool
    deny: tuple[str, ...]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a case."""
    kind = draw(st.sampled_from(["bucket", "repository"]))
    at_bucket = (*STORAGE, *CUSTOM)
    inherited = policies((*STORAGE[:6], *ARTIFACTS, *BASIC, *CUSTOM), PEOPLE + OTHERS[:3])
    own = (
        policies(at_bucket, PEOPLE + OTHERS + GROUPS)
        if kind == "bucket"
        else policies(ARTIFACTS, PEOPLE + OTHERS)
    )
    return Case(
        kind,
        draw(own),
        draw(inherited),
        draw(inherited),
        draw(st.booleans()),
        draw(policies((*ARTIFACTS, *BASIC), PEOPLE)),
        draw(policies(ARTIFACTS, PEOPLE)),
        draw(st.booleans()),
        tuple(draw(st.lists(st.sampled_from(PEOPLE), max_size=1))),
    )


def _policy(written: BindingList) -> Policy:
    return Policy(
        tuple(
            Binding(
                one["role"],
                tuple(one["members"]),
                Condition("c", one["condition"]) if one["condition"] else None,
            )
            for one in written
        ),
        "etag",
    )


def _plain(policy: Policy) -> BindingList:
    return [
        {
            "role": one.role,
            "members": [*one.members],
            "condition": one.condition.expression if one.condition else None,
        }
        for one in policy.bindings
    ]


class Story:
    """A case, what the tool makes of it, and what somebody else says about it."""

    def __init__(self, case: Case) -> None:
        level = Level.BUCKET if case.kind == "bucket" else Level.REPOSITORY
        project = PolicyOn(Level.PROJECT, "projects/p", _policy(case.project))
        folder = PolicyOn(Level.FOLDER, "folders/7", _policy(case.folder))
        roles = tuple((role, frozenset(some)) for role, some in CUSTOM.items())
        own = PolicyOn(level, "own", _policy(case.own))
        source = Picture("us.gcr.io/p", level, "p", (own, project, folder), roles)
        above: tuple[PolicyOn, ...] = (project, folder)
        self.inherited = [case.project, case.folder]
        if not case.same_project:
            above = (PolicyOn(Level.PROJECT, "projects/q", _policy(case.other_project)),)
            self.inherited = [case.other_project]
        there = PolicyOn(Level.REPOSITORY, "target", _policy(case.target))
        owner = "p" if case.same_project else "q"
        self.target = Picture("site", Level.REPOSITORY, owner, (there, *above), roles)
        self.wish = AccessWish(translate=True, public=case.public, deny=case.deny)
        self.source = source
        self.case = case
        self.settled = settle(self.target, [SourceAccess(source, self.wish)], NOW_MS)
        self.policy = _policy(case.target).added(self.settled.grants)

    def before(self, member: str) -> set[str]:
        """What somebody always holds at the source."""
        case = self.case
        above = [case.project, case.folder]
        return evaluator.can(member, case.kind, case.own, above, above, CUSTOM)

    def after(self, member: str) -> set[str]:
        """What somebody always holds at the target once the grants are made."""
        own = _plain(self.policy)
        return evaluator.can(member, "repository", own, self.inherited, self.inherited, CUSTOM)

    def verdicts(self, member: str) -> dict[str, str]:
        """What the proof says of somebody, by right."""
        rows = (row for row in self.settled.rows if row.member == member)
        return {str(row.right): str(row.verdict) for row in rows}


@settings(max_examples=200)
@given(cases())
def test_nobody_loses_or_gains_without_a_word(case: Case) -> None:
    """What was always held and is not is lost, the other way round gained or implied, else same.

    A member whom the spec denies and who still gets in, if only for a time, has gained.
    """
    story = Story(case)
    for member in CARRIED | PUBLIC:
        before, after, told = story.before(member), story.after(member), story.verdicts(member)
        for right in ("pull", "push", "delete"):
            verdict = told.get(right)
            if right in before and right not in after:
                allowed = {"lost", "gained"} if member in case.deny else {"lost"}
                assert verdict in allowed, (member, right, told)
            if right in after and right not in before:
                assert verdict in {"gained", "implied"}, (member, right, told)
            if right in before and right in after and member not in case.deny:
                assert verdict == "same", (member, right, told)


@given(cases())
def test_only_the_public_and_the_denied_lose_what_they_held(case: Case) -> None:
    """Everybody else can do after the run whatever they could always do before it."""
    story = Story(case)
    for member in CARRIED - set(case.deny):
        assert story.before(member) <= story.after(member), member
    for member in PUBLIC if case.public else ():
        assert story.before(member) & {"pull"} <= story.after(member), member


@given(cases())
def test_a_grant_is_the_narrowest_that_is_needed(case: Case) -> None:
    """No smaller role, and no grant less, would leave everybody what they had."""
    story = Story(case)
    smaller = {
        "roles/artifactregistry.repoAdmin": "roles/artifactregistry.writer",
        "roles/artifactregistry.writer": "roles/artifactregistry.reader",
    }
    there = _policy(case.target)
    for grant in story.settled.grants:
        if grant.condition or there.holds(grant):
            continue
        rest = tuple(one for one in story.settled.grants if one != grant)
        lesser = smaller.get(grant.role)
        less = (*rest, Grant(lesser, grant.member)) if lesser else rest
        story.policy = there.added(less)
        assert not story.before(grant.member) <= story.after(grant.member), grant


@given(cases())
def test_no_condition_is_dropped_on_the_way(case: Case) -> None:
    """A grant without a condition is for rights that were held without one."""
    story = Story(case)
    for grant in story.settled.grants:
        if grant.condition is None:
            assert story.before(grant.member), grant
            assert grant.member in CARRIED | (PUBLIC if case.public else set())
        else:
            assert "request.time" in grant.condition.expression
            assert "2040" in grant.condition.expression


@given(cases())
def test_settling_again_adds_nothing(case: Case) -> None:
    """After the run the same question finds everything there."""
    story = Story(case)
    own = PolicyOn(Level.REPOSITORY, "target", story.policy)
    done = Picture(
        "site", Level.REPOSITORY, story.target.project, (own, *story.target.policies[1:])
    )
    again = settle(done, [SourceAccess(story.source, story.wish)], NOW_MS)
    assert story.policy.added(again.grants) == story.policy
