"""What goes over a connection and how long it lives: the same by either library of connections."""

from __future__ import annotations

import asyncio
import base64
import gzip
from typing import TYPE_CHECKING, Any

import pytest

from tests.peer import EACH, EMPTY, OK, Peer, client, run, script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

PIECE = b"x" * 100_000


async def pieces(count: int) -> AsyncIterator[bytes]:
    """Give a body of so many pieces."""
    for _ in range(count):
        yield PIECE


async def asked(
    library: str, answer: bytes, method: str = "GET", path: str = "/", **more: Any
) -> tuple[Peer, httpx.Response]:
    """Send one request to a server with this answer."""
    async with Peer(script(answer)).running() as peer, client(library) as http:
        return peer, await http.request(method, peer.url + path, **more)


@EACH
@pytest.mark.parametrize(
    "path", ["/", "/a/%3A%2f%2F;v=1/b:c@d", "//x?sig=a%2Fb%2fc+d%20e&empty=&&x==", "/x?", "/?a?b"]
)
def test_an_address_is_sent_byte_for_byte(library: str, path: str) -> None:
    """A signature is over the bytes as they were given: `%2f` stays so, and so does `:`."""
    peer, _ = run(asked(library, EMPTY, path=path))
    assert peer.heads[0].startswith(f"GET {path} HTTP/1.1\r\n")


@EACH
def test_a_very_long_address_is_sent(library: str) -> None:
    """Upload sessions of Artifact Registry have addresses of many kilobytes."""
    path = "/" + "p" * 30_000 + "?q=" + "%3d" * 8_000
    peer, _ = run(asked(library, EMPTY, path=path))
    assert f" {path} " in peer.heads[0]


@EACH
def test_a_head_has_the_fields_that_it_was_given_and_no_other(library: str) -> None:
    """Not even a Content-Type is made up for a body."""
    login = {"Authorization": "Bearer a.b"}
    peer, _ = run(asked(library, EMPTY, "POST", headers=login, content=b"data"))
    assert peer.fields() == {
        "host": peer.url.removeprefix("http://"),
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": "test",
        "authorization": "Bearer a.b",
        "content-length": "4",
    }


@EACH
@pytest.mark.parametrize(("method", "length"), [("POST", "0"), ("PUT", "0"), ("GET", None)])
def test_a_request_without_a_body_says_so(library: str, method: str, length: str | None) -> None:
    """What may have a body states that it has none; nothing is chunked."""
    peer, _ = run(asked(library, EMPTY, method))
    assert peer.fields().get("content-length") == length
    assert "transfer-encoding" not in peer.fields()


@EACH
def test_a_body_of_known_length_is_sent_with_it_and_not_chunked(library: str) -> None:
    """Artifact Registry takes one PUT with a Content-Length; what arrives is what was given."""
    got: list[bytes] = []

    async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        got.append(await reader.readexactly(30 * len(PIECE)))
        writer.write(EMPTY)

    async def work() -> Peer:
        async with Peer(serve).running() as peer, client(library) as http:
            sent = {"content-length": str(30 * len(PIECE))}
            await http.put(peer.url, content=pieces(30), headers=sent)
            return peer

    assert "transfer-encoding" not in run(work()).fields()
    assert got == [30 * PIECE]


@EACH
def test_a_body_of_unknown_length_is_chunked(library: str) -> None:
    """And its end is told."""
    got: list[bytes] = []

    async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        while size := int(await reader.readline(), 16):
            got.append(await reader.readexactly(size))
            await reader.readline()
        writer.write(EMPTY)

    async def work() -> Peer:
        async with Peer(serve).running() as peer, client(library) as http:
            await http.put(peer.url, content=pieces(3))
            return peer

    assert run(work()).fields()["transfer-encoding"] == "chunked"
    assert b"".join(got) == 3 * PIECE


@EACH
def test_an_empty_body_of_length_zero_is_still_asked_for(library: str) -> None:
    """The source of an empty blob has its say too."""
    seen: list[str] = []

    async def nothing() -> AsyncIterator[bytes]:
        seen.append("asked")
        for _ in range(0):
            yield b""

    sent = {"content-length": "0"}
    peer, _ = run(asked(library, EMPTY, "PUT", headers=sent, content=nothing()))
    assert seen == ["asked"]
    assert peer.fields()["content-length"] == "0"


@EACH
def test_nothing_is_followed_remembered_or_unpacked(library: str) -> None:
    """Redirects and cookies are the caller's to judge, and digests are over packed bytes."""
    packed = gzip.compress(b"data")
    fields = f"Content-Length: {len(packed)}\r\nContent-Encoding: gzip\r\nSet-Cookie: a=b\r\n"
    moved = b"HTTP/1.1 302 Found\r\nLocation: /there\r\n" + fields.encode() + b"\r\n" + packed

    async def work() -> tuple[Peer, list[bytes]]:
        async with Peer(script(moved, EMPTY)).running() as peer, client(library) as http:
            async with http.stream("GET", peer.url) as response:
                raw = [chunk async for chunk in response.aiter_raw()]
            http.cookies.clear()  # httpx's client would remember it, which our wire does without
            await http.get(peer.url)
            return peer, raw

    peer, raw = run(work())
    assert b"".join(raw) == packed
    assert len(peer.heads) == 2
    assert "cookie" not in peer.fields(1)


@EACH
def test_a_head_of_more_than_64_kilobytes_is_read(library: str) -> None:
    """One field of it may be as long, and there may be many, also of one name."""
    many = "".join(f"X-{n}: {n}\r\n" for n in range(300))
    fields = f"Location: /{'l' * 70_000}\r\nX-Two: a\r\nX-Two: b\r\n{many}"
    _, response = run(asked(library, OK + fields.encode() + b"Content-Length: 0\r\n\r\n"))
    assert len(response.headers["location"]) == 70_001
    assert response.headers["x-two"] == "a, b"
    assert response.headers["x-299"] == "299"


@EACH
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", OK + b"Content-Length: 500\r\n\r\n"),
        ("HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + EMPTY),
        ("PUT", b"HTTP/1.1 100 Continue\r\n\r\n" + EMPTY),
        ("GET", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"),
    ],
    ids=["head", "head-chunked", "204", "304", "103", "100", "chunked"],
)
def test_a_connection_serves_the_next_request_after(
    library: str, method: str, answer: bytes
) -> None:
    """What has no body is not waited for, and what has one ends where it says."""

    async def work() -> tuple[Peer, set[int]]:
        async with Peer(script(answer, answer)).running() as peer, client(library) as http:
            both = [await http.request(method, peer.url) for _ in range(2)]
            return peer, {response.status_code for response in both}

    peer, statuses = run(work())
    assert statuses <= {200, 204, 304}
    assert (len(peer.heads), peer.connections) == (2, 1)


@EACH
def test_uploads_one_after_the_other_share_a_connection(library: str) -> None:
    """An answer that comes right after the last byte finds the upload at its end."""

    async def work() -> Peer:
        async with Peer(script(*[EMPTY] * 10)).running() as peer, client(library) as http:
            for _ in range(10):
                sent = {"content-length": str(9 * len(PIECE))}
                await http.put(peer.url, content=pieces(9), headers=sent)
            return peer

    assert run(work()).connections == 1


@EACH
@pytest.mark.parametrize("closing", [b"", b"Connection: close\r\n"], ids=["later", "told"])
def test_a_connection_that_the_server_closes_is_not_used_again(
    library: str, closing: bytes
) -> None:
    """Whether it says so in its answer or hangs up later while nothing is asked."""

    async def work() -> Peer:
        answer = OK + closing + b"Content-Length: 0\r\n\r\n"
        other = Peer(script(*[EMPTY] * 5))
        async with Peer(script(answer)).running() as peer, other.running(), client(library) as http:
            for _ in range(3):
                await http.get(peer.url)
                await http.get(other.url)  # the time in which a server hangs up
            return peer

    peer = run(work())
    assert (len(peer.heads), peer.connections) == (3, 3)


@EACH
def test_a_body_that_is_left_takes_its_connection_with_it(library: str) -> None:
    """The rest is not read to its end, and the next request goes over another connection."""
    gone = asyncio.Event()

    async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        writer.write(OK + b"Content-Length: 1000000000\r\n\r\n" + PIECE)
        await peer.until_lost(reader)
        gone.set()

    async def work() -> Peer:
        async with Peer(serve).running() as peer, client(library, connections=1) as http:
            for _ in range(2):
                async with http.stream("GET", peer.url) as response:
                    await anext(response.aiter_raw())
                await gone.wait()
                gone.clear()
            return peer

    assert run(work()).connections == 2


@EACH
def test_a_body_is_not_read_ahead_of_who_reads_it(library: str) -> None:
    """A slow target holds up its source, and does not fill the memory with it."""
    sent: list[int] = []

    async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        writer.transport.set_write_buffer_limits(0)
        writer.write(OK + b"Content-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(PIECE)
            sent.append(len(PIECE))
            await writer.drain()

    async def work() -> None:
        async with (
            Peer(serve).running() as peer,
            client(library) as http,
            http.stream("GET", peer.url) as response,
        ):
            await anext(response.aiter_raw())
            before = -1
            while before != len(sent):  # until the server can send no more
                before = len(sent)
                await asyncio.sleep(0.05)

    run(work())
    assert sum(sent) < 20_000_000  # what the two kernels' buffers hold, and a little of ours


@EACH
def test_plain_http_through_a_proxy_has_the_whole_address_and_its_login(library: str) -> None:
    """Without a tunnel it is the proxy that reads the request."""

    async def work() -> Peer:
        async with Peer(script(EMPTY)).running() as peer:
            proxy = peer.url.replace("://", "://robot:s3cr3t%3A@")
            async with client(library, environ={"HTTP_PROXY": proxy}) as http:
                await http.get("http://registry.example:5000/v2/%3A?x")
            return peer

    peer = run(work())
    assert peer.heads[0].startswith("GET http://registry.example:5000/v2/%3A?x HTTP/1.1\r\n")
    login = base64.b64encode(b"robot:s3cr3t:").decode()
    assert peer.fields()["proxy-authorization"] == f"Basic {login}"
    assert peer.fields()["host"] == "registry.example:5000"
