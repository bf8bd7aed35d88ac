"""What services share: who asks, and for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from starlette.responses import JSONResponse, Response

from gcr_migrate.sandbox.answers import RefusalError, error, error_info

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from starlette.requests import Request

    from gcr_migrate.sandbox.tokens import Identity, Tokens

REGISTRY_API: Final = "artifactregistry.googleapis.com"
# By the label of the port that answers: the service, and what consoles call it.
SERVICES: Final = {
    "artifact_registry": (REGISTRY_API, "Artifact Registry API"),
    "cloud_asset": ("cloudasset.googleapis.com", "Cloud Asset API"),
    "org_policy": ("orgpolicy.googleapis.com", "Organization Policy API"),
    "pubsub": ("pubsub.googleapis.com", "Cloud Pub/Sub API"),
    "resource_manager": ("cloudresourcemanager.googleapis.com", "Cloud Resource Manager API"),
    "service_usage": ("serviceusage.googleapis.com", "Service Usage API"),
    "storage": ("storage.googleapis.com", "Cloud Storage JSON API"),
}


class SignedIn:
    """A service that asks for an access token before anything else, and answers with JSON.

    Args:
        tokens: who may ask.
        work: answers who has one.
    """

    def __init__(
        self, tokens: Tokens, work: Callable[[Identity, Request], Awaitable[dict[str, Any]]]
    ) -> None:
        self._tokens = tokens
        self._work = work

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        return JSONResponse(await self._work(sign_in(self._tokens, request), request))


def sign_in(tokens: Tokens, request: Request) -> Identity:
    """Return whose access token came with a request; refuse it without a good one."""
    header = request.headers.get("authorization", "")
    caller = tokens.caller(header) if header.lower().startswith("bearer ") else None
    if caller is None or caller.scopes is not None or caller.identity is None:
        text = "Request had invalid authentication credentials."
        raise RefusalError(error(401, text))
    return caller.identity


def take_path(request: Request, verbs: Collection[str] = ()) -> tuple[list[str], str]:
    """Return the parts of a path, each decoded, and the verb behind its last colon.

    Only a colon before one of `verbs` ends a name: ids of projects may have one as well.
    """
    raw = request.scope["raw_path"].decode("ascii")
    front, _, verb = raw.rpartition(":")
    if verb not in verbs:
        front, verb = raw, ""
    return [unquote(part) for part in front.split("/")[1:]], verb


def need(
    held: Collection[str], permission: str, resource: str, *, service: str = "googleapis.com"
) -> None:
    """Refuse who lacks a permission, in words that hide whether the thing exists."""
    if permission in held:
        return
    text = f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
    info = error_info("IAM_PERMISSION_DENIED", service, permission=permission, resource=resource)
    raise RefusalError(error(403, text, details=[info]))
