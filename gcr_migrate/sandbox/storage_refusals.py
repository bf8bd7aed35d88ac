"""Refusals of Cloud Storage, whose API is older than the form of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse

from gcr_migrate.sandbox.answers import RefusalError

if TYPE_CHECKING:
    from collections.abc import Collection

    from gcr_migrate.sandbox.tokens import Caller

_REASONS: Final = {
    400: "invalid",
    401: "required",
    403: "forbidden",
    404: "notFound",
    412: "conditionNotMet",
}


def need(caller: Caller, has: Collection[str], permission: str, kind: str) -> None:
    """Refuse who lacks a permission.

    Args:
        caller: who asks.
        has: permissions that he holds.
        permission: the one that is needed.
        kind: of the thing, such as `bucket`.
    """
    if permission in has:
        return
    who = caller.identity.member.partition(":")[2] if caller.identity else "Anonymous caller"
    text = (
        f"{who} does not have {permission} access to the Google Cloud Storage {kind}. "
        f"Permission '{permission}' denied on resource (or it may not exist)."
    )
    raise refusal(403 if caller.identity else 401, text)


def refusal(status: int, message: str) -> RefusalError:
    """Return a refusal as this API words it."""
    first = {"message": message, "domain": "global", "reason": _REASONS[status]}
    body = {"code": status, "message": message, "errors": [first]}
    return RefusalError(JSONResponse({"error": body}, status))
