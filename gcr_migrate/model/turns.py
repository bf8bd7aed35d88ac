"""How long what is left for a target service takes that lets so many requests pass in a second.

Who holds them back does not matter: the tool, by a limit that it knows, or the service, which has
refused some. Each request has its turn then, whatever it is for: those too that belong to no item,
as for tokens and lists, and those to the source where the same service counts them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from gcr_migrate.model.brakes import is_beside
from gcr_migrate.model.limits import EVEN

if TYPE_CHECKING:
    from gcr_migrate.model.limits import Rates
    from gcr_migrate.model.pace import Amount

_OVER_S: Final = 10.0
_ENOUGH: Final = 100  # requests in that time; in fewer, chance has its part
_AT_MOST_S: Final = 60.0
_SEEN_S: Final = 1.0  # in less, nothing is seen to bind
_LEAST_S: Final = 4.0  # in less, chance is all that tells the rest
_BINDS: Final = 0.85 * EVEN  # of a limit: it is kept from below, as timers are late
_UNEVEN: Final = 1.5  # one half of the time, beside the other: it does not tell what comes
_MUCH_MORE: Final = 1.15  # less may be chance
_TELLING: Final = 0.25  # of the items: what they took tells what others take
_SMALL_BYTES: Final = 16 * 1024  # of a request: what they add is not worth a thought


class Sent(NamedTuple):
    """Requests that a service was sent: all of them, and those that write."""

    asked: int
    written: int

    @property
    def looks(self) -> int:
        """Requests that did not write."""
        return self.asked - self.written


class _Mark(NamedTuple):
    at_s: float
    passed: int
    bytes: int
    sent: Sent

    def done(self, looks: int) -> int:
        """Return what has passed, with as many looks as count."""
        return self.passed + min(looks, self.sent.looks)


class Turns:
    """Measures requests that pass; knows no clock.

    Args:
        rates: how many the tool lets pass in a second.
        looks: requests that do not write and that come before the items, as is known: they count
            until a part of the items has ended, which then tells the rest.
    """

    def __init__(self, rates: Rates, looks: int = 0) -> None:
        self._rates = rates
        self._looks = looks
        self._items = 0
        self._marks: deque[_Mark] = deque()
        self._best_bytes = 0.0

    def sample(self, at_s: float, passed: Amount, sent: Sent) -> None:
        """Take note of how far it is, every second or so since it has begun.

        Args:
            at_s: the time.
            passed: bytes, and the requests that items need at least.
            sent: all requests.
        """
        self._items = passed.items
        self._marks.append(_Mark(at_s, _count(passed), passed.bytes, sent))
        while len(self._marks) > 2 and self._are_enough_since(self._marks[1]):  # noqa: PLR2004  # ends
            self._marks.popleft()
        if self._seen_s >= _LEAST_S:
            first, last = self._marks[0], self._marks[-1]
            bytes_per_s = (last.bytes - first.bytes) / (last.at_s - first.at_s)
            self._best_bytes = max(self._best_bytes, bytes_per_s)

    def _are_enough_since(self, mark: _Mark) -> bool:
        now = self._marks[-1]
        seconds, asked = now.at_s - mark.at_s, now.sent.asked - mark.sent.asked
        return seconds >= _AT_MOST_S or (seconds >= _OVER_S and asked >= _ENOUGH)

    @property
    def _seen_s(self) -> float:
        return self._marks[-1].at_s - self._marks[0].at_s if self._marks else 0.0

    def bind(self, left: Amount, *, was_refused: bool = False) -> bool:
        """Whether requests are what binds, and the rest is of the same kind.

        Args:
            left: the rest.
            was_refused: the service has refused requests, so that it is asked as fast as it takes.
        """
        if self._seen_s < _SEEN_S or not (was_refused or self._is_at_a_limit):
            return False
        looks = self._looks_for(left)
        count = self._to_pass(left, looks)
        if left.bytes <= _SMALL_BYTES * count:
            return True
        rate = _rate(self._marks[0], self._marks[-1], looks)
        return rate > 0 and is_beside(left.bytes, self._best_bytes, count / rate)

    @property
    def _is_at_a_limit(self) -> bool:
        first, last = self._marks[0], self._marks[-1]
        seconds = last.at_s - first.at_s
        caps = self._rates.requests_per_s, self._rates.writes_per_s
        return any(
            cap is not None and now - then >= _BINDS * cap * seconds
            for cap, then, now in zip(caps, first.sent, last.sent, strict=True)
        )

    def left_s(self, left: Amount) -> float | None:
        """Return the seconds that the rest takes by its turns; None while ever fewer are for items.

        It is otherwise at first: what tokens and lists take is over then, and does not come again.
        """
        if self._seen_s < _LEAST_S:
            return None
        first, last = self._marks[0], self._marks[-1]
        middle = next(one for one in self._marks if one.at_s >= (first.at_s + last.at_s) / 2)
        looks = self._looks_for(left)
        early, late = _rate(first, middle, looks), _rate(middle, last, looks)
        rate = _rate(first, last, looks)
        if not late or early > _UNEVEN * late:
            return None
        return self._to_pass(left, looks) / (late if late > _MUCH_MORE * rate else rate)

    def _looks_for(self, left: Amount) -> int:
        """Return how many looks there are in all, as long as they count."""
        return self._looks if self._items < _TELLING * (self._items + left.items) else 0

    def _to_pass(self, left: Amount, looks: int) -> int:
        return _count(left) + max(0, looks - self._marks[-1].sent.looks)

    def least_s(self, left: Amount) -> float:
        """Return the seconds that the rest takes at least."""
        cap = self._rates.for_writes
        return _count(left) / cap if cap else 0.0


def _rate(then: _Mark, now: _Mark, looks: int) -> float:
    seconds = now.at_s - then.at_s
    return (now.done(looks) - then.done(looks)) / seconds if seconds > 0 else 0.0


def _count(amount: Amount) -> int:
    return amount.requests + amount.items
