"""Where access tokens come from, besides credential files: each kind a small class."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gcr_migrate.errors import (
    BAD_CREDENTIALS,
    BAD_REPLY,
    DENIED,
    IMPERSONATION_REFUSED,
    UNAUTHORIZED,
    MigrateError,
)
from gcr_migrate.google.adc import SCOPE
from gcr_migrate.google.docker import TOKEN_USERS
from gcr_migrate.google.files import object_of
from gcr_migrate.google.programs import ask
from gcr_migrate.google.tokens import AccessToken, end_of
from gcr_migrate.wire.renewed import EARLY_S
from gcr_migrate.wire.replies import problem_of
from gcr_migrate.wire.secret import Secret, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gcr_migrate.google.docker import Docker
    from gcr_migrate.google.tokens import Holder
    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.transport import Wire

_GCLOUD: Final = (
    "gcloud",
    "config",
    "config-helper",
    "--format=json(credential,configuration)",
)
_NO_ACCOUNT: Final = "active account"
_FLAVOR: Final = {"metadata-flavor": "Google"}
_ACCOUNT: Final = "/computeMetadata/v1/instance/service-accounts/default"
_IAM: Final = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
_CREATOR: Final = "roles/iam.serviceAccountTokenCreator"
_LIFETIME: Final = "3600s"
_OK: Final = 200
_UNAUTHORIZED: Final = 401


class Written:
    """A token that stands somewhere as it is.

    Args:
        words: where.
        read: reads it.
    """

    renewable = False
    quota_project = ""

    def __init__(self, words: str, read: Callable[[], Secret]) -> None:
        self.words = words
        self._read = read

    async def fetch(self, *, fresh: bool) -> AccessToken:  # noqa: ARG002  # there is only the one
        """Read the token as it stands there now."""
        return AccessToken(self._read())

    async def account(self) -> str:
        """Return nothing: a token does not say whose it is."""
        return ""


class Metadata:
    """The metadata server of a machine of Google's.

    Args:
        url: its address, without a path.
        wire: connections.
    """

    words = "metadata server"
    renewable = True
    quota_project = ""

    def __init__(self, url: str, wire: Wire) -> None:
        self._url = url
        self._wire = wire
        self._account = ""

    async def is_there(self, quick: Wire, limit_s: float) -> bool:
        """Whether it answers to one request, and the machine has a service account.

        Args:
            quick: connections that try once.
            limit_s: how long to wait for the answer.
        """
        url = f"{self._url}{_ACCOUNT}/email"
        try:
            async with asyncio.timeout(limit_s):
                reply = await quick.request(
                    "GET", url, ok=range(200, 600), headers=_FLAVOR, subject=self.words
                )
        except (MigrateError, TimeoutError):  # nobody is there: that is an answer
            return False
        self._account = reply.body.decode("utf-8", "replace").strip()[:300]
        # Others answer at that address too: other clouds, and sign-in pages of networks.
        is_google_s = reply.headers.get("metadata-flavor") == _FLAVOR["metadata-flavor"]
        return reply.status == _OK and is_google_s

    async def fetch(self, *, fresh: bool) -> AccessToken:  # noqa: ARG002  # the server renews
        """Ask for the token of the machine's service account."""
        url = f"{self._url}{_ACCOUNT}/token?scopes={quote(SCOPE, safe='')}"
        reply = await self._wire.request("GET", url, ok={_OK}, headers=_FLAVOR, subject=self.words)
        body = reply.json(self.words)
        text, ends = body.get("access_token"), end_of(body.get("expires_in"))
        if not isinstance(text, str) or ends is None:
            saw = "no access_token with its expires_in"
            raise MigrateError(BAD_REPLY, subject=self.words, saw=saw)
        return AccessToken(Secret(text), ends)

    async def account(self) -> str:
        """Return the machine's service account."""
        return self._account


class Gcloud:
    """The account that gcloud is logged in with.

    Args:
        environ: environment variables.
    """

    words = "gcloud"
    renewable = True
    quota_project = ""

    def __init__(self, environ: Mapping[str, str]) -> None:
        quiet = {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
        self._environ = {**environ, **quiet}
        self._account = ""
        self._first: AccessToken | None = None

    async def is_there(self) -> bool:
        """Whether there is such a program, and an account in it; keeps its token."""
        answer = await ask(_GCLOUD, self._environ)
        if answer is None or (answer.code and _NO_ACCOUNT in answer.err):
            return False
        self._first = self._read(answer.code, answer.out, answer.err)
        return True

    async def fetch(self, *, fresh: bool) -> AccessToken:
        """Return the token that gcloud has; where that is about to end, a new one."""
        token, self._first = self._first, None
        if fresh or (token is not None and token.left_s < EARLY_S):
            return await self._run("--force-auth-refresh")
        return token or await self._run()

    async def _run(self, *more: str) -> AccessToken:
        answer = await ask([*_GCLOUD, *more], self._environ)
        if answer is None:
            raise MigrateError(BAD_CREDENTIALS, subject=self.words, saw="the program is gone")
        return self._read(answer.code, answer.out, answer.err)

    def _read(self, code: int, out: str, err: str) -> AccessToken:
        if code:
            line = next((one for one in err.splitlines() if one.startswith("ERROR:")), "")
            saw = without_secrets(" ".join(line.split()))[:200] or f"exit {code}"
            raise MigrateError(BAD_CREDENTIALS, subject=self.words, saw=saw)
        body = object_of(out, self.words)
        credential = _part(body, "credential")
        text, ends = credential.get("access_token"), credential.get("token_expiry")
        if not isinstance(text, str) or not text:
            raise MigrateError(BAD_CREDENTIALS, subject=self.words, saw="no access_token")
        core = _part(_part(_part(body, "configuration"), "properties"), "core")
        self._account = str(core.get("account") or "")
        return AccessToken(Secret(text), _moment(ends))

    async def account(self) -> str:
        """Return the account of gcloud's configuration."""
        return self._account


class DockerHelped:
    """The access token that a Docker helper, or a log-in of Docker's, gives for a host.

    Args:
        docker: Docker's configuration.
        host: one of Google's registry hosts.
        words: where it was found.
        is_helped: whether a helper gives it.
    """

    quota_project = ""

    def __init__(self, docker: Docker, host: str, words: str, *, is_helped: bool) -> None:
        self.words = words
        self.renewable = is_helped
        self._docker = docker
        self._host = host

    async def fetch(self, *, fresh: bool) -> AccessToken:
        """Ask the helper."""
        if fresh:
            self._docker.forget()
        pair = await self._docker.pair(self._host)
        if pair is None or pair.user not in TOKEN_USERS:
            saw = f"no access token for {self._host} any more"
            raise MigrateError(BAD_CREDENTIALS, subject=self.words, saw=saw)
        return AccessToken(pair.password)

    async def account(self) -> str:
        """Return nothing: a token does not say whose it is."""
        return ""


class Impersonated:
    """A service account that another account may act as.

    Args:
        base: the token of that other account.
        chain: service accounts; the last one is acted as, those before it delegate.
        wire: connections.
        quota_project: project that the calls are counted for.

    Attributes:
        base: the token of that other account, without which no new one can be had.
    """

    renewable = True

    def __init__(
        self, base: Holder, chain: tuple[str, ...], wire: Wire, quota_project: str = ""
    ) -> None:
        self.words = f"{base.source.words}, impersonating {chain[-1]}"
        self.quota_project = quota_project or base.source.quota_project
        self.base = base
        self._delegates, self._account = chain[:-1], chain[-1]
        self._wire = wire

    async def fetch(self, *, fresh: bool) -> AccessToken:  # noqa: ARG002  # it is always another
        """Ask for a token of the service account; once more if ours is not good any more."""
        reply, secret = await self._ask()
        if reply.status == _UNAUTHORIZED:
            await self.base.refused(secret)
            reply, secret = await self._ask()
        if reply.status != _OK:
            raise self._refusal(reply)
        self.base.accepted(secret)
        body = reply.json(self._account)
        text, ends = body.get("accessToken"), body.get("expireTime")
        if not isinstance(text, str) or not text:
            raise MigrateError(BAD_REPLY, subject=self._account, saw="no accessToken")
        return AccessToken(Secret(text), _moment(ends))

    async def _ask(self) -> tuple[Reply, Secret]:
        secret = (await self.base.get()).secret
        headers = {
            "authorization": f"Bearer {secret.reveal()}",
            "content-type": "application/json",
        }
        if self.quota_project:
            headers["x-goog-user-project"] = self.quota_project
        delegates = [f"projects/-/serviceAccounts/{one}" for one in self._delegates]
        body = {"scope": [SCOPE], "delegates": delegates, "lifetime": _LIFETIME}
        reply = await self._wire.request(
            "POST",
            f"{_IAM}{quote(self._account, safe='@')}:generateAccessToken",
            ok={_OK, 400, _UNAUTHORIZED, 403, 404},
            headers=headers,
            body=json.dumps(body).encode(),
            subject=self._account,
        )
        return reply, secret

    def _refusal(self, reply: Reply) -> MigrateError:
        error = problem_of(reply, self._account)
        if error.problem is UNAUTHORIZED:
            return error
        # Not as it is told: nobody must take it for what the service said that is called with it.
        saw = error.saw
        if error.problem is DENIED:
            first = self._delegates[0] if self._delegates else self._account
            saw += f"; grant {_CREATOR} on {first} to the caller"
            if self._delegates:
                saw += ", and to each account of the chain on the next one"
        return MigrateError(IMPERSONATION_REFUSED, subject=self._account, saw=saw)

    async def account(self) -> str:
        """Return the service account."""
        return self._account


def _part(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def _moment(text: object) -> float | None:
    """Read an RFC 3339 time; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None
