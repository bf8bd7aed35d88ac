"""How long what is left for a target service takes that lets so many requests pass in a second.

Who holds them back does not matter: the tool, by a limit that it knows, or the service, which has
refused some. Each request has its turn then, whatever it is for.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from gcr_migrate.model.brakes import is_beside

if TYPE_CHECKING:
    from gcr_migrate.model.pace import Amount

_OVER_S: Final = 10.0
_LEAST_S: Final = 8.0  # in less, chance is all there is
# Tokens, lists and looks are counted by the service, and not here: so less than all of a limit
# passes where it binds. Once it has been seen to bind, it does until much less passes.
_BINDS: Final = 0.5
_MAY_BIND: Final = 0.25
_UNEVEN: Final = 1.5  # one half of the time, beside the other: it does not tell what comes
_SMALL_BYTES: Final = 16 * 1024  # of a request: what they add is not worth a thought


class Told(NamedTuple):
    """What turns tell.

    Attributes:
        seconds: that the rest takes; None where nobody can know.
        is_sure: it is known that requests are what binds.
    """

    seconds: float | None
    is_sure: bool


class Turns:
    """Measures requests that pass; knows no clock.

    Args:
        cap: how many the tool lets pass in a second; None: any number.
    """

    def __init__(self, cap: float | None) -> None:
        self._cap = cap
        self._marks: deque[tuple[float, int, int]] = deque()
        self._best_bytes = 0.0
        self._has_bound = False

    def sample(self, at_s: float, passed: Amount) -> None:
        """Take note of how far it is, every second or so since it has begun."""
        self._marks.append((at_s, passed.requests + passed.items, passed.bytes))
        while len(self._marks) > 2 and at_s - self._marks[1][0] >= _OVER_S:  # noqa: PLR2004  # ends
            self._marks.popleft()
        then_s, _, bytes_then = self._marks[0]
        if at_s - then_s >= _LEAST_S:
            self._best_bytes = max(self._best_bytes, (passed.bytes - bytes_then) / (at_s - then_s))
            if self._cap and self._rate() >= _BINDS * self._cap:
                self._has_bound = True

    def _rate(self, first: int = 0, last: int = -1) -> float:
        (then_s, had, _), (now_s, has, _) = self._marks[first], self._marks[last]
        return (has - had) / (now_s - then_s) if now_s > then_s else 0.0

    def told(self, left: Amount, *, was_refused: bool) -> Told | None:
        """Return what is told of the rest; None where requests are not what binds.

        Args:
            left: the rest.
            was_refused: the service has refused requests, so that it is asked as fast as it takes.
        """
        if not self._marks or self._marks[-1][0] - self._marks[0][0] < _LEAST_S:
            return None
        count, rate = left.requests + left.items, self._rate()
        may_bind = was_refused or (self._cap and rate >= _MAY_BIND * self._cap)
        if not may_bind or rate <= 0:
            return None
        is_small = left.bytes <= _SMALL_BYTES * count
        if not is_small and not is_beside(left.bytes, self._best_bytes, count / rate):
            return None
        half_s = (self._marks[0][0] + self._marks[-1][0]) / 2
        middle = next(n for n, mark in enumerate(self._marks) if mark[0] >= half_s)
        early, late = self._rate(0, middle), self._rate(middle)
        is_even = max(early, late) <= _UNEVEN * min(early, late)
        return Told(count / max(rate, late) if is_even else None, was_refused or self._has_bound)

    def least_s(self, left: Amount) -> float:
        """Return the seconds that the rest takes at least."""
        return (left.requests + left.items) / self._cap if self._cap else 0.0
