"""The states of a project's gcr.io names, the moves between them, and what each means: pure.

The setting counts for all four hosts of a project at once. It is only ever led forward: since
Container Registry was shut down, whatever is not answered by Artifact Registry is not answered.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.model.cloud import Redirection
from gcr_migrate.model.usage import COPYING, PARTIAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcr_migrate.errors import Problem
    from gcr_migrate.model.cloud import RedirectSettings


class Move(StrEnum):
    """What somebody may ask for; the last two are never made."""

    ENABLE = "enable"
    FINALIZE = "finalize"
    DISABLE = "disable"
    PARTIAL = "partial"


_ON: Final = frozenset({Redirection.ENABLED_AND_COPYING, Redirection.ENABLED})

# What a project may be led to from each state. From PARTIAL nothing is known to be refused.
FORWARD: Final[Mapping[Redirection, frozenset[Redirection]]] = {
    Redirection.UNKNOWN: frozenset(),
    Redirection.UNSPECIFIED: _ON,
    Redirection.DISABLED: _ON,
    Redirection.PARTIAL: _ON,
    Redirection.PARTIAL_AND_COPYING: _ON,
    Redirection.ENABLED_AND_COPYING: frozenset({Redirection.ENABLED}),
    Redirection.ENABLED: frozenset({Redirection.FINALIZED}),
    Redirection.FINALIZED: frozenset(),
}
REDIRECTS: Final = frozenset(
    {Redirection.ENABLED_AND_COPYING, Redirection.ENABLED, Redirection.FINALIZED}
)
"""States in which Artifact Registry answers everything."""


class Decision(Struct, frozen=True):
    """What becomes of a move that was asked for.

    Attributes:
        target: the state to write; None: nothing is written.
        problem: why it is refused; None if it is not.
        why: in words, about this state.
    """

    target: Redirection | None = None
    problem: Problem | None = None
    why: str = ""

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return self.target is None and self.problem is None


def decide(move: Move, settings: RedirectSettings, *, is_copied: bool | None) -> Decision:
    """Say what a move means in a state.

    Args:
        move: what was asked for.
        settings: the state as it was read.
        is_copied: whether everything that Container Registry had is in Artifact Registry; None if
            that is not known, which counts as no.
    """
    state = settings.state
    if move in {Move.DISABLE, Move.PARTIAL}:
        return Decision(problem=errors.REDIRECT_BACKWARD, why=_why_never(move, state))
    if state is Redirection.UNKNOWN:
        why = f"the setting is {settings.word!r}, a word that this version does not know"
        return Decision(problem=errors.REDIRECT_UNKNOWN, why=why)
    if move is Move.FINALIZE:
        return _finalize(settings)
    if state in {Redirection.ENABLED, Redirection.FINALIZED}:
        return Decision(why=meaning(settings))
    if state is Redirection.ENABLED_AND_COPYING or is_copied:
        return Decision(Redirection.ENABLED, why=_why_enabled(state))
    return Decision(Redirection.ENABLED_AND_COPYING, why=_WHY_COPYING[is_copied is None])


def _finalize(settings: RedirectSettings) -> Decision:
    if settings.state is Redirection.FINALIZED:
        return Decision(why=meaning(settings))
    if settings.state is Redirection.ENABLED:
        why = "Artifact Registry answers for good: the setting cannot be changed any more"
        return Decision(Redirection.FINALIZED, why=why)
    why = f"{meaning(settings)}; only a redirect that is enabled is made final"
    return Decision(problem=errors.REDIRECT_TOO_SOON, why=why)


_WHY_COPYING: Final = {
    False: "something is not copied yet: what is missing is copied when it is asked for",
    True: "it is not proven that everything is copied: what is missing is copied when asked for",
}


def _why_enabled(state: Redirection) -> str:
    if state in COPYING:
        return "everything is copied: copying on demand ends"
    return "everything is copied: Artifact Registry answers, and copies nothing on demand"


def _why_never(move: Move, state: Redirection) -> str:
    if move is Move.DISABLE:
        what = "Container Registry, which would answer then, is gone: every gcr.io name of the"
        said = f"{what} project would fail at once"
    else:
        what = "what is left to Container Registry fails: all pushes, and all pulls beyond the"
        said = f"{what} percentage"
    now = {
        Redirection.FINALIZED: "the redirect is final and cannot be taken back at all",
        Redirection.UNKNOWN: "the state now is not known",
    }
    return f"{said}; {now[state]}" if state in now else said


def next_move(settings: RedirectSettings) -> Move | None:
    """Return the move that leads a project on; None where there is none, or none is known."""
    if settings.state in {Redirection.UNKNOWN, Redirection.FINALIZED}:
        return None
    return Move.FINALIZE if settings.state is Redirection.ENABLED else Move.ENABLE


def meaning(settings: RedirectSettings) -> str:
    """Say in words what a state means for those who push and pull."""
    state = settings.state
    if state in PARTIAL:
        return _partial(settings)
    return _MEANINGS[state]


_MEANINGS: Final[Mapping[Redirection, str]] = {
    Redirection.UNKNOWN: "not known: this version has never heard of that state",
    Redirection.UNSPECIFIED: "no state is told; where hosts answer 412 it was never redirected",
    Redirection.DISABLED: "not redirected: every push and pull by a gcr.io name fails",
    Redirection.ENABLED_AND_COPYING: "redirected; what is missing is copied when it is asked for",
    Redirection.ENABLED: "redirected; nothing is copied any more",
    Redirection.FINALIZED: "redirected for good: it cannot be taken back",
}


def _partial(settings: RedirectSettings) -> str:
    percent = settings.pull_percent
    if percent is None:
        shares = "an unknown share of pulls is answered, the others fail"
    else:
        shares = f"{percent}% of pulls are answered, {100 - percent}% fail"
    copying = "; what is missing is copied" if settings.state in COPYING else ""
    return f"a canary that was never finished: {shares}, and so does every push{copying}"


def irreversible(state: Redirection, target: Redirection) -> Iterator[str]:
    """Give what cannot be taken back after a move, in words."""
    if target is Redirection.FINALIZED:
        yield "The redirect can never be disabled again, by anybody."
        return
    if state is not Redirection.ENABLED_AND_COPYING:
        yield "There is no way back: with the redirect disabled every gcr.io name fails."
        yield "Pulls and pushes are judged by policies of Artifact Registry, no longer the bucket."
    if target is Redirection.ENABLED:
        yield "Copying on demand is over: what is not copied is gone from the gcr.io names."
    else:
        yield "Until copying is ended, what is deleted may come back from the bucket."
