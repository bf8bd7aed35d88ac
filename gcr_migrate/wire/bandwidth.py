"""A cap on the bytes that are sent in a second, by all transfers together."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from gcr_migrate.wire.pace import CATCH_UP_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

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

    def shared(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Give the same bytes, as fast as may be."""
        if self._bytes_per_s is None:
            return chunks
        return self._paced(chunks, self._bytes_per_s)

    async def _paced(
        self, chunks: AsyncIterator[bytes], bytes_per_s: float
    ) -> AsyncIterator[bytes]:
        size = int(min(max(bytes_per_s / _PIECES_PER_S, _SMALLEST_PIECE), _LARGEST_PIECE))
        async for chunk in chunks:
            for start in range(0, len(chunk), size):
                piece = chunk[start : start + size]
                async with self._queue:  # first come, first served
                    while (left_s := self._next_at - (now := self._clock())) > 0:
                        await self._sleep(left_s)
                    begin = max(self._next_at, now - CATCH_UP_S)
                    self._next_at = begin + len(piece) / bytes_per_s
                yield piece
