"""What becomes of a name under a plan: pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.refs.reading import Whose

if TYPE_CHECKING:
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.cover import Moved, Planned
    from gcr_migrate.model.places import Place
    from gcr_migrate.refs.reading import Reference


class Verdict(StrEnum):
    """What a plan makes of a name."""

    MOVES = "moves"  # to the target that is told
    NEW = "is-new"  # it is the name at a target already
    STAYS = "stays"  # nobody's to move: Google's own, or retired
    NOT_PLANNED = "not-in-plan"  # the plan knows no such image
    GONE = "gone"  # the plan has the image, and not this tag or digest
    TAG_MOVED = "tag-moved"  # the tag points elsewhere than the digest that is pinned beside it
    OLD = "old-name"  # one of your own under gcr.io, and there is no plan to ask
    EXISTS = "exists"  # its registry has it, and there is no plan to ask
    UNCHECKED = "not-checked"  # its registry could not be asked
    ACCESS_LOST = "access-lost"  # who pulls it cannot, where it goes or where it is
    OPEN = "open"  # a gap keeps it from being looked up
    UNREADABLE = "unreadable"  # no name
    BY_HAND = "by-hand"  # a host, a bucket or a page: no image


class Covered(Struct, frozen=True):
    """What becomes of a name.

    Attributes:
        verdict: the kind of it.
        target: whole name at the target, with tag and digest; empty where there is none.
        digest: what the tag points to in the plan, if it has the tag.
        found: what the name leads to at its registry, where that was asked.
        expected: what it should lead to, where anybody says so.
        why: what speaks against it.
    """

    verdict: Verdict
    target: str = ""
    digest: Digest | None = None
    why: str = ""
    found: Digest | None = None
    expected: Digest | None = None


BAD: Final = frozenset(
    {
        Verdict.NOT_PLANNED,
        Verdict.GONE,
        Verdict.TAG_MOVED,
        Verdict.OLD,
        Verdict.UNCHECKED,
        Verdict.ACCESS_LOST,
    }
)
_PLAIN: Final = {
    Whose.GOOGLES: Verdict.STAYS,
    Whose.RETIRED: Verdict.STAYS,
    Whose.UNREADABLE: Verdict.UNREADABLE,
    Whose.HOST: Verdict.BY_HAND,
    Whose.TOPIC: Verdict.BY_HAND,
}


def cover(reference: Reference, planned: Planned | None) -> Covered:
    """Return what becomes of a name.

    Args:
        reference: the name.
        planned: the plan; None: nothing is known but the name itself.
    """
    place = reference.place
    if reference.whose in _PLAIN:
        return Covered(_PLAIN[reference.whose], why=reference.why)
    if place is None:
        return Covered(Verdict.OPEN, why=f"no value for {', '.join(reference.gaps)}")
    if planned is None:
        # Whatever fills the gap of a tag, the image is an old one.
        is_old = reference.whose in {Whose.OURS, Whose.OPEN} and place.gcr_host is not None
        return Covered(Verdict.OLD if is_old else Verdict.STAYS)
    if place.path is None or place.kind == "bucket":
        return Covered(Verdict.BY_HAND, why="it names no image")
    name = image_name(place)
    found = planned.image(name)
    return _of_image(place, name, found, planned) if found else _unknown(reference, name, planned)


def _unknown(reference: Reference, name: str, planned: Planned) -> Covered:
    """Return what becomes of a name that the plan does not have at its source."""
    if moved := planned.at_target(name):
        tag = reference.place.tag if reference.place else None
        return Covered(Verdict.NEW, digest=planned.tag(moved, str(tag)) if tag else None)
    if reference.whose is Whose.SOMEBODYS:
        return Covered(Verdict.STAYS, why="of another project")
    if place := _elsewhere(reference.place, planned):
        return Covered(Verdict.STAYS, why=f"the plan does not touch {place}")
    left = planned.left_out(name)
    return Covered(Verdict.NOT_PLANNED, why=f"left out: {left}" if left else "")


def _elsewhere(place: Place | None, planned: Planned) -> str:
    """Return the repository of Artifact Registry that a plan has nothing to do with, or nothing.

    What Container Registry's names lead to is never such a one: those names do not stay.
    """
    if place is None or place.kind != "artifact-registry" or place.gcr_host:
        return ""
    repository = f"{place.host}/{place.project.path}/{place.repository}"
    return "" if planned.touches(repository) else repository


def _of_image(place: Place, name: str, found: Moved, planned: Planned) -> Covered:
    """Return what becomes of a name of an image that the plan has."""
    suffix = (f":{place.tag}" if place.tag else "") + (f"@{place.digest}" if place.digest else "")
    target = f"{found.target}{suffix}"
    tagged = planned.tag(found, str(place.tag)) if place.tag else None
    verdict, why = Verdict.MOVES, ""
    if planned.image(found.target):
        verdict, why = Verdict.BY_HAND, "its new name is an old one too"
    elif place.digest and not planned.has(found, place.digest):
        left = planned.left_out(f"{name}@{place.digest}")
        verdict, why = Verdict.GONE, left or "the plan has no such digest"
    elif place.tag and tagged is None and not place.digest:
        left = planned.left_out(f"{name}:{place.tag}")
        verdict, why = Verdict.GONE, left or "the plan has no such tag"
    elif place.digest and tagged and tagged != place.digest:
        verdict, why = Verdict.TAG_MOVED, f"the tag points to {tagged}"
    return Covered(verdict, target, tagged, why)


def image_name(place: Place) -> str:
    """Return the whole name of an image, without tag and digest."""
    name = f"{place.host}/{place.project.path}"
    if place.repository:
        name += f"/{place.repository}"
    return f"{name}/{place.path}"
