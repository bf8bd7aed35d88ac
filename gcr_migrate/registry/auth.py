"""Challenges, and the tokens that answer them."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from gcr_migrate.errors import BAD_REPLY, UNAUTHORIZED, MigrateError
from gcr_migrate.model.names import is_google_host, is_loopback
from gcr_migrate.wire.replies import joined, problem_of

if TYPE_CHECKING:
    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.secret import CredentialSource
    from gcr_migrate.wire.transport import Wire

_DEFAULT_LIFE_S: Final = 60.0
_LONGEST_LIFE_S: Final = 86_400.0
_EARLY_S: Final = 300.0
_EARLY_PART: Final = 0.1
_UNAUTHORIZED: Final = 401
_PARAMETER: Final = re.compile(r'([a-zA-Z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
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


@dataclass(slots=True)
class _Token:
    """A token, when to renew it, and the lock under which one waiter does."""

    text: str = field(default="", repr=False)
    renew_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Authorizer:
    """Gives requests to one registry their Authorization.

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
        self._challenge: Challenge | None = None
        self._asking = asyncio.Lock()
        self._tokens: dict[tuple[str, str, tuple[str, ...]], _Token] = {}

    async def headers(self, scopes: tuple[str, ...]) -> dict[str, str]:
        """Return the Authorization for these scopes; empty where the registry wants none."""
        challenge = await self._known_challenge()
        if challenge.scheme == "bearer":
            token = await self._token(challenge, scopes)
            return {"authorization": f"Bearer {token}"} if token else {}
        if challenge.scheme == "basic":
            return await self._basic(self._host)
        return {}

    async def refused(
        self, header: str | None, sent: dict[str, str], scopes: tuple[str, ...]
    ) -> None:
        """Take note of a 401: of its challenge, and that what was sent is worth nothing.

        Raises:
            MigrateError: TOKEN_EXPIRED if it was a password that cannot be renewed.
        """
        challenge = Challenge.parse(header)
        if challenge.scheme:
            self._challenge = challenge
        old = self._challenge or challenge
        held = self._tokens.get((old.realm, old.service, scopes))
        # Another waiter may have renewed it since this request was sent: then keep it.
        if held and sent.get("authorization") == f"Bearer {held.text}":
            held.renew_at = 0.0
        if sent.get("authorization", "").startswith("Basic "):
            await self._credentials.refused(sent)

    async def _known_challenge(self) -> Challenge:
        async with self._asking:
            if self._challenge is None:
                reply = await self._wire.request(  # OCI end-1
                    "GET", f"{self._base}/v2/", ok={200, 401, 403, 404}, subject=self._host
                )
                self._challenge = Challenge.parse(reply.headers.get("www-authenticate"))
        return self._challenge

    async def _token(self, challenge: Challenge, scopes: tuple[str, ...]) -> str:
        token = self._tokens.setdefault((challenge.realm, challenge.service, scopes), _Token())
        async with token.lock:  # one asks, all who wait take what it got
            if time.monotonic() >= token.renew_at:
                await self._renew(token, challenge, scopes)
            return token.text

    async def _renew(self, token: _Token, challenge: Challenge, scopes: tuple[str, ...]) -> None:
        self._check_realm(challenge.realm)
        query = [("service", challenge.service)] if challenge.service else []
        query += [("scope", scope) for scope in scopes]
        separator = "&" if urlsplit(challenge.realm).query else "?"
        url = challenge.realm + (separator + urlencode(query) if query else "")
        subject = f"{self._host} ({', '.join(scopes)})"
        asked_at = time.monotonic()
        reply = await self._bought(url, subject)
        token.text, life_s = _read_token(reply, subject)
        token.renew_at = asked_at + life_s - min(_EARLY_S, life_s * _EARLY_PART)

    async def _bought(self, url: str, subject: str) -> Reply:
        """Ask the token service; where it does not know us any more, once with new credentials."""
        sent = await self._basic(self._host)
        reply = await self._wire.request(
            "GET", url, headers=sent, ok={200, _UNAUTHORIZED}, subject=subject
        )
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
        if found is None:
            return {}
        user, secret = found
        pair = base64.b64encode(f"{user}:{secret.reveal()}".encode()).decode()
        return {"authorization": f"Basic {pair}"}

    def _check_realm(self, realm: str) -> None:
        """Raise unless credentials for this registry may be sent to the realm."""
        parts = urlsplit(joined(realm, "", self._host))
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


def _read_token(reply: Reply, subject: str) -> tuple[str, float]:
    body = reply.json(subject)
    text = body.get("token") or body.get("access_token")
    if not isinstance(text, str) or not text.isprintable():
        raise MigrateError(UNAUTHORIZED, subject=subject, saw="the token service gave no token")
    life = body.get("expires_in")
    known = isinstance(life, (int, float)) and life > 0
    return text, float(min(life, _LONGEST_LIFE_S)) if known and life else _DEFAULT_LIFE_S
