"""Servers that end connections without a word: which kept ones can be relied on."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_S: Final = 1.0
_LONGEST_S: Final = 60.0
K = TypeVar("K", bound=Hashable)


class Keeping(Generic[K]):
    """Servers at which requests met the end of a connection that was kept.

    Whoever sends such a request again may get the next one that is dying, until all tries are
    used up. So new connections are made for a time, a longer one each time that it happens again.

    Args:
        clock: tells seconds, and never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._doubts: dict[K, tuple[float, float]] = {}  # until when, and for how long

    def is_of_use(self, server: K) -> bool:
        """Whether connections to this server are kept and used again now."""
        until, _ = self._doubts.get(server, (float("-inf"), 0.0))
        return self._clock() >= until

    def ended(self, server: K) -> None:
        """Take note that a kept connection ended before a byte of an answer came over it."""
        if self.is_of_use(server):  # those that go on ending now were kept before
            _, last_s = self._doubts.get(server, (0.0, 0.0))
            wait_s = min(_LONGEST_S, 2 * last_s or _FIRST_S)
            self._doubts[server] = self._clock() + wait_s, wait_s

    def served(self, server: K) -> None:
        """Take note that an answer came over a kept connection."""
        if self.is_of_use(server):
            self._doubts.pop(server, None)
