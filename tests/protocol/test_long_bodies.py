"""Long bodies that are given piece by piece to who takes them, by either library of connections."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.wire import trouble
from gcr_migrate.wire.network import LIBRARY_VARIABLE, Network
from gcr_migrate.wire.pieces import taken
from gcr_migrate.wire.routes import sender_for
from tests.feeds import whole
from tests.listening import listening, read_head
from tests.peer import EACH, EMPTY, LONG_S, OK, Peer, run, script

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gcr_migrate.interfaces import Take
    from gcr_migrate.wire.sender import Answer, Sender

DATA = bytes(range(256)) * 12_000  # about 3 MB
LIMITS: dict[str, float | None] = dict.fromkeys(("connect", "read", "write", "pool"), LONG_S)
ANSWER = OK + b"Content-Length: %d\r\n\r\n" % len(DATA) + DATA


@asynccontextmanager
async def sender(
    library: str, connections: int = 4, trusted: Path | None = None
) -> AsyncIterator[Sender]:
    """Give what sends requests by this library."""
    environ = {"SSL_CERT_FILE": str(trusted)} if trusted else {}
    made = sender_for(Network({**environ, LIBRARY_VARIABLE: library}), connections)
    try:
        yield made
    finally:
        await made.aclose()


async def get(sends: Sender, url: str, **limits_s: float) -> Answer:
    """Ask, and return the answer of which nothing is read yet."""
    return await sends.send("GET", url, {"host": url.split("/")[2]}, None, {**LIMITS, **limits_s})


async def fetched(sends: Sender, url: str, **limits_s: float) -> bytes:
    """Return a whole body."""
    answer = await get(sends, url, **limits_s)
    try:
        return await whole(answer)
    finally:
        await answer.aclose()


@EACH
@pytest.mark.parametrize("secret", [False, True], ids=["plain", "tls"])
def test_a_long_body_leaves_its_connection_to_the_next(
    library: str, tls: ssl.SSLContext, trusted: Path, *, secret: bool
) -> None:
    """All bytes come, in order, and so do those of a short answer and a long one after it."""
    answers = script(ANSWER, EMPTY, ANSWER)

    async def work() -> tuple[list[bytes], int]:
        peer = Peer(answers, tls=tls if secret else None)
        async with peer.running(), sender(library, trusted=trusted) as sends:
            return [await fetched(sends, peer.url) for _ in range(3)], peer.connections

    came, connections = run(work())
    assert came == [DATA, b"", DATA]
    assert connections == 1


@EACH
def test_a_long_body_that_is_cut_is_no_whole_one(library: str) -> None:
    """It ends with the error of a server that does not do as it said."""

    async def work() -> None:
        async with Peer(script(ANSWER[:-1])).running() as peer, sender(library) as sends:
            await fetched(sends, peer.url)

    with pytest.raises(trouble.RemoteProtocolError):
        run(work())


@EACH
def test_a_long_body_that_stops_is_given_up(library: str) -> None:
    """Not before the time has passed without a byte."""

    async def stop(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        writer.write(ANSWER[:1_000_000])
        await peer.until_lost(reader)

    async def work() -> None:
        async with Peer(stop).running() as peer, sender(library) as sends:
            await fetched(sends, peer.url, read=0.3)

    with pytest.raises(trouble.ReadTimeout):
        run(work())


@pytest.mark.slow
@EACH
def test_who_takes_its_time_is_waited_for(library: str) -> None:
    """That is no fault of the server: its time does not run meanwhile."""

    async def work() -> int:
        came = 0

        async def slowly() -> None:
            await asyncio.sleep(0.3)

        def take(piece: bytes) -> asyncio.Future[None] | None:
            nonlocal came
            came += len(piece)
            return asyncio.ensure_future(slowly()) if came < len(DATA) // 2 else None

        async with Peer(script(ANSWER)).running() as peer, sender(library) as sends:
            answer = await get(sends, peer.url, read=0.2)
            await answer.into(take)
            await answer.aclose()
        return came

    assert run(work()) == len(DATA)


@EACH
def test_what_the_taker_raises_comes_out_unchanged(library: str) -> None:
    """Nothing more is given to it, and the place of its connection is free again."""

    async def work() -> bytes:
        def refuse(piece: bytes) -> None:
            raise LookupError(len(piece))

        async with Peer(script(ANSWER)).running() as peer, sender(library, 1) as sends:
            for _ in range(2):
                answer = await get(sends, peer.url)
                with pytest.raises(LookupError):
                    await answer.into(refuse)
                await answer.aclose()
            return await fetched(sends, peer.url)

    assert run(work()) == DATA


@EACH
def test_a_body_that_is_dropped_half_way_frees_its_place(library: str) -> None:
    """Five are dropped with one connection allowed; the sixth comes whole."""

    async def work() -> bytes:
        async with Peer(script(ANSWER)).running() as peer, sender(library, 1) as sends:
            for _ in range(5):
                answer, pieces = await get(sends, peer.url), asyncio.Queue[bytes](1)
                taking = asyncio.ensure_future(answer.into(pieces.put))
                await pieces.get()
                taking.cancel()
                await asyncio.wait({taking})
                await answer.aclose()
            return await fetched(sends, peer.url)

    assert run(work()) == DATA


def test_bytes_beyond_the_stated_end_make_the_answer_bad() -> None:
    """Whose they are cannot be known."""

    async def work() -> None:
        async with Peer(script(ANSWER + b"more")).running() as peer, sender("asyncio") as sends:
            await fetched(sends, peer.url)

    with pytest.raises(trouble.RemoteProtocolError):
        run(work())


def _to_who_refuses_early(context: ssl.SSLContext | None, trusted: Path, piece: bytes) -> int:
    """Send a little, and then a piece to a target that has answered and is gone; return its status.

    More than both is announced, so that the end of the piece is not the end of the body.
    """
    gone = threading.Event()

    def refuse(peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(peer, server_side=True) if context else peer as client:
            read_head(client)
            client.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            reset = struct.pack("ii", 1, 0)  # closing sends a reset
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        gone.set()

    class Source:
        async def into(self, take: Take) -> None:
            """Give a piece, another one when the target has gone, and the rest never."""
            await taken(take, bytes(1000))
            assert gone.wait(LONG_S)
            await taken(take, piece)
            await asyncio.sleep(LONG_S)

    async def work(port: int) -> int:
        url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        async with sender("asyncio", trusted=trusted) as sends:
            fields = {"host": "x", "content-length": str(2000 + len(piece))}
            reply = await sends.send("PUT", url, fields, Source(), LIMITS)
            await reply.aclose()
            return reply.status

    with listening(refuse) as port:
        return run(work(port))


async def _through(library: str, source: Peer, target: Peer) -> int:
    """Send what one peer gives to another one; return the status."""
    async with source.running(), target.running(), sender(library) as sends:
        answer = await get(sends, source.url)
        fields = {"host": "x", "content-length": str(len(DATA))}
        try:
            reply = await sends.send("PUT", target.url, fields, answer, LIMITS)
            await reply.aclose()
        finally:
            await answer.aclose()
        return reply.status


@EACH
def test_a_body_goes_from_one_server_to_another(library: str) -> None:
    """As it comes, with its length."""
    got: list[bytes] = []

    async def keep(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        got.append(await reader.readexactly(len(DATA)))
        writer.write(EMPTY)

    assert run(_through(library, Peer(script(ANSWER)), Peer(keep))) == 200
    assert got == [DATA]


@EACH
@pytest.mark.parametrize("secret", [False, True], ids=["plain", "tls"])
def test_a_target_that_takes_its_time_gets_all_of_it(
    library: str, tls: ssl.SSLContext, trusted: Path, *, secret: bool
) -> None:
    """In order, though more of it than the system keeps waits to leave."""
    count, got = 10, list[bytes]()

    async def keep(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        for _ in range(count):
            await asyncio.sleep(0.02)
            got.append(await reader.readexactly(len(DATA)))
        writer.write(EMPTY)

    class Source:
        async def into(self, take: Take) -> None:
            """Give large pieces of many lengths."""
            for _ in range(count):
                half = len(DATA) // 2
                await taken(take, DATA[:half])
                await taken(take, DATA[half : half + 100_000])
                await taken(take, DATA[half + 100_000 :])

    async def work() -> int:
        target = Peer(keep, tls=tls if secret else None)
        async with target.running(), sender(library, trusted=trusted) as sends:
            fields = {"host": "x", "content-length": str(count * len(DATA))}
            reply = await sends.send("PUT", target.url, fields, Source(), LIMITS)
            await reply.aclose()
            return reply.status

    assert run(work()) == 200
    assert all(one == DATA for one in got)


def test_what_came_before_the_end_of_a_connection_is_read(
    tls: ssl.SSLContext, trusted: Path
) -> None:
    """Over TLS, too, where more of it waits than one read brings: the rest of a record before."""
    first, rest = (10_000, 250_000, 50_000), 226_884
    size = sum(first) + rest
    data = DATA[:size]
    paused = asyncio.Event()

    async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        writer.write(OK + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % size)
        at = 0
        for length in (*first, rest):
            await asyncio.sleep(0.1)
            if length == rest:
                await paused.wait()
            writer.write(data[at : at + length])
            await writer.drain()
            at += length
        await asyncio.sleep(0.1)
        writer.transport.abort()  # all is with the system, which sends it, but no last words of TLS

    async def work() -> bytes:
        peer, got = Peer(serve, tls=tls), list[bytes]()

        async def take(piece: bytes) -> None:
            got.append(piece)
            if sum(map(len, got)) > first[0]:
                paused.set()
            await asyncio.sleep(0.4)

        async with peer.running(), sender("asyncio", trusted=trusted) as sends:
            answer = await get(sends, peer.url)
            await answer.into(take)
            await answer.aclose()
        return b"".join(got)

    assert run(work()) == data


def test_a_connection_that_breaks_in_a_piece_is_no_warning(
    tls: ssl.SSLContext, trusted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is left of the piece is not given to a connection that is gone."""
    assert _to_who_refuses_early(tls, trusted, DATA) == 413
    assert not caplog.records


@pytest.mark.parametrize("secret", [False, True], ids=["plain", "tls"])
def test_a_piece_goes_out_whole_however_late_it_is_waited_for(
    tls: ssl.SSLContext, trusted: Path, *, secret: bool
) -> None:
    """Though a target that could not follow at first has caught up by then."""
    piece, got, is_quiet = DATA * 10, list[int](), asyncio.Event()

    async def keep(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        while sum(got) < len(piece) + 4:
            try:
                got.append(len(await asyncio.wait_for(reader.read(1 << 20), 0.3)))
            except TimeoutError:
                is_quiet.set()
        writer.write(EMPTY)

    class Source:
        async def into(self, take: Take) -> None:
            """Give a large piece, wait until no more of it comes, and only then for the piece."""
            wait = take(piece)
            await is_quiet.wait()
            if wait is not None:
                await wait
            await taken(take, b"last")

    async def work() -> int:
        target = Peer(keep, tls=tls if secret else None)
        async with target.running(), sender("asyncio", trusted=trusted) as sends:
            fields = {"host": "x", "content-length": str(len(piece) + 4)}
            reply = await sends.send("PUT", target.url, fields, Source(), LIMITS)
            await reply.aclose()
            return reply.status

    assert run(work()) == 200


@EACH
def test_a_source_that_breaks_stops_what_it_feeds(library: str) -> None:
    """It is the source's error that is told."""
    target = Peer(lambda peer, reader, _: peer.until_lost(reader))
    with pytest.raises(trouble.RemoteProtocolError):
        run(_through(library, Peer(script(ANSWER[:-1])), target))


def test_a_target_that_refuses_early_is_heard() -> None:
    """Though its body is still on its way, and the source has more to give."""

    async def refuse(
        peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await peer.head(reader)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await peer.until_lost(reader)

    assert run(_through("asyncio", Peer(script(ANSWER)), Peer(refuse))) == 403


@pytest.mark.parametrize("secret", [False, True], ids=["plain", "tls"])
def test_a_target_that_refuses_early_and_resets_the_connection_is_heard(
    tls: ssl.SSLContext, trusted: Path, *, secret: bool
) -> None:
    """Though nobody reads its answer before the next piece is found not to leave."""
    assert _to_who_refuses_early(tls if secret else None, trusted, bytes(1000)) == 413


@EACH
def test_a_target_that_hangs_up_is_the_one_that_failed(library: str) -> None:
    """No error of the source's kind is told."""

    async def hang_up(
        peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await peer.head(reader)
        writer.transport.abort()

    with pytest.raises(
        (trouble.ReadError, trouble.WriteError, trouble.RemoteProtocolError)
    ) as raised:
        run(_through(library, Peer(script(ANSWER)), Peer(hang_up)))
    assert "cut short" not in str(raised.value)
