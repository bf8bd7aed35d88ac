"""The way of Google's libraries, which are synchronous, to the one room that speaks HTTP.

They bring a transport of their own, and get one that hands each request to the wire: so proxies,
certificates, the endpoints file, retries, turns under the quota and the refusal of plain HTTP are
the same for them as for every other request. Nothing of theirs is loaded here.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from gcr_migrate.errors import UNREACHABLE, MigrateError
from gcr_migrate.wire.retry import RETRIED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.transport import Wire

T = TypeVar("T")

ANSWERED: Final = frozenset(range(200, 600)) - RETRIED


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
                method, url, ok=ANSWERED, headers=headers, body=body, subject=subject
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


class AuthTransport:
    """What google-auth sends its own requests with: for tokens, and to the metadata server.

    It has the shape of the library's `google.auth.transport.Request`.

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
    ) -> AuthResponse:
        """Send one request; the arguments are google-auth's."""
        data = body.encode() if isinstance(body, str) else body
        reply = self._bridge.send(method, url, headers or {}, data, self._subject)
        return AuthResponse(reply)


class AuthResponse:
    """An answer in the shape that google-auth reads, its `google.auth.transport.Response`.

    Attributes:
        status: HTTP status.
        headers: header fields; names in any case.
        data: the body.
    """

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.data = reply.body
