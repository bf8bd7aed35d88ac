"""Which part of a baseline speaks of a target, and which part of the target it says nothing of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.model.names import Project

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcr_migrate.cli.target import Target


class Area(Struct, frozen=True):
    """A root of a baseline, as far as it was read.

    Attributes:
        shown: name of the root.
        only: image paths at and below which it was read; none: all.
    """

    shown: str
    only: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Full names at and below which it was read."""
        return tuple(f"{self.shown}/{path}" if path else self.shown for path in self.only or ("",))


class Held(Struct):
    """What of a target can be held against a baseline.

    Attributes:
        below: by root, the image paths at and below which it is looked at; none: all of it.
        untold: names of the target of which the baseline says nothing, each with what it says.
    """

    below: dict[str, tuple[str, ...]] = field(default_factory=dict)
    untold: dict[str, str] = field(default_factory=dict)


def held_against(
    target: Target, areas: Sequence[Area], taken_of: str, empty: Iterable[str], subject: str
) -> Held:
    """Hold a target against what a baseline shows.

    Args:
        target: what is verified.
        areas: what the baseline shows.
        taken_of: what it was taken of, as a person named it then.
        empty: hosts that were not in use when it was taken.
        subject: the baseline, for errors.

    Raises:
        MigrateError: `bad-usage`, it shows nothing of the target.
    """
    found, unused = Held(), set(empty)
    for wanted in _wanted(target):
        shares = {area.shown: _share(wanted, area) for area in areas}
        found.below |= {shown: share for shown, share in shares.items() if share is not None}
        is_whole = any(_is_in(wanted, name) for area in areas for name in area.names)
        if not is_whole and taken_of != target.name and wanted not in unused:
            found.untold[wanted] = f"the baseline is one of {taken_of}"
    if not found.below:
        shown = ", ".join(name for area in areas for name in area.names) or "nothing"
        saw = f"it shows {shown}, and not {target.name}"
        raise MigrateError(BAD_USAGE, subject=subject, saw=saw)
    return found


def _wanted(target: Target) -> tuple[str, ...]:
    """Return the full names that a target stands for."""
    from gcr_migrate.spec import ProjectSource

    if not isinstance(target.source, ProjectSource):
        return (target.name,)
    path = Project.parse(target.source.project).path
    tails = [f"/{one}" for one in (*target.source.below, *target.source.paths)] or [""]
    return tuple(f"{host}/{path}{tail}" for host in target.source.hosts for tail in tails)


def _share(wanted: str, area: Area) -> tuple[str, ...] | None:
    """Return the image paths of an area that are wanted, none for all; None where nothing is."""
    if any(_is_in(wanted, name) for name in area.names):
        below = wanted.removeprefix(area.shown).removeprefix("/")
        return (below,) if below else area.only
    inside = tuple(
        path
        for path, name in zip(area.only or ("",), area.names, strict=True)
        if _is_in(name, wanted)
    )
    return tuple(filter(None, inside)) if inside else None


def _is_in(name: str, above: str) -> bool:
    return name == above or name.startswith(f"{above}/")
