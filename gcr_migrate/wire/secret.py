"""Texts that must not be seen."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote_plus, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.interfaces import Feed


_NAMES: Final = "sig|token|credential|key|secret|password"  # what is in those of secrets
_SECRET_NAME: Final = re.compile(f"(?i)auth|{_NAMES}|assertion|state")
_SHORTEST: Final = 6  # what is shorter is a part of many words
# Services and programs may repeat what they were sent, or give what they should keep.
_SECRETS: Final = (
    re.compile(rf"(?i)([?&][^=\s&]*(?:{_NAMES})[^=\s&]*=)[^\s&\"']+"),
    # Of an upload: who has it can go on with that.
    re.compile(r"(?i)([?&](?:amp;)?_?state=)[^\s&\"']+"),
    re.compile(
        r"(?i)(\\?[\"'](?:\w*(?:token|secret|password)|private_key|auth)\\?[\"']\s*:\s*\\?[\"'])"
        r"[^\"']*"
    ),
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)(?=\S*[0-9=])[\w.~+/=-]{8,}"),
    re.compile(r"(\bya29\.|\b1//|\beyJ)[\w.~+/=-]{8,}"),
    re.compile(r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*"),
)


def without_secrets(text: str) -> str:
    """Return what somebody else said, without what looks like a token, key or password."""
    for one in _SECRETS:
        text = one.sub(r"\1…", text)
    return text


def secrets_of(
    headers: Mapping[str, str],
    url: str,
    body: bytes | Feed | None = None,
    *,
    is_redirect: bool = False,
) -> tuple[str, ...]:
    """Return what of a request must not be shown where its answer repeats it, the longest first.

    What is a secret goes by the name of a field, of the header, a query or a form.

    Args:
        headers: fields that were sent.
        url: that was asked for.
        body: that was sent; of a form, what is named as a secret counts.
        is_redirect: somebody redirected to the URL, by a query which may be signed in any way.
    """
    texts: set[str] = set()
    for name, value in headers.items():
        if _SECRET_NAME.search(name):
            login = value.partition(" ")[2]
            texts |= {value, login, _password(login)}
    form = body if isinstance(body, bytes) and body.isascii() and b"=" in body[:200] else b""
    for field in [*urlsplit(url).query.split("&"), *form.decode().split("&")]:
        name, _, value = field.partition("=")
        if is_redirect or _SECRET_NAME.search(name):
            texts |= {value, unquote_plus(value)}
    return tuple(sorted((one for one in texts if len(one) >= _SHORTEST), key=len, reverse=True))


def without(text: str, secrets: Iterable[str]) -> str:
    """Return what somebody else said, without these texts, and what looks like a secret."""
    for one in secrets:
        text = text.replace(one, "…")
    return without_secrets(text)


def _password(login: str) -> str:
    """Return the password of what was sent for Basic; empty: it is no such thing."""
    try:
        return base64.b64decode(login, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


class Secret:
    """A password or token that shows itself only when asked by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, to be put into a request."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"


class CredentialSource(Protocol):
    """Who knows how to log in to registries, and hears how that went."""

    async def for_host(self, host: str) -> tuple[str, Secret] | None:
        """Return user and password for a registry host, None to go there anonymously."""
        ...

    async def accepted(self, sent: Mapping[str, str]) -> None:
        """Take note that these header fields were good."""
        ...

    async def refused(self, sent: Mapping[str, str]) -> None:
        """Take note of a 401 to these header fields: what is given next is new where it can be.

        Raises:
            MigrateError: TOKEN_EXPIRED if nothing new can be had for what was good before.
        """
        ...


class Nobody:
    """Goes everywhere anonymously, as anybody could (a `CredentialSource`)."""

    async def for_host(self, host: str) -> None:
        """No login, for whatever host."""

    async def accepted(self, sent: Mapping[str, str]) -> None:
        """Nothing was sent."""

    async def refused(self, sent: Mapping[str, str]) -> None:
        """There is nothing new to be had; the refusal stays what it is."""
