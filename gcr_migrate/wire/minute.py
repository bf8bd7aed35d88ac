"""How many requests went out in the busiest minute: that is how quotas are counted."""

from __future__ import annotations

from collections import deque
from typing import Final

_MINUTE_S: Final = 60


class Minute:
    """Counts requests second by second, over a minute; keeps no clock.

    Attributes:
        busiest: requests in the minute that had most.
    """

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()
        self._count = 0
        self.busiest = 0

    def add(self, now: float) -> None:
        """Count a request that is sent at this second, on a clock that does not go back."""
        second = int(now)
        if self._seconds and self._seconds[-1][0] >= second:
            last, count = self._seconds.pop()
            self._seconds.append((last, count + 1))
        else:
            while self._seconds and self._seconds[0][0] <= second - _MINUTE_S:
                self._count -= self._seconds.popleft()[1]
            self._seconds.append((second, 1))
        self._count += 1
        self.busiest = max(self.busiest, self._count)
