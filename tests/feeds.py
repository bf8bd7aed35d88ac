"""What gives bytes piece by piece: made of bytes, and gone through to its end."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gcr_migrate.wire.pieces import Iterated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gcr_migrate.interfaces import Feed


async def whole(feed: Feed) -> bytes:
    """Return all bytes of a feed."""
    pieces: list[bytes] = []
    await feed.into(pieces.append)
    return b"".join(pieces)


@asynccontextmanager
async def one_piece(data: bytes) -> AsyncIterator[Feed]:
    """Give a feed of these bytes, all of them at once."""

    async def pieces() -> AsyncIterator[bytes]:
        yield data

    yield Iterated(pieces())
