"""Answers that no good server gives: each is read exactly, or is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gcr_migrate.wire import trouble
from tests.peer import EACH, OK, Peer, client, run, script

if TYPE_CHECKING:
    import asyncio

    import httpx

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n"


async def asked(library: str, answer: bytes, method: str = "GET") -> httpx.Response:
    """Send one request to a server with this answer."""
    async with Peer(script(answer)).running() as peer, client(library) as http:
        return await http.request(method, peer.url)


@EACH
@pytest.mark.parametrize(
    ("fields", "value"),
    [
        (b"Location:\r\n", ""),
        (b"Location: \t \r\n", ""),
        (b"Location:/there\r\n", "/there"),
        (b"Location: \t/there\t \r\n", "/there"),
        (b"LOCATION: /\xe9\r\n", "/\xe9"),
    ],
    ids=["none", "blank", "tight", "spaced", "latin-1"],
)
def test_a_field_has_its_value_without_the_space_around_it(
    library: str, fields: bytes, value: str
) -> None:
    """And so do those beside it: lengths are read with space behind them."""
    answer = OK + fields + b"Content-Length: 4 \r\n\r\nbody"
    response = run(asked(library, answer))
    assert response.headers["location"] == value
    assert response.headers["content-length"] == "4"
    assert response.content == b"body"


@EACH
@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 4, 5\r\n",
        b"Content-Length: -4\r\n",
        b"Content-Length: 4x\r\n",
        b"Content-Length : 4\r\n",
        b"Content-Length:\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
    ],
)
def test_a_length_that_is_none_is_an_error(library: str, fields: bytes) -> None:
    """Nobody guesses where the body ends."""
    with pytest.raises(trouble.RemoteProtocolError):
        run(asked(library, OK + fields + b"\r\nbody"))


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        OK + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
        OK.replace(b"\r", b"") + b"Content-Length: 4\n\nbody",
        OK + b"X-Long: a\r\n b\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nbody",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 050 Odd\r\nContent-Length: 4\r\n\r\nodd "
        + OK
        + b"Content-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 103 Early\r\nContent-Length: 4\r\n\r\nodd " + OK + b"\r\nbody",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody",
        OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n4\r\nbody",
        CHUNKED,
        CHUNKED + b"\r\nmore",
    ],
    ids=range(12),
)
def test_what_can_be_read_in_two_ways_is_an_error(answer: bytes) -> None:
    """Our own connections are strict; httpx's read some of these."""
    with pytest.raises(trouble.RemoteProtocolError):
        run(asked("asyncio", answer))


def test_another_protocol_is_named_by_its_status() -> None:
    """Nobody asked for it."""
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    with pytest.raises(trouble.RemoteProtocolError, match="101"):
        run(asked("asyncio", answer))


@EACH
def test_fields_behind_a_body_are_not_those_of_its_head(library: str) -> None:
    """Whoever decides by a head has decided before they come."""
    response = run(asked(library, CHUNKED + b"Location: /elsewhere\r\n\r\n"))
    assert response.content == b"body"
    assert "location" not in response.headers


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (OK, b"X-More: and more\r\n"),
        (CHUNKED, b"X-More: and more\r\n"),
        (CHUNKED + b"X-More: ", b"and more"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n4;", b"and more"),
    ],
    ids=["103", "head", "trailers", "trailer", "extension"],
)
def test_what_never_comes_to_its_end_is_given_up(begin: bytes, again: bytes) -> None:
    """It would fill the memory, and each byte of it is a sign of life."""

    async def flood(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        writer.write(begin)
        while not writer.is_closing():
            writer.write(again * 1000)
            await writer.drain()

    async def work() -> None:
        async with Peer(flood).running() as peer, client("asyncio") as http:
            await http.get(peer.url)

    with pytest.raises(trouble.RemoteProtocolError):
        run(work())
