"""Bodies that come slowly: byte by byte for ever, or over a slow line."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pieces import Iterated
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire
from tests.feeds import whole
from tests.peer import OK, Peer, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.peer import Answer

    Ask = Callable[[Wire, str], Awaitable[object]]

pytestmark = pytest.mark.usefixtures("each_library")

IDLE_S = 0.3
HEAD = OK + b"Content-Length: 100000\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def dripping(head: bytes, drop: bytes, every_s: float = IDLE_S / 6, drops: int = 10**6) -> Answer:
    """Answer with a head and so many drops of a body."""

    async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        await reader.readexactly(int(peer.fields(-1).get("content-length", 0)))
        writer.write(head)
        for _ in range(drops):
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(every_s)

    return serve


async def _get(wire: Wire, url: str) -> object:
    return (await wire.request("GET", url, ok={200})).body


async def _put(wire: Wire, url: str) -> object:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"{}"

    return await wire.send_stream("PUT", url, content=Iterated(pieces()), length=2)


async def _stream_that_is_refused(wire: Wire, url: str) -> object:
    async with wire.stream(url, ok={206}):
        return None


async def _stream(wire: Wire, url: str) -> object:
    async with wire.stream(url, ok={200}) as stream:
        return await whole(stream)


def answered(answer: Answer, ask: Ask, tries: int = 1) -> tuple[object, int]:
    """Return what is made of an answer, an error too, and how often it was asked for."""

    async def work() -> tuple[object, int]:
        async with (
            Peer(answer).running() as peer,
            Wire(Endpoints(), Backoff(tries=tries, base_s=0.001), idle_s=IDLE_S) as wire,
        ):
            try:
                got = await ask(wire, f"{peer.url}/v2/")
            except MigrateError as error:
                got = error
            return got, len(peer.heads)

    return run(work())


@pytest.mark.parametrize("ask", [_get, _put, _stream_that_is_refused])
def test_a_body_that_drips_is_given_up(ask: Ask) -> None:
    """Each byte comes in time, and all of them would take hours."""
    error, _ = answered(dripping(HEAD, b" "), ask)
    assert isinstance(error, MigrateError)
    assert error.problem.code == "unreachable"
    assert "too slow an answer" in error.saw


def test_a_body_that_drips_is_asked_for_again() -> None:
    """As one that stalls is: the next one may be quick."""
    _, asked = answered(dripping(HEAD, b" "), _get, tries=3)
    assert asked == 3


def test_bytes_that_are_no_body_do_not_count() -> None:
    """A length of a chunk that never ends is given up, too."""
    error, _ = answered(dripping(CHUNKED, b"0"), _get)
    assert "too slow an answer: only 0 bytes" in str(error)


def test_a_long_list_over_a_slow_line_is_read_whole() -> None:
    """It takes many times as long as a connection may be idle."""
    part = json.dumps("x" * 1022).encode()
    head = OK + f"Content-Length: {20 * len(part)}\r\n\r\n".encode()
    got, _ = answered(dripping(head, part, drops=20), _get)
    assert got == part * 20


def test_a_layer_may_drip() -> None:
    """Whoever reads it decides; only silence ends it."""
    head = OK + b"Content-Length: 20\r\n\r\n"
    got, _ = answered(dripping(head, b"x", drops=20), _stream)
    assert got == b"x" * 20


@pytest.mark.parametrize("each_library", ["asyncio"], indirect=True)
@pytest.mark.parametrize("ask", [_get, _put, _stream])
@pytest.mark.parametrize(
    ("head", "drop"),
    [(OK, b"X: y\r\n"), (b"", b"HTTP/1.1 102 Processing\r\n\r\n")],
    ids=["fields", "interim"],
)
def test_a_head_that_drips_is_given_up(ask: Ask, head: bytes, drop: bytes) -> None:
    """Each of its parts comes in time, and it would never be whole."""
    error, _ = answered(dripping(head, drop), ask)
    assert isinstance(error, MigrateError)
    assert error.problem.code == "unreachable"
    assert "bytes came of its head" in error.saw


def test_a_long_head_over_a_slow_line_is_read() -> None:
    """It takes several times as long as a connection may be idle."""
    fields = [f"X-{number}: {'x' * 1_020}\r\n".encode() for number in range(20)]

    async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        for part in (OK, *fields, b"Content-Length: 4\r\n\r\nbody"):
            writer.write(part)
            await asyncio.sleep(IDLE_S / 6)

    assert answered(serve, _get) == (b"body", 1)
