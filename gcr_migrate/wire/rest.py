"""The rest of a long answer, read from its connection past aiohttp.

There each piece is copied once more and wakes a task; here it goes to who takes it while it is
still in the processor's cache.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Final

import httpx
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from collections.abc import Awaitable

    import aiohttp

    from gcr_migrate.interfaces import Take

_WORTH_IT: Final = 64 * 1024
_SUCCESS: Final = frozenset({200, 206})
# By these aiohttp's reader is put aside and taken up again. They are its own: a version that has
# them otherwise reads all bodies itself, a little slower.
_FITS: Final = hasattr(ResponseHandler, "set_response_params") and (
    "resume_parser" in inspect.signature(ResponseHandler.resume_reading).parameters
)


class Rest(asyncio.Protocol):
    """Reads a connection in place of aiohttp until the body has come, and gives it back then.

    Args:
        response: aiohttp's, of which all that came before was taken.
        handler: aiohttp's reader of the connection.
        transport: the connection.
        left: bytes that are still to come.
        read_s: seconds without a byte after which the answer is given up; None: never.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        handler: ResponseHandler,
        transport: asyncio.Transport,
        left: int,
        read_s: float | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._response = response
        self._handler = handler
        self._transport = transport
        self._left = left
        self._read_s = read_s
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._waiting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._came_at = 0.0
        handler.pause_reading()  # its watch over the connection stops, too
        transport.set_protocol(self)

    @classmethod
    def of(cls, response: aiohttp.ClientResponse, seen: int, read_s: float | None) -> Rest | None:
        """Take over a connection, if much is still to come over it and its end is known.

        Args:
            response: aiohttp's, of which nothing is left unread.
            seen: bytes of its body that came.
            read_s: as above.
        """
        length, connection = response.headers.get("content-length", ""), response.connection
        if not _FITS or response.status not in _SUCCESS or "transfer-encoding" in response.headers:
            return None
        if connection is None or connection.protocol is None or not length.isdigit():
            return None
        left, transport = int(length) - seen, connection.transport
        if left < _WORTH_IT or transport is None or transport.is_closing():
            return None
        return cls(response, connection.protocol, transport, left, read_s)

    async def into(self, take: Take) -> None:
        """Give all that comes.

        Raises:
            httpx.TransportError: it was cut short, or did not go on.
        """
        self._take = take
        self._go_on()
        try:
            await self._over
        except BaseException:
            self._transport.pause_reading()
            raise
        finally:
            if self._timer:
                self._timer.cancel()
            if self._waiting:
                self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        """Hand on a piece; wait with the next one if it is not wanted yet."""
        if self._over.done():
            return
        self._came_at = self._loop.time()
        self._left -= len(data)
        if self._left < 0:
            self._fail(httpx.RemoteProtocolError("More came than was stated."))
            return
        try:
            wait = self._take(data)
        except Exception as error:  # noqa: BLE001  # it goes to who waits for the end
            self._fail(error)
            return
        if wait is not None:
            self._transport.pause_reading()
            self._waiting = self._loop.create_task(self._wait(wait))
        elif not self._left:
            self._end()

    async def _wait(self, wait: Awaitable[None]) -> None:
        try:
            await wait
        except Exception as error:  # noqa: BLE001  # as above
            self._fail(error)
            return
        self._waiting = None
        if self._left:
            self._go_on()
        else:
            self._end()

    def _go_on(self) -> None:
        if self._over.done():
            return
        self._came_at = self._loop.time()
        self._transport.resume_reading()
        if self._timer is None and self._read_s is not None:
            self._timer = self._loop.call_later(self._read_s, self._look, self._read_s)

    def _look(self, read_s: float) -> None:
        """See whether anything came; that nothing is wanted is not the connection's fault."""
        now = self._loop.time()
        since = self._came_at if self._waiting is None else now
        if now - since >= read_s:
            self._fail(httpx.ReadTimeout(""))
        else:
            self._timer = self._loop.call_later(since + read_s - now, self._look, read_s)

    def _fail(self, error: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(error)
            self._transport.pause_reading()

    def _end(self) -> None:
        if self._over.done():
            return
        self._over.set_result(None)
        self._transport.set_protocol(self._handler)
        # It has not seen this body: it is made ready for what may come after it.
        self._handler.set_response_params()
        self._handler.resume_reading(resume_parser=False)
        self._response.content.feed_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell both sides."""
        self._fail(httpx.RemoteProtocolError("The body was cut short."))
        self._over.exception()  # it may be that nobody waits for it any more
        self._handler.connection_lost(exc)
