"""How our own connections come to be: several addresses, cancelled half-way."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gcr_migrate.wire.network import Network
from gcr_migrate.wire.pool import Pool
from tests.conftest import refusing_port
from tests.peer import EMPTY, LONG_S, Peer, run, script
from tests.protocol.test_transport_failures import full_backlog

if TYPE_CHECKING:
    from collections.abc import Callable

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
        pytest.raises(httpx.ConnectError, match=f"Connect call failed.*{closed}"),
    ):
        run(work(closed))


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
