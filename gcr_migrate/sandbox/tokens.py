"""Who calls the sandbox, and what they may do.

Artifact Registry's exchange: a 401 names the token end-point; an OAuth access token, as the
password of Basic or as Bearer, buys a registry token for the scopes that were asked for; so does
a service account's key as the password of Basic. A caller without rights gets 403 DENIED from the
token end-point itself, not 401.
"""

from __future__ import annotations

import base64
import math
import secrets
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from starlette.responses import JSONResponse, Response

from gcr_migrate.sandbox.keys import Keys, timely
from gcr_migrate.sandbox.permissions import held
from gcr_migrate.sandbox.store import Place, Repository, Store, place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

READ: Final = "downloadArtifacts"
WRITE: Final = "uploadArtifacts"
_REPOSITORIES: Final = "artifactregistry.repositories."
_ACTIONS: Final = {"pull": READ, "push": WRITE}
_NOBODY: Final[frozenset[str]] = frozenset()
_TOKEN_USERS: Final = frozenset({"oauth2accesstoken", "_token", "_dcgcloud_token"})
_JSON_KEY: Final = "_json_key"
_JSON_KEY_BASE64: Final = "_json_key_base64"
_SCOPES: Final = "https://www.googleapis.com/auth/"
FULL_SCOPE: Final = f"openid {_SCOPES}userinfo.email {_SCOPES}cloud-platform"


@dataclass(frozen=True, slots=True)
class Identity:
    """Someone with an access token.

    Attributes:
        member: as policies name it, such as `user:ada@example.com`.
        token: the access token that is there from the start; empty for none.
        roles: roles held on every project.
        token_lifetime: seconds after the start at which that token ends; None for never.
        refresh_token: what buys new access tokens; empty for none.
    """

    member: str
    token: str = field(repr=False)
    roles: tuple[str, ...] = ()
    token_lifetime: float | None = None
    refresh_token: str = field(default="", repr=False)

    @property
    def email(self) -> str:
        """Return the address of a user or service account; empty for all others."""
        kind, _, name = self.member.partition(":")
        return name if kind in {"user", "serviceAccount"} else ""


class Access(Struct, frozen=True):
    """What an OAuth access token stands for.

    Attributes:
        identity: whose it is.
        until: when it ends, by the monotonic clock.
        scope: OAuth scopes, with spaces between.
    """

    identity: Identity
    until: float
    scope: str = FULL_SCOPE

    @property
    def seconds_left(self) -> float:
        """Return how long it is still good."""
        return self.until - time.monotonic()


class Caller(Struct, frozen=True):
    """Who sent a request, and what the token that came with it covers.

    Attributes:
        identity: the sender; None for anonymous.
        scopes: actions by name for a registry token; None where rights alone decide.
        signed: a JWT came that stands for itself. APIs take it; that registries do is not known,
            so that these refuse it.
    """

    identity: Identity | None
    scopes: dict[str, frozenset[str]] | None = None
    signed: bool = False


class Tokens:
    """Identities, and the tokens handed out to them.

    Args:
        identities: everybody who is known.
        lifetime: seconds for which a registry token is good; Artifact Registry's last 12 hours,
            whatever becomes of the access token that bought it.
        access_lifetime: seconds for which an access token is good that a login service gave out.
    """

    def __init__(
        self,
        identities: Iterable[Identity],
        lifetime: float = 43_200,
        access_lifetime: float = 3_600,
    ) -> None:
        self.lifetime, self.access_lifetime = lifetime, access_lifetime
        self.keys = Keys()
        self._identities: dict[str, Identity] = {}
        self._access: dict[str, Access] = {}
        self._issued: dict[str, tuple[Caller, float]] = {}
        start = time.monotonic()
        for one in identities:
            self._identities.setdefault(one.member, one)
            life = math.inf if one.token_lifetime is None else one.token_lifetime
            if one.token:
                self._access[one.token] = Access(one, start + life)

    def issue(self, caller: Caller) -> str:
        """Hand out a registry token."""
        token = f"sandbox-registry-{secrets.token_urlsafe(24)}"
        self._issued[token] = caller, time.monotonic() + self.lifetime
        return token

    def grant(self, identity: Identity, scope: str = FULL_SCOPE, most: float = math.inf) -> str:
        """Hand out an access token, for no more than `most` seconds."""
        token = f"ya29.sandbox-{secrets.token_urlsafe(24)}"
        until = time.monotonic() + min(most, self.access_lifetime)
        self._access[token] = Access(identity, until, scope)
        return token

    def access(self, token: str) -> Access | None:
        """Return what an access token stands for; None if it is no good (any more)."""
        found = self._access.get(token)
        return found if found and found.seconds_left > 0 else None

    def end(self, member: str | None = None, *, registry: bool = False) -> None:
        """End the access tokens there are, of one member or all; registry tokens if so asked."""
        for token, access in list(self._access.items()):
            if member in {None, access.identity.member}:
                del self._access[token]
        if registry:
            self.end_registry(member)

    def end_registry(self, member: str | None = None) -> None:
        """End the registry tokens there are, of one member or all."""
        for token, (caller, _) in list(self._issued.items()):
            who = caller.identity.member if caller.identity else None
            if member in {None, who}:
                self._issued[token] = caller, 0.0

    def known(self, member: str) -> Identity | None:
        """Return somebody whom the scenario knows."""
        return self._identities.get(member)

    def identity(self, member: str) -> Identity:
        """Return a member; one whom the scenario does not know holds no roles."""
        return self._identities.get(member) or Identity(member, "")

    def refreshed(self, token: str) -> Identity | None:
        """Return whose refresh token this is."""
        known = self._identities.values()
        return next((one for one in known if token and one.refresh_token == token), None)

    def caller(self, header: str) -> Caller | None:
        """Return who an Authorization header stands for; None if it is no good (any more)."""
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "basic":
            return self._basic(value)
        if scheme.lower() != "bearer":
            return None
        caller, until = self._issued.get(value, (None, 0.0))
        if caller:
            return caller if time.monotonic() < until else None
        return self._bearer(value) or self._signed(value)

    def _bearer(self, token: str) -> Caller | None:
        access = self.access(token)
        return Caller(access.identity) if access else None

    def _signed(self, token: str) -> Caller | None:
        """Return who signed a JWT that stands for itself, with no exchange before."""
        claims = self.keys.claims(token)
        if claims is None or not timely(claims) or not (claims.get("aud") or claims.get("scope")):
            return None
        return Caller(self.identity(f"serviceAccount:{claims['iss']}"), signed=True)

    def _basic(self, value: str) -> Caller | None:
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
            if user == _JSON_KEY_BASE64:
                user, password = _JSON_KEY, base64.b64decode(password).decode()
        except ValueError:
            return None
        if user in _TOKEN_USERS:
            return self._bearer(password)
        email = self.keys.owner(password) if user == _JSON_KEY else None
        return Caller(self.identity(f"serviceAccount:{email}")) if email else None


def rights(
    store: Store, identity: Identity | None, project: str, repository: Repository | None
) -> frozenset[str]:
    """Return what somebody may do in a repository, by project roles and its own policy."""
    return _verbs(held(store, identity, project, repository.bindings if repository else ()))


@cache  # asked for with each request, and there are few such sets
def _verbs(names: frozenset[str]) -> frozenset[str]:
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
    if caller is None or caller.signed:
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
