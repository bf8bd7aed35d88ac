"""A request's body on its way out, for the connections of `pool`."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, cast

import httpx
from aiohttp.payload import Payload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import StreamWriter

_LOOKS: Final = 4  # at a connection, in the time for which it may stand still
_PIECE: Final = 64 * 1024  # what waits behind TLS cannot be seen: it is given little at once


class Outgoing(Payload):
    """The bytes of one request: counted, watched while they leave, never sent twice.

    Attributes:
        on_sent: is called when all of them are sent.
        failure: why they could not be sent: what their source raised, or `httpx.WriteTimeout`.

    Args:
        source: gives the bytes.
        length: how many they must be; None if that is not known.
        stall_s: seconds without progress after which the connection is dropped; None: never.
    """

    _autoclose = True  # there is nothing to close

    def __init__(
        self, source: AsyncIterable[bytes], length: int | None, stall_s: float | None
    ) -> None:
        super().__init__(source)
        self.on_sent: Callable[[], None] = lambda: None
        self.failure: Exception | None = None
        self._source = aiter(source)
        self._length = length
        self._stall_s = stall_s
        self._over = asyncio.Event()
        self._over.set()

    async def ended(self) -> None:
        """Wait until nobody takes from the source any more."""
        await self._over.wait()

    async def write_with_length(self, writer: AbstractStreamWriter, _: int | None) -> None:
        """Send all bytes; what goes wrong with their source is kept in `failure`."""
        self._over.clear()
        progress = _Progress(cast("StreamWriter", writer), self._stall_s)
        progress.begin()
        try:
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    progress.is_due = True
                    for start in range(0, len(piece), _PIECE):
                        await writer.write(memoryview(piece)[start : start + _PIECE])
                    progress.is_due = False
            self.on_sent()
        finally:
            progress.end()
            if progress.stalled:
                self.failure = httpx.WriteTimeout("")
            self._over.set()

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes, the last of them only when the source has ended as it should.

        So what the source raises at its end still stops the request: were all bytes out by then,
        their receiver could have taken them for whole.
        """
        sent, last = 0, b""
        try:
            async for piece in self._source:
                sent += len(piece)
                self._compare(sent, ended=False)
                if sent == self._length:
                    last += piece
                else:
                    yield piece
            self._compare(sent, ended=True)
        except Exception as error:
            self.failure = error
            raise
        yield last

    def _compare(self, sent: int, *, ended: bool) -> None:
        if self._length is not None and (sent > self._length or (ended and sent < self._length)):
            words = "little" if ended else "much"
            raise httpx.LocalProtocolError(f"Too {words} data for declared Content-Length")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all bytes."""
        await self.write_with_length(writer, None)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002
        """Refuse: bytes that come only once are not to be looked at."""
        raise TypeError


class _Progress:
    """Drops a connection when nothing leaves over it; aiohttp would wait for ever."""

    def __init__(self, writer: StreamWriter, stall_s: float | None) -> None:
        self.stalled = False
        self.is_due = False  # whether bytes should be leaving now
        self._writer = writer
        self._stall_s = stall_s
        self._left = 0
        self._moved_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        if writer.transport is not None:
            writer.transport.set_write_buffer_limits(high=_PIECE)

    def begin(self) -> None:
        """Look at the connection now and then, from now on."""
        if self._stall_s is not None:
            self._left, self._moved_at = self._out(), asyncio.get_running_loop().time()
            self._look_later()

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later((self._stall_s or 0) / _LOOKS, self._look)

    def _out(self) -> int:
        transport = self._writer.transport
        waiting = transport.get_write_buffer_size() if transport is not None else 0
        return self._writer.output_size - waiting

    def _look(self) -> None:
        transport = self._writer.transport
        if transport is None or self._stall_s is None:
            return
        now, out = asyncio.get_running_loop().time(), self._out()
        if not self.is_due or out > self._left:
            self._left, self._moved_at = out, now
        elif now - self._moved_at >= self._stall_s:
            self.stalled = True
            transport.abort()
            return
        self._look_later()
