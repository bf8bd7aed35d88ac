"""What a run is held back by of the tool's own accord, and how long the rest takes then.

No rest takes less than the caps on bytes and requests allow. Where one of them binds, nothing waits
in buffers: what has passed it has arrived, and the rest passes as fast. That is so as long as the
rest needs nothing else at a higher rate than this run has shown.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import astuple

from gcr_migrate.model.pace import ITEM_S, Amount

if TYPE_CHECKING:
    from gcr_migrate.model.limits import Rates

_OVER_S: Final = 20.0
_LATELY_S: Final = 3.0  # what begins to pass shows here first; in less, chance is all there is
_MUCH_MORE: Final = 1.15
_BYTES_BIND: Final = 0.8  # of a cap: it is kept from below, as timers are late
_SLACK, _SLACK_S = 1.25, 1.0  # so much longer than what binds, something else may seem to take
_ENDING_S: Final = 0.5  # the last bytes are answered, and a manifest and its tag wait for that
_FASTER: Final = 1.5  # less may be chance
_ITEMS_AT_MOST: Final = 0.3  # part of the rest that items may be of which none were measured


class Brakes(Struct, frozen=True):
    """How fast a run goes at most; None: there is no such number.

    Attributes:
        bytes_per_s: bytes of blobs that are sent in a second.
        by_service: requests in a second to each target service, by its host.
    """

    bytes_per_s: float | None = None
    by_service: dict[str, Rates] = field(default_factory=dict)

    @property
    def writes_per_s(self) -> float | None:
        """Requests that write, in a second to all of them; None: there is no such number."""
        most = 0.0
        for rates in self.by_service.values():
            cap = rates.for_writes
            if cap is None:
                return None
            most += cap
        return most or None

    def least_s(self, left: Amount) -> float:
        """Return the seconds that the rest takes at least."""
        bytes_s = left.bytes / self.bytes_per_s if self.bytes_per_s else 0.0
        count, cap = left.requests + left.items, self.writes_per_s
        return max(bytes_s, count / cap if cap else 0.0)


class Speed(Struct, frozen=True):
    """What passes in a second: bytes, and requests of any kind."""

    bytes: float = 0.0
    requests: float = 0.0

    def is_above(self, other: Speed) -> bool:
        """Whether it is clearly more than another one, whatever binds."""
        return (
            self.bytes + self.requests > 0
            and self.bytes >= _FASTER * other.bytes
            and self.requests >= _FASTER * other.requests
        )


class _Rates(Struct, frozen=True):
    """What passes in a second."""

    bytes: float = 0.0
    requests: float = 0.0
    items: float = 0.0

    @classmethod
    def of(cls, passed: Amount, seconds: float) -> _Rates:
        return cls(passed.bytes / seconds, passed.requests / seconds, passed.items / seconds)

    def or_more(self, other: _Rates) -> _Rates:
        return _Rates(
            max(self.bytes, other.bytes),
            max(self.requests, other.requests),
            max(self.items, other.items),
        )

    def or_lately(self, lately: _Rates) -> _Rates:
        """Return these, or what is much more lately: it has begun to pass only just now."""
        both = zip(astuple(self), astuple(lately), strict=True)
        return _Rates(*(new if new > _MUCH_MORE * old else old for old, new in both))


class Braked:
    """Measures a run by what passes its brakes; knows no clock.

    Its amounts are bytes that have left, requests to targets for blobs, and those for items.

    Args:
        brakes: these.
    """

    def __init__(self, brakes: Brakes) -> None:
        self._brakes = brakes
        self._marks: deque[tuple[float, Amount]] = deque()
        self._now = self._best = _Rates()

    def sample(self, at_s: float, passed: Amount) -> None:
        """Take note of how far the run is, every second or so and when it begins."""
        self._marks.append((at_s, passed))
        while at_s - self._marks[0][0] > _OVER_S:
            self._marks.popleft()
        long_ago = [mark for mark in self._marks if at_s - mark[0] >= _LATELY_S]
        if long_ago:
            self._now = self._since(long_ago[0]).or_lately(self._since(long_ago[-1]))
        self._best = self._best.or_more(self._now)

    def _since(self, mark: tuple[float, Amount]) -> _Rates:
        at_s, passed = self._marks[-1]
        return _Rates.of(passed - mark[1], at_s - mark[0])

    @property
    def lately(self) -> Speed:
        """How fast the run goes, or went until it had nothing to do."""
        return Speed(self._now.bytes, self._now.requests + self._now.items)

    def least_s(self, left: Amount) -> float:
        """Return the seconds that the rest takes at least."""
        return self._brakes.least_s(left)

    def by_bytes(self, left: Amount) -> float | None:
        """Return the seconds that the rest takes where bytes are what binds; else None."""
        cap, now = self._brakes.bytes_per_s, self._now
        if not cap or now.bytes < _BYTES_BIND * cap:
            return None
        bytes_s = left.bytes / min(now.bytes, cap)
        if not is_beside(left.requests, self._best.requests, bytes_s):
            return None
        # Items come beside blobs as they do now, and those that wait for the last ones after them.
        after = max(0.0, left.items - now.items * bytes_s)
        cap = self._brakes.writes_per_s
        items_s = after * max(ITEM_S, 1 / cap if cap else 0.0)
        is_known = cap or items_s <= _ITEMS_AT_MOST * (bytes_s + items_s)
        return bytes_s + items_s + _ENDING_S if is_known else None


def is_beside(left: float, best_per_s: float, bound_s: float) -> bool:
    """Whether a rest fits beside what binds, at the best rate that was seen of it."""
    return left <= best_per_s * (_SLACK * bound_s + _SLACK_S)
