"""Access tokens: renewed ahead of their end, once for all who wait, or not to be renewed at all."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from gcr_migrate.errors import TOKEN_EXPIRED, MigrateError

if TYPE_CHECKING:
    from gcr_migrate.wire.secret import Secret

EARLY_S: Final = 300.0
_EARLY_PART: Final = 0.1
_AGAIN_S: Final = 10.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token.

    Attributes:
        secret: its text.
        expires_at: when it ends, in seconds since 1970; None if unknown.
    """

    secret: Secret
    expires_at: float | None = None

    @property
    def left_s(self) -> float:
        """Seconds for which it is still good; without end if that is unknown."""
        return float("inf") if self.expires_at is None else self.expires_at - time.time()


class Source(Protocol):
    """Where access tokens come from."""

    @property
    def words(self) -> str:
        """What it is and where it was found, to be shown; never a secret."""
        ...

    @property
    def renewable(self) -> bool:
        """Whether it can give a new token when one ends."""
        ...

    @property
    def quota_project(self) -> str:
        """Project that it names for quota and bills; empty if it names none."""
        ...

    async def fetch(self, *, fresh: bool) -> AccessToken:
        """Return a token; `fresh` asks for another one than it gave before."""
        ...

    async def account(self) -> str:
        """Whose tokens they are, empty if it does not say."""
        ...


class Holder(Protocol):
    """Who keeps the token of a source while it is good."""

    @property
    def source(self) -> Source:
        """Where the tokens come from."""
        ...

    async def get(self) -> AccessToken:
        """Return a token that is good as far as is known."""
        ...

    def accepted(self, secret: Secret) -> None:
        """Take note that a service took this token."""
        ...

    async def refused(self, secret: Secret) -> None:
        """Take note that a service refused this token.

        Raises:
            MigrateError: TOKEN_EXPIRED if it was good once and there is no other.
        """
        ...


class Renewing:
    """The token of a source that gives new ones.

    Args:
        source: where tokens come from.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._token: AccessToken | None = None
        self._renew_at = 0.0
        self._is_refused = False
        self._lock = asyncio.Lock()

    async def get(self) -> AccessToken:
        """Return the token, a new one in time; one asks, all who wait take what it got."""
        async with self._lock:
            if self._token is None or time.time() >= self._renew_at:
                self._token = await self._renewed(self._token)
            return self._token

    def accepted(self, secret: Secret) -> None:
        """Take no note: whether it was good does not count where another can be had."""

    async def refused(self, secret: Secret) -> None:
        """Let the next use renew the token, unless that was done since it was sent."""
        async with self._lock:
            if self._token and self._token.secret == secret:
                self._renew_at, self._is_refused = 0.0, True

    async def _renewed(self, old: AccessToken | None) -> AccessToken:
        try:
            token = await self.source.fetch(fresh=old is not None)
        except MigrateError as error:
            if old is None or self._is_refused or old.left_s <= 0:
                raise
            # It is still good: whoever gives new ones has some time to come back.
            _log.warning("token.not-renewed", source=self.source.words, saw=error.saw)
            self._renew_at = time.time() + min(_AGAIN_S, old.left_s)
            return old
        self._is_refused = False
        self._renew_at = time.time() + token.left_s - min(EARLY_S, token.left_s * _EARLY_PART)
        return token


class Given:
    """The token of a source that has only the one; it is read anew at each use.

    Args:
        source: where the token stands.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._good: set[Secret] = set()
        self._ends: dict[Secret, float] = {}

    async def get(self) -> AccessToken:
        """Return the token as it stands there now."""
        token = await self.source.fetch(fresh=False)
        return AccessToken(token.secret, self._ends.get(token.secret, token.expires_at))

    def learn(self, secret: Secret, expires_at: float) -> None:
        """Take note when a token ends, as its issuer says."""
        self._ends[secret] = expires_at

    def accepted(self, secret: Secret) -> None:
        """Take note that the token was good."""
        self._good.add(secret)

    async def refused(self, secret: Secret) -> None:
        """Raise TOKEN_EXPIRED if it ended or was good once, and no other stands in its place."""
        token = await self.get()
        has_ended = token.expires_at is not None and token.left_s <= 0
        if token.secret != secret or not (has_ended or secret in self._good):
            return
        saw = "it was accepted before, and is refused now"
        if has_ended and token.expires_at is not None:
            saw = f"it ended at {utc(token.expires_at)}"
        raise MigrateError(TOKEN_EXPIRED, subject=self.source.words, saw=saw)


def utc(moment: float) -> str:
    """Return a moment for people, such as `2026-11-26 08:00 UTC`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"


def hold(source: Source) -> Holder:
    """Return who keeps the tokens of a source."""
    return Renewing(source) if source.renewable else Given(source)
