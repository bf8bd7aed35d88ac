"""Requests to one registry: with a login that is renewed, and with answers that mean one thing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct, field

from gcr_migrate.errors import BAD_REPLY, DENIED, NAME_UNKNOWN, BareError, MigrateError
from gcr_migrate.registry.auth import Authorizer
from gcr_migrate.wire.replies import Reply, codes_of, problem_of, says_unknown
from gcr_migrate.wire.retry import TransientError
from gcr_migrate.wire.service import STALE_S

if TYPE_CHECKING:
    from collections.abc import Collection

    from gcr_migrate.registry.auth import Admission
    from gcr_migrate.wire.secret import CredentialSource
    from gcr_migrate.wire.transport import Look, Wire

_OK: Final = 200
_CREATED: Final = 201
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_SAY_THAT_IT_IS_THERE: Final = frozenset({200, 401, 403})


class Sent(Struct, frozen=True):
    """What goes out with a request.

    Attributes:
        body: its body.
        headers: header fields of it.
        look: is awaited before it is sent once more.
        may_lack: the end-point may not be there, and any 404 says so.
    """

    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    look: Look | None = None
    may_lack: bool = False


NOTHING: Final = Sent()
MAY_LACK: Final = Sent(may_lack=True)


class Explain(Protocol):
    """Tells what is behind a refusal that can mean two things."""

    async def __call__(
        self, host: str, name: str, error: MigrateError, *, write: bool
    ) -> MigrateError:
        """Return what to raise instead of DENIED or NAME_UNKNOWN, or just that."""
        ...


class Asking:
    """Asks one registry.

    Args:
        host: its real host, with a port where it has one.
        base: its address.
        wire: connections.
        credentials: who knows how to log in to hosts.
        explain: tells what is behind a refusal that can mean two things.
    """

    def __init__(
        self,
        host: str,
        base: str,
        wire: Wire,
        credentials: CredentialSource,
        explain: Explain | None,
    ) -> None:
        self._host = host
        self._base = base
        self._wire = wire
        self._explain = explain
        self._auth = Authorizer(host, base, wire, credentials)

    def admission(self, scopes: tuple[str, ...], subject: str) -> Admission:
        """Return what lets a request of these scopes in."""
        return self._auth.admission(scopes, subject)

    async def json(
        self,
        method: str,
        url: str,
        scopes: tuple[str, ...],
        subject: str,
        ok: Collection[int] = (_OK,),
        sent: Sent = NOTHING,
    ) -> Reply:
        """Call for a JSON object; one that was cut short may be whole at the next try."""

        async def call() -> Reply:
            reply = await self.call(method, url, scopes, subject, ok=ok, sent=sent)
            if reply.status == _OK:
                reply.json(subject)
            return reply

        return await self._wire.persistently(call, subject)

    async def call(
        self,
        method: str,
        url: str,
        scopes: tuple[str, ...],
        subject: str,
        *,
        ok: Collection[int],
        sent: Sent = NOTHING,
    ) -> Reply:
        """Send a request; where it is refused for what can mean two things, find out which."""
        try:
            return await self.sent(method, url, scopes, subject, ok, sent)
        except MigrateError as error:
            kind, _, rest = scopes[0].partition(":")
            unclear = error.problem in {DENIED, NAME_UNKNOWN} and kind == "repository"
            if not (unclear and self._explain):
                raise
            name, _, actions = rest.rpartition(":")
            better = await self._explain(self._host, name, error, write="push" in actions)
            if better is error:
                raise
            raise better from error

    async def sent(
        self,
        method: str,
        url: str,
        scopes: tuple[str, ...],
        subject: str,
        ok: Collection[int],
        sent: Sent,
    ) -> Reply:
        """Send a request; where it is not accepted any more, again with a new token.

        What gets a bare 404 is sent again once the registry is there, but for a HEAD, whose answer
        never has a reason.
        """
        accepted, admission = {*ok, _UNAUTHORIZED}, self._auth.admission(scopes, subject)
        doubts = method == "GET" or (method != "HEAD" and _NOT_FOUND not in ok)
        doubts = doubts and not sent.may_lack
        is_bare = False
        began = time.monotonic()
        login = await admission.headers()
        if sent.look and time.monotonic() - began > STALE_S:
            await sent.look()
        while True:
            reply = await self._wire.request(
                method,
                url,
                ok={*accepted, _NOT_FOUND} if doubts else accepted,
                headers={**sent.headers, **login},
                body=sent.body,
                subject=subject,
                again=sent.look or True,
            )
            if doubts and reply.status == _NOT_FOUND:
                # That a name has no list takes that word: else there may be no such end-point.
                is_list = method == "GET" and _NOT_FOUND not in ok
                is_told = "NAME_UNKNOWN" in codes_of(reply) if is_list else says_unknown(reply)
                if not (is_told or is_bare):
                    await self._until_there(subject)
                    is_bare = True
                    self._wire.count_again()
                    if sent.look:
                        await sent.look()
                    continue
                if _NOT_FOUND not in ok:
                    said = problem_of(reply, subject)
                    if is_told or said.problem is not NAME_UNKNOWN:
                        raise said
                    raise BareError(NAME_UNKNOWN, subject=subject, saw=said.saw)
            if reply.status in ok:
                admission.accepted(wrote=reply.status == _CREATED)
                return reply
            await admission.refused(reply)
            login = await admission.headers()  # which may take a while
            if sent.look:
                await sent.look()

    async def _until_there(self, subject: str) -> None:
        """Return once the registry answers for itself; raise why not, which nobody tries again."""
        try:
            await self._wire.persistently(self._ping, subject)
        except TransientError as error:
            raise error.final() from error

    async def _ping(self) -> None:
        """Ask the registry whether it is one (OCI end-1)."""
        url = f"{self._base}/v2/"
        reply = await self._wire.request(
            "GET", url, ok={*_SAY_THAT_IT_IS_THERE, _NOT_FOUND}, subject=self._host
        )
        if reply.status == _NOT_FOUND:
            raise TransientError(BAD_REPLY, subject=self._host, saw="404 to /v2/")
