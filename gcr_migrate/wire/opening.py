"""How a connection is made: straight or through a proxy, with TLS or without."""

from __future__ import annotations

import asyncio
import base64
import functools
import ipaddress
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.wire import trouble
from gcr_migrate.wire.connection import PLACE_BYTES, Connection, SecretConnection
from gcr_migrate.wire.heads import Origin, request_head
from gcr_migrate.wire.incoming import Incoming

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from gcr_migrate.wire.network import Network, Proxy

_NEXT_ADDRESS_S: Final = 0.25  # as RFC 8305 has it: then the next address of a name is tried too
_OK: Final = range(200, 300)


class Opener:
    """Makes connections.

    Args:
        network: the way out of this machine.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._place = memoryview(bytearray(PLACE_BYTES))

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """Return the proxy that a server is asked through, if any."""
        return self._network.proxy_for(origin.scheme, origin.host, origin.port)

    async def open(
        self, origin: Origin, proxy: Proxy | None, connect_s: float | None
    ) -> Connection:
        """Make a connection over which a server can be asked.

        Args:
            origin: the server.
            proxy: who stands between; None: nobody.
            connect_s: seconds that it may take, TLS and tunnel included; None: any.

        Raises:
            trouble.ConnectError: there is none.
            trouble.ConnectTimeout: it took too long.
            trouble.ProxyError: the proxy does not open a tunnel.
        """
        with _told():
            async with asyncio.timeout(connect_s):
                if proxy is None:
                    return await self._to(origin)
                connection = await self._to(_origin_of(proxy))
                if origin.scheme == "http":
                    return connection  # there is no tunnel: the proxy reads the requests itself
                try:
                    return await self._tunnel(connection, origin, proxy)
                except BaseException:
                    connection.drop()
                    raise

    async def _to(self, origin: Origin) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection, sock=await _socket_to(origin.host, origin.port)
        )
        return await self._encrypted(connection, origin) if origin.scheme == "https" else connection

    async def _encrypted(self, connection: Connection, origin: Origin) -> Connection:
        """Speak TLS over a connection."""
        below = connection.transport
        if connection.is_closed:  # as more came than there should
            raise ConnectionResetError
        is_socket = below.get_extra_info("sslcontext") is None
        made = SecretConnection(self._place, below if is_socket else None)
        made.connection_made(below)  # if the server speaks before it is ours
        transport = None
        try:
            transport = await asyncio.get_running_loop().start_tls(
                below, made, self._trust, server_hostname=origin.host
            )
        finally:
            if transport is None:
                below.abort()
        if transport is None:
            raise ConnectionResetError
        made.connection_made(transport)
        return made

    async def _tunnel(self, connection: Connection, origin: Origin, proxy: Proxy) -> Connection:
        """Ask a proxy for a tunnel, and speak TLS through it."""
        incoming = Incoming(connection, is_bare=True)
        connection.begin(incoming, None)
        whole = f"[{origin.host}]" if ":" in origin.host else origin.host
        target = f"{whole}:{origin.port}"
        fields = [("host", target), *login(proxy).items()]
        connection.send(request_head("CONNECT", target, fields))
        await incoming.head
        if incoming.status not in _OK:
            raise trouble.ProxyError(f"{incoming.status} {incoming.reason}")
        return await self._encrypted(connection, origin)

    @functools.cached_property
    def _trust(self) -> ssl.SSLContext:
        context = self._network.trust
        context.set_alpn_protocols(["http/1.1"])
        return context


def login(proxy: Proxy | None) -> dict[str, str]:
    """Return the field by which one logs in to a proxy, if it asks for that."""
    if proxy is None or proxy.auth is None:
        return {}
    text = base64.b64encode(":".join(proxy.auth).encode()).decode()
    return {"proxy-authorization": f"Basic {text}"}


def _origin_of(proxy: Proxy) -> Origin:
    scheme, _, netloc = proxy.url.partition("://")
    return Origin.read(scheme, netloc)


async def _socket_to(host: str, port: int) -> socket.socket:
    """Connect to the first of a host's addresses that lets us.

    Not by asyncio's `happy_eyeballs_delay`, which loses the socket when it is cancelled in the
    moment in which the connection is made.
    """
    loop = asyncio.get_running_loop()
    won: asyncio.Future[socket.socket] = loop.create_future()
    tries: list[asyncio.Task[OSError | None]] = []
    try:
        for address in await _addresses(host, port):
            tries.append(loop.create_task(_try(address, won)))
            await _either(won, tries[-1], _NEXT_ADDRESS_S)
            if won.done():
                break
        else:
            await _either(won, asyncio.gather(*tries, return_exceptions=True))
    except BaseException:
        if won.done():
            won.result().close()
        raise
    finally:
        for one in tries:
            one.cancel()
    if won.done():
        return won.result()
    raise next(error for one in tries if (error := one.result()))


async def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    """Look a host up; what is an address already needs no thread that waits for an answer."""
    kind = socket.SOCK_STREAM
    try:
        known = str(ipaddress.ip_address(host)).encode()
    except ValueError:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)
    return socket.getaddrinfo(known, port, type=kind)


async def _try(address: tuple[Any, ...], won: asyncio.Future[socket.socket]) -> OSError | None:
    """Connect to an address; return why that failed."""
    family, kind, protocol, _, place = address
    try:
        with socket.socket(family, kind, protocol) as made:
            made.setblocking(False)  # noqa: FBT003  # its only parameter
            await asyncio.get_running_loop().sock_connect(made, place)
            if not won.done():
                won.set_result(socket.socket(fileno=made.detach()))
    except OSError as error:
        return error
    return None


async def _either(
    one: asyncio.Future[Any], other: asyncio.Future[Any], wait_s: float | None = None
) -> None:
    await asyncio.wait({one, other}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the system and TLS raise into exceptions of ours."""
    try:
        yield
    except TimeoutError as error:
        raise trouble.ConnectTimeout from error
    except OSError as error:
        raise trouble.ConnectError(str(error)) from error
