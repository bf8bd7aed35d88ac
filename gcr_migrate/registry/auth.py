"""Challenges, and the tokens that answer them."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from gcr_migrate.errors import (
    BAD_REPLY,
    DENIED,
    NAME_UNKNOWN,
    REQUEST_REFUSED,
    SERVER_ERROR,
    UNAUTHORIZED,
    UNREACHABLE,
    UNSUPPORTED,
    MigrateError,
)
from gcr_migrate.model.names import is_google_host, is_loopback
from gcr_migrate.registry.scopes import shown_by
from gcr_migrate.wire.renewed import Renewed
from gcr_migrate.wire.replies import elsewhere, joined, problem_of
from gcr_migrate.wire.retry import TransientError
from gcr_migrate.wire.secret import without_secrets

if TYPE_CHECKING:
    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.secret import CredentialSource
    from gcr_migrate.wire.transport import Wire

_DEFAULT_LIFE_S: Final = 60.0
_LONGEST_LIFE_S: Final = 86_400.0
_RENEWALS_AT_MOST: Final = 3  # for one request: tokens may be revoked while it is on its way
_TOKENS_AT_MOST: Final = 1_024  # each name has its own, of a kilobyte or two; few are at work
_SHOWN_AT_MOST: Final = 100
_UNAUTHORIZED: Final = 401
# A token service that answers so has no token for us.
_REFUSALS: Final = frozenset(
    {BAD_REPLY, DENIED, NAME_UNKNOWN, REQUEST_REFUSED, UNAUTHORIZED, UNSUPPORTED}
)
_OUTAGES: Final = frozenset({SERVER_ERROR, UNREACHABLE})
_PARAMETER: Final = re.compile(r'([a-zA-Z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class Challenge(Struct, frozen=True):
    """What a registry asks for; an empty scheme asks for nothing."""

    scheme: str
    realm: str = ""
    service: str = ""

    @classmethod
    def parse(cls, header: str | None) -> Challenge:
        """Read a WWW-Authenticate header; the scheme and names count in any case."""
        scheme, _, rest = (header or "").strip().partition(" ")
        found = {
            name.lower(): re.sub(r"\\(.)", r"\1", quoted) or bare
            for name, quoted, bare in _PARAMETER.findall(rest)
        }
        return cls(scheme.lower(), found.get("realm", ""), found.get("service", ""))


class Authorizer:
    """Gives requests to one registry their Authorization.

    What the registry asks of everybody (end-1) holds for all requests. What it asks of a request
    that it refuses holds for that one, and for others only once a login of that kind was taken: a
    401 may be about one name, or come of a proxy. Where its token service has no token for us the
    request goes as it would have gone without that challenge.

    Args:
        host: the registry's real host.
        base: its URL, without a path.
        wire: connections.
        credentials: who knows how to log in, and hears how that went.
    """

    def __init__(self, host: str, base: str, wire: Wire, credentials: CredentialSource) -> None:
        self._host = host
        self._base = base
        self._wire = wire
        self._credentials = credentials
        self._first: Challenge | None = None  # of end-1
        self._learned: Challenge | None = None  # of a 401; a request that met it was taken
        self._asked: Renewed[Challenge] = Renewed(f"challenge of {host}", self._ask)
        self._is_nobody = False
        # Tokens, or why there is none; until a 401 says that one is wanted all the same.
        self._tokens: dict[tuple[Challenge, tuple[str, ...]], Renewed[str] | MigrateError] = {}

    async def headers(
        self, scopes: tuple[str, ...], told: Challenge | None = None
    ) -> dict[str, str]:
        """Return the Authorization for these scopes; empty where the registry wants none.

        Args:
            scopes: what the request needs.
            told: the challenge that the same request was refused with.
        """
        _, login = await self.login(scopes, told)
        return login

    async def login(
        self, scopes: tuple[str, ...], told: Challenge | None
    ) -> tuple[Challenge | None, dict[str, str]]:
        """Return what `headers` does, and before it which challenge it meets; None: nothing."""
        if self._first is None:
            await self._asked.get()
        for challenge in self._challenges(told):
            login = await self._answer(challenge, scopes)
            if login:
                return challenge, login
        return None, {}

    def admission(self, scopes: tuple[str, ...], subject: str) -> Admission:
        """Return what gives one request its Authorization, and renews it where it is refused."""
        return Admission(self, scopes, subject)

    def challenged(self, header: str | None) -> None:
        """Take note of the challenge that the registry's end-1 gave; None asks for nothing."""
        self._first = Challenge.parse(header)

    def check_own(self, reply: Reply, subject: str) -> None:
        """Raise BAD_REPLY if a 401 is of a host that the registry redirects to."""
        if not self._wire.same_origin(self._base, reply.url):
            raise refused_elsewhere(reply, subject)

    @property
    def renewals(self) -> int:
        """How often new credentials are worth a try; nobody's are no better the next time."""
        return 1 if self._is_nobody else _RENEWALS_AT_MOST

    async def refused(
        self, header: str | None, sent: dict[str, str], scopes: tuple[str, ...]
    ) -> Challenge | None:
        """Take note of a 401: what was sent is worth nothing.

        Returns:
            The challenge to be met when the request is sent again; None if it gave none.

        Raises:
            MigrateError: TOKEN_EXPIRED if it was a password that cannot be renewed.
        """
        challenge = Challenge.parse(header)
        told = challenge if challenge.scheme else None
        scheme, _, text = sent.get("authorization", "").partition(" ")
        for one in self._challenges(told):
            held = self._tokens.get((one, scopes))
            if isinstance(held, MigrateError):
                del self._tokens[one, scopes]
            elif held and scheme == "Bearer":
                held.refused(text)
        if scheme == "Basic":
            await self._credentials.refused(sent)
        return told

    def learned(self, challenge: Challenge) -> None:
        """Take note that a request was taken once it met this: others need not be refused first."""
        self._learned = challenge

    def wrote(self, challenge: Challenge, scopes: tuple[str, ...]) -> None:
        """Take note that something was written with a token: it is good for what that shows.

        So it is until its end. The next one is for less alone, as if there had been none.
        """
        held = self._tokens.get((challenge, scopes))
        if not isinstance(held, Renewed):
            return
        for less in shown_by(scopes):
            if (challenge, less) not in self._tokens:
                own = self._unbought(challenge, less)
                own.begin_with(held)
                self._hold(challenge, less, own)

    def why_none(self, scopes: tuple[str, ...], told: Challenge | None) -> MigrateError | None:
        """Return why there is no token for these scopes, if one was asked for."""
        held = (self._tokens.get((one, scopes)) for one in self._challenges(told))
        return next((one for one in held if isinstance(one, MigrateError)), None)

    def _challenges(self, told: Challenge | None) -> tuple[Challenge, ...]:
        """Return what to meet, the likeliest first."""
        known = (told, self._learned, self._first)
        return tuple(dict.fromkeys(one for one in known if one))

    async def _ask(self) -> tuple[Challenge, float]:
        """Ask for the challenge; it stays what it is."""
        reply = await self._wire.request(  # OCI end-1
            "GET", f"{self._base}/v2/", ok={200, 401, 403, 404}, subject=self._host
        )
        own = self._wire.same_origin(self._base, reply.url)
        # Where a redirect led to has no say in where credentials are sent.
        self._first = Challenge.parse(reply.headers.get("www-authenticate") if own else None)
        return self._first, float("inf")

    async def _answer(self, challenge: Challenge, scopes: tuple[str, ...]) -> dict[str, str]:
        """Return the Authorization that meets a challenge; empty if there is none."""
        if challenge.scheme == "bearer":
            token = await self._token(challenge, scopes)
            return {"authorization": f"Bearer {token}"} if token else {}
        if challenge.scheme == "basic":
            return await self._basic(self._host)
        return {}

    async def _token(self, challenge: Challenge, scopes: tuple[str, ...]) -> str:
        """Return a token; empty where there is none, and the request may be taken without."""
        held = self._tokens.pop((challenge, scopes), None) or self._unbought(challenge, scopes)
        self._hold(challenge, scopes, held)
        if isinstance(held, MigrateError):
            return ""
        try:
            return await held.get()
        except MigrateError as error:
            if not self._may_do_without(challenge, error):
                raise
            why = MigrateError(error.problem, subject=error.subject, saw=error.saw)  # no traceback
            self._hold(challenge, scopes, why)
            return ""

    def _unbought(self, challenge: Challenge, scopes: tuple[str, ...]) -> Renewed[str]:
        return Renewed(f"token of {self._host}", lambda: self._fetch(challenge, scopes))

    def _hold(
        self, challenge: Challenge, scopes: tuple[str, ...], held: Renewed[str] | MigrateError
    ) -> None:
        """Keep a token as the last one that was used."""
        self._tokens[challenge, scopes] = held
        if len(self._tokens) > _TOKENS_AT_MOST:
            del self._tokens[next(iter(self._tokens))]

    def _may_do_without(self, challenge: Challenge, error: MigrateError) -> bool:
        """Whether a request may be taken though its token could not be had.

        Not where everybody is asked for one; nor while a service that has given some is down.
        """
        if challenge == self._first:
            return False
        return error.problem in _REFUSALS or (
            error.problem in _OUTAGES and challenge != self._learned
        )

    async def _fetch(self, challenge: Challenge, scopes: tuple[str, ...]) -> tuple[str, float]:
        """Get a token; an answer that is no JSON object may be one at the next try.

        Returns:
            The token, and for how many seconds it is good.
        """
        self._check_realm(challenge.realm)
        query = [("service", challenge.service)] if challenge.service else []
        query += [("scope", scope) for scope in scopes]
        separator = "&" if urlsplit(challenge.realm).query else "?"
        url = challenge.realm + (separator + urlencode(query) if query else "")
        subject = f"{self._host} ({', '.join(scopes)})"

        async def bought() -> tuple[str, float]:
            return _read_token(await self._bought(url, subject), subject)

        try:
            return await self._wire.persistently(bought, subject)
        except TransientError as error:
            raise error.final() from error

    async def _bought(self, url: str, subject: str) -> Reply:
        """Ask the token service; where it does not know us any more, once with new credentials."""
        sent = await self._basic(self._host)
        reply = await self._wire.request(
            "GET", url, headers=sent, ok={200, _UNAUTHORIZED}, subject=subject
        )
        if reply.status == _UNAUTHORIZED and not self._wire.same_origin(url, reply.url):
            raise refused_elsewhere(reply, subject)
        if reply.status == _UNAUTHORIZED and sent:
            await self._credentials.refused(sent)
            sent = await self._basic(self._host)
            reply = await self._wire.request("GET", url, headers=sent, ok={200}, subject=subject)
        if reply.status == _UNAUTHORIZED:
            raise problem_of(reply, subject)
        await self._credentials.accepted(sent)
        return reply

    async def _basic(self, host: str) -> dict[str, str]:
        found = await self._credentials.for_host(host)
        self._is_nobody = found is None
        if found is None:
            return {}
        user, secret = found
        pair = base64.b64encode(f"{user}:{secret.reveal()}".encode()).decode()
        return {"authorization": f"Basic {pair}"}

    def _check_realm(self, realm: str) -> None:
        """Raise unless credentials for this registry may be sent to the realm."""
        try:
            parts = urlsplit(joined(realm, "", self._host))
        except MigrateError as error:
            shown = without_secrets(realm.rpartition("@")[2])[:_SHOWN_AT_MOST]
            saw = f"the token realm of its challenge is no URL that can be asked: {shown!r}"
            raise MigrateError(BAD_REPLY, subject=self._host, saw=saw) from error
        own = self._wire.same_origin(self._base, realm)
        both_here = is_loopback(parts.netloc) and is_loopback(
            urlsplit(self._wire.endpoints.resolve(self._base)).netloc
        )
        if own or both_here:
            return
        google = not is_google_host(self._host) or is_google_host(parts.netloc)
        if parts.scheme != "https" or not parts.hostname or not google:
            saw = f"token realm {parts.scheme}://{parts.hostname or ''} is not the registry's"
            raise MigrateError(BAD_REPLY, subject=self._host, saw=saw)


class Admission:
    """The Authorization of one request, and other ones where it is refused: a few, if they differ.

    Args:
        authorizer: gives them.
        scopes: what the request needs.
        subject: what an error is about.
    """

    def __init__(self, authorizer: Authorizer, scopes: tuple[str, ...], subject: str) -> None:
        self._authorizer = authorizer
        self._scopes = scopes
        self._subject = subject
        self._sent: dict[str, str] = {}
        self._met: Challenge | None = None
        self._told: Challenge | None = None
        self._refused: list[dict[str, str]] = []

    async def headers(self) -> dict[str, str]:
        """Return what to send."""
        self._met, self._sent = await self._authorizer.login(self._scopes, self._told)
        return self._sent

    def accepted(self, *, wrote: bool = False) -> None:
        """Take note that what was sent was taken, and whether that wrote something."""
        if self._told and self._met:
            self._authorizer.learned(self._met)
        if wrote and self._met:
            self._authorizer.wrote(self._met, self._scopes)

    async def refused(self, reply: Reply) -> None:
        """Take note of a 401 to what was sent; the request can be sent again with new headers.

        Raises:
            MigrateError: UNAUTHORIZED where there is nothing new to send, or why no token could be
                had; TOKEN_EXPIRED as `Authorizer.refused` does; BAD_REPLY if another host gave the
                401.
        """
        self._authorizer.check_own(reply, self._subject)
        renewals = len(self._refused)
        if renewals >= self._authorizer.renewals or self._sent in self._refused:
            why = None if self._sent else self._authorizer.why_none(self._scopes, self._told)
            raise why or problem_of(reply, self._subject)
        self._refused.append(self._sent)
        header = reply.headers.get("www-authenticate")
        self._told = await self._authorizer.refused(header, self._sent, self._scopes)


def refused_elsewhere(reply: Reply, subject: str) -> MigrateError:
    """Return the error for a 401 of a host that was only redirected to: our login never got there.

    It says nothing about the login, so that it ends no more than what was asked for.
    """
    return MigrateError(BAD_REPLY, subject=subject, saw=elsewhere(reply))


def _read_token(reply: Reply, subject: str) -> tuple[str, float]:
    body = reply.json(subject)
    text = body.get("token") or body.get("access_token")
    if not isinstance(text, str):
        raise MigrateError(UNAUTHORIZED, subject=subject, saw="the token service gave no token")
    if not text.isascii() or not text.isprintable():
        saw = "the token of the token service has characters that no header may have"
        raise MigrateError(BAD_REPLY, subject=subject, saw=saw)
    life = body.get("expires_in")
    known = isinstance(life, (int, float)) and life > 0
    return text, float(min(life, _LONGEST_LIFE_S)) if known and life else _DEFAULT_LIFE_S
