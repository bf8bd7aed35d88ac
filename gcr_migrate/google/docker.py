"""Docker's configuration, and the helpers that it names."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from gcr_migrate.errors import BAD_CREDENTIALS, MigrateError
from gcr_migrate.google.files import object_of, text_of
from gcr_migrate.google.programs import ask
from gcr_migrate.model.names import is_google_host
from gcr_migrate.wire.secret import Secret, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

# Users of Google's registries whose password is an access token, or a service account's key.
TOKEN_USERS: Final = frozenset({"oauth2accesstoken", "_token", "_dcgcloud_token"})
KEY_USER: Final = "_json_key"
KEY_USER_BASE64: Final = "_json_key_base64"
_IDENTITY_USER: Final = "<token>"
_NOT_FOUND: Final = "credentials not found"
_KEPT_S: Final = 300.0  # Google's helper gives tokens that last 55 minutes at least


class Pair(Struct, frozen=True):
    """User and password of a registry.

    Attributes:
        user: the user.
        password: the password.
        words: where it was found.
        is_helped: whether a helper gave it, which may give a new one.
    """

    user: str
    password: Secret
    words: str
    is_helped: bool


class Docker:
    """Docker's configuration; it is read at each use, so that a new log-in counts at once.

    Args:
        environ: environment variables.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._one_at_a_time = asyncio.Lock()
        self._helped: dict[tuple[str, str], tuple[Pair | None, float]] = {}

    async def pair(self, host: str) -> Pair | None:
        """Return user and password for a host: of its helper, the store, or as written."""
        path, config = self._config()
        helpers = config.get("credHelpers")
        helper = helpers.get(host) if isinstance(helpers, dict) else None
        helper = helper or config.get("credsStore")
        if isinstance(helper, str) and helper:
            found = await self._ask_once(helper, host)
            if found is not None:
                return found
        auths = config.get("auths")
        entry = None
        if isinstance(auths, dict):
            keys = (host, f"https://{host}", f"http://{host}", f"https://{host}/v2/")
            entry = next((auths[key] for key in keys if key in auths), None)
        return _written(entry, f"{path}: auths of {host}") if isinstance(entry, dict) else None

    def google_hosts(self) -> list[str]:
        """Return those of Google's hosts for which the configuration has something."""
        _, config = self._config()
        named = [config.get(key) for key in ("credHelpers", "auths")]
        keys = [key for part in named if isinstance(part, dict) for key in part]
        hosts = [key.removeprefix("https://").partition("/")[0] for key in keys]
        return sorted({host for host in hosts if is_google_host(host)})

    def forget(self) -> None:
        """Ask the helpers again: what they gave is not accepted."""
        self._helped.clear()

    def _config(self) -> tuple[Path | None, dict[str, Any]]:
        path = self._path()
        if path is None or not path.is_file():
            return path, {}
        return path, object_of(text_of(path), str(path))

    def _path(self) -> Path | None:
        folder = self._environ.get("DOCKER_CONFIG")
        if folder:
            return Path(folder) / "config.json"
        home = self._environ.get("HOME")
        return Path(home) / ".docker" / "config.json" if home else None

    async def _ask_once(self, helper: str, host: str) -> Pair | None:
        """Ask one helper at a time, and not again at once: some fail when they run in parallel."""
        async with self._one_at_a_time:
            kept, until = self._helped.get((helper, host), (None, 0.0))
            if time.monotonic() < until:
                return kept
            found = await self._ask(helper, host)
            self._helped[helper, host] = found, time.monotonic() + _KEPT_S
            return found

    async def _ask(self, helper: str, host: str) -> Pair | None:
        """Run a Docker credential helper; it tells its errors on stdout."""
        program = f"docker-credential-{helper}"
        subject = f"{program} for {host}"
        if "/" in helper:
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw="a helper is a bare name")
        answer = await ask([program, "get"], self._environ, host)
        if answer is None:
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw="no such program")
        if answer.code:
            if _NOT_FOUND in answer.out:
                return None
            words = without_secrets(answer.out).partition("\n")[0][:200]
            saw = words or f"exit {answer.code}"
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=saw)
        body = object_of(answer.out, subject)
        user, secret = body.get("Username"), body.get("Secret")
        if not isinstance(user, str) or not isinstance(secret, str):
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw="no Username and Secret")
        return _usable(Pair(user, Secret(secret), subject, is_helped=True))


def key_text(pair: Pair) -> str | None:
    """Return the service account key that a password is; None if it is none."""
    if pair.user == KEY_USER:
        return pair.password.reveal()
    if pair.user != KEY_USER_BASE64:
        return None
    try:
        return base64.b64decode(pair.password.reveal(), validate=True).decode("utf-8")
    except ValueError as error:
        saw = "the password is not base64"
        raise MigrateError(BAD_CREDENTIALS, subject=pair.words, saw=saw) from error


def _written(entry: dict[str, Any], words: str) -> Pair | None:
    if entry.get("identitytoken"):
        return _usable(Pair(_IDENTITY_USER, Secret(""), words, is_helped=False))
    auth = entry.get("auth")
    if isinstance(auth, str) and auth:
        try:
            pair = base64.b64decode(auth).decode("utf-8")
        except ValueError:
            pair = ""
        user, colon, password = pair.partition(":")
        if not colon:
            raise MigrateError(BAD_CREDENTIALS, subject=words, saw="`auth` is not base64")
        return _usable(Pair(user, Secret(password), words, is_helped=False))
    name, secret = entry.get("username"), entry.get("password")
    if isinstance(name, str) and isinstance(secret, str):
        return _usable(Pair(name, Secret(secret), words, is_helped=False))
    return None


def _usable(pair: Pair) -> Pair:
    if pair.user == _IDENTITY_USER:
        saw = "an identity token, which this tool cannot exchange; log in with a password"
        raise MigrateError(BAD_CREDENTIALS, subject=pair.words, saw=saw)
    return pair
