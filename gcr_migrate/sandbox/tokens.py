"""Who calls the sandbox, and what they may do.

Artifact Registry's exchange: a 401 names the token end-point; an OAuth access token, as the
password of Basic or as Bearer, buys a registry token for the scopes that were asked for. A caller
without rights gets 403 DENIED from the token end-point itself, not 401.
"""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

from gcr_migrate.sandbox.permissions import held
from gcr_migrate.sandbox.store import Place, Repository, Store, place

if TYPE_CHECKING:
    from starlette.requests import Request

READ: Final = "downloadArtifacts"
WRITE: Final = "uploadArtifacts"
ADMIN: Final = "setIamPolicy"
_REPOSITORIES: Final = "artifactregistry.repositories."
_ACTIONS: Final = {"pull": READ, "push": WRITE}
_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Identity:
    """Someone with an access token.

    Attributes:
        member: as policies name it, such as `user:ada@example.com`.
        token: the access token.
        roles: roles held on every project.
    """

    member: str
    token: str = field(repr=False)
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, and what the token that came with it covers.

    Attributes:
        identity: the sender; None for anonymous.
        scopes: actions by name for a registry token; None where rights alone decide.
    """

    identity: Identity | None
    scopes: dict[str, frozenset[str]] | None = None


class Tokens:
    """Identities, and the registry tokens handed out to them.

    Args:
        identities: everybody who is known.
        lifetime: seconds for which a registry token is good; Artifact Registry's last 12 hours.
    """

    def __init__(self, identities: list[Identity], lifetime: float = 43_200) -> None:
        self.lifetime = lifetime
        self._identities = {one.token: one for one in identities}
        self._issued: dict[str, tuple[Caller, float]] = {}

    def issue(self, caller: Caller) -> str:
        """Hand out a registry token."""
        token = f"sandbox-registry-{secrets.token_urlsafe(24)}"
        self._issued[token] = caller, time.monotonic() + self.lifetime
        return token

    def caller(self, header: str) -> Caller | None:
        """Return who an Authorization header stands for; None if it is no good (any more)."""
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "basic":
            return self._access(_password(value))
        if scheme.lower() != "bearer":
            return None
        caller, until = self._issued.get(value, (None, 0.0))
        if caller:
            return caller if time.monotonic() < until else None
        return self._access(value)

    def _access(self, token: str) -> Caller | None:
        identity = self._identities.get(token)
        return Caller(identity) if identity else None


def _password(value: str) -> str:
    try:
        return base64.b64decode(value).decode().partition(":")[2]
    except ValueError:
        return ""


def rights(
    store: Store, identity: Identity | None, project: str, repository: Repository | None
) -> frozenset[str]:
    """Return what somebody may do in a repository, by project roles and its own policy."""
    names = held(store, identity, project, repository.bindings if repository else ())
    return frozenset(name.rpartition(".")[2] for name in names if name.startswith(_REPOSITORIES))


def allowed(caller: Caller, store: Store, where: Place, name: str, action: str) -> bool:
    """Whether a caller may pull from or push to a name."""
    if caller.scopes is not None and action not in caller.scopes.get(name, ()):
        return False
    return _ACTIONS.get(action, action) in rights(
        store, caller.identity, where.project, store.get(where.key)
    )


def exchange(tokens: Tokens, store: Store, host: str, request: Request) -> Response:
    """Answer `GET /v2/token?scope=…&service=…`; several scopes come as repeated parameters."""
    header = request.headers.get("authorization", "")
    caller = tokens.caller(header) if header else Caller(None)
    if caller is None:
        return _refuse(401, "UNAUTHORIZED", "authentication failed")
    scopes: dict[str, frozenset[str]] = {}
    for scope in (one for text in request.query_params.getlist("scope") for one in text.split()):
        name, actions = _read_scope(scope)
        where = place(host, name)
        has = _NOBODY
        if where:
            has = rights(store, caller.identity, where.project, store.get(where.key))
        if any(_ACTIONS.get(action, action) not in has for action in actions):
            who = "Permission" if caller.identity else "Unauthenticated request. Permission"
            text = f'{who} "artifactregistry.repositories.{READ}" denied on "{name}"'
            return _refuse(403, "DENIED", f"{text} (or it may not exist)")
        scopes[name] = scopes.get(name, _NOBODY) | actions
    token = tokens.issue(Caller(caller.identity, scopes))
    return JSONResponse({"token": token, "expires_in": int(tokens.lifetime)})


def _read_scope(scope: str) -> tuple[str, frozenset[str]]:
    _, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return name, frozenset(one for one in actions.split(",") if one)


def _refuse(status: int, code: str, message: str) -> Response:
    return JSONResponse({"errors": [{"code": code, "message": message}]}, status)
