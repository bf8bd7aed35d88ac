"""Credential files of Google's kinds, through google-auth over the wire.

`google.auth.default` is not used: it would run gcloud, ask the metadata server several times and
speak HTTP past the wire.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from gcr_migrate.errors import BAD_CREDENTIALS, MigrateError
from gcr_migrate.google.bridge import AuthResponse, AuthTransport, Bridge
from gcr_migrate.google.tokens import AccessToken
from gcr_migrate.model.names import is_google_host, is_loopback
from gcr_migrate.tasks import in_a_thread
from gcr_migrate.wire.secret import Secret, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gcr_migrate.wire.transport import Wire

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
IMPERSONATED: Final = "impersonated_service_account"
_UNIVERSE: Final = "googleapis.com"
_OLD_TOKEN_HOST: Final = "accounts.google.com"  # noqa: S105  # a host; keys made long ago name it
_URLS: Final = (
    "token_uri",
    "token_url",
    "token_info_url",
    "revoke_url",
    "service_account_impersonation_url",
)
_AWS: Final = "urn:ietf:params:aws:token-type:aws4_request"
# What the library makes of values that it does not expect.
_ODD: Final = (ValueError, TypeError, AttributeError, KeyError, OSError, RecursionError)
_DOMAIN: Final = re.compile(r"[a-z0-9.-]{1,100}")
_OBJECTS: Final = frozenset(
    {
        "credential_source",
        "executable",
        "format",
        "headers",
        "service_account_impersonation",
        "source_credentials",
    }
)
_TEXTS: Final = frozenset(
    {
        "audience",
        "client_email",
        "client_id",
        "client_secret",
        "command",
        "environment_id",
        "expiry",
        "file",
        "imdsv2_session_token_url",
        "private_key",
        "quota_project_id",
        "refresh_token",
        "region_url",
        "regional_cred_verification_url",
        "subject_token_type",
        "type",
        "universe_domain",
        "url",
        *_URLS,
    }
)


class CredentialFile:
    """Tokens by a file that google-auth understands.

    Args:
        words: what it is and where it was found.
        info: the file's object.
        wire: connections to Google.
        outside: connections to the servers that the file names as its own source of identity.

    Raises:
        MigrateError: BAD_CREDENTIALS if it is of no known kind, or would send secrets elsewhere.
    """

    renewable = True

    def __init__(self, words: str, info: dict[str, Any], wire: Wire, outside: Wire) -> None:
        self.words = words
        check_file(info, words)
        info = {key: value for key, value in info.items() if value is not None}
        self.quota_project = info.get("quota_project_id") or ""
        self._info = info
        self._wire, self._outside = wire, outside
        self._credentials = _loaded(info, words)
        self._hosts = frozenset(_hosts(info.get("credential_source")))
        self._transport: _Transport | None = None

    async def fetch(self, *, fresh: bool) -> AccessToken:  # noqa: ARG002  # it is always another
        """Let google-auth get a token, in a thread."""
        loop = asyncio.get_running_loop()
        if self._transport is None:
            for host in self._hosts:
                self._outside.allow_plain(host)  # such as the metadata server of another cloud
            bridges = Bridge(self._wire, loop), Bridge(self._outside, loop)
            self._transport = _Transport(*bridges, self._hosts, self.words)
        transport = self._transport
        await in_a_thread(lambda: self._refresh(transport))
        token, expiry = self._credentials.token, self._credentials.expiry
        if not isinstance(token, str) or not token:
            raise MigrateError(BAD_CREDENTIALS, subject=self.words, saw="no token was given")
        ends = expiry.replace(tzinfo=UTC).timestamp() if expiry else None
        return AccessToken(Secret(token), ends)

    def _refresh(self, transport: _Transport) -> None:
        from google.auth import exceptions  # noqa: PLC0415  # slow, and seldom needed

        try:
            self._credentials.refresh(transport)
        except exceptions.GoogleAuthError as error:
            raise MigrateError(BAD_CREDENTIALS, subject=self.words, saw=_why(error)) from error
        except _ODD as error:  # their texts may quote the file, or what it names
            saw = f"the library made {type(error).__name__} of it"
            raise MigrateError(BAD_CREDENTIALS, subject=self.words, saw=saw) from error

    async def account(self) -> str:
        """Return the account that the file names."""
        named = getattr(self._credentials, "service_account_email", None)
        return str(named or self._info.get("account") or "")

    def close(self) -> None:
        """Let the thread end that waits for the wire."""
        if self._transport:
            self._transport.close()


class _Transport:
    """Sends what is for the outside there, and everything else to Google."""

    def __init__(
        self, google_s: Bridge, outside: Bridge, hosts: frozenset[str], subject: str
    ) -> None:
        self._bridges, self._hosts = (google_s, outside), hosts
        self._google, self._outside = (AuthTransport(one, subject) for one in self._bridges)

    def close(self) -> None:
        for bridge in self._bridges:
            bridge.close()

    def __call__(self, url: str, *args: Any, **kwargs: Any) -> AuthResponse:
        is_outside = urlsplit(url).netloc in self._hosts
        return (self._outside if is_outside else self._google)(url, *args, **kwargs)


def check_file(info: dict[str, Any], words: str) -> None:
    """Raise BAD_CREDENTIALS if a file would send what proves who we are to a stranger.

    Also if its values are not of the kind that they have to be: the library would show them.
    """
    _check_shape(info, words)
    universe = info.get("universe_domain") or _UNIVERSE
    if universe != _UNIVERSE:
        shown = universe if _DOMAIN.fullmatch(universe) else "is no domain and"
        saw = f"universe_domain {shown} is not {_UNIVERSE}"
        raise MigrateError(BAD_CREDENTIALS, subject=words, saw=saw)
    for key in _URLS:
        url = info.get(key)
        if not url:
            continue
        scheme, netloc = _where(url)
        google_s = is_google_host(netloc) or netloc == _OLD_TOKEN_HOST
        if not (is_loopback(netloc) or (scheme == "https" and google_s)):
            at = f"{scheme}://{netloc.rpartition('@')[2]}" if netloc else "no host"
            saw = f"{key} is at {at}, which is not Google's"
            raise MigrateError(BAD_CREDENTIALS, subject=words, saw=saw)


def _check_shape(part: dict[str, Any], words: str) -> None:
    for key, value in part.items():
        expected: type = dict if key in _OBJECTS else str if key in _TEXTS else object
        if value is not None and not isinstance(value, expected):
            kind = "an object" if expected is dict else "a text"
            raise MigrateError(BAD_CREDENTIALS, subject=words, saw=f"`{key}` is not {kind}")
        if expected is dict and isinstance(value, dict):
            _check_shape(value, words)


def _where(url: str) -> tuple[str, str]:
    """Return scheme and host with port of a URL; neither if it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc


def _loaded(info: dict[str, Any], words: str) -> Any:
    from google.auth import exceptions  # noqa: PLC0415  # as above

    kind = info.get("type")
    kinds: dict[str, Callable[[dict[str, Any]], Any]] = {
        "service_account": _service_account,
        "authorized_user": _authorized_user,
        "external_account": _external_account,
        "external_account_authorized_user": _external_user,
    }
    if kind not in kinds:
        known = ", ".join([*kinds, IMPERSONATED])
        saw = f"its type is none of {known}"
        raise MigrateError(BAD_CREDENTIALS, subject=words, saw=saw)
    try:
        return kinds[kind](info)
    except exceptions.GoogleAuthError as error:
        raise MigrateError(BAD_CREDENTIALS, subject=words, saw=_why(error)) from error
    except _ODD as error:  # their texts may quote the file
        saw = f"not a usable {kind} file"
        raise MigrateError(BAD_CREDENTIALS, subject=words, saw=saw) from error


def _service_account(info: dict[str, Any]) -> Any:
    from google.oauth2 import service_account  # noqa: PLC0415  # as above

    kind: Any = service_account.Credentials  # the library has no types
    return kind.from_service_account_info(info, scopes=[SCOPE])


def _authorized_user(info: dict[str, Any]) -> Any:
    from google.oauth2 import credentials  # noqa: PLC0415  # as above

    kind: Any = credentials.Credentials
    return kind.from_authorized_user_info(info)


def _external_account(info: dict[str, Any]) -> Any:
    from google.auth import aws, identity_pool, pluggable  # noqa: PLC0415  # as above

    source = info.get("credential_source") or {}
    if source.get("certificate"):
        raise ValueError("a certificate as its source needs a transport that can present one")
    kind: Any = identity_pool.Credentials
    if info.get("subject_token_type") == _AWS:
        kind = aws.Credentials
    elif source.get("executable"):
        kind = pluggable.Credentials
    return kind.from_info(info, scopes=[SCOPE])


def _external_user(info: dict[str, Any]) -> Any:
    from google.auth import external_account_authorized_user  # noqa: PLC0415  # as above

    kind: Any = external_account_authorized_user.Credentials
    return kind.from_info(info)


def _hosts(source: object) -> Iterator[str]:
    """Go through the hosts of all URLs in a `credential_source`."""
    values = source.values() if isinstance(source, dict) else ()
    for value in values:
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            yield _where(value)[1]


def _why(error: Exception) -> str:
    """Return the library's words, without what a program of the file said."""
    first = error.args[0] if error.args and isinstance(error.args[0], str) else ""
    words = without_secrets(" ".join(first.partition(". Error:")[0].split()))[:200]
    return words or type(error).__name__
