"""Who holds which rights on one bucket or repository, by which policy, and how surely."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.access.conditions import Fate, fate_of
from gcr_migrate.access.members import Kind, kind_of
from gcr_migrate.access.roles import BASIC_ROLES, LIST_OBJECTS, known, rights_in
from gcr_migrate.model.access import PUBLIC, READ, Level, Right, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.model.access import Binding, Condition, Picture, PolicyOn


_ABOVE: Final = frozenset({Level.PROJECT, Level.FOLDER, Level.ORGANIZATION})


class Standing(IntEnum):
    """How surely a right is held; of several grants the highest counts."""

    NO = 0
    ENDED = 1  # under a condition that can never be true again, or where it is prevented
    UNKNOWN = 2
    CONDITIONAL = 3  # under a condition that only the source can judge
    TIMED = 4  # under a condition of time
    YES = 5


class Hold(Struct, frozen=True):
    """One right of one member.

    Attributes:
        standing: how surely it is held.
        by: what gives it, such as `roles/storage.objectViewer on gs://…`.
        condition: when it counts; None for always.
        read_by: how it was found out.
    """

    standing: Standing = Standing.NO
    by: str = ""
    condition: Condition | None = None
    read_by: str = READ


_NOTHING = Hold()


class Holdings:
    """Who can do what with one bucket or repository.

    Attributes:
        names_only: members who may list the names of objects, and nothing else.
        unseen: what anybody may have beside, who pulls by lists that were not all seen; None where
            everything was.
    """

    def __init__(self) -> None:
        self._holds: dict[str, dict[Right, list[Hold]]] = {}
        self.names_only: frozenset[str] = frozenset()
        self.unseen: Hold | None = None

    def add(self, member: str, right: Right, hold: Hold) -> None:
        """Note one more grant; the first of equal ones is the one that is told."""
        holds = self._holds.setdefault(member, {}).setdefault(right, [])
        if hold not in holds:
            holds.append(hold)

    @property
    def members(self) -> tuple[str, ...]:
        """Everybody who holds something, or may hold it, sorted."""
        return tuple(sorted(self._holds))

    def of(self, member: str, right: Right) -> Hold:
        """Return how surely a member holds a right, and what gives it."""
        return strongest(self.all_of(member, right))

    def all_of(self, member: str, right: Right) -> tuple[Hold, ...]:
        """Return every grant of a right to a member."""
        return tuple(self._holds.get(member, {}).get(right, ()))

    def sure(self, member: str) -> frozenset[Right]:
        """Return the rights that a member holds always."""
        return frozenset(r for r in Right if self.of(member, r).standing is Standing.YES)


def strongest(holds: Iterable[Hold]) -> Hold:
    """Return the surest of some grants of one right, the first of equal ones."""
    return max(holds, key=lambda one: one.standing, default=_NOTHING)


def holdings(picture: Picture, now_ms: int) -> Holdings:
    """Compute who can do what.

    Owners, editors and viewers of a project, where a bucket's policy names them as such, are the
    members of the basic roles in that project's own policy; both are told.

    Args:
        picture: what was read about a bucket or repository.
        now_ms: milliseconds since 1970, for conditions.

    Returns:
        Rights by member, each member in the spelling of `spelled`.
    """
    found, opened = Holdings(), dict(picture.roles)
    lists: set[str] = set()
    for on, binding in _bindings(picture):
        permissions = known(binding.role)
        if permissions is None:
            permissions = opened.get(binding.role)
        for member, by in _named(picture, on, binding):
            hold = _hold(binding, by, now_ms, on)
            if permissions is None and hold.standing is not Standing.ENDED:
                hold = Hold(Standing.UNKNOWN, f"{by}, which was not opened", None, on.read_by)
            if picture.level is Level.BUCKET and permissions and LIST_OBJECTS in permissions:
                lists.add(member)
            for right in Right if permissions is None else rights_in(permissions, picture.level):
                found.add(member, right, _unless_prevented(hold, member, picture))
    _add_objects(found, picture)
    if picture.objects and not picture.objects.complete:
        by = f"access lists of objects, of which {picture.objects.seen} were seen"
        found.unseen = Hold(Standing.UNKNOWN, by)
    else:
        found.names_only = frozenset(lists.difference(found.members))
    return found


def basic_holders(picture: Picture, member: str) -> tuple[str, ...] | None:
    """Return who is owner, editor or viewer of a project, by its own policy or from above it.

    Args:
        picture: has the policies of its own project.
        member: such as `projectOwner:builds`.

    Returns:
        The members; None if the project's own policy was not seen.
    """
    kind, _, project = member.partition(":")
    if project != picture.project:
        return None
    # An analysis tells of those who have rights on the bucket, and owners have none by themselves.
    read = [on for on in picture.policies if on.level in _ABOVE and on.read_by == READ]
    if not any(on.level is Level.PROJECT and on.policy for on in read):
        return None
    names = {
        spelled(one)
        for on in read
        for binding in (on.policy.bindings if on.policy else ())
        if binding.role == BASIC_ROLES[kind] and binding.condition is None
        for one in binding.members
    }
    return tuple(sorted(names))


def _bindings(picture: Picture) -> Iterator[tuple[PolicyOn, Binding]]:
    for on in picture.policies:
        for binding in on.policy.bindings if on.policy else ():
            yield on, binding


def _named(picture: Picture, on: PolicyOn, binding: Binding) -> Iterator[tuple[str, str]]:
    """Name everybody in a binding, those behind a basic role too, and what gives them the role."""
    by = f"{binding.role} on {on.resource}"
    for member in map(spelled, binding.members):
        yield member, by
        if kind_of(member) is Kind.BASIC:
            for holder in basic_holders(picture, member) or ():
                yield holder, f"{by} for {member}"


def _hold(binding: Binding, by: str, now_ms: int, on: PolicyOn) -> Hold:
    condition = binding.condition
    if condition is None:
        return Hold(Standing.YES, by, None, on.read_by)
    standing = {
        Fate.CARRIED: Standing.TIMED,
        Fate.ENDED: Standing.ENDED,
        Fate.STAYS: Standing.CONDITIONAL,
    }[fate_of(condition, now_ms)]
    return Hold(standing, f"{by} if {condition.expression}", condition, on.read_by)


def _add_objects(found: Holdings, picture: Picture) -> None:
    """Add who may read objects by their own access lists: all of them, or perhaps some."""
    objects = picture.objects
    for name, count in objects.readers if objects else ():
        assert objects is not None  # noqa: S101  # else there are no readers
        member, by = spelled(name), f"access lists of {count} of {objects.seen} objects"
        sure = objects.complete and count >= objects.seen
        hold = Hold(Standing.YES if sure else Standing.UNKNOWN, by)
        holders = basic_holders(picture, member) if kind_of(member) is Kind.BASIC else ()
        for one in (member, *(holders or ())):
            found.add(one, Right.PULL, _unless_prevented(hold, one, picture))


def _unless_prevented(hold: Hold, member: str, picture: Picture) -> Hold:
    """Return a right, or what is left of it where nothing lets everybody in."""
    if not (picture.never_public and member in PUBLIC):
        return hold
    return replace(hold, standing=Standing.ENDED, condition=None)
