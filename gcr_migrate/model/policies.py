"""An access policy that is changed: word by word as it was read, and how much it can hold."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from gcr_migrate.model.access import Grant, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.model.access import Policy

K = TypeVar("K")

# Limits of IAM on one allow policy, as its page of quotas states them.
MEMBERS_AT_MOST: Final = 1_500  # each time that a member appears
GROUPS_AT_MOST: Final = 250  # groups once each, domains each time that they appear
CONDITIONS_AT_MOST: Final = 20  # of one member in one role


class ExactPolicy(Struct, frozen=True):
    """A policy as it was read, for who writes it back.

    Attributes:
        resource: what it stands on.
        raw: the service's answer as JSON, with what this tool does not know of it.
        policy: what this tool knows of it.
    """

    resource: str
    raw: str
    policy: Policy


def fitting(policy: Policy, wanted: Mapping[K, Grant]) -> tuple[dict[K, Grant], dict[K, str]]:
    """Part grants into those that a policy has room for, in their order, and the others.

    Args:
        policy: what is there.
        wanted: grants by any key; those that the policy has already need no room.

    Returns:
        What fits, and by key what the others would go beyond.
    """
    room, fits, over = _Room(policy), {}, {}
    held = set(policy.held(wanted.values()))
    for key, grant in wanted.items():
        full = "" if grant in held else room.take(grant)
        if full:
            over[key] = full
        else:
            fits[key] = grant
    return fits, over


def overfull(policy: Policy, grants: Iterable[Grant]) -> dict[Grant, str]:
    """Return the grants for which a policy has no room, and what each would go beyond."""
    return fitting(policy, {grant: grant for grant in grants})[1]


class _Room:
    """How full a policy is."""

    def __init__(self, policy: Policy) -> None:
        self._members = 0
        self._groups: set[str] = set()
        self._domains = 0
        self._conditions: Counter[tuple[str, str]] = Counter()
        for binding in policy.bindings:
            for member in binding.members:
                self._add(Grant(binding.role, member, binding.condition))

    def take(self, grant: Grant) -> str:
        """Take room for a grant; return what is full, if something is."""
        member = spelled(grant.member)
        is_new_group = member.startswith("group:") and member not in self._groups
        if self._members >= MEMBERS_AT_MOST:
            return f"the policy has {self._members:,} of {MEMBERS_AT_MOST:,} members"
        groups = len(self._groups) + self._domains
        if groups >= GROUPS_AT_MOST and (is_new_group or member.startswith("domain:")):
            return f"the policy has {groups} of {GROUPS_AT_MOST} groups and domains"
        conditions = self._conditions[grant.role, member]
        if grant.condition and conditions >= CONDITIONS_AT_MOST:
            return f"the member has the role under {conditions} of {CONDITIONS_AT_MOST} conditions"
        self._add(grant)
        return ""

    def _add(self, grant: Grant) -> None:
        member = spelled(grant.member)
        self._members += 1
        self._domains += member.startswith("domain:")
        self._conditions[grant.role, member] += grant.condition is not None
        if member.startswith("group:"):
            self._groups.add(member)
