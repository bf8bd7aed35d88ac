"""Connections of our own: little work for each request, and less for each byte.

What httpx's own connections do, these do too (tests/protocol/test_transports.py holds both to
it): URLs byte for byte, no redirects, cookies or unpacking, a time-out for each phase, and errors
that tell what happened. A request is sent once; whether it may be sent again, callers know.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gcr_migrate.wire import trouble
from gcr_migrate.wire.heads import Origin, request_head, split_address
from gcr_migrate.wire.incoming import Incoming
from gcr_migrate.wire.keeping import Keeping
from gcr_migrate.wire.opening import Opener, login
from gcr_migrate.wire.outgoing import Outgoing
from gcr_migrate.wire.pieces import taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gcr_migrate.interfaces import Feed, Take
    from gcr_migrate.wire.connection import Connection
    from gcr_migrate.wire.network import Network, Proxy
    from gcr_migrate.wire.sender import Limits

# Many servers hang up on a connection after five idle seconds: who comes then comes too late.
_IDLE_S: Final = 4.0
_AT_ONCE: Final = 64 * 1024  # a body that is no longer is sent with its head
_HAVE_A_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_LAST_WORDS: Final = 5  # rounds of the loop in which connections are told that they ended
_CLOSED: Final = "The connections were closed."
_Way = tuple[Origin, "Proxy | None"]


class Pool:
    """Connections to all hosts, straight and through proxies.

    Args:
        network: the way out of this machine.
        connections: how many may be in use at once; who comes then waits for one.
    """

    def __init__(self, network: Network, connections: int) -> None:
        self._opener = Opener(network)
        self._slots = asyncio.Semaphore(connections)
        self._idle: dict[_Way, list[Connection]] = {}
        self._keeping = Keeping[_Way]()
        self._in_use: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def send(
        self,
        method: str,
        address: str,
        fields: dict[str, str],
        body: bytes | Feed | None,
        limits: Limits,
    ) -> PooledAnswer:
        """Send a request; see `Sender`."""
        origin, target = split_address(address)
        proxy = self._opener.proxy_for(origin)
        sent = _with_length(method, {"host": origin.named} | fields, body)
        if proxy is not None and origin.scheme == "http":
            target = f"http://{origin.named}{target}"
            sent |= login(proxy)
        head = request_head(method, target, sent.items())
        way = (origin, proxy)
        connection = await self._connection(way, limits)
        was_kept = connection.was_kept
        incoming = Incoming(connection, is_bare=method == "HEAD")
        try:
            connection.begin(incoming, limits.get("read"))
            if body is None or (isinstance(body, bytes) and len(body) <= _AT_ONCE):
                connection.send(head + (body or b""))
                connection.sent()
                await incoming.head
            else:
                source: Feed = _Whole(body) if isinstance(body, bytes) else body
                length = sent.get("content-length")
                stated = None if length is None else int(length)
                outgoing = Outgoing(connection, head, source, stated, limits.get("write"))
                try:
                    await incoming.head
                finally:
                    await outgoing.end()
        except BaseException as error:
            connection.drop()
            if isinstance(error, trouble.TransportError):
                # Its server may have ended all that wait: whoever tries again gets a new one.
                for idle in self._idle.pop(way, ()):
                    idle.drop()
                if was_kept and incoming.found_nobody:
                    self._keeping.ended(way)
            self._left(way, connection)
            raise
        if was_kept:
            self._keeping.served(way)
        return PooledAnswer(incoming, lambda: self._left(way, connection))

    async def aclose(self) -> None:
        """Close all connections; requests that wait for one or for their answer fail."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in self._in_use:
            connection.fail(trouble.ReadError(_CLOSED))
        for kept in self._idle.values():
            for connection in kept:
                connection.drop()
        self._idle.clear()
        for _ in range(_LAST_WORDS):
            await asyncio.sleep(0)

    async def _connection(self, way: _Way, limits: Limits) -> Connection:
        """Return a connection that is free, or a new one."""
        await self._slot(limits.get("pool"))
        try:
            found = self._kept(way) or await self._opener.open(*way, limits.get("connect"))
        except BaseException:
            self._slots.release()
            raise
        self._in_use.add(found)
        if self._is_closed:
            found.drop()
            self._left(way, found)
            raise trouble.ConnectError(_CLOSED)
        return found

    async def _slot(self, wait_s: float | None) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(wait_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise trouble.PoolTimeout from error

    def _kept(self, way: _Way) -> Connection | None:
        kept = self._idle.get(way)
        oldest = asyncio.get_running_loop().time() - _IDLE_S
        while kept:
            last = kept.pop()
            if not last.is_closed and last.idle_since >= oldest:
                return last
            last.drop()
        return None

    def _left(self, way: _Way, connection: Connection) -> None:
        """Keep a connection for the next request, if it can serve one, and free its place."""
        self._in_use.discard(connection)
        connection.leave()
        if connection.is_free and not self._keeping.is_of_use(way):
            connection.drop()
        if connection.is_free:
            self._idle.setdefault(way, []).append(connection)
            if self._sweeper is None:
                self._sweeper = asyncio.get_running_loop().call_later(_IDLE_S, self._sweep)
        self._slots.release()

    def _sweep(self) -> None:
        """End connections that nobody has used for a while."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _IDLE_S
        for way, kept in [*self._idle.items()]:
            for one in kept:
                if one.idle_since < oldest:
                    one.drop()
            self._idle[way] = [one for one in kept if not one.is_closed]
            if not self._idle[way]:
                del self._idle[way]
        self._sweeper = loop.call_later(_IDLE_S, self._sweep) if self._idle else None


class PooledAnswer:
    """An answer, and its body in pieces as they come.

    Attributes:
        status: HTTP status.
        headers: header fields; names in any case.

    Args:
        incoming: reads it; its head is there.
        left: is called when its connection is not needed any more.
    """

    def __init__(self, incoming: Incoming, left: Callable[[], None]) -> None:
        self.status = incoming.status
        self.headers = incoming.headers
        self._incoming = incoming
        self._left: Callable[[], None] | None = left

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._incoming

    async def into(self, take: Take) -> None:
        """Give the whole body, of which nothing was read; see `Feed`."""
        await self._incoming.into(take)

    async def aclose(self) -> None:
        """Give the connection back; one over which something is still to come is dropped."""
        left, self._left = self._left, None
        if left is not None:
            left()


class _Whole:
    """A body that is there already."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def into(self, take: Take) -> None:
        await taken(take, self._body)


def _with_length(method: str, fields: dict[str, str], body: bytes | Feed | None) -> dict[str, str]:
    """Return header fields that also say how long the body is, or that it comes in chunks."""
    if "content-length" in fields or "transfer-encoding" in fields:
        return fields
    if isinstance(body, bytes) or (body is None and method in _HAVE_A_BODY):
        return fields | {"content-length": str(len(body or b""))}
    return fields if body is None else fields | {"transfer-encoding": "chunked"}
