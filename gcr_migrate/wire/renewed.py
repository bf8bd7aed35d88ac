"""Values that end, such as tokens: had anew ahead of their end, once for all who need them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from gcr_migrate import logs
from gcr_migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

EARLY_S: Final = 300.0
_EARLY_PART: Final = 0.1
_AGAIN_S: Final = 10.0


class Renewed(Generic[T]):
    """A value that is good for a time.

    One asks for a new one, and all who wait take what it got, a failure too: so that a service
    in trouble is not asked once more by each of them. While the old one is good nobody waits.

    Args:
        words: what it is and where it comes from, for the log.
        fetch: gets one, and tells for how many seconds it is good; zero or less: that cannot be
            right for a new one, so nothing is known, and a refusal will tell.
    """

    def __init__(self, words: str, fetch: Callable[[], Awaitable[tuple[T, float]]]) -> None:
        self._words = words
        self._fetch = fetch
        self._value: T | None = None
        self._renew_at = self._ends_at = float("-inf")
        self._lock = asyncio.Lock()
        self._failure: MigrateError | None = None
        self._failed_at = float("-inf")

    @property
    def had(self) -> T | None:
        """The last value that was had, good or not."""
        return self._value

    async def get(self) -> T:
        """Return the value; a new one when it is time."""
        came_at = time.monotonic()
        if self._value is not None and came_at < self._usable_until():
            return self._value
        async with self._lock:
            if self._value is not None and time.monotonic() < self._renew_at:
                return self._value
            if self._failure and came_at <= self._failed_at:
                raise self._failure
            return await self._renew()

    def begin_with(self, other: Renewed[T]) -> None:
        """Take what another one has now, until its end; what comes after that is its own."""
        self._value = other._value
        self._renew_at, self._ends_at = other._renew_at, other._ends_at

    def refused(self, value: T) -> None:
        """Take note that a value is not good any more, unless there is another since."""
        if self._value == value:
            self._renew_at = self._ends_at = float("-inf")

    def _usable_until(self) -> float:
        return self._ends_at if self._lock.locked() else self._renew_at

    async def _renew(self) -> T:
        asked_at, self._failure = time.monotonic(), None
        try:
            value, life_s = await self._fetch()
        except MigrateError as error:
            now = time.monotonic()
            if self._value is not None and now < self._ends_at:
                # Whoever gives new ones has some time to come back.
                logs.warning("token.not-renewed", source=self._words, saw=error.saw)
                self._renew_at = min(now + _AGAIN_S, self._ends_at)
                return self._value
            self._failure, self._failed_at = error, now
            raise
        if life_s <= 0:
            life_s = float("inf")
        self._value, self._ends_at = value, asked_at + life_s
        self._renew_at = self._ends_at - min(EARLY_S, life_s * _EARLY_PART)
        return value
