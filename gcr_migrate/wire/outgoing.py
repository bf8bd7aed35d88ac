"""A request's body on its way out, for the connections of `pool`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

import aiohttp
import httpx
from aiohttp.payload import Payload

from gcr_migrate.wire.pieces import NotTakenError, taken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import StreamWriter

    from gcr_migrate.interfaces import Feed

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

    def __init__(self, source: Feed, length: int | None, stall_s: float | None) -> None:
        super().__init__(source)
        self.on_sent: Callable[[], None] = lambda: None
        self.failure: Exception | None = None
        self._source = source
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
        way = _Way(cast("StreamWriter", writer), self._stall_s, is_sized=self._length is not None)
        way.begin()
        try:
            for piece in await self._all_but_the_last(way):
                await taken(way.take, piece)
            self.on_sent()
        except NotTakenError as error:
            raise (error.__cause__ or error) from None
        finally:
            way.end()
            if way.stalled:
                self.failure = httpx.WriteTimeout("")
            self._over.set()

    async def _all_but_the_last(self, way: _Way) -> list[bytes]:
        """Send the bytes; return the last of them when the source has ended as it should.

        So what the source raises at its end still stops the request: were all bytes out by then,
        their receiver could have taken them for whole.
        """
        sent, last = 0, list[bytes]()

        def take(piece: bytes) -> Awaitable[None] | None:
            nonlocal sent
            sent += len(piece)
            if self._length is not None and sent > self._length:
                self.failure = _not_as_declared("much")
                raise NotTakenError from self.failure
            if sent != self._length:
                return way.take(piece)
            last.append(piece)
            return None

        try:
            await self._source.into(take)
        except NotTakenError:
            raise
        except Exception as error:
            self.failure = error
            raise
        if self._length is not None and sent < self._length:
            self.failure = _not_as_declared("little")
            raise self.failure
        return last

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all bytes."""
        await self.write_with_length(writer, None)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002
        """Refuse: bytes that come only once are not to be looked at."""
        raise TypeError


def _not_as_declared(words: str) -> httpx.LocalProtocolError:
    return httpx.LocalProtocolError(f"Too {words} data for declared Content-Length")


class _Way:
    """The connection; it is dropped when nothing leaves over it: aiohttp would wait for ever.

    Args:
        writer: aiohttp's.
        stall_s: seconds without progress after which it is dropped; None: never.
        is_sized: whether bytes go out as they are, and not in chunks that say their length.
    """

    def __init__(self, writer: StreamWriter, stall_s: float | None, *, is_sized: bool) -> None:
        self.stalled = False
        self._is_due = False  # whether bytes should be leaving now
        self._is_bare = False  # whether pieces may go past the writer
        self._is_sized = is_sized
        self._writer = writer
        self._stall_s = stall_s
        self._given = 0
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

    def take(self, piece: bytes) -> Awaitable[None] | None:
        """Send a piece; return what to wait for before the next one, if anything.

        Raises:
            NotTakenError: the connection is gone.
        """
        if not self._is_bare:
            return self._wait(self._by_little(piece))
        transport = self._writer.transport
        if transport is None or transport.is_closing():
            raise NotTakenError from aiohttp.ClientConnectionResetError("It is closed.")
        self._given += len(piece)
        transport.write(piece)
        return self._wait(self._writer.drain()) if self._writer.protocol.writing_paused else None

    async def _by_little(self, piece: bytes) -> None:
        """Send a piece through aiohttp, which puts the head before it."""
        for start in range(0, len(piece), _PIECE):
            little = memoryview(piece)[start : start + _PIECE]
            self._given += len(little)
            await self._writer.write(little)
        transport = self._writer.transport
        secret = transport is None or transport.get_extra_info("sslcontext") is not None
        self._is_bare = self._is_sized and not secret

    async def _wait(self, sending: Awaitable[None]) -> None:
        self._is_due = True
        try:
            await sending
        except OSError as error:  # of this connection, not of the one that is read from
            raise NotTakenError from error
        self._is_due = False

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later((self._stall_s or 0) / _LOOKS, self._look)

    def _out(self) -> int:
        transport = self._writer.transport
        waiting = transport.get_write_buffer_size() if transport is not None else 0
        return self._given - waiting

    def _look(self) -> None:
        transport = self._writer.transport
        if transport is None or self._stall_s is None:
            return
        now, out = asyncio.get_running_loop().time(), self._out()
        if not self._is_due or out > self._left:
            self._left, self._moved_at = out, now
        elif now - self._moved_at >= self._stall_s:
            self.stalled = True
            transport.abort()
            return
        self._look_later()
