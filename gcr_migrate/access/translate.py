"""From rights that are held at sources to grants on a target: the narrowest, and never wider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from gcr_migrate.access.held import Standing, holdings
from gcr_migrate.access.members import Kind, kind_of
from gcr_migrate.access.roles import included, known, narrowest, rights_in
from gcr_migrate.model.access import Grant, Level, Right, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcr_migrate.access.held import Holdings
    from gcr_migrate.model.access import AccessWish, Condition, Picture

NOBODY: Final[frozenset[Right]] = frozenset()


def translate(
    target: Picture,
    sources: Sequence[tuple[Holdings, AccessWish]],
    now_ms: int,
) -> tuple[Grant, ...]:
    """Return what has to be granted on a target so that rights of its sources are not lost.

    Args:
        target: what is known about the target; its own policy may have some of it already.
        sources: who holds what, and what the spec wishes; only those to translate count.
        now_ms: milliseconds since 1970.

    Returns:
        The grants that the spec writes and those that follow, sorted, each once.
    """
    written = {grant for _, wish in sources for grant in wish.grants}
    own, rest = _parted(target)
    granted = {
        Grant(binding.role, spelled(member), binding.condition)
        for on in own.policies
        for binding in (on.policy.bindings if on.policy else ())
        for member in binding.members
    }
    inherited, there = holdings(rest, now_ms), holdings(own, now_ms)
    grants = set(written)
    for member, wanted in _wanted(sources).items():
        covered = inherited.sure(member) | _given(written, member)
        needed = wanted.get(None, NOBODY) - covered
        for condition, rights in wanted.items():
            left = rights - covered - (included(needed) if condition else NOBODY)
            if not left:
                continue
            grant = Grant(narrowest(left), member, condition)
            if grant in granted or not left <= there.sure(member):
                grants.add(grant)
    return tuple(sorted(grants))


def _wanted(
    sources: Iterable[tuple[Holdings, AccessWish]],
) -> dict[str, dict[Condition | None, frozenset[Right]]]:
    """Return by member and condition the rights that are to follow."""
    wanted: dict[str, dict[Condition | None, frozenset[Right]]] = {}
    for found, wish in sources:
        denied = set(map(spelled, wish.deny))
        for member in found.members if wish.translate else ():
            if member not in denied:
                for right in _may_follow(member, wish):
                    for hold in found.all_of(member, right):
                        if hold.standing in {Standing.YES, Standing.TIMED}:
                            by_condition = wanted.setdefault(member, {})
                            known_so_far = by_condition.get(hold.condition, NOBODY)
                            by_condition[hold.condition] = known_so_far | {right}
    return wanted


def _may_follow(member: str, wish: AccessWish) -> tuple[Right, ...]:
    """Return which rights of a member a target can be given."""
    kind = kind_of(member)
    if kind is Kind.PUBLIC:
        return (Right.PULL,) if wish.public else ()
    return tuple(Right) if kind is Kind.CARRIED else ()


def _given(grants: Iterable[Grant], member: str) -> frozenset[Right]:
    """Return the rights that some grants give a member always, by roles that are known."""
    return NOBODY.union(
        *(
            rights_in(known(grant.role) or (), Level.REPOSITORY)
            for grant in grants
            if spelled(grant.member) == member and grant.condition is None
        )
    )


def _parted(target: Picture) -> tuple[Picture, Picture]:
    """Return a target with its own policy alone, and with what it inherits alone."""
    own = tuple(on for on in target.policies if on.level is Level.REPOSITORY)
    rest = tuple(on for on in target.policies if on.level is not Level.REPOSITORY)
    return replace(target, policies=own), replace(target, policies=rest)
