"""The table of moves: each state with each move, and where it may lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate import errors
from gcr_migrate.model.cloud import Redirection, RedirectSettings
from gcr_migrate.redirect.moves import FORWARD, Move, decide, irreversible, meaning, next_move

R = Redirection
NEITHER = (R.UNSPECIFIED, R.DISABLED, R.PARTIAL, R.PARTIAL_AND_COPYING)
STATES = st.sampled_from(list(R))
COPIED = st.sampled_from([True, False, None])
# How far a project has come; what is refused must never lower it.
RANKS = {
    R.UNSPECIFIED: 0,
    R.DISABLED: 0,
    R.PARTIAL: 1,
    R.PARTIAL_AND_COPYING: 1,
    R.ENABLED_AND_COPYING: 2,
    R.ENABLED: 3,
    R.FINALIZED: 4,
}
ENABLES = [
    *((state, copied, R.ENABLED_AND_COPYING) for state in NEITHER for copied in (False, None)),
    *((state, True, R.ENABLED) for state in NEITHER),
    *((R.ENABLED_AND_COPYING, copied, R.ENABLED) for copied in (True, False, None)),
    *((state, copied, None) for state in (R.ENABLED, R.FINALIZED) for copied in (True, None)),
]


def said(state: Redirection, percent: int | None = None) -> RedirectSettings:
    """The setting as a project has it."""
    return RedirectSettings(state, state.value, percent)


@pytest.mark.parametrize(("state", "copied", "target"), ENABLES)
def test_enable_leads_on(
    state: Redirection, *, copied: bool | None, target: Redirection | None
) -> None:
    """Enable copies on demand while anything may be uncopied, ends that next, and then rests."""
    found = decide(Move.ENABLE, said(state), is_copied=copied)
    assert (found.target, found.problem) == (target, None)
    assert found.why


@pytest.mark.parametrize("state", list(R))
def test_finalize_only_what_is_enabled(state: Redirection) -> None:
    """Finalize moves from enabled, rests at final, and is refused everywhere else."""
    found = decide(Move.FINALIZE, said(state), is_copied=True)
    known = {
        R.ENABLED: (R.FINALIZED, None),
        R.FINALIZED: (None, None),
        R.UNKNOWN: (None, errors.REDIRECT_UNKNOWN),
    }
    assert (found.target, found.problem) == known.get(state, (None, errors.REDIRECT_TOO_SOON))


@pytest.mark.parametrize("move", [Move.DISABLE, Move.PARTIAL])
@pytest.mark.parametrize("state", list(R))
def test_backward_is_refused_everywhere(state: Redirection, move: Move) -> None:
    """Disable and partial are refused in every state with the reason, and write nothing."""
    found = decide(move, said(state), is_copied=True)
    assert (found.target, found.problem) == (None, errors.REDIRECT_BACKWARD)
    assert "fail" in found.why


@given(copied=COPIED, move=st.sampled_from([Move.ENABLE, Move.FINALIZE]), word=st.text(max_size=40))
def test_an_unknown_state_is_never_moved(*, copied: bool | None, move: Move, word: str) -> None:
    """A word that is not in the list is refused with the word, whatever it looks like."""
    found = decide(move, RedirectSettings(R.UNKNOWN, word), is_copied=copied)
    assert (found.target, found.problem) == (None, errors.REDIRECT_UNKNOWN)
    assert repr(word) in found.why


@given(state=STATES, move=st.sampled_from(list(Move)), copied=COPIED)
def test_every_move_goes_forward(state: Redirection, move: Move, *, copied: bool | None) -> None:
    """A move that is made is in the table of legal ones, goes up, and tells what is for good."""
    found = decide(move, said(state), is_copied=copied)
    if found.target is not None:
        assert found.target in FORWARD[state]
        assert RANKS[found.target] > RANKS[state]
        assert list(irreversible(state, found.target))
        assert found.target not in {R.DISABLED, R.PARTIAL, R.PARTIAL_AND_COPYING}


def test_the_table_names_every_state_and_no_way_back() -> None:
    """Each state is in the table, and none of its ways leads down or to where a share fails."""
    assert set(FORWARD) == set(R)
    ways = [(state, target) for state, targets in FORWARD.items() for target in targets]
    assert all(RANKS[target] > RANKS[state] for state, target in ways)
    assert {target for _, target in ways} == {R.ENABLED_AND_COPYING, R.ENABLED, R.FINALIZED}


@given(percent=st.integers(0, 100))
def test_a_canary_is_explained_by_its_shares(percent: int) -> None:
    """Both partial states tell which share of the pulls fails, and that all pushes do."""
    for state in (R.PARTIAL, R.PARTIAL_AND_COPYING):
        told = meaning(said(state, percent))
        assert f"{percent}% of pulls are answered, {100 - percent}% fail" in told
        assert "every push" in told
        assert "unknown share" in meaning(said(state))


def test_what_comes_next() -> None:
    """Every state that is known leads to enable, then to finalize, then nowhere."""
    assert {state: next_move(said(state)) for state in R} == {
        **dict.fromkeys([*NEITHER, R.ENABLED_AND_COPYING], Move.ENABLE),
        R.ENABLED: Move.FINALIZE,
        R.FINALIZED: None,
        R.UNKNOWN: None,
    }
