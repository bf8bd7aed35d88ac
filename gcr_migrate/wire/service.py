"""What is known of one service: its pace, its pauses, and what of it refuses alone."""

from __future__ import annotations

import asyncio
import copy
import random
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.wire.minute import Minute
from gcr_migrate.wire.pace import Few, Pace
from gcr_migrate.wire.refusing import Refusing, is_write

if TYPE_CHECKING:
    from gcr_migrate.model.limits import Rates
    from gcr_migrate.wire.pace import Turn

LONGEST_PAUSE_S: Final = 60.0  # quotas are counted by the minute
STALE_S: Final = 1.0  # what was seen before a longer pause is looked at again
_FIRST_PAUSE_S: Final = 0.5
_LEAST_JITTER_S: Final = 0.05  # on top of a pause that was asked for
_MOST_JITTER_S: Final = 1.0
_LOOK_AGAIN_S: Final = 0.002  # for an answer that is waited for
_SLOWED: Final = 16  # parts that may be taken back


class Refused(Struct):
    """How long a service has refused what reads, or what writes.

    Attributes:
        since: when it began to do so without taking any such request in between.
        was_seen: such a request was refused since then, and not only the others.
        tried: parts of it that were tried though it was given up, and `things` of parts refused.
    """

    since: float
    was_seen: bool = False
    tried: int = 0
    things: int = 0


class Pause(Struct):
    """What is known of a service that refused.

    Attributes:
        reads: how long it has refused what reads, and `writes` what writes: that it takes the one
            says nothing about the other.
        until: when the pause is over.
        count: pauses in a row that the service was told nothing better for.
        saw: what the service said.
    """

    reads: Refused
    writes: Refused
    until: float
    count: int = 0
    saw: str = ""

    @classmethod
    def begun(cls, now: float) -> Pause:
        """Return one that has no length yet."""
        return cls(Refused(now), Refused(now), now)

    def of(self, part: str) -> Refused:
        """Return what is known of requests such as those to a part."""
        return self.writes if is_write(part) else self.reads

    def took(self, part: str, now: float) -> None:
        """Take note that something of a part was taken.

        If nobody knows of which, that reads. Of the other kind it tells as much, as long as nothing
        of that was refused.
        """
        one, other = self.of(part), self.reads if is_write(part) else self.writes
        one.since, one.was_seen, one.tried, one.things = now, False, 0, 0
        if not other.was_seen:
            other.since = now


class Service(Struct):
    """A service that is asked.

    Attributes:
        all: pace of all requests, and `writes` of those that write.
        few: keeps them few until it is known what it takes; None: somebody has said so.
        queue: who waits for the next turn, and `writers` those that wait for a turn to write.
        waiting: for which parts.
        pause: while it refuses, and for a while after.
        adapted_at: when the pace was made slower; what was sent before says nothing new.
        slowed: parts and subjects that were refused when it was made slower, each with the paces
            before.
        refusing: parts that are refused, though not all may be.
        has_taken: whether it took something that was sent since.
        minute: how many requests went to it in any minute.
    """

    all: Pace
    writes: Pace
    refusing: Refusing
    few: Few | None = None
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)
    writers: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: Counter[str] = field(default_factory=Counter[str])
    pause: Pause | None = None
    adapted_at: float = float("-inf")
    slowed: deque[tuple[str, str, Pace, Pace]] = field(
        default_factory=lambda: deque(maxlen=_SLOWED)
    )
    has_taken: bool = True
    minute: Minute = field(default_factory=Minute)
    requests: int = 0
    written: int = 0
    refusals: int = 0
    paused_s: float = 0.0

    @classmethod
    def under(cls, rates: Rates, patience_s: float) -> Service:
        """Return one that nobody has asked yet."""
        first = rates.first_per_s
        first_writes = None if first is None else rates.writes_per_s
        return cls(
            Pace(rates.requests_per_s, first),
            Pace(rates.writes_per_s, first_writes),
            Refusing(pause_length_s, patience_s),
            None if first is None else Few(first),
        )

    def left_s(self, now: float, *, writes: bool) -> float:
        """Return after how many seconds a request may be sent, as far as is known now."""
        left_s = self.all.left_s(now)
        if writes:
            left_s = max(left_s, self.writes.left_s(now))
        if self.pause is not None:
            left_s = max(left_s, self.pause.until - now)
        return _LOOK_AGAIN_S if left_s <= 0 and self.few and self.few.is_full(now) else left_s

    def has_paused(self, since: float, now: float) -> bool:
        """Whether a pause is over that kept what waited since then, and not for a moment only."""
        pause = self.pause
        return pause is not None and pause.until <= now and pause.until - since > STALE_S

    def sent(self, turn: Turn, *, writes: bool) -> Turn:
        """Take note that a request is sent."""
        self.requests += 1
        self.minute.add(turn.sent_at)
        self.all.sent(turn)
        self.refusing.sent(turn)
        if self.few:
            self.few.sent(turn)
        if writes:
            self.written += 1
            self.writes.sent(turn)
        return turn

    def took(self, turn: Turn) -> None:
        """Take note that a request was taken."""
        self.refusing.took(turn)
        if self.few:
            self.few.took(turn)

    def slower(self, now: float, part: str, subject: str, *, writes: bool) -> None:
        """Take note that it has refused, for the first time after it took something."""
        self.slowed.append((part, subject, copy.copy(self.all), copy.copy(self.writes)))
        self.all.refused(now, self.few.count if self.few else 0)
        if writes:
            self.writes.refused(now)
        if self.all.per_s is None:
            return
        self.few = self.few or Few(self.all.per_s)
        self.few.refused(now, self.all.per_s)

    def refused_alone(self, part: str, subject: str = "") -> bool:
        """Take note that it refused this part and takes all else, at the pace that it had.

        Args:
            part: that was refused.
            subject: what alone of it was refused; empty: all of it.

        Returns:
            Whether that was slower for its sake.
        """
        names = ((one[0], one[1] if subject else "") for one in self.slowed)
        at = next((at for at, name in enumerate(names) if name == (part, subject)), None)
        if at is None:
            return False
        _, _, before, writes_before = self.slowed[at]
        del self.slowed[at]
        if self.pause and self.pause.count:  # nor were pauses longer for anything else
            self.pause.count -= 1
        if at < len(self.slowed):  # then so was the one that made it slower after this one
            self.slowed[at] = (*self.slowed[at][:2], before, writes_before)
        else:
            self.all.as_it_was(before)
            self.writes.as_it_was(writes_before)
        return True


def pause_length_s(count: int, after_s: float | None) -> float:
    """Return how long to pause, with jitter, as others were refused at the same moment.

    Args:
        count: pauses in a row before this one.
        after_s: seconds that the service asked to wait; None or 0: it says nothing of use, and
            pauses grow.
    """
    if not after_s:
        grown_s = min(_FIRST_PAUSE_S * 2.0**count, LONGEST_PAUSE_S)
        return random.uniform(grown_s / 2, grown_s)  # noqa: S311  # jitter
    most_s = min(max(_LEAST_JITTER_S, after_s / 4), _MOST_JITTER_S)
    return after_s + random.uniform(0, most_s)  # noqa: S311  # jitter
