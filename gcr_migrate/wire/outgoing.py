"""A request's body on its way out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gcr_migrate.wire import trouble
from gcr_migrate.wire.pieces import NotTakenError, taken

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from gcr_migrate.interfaces import Feed
    from gcr_migrate.wire.connection import Connection

_LOOKS: Final = 4  # at a connection, in the time for which it may stand still
_TOGETHER: Final = 64 * 1024  # a copy in memory costs less than sending twice
_END_OF_CHUNKS: Final = b"0\r\n\r\n"


class Outgoing:
    """The head and the bytes of one request: counted, watched while they leave, never sent twice.

    The head waits for the first piece: what cannot be begun is not announced.

    Args:
        connection: it goes over this one; it ends when something is wrong with the body.
        head: of the request.
        source: gives the bytes.
        length: how many they must be; None: that is not known, and they are sent in chunks.
        stall_s: seconds without progress after which the connection is given up; None: never.
    """

    def __init__(
        self,
        connection: Connection,
        head: bytes,
        source: Feed,
        length: int | None,
        stall_s: float | None,
    ) -> None:
        self._connection = connection
        self._head = head
        self._source = source
        self._length = length
        self._stall_s = stall_s
        self._left = -1
        self._moved_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._sending = asyncio.create_task(self._send_all())

    async def end(self) -> None:
        """Send no more; return when nothing is taken from the source any more."""
        if not self._sending.done():
            self._sending.cancel()
            await asyncio.wait({self._sending})

    async def _send_all(self) -> None:
        """Send all of it; what goes wrong ends the connection, and is told to who waits there."""
        self._look_later()
        try:
            for piece in await self._all_but_the_last():
                await taken(self._send, piece)
            self._send_the_end()
        except NotTakenError:
            pass  # the connection ended, and told why
        except Exception as error:  # noqa: BLE001  # as it says
            self._connection.fail(error)
        else:
            self._connection.sent()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def _all_but_the_last(self) -> list[bytes]:
        """Send the bytes; return the last of them when the source has ended as it should.

        So what the source raises at its end still stops the request: were all bytes out by then,
        their receiver could have taken them for whole.
        """
        sent, last = 0, list[bytes]()

        def take(piece: bytes) -> Awaitable[None] | None:
            nonlocal sent
            sent += len(piece)
            if self._length is not None and sent > self._length:
                self._connection.fail(_not_as_declared("much"))
                raise NotTakenError
            if sent != self._length:
                return self._send(piece)
            last.append(piece)
            return None

        await self._source.into(take)
        if self._length is not None and sent < self._length:
            raise _not_as_declared("little")
        return last

    def _send(self, piece: bytes) -> Awaitable[None] | None:
        if self._length is None:
            if not piece:
                return None
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        if self._head:
            head, self._head = self._head, b""
            if len(piece) <= _TOGETHER:
                piece = head + piece
            else:
                self._connection.send(head)
        return self._connection.take(piece)

    def _send_the_end(self) -> None:
        """Send what is still to be sent when all pieces are."""
        end = _END_OF_CHUNKS if self._length is None else b""
        if self._head or end:
            self._connection.send(self._head + end)

    def _look_later(self) -> None:
        if self._stall_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._stall_s / _LOOKS, self._look, self._stall_s)

    def _look(self, stall_s: float) -> None:
        """Give up a connection over which nothing leaves, though something should."""
        now, left = asyncio.get_running_loop().time(), self._connection.left
        if not self._connection.is_full or left > self._left:
            self._left, self._moved_at = left, now
        elif now - self._moved_at >= stall_s:
            self._connection.fail(trouble.WriteTimeout())
            return
        self._look_later()


def _not_as_declared(words: str) -> trouble.LocalProtocolError:
    return trouble.LocalProtocolError(f"Too {words} data for declared Content-Length")
