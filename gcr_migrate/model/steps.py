"""The life of one item of a plan: enum, table, events.

The state of an item is the sum of its events, never a stored field.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kind(StrEnum):
    """What an item is."""

    REPOSITORY = "repository"
    GRANT = "grant"
    BLOB = "blob"
    MANIFEST = "manifest"
    TAG = "tag"
    SETTING = "setting"  # of a repository, written once its images are there


CONTENT: Final = (Kind.BLOB, Kind.MANIFEST, Kind.TAG)


class State(StrEnum):
    """Where an item is in its life."""

    PLANNED = "planned"
    MOVING = "moving"
    PRESENT = "present"
    SKIPPED = "skipped"
    FAILED = "failed"


class Event(StrEnum):
    """What can happen to an item."""

    STARTED = "started"  # on disk before the first byte leaves
    CONFIRMED = "confirmed"  # a 201 with the right digest, or presence seen in this run
    LOST = "lost"  # the target does not have it: who moved it is gone, or a mount was none
    SKIPPED = "skipped"  # a rule of the spec says to leave it
    GAVE_UP = "gave-up"  # it failed, with its reason
    UNDONE = "undone"  # what a run had added was taken back, or is gone


class Step(Struct, frozen=True):
    """One event in the life of one item, as listeners are told of it.

    Attributes:
        kind: what the item is.
        item_id: which one of its kind.
        event: what happened.
        size_bytes: its length, where that is known.
        how: for CONFIRMED: `uploaded`, `mounted`, `present`, `created`, `written`; for LOST
            `believed`, where it had counted as there; `elsewhere`, if it can be mounted then.
        code: for GAVE_UP and SKIPPED: code of the problem.
    """

    kind: Kind
    item_id: int
    event: Event
    size_bytes: int = 0
    how: str = ""
    code: str = ""


NEXT: Final = {
    (State.PLANNED, Event.STARTED): State.MOVING,
    (State.PLANNED, Event.CONFIRMED): State.PRESENT,  # it was there before us
    (State.PLANNED, Event.SKIPPED): State.SKIPPED,
    (State.PLANNED, Event.GAVE_UP): State.FAILED,  # what it needs failed
    (State.PLANNED, Event.LOST): State.PLANNED,  # the plan had found it there
    (State.MOVING, Event.STARTED): State.MOVING,  # again, by a later run
    (State.MOVING, Event.CONFIRMED): State.PRESENT,
    (State.MOVING, Event.SKIPPED): State.SKIPPED,
    (State.MOVING, Event.LOST): State.PLANNED,
    (State.MOVING, Event.GAVE_UP): State.FAILED,
    (State.PRESENT, Event.LOST): State.PLANNED,  # the target had said so, and has it not
    (State.PRESENT, Event.UNDONE): State.PLANNED,
    (State.SKIPPED, Event.LOST): State.PLANNED,  # what was in its way is gone
    (State.FAILED, Event.STARTED): State.MOVING,  # a later run tries again
    (State.FAILED, Event.CONFIRMED): State.PRESENT,
    (State.FAILED, Event.LOST): State.PLANNED,  # it was not known whether it was done
    (State.FAILED, Event.SKIPPED): State.SKIPPED,
    (State.FAILED, Event.GAVE_UP): State.FAILED,
}
FINAL: Final = frozenset({State.PRESENT, State.SKIPPED, State.FAILED})


def state_after(events: Iterable[Event]) -> State:
    """The state in which these events leave an item that was planned.

    Raises:
        KeyError: the events are not a legal life.
    """
    state = State.PLANNED
    for event in events:
        state = NEXT[state, event]
    return state
