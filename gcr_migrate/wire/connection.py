"""One connection to a server, over which one request goes at a time.

Bytes are handed on by calls as they come, to who takes them while they are still in the
processor's cache. Time-outs are by phase, and each byte that comes or leaves gives the next one
its full time; but a head that comes byte by byte, which could go on for days, is given up.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, cast

from gcr_migrate.wire import trouble
from gcr_migrate.wire.pieces import NotTakenError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from gcr_migrate.wire.incoming import Incoming

_READ_AT_MOST: Final = 256 * 1024
# For a read and the rest of a record before it: of what a server says before it hangs up, asyncio
# asks us only once, and drops what has no room.
PLACE_BYTES: Final = _READ_AT_MOST + 32 * 1024
_WAITING_AT_MOST: Final = 64 * 1024  # bytes that the system does not take yet
_LEAST_BYTES_PER_S: Final = 1024  # of a head, beyond the time that an answer may take to begin


class Connection(asyncio.Protocol):
    """What comes and what leaves.

    Args:
        below: what TLS goes over, where that is the socket.

    Attributes:
        transport: the connection itself.
        is_free: whether it may serve another request; not that it still stands.
        is_full: whether more waits to leave than should.
        idle_since: when it was left, in the loop's time.
    """

    transport: asyncio.Transport
    _is_secret = False

    def __init__(self, below: asyncio.Transport | None = None) -> None:
        self.is_free = False
        self.is_full = False
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._below = below
        self._incoming: Incoming | None = None
        self._is_sent = False
        self._taken_up: asyncio.Future[None] | None = None
        self._read_s: float | None = None
        self._due_at: float | None = None
        self._head_due_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._given = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection that was made."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=_WAITING_AT_MOST)

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent over it."""
        return self.transport.is_closing() or (self._below is not None and self._below.is_closing())

    @property
    def was_kept(self) -> bool:
        """Whether it has served a request before."""
        return self.idle_since > 0

    @property
    def left(self) -> int:
        """Bytes that have left, of all that was ever sent."""
        return self._given - self.transport.get_write_buffer_size()

    # A request and its answer.

    def begin(self, incoming: Incoming, read_s: float | None) -> None:
        """Serve a request, of which nothing was sent yet.

        Args:
            incoming: reads the answer.
            read_s: seconds without a byte, once all is sent, after which it is given up.
        """
        self._incoming, self._read_s = incoming, read_s
        self.is_free = self._is_sent = False

    def sent(self) -> None:
        """Take note that all of the request was sent: the time of its answer runs from now on."""
        self._is_sent = True
        self._expect()
        self._head_due_at = self._due_at or 0.0

    def _expect(self) -> None:
        if self._read_s is None:
            return
        self._due_at = self._loop.time() + self._read_s
        if self._timer is None or self._timer.when() > self._due_at:
            self._watch(self._due_at)

    def answered(self, *, stays: bool) -> None:
        """Take note that the answer has come whole.

        Args:
            stays: whether the server keeps the connection.
        """
        has_left = self._is_sent and not self.transport.get_write_buffer_size()
        self.is_free, self._due_at = stays and has_left, None

    def leave(self) -> None:
        """Be done with a request; the connection ends here if something of it may still come."""
        self._incoming = self._due_at = None
        if self.is_free and not self.is_closed:
            self.transport.resume_reading()
            self.idle_since = self._loop.time()
        else:
            self.drop()

    def drop(self) -> None:
        """End it at once."""
        self.is_free = False
        self._incoming = self._due_at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.transport.abort()

    def fail(self, error: Exception) -> None:
        """End a request with an error."""
        incoming, self.is_free = self._incoming, False
        if incoming is not None:
            incoming.fail(error)
        self.drop()

    # What comes.

    def data_received(self, data: bytes) -> None:
        """Hand on what came; what nobody asked for ends the connection."""
        if self._incoming is None:
            self.drop()
            return
        incoming = self._incoming
        if self._due_at is not None:
            self._due_at = self._loop.time() + (self._read_s or 0.0)
        incoming.came(data)
        if self._due_at is not None and not incoming.status:
            due_at = self._head_due_at + incoming.head_bytes / _LEAST_BYTES_PER_S
            self._due_at = min(self._due_at, due_at)

    def pause(self) -> None:
        """Read no more until somebody wants it; that is not the server's fault."""
        self._due_at = None
        self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self.transport.resume_reading()
        self._expect()

    def _watch(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        """See whether something is overdue; one timer serves many requests."""
        self._timer = None
        if self._due_at is None:
            return
        if self._loop.time() < self._due_at:
            self._watch(self._due_at)
        else:
            self.fail(trouble.ReadTimeout(self._incoming.slow_head if self._incoming else ""))

    def eof_received(self) -> None:
        """Take note that no more will come; nobody waits until what is still to leave has left."""
        self._gone(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that it ended."""
        if exc is not None and not self._is_secret:  # else the socket is closed by now
            self._read_the_last()
        self._gone(exc)

    def _gone(self, error: Exception | None) -> None:
        """Tell who waits for something."""
        incoming = self._incoming
        self.drop()
        self.resume_writing()
        if incoming is not None:
            incoming.lost(error)

    def _read_the_last(self) -> None:
        """Read what a server said before it hung up: a failed write is noticed before it."""
        door = self.transport.get_extra_info("socket").fileno()
        try:
            while self._incoming and (data := os.read(door, _READ_AT_MOST)):
                if self._below is None:
                    self._incoming.came(data)
                else:
                    tls = cast("asyncio.BufferedProtocol", self._below.get_protocol())
                    memoryview(tls.get_buffer(len(data)))[: len(data)] = data
                    tls.buffer_updated(len(data))
        except OSError:
            return  # nothing is left

    # What leaves.

    def send(self, data: bytes | memoryview) -> None:
        """Send the bytes of a request, all of them together."""
        self._given += len(data)
        self.transport.write(data)
        if self._below is not None and self._below.is_closing():  # and it is not told yet
            self._read_the_last()

    def take(self, piece: bytes) -> Awaitable[None] | None:
        """Send a piece of a body; return what to wait for before the next one, if anything.

        Raises:
            NotTakenError: the connection is gone.
        """
        if self.is_closed:
            self.transport.abort()  # else it might wait until all has left, which may be never
            raise NotTakenError
        if self._is_secret and len(piece) > _WAITING_AT_MOST:
            return self._by_little(memoryview(piece))
        self.send(piece)
        return self._room() if self.is_full else None

    def _by_little(self, piece: memoryview) -> Awaitable[None] | None:
        """Send a piece in parts: how much of it waits behind TLS cannot be seen."""
        rest = self._what_is_too_much(piece)
        return self._later(rest) if self.is_full else None

    def _what_is_too_much(self, piece: memoryview) -> memoryview:
        """Send parts of a piece until much waits to leave; return what is left of it.

        Raises:
            NotTakenError: the connection is gone.
        """
        while piece and not self.is_full:
            if self.is_closed:  # asyncio warns of parts that it throws away
                raise NotTakenError
            self.send(piece[:_WAITING_AT_MOST])
            piece = piece[_WAITING_AT_MOST:]
        return piece

    async def _later(self, rest: memoryview) -> None:
        """Send what is left of a piece; when this begins, there may be room again."""
        while rest or self.is_full:
            if self.is_full:
                await self._room()
            rest = self._what_is_too_much(rest)

    def _room(self) -> asyncio.Future[None]:
        self._taken_up = self._loop.create_future()
        return self._taken_up

    def pause_writing(self) -> None:
        """Take note that much waits to leave."""
        self.is_full = True

    def resume_writing(self) -> None:
        """Take note that it has left."""
        self.is_full = False
        if self._taken_up is not None and not self._taken_up.done():
            self._taken_up.set_result(None)


class SecretConnection(Connection, asyncio.BufferedProtocol):
    """A connection behind TLS, of which a read gives many records of 16 KB.

    They are deciphered one behind the other into one place, and copied from there together: asyncio
    would reserve a quarter of a megabyte for each of them, and join them.

    Args:
        place: where they come to stand, of `PLACE_BYTES`; others may use it, too, as nothing stays.
        below: what TLS goes over, where that is the socket.
    """

    _is_secret = True

    def __init__(self, place: memoryview, below: asyncio.Transport | None) -> None:
        super().__init__(below)
        self._place = place

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's
        """Return where to write what comes."""
        return self._place

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on what came."""
        self.data_received(bytes(self._place[:nbytes]))
