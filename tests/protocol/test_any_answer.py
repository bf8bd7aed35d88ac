"""Whatever a server does, in whatever pieces: a body is exact or an error, and nothing is left."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gcr_migrate.wire import trouble
from gcr_migrate.wire.network import Network
from gcr_migrate.wire.pool import Pool
from tests.feeds import whole
from tests.peer import EMPTY, LONG_S, Peer, run
from tests.peer import script as answers

if TYPE_CHECKING:
    from gcr_migrate.interfaces import Take

pytestmark = pytest.mark.slow

LIMITS: dict[str, float | None] = dict.fromkeys(("connect", "read", "write", "pool"), LONG_S)
SLOTS = 2
PIECE = b"z" * 70_000  # longer than what is sent together with a head


@dataclass(frozen=True)
class Script:
    """What a server does with each connection.

    Attributes:
        method: of the request, to which the answer fits.
        answer: all of it.
        body: what is in it.
        segments: lengths of the pieces in which it goes out.
        kept: how much of it goes out at all; what is beyond its end is more bytes.
        early: whether it goes out before the request's body is there.
        end: how the connection ends.
        pause: whether there is a moment between the pieces.
        is_open: whether only the end of the connection is the end of the body.
    """

    method: str
    answer: bytes
    body: bytes
    segments: tuple[int, ...]
    kept: int
    early: bool
    end: str
    pause: bool
    is_open: bool

    @property
    def out(self) -> bytes:
        """What goes out."""
        return (self.answer + b"more")[: self.kept]

    def allows(self, outcome: bytes | Exception) -> bool:
        """Whether a request may come to this."""
        if isinstance(outcome, Exception):
            good = self.kept == len(self.answer) and self.end != "reset" and not self.early
            return not good and isinstance(
                outcome, (trouble.RemoteProtocolError, trouble.ReadError)
            )
        if not self.is_open:
            return self.kept >= len(self.answer) and outcome == self.body
        begin = len(self.answer) - len(self.body)
        right = self.out[begin:]
        return self.kept >= begin and (
            right.startswith(outcome) if self.end == "reset" else right == outcome
        )

    async def serve(
        self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request, and end as the script says."""
        await peer.head(reader)
        if not self.early:
            await reader.readexactly(int(peer.fields(-1).get("content-length", 0)))
        start = 0
        for size in (*self.segments, len(self.out)):
            writer.write(self.out[start : start + size])
            start += size
            if self.pause:
                await asyncio.sleep(0)
        match self.end:
            case "reset":
                writer.transport.abort()
            case "stay":
                await self.serve(peer, reader, writer)
            case "half":
                await writer.drain()
                writer.write_eof()
                await peer.until_lost(reader)
            case _:
                return


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Scripts of all kinds."""
    method = draw(st.sampled_from(["GET", "HEAD", "PUT"]))
    body = b"" if method == "HEAD" else draw(st.sampled_from([b"", b"a", b"body", b"b" * 300_000]))
    hint = draw(st.sampled_from([b"", b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n"]))
    close = draw(st.sampled_from([b"", b"Connection: close\r\n"]))
    begin = hint + b"HTTP/1.1 200 OK\r\nX-Empty:\r\n" + close
    framing = draw(st.sampled_from(["length", "chunks", "open"]))
    match framing:
        case "length":
            whole = begin + b"Content-Length: %d\r\n\r\n" % len(body) + body
        case "chunks":
            size = draw(st.integers(1, 200_000))
            parts = [body[n : n + size] for n in range(0, min(len(body), 30 * size), size)]
            body = b"".join(parts)
            chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in parts)
            end = b"" if method == "HEAD" else b"0\r\nX-Trailer: t\r\n\r\n"
            whole = begin + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + end
        case _:
            whole = begin + b"\r\n" + body
    kept = draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole) + 4)))
    segments = draw(st.lists(st.integers(0, max(len(whole), 1)), max_size=6))
    is_open = framing == "open" and method != "HEAD"
    early = draw(st.booleans())
    stays = ["stay"] if kept >= len(whole) and not (is_open or early) else []
    return Script(
        method,
        whole,
        body,
        tuple(segments),
        kept,
        early=early,
        end=draw(st.sampled_from(["close", "reset", "half", *stays])),
        pause=draw(st.booleans()),
        is_open=is_open,
    )


class Pieces:
    """A body of three pieces."""

    async def into(self, take: Take) -> None:
        """Give them."""
        for _ in range(3):
            if (wait := take(PIECE)) is not None:
                await wait
            await asyncio.sleep(0)


async def outcome(pool: Pool, method: str, url: str) -> bytes | Exception:
    """Ask; return the body, or the error."""
    body = Pieces() if method == "PUT" else None
    fields = {"content-length": str(3 * len(PIECE))} if body else {}
    try:
        answer = await pool.send(method, url, fields, body, LIMITS | {"pool": 5.0, "read": 5.0})
        async with aclosing(answer):
            return await whole(answer)
    except trouble.TransportError as error:
        return error


@given(scripts())
@settings(max_examples=60, phases=[Phase.explicit, Phase.generate])
def test_a_body_is_exact_or_an_error_and_nothing_is_left(script: Script) -> None:
    """No task, no socket, and all places are free again."""

    async def work() -> list[bytes | Exception]:
        bad, good = Peer(script.serve), Peer(answers(EMPTY))
        async with bad.running(), good.running():
            before = asyncio.all_tasks()
            async with aclosing(Pool(Network(), SLOTS)) as pool:
                asked = [outcome(pool, script.method, bad.url) for _ in range(SLOTS)]
                came = await asyncio.gather(*asked)
                again = [outcome(pool, "GET", good.url) for _ in range(SLOTS)]
                assert await asyncio.gather(*again) == [b""] * SLOTS
            ours = [t for t in asyncio.all_tasks() - before if "Peer" not in repr(t)]
            assert ours == []
        return came

    for one in run(work()):
        assert script.allows(one), one
