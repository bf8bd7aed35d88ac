"""Bytes that come piece by piece, from whoever has them to whoever takes them.

Pieces are handed on by calls, not through a queue or a task of each station: what a long body
costs is what is done for each of its pieces.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from gcr_migrate.interfaces import Feed, Take


class NotTakenError(Exception):
    """Who takes the pieces wants no more of them; its cause tells why.

    Whoever gives them lets it pass: it is no failure of theirs.
    """


class Iterated:
    """Gives the pieces that an iteration gives.

    Args:
        pieces: what is gone through.
    """

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self._pieces = pieces

    async def into(self, take: Take) -> None:
        """Give all pieces; see `Feed`."""
        async for piece in self._pieces:
            await taken(take, piece)


async def taken(take: Take, piece: bytes) -> None:
    """Have one piece taken, and wait until the next one is wanted."""
    if (wait := take(piece)) is not None:
        await wait


async def pulled(feed: Feed) -> AsyncGenerator[bytes, None]:
    """Go through what a feed gives, for who cannot be called."""
    ready: asyncio.Queue[bytes] = asyncio.Queue(1)
    giving = asyncio.ensure_future(feed.into(ready.put))
    try:
        while not giving.done() or not ready.empty():
            getting = asyncio.ensure_future(ready.get())
            try:
                await asyncio.wait({giving, getting}, return_when=asyncio.FIRST_COMPLETED)
                if getting.done():
                    yield getting.result()
            finally:
                getting.cancel()
        await giving
    finally:
        giving.cancel()
        await asyncio.wait({giving})
