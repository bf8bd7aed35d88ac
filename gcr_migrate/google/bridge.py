"""Google's client libraries over the one room that speaks HTTP.

The libraries are synchronous and bring a transport of their own. Here they get one that hands
each request to the wire: so proxies, certificates, the endpoints file, retries, turns under the
quota and the refusal of plain HTTP are the same for them as for every other request.
"""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Final

import google.auth.transport
import requests
import requests.adapters
from urllib3.response import HTTPResponse

from gcr_migrate.wire.retry import RETRIED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.transport import Wire

_ANSWERED: Final = frozenset(range(200, 600)) - RETRIED


class Bridge:
    """The way from a thread of a client library to the wire on the event loop.

    Args:
        wire: connections.
        loop: the loop on which the wire lives.
    """

    def __init__(self, wire: Wire, loop: asyncio.AbstractEventLoop) -> None:
        self._wire = wire
        self._loop = loop

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, subject: str
    ) -> Reply:
        """Send a request from another thread, and wait for the answer.

        Raises:
            MigrateError: as `Wire.request` does; any answer that is not to be tried again returns.
        """
        request = self._wire.request(
            method, url, ok=_ANSWERED, headers=headers, body=body, subject=subject
        )
        return asyncio.run_coroutine_threadsafe(request, self._loop).result()

    def run(self, awaitable: Callable[[], Awaitable[Any]]) -> Any:
        """Run something of the loop's from another thread, and wait for it."""

        async def call() -> Any:
            return await awaitable()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()


class AuthTransport(google.auth.transport.Request):
    """What google-auth sends its own requests with: for tokens, and to the metadata server.

    Args:
        bridge: the way to the wire.
        subject: what errors are about, such as a credential file; URLs may hold secrets.
    """

    def __init__(self, bridge: Bridge, subject: str) -> None:
        self._bridge = bridge
        self._subject = subject

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002  # the wire has its own, for each phase
        **_: Any,
    ) -> google.auth.transport.Response:
        """Send one request; the arguments are google-auth's."""
        data = body.encode() if isinstance(body, str) else body
        reply = self._bridge.send(method, url, headers or {}, data, self._subject)
        return _AuthResponse(reply)


class _AuthResponse(google.auth.transport.Response):
    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._reply.headers

    @property
    def data(self) -> bytes:
        return self._reply.body


class WireAdapter(requests.adapters.BaseAdapter):
    """The transport adapter of a `requests` session: authorises a request, and hands it over.

    Args:
        bridge: the way to the wire.
        authorize: gives the header fields that say who we are.
    """

    def __init__(
        self, bridge: Bridge, authorize: Callable[[], Awaitable[Mapping[str, str]]]
    ) -> None:
        super().__init__()
        self._bridge = bridge
        self._authorize = authorize

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Send one request; streams, time-outs, certificates and proxies are the wire's."""
        headers = {**request.headers, **self._bridge.run(self._authorize)}
        body = request.body.encode() if isinstance(request.body, str) else request.body
        method, url = request.method or "GET", request.url or ""
        reply = self._bridge.send(method, url, headers, body, url.partition("?")[0])
        response = requests.Response()
        response.status_code = reply.status
        response.headers.update(reply.headers)
        response.raw = HTTPResponse(io.BytesIO(reply.body), preload_content=False)
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response.url, response.request = url, request
        return response

    def close(self) -> None:
        """Do nothing: the wire is closed by who opened it."""
