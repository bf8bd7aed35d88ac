"""Servers of a few lines each, and clients by either library of connections to ask them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

import httpx
import pytest

from gcr_migrate.wire.network import LIBRARIES, LIBRARY_VARIABLE, Network
from gcr_migrate.wire.pieces import Iterated
from gcr_migrate.wire.routes import sender_for

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine

    from gcr_migrate.wire import sender

    Answer = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

T = TypeVar("T")

EACH = pytest.mark.parametrize("library", LIBRARIES)
LONG_S = 20.0  # what is not a test's subject has plenty of time
OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n\r\n"


@dataclass
class Peer:
    """A server on loopback that does with each connection what it is told.

    Attributes:
        answer: serves one connection, which ends with it.
        heads: heads of the requests that came, as they came.
        connections: how many were opened.
        url: where it listens.
        tls: what it speaks TLS with; None: it does not.
    """

    answer: Answer
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    tls: ssl.SSLContext | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Peer]:
        """Listen while the block runs."""
        server = await asyncio.start_server(self._one, "127.0.0.1", 0, ssl=self.tls)
        async with server:
            scheme = "https" if self.tls else "http"
            self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def head(self, reader: asyncio.StreamReader) -> str:
        """Read the head of a request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        return head

    async def until_lost(self, reader: asyncio.StreamReader) -> None:
        """Read until the client hangs up."""
        with suppress(OSError):
            while await reader.read(1 << 20):
                pass

    def fields(self, number: int = 0) -> dict[str, str]:
        """Return the header fields of a request, their names in lower case."""
        lines = self.heads[number].split("\r\n")[1:-2]
        return {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.connections += 1
        with suppress(OSError, EOFError, asyncio.CancelledError):
            try:
                await self.answer(self, reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()


def script(*answers: bytes) -> Answer:
    """Answer the requests of each connection with these bytes, bodies of a stated length read."""

    async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await peer.head(reader)
            await reader.readexactly(int(peer.fields(-1).get("content-length", 0)))
            writer.write(answer)
            await writer.drain()

    return serve


class _Through(httpx.AsyncBaseTransport):
    """Has what sends our requests send those of a client of httpx."""

    def __init__(self, sends: sender.Sender) -> None:
        self._sends = sends

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url, stream = request.url, request.stream
        answer = await self._sends.send(
            request.method,
            f"{url.scheme}://{url.netloc.decode()}{url.raw_path.decode()}",
            {name.decode().lower(): value.decode() for name, value in request.headers.raw},
            (b"".join(stream) or None)
            if isinstance(stream, httpx.ByteStream)
            else Iterated(cast("AsyncIterable[bytes]", stream)),  # an asynchronous client's are
            request.extensions["timeout"],
        )
        fields = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers.items()]
        return httpx.Response(answer.status, headers=fields, stream=_Body(answer))

    async def aclose(self) -> None:
        await self._sends.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an answer, as httpx takes it."""

    def __init__(self, answer: sender.Answer) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._answer)

    async def aclose(self) -> None:
        await self._answer.aclose()


@asynccontextmanager
async def client(
    library: str,
    *,
    connections: int = 4,
    environ: dict[str, str] | None = None,
    **limits_s: float,
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client whose connections are this library's, with time-outs by phase."""
    phases = dict.fromkeys(("connect", "read", "write", "pool"), LONG_S) | limits_s
    network = Network({**(environ or {}), LIBRARY_VARIABLE: library})
    async with httpx.AsyncClient(
        transport=_Through(sender_for(network, connections)),
        trust_env=False,
        timeout=httpx.Timeout(**phases),
        headers={"user-agent": "test", "accept-encoding": "identity"},
    ) as made:
        yield made


def run(work: Coroutine[object, object, T]) -> T:
    """Run a test's work; what hangs fails."""

    async def in_time() -> T:
        async with asyncio.timeout(LONG_S):
            return await work

    return asyncio.run(in_time())
