"""The life of an item."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.model.steps import FINAL, NEXT, Event, State, state_after
from gcr_migrate.state.items import STATE_BY_LAST


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """Draw events that are legal one after the other."""
    state, events = State.PLANNED, []
    for _ in range(draw(st.integers(0, 12))):
        legal = [event for before, event in NEXT if before is state]
        if not legal:
            break
        events.append(draw(st.sampled_from(legal)))
        state = NEXT[state, events[-1]]
    return events


@given(lives())
def test_the_last_event_alone_tells_the_state(events: list[Event]) -> None:
    """Whatever came before, the state after a legal life is that of its last event."""
    expected = STATE_BY_LAST[events[-1].value] if events else State.PLANNED

    assert state_after(events) is expected


@given(lives())
def test_a_killed_run_can_always_go_on(events: list[Event]) -> None:
    """Wherever a process dies, the item is settled or can still be confirmed."""
    state = state_after(events)

    assert state in {State.PRESENT, State.SKIPPED} or (state, Event.CONFIRMED) in NEXT


@given(lives())
def test_an_item_without_an_end_is_not_final(events: list[Event]) -> None:
    """A final state needs an event that ends the item: a start alone never looks finished."""
    if state_after(events) in FINAL:
        assert events[-1] in {Event.CONFIRMED, Event.SKIPPED, Event.GAVE_UP}


def test_what_was_taken_back_is_planned_again() -> None:
    """A later run does it again; what was never there cannot be taken back."""
    assert state_after([Event.STARTED, Event.CONFIRMED, Event.UNDONE]) is State.PLANNED
    assert {before for before, event in NEXT if event is Event.UNDONE} == {State.PRESENT}


BACK = {Event.LOST, Event.UNDONE}


@pytest.mark.parametrize("settled", [State.PRESENT, State.SKIPPED])
@pytest.mark.parametrize("event", [one for one in Event if one not in BACK])
def test_what_is_settled_stays_settled(settled: State, event: Event) -> None:
    """Nothing leads out of present or skipped, but a person or a target that takes it back."""
    assert (settled, event) not in NEXT


def test_what_the_plan_had_found_can_be_lost() -> None:
    """Nothing was ever recorded of it, and a later run does it."""
    assert state_after([Event.LOST]) is State.PLANNED
