"""How connections fail: by phase, alike for either library, and with nothing left behind."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, aclosing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.wire import trouble
from tests.conftest import refusing_port
from tests.peer import EACH, EMPTY, OK, Peer, client, run, script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx

    from tests.peer import Answer

SHORT_S = 0.15
PATIENT_S = 0.6  # where it is not to run out: a busy machine waits, too
PIECE = b"x" * 100_000
CUT = OK + b"Content-Length: 100\r\n\r\nonly this"
CUT_CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\nonly this"
SURPLUS = OK + b"Content-Length: 4\r\nConnection: close\r\n\r\nbody and more"
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\ndenied"


async def silent(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read all that comes, and say nothing."""
    del writer
    await peer.until_lost(reader)


async def stalling(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say half of what was announced, and then nothing."""
    await peer.head(reader)
    writer.write(CUT)
    await peer.until_lost(reader)


async def only_hinting(
    peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Say that more is to come, and then nothing."""
    await peer.head(reader)
    await reader.readexactly(int(peer.fields(-1).get("content-length", 0)))
    writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    await peer.until_lost(reader)


async def resetting(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break the connection instead of an answer."""
    await peer.head(reader)
    writer.transport.abort()


async def deaf(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the head of a request and nothing of its body."""
    await peer.head(reader)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (silent, trouble.ReadTimeout),
        (stalling, trouble.ReadTimeout),
        (only_hinting, trouble.ReadTimeout),
        (resetting, (trouble.ReadError, trouble.RemoteProtocolError)),
        (script(b""), trouble.RemoteProtocolError),
        (script(b"SSH-2.0-OpenSSH_9\r\n\r\n"), trouble.RemoteProtocolError),
        (script(OK + b"Secret Location\r\n\r\n"), trouble.RemoteProtocolError),
        (script(CUT), trouble.RemoteProtocolError),
        (script(CUT_CHUNKS), trouble.RemoteProtocolError),
    ],
    ids=["silent", "stall", "103", "reset", "gone", "ssh", "no-field", "cut", "cut-chunk"],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
@EACH
def test_each_way_to_answer_badly_has_its_error(
    library: str, method: str, answer: Answer, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    """It is told after one request: nothing is sent again without anybody's knowing."""

    async def work() -> Peer:
        content = b"data" if method == "PUT" else None
        soon = client(library, connect=4 * SHORT_S, read=SHORT_S)
        async with Peer(answer).running() as peer, soon as http:
            with pytest.raises(error) as raised:
                await http.request(method, f"{peer.url}/?hidden", content=content)
            assert "hidden" not in str(raised.value)
            assert library == "httpx" or "secret" not in str(raised.value).lower()
            return peer

    assert run(work()).connections == 1


@EACH
def test_more_bytes_than_announced_are_never_part_of_a_body(library: str) -> None:
    """They are cut off by the one library, and refused with their answer by the other."""

    async def work() -> bytes:
        async with Peer(script(SURPLUS)).running() as peer, client(library) as http:
            return (await http.get(peer.url)).content

    if library == "httpx":
        assert run(work()) == b"body"
    else:
        with pytest.raises(trouble.RemoteProtocolError):
            run(work())


@EACH
def test_a_slow_drip_is_no_time_out(library: str) -> None:
    """Each byte of a body gives the next one its full time; heads have less."""

    async def drip(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        writer.write(OK + b"Content-Length: 9\r\n\r\n")
        for start in range(9):
            writer.write(b"nine char"[start : start + 1])
            await asyncio.sleep(PATIENT_S / 6)

    async def work() -> bytes:
        async with Peer(drip).running() as peer, client(library, read=PATIENT_S) as http:
            return (await http.get(peer.url)).content

    assert run(work()) == b"nine char"


@contextmanager
def full_backlog() -> Iterator[str]:
    """Hold a port that neither takes nor refuses connections any more."""
    with ExitStack() as stack:
        door = stack.enter_context(socket.socket())
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003  # its only parameter
            with suppress(BlockingIOError):
                waiting.connect(door.getsockname())
        yield f"http://127.0.0.1:{door.getsockname()[1]}"


@EACH
def test_who_never_takes_the_connection_is_a_connect_time_out(library: str) -> None:
    """Nothing was sent."""

    async def work(url: str) -> None:
        async with client(library, connect=SHORT_S) as http:
            await http.get(url)

    with full_backlog() as url, pytest.raises(trouble.ConnectTimeout):
        run(work(url))


@EACH
def test_who_never_ends_the_handshake_is_a_connect_time_out(library: str) -> None:
    """TLS belongs to the connecting."""

    async def work() -> None:
        async with Peer(silent).running() as peer, client(library, connect=SHORT_S) as http:
            await http.get(peer.url.replace("http:", "https:"))

    with pytest.raises(trouble.ConnectTimeout):
        run(work())


@EACH
@pytest.mark.parametrize("host", ["refusing", "nowhere.invalid"])
def test_who_is_not_there_is_a_connect_error(library: str, host: str) -> None:
    """A port that refuses, and a name without an address."""

    async def work(url: str) -> None:
        async with client(library) as http:
            await http.get(url)

    with refusing_port() as port, pytest.raises(trouble.ConnectError):
        run(work(f"http://127.0.0.1:{port}" if host == "refusing" else f"http://{host}"))


@EACH
@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http:///x"])
def test_what_is_no_address_of_http_is_unsupported(library: str, url: str) -> None:
    """It is the caller's mistake, and trying again would not mend it."""

    async def work() -> None:
        async with client(library) as http:
            await http.get(url)

    with pytest.raises(trouble.UnsupportedProtocol):
        run(work())


@EACH
def test_waiting_for_a_connection_has_a_time_out_of_its_own(library: str) -> None:
    """It is no matter of the server's."""

    async def work() -> Peer:
        async with (
            Peer(stalling).running() as peer,
            client(library, connections=1, pool=SHORT_S) as http,
            http.stream("GET", peer.url),
        ):
            with pytest.raises(trouble.PoolTimeout):
                await http.get(peer.url)
            return peer

    assert run(work()).connections == 1


@EACH
def test_who_takes_no_bytes_is_a_write_time_out(library: str) -> None:
    """However many bytes left before."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield PIECE

    async def work() -> None:
        async with Peer(deaf).running() as peer, client(library, write=SHORT_S) as http:
            sent = {"content-length": "1000000000"}
            await http.put(peer.url, content=endless(), headers=sent)

    with pytest.raises(trouble.WriteTimeout):
        run(work())


def test_who_takes_bytes_slowly_is_no_write_time_out() -> None:
    """What counts is that some leave; only our own connections look at that."""
    size, taken = 4_000_000, bytearray()

    async def slow(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        door: socket.socket = writer.get_extra_info("socket")
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        await peer.head(reader)
        while len(taken) < size:
            taken.extend(await reader.read(1 << 20))
            await asyncio.sleep(PATIENT_S / 40)
        writer.write(EMPTY)

    async def whole() -> AsyncIterator[bytes]:
        yield bytes(size)

    async def work() -> int:
        async with Peer(slow).running() as peer, client("asyncio", write=PATIENT_S) as http:
            sent = {"content-length": str(size)}
            return (await http.put(peer.url, content=whole(), headers=sent)).status_code

    assert run(work()) == 200
    assert len(taken) == size


class Source:
    """A body of some pieces.

    Attributes:
        error: what it raises at its end, if anything.
        ended: whether it came to its end, whichever.
    """

    def __init__(self, error: Exception | None, count: int) -> None:
        self.error = error
        self.ended = False
        self._count = count

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the pieces, with a moment between them."""
        try:
            for _ in range(self._count):
                yield PIECE
                await asyncio.sleep(0)
            if self.error:
                raise self.error
        finally:
            self.ended = True


@EACH
@pytest.mark.parametrize("count", [0, 3, 5], ids=["first", "middle", "last"])
def test_what_the_source_of_a_body_raises_comes_through_as_it_is(library: str, count: int) -> None:
    """Also after its last byte."""
    source = Source(LookupError("of our own"), count)

    async def work() -> None:
        async with Peer(silent).running() as peer, client(library) as http:
            sent = {"content-length": str(5 * len(PIECE))}
            await http.put(peer.url, content=source.pieces(), headers=sent)

    with pytest.raises(LookupError) as raised:
        run(work())
    assert raised.value is source.error


async def received(count: int, error: Exception | None) -> int:
    """Send so many pieces where three were stated; return how many bytes the server got."""
    got: list[int] = []

    async def keeping(
        peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        del writer
        await peer.head(reader)
        while piece := await reader.read(1 << 20):
            got.append(len(piece))
        lost.set()

    lost = asyncio.Event()
    async with Peer(keeping).running() as peer, client("asyncio") as http:
        sent, source = {"content-length": str(3 * len(PIECE))}, Source(error, count)
        with pytest.raises(type(error or trouble.LocalProtocolError(""))):
            await http.put(peer.url, content=source.pieces(), headers=sent)
        await lost.wait()
    return sum(got)


@pytest.mark.parametrize("count", [2, 4], ids=["short", "long"])
def test_a_body_of_another_length_than_stated_is_never_sent_whole(count: int) -> None:
    """No server waits for bytes that do not come, or takes what came for the body.

    By httpx's connections it fails with an error of h11's that httpx does not know.
    """
    assert run(received(count, None)) < 3 * len(PIECE)


def test_a_body_whose_source_fails_after_its_last_byte_is_never_sent_whole() -> None:
    """Its source may have found at the end that the bytes are wrong."""
    assert run(received(3, LookupError("wrong bytes"))) < 3 * len(PIECE)


@pytest.mark.parametrize("hangs_up", [False, True], ids=["deaf", "hangs-up"])
def test_an_early_refusal_is_handed_through(*, hangs_up: bool) -> None:
    """The body is still on its way: it stops, and its connection is not used again.

    By httpx's connections such an answer is lost, with a server that stops reading.
    """
    told = asyncio.Event()

    async def refusing(
        peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await peer.head(reader)
        writer.write(REFUSAL)
        await writer.drain()
        if not hangs_up:
            await told.wait()
            await peer.until_lost(reader)

    async def work() -> tuple[Peer, list[str]]:
        async with Peer(refusing).running() as peer, client("asyncio", connections=1) as http:
            source, sent = Source(None, 1000), {"content-length": str(1000 * len(PIECE))}
            first = await http.put(peer.url, content=source.pieces(), headers=sent)
            told.set()
            second = await http.put(peer.url, content=b"short")
            return peer, [first.text, second.text]

    peer, texts = run(work())
    assert texts == ["denied", "denied"]
    assert peer.connections == 2


@EACH
def test_cancelled_downloads_leave_room_for_others(library: str) -> None:
    """Five that wait for one connection, cancelled at any point, are no hindrance to the sixth."""
    came = asyncio.Event()

    async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        last = (await peer.head(reader)).startswith("GET /last ")
        writer.write(EMPTY if last else CUT)
        came.set()
        await peer.until_lost(reader)

    async def download(http: httpx.AsyncClient, url: str) -> None:
        async with http.stream("GET", url) as response:
            async for _ in response.aiter_raw():
                pass

    async def work() -> int:
        async with Peer(serve).running() as peer, client(library, connections=1) as http:
            for _ in range(2):
                came.clear()
                tasks = [asyncio.create_task(download(http, peer.url)) for _ in range(5)]
                await came.wait()
                for task in reversed(tasks):
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            return (await http.get(f"{peer.url}/last")).status_code

    assert run(work()) == 200


@EACH
@pytest.mark.parametrize("answer", [silent, deaf])
def test_a_cancelled_upload_lets_go_of_its_source_at_once(library: str, answer: Answer) -> None:
    """Whoever opened the source can close it: nobody is still taking from it."""
    begun = asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        yield PIECE
        begun.set()
        if answer is silent:
            await asyncio.Event().wait()
        while True:
            yield PIECE

    async def work() -> bool:
        async with Peer(answer).running() as peer, client(library) as http:
            async with aclosing(content()) as source:  # type: ignore[type-var]
                put = http.put(peer.url, content=source, headers={"content-length": "1000000000"})
                task = asyncio.create_task(put)
                await begun.wait()
                task.cancel()
                await asyncio.wait([task])
            return task.cancelled()

    assert run(work())
