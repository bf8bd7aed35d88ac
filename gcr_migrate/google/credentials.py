"""Who we are, for each host.

An access token is for Google's hosts only. Every other host gets what Docker's configuration
has for it, or nothing.
"""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import BAD_CREDENTIALS, MigrateError
from gcr_migrate.model.names import is_google_host
from gcr_migrate.wire.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN_VARIABLE: Final = "GCR_MIGRATE_ACCESS_TOKEN"  # noqa: S105  # the name of a variable
_TOKEN_USER: Final = "oauth2accesstoken"  # noqa: S105  # a user name
_IDENTITY_USER: Final = "<token>"
_HELPER_S: Final = 30.0
_NOT_FOUND: Final = "credentials not found"


class Credentials:
    """Finds credentials when they are needed, so that a renewed file counts at once.

    Args:
        environ: environment variables.
        token_file: file with one access token.
    """

    def __init__(self, environ: Mapping[str, str], token_file: Path | None = None) -> None:
        self._environ = environ
        self._token_file = token_file

    async def access_token(self) -> Secret | None:
        """Return the explicit access token: of the file, else of the environment."""
        if self._token_file is not None:
            return _token(_read(self._token_file), str(self._token_file))
        text = self._environ.get(TOKEN_VARIABLE)
        return _token(text, TOKEN_VARIABLE) if text else None

    async def for_host(self, host: str) -> tuple[str, Secret] | None:
        """Return user and password for a registry host, None to go there anonymously."""
        if is_google_host(host):
            token = await self.access_token()
            if token is not None:
                return _TOKEN_USER, token
        return await self._from_docker(host)

    async def _from_docker(self, host: str) -> tuple[str, Secret] | None:
        path = self._docker_config()
        if path is None or not path.is_file():
            return None
        config = _object(_read(path), str(path))
        helpers = config.get("credHelpers")
        helper = helpers.get(host) if isinstance(helpers, dict) else None
        helper = helper or config.get("credsStore")
        if isinstance(helper, str) and helper:
            found = await self._ask_helper(helper, host)
            if found is not None:
                return found
        auths = config.get("auths")
        entry = None
        if isinstance(auths, dict):
            keys = (host, f"https://{host}", f"http://{host}", f"https://{host}/v2/")
            entry = next((auths[key] for key in keys if key in auths), None)
        return _written(entry, f"{path}: auths of {host}") if isinstance(entry, dict) else None

    def _docker_config(self) -> Path | None:
        folder = self._environ.get("DOCKER_CONFIG")
        if folder:
            return Path(folder) / "config.json"
        home = self._environ.get("HOME")
        return Path(home) / ".docker" / "config.json" if home else None

    async def _ask_helper(self, helper: str, host: str) -> tuple[str, Secret] | None:
        """Run a Docker credential helper; it tells its errors on stdout."""
        program = f"docker-credential-{helper}"
        subject = f"{program} for {host}"
        if "/" in helper:
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw="a helper is a bare name")
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                "get",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=dict(self._environ),
            )
        except OSError as error:
            saw = error.strerror or type(error).__name__
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=saw) from error
        try:
            async with asyncio.timeout(_HELPER_S):
                output, _ = await process.communicate(host.encode())
        except TimeoutError as error:
            process.kill()
            await process.wait()
            saw = f"no answer within {_HELPER_S:.0f} s"
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=saw) from error
        text = output.decode("utf-8", "replace").strip()
        if process.returncode:
            if _NOT_FOUND in text:
                return None
            words = text.splitlines()[0][:200] if text else f"exit {process.returncode}"
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=words)
        return _helped(_object(text, subject), subject)


def _token(text: str, subject: str) -> Secret:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise MigrateError(BAD_CREDENTIALS, subject=subject, saw="not one line with a token")
    return Secret(token)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise MigrateError(BAD_CREDENTIALS, subject=str(path), saw="not UTF-8") from error
    except OSError as error:
        saw = error.strerror or type(error).__name__
        raise MigrateError(BAD_CREDENTIALS, subject=str(path), saw=saw) from error


def _object(text: str, subject: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):  # the text itself may be secret: it is not shown
        raise MigrateError(BAD_CREDENTIALS, subject=subject, saw="not a JSON object")
    return value


def _helped(answer: dict[str, Any], subject: str) -> tuple[str, Secret]:
    user, secret = answer.get("Username"), answer.get("Secret")
    if not isinstance(user, str) or not isinstance(secret, str):
        raise MigrateError(BAD_CREDENTIALS, subject=subject, saw="no Username and Secret")
    return _usable(user, secret, subject)


def _written(entry: dict[str, Any], subject: str) -> tuple[str, Secret] | None:
    if entry.get("identitytoken"):
        return _usable(_IDENTITY_USER, "", subject)
    auth = entry.get("auth")
    if isinstance(auth, str) and auth:
        try:
            pair = base64.b64decode(auth).decode("utf-8")
        except ValueError:
            pair = ""
        user, colon, password = pair.partition(":")
        if not colon:
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw="`auth` is not base64")
        return _usable(user, password, subject)
    name, secret = entry.get("username"), entry.get("password")
    if isinstance(name, str) and isinstance(secret, str):
        return _usable(name, secret, subject)
    return None


def _usable(user: str, password: str, subject: str) -> tuple[str, Secret]:
    if user == _IDENTITY_USER:
        saw = "an identity token, which this tool cannot exchange; log in with a password"
        raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=saw)
    return user, Secret(password)
