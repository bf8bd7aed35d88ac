"""The quota of a service is everybody's: who is refused makes all others wait too.

When a quota per minute is used up, a service refuses its whole project until the minute is over,
production included. So nobody fires on: one 429 opens a pause that all requests to the service
keep, and pauses grow while it goes on refusing.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from gcr_migrate.errors import TOO_MANY_REQUESTS, MigrateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_S: Final = 150.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0  # quotas are counted by the minute
_SPREAD_AT_MOST_S: Final = 2.0
_log = structlog.get_logger()


@dataclass(slots=True)
class _Pause:
    """What is known of a service that refused.

    Attributes:
        since: when it began to refuse without taking anything in between.
        until: when the pause is over.
        count: pauses in a row that the service was told nothing better for.
        spread_s: those who waited go on spread over so many seconds, not all at once.
        saw: what the service said.
    """

    since: float
    until: float
    count: int = 0
    spread_s: float = 0.0
    saw: str = ""


class Pilot:
    """Gives each request its turn; shared by all connections of a command.

    Args:
        patience_s: how long a service may refuse before it is given up.
        clock: tells the time in seconds, and never goes back.
        sleep: waits for so many of them.
    """

    def __init__(
        self,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._pauses: dict[str, _Pause] = {}

    async def turn(self, service: str, subject: str) -> None:
        """Wait until a request may be sent to the service.

        Args:
            service: who is to be asked.
            subject: what an error is about.

        Raises:
            MigrateError: TOO_MANY_REQUESTS at once, while a service that was given up pauses.
        """
        while pause := self._pauses.get(service):
            left_s = pause.until - self._clock()
            if left_s <= 0:
                return
            if self.hopeless(service, pause.since):
                raise MigrateError(TOO_MANY_REQUESTS, subject=subject, saw=pause.saw)
            # Somebody is first, and if it is refused again, the others wait for longer here.
            await self._sleep(left_s + random.uniform(0, pause.spread_s))  # noqa: S311  # jitter

    def took(self, service: str) -> None:
        """Take note that the service answered something else than that its quota is used up."""
        if pause := self._pauses.get(service):
            now = self._clock()
            pause.since = now
            if now > pause.until + _LONGEST_PAUSE_S:  # a whole minute went well
                del self._pauses[service]

    def refused(self, service: str, after_s: float | None, saw: str = "") -> None:
        """Take note of a 429; the first one opens a pause, those on their way join it.

        Args:
            service: who refused.
            after_s: seconds that it asked to wait, None if it did not say.
            saw: what it said.
        """
        now = self._clock()
        pause = self._pauses.setdefault(service, _Pause(since=now, until=0.0))
        if now < pause.until:
            pause.until = max(pause.until, now + (after_s or 0.0))
            return
        grown_s = min(_FIRST_PAUSE_S * 2.0**pause.count, _LONGEST_PAUSE_S)
        if after_s is None:
            length_s = random.uniform(grown_s / 2, grown_s)  # noqa: S311  # jitter
        else:
            length_s = after_s + random.uniform(0, grown_s / 4)  # noqa: S311  # jitter
        pause.count += 1
        pause.saw = saw
        pause.until = now + length_s
        pause.spread_s = min(length_s / 4, _SPREAD_AT_MOST_S)
        _log.warning("quota pause", service=service, seconds=round(length_s, 1), saw=saw)

    def now(self) -> float:
        """Return the time by which refusals are counted."""
        return self._clock()

    def hopeless(self, service: str, first_refused_at: float) -> bool:
        """Whether to give up a request that was refused, after the next pause or right now.

        Args:
            service: who refuses.
            first_refused_at: when this request was refused first, by `now`.
        """
        pause = self._pauses.get(service)
        if pause is None:
            return False
        return max(pause.until, self._clock()) > (
            min(first_refused_at, pause.since) + self._patience_s
        )
