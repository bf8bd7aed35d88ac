"""A cap on the bytes that are sent in a second, by all transfers together."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from gcr_migrate.wire.pace import CATCH_UP_S
from gcr_migrate.wire.pieces import taken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gcr_migrate.interfaces import Feed, Take

_PIECES_PER_S: Final = 20
_LARGEST_PIECE: Final = 256 * 1024
_SMALLEST_PIECE: Final = 1024


class Bandwidth:
    """Lets bytes pass evenly; transfers take turns, a piece each.

    What is sent was read a moment before, and what is not taken is not read on: so readers keep
    the same pace, and nothing is counted twice.

    Args:
        bytes_per_s: how many; None: any number.
        clock: tells the time in seconds, and never goes back.
        sleep: waits for so many of them.
    """

    def __init__(
        self,
        bytes_per_s: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._queue = asyncio.Lock()
        self._next_at = float("-inf")

    def shared(self, feed: Feed) -> Feed:
        """Give the same bytes, as fast as may be."""
        if self._bytes_per_s is None:
            return feed
        return _Paced(feed, self, self._bytes_per_s)

    async def turn(self, size_bytes: int, bytes_per_s: float) -> None:
        """Wait until so many bytes may pass; first come, first served."""
        async with self._queue:
            while (left_s := self._next_at - (now := self._clock())) > 0:
                await self._sleep(left_s)
            begin = max(self._next_at, now - CATCH_UP_S)
            self._next_at = begin + size_bytes / bytes_per_s


class _Paced:
    """Gives what another feed gives, in pieces that are small enough for others to pass between."""

    def __init__(self, feed: Feed, bandwidth: Bandwidth, bytes_per_s: float) -> None:
        self._feed = feed
        self._bandwidth = bandwidth
        self._bytes_per_s = bytes_per_s
        size = max(bytes_per_s / _PIECES_PER_S, _SMALLEST_PIECE)
        self._size = int(min(size, _LARGEST_PIECE))

    async def into(self, take: Take) -> None:
        """Give all pieces; see `Feed`."""

        async def pace(chunk: bytes) -> None:
            for start in range(0, len(chunk), self._size):
                piece = chunk[start : start + self._size]
                await self._bandwidth.turn(len(piece), self._bytes_per_s)
                await taken(take, piece)

        await self._feed.into(pace)
