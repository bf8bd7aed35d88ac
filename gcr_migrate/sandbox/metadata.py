"""The metadata server of a machine of Google's: its account's tokens, without any login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response

from gcr_migrate.sandbox.tokens import FULL_SCOPE

if TYPE_CHECKING:
    from starlette.requests import Request

    from gcr_migrate.sandbox.scenarios import MetadataPart
    from gcr_migrate.sandbox.tokens import Tokens

_FLAVOR: Final = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
_ROOT: Final = "/computeMetadata/v1/"
_KEPT_UNTIL: Final = 240.0  # seconds before a token's end; the same one is told up to then


class Metadata:
    """`metadata.google.internal`, over plain HTTP as the real one.

    Args:
        tokens: who is known, and what was given out.
        machine: the machine; None where there is no such server.
    """

    def __init__(self, tokens: Tokens, machine: MetadataPart | None) -> None:
        self._tokens = tokens
        self._machine = machine
        self._told: dict[str, str] = {}

    async def answer(self, request: Request) -> Response:
        """Answer a question about the machine."""
        if self._machine is None:
            return Response("no machine of Google's", 404)
        path = request.scope["path"]
        if path == "/":
            return Response("computeMetadata/\n", headers=_FLAVOR, media_type="application/text")
        # Neither a browser nor a proxy in the way shall get at tokens by accident.
        asked = request.headers.get("metadata-flavor") == "Google"
        if not asked or "x-forwarded-for" in request.headers:
            return Response("Missing Metadata-Flavor:Google header.", 403, headers=_FLAVOR)
        if request.method == "GET" and path.startswith(_ROOT):
            found = self._find(self._machine, path.removeprefix(_ROOT), request)
            if found is not None:
                return found
        return Response("Not Found", 404, headers=_FLAVOR, media_type="text/html")

    def _find(self, machine: MetadataPart, path: str, request: Request) -> Response | None:
        folder, _, leaf = path.rpartition("/")
        if leaf == "token" and "email" in (_walk(machine, folder) or ()):
            scopes = request.query_params.get("scopes", "").replace(",", " ")
            return self._token(machine.member, scopes or FULL_SCOPE)
        found = _walk(machine, path)
        if not isinstance(found, dict):
            lines = [found] if isinstance(found, str) else found
            return None if lines is None else _text("\n".join(lines))
        if request.query_params.get("recursive", "").lower() == "true":
            return _json(found)
        return _text("\n".join(found))

    def _token(self, member: str, scopes: str) -> Response:
        access = self._tokens.access(self._told.get(scopes, ""))
        if access is None or access.seconds_left < _KEPT_UNTIL:
            self._told[scopes] = self._tokens.grant(self._tokens.identity(member), scopes)
            access = self._tokens.access(self._told[scopes])
        left = int(access.seconds_left) if access else 0
        told = {"access_token": self._told[scopes], "expires_in": left, "token_type": "Bearer"}
        return _json(told)


def _walk(machine: MetadataPart, path: str) -> Any:
    """Return what lies at a path: a folder of more, a text or several, or None for nothing."""
    email = machine.member.partition(":")[2]
    account = {"aliases": ["default"], "email": email, "scopes": FULL_SCOPE.split()}
    found: Any = {
        "instance": {"service-accounts": {"default": account, email: account}},
        "project": {"project-id": machine.project},
    }
    for part in filter(None, path.split("/")):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _text(text: str) -> Response:
    return Response(text, headers=_FLAVOR, media_type="application/text")


def _json(body: dict[str, Any]) -> Response:
    return JSONResponse(body, headers=_FLAVOR)
