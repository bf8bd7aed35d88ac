"""The quota of a service is everybody's: requests take turns, and never use it up.

Turns come evenly, at a pace below what a service is known to take; what is not known is found out
by what it refuses. When a quota per minute is used up, a service refuses its whole project until
the minute is over, production included. So nobody fires on: one 429 opens a pause that all
requests to the service keep, pauses grow while it goes on refusing, and the pace is slower then.
What is refused while the rest is taken waits alone.
"""

from __future__ import annotations

import asyncio
import copy
import random
import time
from collections import Counter, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate import logs
from gcr_migrate.errors import STOPPED, TOO_MANY_REQUESTS, MigrateError
from gcr_migrate.model.limits import Asked, Limits, Rates
from gcr_migrate.wire.bandwidth import Bandwidth
from gcr_migrate.wire.budget import Budget
from gcr_migrate.wire.minute import Minute
from gcr_migrate.wire.pace import Few, Pace, Turn
from gcr_migrate.wire.refusing import Refusing
from gcr_migrate.wire.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

PATIENCE_S: Final = 150.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0  # quotas are counted by the minute
_LEAST_JITTER_S: Final = 0.05  # on top of a pause that was asked for
_MOST_JITTER_S: Final = 1.0
_LOOK_AGAIN_S: Final = 0.002  # for an answer that is waited for
_SLOWED: Final = 16  # parts that may be taken back
_LOOK_S: Final = 0.25  # for a wish to stop
_TO_FINISH_S: Final = 5.0  # for what is under way: service managers kill after half a minute


class _Pause(Struct):
    """What is known of a service that refused.

    Attributes:
        since: when it began to refuse without taking anything in between.
        until: when the pause is over.
        count: pauses in a row that the service was told nothing better for.
        saw: what the service said.
    """

    since: float
    until: float
    count: int = 0
    saw: str = ""


class _Service(Struct):
    """A service that is asked.

    Attributes:
        all: pace of all requests, and `writes` of those that write.
        few: keeps them few until it is known what it takes; None: somebody has said so.
        queue: who waits for the next turn, and `writers` those that wait for a turn to write.
        waiting: for which parts.
        pause: while it refuses, and for a while after.
        adapted_at: when the pace was made slower; what was sent before says nothing new.
        slowed: parts that were refused when it was made slower, each with the paces before.
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
    pause: _Pause | None = None
    adapted_at: float = float("-inf")
    slowed: deque[tuple[str, Pace, Pace]] = field(default_factory=lambda: deque(maxlen=_SLOWED))
    has_taken: bool = True
    minute: Minute = field(default_factory=Minute)
    requests: int = 0
    written: int = 0
    refusals: int = 0
    paused_s: float = 0.0

    @classmethod
    def under(cls, rates: Rates, patience_s: float) -> _Service:
        """Return one that nobody has asked yet."""
        first = rates.first_per_s
        first_writes = None if first is None else rates.writes_per_s
        return cls(
            Pace(rates.requests_per_s, first),
            Pace(rates.writes_per_s, first_writes),
            Refusing(_length_s, patience_s),
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
        if self.few:
            self.few.took(turn)

    def slower(self, now: float, part: str, *, writes: bool) -> None:
        """Take note that it has refused, for the first time after it took something."""
        self.slowed.append((part, copy.copy(self.all), copy.copy(self.writes)))
        self.all.refused(now, self.few.count if self.few else 0)
        if writes:
            self.writes.refused(now)
        if self.all.per_s is None:
            return
        self.few = self.few or Few(self.all.per_s)
        self.few.refused(now, self.all.per_s)

    def refused_alone(self, part: str) -> None:
        """Take note that it refused this part and takes all else, at the pace that it had."""
        at = next((at for at, one in enumerate(self.slowed) if one[0] == part), None)
        if at is None:
            return
        _, before, writes_before = self.slowed[at]
        del self.slowed[at]
        if at < len(self.slowed):  # then so was the one that made it slower after this one
            self.slowed[at] = (self.slowed[at][0], before, writes_before)
        else:
            self.all.as_it_was(before)
            self.writes.as_it_was(writes_before)


class _Line(Struct, frozen=True):
    """A request that waits for its turn; see `Pilot.turn`."""

    service: str
    subject: str
    writes: bool
    begins: bool


class Pilot:
    """Gives each request its turn; shared by all connections of a command.

    Args:
        patience_s: how long a service may refuse before it is given up.
        clock: tells the time in seconds, and never goes back.
        sleep: waits for so many of them.
        limits: how fast services are asked; None: as by default.
        budget: what may be asked in all; None: one of its own, without limits.

    Attributes:
        budget: what may be asked and read in all.
        traffic: counts what was sent and answered, of all services together.
        bandwidth: paces the bytes of blobs.
        on_refusal: is told of each refusal that opens a pause, with the service and the seconds
            that it asked to wait, if it did; for those in other processes.
        stop: when set, nothing begins any more that would have to wait; None: nobody stops.
    """

    def __init__(
        self,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        limits: Limits | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._limits = limits or Limits()
        self._services: dict[str, _Service] = {}
        self.budget = budget or Budget()
        self.traffic = Traffic()
        self.bandwidth = Bandwidth(self._limits.bytes_per_s, clock, sleep)
        self.on_refusal: Callable[[str, float | None], None] | None = None
        self.stop: asyncio.Event | None = None
        self._stops_at = float("inf")

    async def turn(
        self,
        service: str,
        subject: str,
        *,
        writes: bool = False,
        begins: bool = False,
        part: str = "",
    ) -> Turn:
        """Wait until a request may be sent to the service; it has to be sent then.

        Whatever becomes of it is told to `answered`.

        Args:
            service: who is to be asked.
            subject: what an error is about.
            writes: whether it counts as a write.
            begins: nothing is under way that it belongs to.
            part: which part of the service, see `Refusing`.

        Raises:
            MigrateError: TOO_MANY_REQUESTS at once, while who was given up pauses;
                STOPPED if it would have to wait when nothing new is to begin any more, and what
                is under way has had a few seconds.
        """
        one = self._services.get(service) or self._new(service)
        gave_way = False
        while True:
            await self._part_of(service, part, subject, begins=begins)
            now = self._clock()
            waits = gave_way or one.queue.locked() or (writes and one.writers.locked())
            if not waits and one.left_s(now, writes=writes) <= 0:
                return one.sent(Turn(service, now, part), writes=writes)
            line = _Line(service, subject, writes, begins)
            one.waiting[part] += 1
            try:
                async with self._in_line(one, line) as now:
                    # What was refused leaves the line to others, and stands in it anew.
                    refused = one.refusing.left_s(part, now) > 0
                    if not refused and not one.refusing.gives_way(part, one.waiting):
                        return one.sent(Turn(service, now, part), writes=writes)
                    gave_way = True
            finally:
                one.waiting[part] -= 1
                if not one.waiting[part]:
                    del one.waiting[part]

    async def _part_of(self, service: str, part: str, subject: str, *, begins: bool) -> None:
        """Wait until a request may be sent to a part of a service, where that was refused."""
        one = self._services[service]
        while (left_s := one.refusing.left_s(part, now := self._clock())) > 0:
            if saw := one.refusing.hopeless(part, now):
                raise MigrateError(TOO_MANY_REQUESTS, subject=subject, saw=saw)
            if one.pause and now < one.pause.until:
                self._check(one.pause, service, subject)
            await self._wait(left_s, subject, begins=begins)

    def answered(self, turn: Turn, *, took: bool) -> None:
        """Take note of an answer, or that there is none.

        Args:
            turn: under which the request was sent.
            took: whether it says something else than that the quota is used up.
        """
        one = self._services[turn.service]
        now = self._clock()
        one.all.answered(turn, now)
        one.writes.answered(turn, now)
        if took:
            one.took(turn)
            one.refusing.took(turn)
            self.took(turn.service, turn.sent_at)

    async def pause_over(self, service: str, subject: str) -> None:
        """Wait until a service does not pause; for who holds something open while sending to it.

        Args:
            service: who is to be asked.
            subject: what an error is about.

        Raises:
            MigrateError: as `turn` does.
        """
        one = self._services.get(service) or self._new(service)
        while one.pause and (left_s := one.pause.until - self._clock()) > 0:
            self._check(one.pause, service, subject)
            await self._wait(left_s, subject, begins=False)

    async def rest(self, seconds: float, subject: str) -> None:
        """Wait for so long before something that is under way is tried again.

        Raises:
            MigrateError: STOPPED, as `turn` does.
        """
        until = self._clock() + seconds
        while (left_s := until - self._clock()) > 0:
            await self._wait(left_s, subject, begins=False)

    @asynccontextmanager
    async def _in_line(self, one: _Service, line: _Line) -> AsyncIterator[float]:
        """Wait in line, for reads not behind writes that have to wait for longer."""
        if not line.writes:
            async with one.queue:
                yield await self._first(one, line)
            return
        async with one.writers:
            while (left_s := one.writes.left_s(self._clock())) > 0:
                await self._wait(left_s, line.subject, begins=line.begins)
            async with one.queue:
                yield await self._first(one, line)

    async def _first(self, one: _Service, line: _Line) -> float:
        while (left_s := one.left_s(now := self._clock(), writes=line.writes)) > 0:
            if one.pause and now < one.pause.until:
                self._check(one.pause, line.service, line.subject)
            await self._wait(left_s, line.subject, begins=line.begins)
        return now

    async def _wait(self, left_s: float, subject: str, *, begins: bool) -> None:
        """Wait for so long, or a part of it; not for what is not to begin any more.

        Raises:
            MigrateError: STOPPED.
        """
        if self.stop is None:
            await self._sleep(left_s)
            return
        now = self._clock()
        if self.stop.is_set():
            self._stops_at = min(self._stops_at, now + _TO_FINISH_S)
            if begins or now >= self._stops_at:
                raise MigrateError(STOPPED, subject=subject)
        await self._sleep(min(left_s, _LOOK_S))

    def _check(self, pause: _Pause, service: str, subject: str) -> None:
        if self.hopeless(service, pause.since):
            raise MigrateError(TOO_MANY_REQUESTS, subject=subject, saw=pause.saw)

    def took(self, service: str, sent_at: float | None = None) -> None:
        """Take note that the service answered something else than that its quota is used up.

        Args:
            service: who answered.
            sent_at: when the request was sent, by `now`; None: just now.
        """
        one = self._services.get(service)
        if one is None or (pause := one.pause) is None:
            return
        now = self._clock()
        if sent_at is None or sent_at > one.adapted_at:
            one.has_taken = True
        pause.since = now
        if now > pause.until + _LONGEST_PAUSE_S:  # a whole minute went well
            one.pause = None
            one.slowed.clear()

    def refused(
        self,
        service: str,
        after_s: float | None,
        saw: str = "",
        *,
        writes: bool = False,
        told: bool = False,
        part: str = "",
    ) -> None:
        """Take note of a 429; the first one opens a pause, those on their way join it.

        What is refused again, while others were taken, pauses alone.

        Args:
            service: who refused.
            after_s: seconds that it asked to wait, None if it did not say.
            saw: what it said.
            writes: whether it refused a write.
            told: it was another process that was refused; `on_refusal` is not told of it.
            part: which part of the service, see `Refusing`.
        """
        now = self._clock()
        one = self._services.get(service) or self._new(service)
        one.refusals += not told
        if not told and one.refusing.refused(part, now, after_s, saw):
            one.refused_alone(part)
            return
        pause = one.pause
        if pause is not None and now < pause.until:
            self._lengthen(one, pause, now + (after_s or 0.0))
            one.refusing.lets_others_go_first(part, pause.until, 0.0, one.all.per_s)
            return
        # What lies behind a quiet minute is over: nobody was refused, even if nobody asked.
        if pause is None or now > pause.until + _LONGEST_PAUSE_S:
            pause = one.pause = _Pause(since=now, until=now)
        if one.has_taken:  # else it is the same refusal that goes on
            one.has_taken = False
            one.adapted_at = now
            one.slower(now, part, writes=writes)
        length_s = _length_s(pause.count, after_s)
        pause.count += 1
        pause.saw = saw
        pause.until = now
        self._lengthen(one, pause, now + length_s)
        one.refusing.lets_others_go_first(part, pause.until, length_s, one.all.per_s)
        logs.warning(
            "quota pause",
            service=service,
            seconds=round(length_s, 1),
            then_per_s=round(one.all.per_s or 0),
            saw=saw,
        )
        if self.on_refusal and not told:
            self.on_refusal(service, after_s)

    def now(self) -> float:
        """Return the time by which refusals are counted."""
        return self._clock()

    def first_refused(self, service: str, before: float | None) -> float:
        """Return since when a request is refused, of which the same was said before.

        What was said before the pause that lasts now is over: the service has taken something.
        """
        one, now = self._services.get(service), self._clock()
        since = one.pause.since if one and one.pause else now
        return now if before is None or before < since else before

    def counts(self) -> dict[str, Asked]:
        """Return what went to each service until now."""
        return {name: self._asked(one) for name, one in sorted(self._services.items())}

    def hopeless(self, service: str, first_refused_at: float, part: str = "") -> bool:
        """Whether to give up a request that was refused, after the next pause or right now.

        Args:
            service: who refuses.
            first_refused_at: when this request was refused first, by `now`.
            part: which part of the service, see `Refusing`.
        """
        one = self._services.get(service)
        if one is None:
            return False
        if one.refusing.is_alone(part):
            return one.refusing.hopeless(part, self._clock()) is not None
        if one.pause is None:
            return False
        return max(one.pause.until, self._clock()) > (
            min(first_refused_at, one.pause.since) + self._patience_s
        )

    def _new(self, service: str) -> _Service:
        one = self._services[service] = _Service.under(
            self._limits.rates(service), self._patience_s
        )
        return one

    def _lengthen(self, one: _Service, pause: _Pause, until: float) -> None:
        one.paused_s += max(0.0, until - pause.until)
        pause.until = max(pause.until, until)

    def _asked(self, one: _Service) -> Asked:
        to_come_s = max(0.0, one.pause.until - self._clock()) if one.pause else 0.0
        paused_s = one.paused_s - to_come_s
        return Asked(one.requests, one.written, one.refusals, paused_s, one.minute.busiest)


def _length_s(count: int, after_s: float | None) -> float:
    """Return how long to pause, with jitter, as others were refused at the same moment.

    Args:
        count: pauses in a row before this one.
        after_s: seconds that the service asked to wait; None or 0: it says nothing of use, and
            pauses grow.
    """
    if not after_s:
        grown_s = min(_FIRST_PAUSE_S * 2.0**count, _LONGEST_PAUSE_S)
        return random.uniform(grown_s / 2, grown_s)  # noqa: S311  # jitter
    most_s = min(max(_LEAST_JITTER_S, after_s / 4), _MOST_JITTER_S)
    return after_s + random.uniform(0, most_s)  # noqa: S311  # jitter
