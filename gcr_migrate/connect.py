"""Puts clients together: endpoints, credentials, connections, one client for each host."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from gcr_migrate.google.credentials import Credentials
from gcr_migrate.google.repositories import ArtifactRegistry
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, BY_NAME, GCR
from gcr_migrate.model.names import ar_host
from gcr_migrate.registry.client import RegistryClient
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gcr_migrate.interfaces import Repositories, SourceRegistry, TargetRegistry
    from gcr_migrate.model.names import GcrHost, Project

TRIES_VARIABLE: Final = "GCR_MIGRATE_RETRY_TRIES"


@dataclass(frozen=True, slots=True)
class Settings:
    """What all connections of one command have in common.

    Attributes:
        endpoints: where hosts are.
        access_token_file: file with an access token for Google's hosts.
        environ: environment variables.
        tries: requests sent at most for one call; None takes GCR_MIGRATE_RETRY_TRIES or 6.
        base_s: upper bound of the first wait between them, in seconds.
    """

    endpoints: Endpoints = field(default_factory=Endpoints)
    access_token_file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    tries: int | None = None
    base_s: float = 0.2

    def backoff(self) -> Backoff:
        """Return how often and how long requests are tried again."""
        text = self.environ.get(TRIES_VARIABLE, "")
        written = int(text) if text.isascii() and text.isdigit() else Backoff().tries
        return Backoff(tries=max(1, self.tries or written), base_s=self.base_s)


class Connections:
    """All clients of one command; closes them at the end.

    Args:
        settings: what they have in common.
    """

    def __init__(self, settings: Settings) -> None:
        backoff = settings.backoff()
        self._credentials = Credentials(settings.environ, settings.access_token_file)
        # Two pools: uploads that wait for a target must not keep its source's readers waiting.
        self._source_wire = Wire(settings.endpoints, backoff=backoff)
        self._target_wire = Wire(settings.endpoints, backoff=backoff)
        self._clients: dict[tuple[int, str, str, bool | None], RegistryClient] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._source_wire)
        await self._stack.enter_async_context(self._target_wire)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def source(
        self,
        host: str,
        dialect_name: str,
        plain_http: bool | None = None,  # noqa: FBT001  # a column of the plan, handed on as it is
    ) -> SourceRegistry:
        """Return the client of a host, to read from it."""
        return self._client(self._source_wire, host, dialect_name, plain_http)

    def target(
        self,
        host: str,
        dialect_name: str,
        plain_http: bool | None = None,  # noqa: FBT001  # as above
    ) -> TargetRegistry:
        """Return the client of a host, to write to it."""
        return self._client(self._target_wire, host, dialect_name, plain_http)

    def repositories(self) -> Repositories:
        """Return Artifact Registry's repositories."""
        return ArtifactRegistry(self._target_wire, self._credentials.access_token)

    async def probe_gcr(self, project: Project, gcr_host: GcrHost) -> tuple[str, str, str]:
        """Ask a gcr.io host who answers for a project.

        Returns:
            Registry host to read from, prefix of image names there, and name of the dialect.

        Raises:
            MigrateError: NAME_UNKNOWN if the project does not use the host; NOT_MIGRATED.
        """
        client = self._client(self._source_wire, gcr_host.name, GCR.name, None)
        if await client.uses_artifact_registry(project.path):
            prefix = f"{project.path}/{gcr_host.repository_id}"
            return ar_host(gcr_host.location), prefix, ARTIFACT_REGISTRY.name
        return gcr_host.name, project.path, GCR.name

    def _client(
        self,
        wire: Wire,
        host: str,
        dialect_name: str,
        plain_http: bool | None,  # noqa: FBT001  # as above
    ) -> RegistryClient:
        key = (id(wire), host, dialect_name, plain_http)
        if key not in self._clients:
            self._clients[key] = RegistryClient(
                host,
                wire,
                self._credentials.for_host,
                BY_NAME[dialect_name],
                plain_http=plain_http,
            )
        return self._clients[key]
