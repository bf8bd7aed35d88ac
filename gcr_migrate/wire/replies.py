"""What a service said, and which problem of the catalogue that is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from gcr_migrate.errors import (
    BAD_REPLY,
    DENIED,
    NAME_UNKNOWN,
    NOT_MIGRATED,
    REQUEST_REFUSED,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED,
    UNREACHABLE,
    MigrateError,
)
from gcr_migrate.wire.retry import RETRIED, TransientError, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS_AT_MOST: Final = 200
_PROBLEMS: Final = {
    401: UNAUTHORIZED,
    403: DENIED,
    404: NAME_UNKNOWN,
    408: UNREACHABLE,
    429: TOO_MANY_REQUESTS,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply.

    Attributes:
        status: HTTP status.
        headers: header fields; names in any case.
        body: the body.
        url: the URL, with the real host, that gave it after redirects; never to be shown.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self, subject: str) -> dict[str, Any]:
        """Return the body as a JSON object; a body that is none may be whole at the next try."""
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            saw = f"{len(self.body)} bytes that are not whole JSON"
            raise TransientError(BAD_REPLY, subject=subject, saw=saw) from error
        if not isinstance(body, dict):
            saw = f"JSON {type(body).__name__} instead of an object"
            raise MigrateError(BAD_REPLY, subject=subject, saw=saw)
        return body


def problem_of(reply: Reply, subject: str) -> MigrateError:
    """Return the error for a reply that was not expected."""
    saw = words_of(reply)
    status = reply.status
    if status in RETRIED:
        problem = _PROBLEMS.get(status, SERVER_ERROR)
        after_s = retry_after(reply.headers.get("retry-after"))
        return TransientError(problem, subject=subject, saw=saw, after_s=after_s)
    if 300 <= status < 400:  # noqa: PLR2004  # the class of redirects
        return MigrateError(BAD_REPLY, subject=subject, saw=f"{status}: redirect not followed")
    if status == 412 and _object(reply.body) is None:  # noqa: PLR2004  # with JSON: a precondition
        return MigrateError(NOT_MIGRATED, subject=subject, saw=saw)
    server = status >= 500  # noqa: PLR2004  # the class of server errors
    problem = SERVER_ERROR if server else _PROBLEMS.get(status, REQUEST_REFUSED)
    return MigrateError(problem, subject=subject, saw=saw)


def joined(url: str, target: str, subject: str) -> str:
    """Return where a reply's header leads to; raise BAD_REPLY if that is no http(s) URL."""
    onward = ""
    try:
        onward = urljoin(url, target)
        parts = urlsplit(onward)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not onward.isascii() or not onward.isprintable():
        raise MigrateError(BAD_REPLY, subject=subject, saw="it leads to what is no URL")
    return onward


def codes_of(reply: Reply) -> frozenset[str]:
    """Return the error codes that a registry's reply names (OCI error body)."""
    errors = (_object(reply.body) or {}).get("errors")
    if not isinstance(errors, list):
        return frozenset()
    return frozenset(str(one.get("code")) for one in errors if isinstance(one, dict))


def words_of(reply: Reply) -> str:
    """Return the status and the service's own words, shortened to one line."""
    body = _object(reply.body)
    words = _plain(reply) if body is None else _oci(body) or _google(body)
    words = " ".join(words.split())[:_WORDS_AT_MOST]
    return f"{reply.status} {words}".strip()


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _oci(body: dict[str, Any]) -> str:
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return ""
    return f"{first.get('code', '')} {first.get('message', '')}"


def _google(body: dict[str, Any]) -> str:
    error = body.get("error")
    if not isinstance(error, dict):
        return str(body.get("details") or "")
    return f"{error.get('status', '')} {error.get('message', '')}"


def _plain(reply: Reply) -> str:
    if "html" in reply.headers.get("content-type", ""):
        return "(a web page)"
    text = reply.body[: 4 * _WORDS_AT_MOST].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text)
