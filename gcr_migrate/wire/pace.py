"""How fast one kind of requests goes to one service: evenly, and never faster than it takes.

A service that refuses has told what it takes: what was sent in the second before. The pace falls
to half of that at once, and comes back slowly to a part of it, so that the quota that was found
is not used up again. Only after a minute without refusals is a little more tried. Where hardly
anything was sent in that second, or half of one has not gone by yet, a refusal has told nothing: it
is begun anew, a few times.

What is on its way when a service begins to refuse is refused too, and where answers are slow that
may be much. So of what nobody knows to be taken only a little is on its way at once.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from gcr_migrate.model.limits import EVEN

CATCH_UP_S: Final = 0.02  # timers are late: what they cost may be made good
_ON_ITS_WAY_S: Final = 2.0  # a request has arrived by then, though a large one is not answered
_LOOK_AGAIN_S: Final = 0.25
_STEP_S: Final = 0.5
_FIRST_STEP_S: Final = 0.25  # until a rate is found
_QUIET_S: Final = 60.0  # quotas are counted by the minute
_LEFT_TO_OTHERS: Final = 0.3
_LEAST_PER_S: Final = 2.0
_TELLING_PER_S: Final = 2 * _LEAST_PER_S  # of fewer, one refusal says nothing about the others
_ANEW_AT_MOST: Final = 3  # a service that takes no more than that is not asked in vain for ever
_TELLING_S: Final = 0.5  # before, a second would have had more than twice as many
_FEW_FOR_S: Final = 1 / 36  # a line as slow as this one does not keep a new pace from being kept
_FEWEST: Final = 2
_TAKEN_FIRST: Final = 32  # before there are more of them
_TAKEN_FOR_ONE_MORE: Final = 12  # then they double on such a line as fast as the pace does
_MAY_BE_REFUSED_S: Final = 0.5  # later it is being worked on: uploads shall not keep others back


class Turn:
    """One request that may be sent.

    Attributes:
        service: who is asked.
        sent_at: when, in the pilot's time.
        part: which part of the service, see `Refusing`.
        subject: what it is about.
    """

    __slots__ = ("part", "sent_at", "service", "subject")

    def __init__(self, service: str, sent_at: float, part: str = "", subject: str = "") -> None:
        self.service = service
        self.sent_at = sent_at
        self.part = part
        self.subject = subject


class _Second:
    """Keeps a service from having more requests in any second than it may.

    When a request arrives there nobody here knows: some time between its sending and its answer.
    So it counts from the one until a second after the other, however late either is.

    Args:
        most: requests in any second.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._on_their_way: dict[Turn, None] = {}
        self._answered_at: deque[float] = deque()

    def left_s(self, now: float) -> float:
        """Return after how many seconds it is worth while to look again; 0: there is room."""
        answered = self._answered_at
        while answered and now - answered[0] >= 1:
            answered.popleft()
        if len(answered) + len(self._on_their_way) < self._most:
            return 0.0
        oldest = next(iter(self._on_their_way), None)
        if oldest is not None and now - oldest.sent_at >= _ON_ITS_WAY_S:
            del self._on_their_way[oldest]
            return 0.0
        return min(answered[0] + 1 - now, _LOOK_AGAIN_S) if answered else _LOOK_AGAIN_S

    def sent(self, turn: Turn) -> None:
        """Take note of a request."""
        self._on_their_way[turn] = None

    def answered(self, turn: Turn, now: float) -> None:
        """Take note that it was answered, or will never be."""
        if turn in self._on_their_way:
            del self._on_their_way[turn]
            self._answered_at.append(now)


class Few:
    """Keeps few requests on their way to a service of which is not known what it takes.

    They are what it refuses when its quota is used up. With all that it takes there may be more,
    so they are never a large part of it. After a refusal one goes first, and they become more half
    as fast.

    Args:
        per_s: the pace that is to be tried.
    """

    def __init__(self, per_s: float) -> None:
        self._begin(per_s)
        self._refused_at: float | None = None
        self._on_their_way: dict[Turn, None] = {}

    def _begin(self, per_s: float) -> None:
        self._few, self._taken = max(_FEWEST, int(per_s * _FEW_FOR_S)), 0

    @property
    def count(self) -> int:
        """How many are on their way."""
        return len(self._on_their_way)

    def refused(self, now: float, per_s: float) -> None:
        """Take note that the service has refused: it is asked anew, by few again."""
        self._begin(per_s)
        self._refused_at = now

    def is_full(self, now: float) -> bool:
        """Whether no other request may be on its way."""
        for_one = _TAKEN_FOR_ONE_MORE * (1 if self._refused_at is None else 2)
        most = self._few + max(0, self._taken - _TAKEN_FIRST) // for_one
        if self._refused_at is not None and not self._taken:
            most = 1
        while len(self._on_their_way) >= most:
            oldest = next(iter(self._on_their_way))
            if now - oldest.sent_at < _MAY_BE_REFUSED_S:
                return True
            del self._on_their_way[oldest]
        return False

    def sent(self, turn: Turn) -> None:
        """Take note of a request."""
        self._on_their_way[turn] = None

    def took(self, turn: Turn) -> None:
        """Take note that the service took it; what it did not take keeps its place for a while."""
        self._on_their_way.pop(turn, None)
        if self._refused_at is None or turn.sent_at > self._refused_at:
            self._taken += 1


class Pace:
    """The pace of requests to one service.

    It keeps no clock: each call is told the time in seconds.

    Args:
        most_per_s: requests per second that are never exceeded; None: there is no such number.
        first_per_s: requests per second to begin with, doubled for as long as they are taken;
            None: as `most_per_s`, which was stated by somebody who knows.
    """

    def __init__(self, most_per_s: float | None, first_per_s: float | None = None) -> None:
        self._most = self._ceiling = float("inf") if most_per_s is None else most_per_s
        self._found = first_per_s is None and most_per_s is not None
        self.per_s = most_per_s if first_per_s is None else first_per_s
        self._next_at = float("-inf")
        self._grow_at = 0.0
        self._quiet_since = float("-inf")
        self._held_back = False
        self._begun_anew = 0
        self._any_second = None if most_per_s is None else _Second(max(1, int(most_per_s)))
        self._second, self._sent, self._sent_before = float("-inf"), 0, 0
        self._first_sent: float | None = None

    def left_s(self, now: float) -> float:
        """Return after how many seconds the next request may be sent; zero or less: now."""
        if self.per_s is None:
            return 0.0
        left_s = self._next_at - now
        if left_s <= 0 and self._any_second:
            left_s = self._any_second.left_s(now)
        if left_s > 0:
            self._held_back = True
        return left_s

    def sent(self, turn: Turn) -> None:
        """Take note that a request is sent."""
        now = turn.sent_at
        if self._first_sent is None:
            self._first_sent = now
        if self._any_second:
            self._any_second.sent(turn)
        if now - self._second >= 1:
            self._sent_before = self._sent if now - self._second < 2 else 0  # noqa: PLR2004
            self._second, self._sent = now, 0
        self._sent += 1
        if self.per_s is None:
            return
        if now >= self._grow_at:
            self._grow(now, self.per_s)
        self._next_at = max(self._next_at, now - CATCH_UP_S) + 1 / (self.per_s * EVEN)

    def answered(self, turn: Turn, now: float) -> None:
        """Take note that a request was answered, or will never be."""
        if self._any_second:
            self._any_second.answered(turn, now)

    def refused(self, now: float, lost: int = 0) -> None:
        """Take note that the service has refused, for the first time after it took something.

        Args:
            now: the time.
            lost: how many it will refuse with it, since they were sent too.
        """
        was = self.per_s if self._found and self.per_s else self._last_second(now) - lost
        is_new = self._first_sent is None or now - self._first_sent < _TELLING_S
        tells = self._found or not (is_new or was < _TELLING_PER_S)
        if not tells and self._begun_anew < _ANEW_AT_MOST:
            self._begun_anew += 1
            self.per_s = min(_LEAST_PER_S, self._most if self.per_s is None else self.per_s)
            self._grow_at = 0.0  # as at the beginning
        else:
            was = max(was, _LEAST_PER_S)
            # The least is for what was found: who stated less knows better.
            self._ceiling = min(max(was * (1 - _LEFT_TO_OTHERS), _LEAST_PER_S), self._most)
            self.per_s = min(max(was / 2, _LEAST_PER_S), self._ceiling)
            self._found = True
            self._quiet_since = now
            self._grow_at = now + _STEP_S
        self._held_back = False
        self._next_at = now + 1 / (self.per_s * EVEN)

    def as_it_was(self, before: Pace) -> None:
        """Take back what a refusal has told, as it told nothing about this pace.

        Args:
            before: a copy from just before.
        """
        self.per_s, self._ceiling = before.per_s, before._ceiling  # one of its kind
        self._found, self._begun_anew = before._found, before._begun_anew

    def _grow(self, now: float, per_s: float) -> None:
        """Go a step faster where that was wanted and taken."""
        begins = not self._grow_at
        self._grow_at = now + (_STEP_S if self._found else _FIRST_STEP_S)
        if begins or not self._held_back:
            return
        self._held_back = False
        if not self._found:
            per_s *= 2
        elif per_s >= self._ceiling:
            if now - self._quiet_since < _QUIET_S:
                return
            self._quiet_since = now
            self._ceiling = min(max(per_s * 1.1, per_s + 1), self._most)
            per_s = self._ceiling
        else:
            per_s += self._ceiling / 50
        self.per_s = min(per_s, self._ceiling)

    def _last_second(self, now: float) -> float:
        age = now - self._second
        if age >= 2:  # noqa: PLR2004  # seconds
            return 0.0
        if age >= 1:
            return self._sent * (2 - age)
        return self._sent + self._sent_before * (1 - age)
