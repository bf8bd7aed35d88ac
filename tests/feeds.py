"""What gives bytes piece by piece, gone through to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcr_migrate.interfaces import Feed


async def whole(feed: Feed) -> bytes:
    """Return all bytes of a feed."""
    pieces: list[bytes] = []
    await feed.into(pieces.append)
    return b"".join(pieces)
