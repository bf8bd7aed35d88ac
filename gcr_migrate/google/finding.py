"""Where credentials for Google are looked for, in which order.

What a person named comes first, then tokens in the environment, application default
credentials, gcloud, and Docker's configuration.
"""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import BAD_CREDENTIALS, NO_CREDENTIALS, MigrateError
from gcr_migrate.google.adc import IMPERSONATED, CredentialFile, check_file
from gcr_migrate.google.docker import TOKEN_USERS, key_text
from gcr_migrate.google.files import object_of, text_of, token_of
from gcr_migrate.google.sources import DockerHelped, Gcloud, Impersonated, Metadata, Written
from gcr_migrate.google.tokens import hold
from gcr_migrate.model.names import is_loopback
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.google.docker import Docker
    from gcr_migrate.google.tokens import Holder, Source
    from gcr_migrate.model.login import Login
    from gcr_migrate.wire.transport import Wire

TOKEN_VARIABLES: Final = (
    "GCR_MIGRATE_ACCESS_TOKEN",
    "CLOUDSDK_AUTH_ACCESS_TOKEN",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
)
QUOTA_VARIABLE: Final = "GOOGLE_CLOUD_QUOTA_PROJECT"
_FILE_VARIABLE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
_ADC_FILE: Final = "application_default_credentials.json"
_METADATA: Final = "metadata.google.internal"
_METADATA_IP: Final = "169.254.169.254"  # a name would be asked of servers that do not know it
_METADATA_S: Final = 1.0
_NAMED_METADATA_S: Final = 5.0
_YES: Final = frozenset({"1", "true", "yes", "on"})
_PRINCIPAL: Final = re.compile(r"/serviceAccounts/([^/:]+):generateAccessToken$")


class Finder:
    """Looks for the credentials of one side.

    Args:
        login: what a person said.
        environ: environment variables.
        wire: connections to Google.
        docker: Docker's configuration.

    Attributes:
        is_docker_s: whether Docker's configuration is all there is for Google's hosts.
    """

    def __init__(
        self, login: Login, environ: Mapping[str, str], wire: Wire, docker: Docker
    ) -> None:
        self._login = login
        self._environ = environ
        self._wire = wire
        self._docker = docker
        self._stack = AsyncExitStack()
        self.is_docker_s = False

    async def find(self) -> Holder | None:
        """Return who holds the tokens of the first source that is there; None: anonymous.

        Raises:
            MigrateError: BAD_CREDENTIALS if something is there and cannot be used;
                NO_CREDENTIALS if an account is to be impersonated, and nobody is there to do so.
        """
        source = (
            self._explicit()
            or self._of_environment()
            or self._default_file()
            or await self._metadata()
            or await self._gcloud()
        )
        chain = self._login.impersonate
        if source is None:
            source = await self._of_docker()
            self.is_docker_s = not chain
        if not chain:
            return hold(source) if source else None
        if source is None:
            saw = f"somebody has to be logged in to act as {chain[-1]}"
            raise MigrateError(NO_CREDENTIALS, subject="impersonation", saw=saw)
        quota = self.quota_project(source)
        return hold(Impersonated(hold(source), chain, self._wire, quota))

    def quota_project(self, source: Source) -> str:
        """Return the project that calls are counted for; empty: the service's own rule."""
        named = self._login.quota_project or self._environ.get(QUOTA_VARIABLE, "")
        return named or source.quota_project

    async def close(self) -> None:
        """Close what was opened."""
        await self._stack.aclose()

    def _explicit(self) -> Source | None:
        if named := self._login.access_token_file:
            path = Path(named)
            words = f"access token file {path}"
            return Written(words, lambda: token_of(text_of(path), str(path)))
        if named := self._login.key_file:
            return self._of_file(f"credential file {named}", Path(named))
        return None

    def _of_environment(self) -> Source | None:
        name = next((one for one in TOKEN_VARIABLES if self._environ.get(one)), None)
        if name is None:
            return None
        token = token_of(self._environ[name], name)
        return Written(f"access token in {name}", lambda: token)

    def _default_file(self) -> Source | None:
        """Return application default credentials; a file that is named has to be there."""
        named = self._environ.get(_FILE_VARIABLE)
        if named:
            return self._of_file(f"{_FILE_VARIABLE} {named}", Path(named))
        folder = self._gcloud_folder()
        path = folder / _ADC_FILE if folder else None
        if path and path.is_file():
            return self._of_file(f"application default credentials {path}", path)
        return None

    def _gcloud_folder(self) -> Path | None:
        folder, home = self._environ.get("CLOUDSDK_CONFIG"), self._environ.get("HOME")
        if folder:
            return Path(folder)
        return Path(home) / ".config" / "gcloud" if home else None

    def _of_file(self, words: str, path: Path) -> Source:
        return self._of_info(words, object_of(text_of(path), str(path)))

    def _of_info(self, words: str, info: dict[str, Any]) -> Source:
        if info.get("type") == IMPERSONATED:
            return self._impersonating(words, info)
        # What such a file names is not Google's, and no endpoints file speaks of it.
        outside = self._open(self._wire.beside(endpoints=Endpoints()))
        source = CredentialFile(words, info, self._wire, outside)
        self._stack.callback(source.close)
        return source

    def _impersonating(self, words: str, info: dict[str, Any]) -> Source:
        check_file(info, words)
        found = _PRINCIPAL.search(str(info.get("service_account_impersonation_url")))
        inner, delegates = info.get("source_credentials"), info.get("delegates") or []
        if not found or not isinstance(inner, dict) or not isinstance(delegates, list):
            saw = f"not a usable {IMPERSONATED} file"
            raise MigrateError(BAD_CREDENTIALS, subject=words, saw=saw)
        chain = [str(one).rpartition("/")[2] for one in delegates]
        base = hold(self._of_info(words, inner))
        quota = info.get("quota_project_id") or ""
        return Impersonated(base, (*chain, found[1]), self._wire, quota)

    async def _metadata(self) -> Source | None:
        """Return the metadata server if it answers to one quick request."""
        environ = self._environ
        if environ.get("NO_GCE_CHECK", "").lower() in _YES:
            return None
        named = environ.get("GCE_METADATA_HOST") or environ.get("GCE_METADATA_ROOT")
        host = named or _METADATA_IP
        endpoints = self._wire.endpoints
        if endpoints.metadata:
            host = _METADATA
        elif endpoints.is_loaded and not is_loopback(host):
            return None  # that file names all that may be called
        quick = self._open(self._wire.beside(backoff=Backoff(tries=1)))
        source = Metadata(f"http://{host}", self._wire)
        limit_s = _NAMED_METADATA_S if named or endpoints.metadata else _METADATA_S
        return source if await source.is_there(quick, limit_s) else None

    async def _gcloud(self) -> Source | None:
        folder = self._gcloud_folder()
        told = any(key.startswith(("CLOUDSDK_AUTH_", "CLOUDSDK_CORE_")) for key in self._environ)
        # Without a configuration there is no account, and gcloud takes a second to say so.
        if not told and not (folder and folder.is_dir()):
            return None
        source = Gcloud(self._environ)
        return source if await source.is_there() else None

    async def _of_docker(self) -> Source | None:
        """Return the first log-in of Docker's for a host of Google's that gives access tokens."""
        for host in self._docker.google_hosts():
            pair = await self._docker.pair(host)
            if pair is None:
                continue
            if text := key_text(pair):
                return self._of_info(pair.words, object_of(text, pair.words))
            if pair.user in TOKEN_USERS:
                helped = pair.is_helped
                return DockerHelped(self._docker, host, pair.words, is_helped=helped)
        return None

    def _open(self, wire: Wire) -> Wire:
        self._stack.push_async_callback(wire.close)
        return wire
