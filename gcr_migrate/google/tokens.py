"""Access tokens: renewed ahead of their end, once for all who wait, or not to be renewed at all."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from gcr_migrate.errors import TOKEN_EXPIRED, MigrateError
from gcr_migrate.wire.renewed import Renewed

if TYPE_CHECKING:
    from gcr_migrate.wire.secret import Secret

_LONGEST_LIFE_S: Final = 86_400.0  # no access token of Google's lasts for longer


class AccessToken(Struct, frozen=True):
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
        self._token: Renewed[AccessToken] = Renewed(source.words, self._fetch)

    async def get(self) -> AccessToken:
        """Return the token, a new one in time."""
        return await self._token.get()

    def accepted(self, secret: Secret) -> None:
        """Take no note: whether it was good does not count where another can be had."""

    async def refused(self, secret: Secret) -> None:
        """Let the next use renew the token, unless that was done since it was sent."""
        token = self._token.had
        if token and token.secret == secret:
            self._token.refused(token)

    async def _fetch(self) -> tuple[AccessToken, float]:
        token = await self.source.fetch(fresh=self._token.had is not None)
        return token, token.left_s


class Given:
    """The token of a source that has only the one; it is read anew at each use.

    Whoever writes a new one there empties the file first, and a pipe gives its text only once:
    so where nothing usable stands now, the last one is kept.

    Args:
        source: where the token stands.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._good: set[Secret] = set()
        self._ends: dict[Secret, float] = {}
        self._last: AccessToken | None = None

    async def get(self) -> AccessToken:
        """Return the token as it stands there now."""
        try:
            self._last = token = await self.source.fetch(fresh=False)
        except MigrateError:
            if self._last is None:
                raise
            token = self._last
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


def end_of(life: object) -> float | None:
    """Return when a token ends that is said to last so many seconds; None if that is no time.

    Args:
        life: a number, or the text of one, as a service has it.
    """
    if isinstance(life, str) and re.fullmatch("[0-9]{1,9}", life):
        life = int(life)
    if isinstance(life, bool) or not isinstance(life, (int, float)) or not life >= 0:
        return None
    return time.time() + min(life, _LONGEST_LIFE_S)


def utc(moment: float) -> str:
    """Return a moment for people, such as `2026-11-26 08:00 UTC`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"


def hold(source: Source) -> Holder:
    """Return who keeps the tokens of a source."""
    return Renewing(source) if source.renewable else Given(source)
