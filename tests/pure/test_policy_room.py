"""How much an access policy can hold."""

from __future__ import annotations

from gcr_migrate.model.access import Binding, Condition, Grant, Policy
from gcr_migrate.model.policies import fitting, overfull

READER = "roles/artifactregistry.reader"


def _policy(*members: str) -> Policy:
    return Policy((Binding(READER, members),), "e")


def test_members_are_counted_each_time_that_they_appear() -> None:
    """1,500 in all bindings together; what is there already needs no room."""
    users = [f"user:{n}@a.example" for n in range(750)]
    twice = Policy((Binding("a", tuple(users)), Binding(READER, tuple(users))), "e")
    new, held = Grant(READER, "user:new@a.example"), Grant(READER, users[0])
    fits, over = fitting(twice, {"new": new, "held": held})
    assert fits == {"held": held}
    assert over == {"new": "the policy has 1,500 of 1,500 members"}


def test_a_group_counts_once_and_a_domain_each_time() -> None:
    """250 of them; a group that is there in another role takes no more of these places."""
    full = _policy(*(f"group:{n}@a.example" for n in range(249)), "domain:a.example")
    known, new = Grant("b", "group:7@A.example"), Grant("b", "group:new@a.example")
    domain, user = Grant("b", "domain:a.example"), Grant("b", "user:x@a.example")
    words = "the policy has 250 of 250 groups and domains"
    assert overfull(full, [known, new, domain, user]) == {new: words, domain: words}


def test_a_member_has_a_role_under_twenty_conditions_at_most() -> None:
    """Without a condition it can still be given."""
    conditions = [Condition(str(n), f"request.time < timestamp('{2030 + n}')") for n in range(21)]
    grants = [Grant(READER, "user:x@a.example", one) for one in conditions]
    always = Grant(READER, "user:x@a.example")
    over = overfull(Policy((), ""), [always, *grants])
    assert over == {grants[20]: "the member has the role under 20 of 20 conditions"}
