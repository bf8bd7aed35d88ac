"""The only room with an HTTP library in it.

Callers name real hosts; the endpoints table decides where a request goes. Time-outs are per
phase, none is on the whole body of a stream. Redirects are followed by hand, because who gets a
request's credentials is not left to a default.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import urlsplit

from gcr_migrate.errors import (
    BAD_REPLY,
    DENIED,
    REQUEST_REFUSED,
    UNAUTHORIZED,
    MigrateError,
)
from gcr_migrate.wire.failures import FAILURES, named
from gcr_migrate.wire.network import Network
from gcr_migrate.wire.pilot import Pilot
from gcr_migrate.wire.places import Places
from gcr_migrate.wire.refusing import WRITES, part_of
from gcr_migrate.wire.replies import Reply, elsewhere, joined, pause_of, problem_of
from gcr_migrate.wire.retry import Backoff, TransientError, moment_of, persistently
from gcr_migrate.wire.routes import sender_for
from gcr_migrate.wire.secret import secrets_of
from gcr_migrate.wire.stream import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping

    from gcr_migrate.interfaces import Feed
    from gcr_migrate.wire.endpoints import Endpoints
    from gcr_migrate.wire.pace import Turn
    from gcr_migrate.wire.sender import Answer, Limits

    Look = Callable[[], Awaitable[None]]

_T = TypeVar("_T")

_BODY_AT_MOST: Final = 64 * 1024 * 1024
_REDIRECTS_AT_MOST: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_FOR_ANYBODY: Final = frozenset({"accept", "range"})  # a credential may be in a field of any name
_CONNECTIONS: Final = 256  # more than is ever wanted: waiting for one ends in an error
_FIELDS: Final = {
    "accept": "*/*",
    "accept-encoding": "identity",  # bodies are hashed as they come: nobody may recode them
    "user-agent": "gcr-migrate",
}
IDLE_S: Final = 60.0
_CONNECT_S: Final = 10.0
_POOL_S: Final = 30.0
_SLOW_ANSWER: Final = 5  # times as long: a registry commits a blob before it answers
_ERROR: Final = 400  # and beyond
_TOO_MANY: Final = 429
_UNAUTHORIZED: Final = 401
# Of a signed URL: Cloud Storage says 400 and `ExpiredToken`, others 403 or 401.
_RAN_OUT: Final = frozenset({400, _UNAUTHORIZED, 403})
_SAY_NO_REASON: Final = frozenset({DENIED, REQUEST_REFUSED, UNAUTHORIZED})
_CLOCK_READ_S: Final = 60.0


class Wire:
    """A pool of connections.

    Attributes:
        clock_skew_s: how far this machine's clock is ahead of the services', in seconds; negative
            if it is behind, None until a service has told its time.

    Args:
        endpoints: where hosts are.
        backoff: how often and how long requests are tried again.
        network: the way out of this machine; None: no proxy, and the usual certificates.
        pilot: gives requests their turn; None: one of this pool's own.
        idle_s: seconds without a byte after which a connection is given up.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        backoff: Backoff | None = None,
        network: Network | None = None,
        pilot: Pilot | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self.endpoints = endpoints
        self.backoff = backoff or Backoff()
        self.clock_skew_s: float | None = None
        self._clock_read_at = 0.0
        self._network = network or Network()
        self._pilot = pilot or Pilot()
        self._idle_s = idle_s
        self._places = Places(endpoints, self._network.metadata_hosts)
        self._limits: Limits = {
            "connect": _CONNECT_S,
            "pool": _POOL_S,
            "read": idle_s,
            "write": idle_s,
        }
        self._limits_by_method = {"PUT": self._limits | {"read": idle_s * _SLOW_ANSWER}}
        self._connections = sender_for(self._network, _CONNECTIONS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    def beside(self, *, endpoints: Endpoints | None = None, backoff: Backoff | None = None) -> Wire:
        """Return a pool of its own that leaves this machine by the same way."""
        return Wire(
            endpoints or self.endpoints,
            backoff or self.backoff,
            self._network,
            Pilot(budget=self._pilot.budget),
            self._idle_s,
        )

    def allow_plain(self, host: str) -> None:
        """Let plain HTTP go to this host, because a person said so; never to Google's."""
        self._places.allow_plain(host)

    def same_origin(self, old: str, new: str) -> bool:
        """Whether a URL in a reply of `old` is at the same service as `old`."""
        return self._places.same_origin(old, new)

    async def request(
        self,
        method: str,
        url: str,
        *,
        ok: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        subject: str = "",
        again: Look | bool = True,
    ) -> Reply:
        """Send a request until it is answered, and read the whole answer.

        Args:
            method: HTTP method.
            url: URL with the real host.
            ok: statuses that the caller deals with; any other is raised as its problem. With 429
                among them a quota that is used up is not waited for.
            headers: header fields.
            body: body to send.
            subject: what an error is about; else the URL without its query.
            again: False: it is not tried again where no answer came, or one that tells nothing; for
                a write of which the second answer would not tell what became of the first. What can
                be called is awaited before each time but the first that it is sent, and before that
                too if it had to wait, and what it raises is raised.
        """
        subject = subject or _shown(url)
        look = again if callable(again) else None
        retried = False

        async def ask() -> Reply:
            if retried and look:
                await look()
            return await self._asked(method, url, ok, headers or {}, body, subject, look)

        def is_again() -> None:
            nonlocal retried
            retried = True

        try:
            return await (self.persistently(ask, subject, is_again) if again else ask())
        except TransientError as error:
            raise error.final() from error

    async def _asked(
        self,
        method: str,
        url: str,
        ok: Collection[int],
        headers: Mapping[str, str],
        body: bytes | None,
        subject: str,
        look: Look | None,
    ) -> Reply:
        may_wait = _TOO_MANY not in ok
        reply = await self._in_turn(method, url, headers, body, subject, look, may_wait=may_wait)
        if reply.status in ok:
            return reply
        raise self._problem(url, reply, subject)

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        ok: Collection[int],
        headers: Mapping[str, str] | None = None,
        subject: str = "",
    ) -> AsyncIterator[Stream]:
        """GET a body to be read piece by piece; no try is repeated, as the reader starts over."""
        subject = subject or _shown(url)
        while True:
            stream = await self._opened("GET", url, headers or {}, None, subject)
            try:
                # No login of ours got there, and none could.
                ran_out = stream.status == _UNAUTHORIZED and not self.same_origin(url, stream.url)
                if stream.status in ok and not ran_out:
                    yield stream
                    return
                reply = await stream.reply()
            finally:
                await stream.aclose()
            if reply.status != _TOO_MANY:
                raise self._problem(url, reply, subject)
            self.quota_used_up(reply, subject)

    def paced(self, content: Feed) -> Feed:
        """Return the same bytes, as fast as the cap on all that is sent lets them pass."""
        return self._pilot.bandwidth.shared(content)

    async def send_stream(  # the parts of a request
        self,
        method: str,
        url: str,
        *,
        content: Feed,
        length: int | None,
        headers: Mapping[str, str] | None = None,
        subject: str = "",
    ) -> Reply:
        """Send a body piece by piece, once; whatever the answer is, it is returned."""
        subject = subject or _shown(url)
        # Without a length it would be sent chunked, which registries need not take.
        sized = {} if length is None else {"content-length": str(length)}
        sent = {**(headers or {}), **sized}
        stream = await self._opened(method, url, sent, content, subject)
        try:
            return await stream.reply()
        finally:
            await stream.aclose()

    async def persistently(
        self,
        do: Callable[[], Awaitable[_T]],
        subject: str,
        again: Callable[[], None] | None = None,
    ) -> _T:
        """Do something until it works, or has been tried as often as requests are; count that.

        Args:
            do: what is done; what may be gone at the next try is a TransientError.
            subject: what an error is about.
            again: is called before each try but the first.

        Raises:
            MigrateError: as the last try did, or as `rest` does.
        """

        def counted() -> None:
            self.count_again()
            if again:
                again()

        async def rest(seconds: float) -> None:
            await self.rest(seconds, subject)

        return await persistently(do, self.backoff, counted, rest)

    def count_again(self) -> None:
        """Count that a stream is sent or read once more, of which no try is repeated here."""
        self._pilot.traffic.retried += 1

    @property
    def stops(self) -> bool:
        """Whether nothing new is to begin any more."""
        return self._pilot.stop is not None and self._pilot.stop.is_set()

    async def rest(self, seconds: float, subject: str) -> None:
        """Wait before something is tried again.

        Raises:
            MigrateError: STOPPED, once a run is to end and this takes longer than it may.
        """
        await self._pilot.rest(seconds, subject)

    async def pause_over(self, method: str, url: str, subject: str) -> None:
        """Wait out a pause before a request, for who must not wait any more when it is sent."""
        part = part_of(method, url)
        await self._pilot.pause_over(self._places.service(url), subject, part)

    def quota_used_up(self, reply: Reply, subject: str, method: str = "GET") -> None:
        """Open a pause for all who ask the service that answered 429.

        Args:
            reply: the answer.
            subject: what an error is about.
            method: of the request that was refused.

        Raises:
            MigrateError: TOO_MANY_REQUESTS when the service has refused for too long,
                REFUSED_ALONE when a part of it has, or this request.
        """
        service = self._places.service(reply.url)
        error = problem_of(reply, subject)
        writes, part = method in WRITES, part_of(method, reply.url)
        self._pilot.refused(
            service, pause_of(reply), error.saw, writes=writes, part=part, subject=subject
        )
        if problem := self._pilot.hopeless(service, part, subject):
            raise MigrateError(problem, subject=subject, saw=error.saw)

    def _problem(self, url: str, reply: Reply, subject: str) -> MigrateError:
        """Return the error for a reply to who asked for a URL.

        What a host refuses that it redirects to says nothing of our rights at who was asked: the
        signature of a URL ran out, and the next redirect has a new one.
        """
        error = problem_of(reply, subject)
        ran_out = reply.status in _RAN_OUT and error.problem in _SAY_NO_REASON
        if not ran_out or self.same_origin(url, reply.url):
            return error
        return TransientError(BAD_REPLY, subject=subject, saw=elsewhere(reply))

    async def _in_turn(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        subject: str,
        look: Look | None,
        *,
        may_wait: bool,
    ) -> Reply:
        """Send a request until the service has quota for it; these tries are not counted."""
        while True:
            stream = await self._opened(method, url, headers, body, subject, look, begins=True)
            try:
                reply = await self._whole(stream, subject)
            finally:
                await stream.aclose()
            if reply.status != _TOO_MANY or not may_wait:
                return reply
            self.quota_used_up(reply, subject, method)
            if look:
                await self.pause_over(method, url, subject)
                await look()

    async def _whole(self, stream: Stream, subject: str) -> Reply:
        reply = await stream.whole(_BODY_AT_MOST)
        if len(reply.body) > _BODY_AT_MOST:
            saw = f"more than {_BODY_AT_MOST} bytes"
            raise MigrateError(BAD_REPLY, subject=subject, saw=saw)
        return reply

    async def _opened(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Feed | None,
        subject: str,
        look: Look | None = None,
        *,
        begins: bool = False,
    ) -> Stream:
        """Send a request and follow the redirects of a GET or HEAD; who gets it closes it."""
        sent, first = headers, url
        for _ in range(_REDIRECTS_AT_MOST + 1):
            answer = await self._send(method, url, sent, body, subject, look, begins=begins)
            target = _redirect(method, answer)
            if target is None:
                limits, status = self._limits_of(method), answer.status
                is_led = url is not first
                secrets = (
                    secrets_of(sent, url, body, is_redirect=is_led) if status >= _ERROR else ()
                )
                return Stream(status, answer.headers, url, answer, subject, limits, secrets)
            await answer.aclose()
            onward = joined(url, target, subject)
            if not self._places.same_origin(url, onward):
                sent = {k: v for k, v in sent.items() if k.lower() in _FOR_ANYBODY}
            self._places.refuse_downgrade(url, onward, subject)
            url = onward
        raise MigrateError(BAD_REPLY, subject=subject, saw="too many redirects")

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Feed | None,
        subject: str,
        look: Look | None,
        *,
        begins: bool,
    ) -> Answer:
        address, service = self._places.find(url, subject)
        part = part_of(method, url)
        turn = await self._turn(service, subject, method, part, look, begins=begins)
        took = False
        limits = self._limits_of(method)
        try:
            answer = await self._connections.send(method, address, _fields(headers), body, limits)
            took = answer.status != _TOO_MANY
            self._pilot.traffic.answered(refused=not took)
        except FAILURES as error:
            raise named(error, subject, self._via(address), limits) from error
        finally:
            self._pilot.answered(turn, took=took)
        self._read_clock(answer)
        try:
            return self._pilot.budget.metered(answer, method, subject)
        except MigrateError:
            await answer.aclose()
            raise

    async def _turn(
        self,
        service: str,
        subject: str,
        method: str,
        part: str,
        look: Look | None,
        *,
        begins: bool,
    ) -> Turn:
        """Take a request from the budget, and wait until it may be sent."""
        self._pilot.budget.request(subject)
        writes = method in WRITES
        try:
            return await self._pilot.turn(
                service, subject, writes=writes, begins=begins, part=part, look=look
            )
        except BaseException:
            self._pilot.budget.not_sent()
            raise

    def _limits_of(self, method: str) -> Limits:
        return self._limits_by_method.get(method, self._limits)

    def _via(self, address: str) -> str:
        if not self._network.proxies:
            return ""
        parts = urlsplit(address)
        proxy = self._network.proxy_for(parts.scheme, parts.hostname or "", parts.port)
        return urlsplit(proxy.url).netloc if proxy else ""

    def _read_clock(self, answer: Answer) -> None:
        """Compare clocks, now and then."""
        now = time.monotonic()
        if self.clock_skew_s is not None and now < self._clock_read_at:
            return
        theirs = moment_of(answer.headers.get("date", ""))
        if theirs is None:
            return
        self._clock_read_at = now + _CLOCK_READ_S
        # Whole seconds were told: in the middle it was half a second later.
        self.clock_skew_s = (datetime.now(UTC) - theirs).total_seconds() - 0.5


def _fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Return all header fields, names in lower case; what a file made them of may be no text.

    Raises:
        TypeError: a value is no text.
    """
    fields = _FIELDS.copy()
    for name, value in headers.items():
        if not isinstance(value, str):
            raise TypeError("header fields are text")
        fields[name.lower()] = value
    return fields


def _redirect(method: str, answer: Answer) -> str | None:
    if method not in {"GET", "HEAD"} or answer.status not in _REDIRECTS:
        return None
    return answer.headers.get("location") or None


def _shown(url: str) -> str:
    """Return the URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
