"""Bytes that one station has and another one takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

Take = Callable[[bytes], Awaitable[None] | None]
"""Takes a piece of a body; what it returns is waited for before it is given the next one."""


class Feed(Protocol):
    """Has bytes to give, once."""

    async def into(self, take: Take) -> None:
        """Give all of them, piece by piece; return when the last one was taken."""
        ...
