"""The quota of a service is everybody's: requests take turns, and never use it up.

Turns come evenly, at a pace below what a service is known to take; what is not known is found out
by what it refuses. When a quota per minute is used up, a service refuses its whole project until
the minute is over, production included. So nobody fires on: one 429 opens a pause that all
requests to the service keep, pauses grow while it goes on refusing, and the pace is slower then.
What is refused while the rest is taken waits alone.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from gcr_migrate import logs
from gcr_migrate.errors import REFUSED_ALONE, STOPPED, TOO_MANY_REQUESTS, MigrateError
from gcr_migrate.model.limits import Asked, Limits
from gcr_migrate.wire.bandwidth import Bandwidth
from gcr_migrate.wire.budget import Budget
from gcr_migrate.wire.pace import Turn
from gcr_migrate.wire.service import LONGEST_PAUSE_S, STALE_S, Pause, Service, pause_length_s
from gcr_migrate.wire.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gcr_migrate.errors import Problem

PATIENCE_S: Final = 150.0
_TRIED_AT_MOST: Final = 8  # parts of a service that is given up, one after the other
_LOOK_S: Final = 0.25  # for a wish to stop
_TO_FINISH_S: Final = 5.0  # for what is under way: service managers kill after half a minute


class _Line(Struct, frozen=True):
    """A request that waits for its turn; see `Pilot.turn`."""

    part: str
    subject: str
    writes: bool
    begins: bool


class Refusal(NamedTuple):
    """What opens a pause: who refused, what was asked for, and which part of the service it was."""

    service: str
    after_s: float | None
    part: str
    writes: bool
    subject: str


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
        on_refusal: is told of each refusal that opens a pause; for those in other processes.
        on_alone: is told of service, part and subject, where a refusal was a matter of this part
            alone, or of this subject; else that is empty.
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
        self._services: dict[str, Service] = {}
        self.budget = budget or Budget()
        self.traffic = Traffic()
        self.bandwidth = Bandwidth(self._limits.bytes_per_s, clock, sleep)
        self.on_refusal: Callable[[Refusal], None] | None = None
        self.on_alone: Callable[[str, str, str], None] | None = None
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
        look: Callable[[], Awaitable[None]] | None = None,
    ) -> Turn:
        """Wait until a request may be sent to the service; it has to be sent then.

        Whatever becomes of it is told to `answered`.

        Args:
            service: who is to be asked.
            subject: what an error is about.
            writes: whether it counts as a write.
            begins: nothing is under way that it belongs to.
            part: which part of the service, see `Refusing`.
            look: is awaited once if a pause had to be waited out, and the turn waited for anew
                then: what was seen before may be so no more.

        Raises:
            MigrateError: TOO_MANY_REQUESTS at once, while who was given up pauses, REFUSED_ALONE
                where that is this part alone or what the error is about; STOPPED if it would have
                to wait when nothing new is to begin any more, and what is under way has had a few
                seconds.
        """
        one = self._services.get(service) or self._new(service)
        gave_way, began = False, self._clock()
        while True:
            before = self._clock()
            await self._part_over(service, part, subject, begins=begins)
            now = self._clock()
            if look and (one.has_paused(began, now) or now - before > STALE_S):
                await look()
                look, now = None, self._clock()
            waits = gave_way or one.queue.locked() or (writes and one.writers.locked())
            if not waits and one.left_s(now, writes=writes) <= 0:
                return self._sent(one, Turn(service, now, part, subject), writes=writes)
            line = _Line(part, subject, writes, begins)
            one.waiting[part] += 1
            try:
                async with self._in_line(one, line) as now:
                    # What was refused leaves the line to others, and stands in it anew.
                    refused = one.refusing.left_s(part, now, subject) > 0
                    stale = look is not None and one.has_paused(began, now)
                    if not (refused or stale or one.refusing.gives_way(part, one.waiting)):
                        return self._sent(one, Turn(service, now, part, subject), writes=writes)
                    gave_way = True
            finally:
                one.waiting[part] -= 1
                if not one.waiting[part]:
                    del one.waiting[part]

    def _sent(self, one: Service, turn: Turn, *, writes: bool) -> Turn:
        self.traffic.sent(turn.service, writes=writes)
        return one.sent(turn, writes=writes)

    async def _part_over(self, service: str, part: str, subject: str, *, begins: bool) -> None:
        """Wait until a request may be sent to a part of a service, where that was refused."""
        one = self._services[service]
        while (left_s := one.refusing.left_s(part, now := self._clock(), subject)) > 0:
            if saw := one.refusing.hopeless(part, now, subject):
                if not one.refusing.may_try(part, now, subject):
                    raise MigrateError(REFUSED_ALONE, subject=subject, saw=saw)
                one.refusing.tries(part, now)
            elif not self._is_tried(one, part, subject):
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
            self.took(turn.service, turn.sent_at, turn.part)

    async def pause_over(self, service: str, subject: str, part: str = "") -> None:
        """Wait until neither a service nor a part of it pauses.

        For who holds something open while sending to it, or looks at what it is about to change.

        Args:
            service: who is to be asked.
            subject: what an error is about.
            part: which part of the service, see `Refusing`.

        Raises:
            MigrateError: as `turn` does.
        """
        one = self._services.get(service) or self._new(service)
        while one.pause and (left_s := one.pause.until - self._clock()) > 0:
            if not self._is_tried(one, part, subject):
                await self._wait(left_s, subject, begins=False)
        await self._part_over(service, part, subject, begins=False)

    async def rest(self, seconds: float, subject: str) -> None:
        """Wait for so long before something that is under way is tried again.

        Raises:
            MigrateError: STOPPED, as `turn` does.
        """
        until = self._clock() + seconds
        while (left_s := until - self._clock()) > 0:
            await self._wait(left_s, subject, begins=False)

    @asynccontextmanager
    async def _in_line(self, one: Service, line: _Line) -> AsyncIterator[float]:
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

    async def _first(self, one: Service, line: _Line) -> float:
        while (left_s := one.left_s(now := self._clock(), writes=line.writes)) > 0:
            if not self._is_tried(one, line.part, line.subject):
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

    def _is_tried(self, one: Service, part: str, subject: str) -> bool:
        """End the pause of a service that is given up for a part of it that was not refused.

        All that is known is of other parts then, as of one repository for which all others wait. Or
        of one thing, as a tag, for which all others of its part wait.

        Raises:
            MigrateError: TOO_MANY_REQUESTS, it was refused too, or some others were.
        """
        now, pause = self._clock(), one.pause
        if not pause or now >= pause.until or not self._is_given_up(pause, part, now):
            return False
        refusing, refused = one.refusing, pause.of(part)
        is_new = bool(part) and not refusing.was_refused(part, now)
        tried = refused.tried if is_new else refused.things
        if tried >= _TRIED_AT_MOST or not (is_new or refusing.may_try(part, now, subject)):
            raise MigrateError(TOO_MANY_REQUESTS, subject=subject, saw=pause.saw)
        if self.stop is not None and self.stop.is_set():
            return False
        one.paused_s -= pause.until - now
        pause.until = now
        if is_new:
            refused.tried += 1
        else:
            refused.things += 1
            refusing.tries(part, now)
        return True

    def took(self, service: str, sent_at: float | None = None, part: str = "") -> None:
        """Take note that the service answered something else than that its quota is used up.

        Args:
            service: who answered.
            sent_at: when the request was sent, by the clock; None: just now.
            part: which part of the service, see `Refusing`.
        """
        one = self._services.get(service)
        if one is None or (pause := one.pause) is None:
            return
        now = self._clock()
        if sent_at is None or sent_at > one.adapted_at:
            one.has_taken = True
        pause.took(part, now)
        if now > pause.until + LONGEST_PAUSE_S:  # a whole minute went well
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
        subject: str = "",
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
            subject: what the request was about.
        """
        now = self._clock()
        one = self._services.get(service) or self._new(service)
        one.refusals += not told
        if not told and one.refusing.refused(part, now, after_s, saw, subject):
            alone = part, subject if one.refusing.is_alone_in_its_part(part, subject) else ""
            if one.refused_alone(*alone) and self.on_alone:
                self.on_alone(service, *alone)
            return
        pause = one.pause
        # What lies behind a quiet minute is over: nobody was refused, even if nobody asked.
        if pause is None or now > pause.until + LONGEST_PAUSE_S:
            pause = one.pause = Pause.begun(now)
        pause.of(part).was_seen |= not told
        if now < pause.until:
            self._lengthen(one, pause, now + (after_s or 0.0))
            one.refusing.lets_others_go_first(part, pause.until, 0.0, one.all.per_s, subject)
            return
        if one.has_taken:  # else it is the same refusal that goes on
            one.has_taken = False
            one.adapted_at = now
            one.slower(now, part, subject, writes=writes)
        length_s = pause_length_s(pause.count, after_s)
        pause.count += not pause.of(part).tried
        pause.saw = saw
        pause.until = now
        self._lengthen(one, pause, now + length_s)
        one.refusing.lets_others_go_first(part, pause.until, length_s, one.all.per_s, subject)
        logs.warning(
            "quota pause",
            service=service,
            seconds=round(length_s, 1),
            then_per_s=round(one.all.per_s or 0),
            saw=saw,
        )
        if self.on_refusal and not told:
            self.on_refusal(Refusal(service, after_s, part, writes, subject))

    def refused_alone(self, service: str, part: str, subject: str = "") -> None:
        """Take note that another process knows: what made it wait is a matter of this part."""
        if one := self._services.get(service):
            one.refused_alone(part, subject)

    def counts(self) -> dict[str, Asked]:
        """Return what went to each service until now."""
        return {name: self._asked(one) for name, one in sorted(self._services.items())}

    def hopeless(self, service: str, part: str = "", subject: str = "") -> Problem | None:
        """Return why to give up a request that was refused, after the next pause or right now.

        It is given up when nothing of its kind was taken for too long: as long as a service takes
        what reads, it may refuse what writes.

        Args:
            service: who refuses.
            part: which part of the service, see `Refusing`.
            subject: what the request is about.

        Returns:
            TOO_MANY_REQUESTS or REFUSED_ALONE; None: it is not to be given up.
        """
        one = self._services.get(service)
        if one is None:
            return None
        now = self._clock()
        if one.refusing.is_alone(part, subject):
            return None if one.refusing.hopeless(part, now, subject) is None else REFUSED_ALONE
        return TOO_MANY_REQUESTS if one.pause and self._is_given_up(one.pause, part, now) else None

    def _is_given_up(self, pause: Pause, part: str, now: float) -> bool:
        """Whether a service that pauses has refused such requests for longer than they wait."""
        return max(pause.until, now) > pause.of(part).since + self._patience_s

    def _new(self, service: str) -> Service:
        one = self._services[service] = Service.under(self._limits.rates(service), self._patience_s)
        return one

    def _lengthen(self, one: Service, pause: Pause, until: float) -> None:
        one.paused_s += max(0.0, until - pause.until)
        pause.until = max(pause.until, until)

    def _asked(self, one: Service) -> Asked:
        to_come_s = max(0.0, one.pause.until - self._clock()) if one.pause else 0.0
        paused_s = one.paused_s - to_come_s
        return Asked(one.requests, one.written, one.refusals, paused_s, one.minute.busiest)
