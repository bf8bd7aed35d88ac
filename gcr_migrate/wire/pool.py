"""Connections by aiohttp under httpx's interface: less work for each request and each byte.

What httpx's own connections do, these do too (tests/protocol/test_transports.py holds both to
it): URLs byte for byte, no redirects, cookies or unpacking, a time-out for each phase, and errors
that tell what happened. A request is sent once; whether it may be sent again, callers know.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, cast
from urllib.parse import urlsplit

import aiohttp
import httpx
from yarl import URL

from gcr_migrate.wire.outgoing import Outgoing
from gcr_migrate.wire.pieces import Iterated, taken
from gcr_migrate.wire.rest import Rest

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, Callable, Iterator, Mapping

    from gcr_migrate.interfaces import Feed, Take
    from gcr_migrate.wire.network import Network, Proxy
    from gcr_migrate.wire.sender import Answer, Limits

_READ_AHEAD: Final = 256 * 1024
_HEAD_AT_MOST: Final = 256 * 1024  # Artifact Registry's Location alone may have many kilobytes
_FIELDS_AT_MOST: Final = 1024
# Many servers hang up on a connection after five idle seconds: who comes then comes too late.
_IDLE_S: Final = 4.0
_NOT_ADDED: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_KINDS: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
)


class Pool(httpx.AsyncBaseTransport):
    """Connections to all hosts, straight and through proxies.

    Args:
        network: the way out of this machine.
        connections: how many may be in use at once; who comes then waits for one.
    """

    def __init__(self, network: Network, connections: int) -> None:
        self._network = network
        self._slots = asyncio.Semaphore(connections)
        self._logins = {proxy: _login(proxy) for proxy in network.proxies}
        self._opened: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of httpx's, and return its response as soon as the head is there."""
        url = request.url
        if url.scheme not in {"http", "https"} or not url.host:
            raise httpx.UnsupportedProtocol("it is not the address of an HTTP server")
        answer = await self._answer(
            request.method,
            _Address(url.scheme, url.host, url.port, url.netloc.decode(), url.raw_path.decode()),
            [(name.decode(), value.decode()) for name, value in request.headers.raw],
            _fed(request.stream),
            request.extensions.get("timeout", {}),
        )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=answer)

    async def send(
        self,
        method: str,
        address: str,
        fields: dict[str, str],
        body: bytes | Feed | None,
        limits: Limits,
    ) -> Answer:
        """Send a request; see `Sender`."""
        sent = [*fields.items()]
        if isinstance(body, bytes):
            sent.append(("content-length", str(len(body))))
            source: Feed = _Whole(body)
        elif body is None:
            source = _Whole(b"")
        else:
            source = body
            if "content-length" not in fields:
                sent.append(("transfer-encoding", "chunked"))
        return await self._answer(method, _Address.read(address), sent, source, limits)

    async def _answer(
        self,
        method: str,
        address: _Address,
        fields: list[tuple[str, str]],
        source: Feed,
        limits: Limits,
    ) -> _Incoming:
        body = _outgoing(fields, source, limits.get("write"))
        await self._slot(limits.get("pool"))
        try:
            response = await self._ask(method, address, fields, body, limits)
        except BaseException:
            self._slots.release()
            raise
        return _Incoming(response, body, limits.get("read"), self._slots.release)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            await self._opened.close()

    async def _slot(self, wait_s: float | None) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(wait_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("") from error

    async def _ask(
        self,
        method: str,
        address: _Address,
        fields: list[tuple[str, str]],
        body: Outgoing | None,
        limits: Limits,
    ) -> aiohttp.ClientResponse:
        limit = asyncio.timeout(None)
        try:
            async with limit:
                _expect_answer(limit, body, limits)
                return await self._send(method, address, fields, body, limits)
        except BaseException as error:
            failure = await _end_of(body)
            if limit.expired():
                failure = httpx.ReadTimeout("")
            if failure is None or not isinstance(error, Exception):
                raise
        raise failure

    async def _send(
        self,
        method: str,
        address: _Address,
        fields: list[tuple[str, str]],
        body: Outgoing | None,
        limits: Limits,
    ) -> aiohttp.ClientResponse:
        # aiohttp says itself that a body comes in chunks.
        headers = [one for one in fields if one[0].lower() != "transfer-encoding"]
        proxy = self._network.proxy_for(address.scheme, address.host, address.port)
        login = self._logins[proxy] if proxy else {}
        if address.scheme == "http":
            headers += login.items()  # there is no tunnel: the proxy reads the request itself
        return await self._session().request(
            method,
            # In parts, as a whole it would lose a `?` at its end.
            URL.build(
                scheme=address.scheme,
                authority=address.netloc,
                path=address.path,
                encoded=True,
            ),
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=proxy.url if proxy else None,
            proxy_headers=login or None,
            timeout=_timeout(limits.get("connect"), limits.get("read")),
            ssl=self._trust if _is_private(address, proxy) else True,
        )

    @functools.cached_property
    def _trust(self) -> ssl.SSLContext:
        context = self._network.trust
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _session(self) -> aiohttp.ClientSession:
        """Return aiohttp's connections, made when the first request comes."""
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,  # our slots count them: waiting for one has a time-out of its own
                    keepalive_timeout=_IDLE_S,
                    resolver=aiohttp.ThreadedResolver(),  # the machine's own, whatever is installed
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_NOT_ADDED,
                auto_decompress=False,
                read_bufsize=_READ_AHEAD,
                max_line_size=_HEAD_AT_MOST,
                max_field_size=_HEAD_AT_MOST,
                max_headers=_FIELDS_AT_MOST,
                middlewares=[_once],
            )
        return self._opened


class _Incoming(httpx.AsyncByteStream):
    """A response, and its body in pieces as they come.

    Attributes:
        status: HTTP status.
        headers: header fields; names in any case.
        raw_headers: the same as they came.

    Args:
        response: whose body.
        body: of its request; it may still be on its way out.
        read_s: seconds without a byte after which it is given up; None: never.
        done: is called when the connection is free again.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        body: Outgoing | None,
        read_s: float | None,
        done: Callable[[], None],
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.raw_headers = response.raw_headers
        self._response = response
        self._body = body
        self._read_s = read_s
        self._done: Callable[[], None] | None = done

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        with _translated():
            piece = await self._response.content.readany()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def into(self, take: Take) -> None:
        """Give the whole body, of which nothing was read; see `Feed`."""
        came = []
        with _translated():
            while piece := self._response.content.read_nowait():
                came.append(piece)
        rest = Rest.of(self._response, sum(map(len, came)), self._read_s)
        for piece in came:
            await taken(take, piece)
        await (rest or Iterated(self)).into(take)

    async def aclose(self) -> None:
        """Give the connection back; one over which something is still to come is dropped."""
        done, self._done = self._done, None
        if done is None:
            return
        self._response.close()
        try:
            await _end_of(self._body)
        finally:
            done()


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request, and no second time: aiohttp would after some errors, without telling."""
    with _translated():
        return await handler(request)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what aiohttp raises into what httpx would raise."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        kinds = (ours for theirs, ours in _KINDS if isinstance(error, theirs))
        # Not from aiohttp's own errors: some are TLS errors too, but without their attributes.
        raise next(kinds, httpx.ReadError)(_words(error)) from error.__cause__ or error
    except UnicodeError:
        raise
    except ValueError as error:  # a line break in a header field, for one
        raise httpx.LocalProtocolError(str(error)) from error


def _words(error: Exception) -> str:
    """Say what happened, without what the request or the answer held: it may be secret."""
    words = ""
    match error:
        case aiohttp.ClientHttpProxyError():
            words = f"{error.status} {error.message}"
        case aiohttp.ClientConnectorError():
            words = str(error.__cause__)
        case aiohttp.ServerDisconnectedError():
            words = "Server disconnected without sending a response."
        case aiohttp.ClientResponseError():
            # Of a line that is too long aiohttp quotes the beginning.
            words = error.message.partition("\n")[0].partition(" when reading")[0]
        case aiohttp.ClientPayloadError():
            words = "The body was cut short."
        case OSError(errno=int(number)):
            words = os.strerror(number)
        case _:
            pass
    return words


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a request goes, in parts that are sent as they are."""

    scheme: str
    host: str
    port: int | None
    netloc: str
    path: str  # with the query

    @classmethod
    def read(cls, text: str) -> _Address:
        try:
            parts = urlsplit(text.replace(" ", "%20"))
            port = parts.port
        except ValueError as error:
            raise httpx.InvalidURL("it is no address") from error
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise httpx.UnsupportedProtocol("it is not the address of an HTTP server")
        if not text.isascii() or not text.isprintable():
            raise httpx.InvalidURL("it has characters that no address has")
        begins = len(parts.scheme) + len("://") + len(parts.netloc)
        path = text.replace(" ", "%20")[begins:].partition("#")[0]
        path = path if path.startswith("/") else f"/{path}"
        host_and_port = parts.netloc.rpartition("@")[2]  # aiohttp would make a login of the rest
        return cls(parts.scheme, parts.hostname, port, host_and_port, path)


def _fed(stream: httpx.SyncByteStream | httpx.AsyncByteStream) -> Feed:
    if isinstance(stream, httpx.ByteStream):
        return _Whole(b"".join(stream))
    return Iterated(cast("AsyncIterable[bytes]", stream))  # an asynchronous client's are


class _Whole:
    """A body that is there already."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def into(self, take: Take) -> None:
        await taken(take, self.body)


def _outgoing(
    fields: list[tuple[str, str]], source: Feed, stall_s: float | None
) -> Outgoing | None:
    known = {name.lower(): value for name, value in fields}
    length = known.get("content-length")
    empty = length is None and "transfer-encoding" not in known
    if empty or (length == "0" and isinstance(source, _Whole)):
        return None
    return Outgoing(source, None if length is None else int(length), stall_s)


def _is_private(address: _Address, proxy: Proxy | None) -> bool:
    return address.scheme == "https" or (proxy is not None and proxy.url.startswith("https:"))


@functools.lru_cache
def _timeout(connect_s: float | None, read_s: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=read_s)


def _expect_answer(limit: asyncio.Timeout, body: Outgoing | None, limits: Limits) -> None:
    """Limit the time for the answer, which aiohttp forgets to do once a 1xx has come."""
    connect_s, read_s = limits.get("connect"), limits.get("read")
    if connect_s is None or read_s is None:
        return
    now = asyncio.get_running_loop().time
    if body is None:
        limit.reschedule(now() + connect_s + read_s)
    else:
        body.on_sent = lambda: limit.reschedule(now() + read_s)


async def _end_of(body: Outgoing | None) -> Exception | None:
    """Wait until nothing is taken from a body's source; return what went wrong with it."""
    if body is None:
        return None
    await body.ended()
    return body.failure


def _login(proxy: Proxy) -> dict[str, str]:
    if proxy.auth is None:
        return {}
    text = base64.b64encode(":".join(proxy.auth).encode()).decode()
    return {"Proxy-Authorization": f"Basic {text}"}
