"""What an earlier run of the same verification found right, where it did not come to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Part(Protocol):
    """An earlier run whose checks are believed; seconds since 1970."""

    @property
    def began_s(self) -> float:
        """When it began."""
        ...

    @property
    def last_s(self) -> float:
        """When it last kept anything."""
        ...


class Kept(Protocol):
    """Checks that need not be made again, and those of this run for the next one."""

    @property
    def seed(self) -> int:
        """By which samples are drawn: the same for all runs of one verification."""
        ...

    @property
    def earlier(self) -> Sequence[Part]:
        """Runs before this one of which something is believed."""
        ...

    def done(self, level: str, subject: str) -> int | None:
        """Return how many checks an earlier run settled here; None where it is to be asked."""
        ...

    def right(self, level: str, subject: str, count: int = 1) -> None:
        """Take note that a check, or so many at once, found all as it should be."""
        ...

    def children(self, name: str) -> tuple[str, ...] | None:
        """Return what an earlier run found below a name; None where it is to be listed."""
        ...

    def walked(self, name: str, children: Sequence[str]) -> None:
        """Take note that a name was listed, and that all is right with what it has itself."""
        ...


class KeptNowhere:
    """Nothing was kept, and nothing is.

    Args:
        seed: by which samples are drawn.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.earlier: Sequence[Part] = ()

    def done(self, level: str, subject: str) -> int | None:  # noqa: ARG002  # it never is
        """Return None."""
        return None

    def right(self, level: str, subject: str, count: int = 1) -> None:
        """Forget it."""

    def children(self, name: str) -> tuple[str, ...] | None:  # noqa: ARG002  # none is known
        """Return None."""
        return None

    def walked(self, name: str, children: Sequence[str]) -> None:
        """Forget it."""
