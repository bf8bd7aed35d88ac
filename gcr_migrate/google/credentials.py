"""Who we are, for each host.

An access token is for Google's hosts only. Every other host gets what Docker's configuration
has for it, or nothing.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from msgspec import Struct

from gcr_migrate import logs
from gcr_migrate.errors import NO_CREDENTIALS, MigrateError
from gcr_migrate.google.docker import Docker
from gcr_migrate.google.finding import Finder
from gcr_migrate.google.sources import Impersonated
from gcr_migrate.google.tokens import Given, end_of
from gcr_migrate.model.caller import ANONYMOUS, Caller
from gcr_migrate.model.names import is_google_host
from gcr_migrate.wire.renewed import Renewed
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.google.tokens import Holder
    from gcr_migrate.model.login import Login
    from gcr_migrate.wire.transport import Wire

_TOKEN_USER: Final = "oauth2accesstoken"  # noqa: S105  # a user name
_TOKEN_INFO: Final = "https://oauth2.googleapis.com/tokeninfo"  # noqa: S105  # a URL
_TOKEN_INFO_S: Final = 5.0
_OK: Final = 200
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


class _TokenInfo(Struct, frozen=True):
    """What Google says of an access token."""

    account: str = ""
    expires_at: float | None = None


class _Found(Struct, frozen=True):
    """Who holds our token; None: we go anonymously."""

    holder: Holder | None


class Credentials:
    """The credentials of one side, looked for when they are first needed.

    Args:
        login: what a person said.
        environ: environment variables.
        wire: connections to Google; of no registry, so that no transfer keeps tokens waiting.
    """

    def __init__(self, login: Login, environ: Mapping[str, str], wire: Wire) -> None:
        self._docker = Docker(environ)
        self._finder = Finder(login, environ, wire, self._docker)
        self._wire = wire
        self._found: Renewed[_Found] = Renewed("credentials", self._find)
        self._infos: dict[Secret, _TokenInfo] = {}

    async def api_headers(self) -> dict[str, str]:
        """Return the header fields of an API call; none where we go anonymously."""
        holder = await self._held()
        if holder is None:
            return {}
        token = await holder.get()
        headers = {"authorization": f"Bearer {token.secret.reveal()}"}
        if project := self._finder.quota_project(holder.source):
            headers["x-goog-user-project"] = project
        return headers

    async def for_host(self, host: str) -> tuple[str, Secret] | None:
        """Return user and password for a registry host, None to go there anonymously."""
        token = None
        if is_google_host(host):
            holder = await self._held()
            if holder is not None and not self._finder.is_docker_s:
                return _TOKEN_USER, (await holder.get()).secret
            token = holder
        pair = await self._docker.pair(host)
        if pair is not None:
            return pair.user, pair.password
        # `docker login` at one of Google's hosts says who we are at all of them.
        return (_TOKEN_USER, (await token.get()).secret) if token else None

    async def accepted(self, sent: Mapping[str, str]) -> None:
        """Take note that a service took these header fields."""
        found, secret = self._found.had, _secret_of(sent)
        if found and found.holder and secret:
            found.holder.accepted(secret)

    async def refused(self, sent: Mapping[str, str]) -> None:
        """Take note that a service answered 401 to these header fields; the next ones are new.

        Raises:
            MigrateError: TOKEN_EXPIRED where no new ones can be had and these had been good;
                NO_CREDENTIALS where there are none at all.
        """
        found, secret = self._found.had, _secret_of(sent)
        if secret is None and found and found.holder is None:
            saw = "a service of Google's asks for a login"
            raise MigrateError(NO_CREDENTIALS, subject="anonymous call", saw=saw)
        self._docker.forget()
        if found and found.holder and secret:
            await found.holder.refused(secret)

    async def caller(self) -> Caller:
        """Return whose credentials were found, and how long they last.

        Raises:
            MigrateError: no token can be had with them.
        """
        holder = await self._held()
        if holder is None:
            return ANONYMOUS
        source, root = holder.source, _root(holder)
        token = await root.get()
        await holder.get()  # who may not act as an account learns it now
        account, expires_at = await source.account(), token.expires_at
        if isinstance(root, Given) or not account:
            info = await self._token_info(token.secret)
            account, expires_at = account or info.account, expires_at or info.expires_at
            if isinstance(root, Given) and info.expires_at is not None:
                root.learn(token.secret, info.expires_at)
        return Caller(source.words, account, root.source.renewable, expires_at)

    async def close(self) -> None:
        """Close what was opened to get tokens."""
        await self._finder.close()

    async def _held(self) -> Holder | None:
        return (await self._found.get()).holder

    async def _find(self) -> tuple[_Found, float]:
        """Look for the holder, once for all who wait and for as long as we live."""
        return _Found(await self._finder.find()), float("inf")

    async def _token_info(self, secret: Secret) -> _TokenInfo:
        """Ask Google about a token, once; that nobody knows is fine."""
        if secret not in self._infos:
            self._infos[secret] = await self._asked(secret)
        return self._infos[secret]

    async def _asked(self, secret: Secret) -> _TokenInfo:
        body = urlencode({"access_token": secret.reveal()}).encode()
        quick = self._wire.beside(backoff=Backoff(tries=1))
        try:
            async with quick, asyncio.timeout(_TOKEN_INFO_S):
                reply = await quick.request(
                    "POST", _TOKEN_INFO, ok={_OK, 400}, headers=_FORM, body=body
                )
                about = reply.json(_TOKEN_INFO) if reply.status == _OK else {}
        except (MigrateError, TimeoutError) as error:
            logs.debug("token.not-described", saw=str(error))
            return _TokenInfo()
        email = about.get("email")
        return _TokenInfo(email if isinstance(email, str) else "", end_of(about.get("expires_in")))


def _root(holder: Holder) -> Holder:
    """Return who holds the login without which no other token can be had."""
    while isinstance(holder.source, Impersonated):
        holder = holder.source.base
    return holder


def _secret_of(sent: Mapping[str, str]) -> Secret | None:
    """Return the token or password that header fields carry."""
    scheme, _, value = sent.get("authorization", "").partition(" ")
    if scheme == "Basic":
        value = base64.b64decode(value).decode().partition(":")[2]
    return Secret(value) if value else None
