"""How registries and Google's APIs word their refusals, and how the sandbox is made to say them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from gcr_migrate.sandbox.app import Sandbox


def oci(code: str, message: str = "no") -> str:
    """Return an error body of a registry."""
    return json.dumps({"errors": [{"code": code, "message": message, "detail": None}]})


def google(code: str, message: str = "no", **info: Any) -> str:
    """Return an error body of one of Google's APIs, with an ErrorInfo if there is one."""
    kind = "type.googleapis.com/google.rpc."
    error: dict[str, Any] = {"status": code, "message": message, "details": []}
    if delay := info.pop("delay", ""):
        error["details"].append({"@type": f"{kind}RetryInfo", "retryDelay": delay})
    if reason := info.pop("reason", ""):
        detail = {"@type": f"{kind}ErrorInfo", "reason": reason, "metadata": info}
        error["details"].append(detail)
    return json.dumps({"error": error})


def control(box: Sandbox, method: str, rule: dict[str, Any] | None = None) -> Any:
    """Read, set or clear the sandbox's faults."""
    body = json.dumps(rule).encode() if rule else None
    request = Request(f"{box.control_url}/faults", body, method=method)  # noqa: S310  # loopback
    with urlopen(request) as reply:  # noqa: S310  # as above
        return json.load(reply)


def asked_of(box: Sandbox, host: str, part: str) -> list[str]:
    """Return the paths that a host was asked for and that have this in them."""
    with urlopen(f"{box.control_url}/requests") as reply:  # noqa: S310  # loopback
        entries = json.load(reply)
    return [one["path"] for one in entries if one["host"] == host and part in one["path"]]
