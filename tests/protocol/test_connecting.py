"""How our own connections come to be: several addresses, cancelled half-way, through proxies."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.wire import trouble
from gcr_migrate.wire.network import Network
from gcr_migrate.wire.pool import Pool
from tests.conftest import refusing_port
from tests.peer import EMPTY, LONG_S, OK, Peer, run, script
from tests.protocol.test_transport_failures import full_backlog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import trustme

LIMITS: dict[str, float | None] = dict.fromkeys(("connect", "read", "write", "pool"), LONG_S)


async def status(pool: Pool, url: str) -> int:
    """Ask; return the status."""
    answer = await pool.send("GET", url, {}, None, LIMITS)
    await answer.aclose()
    return answer.status


@pytest.fixture
def has_addresses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the name `registry.test` addresses; they differ by their ports only."""

    def give(*ports: int) -> None:
        async def known(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
            tcp = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*tcp, ("127.0.0.1", port)) for port in ports]

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", known)

    return give


def port_of(url: str) -> int:
    """Return the port in an address."""
    return int(url.rpartition(":")[2])


def test_an_address_that_refuses_is_passed_over(has_addresses: Callable[..., None]) -> None:
    """The next one is asked at once."""

    async def work(closed: int) -> int:
        async with Peer(script(EMPTY)).running() as peer:
            has_addresses(closed, closed, port_of(peer.url))
            pool = Pool(Network(), 1)
            try:
                return await status(pool, "http://registry.test")
            finally:
                await pool.aclose()

    with refusing_port() as closed:
        assert run(work(closed)) == 200


def test_an_address_that_says_nothing_does_not_hold_up_the_next(
    has_addresses: Callable[..., None],
) -> None:
    """It is tried beside it after a moment, long before the time for connecting is over."""

    async def work(dead: int) -> int:
        async with Peer(script(EMPTY)).running() as peer:
            has_addresses(dead, port_of(peer.url))
            pool = Pool(Network(), 1)
            try:
                return await status(pool, "http://registry.test")
            finally:
                await pool.aclose()

    before = time.monotonic()
    with full_backlog() as url:
        assert run(work(port_of(url))) == 200
    assert time.monotonic() - before < LONG_S / 2


def test_a_host_of_which_no_address_answers_is_a_connect_error(
    has_addresses: Callable[..., None],
) -> None:
    """It names what the first of them said."""

    async def work(closed: int) -> None:
        has_addresses(closed, closed)
        await status(Pool(Network(), 1), "http://registry.test")

    with (
        refusing_port() as closed,
        pytest.raises(trouble.ConnectError, match=f"Connect call failed.*{closed}"),
    ):
        run(work(closed))


def test_an_address_is_not_looked_up(has_addresses: Callable[..., None]) -> None:
    """Where a host is an address, nobody is asked for it: here a look-up would find none."""

    async def work() -> int:
        async with Peer(script(EMPTY)).running() as peer:
            has_addresses()
            pool = Pool(Network(), 1)
            try:
                return await status(pool, f"http://127.0.0.1:{port_of(peer.url)}")
            finally:
                await pool.aclose()

    assert run(work()) == 200


@pytest.mark.slow
def test_connecting_can_be_cancelled_at_any_moment(has_addresses: Callable[..., None]) -> None:
    """No socket is left behind, nor the place of a connection."""

    async def work(dead: int) -> None:
        async with Peer(script(EMPTY)).running() as peer:
            pool = Pool(Network(), 1)
            for ports in ([port_of(peer.url)], [dead, port_of(peer.url)]):
                has_addresses(*ports)
                for rounds in range(30):
                    asking = asyncio.create_task(status(pool, "http://registry.test"))
                    for _ in range(rounds):
                        await asyncio.sleep(0)
                    asking.cancel()
                    await asyncio.wait({asking})
            has_addresses(port_of(peer.url))
            assert await status(pool, "http://registry.test") == 200
            await pool.aclose()
        gc.collect()  # which would tell of a socket that nobody closed

    with refusing_port() as closed:
        run(work(closed))


async def through(proxy: Peer, trusted: Path) -> int:
    """Ask a server through a proxy; return the status. The loop may have nothing to tell."""
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with proxy.running():
        network = Network({"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(trusted)})
        async with aclosing(Pool(network, 1)) as pool:
            try:
                return await status(pool, "https://registry.test")
            finally:
                await asyncio.sleep(0.05)
                gc.collect()
                assert told == []


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """What the server speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("registry.test").configure_cert(context)
    return context


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", trouble.RemoteProtocolError),
        (b"SSH-2.0-OpenSSH_9\r\n", trouble.RemoteProtocolError),
        (b"HTTP/1.1 407 Login, please\r\nContent-Length: 4\r\n\r\nbody", trouble.ProxyError),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", trouble.ProxyError),
        (OK + b"\r\n", trouble.ConnectError),
        (
            OK + b"\r\nHTTP/1.1 400 What?\r\n\r\n",
            (trouble.ConnectError, trouble.RemoteProtocolError),
        ),
    ],
    ids=["gone", "ssh", "407", "302", "cut", "surplus"],
)
def test_a_proxy_that_opens_no_tunnel_is_an_error(
    trusted: Path, answer: bytes, error: type[Exception]
) -> None:
    """Of the phase in which it failed, long before any time is over."""
    before = time.monotonic()
    with pytest.raises(error):
        run(through(Peer(script(answer)), trusted))
    assert time.monotonic() - before < LONG_S / 4


@pytest.mark.slow
def test_the_words_of_a_proxy_are_told_whole(trusted: Path) -> None:
    """However they are cut on their way."""

    async def drip(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        for byte in b"HTTP/1.1 407 Login, please\r\nContent-Length: 0\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.002)

    with pytest.raises(trouble.ProxyError, match=r"^407 Login, please$"):
        run(through(Peer(drip), trusted))


@pytest.mark.slow
@pytest.mark.parametrize(
    "opened",
    [
        OK + b"\r\n",
        b"HTTP/1.0 200 Connection established\r\nProxy-Agent: x\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Connection: close\r\n\r\n",
        b"HTTP/1.1 204 Open\r\n\r\n",
    ],
    ids=["200", "1.0", "103", "204"],
)
@pytest.mark.parametrize("first", [b"", b"220 mail.test\r\n"], ids=["http", "speaks-first"])
def test_a_tunnel_leads_to_the_server(
    trusted: Path, tls: ssl.SSLContext, opened: bytes, first: bytes
) -> None:
    """One who speaks before he is asked is no HTTP server, and nothing else is wrong then."""

    async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        writer.write(opened)
        await writer.start_tls(tls)
        writer.write(first)
        await peer.head(reader)
        writer.write(EMPTY)

    peer = Peer(serve)
    if first:
        with pytest.raises((trouble.RemoteProtocolError, trouble.ReadError)):
            run(through(peer, trusted))
    else:
        assert run(through(peer, trusted)) == 200
        assert peer.fields()["host"] == "registry.test:443"
        assert peer.fields(1)["host"] == "registry.test"


def test_an_address_of_version_6_is_asked_for_in_brackets(trusted: Path) -> None:
    """In the request for a tunnel and in its Host."""

    async def work(proxy: Peer) -> None:
        async with proxy.running():
            network = Network({"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(trusted)})
            async with aclosing(Pool(network, 1)) as pool:
                await status(pool, "https://[2001:db8::1]:5000/v2/")

    proxy = Peer(script(b"HTTP/1.1 502 No\r\n\r\n"))
    with pytest.raises(trouble.ProxyError):
        run(work(proxy))
    assert proxy.heads[0].startswith("CONNECT [2001:db8::1]:5000 HTTP/1.1\r\n")
    assert proxy.fields()["host"] == "[2001:db8::1]:5000"
