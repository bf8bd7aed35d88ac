"""Where access tokens come from: Google's OAuth, token exchange and impersonation services."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response

from gcr_migrate.sandbox.answers import bad, error, error_info, no_method, read_object
from gcr_migrate.sandbox.keys import client_id, timely
from gcr_migrate.sandbox.rest import sign_in
from gcr_migrate.sandbox.tokens import FULL_SCOPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from gcr_migrate.sandbox.scenarios import IdentityPoolPart, ServiceAccountPart
    from gcr_migrate.sandbox.tokens import Access, Identity, Tokens

_JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_TOKEN_TYPES: Final = "urn:ietf:params:oauth:token-type:"  # noqa: S105  # a prefix of names
_SUBJECT_TYPES: Final = frozenset({"jwt", "id_token", "access_token", "saml2"})
_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
_EMAIL_SCOPES: Final = frozenset({"email", "https://www.googleapis.com/auth/userinfo.email"})
_CREATOR: Final = "roles/iam.serviceAccountTokenCreator"
_GENERATE: Final = re.compile(r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken")
_DELEGATE: Final = re.compile(r"projects/-/serviceAccounts/([^/:]+)")
_LIFETIME: Final = re.compile(r"(\d+(?:\.\d+)?)s")
_LONGEST: Final = 3_600  # seconds; more needs an organisation's leave


class OAuth:
    """`oauth2.googleapis.com`: tokens for keys and refresh tokens, and what a token is.

    Args:
        tokens: who is known, and what was given out.
        address: where this service is, as keys that were made here say it.
    """

    def __init__(self, tokens: Tokens, address: str) -> None:
        self._tokens = tokens
        self._audiences = {_AUDIENCE, f"{address}/token"}

    async def answer(self, request: Request) -> Response:
        """Answer `POST /token`, and `/tokeninfo`."""
        call = f"{request.method} {request.url.path}"
        form = await _form(request)
        if call == "POST /token":
            return self._token(form)
        if call in {"GET /tokeninfo", "POST /tokeninfo"}:
            return self._info(dict(request.query_params) | form)
        raise no_method(request)

    def _token(self, form: Mapping[str, str]) -> Response:
        grant = form.get("grant_type", "")
        if grant == _JWT_GRANT:
            return self._by_key(form.get("assertion", ""))
        if grant == "refresh_token":
            return self._by_refresh_token(form)
        return _refuse(400, "unsupported_grant_type", f"Invalid grant_type: {grant}")

    def _by_key(self, assertion: str) -> Response:
        claims = self._tokens.keys.claims(assertion)
        if claims is None:
            return _refuse(400, "invalid_grant", "Invalid JWT Signature.")
        if claims.get("aud") not in self._audiences:
            return _refuse(400, "invalid_grant", "Invalid JWT: Failed audience check.")
        if not timely(claims):
            text = (
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                "timeframe. Check your iat and exp values in the JWT claim."
            )
            return _refuse(400, "invalid_grant", text)
        if claims.get("sub", claims["iss"]) != claims["iss"]:
            text = "Client is unauthorized to retrieve access tokens using this method."
            return _refuse(401, "unauthorized_client", text)
        scope = claims.get("scope")
        if not isinstance(scope, str) or not scope:
            return _refuse(400, "invalid_scope", "Invalid OAuth scope or ID token audience.")
        identity = self._tokens.identity(f"serviceAccount:{claims['iss']}")
        return JSONResponse(_granted(self._tokens, identity, scope))

    def _by_refresh_token(self, form: Mapping[str, str]) -> Response:
        if not (form.get("client_id") and form.get("client_secret")):
            return _refuse(401, "invalid_client", "The OAuth client was not found.")
        identity = self._tokens.refreshed(form.get("refresh_token", ""))
        if identity is None:
            return _refuse(400, "invalid_grant", "Token has been expired or revoked.")
        scope = form.get("scope") or FULL_SCOPE
        return JSONResponse(_granted(self._tokens, identity, scope) | {"scope": scope})

    def _info(self, form: Mapping[str, str]) -> Response:
        access = self._tokens.access(form.get("access_token", ""))
        if access is None:
            return _refuse(400, "invalid_token", "Invalid Value")
        return JSONResponse(_describe(access))


class Sts:
    """`sts.googleapis.com`: tokens for those of other identity providers.

    Args:
        tokens: who is known, and what was given out.
        pools: which tokens of others are taken.
    """

    def __init__(self, tokens: Tokens, pools: tuple[IdentityPoolPart, ...]) -> None:
        self._tokens = tokens
        self._pools = pools

    async def answer(self, request: Request) -> Response:
        """Answer `POST /v1/token`, and `POST /v1/introspect`."""
        call = f"{request.method} {request.url.path}"
        form = await _form(request)
        if call == "POST /v1/token":
            return self._exchange(form)
        if call == "POST /v1/introspect":
            return self._introspect(form)
        raise no_method(request)

    def _exchange(self, form: Mapping[str, str]) -> Response:
        if form.get("grant_type") != _EXCHANGE_GRANT:
            return _refuse(400, "unsupported_grant_type", "Unsupported grant_type.")
        kind = form.get("subject_token_type", "").removeprefix(_TOKEN_TYPES)
        if kind not in _SUBJECT_TYPES or not form.get("subject_token"):
            return _refuse(400, "invalid_request", "Invalid value for subject_token_type.")
        pools = [one for one in self._pools if one.audience == form.get("audience")]
        if not pools:
            text = (
                'The target service indicated by the "audience" parameters is invalid. This might '
                "either be because the pool or provider is disabled or deleted or because it "
                "doesn't exist."
            )
            return _refuse(400, "invalid_target", text)
        pool = next((one for one in pools if one.subject_token == form["subject_token"]), None)
        if pool is None:
            return _refuse(400, "invalid_grant", "The subject token is invalid or has expired.")
        identity = self._tokens.identity(pool.member)
        granted = _granted(self._tokens, identity, form.get("scope") or FULL_SCOPE)
        return JSONResponse(granted | {"issued_token_type": f"{_TOKEN_TYPES}access_token"})

    def _introspect(self, form: Mapping[str, str]) -> Response:
        access = self._tokens.access(form.get("token", ""))
        if access is None:
            return JSONResponse({"active": False})
        name = access.identity.member
        body = {"active": True, "username": name, "scope": access.scope, "token_type": "Bearer"}
        return JSONResponse(body | _ends(access))


class IamCredentials:
    """`iamcredentials.googleapis.com`: tokens of service accounts, for those who may act as them.

    Args:
        tokens: who is known, and what was given out.
        accounts: who may act as which account.
    """

    def __init__(self, tokens: Tokens, accounts: tuple[ServiceAccountPart, ...]) -> None:
        self._tokens = tokens
        self._creators = {one.email: frozenset(one.token_creators) for one in accounts}

    async def answer(self, request: Request) -> Response:
        """Answer `POST …/serviceAccounts/EMAIL:generateAccessToken`."""
        found = _GENERATE.fullmatch(request.scope["path"])
        if request.method != "POST" or not found:
            raise no_method(request)
        caller = sign_in(self._tokens, request)
        body = await read_object(request)
        scope, seconds, delegates = _asked(body)
        target = self._tokens.known(f"serviceAccount:{found[1]}")
        if target is None:
            return error(404, f"Not found; Gaia id not found for email {found[1]}")
        if not self._may_act(caller, [*delegates, found[1]]):
            return _may_not_act()
        token = self._tokens.grant(target, scope, seconds)
        access = self._tokens.access(token)
        ends = time.time() + (access.seconds_left if access else 0)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(math.floor(ends)))
        return JSONResponse({"accessToken": token, "expireTime": stamp})

    def _may_act(self, identity: Identity, chain: list[str]) -> bool:
        """Whether each may act as the next, from the caller to the last account."""
        for email in chain:
            allowed = identity.member in self._creators.get(email, ())
            if not allowed and _CREATOR not in identity.roles:
                return False
            identity = self._tokens.identity(f"serviceAccount:{email}")
        return True


def _asked(body: Mapping[str, Any]) -> tuple[str, float, list[str]]:
    """Return scopes, seconds and delegates that a caller asks for."""
    scopes, delegates = body.get("scope"), body.get("delegates") or []
    if not isinstance(scopes, list) or not scopes or not isinstance(delegates, list):
        raise bad("Request contains an invalid argument: scope is required.")
    named = [_DELEGATE.fullmatch(str(one)) for one in delegates]
    emails = [one[1] for one in named if one]
    if len(emails) < len(named):
        raise bad("Invalid form of account in delegates: projects/-/serviceAccounts/EMAIL is due.")
    lifetime = _LIFETIME.fullmatch(str(body.get("lifetime") or f"{_LONGEST}s"))
    if not lifetime or not 0 < float(lifetime[1]) <= _LONGEST:
        raise bad("The access token lifetime cannot exceed 3600 seconds.")
    return " ".join(map(str, scopes)), float(lifetime[1]), emails


def _may_not_act() -> Response:
    permission = "iam.serviceAccounts.getAccessToken"
    text = f"Permission '{permission}' denied on resource (or it may not exist)."
    info = error_info("IAM_PERMISSION_DENIED", "iam.googleapis.com", permission=permission)
    return error(403, text, details=[info])


def _granted(tokens: Tokens, identity: Identity, scope: str) -> dict[str, Any]:
    token, life = tokens.grant(identity, scope), int(tokens.access_lifetime)
    return {"access_token": token, "expires_in": life, "token_type": "Bearer"}


def _describe(access: Access) -> dict[str, str]:
    """Return what `tokeninfo` tells; numbers are strings there."""
    account = client_id(access.identity.member)
    told = {
        "azp": account,
        "aud": account,
        "sub": account,
        "scope": access.scope,
        "access_type": "online",
    }
    ends = _ends(access)
    if ends:
        left = max(int(access.seconds_left), 0)
        told |= {"exp": str(ends["exp"]), "expires_in": str(left)}
    # Whose token it is, is told only where the token's own scopes cover that.
    if access.identity.email and not _EMAIL_SCOPES.isdisjoint(access.scope.split()):
        told |= {"email": access.identity.email, "email_verified": "true"}
    return told


def _ends(access: Access) -> dict[str, int]:
    """Return when a token ends; nothing for one of a scenario that never does."""
    return {"exp": int(time.time() + access.seconds_left)} if access.seconds_left < math.inf else {}


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; none where the body is something else."""
    body = await request.body()
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _refuse(status: int, code: str, description: str) -> Response:
    """Return an error as OAuth words it."""
    return JSONResponse({"error": code, "error_description": description}, status)
