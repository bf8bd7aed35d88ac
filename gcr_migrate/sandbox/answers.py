"""How Google's APIs word what they answer: errors, times, and the pages of a list."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from starlette.requests import Request

_LARGEST_PAGE: Final = 1_000
_USUAL_PAGE: Final = 100
_ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
_CODES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
_FILTER: Final = re.compile(r'\s*(\w+)\s*=\s*(?:"([^"]*)"|([^\s"]+))\s*')


class RefusalError(Exception):
    """Ends the work on a request with an error.

    Attributes:
        response: what to answer.
    """

    def __init__(self, response: Response) -> None:
        super().__init__("refused")
        self.response = response


def error(
    status: int, message: str, code: str = "", details: Sequence[Mapping[str, Any]] = ()
) -> Response:
    """Return an error as Google's APIs word it.

    Args:
        status: of HTTP.
        message: for people.
        code: name of the gRPC code; without it the usual one of the status.
        details: such as ErrorInfo, each with its `@type`.
    """
    body: dict[str, Any] = {"code": status, "message": message, "status": code or _CODES[status]}
    return JSONResponse({"error": body | ({"details": details} if details else {})}, status)


def error_info(reason: str, service: str, /, **metadata: str) -> dict[str, Any]:
    """Return the detail that names the reason of an error."""
    return {"@type": _ERROR_INFO, "reason": reason, "domain": service, "metadata": metadata}


def bad(message: str) -> RefusalError:
    """Return the refusal of a wrong argument."""
    return RefusalError(error(400, message))


def failed(message: str) -> RefusalError:
    """Return the refusal of what the state of things does not allow."""
    return RefusalError(error(400, message, "FAILED_PRECONDITION"))


def missing(name: str) -> RefusalError:
    """Return the refusal of what is not there."""
    return RefusalError(error(404, f'Requested entity was not found: "{name}"'))


def no_method(request: Request) -> RefusalError:
    """Return the refusal of a call that the API does not have."""
    return RefusalError(error(404, f"Method not found: {request.method} {request.url.path}"))


async def read_object(request: Request) -> dict[str, Any]:
    """Return the body of a request; refuse what is no JSON object."""
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise bad("Invalid JSON payload received.")
    return body


def moment(milliseconds: int) -> str:
    """Return a time as JSON has it."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds / 1000))
    return f"{whole}.{milliseconds % 1000:03d}Z"


def now_ms() -> int:
    """Return the time of day in milliseconds."""
    return int(time.time() * 1000)


def camel(field: str) -> str:
    """Return the name of a field as JSON has it; masks and orders come in either form."""
    first, *rest = field.split("_")
    return first + "".join(one.capitalize() for one in rest)


def mask(request: Request) -> list[str]:
    """Return the fields of `updateMask`, each as JSON has it."""
    text = request.query_params.get("updateMask", "")
    return [camel(one.strip()) for one in text.split(",") if one.strip()]


def page(
    request: Request,
    member: str,
    entries: Sequence[dict[str, Any]],
    *,
    filters: Collection[str] = ("name",),
    orders: Collection[str] = ("name",),
    largest: int = _LARGEST_PAGE,
) -> dict[str, Any]:
    """Return one page of a list, after the request's filter and in its order.

    Args:
        request: has `filter`, `orderBy`, `pageSize` and `pageToken`.
        member: name of the list in the answer.
        entries: all of it; with neither filter nor order no more than the page is looked at.
        filters: fields that a filter may name.
        orders: fields that an order may name; a trailing `desc` turns it round.
        largest: entries of a page at most, however many are asked for.
    """
    asked = request.query_params
    found = _filtered(entries, asked.get("filter", ""), filters)
    found = _ordered(found, asked.get("orderBy", ""), orders)
    size = min(_page_size(asked.get("pageSize", "")), largest)
    # A token belongs to the list that it was made for, as it does at Google.
    terms = [request.url.path, asked.get("filter", ""), asked.get("orderBy", "")]
    seal = hashlib.sha256("\n".join(terms).encode()).hexdigest()[:16]
    start = _start(asked.get("pageToken", ""), seal)
    answer: dict[str, Any] = {}
    shown = found[start : start + size]
    if shown:
        answer[member] = shown
    if start + size < len(found):
        answer["nextPageToken"] = base64.urlsafe_b64encode(
            f"{seal}:{start + size}".encode()
        ).decode()
    return answer


def _page_size(text: str) -> int:
    if text and not text.isdigit():
        raise bad(f"page_size {text!r} is invalid")
    return min(int(text or 0) or _USUAL_PAGE, _LARGEST_PAGE)


def _start(token: str, seal: str) -> int:
    if not token:
        return 0
    try:
        made_for, _, start = base64.urlsafe_b64decode(token).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        made_for = start = ""
    if made_for != seal or not start.isdigit():
        raise bad("page_token is invalid")
    return int(start)


def _filtered(
    entries: Sequence[dict[str, Any]], text: str, fields: Collection[str]
) -> Sequence[dict[str, Any]]:
    """Return the entries that one comparison chooses; `*` stands for anything, case for nothing."""
    if not text.strip():
        return entries
    found = _FILTER.fullmatch(text)
    if not found or found[1] not in fields:
        raise bad(f"filter {text!r} is invalid")
    wanted = found[2] if found[2] is not None else found[3]
    pattern = re.compile(".*".join(map(re.escape, wanted.split("*"))), re.IGNORECASE)
    return [one for one in entries if pattern.fullmatch(str(one.get(found[1], "")))]


def _ordered(
    entries: Sequence[dict[str, Any]], text: str, fields: Collection[str]
) -> Sequence[dict[str, Any]]:
    if not text.strip():
        return entries
    field, _, direction = text.strip().partition(" ")
    name = camel(field)
    if name not in fields or direction.strip().lower() not in {"", "asc", "desc"}:
        raise bad(f"order_by {text!r} is invalid")
    turned = direction.strip().lower() == "desc"
    return sorted(entries, key=lambda one: str(one.get(name, "")), reverse=turned)
