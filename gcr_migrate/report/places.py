"""How far each target repository is while a run goes on, and the names of what is in flight."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.model.steps import CONTENT, Event
from gcr_migrate.state.left import repositories_of
from gcr_migrate.state.tally import subject_of

if TYPE_CHECKING:
    from gcr_migrate.model.steps import Kind, Step
    from gcr_migrate.report.course import Flight
    from gcr_migrate.state.left import Left
    from gcr_migrate.state.migration import Migration

_ENDS: Final = (Event.CONFIRMED, Event.SKIPPED, Event.GAVE_UP)


class Place(Struct):
    """A target repository while a run goes on.

    Attributes:
        name: its full name.
        planned: blobs, manifests and tags that the plan has for it.
        ended: those of them that are there, are left as they are, or failed in this run.
        moved: number of the tick in which something of it ended last, 0 if nothing has.
    """

    name: str
    planned: int
    ended: int
    moved: int = 0


class Places:
    """Adds up by repository what a run is told of single items.

    Which repository an item belongs to is asked of the file, for all items of half a second at
    once, so that nothing of the plan is held here but a row for each repository.

    Args:
        migration: the frozen plan.
        left: what the run began with.
    """

    def __init__(self, migration: Migration, left: Left) -> None:
        self._migration = migration
        names = {id_: one.shown for id_, one in migration.repositories().items()}
        self._places = {
            id_: Place(names[id_], planned, planned - pending)
            for id_, (planned, pending) in left.by_repository.items()
        }
        self._ended: dict[Kind, list[int]] = defaultdict(list)
        self._lost: dict[Kind, list[int]] = defaultdict(list)
        self._ticks = 0

    def item(self, step: Step) -> None:
        """Take note that something happened to one item."""
        if step.kind in CONTENT and step.event in _ENDS:
            self._ended[step.kind].append(step.item_id)
        elif step.kind in CONTENT and step.event is Event.LOST and step.how:
            self._lost[step.kind].append(step.item_id)

    def tick(self) -> None:
        """Add up what came since the last time."""
        self._ticks += 1
        ended, self._ended = self._ended, defaultdict(list)
        lost, self._lost = self._lost, defaultdict(list)
        for sign, found in ((-1, lost), (1, ended)):
            for kind, item_ids in found.items():
                for id_, count in repositories_of(self._migration, kind, item_ids).items():
                    place = self._places[id_]
                    place.ended = min(place.planned, place.ended + sign * count)
                    place.moved = self._ticks

    def busiest(self, count: int) -> list[Place]:
        """Return so many repositories at most that are begun and not ended, the liveliest first."""
        begun = [one for one in self._places.values() if 0 < one.ended < one.planned]
        return sorted(begun, key=lambda one: (-one.moved, one.name))[:count]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Number of repositories that are ended, begun, and not begun."""
        places = self._places.values()
        ended = sum(one.ended >= one.planned for one in places)
        untouched = sum(one.ended == 0 < one.planned for one in places)
        return ended, len(places) - ended - untouched, untouched

    def name_of(self, flight: Flight) -> str:
        """Return the full target name of something that is in flight."""
        return subject_of(self._migration, flight.kind, flight.item_id)
