"""Servers that cut, stall, lie and redirect: what the wire makes of them.

Each server is a socket that sends bytes as written, so that no library mends them.
"""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
import zlib
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pieces import Iterated
from gcr_migrate.wire.retry import Backoff, TransientError
from gcr_migrate.wire.transport import Wire
from gcr_migrate.wire.unpacking import unpacked
from tests.conftest import refusing_port
from tests.feeds import whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.usefixtures("each_library")

OK = b"HTTP/1.1 200 OK\r\n"
FAST = Backoff(tries=3, base_s=0.001)


class Server:
    """Gives each connection the next script: bytes to send after the request's head.

    Attributes:
        heads: heads of the requests that came, in lower case.
        url: where it listens.
    """

    def __init__(self, *scripts: bytes, lingers: bool = False) -> None:
        self._scripts = list(scripts)
        self._lingers = lingers
        self._handlers: list[asyncio.Task[object]] = []
        self.heads: list[str] = []
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.append(task)
        with suppress(OSError, EOFError):  # the client may hang up at any point
            try:
                await self._answer(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode().lower())
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        if not script:
            writer.transport.abort()  # a reset
            return
        writer.write(script)
        await writer.drain()
        while self._lingers and await reader.read(1 << 20):
            pass

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        """Listen while the block runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self
        await asyncio.gather(*self._handlers)


def body(data: bytes, *headers: str) -> bytes:
    """Return a whole reply with this body."""
    fields = [f"Content-Length: {len(data)}", "Connection: close", *headers]
    return OK + "\r\n".join(fields).encode() + b"\r\n\r\n" + data


def status(code: int, *headers: str) -> bytes:
    """Return an empty reply with this status."""
    fields = [f"HTTP/1.1 {code} X", "Content-Length: 0", "Connection: close", *headers]
    return "\r\n".join(fields).encode() + b"\r\n\r\n"


CUT = OK + b"Content-Length: 100\r\n\r\nonly this"


def fetch(
    scripts: list[bytes], backoff: Backoff = FAST, path: str = "/x?secret=1"
) -> tuple[bytes, Server]:
    """GET from a server with these scripts; return the body and the server."""

    async def run() -> tuple[bytes, Server]:
        server = Server(*scripts)
        async with server.running(), Wire(Endpoints(), backoff=backoff) as wire:
            return (await wire.request("GET", server.url + path, ok={200})).body, server

    return asyncio.run(run())


def failure(scripts: list[bytes], backoff: Backoff = FAST) -> MigrateError:
    """Return the error that a GET ends with."""
    with pytest.raises(MigrateError) as raised:
        fetch(scripts, backoff)
    assert "secret" not in str(raised.value)
    return raised.value


def test_a_body_that_was_cut_is_asked_for_again() -> None:
    """Two cut bodies and a whole one give the whole one."""
    data, server = fetch([CUT, CUT, body(b"whole")])
    assert data == b"whole"
    assert len(server.heads) == 3


def test_a_body_that_is_always_cut_is_a_bad_reply() -> None:
    """The tries end, and the problem says what kind of lie it was."""
    assert failure([CUT]).problem.code == "bad-reply"


def test_a_reset_is_tried_again() -> None:
    """A connection that breaks before the answer is made again."""
    assert fetch([b"", body(b"whole")])[0] == b"whole"


def test_a_server_that_always_resets_is_unreachable_or_says_nothing() -> None:
    """The tries end with a problem that a person can act on."""
    assert failure([b""]).problem.code in {"unreachable", "bad-reply"}


def test_what_is_not_http_is_a_bad_reply() -> None:
    """Another protocol on the port gives no traceback."""
    assert failure([b"SSH-2.0-OpenSSH_9\r\n\r\n"]).problem.code == "bad-reply"


def test_a_refused_connection_is_unreachable() -> None:
    """Nobody listens."""

    async def run(port: int) -> None:
        async with Wire(Endpoints(), backoff=FAST) as wire:
            await wire.request("GET", f"http://127.0.0.1:{port}/", ok={200})

    with refusing_port() as port, pytest.raises(MigrateError) as raised:
        asyncio.run(run(port))
    assert raised.value.problem.code == "unreachable"


def test_an_error_that_repeats_our_token_does_not_show_it() -> None:
    """Nor the signature of the URL that led there, in words that look like none."""
    token, signed = "opaque-word-of-ours", "/y?verify=drawn-by-somebody"
    said = f"the word {token} and drawn-by-somebody are no good".encode()
    denied = b"HTTP/1.1 403 X\r\n" + body(said).removeprefix(OK)

    async def run() -> str:
        server = Server(status(307, f"Location: {signed}"), denied)
        async with server.running(), Wire(Endpoints(), backoff=FAST) as wire:
            headers = {"authorization": f"Bearer {token}"}
            with pytest.raises(MigrateError) as raised:
                await wire.request("GET", server.url + "/x", ok={200}, headers=headers)
        assert token in server.heads[-1]
        return raised.value.saw

    assert asyncio.run(run()) == "403 the word … and … are no good"


def test_a_head_of_60_kilobytes_is_read() -> None:
    """Artifact Registry's heads are long; they are no reason to fail."""
    assert fetch([body(b"x", "X-Long: " + "a" * 60_000)])[0] == b"x"


@pytest.mark.slow
@pytest.mark.parametrize(
    "value",
    [
        lambda: "1",
        lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True),
    ],
    ids=["seconds", "date"],
)
def test_the_server_s_pause_is_kept(value: Callable[[], str]) -> None:
    """Retry-After counts in both of its forms."""
    before = time.monotonic()
    data, _ = fetch([status(429, f"Retry-After: {value()}"), body(b"then")])
    assert data == b"then"
    assert time.monotonic() - before >= 0.9


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 413, 416])
def test_what_cannot_get_better_is_asked_once(code: int) -> None:
    """A second script would have succeeded: it is never reached."""
    assert str(code) in failure([status(code), body(b"x")]).saw


@pytest.mark.parametrize("days", [-1, 1])
def test_a_pause_until_a_date_is_counted_by_the_clock_that_told_it(days: int) -> None:
    """Whose clock is wrong, the service's or ours, does not matter."""
    now = datetime.now(UTC) + timedelta(days=days)
    told = [format_datetime(now + timedelta(seconds=n), usegmt=True) for n in (0, 1)]
    before = time.monotonic()
    refused = status(429, f"Date: {told[0]}", f"Retry-After: {told[1]}")
    assert fetch([refused, body(b"then")])[0] == b"then"
    assert 0.9 <= time.monotonic() - before <= 10


def redirected(scripts: list[bytes], location: Callable[[Server, Server], str]) -> Server:
    """Redirect from one server to another; return the second."""

    async def run() -> Server:
        second = Server(*scripts)
        first = Server(b"")
        async with second.running(), first.running():
            first._scripts = [status(307, f"Location: {location(first, second)}")]  # noqa: SLF001
            async with Wire(Endpoints(), backoff=FAST) as wire:
                headers = {"Authorization": "Bearer very-secret", "Accept": "a/b"}
                await wire.request("GET", first.url, ok={200}, headers=headers)
        return second

    return asyncio.run(run())


def test_a_redirect_to_another_host_carries_no_credentials() -> None:
    """Another port is another service: it gets the request without the Authorization."""
    second = redirected([body(b"x")], lambda _, second: f"{second.url}/y")
    assert "authorization" not in second.heads[0]
    assert "accept: a/b" in second.heads[0]


def test_a_login_in_an_address_is_neither_followed_nor_told() -> None:
    """A Location with a user's name and password is no address, and no error shows them."""
    first = Server(status(302, "Location: http://ada:s3cret@127.0.0.1:9/x"))

    async def run() -> None:
        async with first.running(), Wire(Endpoints()) as wire:
            await wire.request("GET", first.url, ok={200}, headers={"authorization": "Bearer t"})

    with pytest.raises(MigrateError) as raised:
        asyncio.run(run())
    assert raised.value.problem.code == "bad-reply"
    assert "s3cret" not in str(raised.value)
    assert "s3cret" not in raised.value.saw


def test_a_head_that_is_too_long_is_told_without_what_is_in_it() -> None:
    """A header field may be a secret; that it was too long is enough."""
    long = f"HTTP/1.1 200 OK\r\nX-Token: s3cret-{'x' * 300_000}\r\n\r\n".encode()
    error = failure([long])
    assert "s3cret" not in f"{error} {error.saw}"


def test_a_redirect_within_a_host_keeps_credentials() -> None:
    """A relative Location is the same service."""

    async def run() -> Server:
        server = Server(status(302, "Location: /second?a=b"), body(b"x"))
        async with server.running(), Wire(Endpoints()) as wire:
            headers = {"authorization": "Bearer t"}
            await wire.request("GET", f"{server.url}/first", ok={200}, headers=headers)
        return server

    server = asyncio.run(run())
    assert server.heads[1].startswith("get /second?a=b ")
    assert "authorization: bearer t" in server.heads[1]


def test_two_real_hosts_behind_one_address_are_two_hosts() -> None:
    """With an endpoints file it is the real host that decides who gets the credentials."""

    async def run() -> Server:
        server = Server(status(302, "Location: https://storage.googleapis.com/b"), body(b"x"))
        async with server.running():
            text = f"registries: {{a.pkg.dev: '{server.url}'}}\nstorage: {server.url}"
            async with Wire(Endpoints.load(text, "e")) as wire:
                headers = {"authorization": "Bearer t"}
                await wire.request("GET", "https://a.pkg.dev/v2/", ok={200}, headers=headers)
        return server

    server = asyncio.run(run())
    assert "authorization" in server.heads[0]
    assert "authorization" not in server.heads[1]


def test_a_cookie_is_not_kept() -> None:
    """Two real hosts may be at one address, and what one of them sets is not for the other."""

    async def work() -> Server:
        server = Server(body(b"x", "Set-Cookie: a=b"), body(b"y"))
        async with server.running(), Wire(Endpoints()) as wire:
            for _ in range(2):
                await wire.request("GET", server.url, ok={200})
        return server

    assert "cookie" not in asyncio.run(work()).heads[1]


def test_redirects_end() -> None:
    """A circle is left after a few rounds."""
    assert failure([status(302, "Location: /again")]).problem.code == "bad-reply"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_what_writes_is_never_redirected(method: str) -> None:
    """A body is sent to the host that was meant and nowhere else."""

    async def run() -> Server:
        server = Server(status(307, "Location: /other"), body(b"x"))
        async with server.running(), Wire(Endpoints(), backoff=FAST) as wire:
            with pytest.raises(MigrateError, match="redirect not followed"):
                await wire.request(method, server.url, ok={200}, body=b"data")
        return server

    assert len(asyncio.run(run()).heads) == 1


def test_plain_http_goes_to_loopback_only() -> None:
    """Credentials are never put on a network in the clear unless a person says so."""

    async def run() -> None:
        async with Wire(Endpoints(), backoff=FAST) as wire:
            await wire.request("GET", "http://registry.example/v2/", ok={200})

    with pytest.raises(MigrateError, match=r"plain HTTP to registry\.example"):
        asyncio.run(run())


async def _read(script: bytes) -> bytes:
    server = Server(script)
    async with (
        server.running(),
        Wire(Endpoints(), backoff=FAST) as wire,
        wire.stream(server.url, ok={200}) as stream,
    ):
        return await whole(stream)


def test_a_stream_that_was_cut_can_be_started_over() -> None:
    """The reader of a stream learns that bytes are missing, as a problem that may pass."""
    with pytest.raises(TransientError, match="bad-reply"):
        asyncio.run(_read(CUT))


def test_a_stream_gives_the_bytes_of_its_length_and_no_more(each_library: str) -> None:
    """Bytes after the stated length are not part of the body: dropped, or a bad reply."""
    if each_library == "httpx":
        assert asyncio.run(_read(body(b"exactly") + b" and more")) == b"exactly"
    else:
        with pytest.raises(TransientError, match="bad-reply"):
            asyncio.run(_read(body(b"exactly") + b" and more"))


def test_a_stream_is_not_recoded() -> None:
    """A body that says it is compressed comes as it is: digests are over these bytes."""
    assert asyncio.run(_read(body(b"\x1f\x8bnot gzip", "Content-Encoding: gzip"))) == (
        b"\x1f\x8bnot gzip"
    )


def test_a_reply_that_came_packed_is_read() -> None:
    """Though nobody asked for that."""
    packed = gzip.compress(b"whole")
    assert fetch([body(packed, "Content-Encoding: gzip")])[0] == b"whole"
    assert fetch([body(packed, "Content-Encoding: identity")])[0] == packed


@pytest.mark.slow
def test_a_small_reply_that_unpacks_to_gigabytes_is_refused_while_it_is_small() -> None:
    """It is unpacked as far as a reply may go, and needs little more memory than that."""
    packed = gzip.compress(b"a" * 400_000_000, 1)
    tracemalloc.start()
    try:
        error = failure([body(packed, "Content-Encoding: gzip")])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (error.problem.code, error.saw) == ("bad-reply", "more than 67108864 bytes")
    assert peak < 200_000_000


@pytest.mark.parametrize(
    ("packed", "data"),
    [
        ("gzip", gzip.compress(b"whole")),
        ("X-GZIP", gzip.compress(b"whole")),
        ("deflate", zlib.compress(b"whole")),
        ("deflate", zlib.compress(b"whole", wbits=-zlib.MAX_WBITS)),
        ("deflate, gzip", gzip.compress(zlib.compress(b"whole"))),
        ("gzip,identity", gzip.compress(b"whole")),
        ("br", b"whole"),
    ],
    ids=["gzip", "by its old name", "deflate", "deflate without its frame", "both", "none", "br"],
)
def test_a_reply_is_unpacked_in_each_way_that_is_known(packed: str, data: bytes) -> None:
    """One after the other where there are several; what is packed in another way stays so."""
    assert fetch([body(data, f"Content-Encoding: {packed}")])[0] == b"whole"


@pytest.mark.parametrize("packed", ["gzip", "gzip, gzip"])
def test_no_more_is_unpacked_than_is_wanted_and_a_byte(packed: str) -> None:
    """However often it was packed: what is too long after one step is not unpacked further."""
    data = gzip.compress(b"a" * 1_000)
    data = gzip.compress(data + b"a" * 1_000) if "," in packed else data
    assert len(unpacked(data, packed, 100)) == 101


def test_a_reply_that_is_not_packed_as_it_says_is_a_bad_reply() -> None:
    """It is named, and not asked for again."""
    error = failure([body(b"not gzip", "Content-Encoding: gzip")])
    assert error.problem.code == "bad-reply"
    assert not isinstance(error, TransientError)
    assert "DecodingError: " in str(error)


def test_an_early_answer_to_an_upload_is_read() -> None:
    """A server that refuses before it has all bytes, and lingers as HTTP asks, is quoted."""

    async def content() -> AsyncIterator[bytes]:
        for _ in range(400):
            yield b"x" * 65_536

    async def run() -> int:
        server = Server(status(413), lingers=True)
        async with server.running(), Wire(Endpoints(), backoff=FAST) as wire:
            reply = await wire.send_stream(
                "PUT", server.url, content=Iterated(content()), length=400 * 65_536
            )
        return reply.status

    assert asyncio.run(run()) == 413


def test_a_redirect_takes_no_field_of_a_login_to_another_host() -> None:
    """Whatever its name: some servers of tokens want a secret in a field of their own."""

    async def work() -> str:
        other = Server(body(b"there"))
        async with other.running():
            moved = f"HTTP/1.1 302 Found\r\nLocation: {other.url}/x\r\nContent-Length: 0\r\n\r\n"
            async with Server(moved.encode()).running() as server, Wire(Endpoints()) as wire:
                sent = {"x-secret": "hunter2", "authorization": "hunter2", "accept": "a/b"}
                await wire.request("GET", f"{server.url}/", ok={200}, headers=sent)
        return other.heads[0]

    head = asyncio.run(work())
    assert "hunter2" not in head
    assert "accept: a/b" in head


def test_no_word_of_a_person_sends_a_google_login_in_the_clear() -> None:
    """That plain HTTP was asked for is a mistake there."""

    async def work() -> None:
        async with Wire(Endpoints(), FAST) as wire:
            wire.allow_plain("us-docker.pkg.dev")
            await wire.request("GET", "http://us-docker.pkg.dev/v2/", ok={200})

    with pytest.raises(MigrateError, match="plain HTTP to us-docker"):
        asyncio.run(work())


def test_a_server_that_says_nothing_is_told_by_what_was_waited_for() -> None:
    """The words say what did not come, and for how long: not the name of an exception."""

    async def work() -> None:
        over = asyncio.Semaphore(0)

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1024):
                pass
            writer.close()
            over.release()

        server = await asyncio.start_server(say_nothing, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        async with server:
            try:
                async with Wire(Endpoints(), FAST, idle_s=0.2) as wire:
                    await wire.request("GET", f"http://127.0.0.1:{port}/", ok={200})
            finally:
                for _ in range(FAST.tries):
                    await over.acquire()

    with pytest.raises(MigrateError, match=r"unreachable.*no byte for 0\.2 s"):
        asyncio.run(work())
