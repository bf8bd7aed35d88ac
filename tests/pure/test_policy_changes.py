"""What adding members to a policy and taking them out leaves of it, whatever it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.model.access import Binding, Condition, Grant, Policy, spelled
from tests.made import made

_ROLES = st.sampled_from(["roles/a", "roles/b"])
_MEMBERS = st.sampled_from(["user:a@x.y", "User:A@x.y", "user:A@X.Y", "group:b@x.y", "allUsers"])
_CONDITIONS = st.sampled_from([None, Condition("t", "x"), Condition("t", "y")])
_BINDINGS = made(Binding, _ROLES, st.lists(_MEMBERS, max_size=4).map(tuple), _CONDITIONS)
_POLICIES = made(Policy, st.lists(_BINDINGS, max_size=5).map(tuple), st.just("e"))
_GRANTS = st.lists(made(Grant, _ROLES, _MEMBERS, _CONDITIONS), max_size=6).map(tuple)


def _pairs(policy: Policy) -> set[Grant]:
    return {
        Grant(one.role, spelled(member), one.condition)
        for one in policy.bindings
        for member in one.members
    }


@given(_POLICIES, _GRANTS)
def test_adding_gives_what_is_wanted_and_touches_nothing_else(
    policy: Policy, grants: tuple[Grant, ...]
) -> None:
    """Bindings keep place, condition and members; who has it already is not written again."""
    after = policy.added(grants)
    assert after.held(grants) == grants
    for old, new in zip(policy.bindings, after.bindings, strict=False):
        assert (new.role, new.condition) == (old.role, old.condition)
        assert new.members[: len(old.members)] == old.members
    wanted = {Grant(one.role, spelled(one.member), one.condition) for one in grants}
    assert _pairs(after) - _pairs(policy) <= wanted
    assert after.added(grants) == after
    if policy.held(grants) == grants:
        assert after == policy


@given(_POLICIES, _GRANTS)
def test_taking_out_takes_these_members_and_no_others(
    policy: Policy, grants: tuple[Grant, ...]
) -> None:
    """Each under just its condition, in every spelling of it."""
    gone = {Grant(one.role, spelled(one.member), one.condition) for one in grants}
    assert _pairs(policy.without(grants)) == _pairs(policy) - gone
