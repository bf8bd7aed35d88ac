"""How connections end in odd orders of events: what is told, and that nothing is left behind.

Only of our own connections: what httpx's do in these cases, they do.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.wire import trouble
from gcr_migrate.wire.network import Network
from gcr_migrate.wire.pool import Pool
from tests.peer import EMPTY, LONG_S, OK, Peer, run, script

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from gcr_migrate.interfaces import Take
    from tests.peer import Answer

LIMITS: dict[str, float | None] = dict.fromkeys(("connect", "read", "write", "pool"), LONG_S)
PIECE = b"x" * 200_000


class Pieces:
    """A body of so many pieces, with a moment between them."""

    def __init__(self, count: int) -> None:
        self.length = count * len(PIECE)
        self._count = count

    async def into(self, take: Take) -> None:
        """Give them."""
        for _ in range(self._count):
            if (wait := take(PIECE)) is not None:
                await wait
            await asyncio.sleep(0)


async def put(connections: Pool, url: str, body: Pieces, **limits_s: float) -> int:
    """Send a body; return the status."""
    fields = {"content-length": str(body.length)}
    answer = await connections.send("PUT", url, fields, body, {**LIMITS, **limits_s})
    await answer.aclose()
    return answer.status


async def get(connections: Pool, url: str, **limits_s: float) -> bytes:
    """Return a whole body."""
    answer = await connections.send("GET", url, {}, None, {**LIMITS, **limits_s})
    try:
        return b"".join([piece async for piece in answer])
    finally:
        await answer.aclose()


@pytest.fixture
def network(trusted: Path) -> Network:
    """The way to servers with TLS."""
    return Network({"SSL_CERT_FILE": str(trusted)})


async def reading(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request when all of it is there."""
    while True:
        await peer.head(reader)
        await reader.readexactly(int(peer.fields(-1).get("content-length", 0)))
        writer.write(EMPTY)


async def refusing(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a request as soon as its head is there, and read on."""
    await peer.head(reader)
    writer.write(OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
    await peer.until_lost(reader)


@pytest.mark.slow
@pytest.mark.parametrize("secret", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("answer", [reading, refusing])
def test_an_upload_can_be_cancelled_at_any_moment(
    network: Network,
    tls: ssl.SSLContext,
    answer: Answer,
    *,
    secret: bool,
) -> None:
    """Its place is free, nobody works on, and nothing is told of what nobody waits for."""

    async def work() -> None:
        async with (
            aclosing(Pool(network, 1)) as pool,
            Peer(answer, tls=tls if secret else None).running() as peer,
        ):
            rounds, ended = 0, False
            while not ended:
                upload = asyncio.create_task(put(pool, peer.url, Pieces(2)))
                for _ in range(rounds):
                    await asyncio.sleep(0)
                ended = upload.done()
                upload.cancel()
                await asyncio.wait({upload})
                assert await get(pool, peer.url, pool=1.0) == b""
                rounds += 1
            gc.collect()

    run(work())


async def half(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read nothing of a body, and after a while say that there will be no answer either."""
    await peer.head(reader)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(0.3)
    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
    await asyncio.Event().wait()


@pytest.mark.parametrize("secret", [False, True], ids=["plain", "tls"])
def test_who_ends_its_side_and_reads_no_more_is_given_up(
    network: Network, tls: ssl.SSLContext, *, secret: bool
) -> None:
    """At once where it can be seen: no answer can come, and what waits to leave never will."""

    async def work() -> None:
        async with (
            aclosing(Pool(network, 1)) as pool,
            Peer(half, tls=tls if secret else None).running() as peer,
        ):
            await put(pool, peer.url, Pieces(1000), write=2.0 if secret else LONG_S)

    with pytest.raises((trouble.RemoteProtocolError, trouble.WriteTimeout)):
        run(work())


class Hesitating(Pieces):
    """Waits as soon as the connection takes no more, though there would be room before it."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(1000)
        self._pool = pool

    async def into(self, take: Take) -> None:
        """Give bytes, and more of them when the server has ended its side."""
        (connection,) = self._pool._in_use  # noqa: SLF001  # nothing else tells
        while True:
            if (wait := take(PIECE[:50_000])) is not None:
                await wait
            if connection.transport.get_write_buffer_size():
                await asyncio.sleep(1)


def test_who_ends_its_side_while_the_source_is_slow_is_given_up() -> None:
    """Nobody waits for the connection then; that it ended is told all the same."""

    async def work() -> None:
        async with aclosing(Pool(Network(), 1)) as pool, Peer(half).running() as peer:
            await put(pool, peer.url, Hesitating(pool))

    with pytest.raises(trouble.RemoteProtocolError, match="without sending"):
        run(work())


DATA = b"y" * 600_000
ANSWER = OK + b"Content-Length: %d\r\n\r\n" % len(DATA) + DATA


@pytest.mark.slow
@pytest.mark.parametrize("secret", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("answer", [reading, refusing])
def test_a_copy_can_be_cancelled_at_any_moment(
    network: Network, tls: ssl.SSLContext, answer: Answer, *, secret: bool
) -> None:
    """From one server to another: both places are free, and no trouble of a moment is told of."""

    async def copy(pool: Pool, source: str, target: str) -> None:
        found = await pool.send("GET", source, {}, None, LIMITS)
        try:
            fields = {"content-length": str(len(DATA))}
            answer = await pool.send("PUT", target, fields, found, LIMITS)
            await answer.aclose()
        finally:
            await found.aclose()

    async def work() -> None:
        source, target = Peer(script(*[ANSWER] * 9)), Peer(answer, tls=tls if secret else None)
        async with aclosing(Pool(network, 2)) as pool, source.running(), target.running():
            rounds, ended = 0, False
            while not ended:
                copying = asyncio.create_task(copy(pool, source.url, target.url))
                for _ in range(rounds):
                    await asyncio.sleep(0)
                ended = copying.done()
                copying.cancel()
                await asyncio.wait({copying})
                both = [get(pool, peer.url, pool=1.0) for peer in (source, target)]
                assert await asyncio.gather(*both) == [DATA, b""]
                rounds += 1
        gc.collect()

    run(work())


def test_who_took_a_piece_has_ended_when_the_taking_is_cancelled() -> None:
    """Also where that happens in the moment in which the piece was taken."""
    ended: list[bool] = []

    async def later(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.head(reader)
        writer.write(ANSWER[: -len(DATA)])
        await reader.readexactly(1)
        writer.write(DATA)

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(9):
                await asyncio.sleep(0)
            ended.append(True)

    async def work() -> None:
        def take(_: bytes) -> asyncio.Future[None]:
            waited_for = asyncio.ensure_future(slow())
            tasks[0].cancel()
            return waited_for

        async with aclosing(Pool(Network(), 1)) as pool, Peer(later).running() as peer:
            answer = await pool.send("GET", peer.url, {}, None, LIMITS)
            tasks = [asyncio.create_task(answer.into(take))]
            await asyncio.sleep(0)
            (connection,) = pool._in_use  # noqa: SLF001  # to ask for a piece that is waited for
            connection.send(b"!")
            await asyncio.wait(tasks)
            assert ended == [True]
            await answer.aclose()

    run(work())


@pytest.mark.slow
@pytest.mark.parametrize("waits_for", ["answer", "body", "place", "connection"])
def test_who_closes_ends_what_is_under_way(waits_for: str) -> None:
    """With an error, and nothing is opened afterwards."""

    async def silent(
        peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await peer.head(reader)
        if waits_for != "answer":
            writer.write(ANSWER[:-1])
        came.set()
        await peer.until_lost(reader)

    async def work() -> None:
        async with aclosing(Pool(Network(), 1)) as pool, Peer(silent).running() as peer:
            asking = [asyncio.create_task(get(pool, peer.url))]
            if waits_for == "connection":
                await asyncio.sleep(0)
            else:
                await came.wait()
            if waits_for == "place":
                asking.append(asyncio.create_task(get(pool, peer.url)))
                await asyncio.sleep(0.05)
            await pool.aclose()
            errors = await asyncio.gather(*asking, return_exceptions=True)
            assert {type(error) for error in errors} <= {trouble.ReadError, trouble.ConnectError}
            gc.collect()

    came = asyncio.Event()
    run(work())


class Filling(Pieces):
    """Ends as soon as the connection takes no more at once."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(0)
        self._pool = pool

    async def into(self, take: Take) -> None:
        """Give bytes until some of them wait to leave."""
        (connection,) = self._pool._in_use  # noqa: SLF001  # nothing else tells
        while not connection.transport.get_write_buffer_size():
            if (wait := take(PIECE[:50_000])) is not None:
                await wait


def test_an_answer_before_all_has_left_takes_its_connection_with_it() -> None:
    """What still waits there would be in front of the next request."""

    async def hasty(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await peer.head(reader)).startswith("PUT"):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(0.3)  # until the client has no more to give
        writer.write(EMPTY)
        await asyncio.sleep(LONG_S)

    async def work() -> int:
        async with aclosing(Pool(Network(), 1)) as pool, Peer(hasty).running() as peer:
            answer = await pool.send("PUT", peer.url, {}, Filling(pool), LIMITS)
            await answer.aclose()
            assert await get(pool, peer.url, read=2.0) == b""
            return peer.connections

    assert run(work()) == 2


async def once(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, and hang up on the next one."""
    await peer.head(reader)
    writer.write(EMPTY)
    await peer.head(reader)
    writer.transport.abort()


def test_one_kept_connection_that_ended_is_enough_to_distrust_the_others(network: Network) -> None:
    """Each would cost a try: a server that ends one after each answer has ended them all."""

    async def work() -> None:
        async with aclosing(Pool(network, 8)) as pool, Peer(once).running() as peer:
            assert await asyncio.gather(*(get(pool, peer.url) for _ in range(8))) == [b""] * 8
            with pytest.raises(trouble.TransportError):
                await get(pool, peer.url)
            assert await get(pool, peer.url) == b""

    run(work())


async def quiet(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request as if the connection stayed, and hang up at the next one."""
    await peer.head(reader)
    writer.write(EMPTY)
    await peer.head(reader)


def test_a_server_that_ends_what_was_kept_is_asked_over_new_connections() -> None:
    """One request meets that; if each second one did, all tries of a request could."""

    async def work() -> int:
        failed = 0
        async with aclosing(Pool(Network(), 1)) as pool, Peer(quiet).running() as peer:
            for _ in range(20):
                try:
                    await get(pool, peer.url)
                except trouble.RemoteProtocolError:
                    failed += 1
        return failed

    assert run(work()) == 1


def test_a_server_that_hangs_up_once_keeps_connections_again() -> None:
    """After a second they are used as before."""

    async def work() -> tuple[int, int]:
        answers = iter([quiet, *[reading] * 100])

        async def answer(*parts: Any) -> None:
            await next(answers)(*parts)

        async with aclosing(Pool(Network(), 1)) as pool, Peer(answer).running() as peer:
            await get(pool, peer.url)
            with pytest.raises(trouble.RemoteProtocolError):
                await get(pool, peer.url)
            await get(pool, peer.url)
            await get(pool, peer.url)
            during = peer.connections
            await asyncio.sleep(1.1)
            for _ in range(9):
                await get(pool, peer.url)
            return during, peer.connections

    assert run(work()) == (3, 4)
