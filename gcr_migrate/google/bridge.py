"""Google's client libraries over the one room that speaks HTTP.

The libraries are synchronous and bring a transport of their own. Here they get one that hands
each request to the wire: so proxies, certificates, the endpoints file, retries, turns under the
quota and the refusal of plain HTTP are the same for them as for every other request.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import threading
from typing import TYPE_CHECKING, Final, TypeVar

import google.auth.transport
import requests
import requests.adapters
from urllib3.response import HTTPResponse

from gcr_migrate.errors import UNREACHABLE, MigrateError
from gcr_migrate.wire.retry import RETRIED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from gcr_migrate.google.api import Api
    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.transport import Wire

T = TypeVar("T")

_ANSWERED: Final = frozenset(range(200, 600)) - RETRIED
# A redirect that the wire did not follow itself is not for a library to follow with our login.
_FOR_LIBRARIES: Final = _ANSWERED - frozenset(range(300, 400))
# The wire has its own: for the login, for the encoding of bodies, for what a hop adds.
_NOT_TAKEN: Final = frozenset(
    {"authorization", "accept-encoding", "connection", "content-length", "user-agent"}
)
_OF_THE_HOP: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class Bridge:
    """The way from a thread of a client library to the wire on the event loop.

    Args:
        wire: connections.
        loop: the loop on which the wire lives.
    """

    def __init__(self, wire: Wire, loop: asyncio.AbstractEventLoop) -> None:
        self._wire = wire
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: set[concurrent.futures.Future[Any]] = set()
        self._closed = False

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, subject: str
    ) -> Reply:
        """Send a request from another thread, and wait for the answer.

        Raises:
            MigrateError: as `Wire.request` does; any answer that is not to be tried again returns.
        """
        return self.run(
            lambda: self._wire.request(
                method, url, ok=_ANSWERED, headers=headers, body=body, subject=subject
            ),
            subject=subject,
        )

    def run(
        self,
        awaitable: Callable[[], Awaitable[T]],
        *,
        timeout_s: float | None = None,
        subject: str = "",
    ) -> T:
        """Run something of the loop's from another thread, and wait for it.

        Args:
            awaitable: called on the loop.
            timeout_s: how long to wait at most; it is cancelled then.
            subject: what the error is about that says so.
        """

        async def call() -> T:
            return await awaitable()

        with self._lock:
            if self._closed:
                raise concurrent.futures.CancelledError
            future = asyncio.run_coroutine_threadsafe(call(), self._loop)
            self._waiting.add(future)
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            if not future.cancel():  # it is what the awaitable itself raised
                raise
            saw = f"no answer within {timeout_s:.0f} s"
            raise MigrateError(UNREACHABLE, subject=subject, saw=saw) from error
        finally:
            with self._lock:
                self._waiting.discard(future)

    def close(self) -> None:
        """Cancel whatever threads wait for: no thread must outlive the loop that it waits for."""
        with self._lock:
            self._closed = True
            waiting = list(self._waiting)
        for future in waiting:
            future.cancel()


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
        bridge: the way to the loop.
        api: calls with our login.
    """

    def __init__(self, bridge: Bridge, api: Api) -> None:
        super().__init__()
        self._bridge = bridge
        self._api = api
        self._of_thread = threading.local()

    def about(self, subject: str) -> None:
        """Say what the next requests of this thread are about, for their errors."""
        self._of_thread.subject = subject

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002  # as the base class has it
        timeout: Any = None,
        *_: Any,
        **__: Any,
    ) -> requests.Response:
        """Send one request; certificates and proxies are the wire's.

        A `timeout` is for the call as a whole, tries and waits included: the wire has its own
        for each phase of each try.

        Raises:
            MigrateError: there is no answer, or it says 401, or to try again, once too often.
        """
        method, url = request.method or "GET", request.url or ""
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _NOT_TAKEN}
        body = request.body.encode() if isinstance(request.body, str) else request.body
        subject = getattr(self._of_thread, "subject", "") or url.partition("?")[0]
        reply = self._bridge.run(
            lambda: self._api.send(
                method, url, subject, ok=_FOR_LIBRARIES, headers=headers, body=body
            ),
            timeout_s=timeout if isinstance(timeout, (int, float)) else None,
            subject=subject,
        )
        return _response(reply, request)

    def close(self) -> None:
        """Do nothing: the wire is closed by who opened it."""


def _response(reply: Reply, request: requests.PreparedRequest) -> requests.Response:
    response = requests.Response()
    response.status_code = reply.status
    # The body is whole and decoded, whatever the header fields say of the way it came.
    kept = {k: v for k, v in reply.headers.items() if k.lower() not in _OF_THE_HOP}
    response.headers.update(kept)
    response.raw = HTTPResponse(io.BytesIO(reply.body), preload_content=False)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.url, response.request = request.url or "", request
    return response
