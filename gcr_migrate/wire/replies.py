"""What a service said, and which problem of the catalogue that is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.errors import (
    BAD_REPLY,
    BLOB_UNKNOWN,
    DENIED,
    NAME_UNKNOWN,
    NOT_MIGRATED,
    REQUEST_REFUSED,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED,
    UNREACHABLE,
    UNSUPPORTED,
    MigrateError,
)
from gcr_migrate.model.names import is_google_host
from gcr_migrate.wire.refusals import Refusal
from gcr_migrate.wire.retry import (
    RETRIED,
    RETRY_AFTER_AT_MOST_S,
    TransientError,
    moment_of,
    retry_after,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# OCI code-1, -3, -5, -7 and -9. That something was not found is also what a balancer says.
_UNKNOWN: Final = frozenset(
    {
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_UNKNOWN",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_UNKNOWN",
        "NAME_UNKNOWN",
    }
)
_REFUSED: Final = frozenset({400, 403})  # where Google's reasons stand
_PROBLEMS: Final = {
    401: UNAUTHORIZED,
    403: DENIED,
    404: NAME_UNKNOWN,
    405: UNSUPPORTED,
    408: UNREACHABLE,
    429: TOO_MANY_REQUESTS,
}


class Reply(Struct, frozen=True):
    """A whole reply.

    Attributes:
        status: HTTP status.
        headers: header fields; names in any case.
        body: the body.
        url: the URL, with the real host, that gave it after redirects; never to be shown.
        secrets: what of the request is not to be shown where the body repeats it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    secrets: tuple[str, ...] = ()

    def json(self, subject: str) -> dict[str, Any]:
        """Return the body as a JSON object; a body that is none may be whole at the next try."""
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            saw = f"{len(self.body)} bytes that are not whole JSON"
            raise TransientError(BAD_REPLY, subject=subject, saw=saw) from error
        if not isinstance(body, dict):
            saw = f"JSON {type(body).__name__} instead of an object"
            raise TransientError(BAD_REPLY, subject=subject, saw=saw)
        return body


def problem_of(reply: Reply, subject: str) -> MigrateError:
    """Return the error for a reply that was not expected."""
    refusal = refusal_of(reply)
    status, saw = reply.status, _saw(reply, refusal)
    if status in RETRIED:
        problem = _PROBLEMS.get(status, SERVER_ERROR)
        return TransientError(problem, subject=subject, saw=saw, after_s=pause_of(reply))
    if 300 <= status < 400:  # noqa: PLR2004  # the class of redirects
        return MigrateError(BAD_REPLY, subject=subject, saw=f"{status}: redirect not followed")
    # With JSON, or of anybody but Google, it is a precondition.
    plain = status == 412 and not refusal.structured  # noqa: PLR2004
    if plain and is_google_host(urlsplit(reply.url).netloc):
        return MigrateError(NOT_MIGRATED, subject=subject, saw=saw)
    known = refusal.problem if status in _REFUSED else None
    if "MANIFEST_BLOB_UNKNOWN" in refusal.codes:  # some say so with a 404, which is no name
        known = BLOB_UNKNOWN
    server = status >= 500  # noqa: PLR2004  # the class of server errors
    problem = known or (SERVER_ERROR if server else _PROBLEMS.get(status, REQUEST_REFUSED))
    return MigrateError(problem, subject=subject, saw=saw)


def pause_of(reply: Reply) -> float | None:
    """Return how long the service asked to wait, by its header or a RetryInfo; bounded."""
    # By the service's own clock, so that it does not matter whether ours is right.
    now = moment_of(reply.headers.get("date", ""))
    seconds = retry_after(reply.headers.get("retry-after"), now)
    if seconds is not None:
        return seconds
    said = refusal_of(reply).retry_s
    return None if said is None else min(said, RETRY_AFTER_AT_MOST_S)


def joined(url: str, target: str, subject: str) -> str:
    """Return where a reply's header leads to; raise BAD_REPLY if that is no http(s) URL."""
    if _is_beside(url, target):
        return target
    onward = ""
    try:
        onward = urljoin(url, target)
        parts = urlsplit(onward)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        usable = usable and "@" not in parts.netloc  # a login that is none of ours
    except ValueError:
        usable = False
    if not usable or not onward.isascii() or not onward.isprintable():
        raise MigrateError(BAD_REPLY, subject=subject, saw="it leads to what is no URL")
    return onward


def _is_beside(url: str, target: str) -> bool:
    """Whether a whole URL is at the same server as one that was asked: it stays as it is."""
    path_at = url.find("/", len("https://"))
    return (
        path_at > 0
        and target.startswith(url[: path_at + 1])
        and "/." not in target
        and " " not in target
        and target.isascii()
        and target.isprintable()
    )


def refusal_of(reply: Reply) -> Refusal:
    """Return what the body of an error says."""
    said = Refusal.read(reply.body, reply.headers.get("content-type", ""))
    return replace(said, secrets=reply.secrets) if reply.secrets else said


def codes_of(reply: Reply) -> frozenset[str]:
    """Return the error codes that a reply names."""
    return frozenset(refusal_of(reply).codes)


def says_unknown(reply: Reply) -> bool:
    """Whether a reply names what is unknown, as OCI's codes do, and not only that something is.

    That there is no such end-point, or no reason at all, is no word on what was asked for.
    """
    return not _UNKNOWN.isdisjoint(refusal_of(reply).codes)


def words_of(reply: Reply) -> str:
    """Return the status and the service's own words, shortened to one line."""
    return f"{reply.status} {refusal_of(reply).words}".strip()


def elsewhere(reply: Reply) -> str:
    """Return what a host answered that was only redirected to."""
    return f"it redirects to {urlsplit(reply.url).hostname}, which answered {words_of(reply)}"


def _saw(reply: Reply, refusal: Refusal) -> str:
    words = f"{reply.status} {refusal.words}".strip()
    return f"{words}; {refusal.advice}" if refusal.advice else words
