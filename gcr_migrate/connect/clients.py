"""Puts clients together: endpoints, credentials, connections, one client for each host."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Literal, Self

from gcr_migrate.errors import DENIED, NAME_UNKNOWN, NOT_MIGRATED, UNAUTHORIZED, MigrateError
from gcr_migrate.google.api import Api
from gcr_migrate.google.credentials import Credentials
from gcr_migrate.google.explain import Explainer
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, GCR
from gcr_migrate.model.login import Login
from gcr_migrate.model.names import ar_host
from gcr_migrate.registry.catalogue import Catalogue
from gcr_migrate.registry.client import RegistryClient
from gcr_migrate.registry.remembered import RememberedRegistry
from gcr_migrate.wire.dns import way_to
from gcr_migrate.wire.network import Network
from gcr_migrate.wire.pilot import Pilot
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.secret import Nobody
from gcr_migrate.wire.transport import Wire

if TYPE_CHECKING:
    from gcr_migrate.connect.settings import Settings
    from gcr_migrate.google.services import Services
    from gcr_migrate.interfaces import (
        Access,
        AnswerStore,
        Assets,
        Buckets,
        Contents,
        Kept,
        ManifestStore,
        Names,
        Projects,
        Puller,
        Repositories,
        ServerCopy,
        SettingsWriter,
        SourceRegistry,
        Stored,
        TargetRegistry,
        TargetRepositories,
        Topics,
    )
    from gcr_migrate.model.address import Way
    from gcr_migrate.model.caller import Caller
    from gcr_migrate.model.content import Digest, Manifest
    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.model.names import GcrHost, Project
    from gcr_migrate.registry.copying import CopyClient

Side = Literal["source", "target"]
_API_THREADS: Final = 8
_TELLING_IDLE_S: Final = 15.0
_TELLING_PATIENCE_S: Final = 30.0
_NOT_PUBLIC: Final = frozenset({DENIED, NAME_UNKNOWN, NOT_MIGRATED, UNAUTHORIZED})


def outside(settings: Settings) -> Wire:
    """Return connections to those who are told of a run; they have no login of ours.

    They share neither turns nor pauses with those to registries, and wait for less: a receiver
    that hangs must not keep a schedule from its end.
    """
    wire_s = min(settings.idle_s(), _TELLING_IDLE_S)
    pilot = Pilot(_TELLING_PATIENCE_S)
    network = Network(settings.environ)
    return Wire(settings.endpoints, settings.backoff(), network, pilot, wire_s)


class Connections:
    """All clients of one command; closes them at the end.

    Args:
        settings: what they have in common.
        source: how the source logs in to Google.
        target: how the target does.

    Attributes:
        creation_pause_s: seconds between two creations of repositories.
        traffic: counts the requests of all of them.
        pilot: makes all requests wait for their turn, and counts them.
        blobs_at_once: transfers in flight at most, to each target host.
    """

    def __init__(
        self, settings: Settings, source: Login | None = None, target: Login | None = None
    ) -> None:
        backoff, network = settings.backoff(), Network(settings.environ)
        pilot = self.pilot = settings.pilot()
        idle_s = settings.idle_s()
        self._settings = settings
        self._endpoints, self._network = settings.endpoints, network
        self.traffic = pilot.traffic
        # Two pools: uploads that wait for a target must not keep its source's readers waiting.
        self._source_wire = Wire(settings.endpoints, backoff, network, pilot, idle_s)
        self._target_wire = Wire(settings.endpoints, backoff, network, pilot, idle_s)
        # A third one for tokens: no transfer must keep the token waiting that it needs.
        self._login_wire = Wire(settings.endpoints, backoff, network, pilot, idle_s)
        logins: dict[Side, Login] = {
            "source": (source or Login()).or_else(settings.login),
            "target": (target or Login()).or_else(settings.login),
        }
        made = {
            login: Credentials(login, settings.environ, self._login_wire)
            for login in set(logins.values())
        }
        self._credentials = {side: made[login] for side, login in logins.items()}
        wires: dict[Side, Wire] = {"source": self._source_wire, "target": self._target_wire}
        self._explainers = {
            side: Explainer(Api(wires[side], found), found)
            for side, found in self._credentials.items()
        }
        self._clients: dict[tuple[Side, str, str, bool | None], RegistryClient] = {}
        self._store: ManifestStore | None = None
        self._remembered: dict[RegistryClient, RememberedRegistry] = {}
        self._copies: dict[str, CopyClient] = {}
        self._copy_wire: Wire | None = None
        self._catalogues: dict[RegistryClient, Catalogue] = {}
        self._services: dict[Side, Services] = {}
        self._others: dict[Login, Credentials] = {}
        self._threads = ThreadPoolExecutor(_API_THREADS, "google-api")
        self._stack = AsyncExitStack()
        self.creation_pause_s = settings.creation_pause_s()
        self.blobs_at_once = settings.limits.blobs_at_once

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._login_wire)
        for credentials in self._credentials.values():
            self._stack.push_async_callback(credentials.close)
        await self._stack.enter_async_context(self._source_wire)
        await self._stack.enter_async_context(self._target_wire)
        self._stack.push_async_callback(self._end_threads)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def source(
        self,
        host: str,
        dialect_name: str,
        plain_http: bool | None = None,  # noqa: FBT001  # a column of the plan, handed on as it is
    ) -> SourceRegistry:
        """Return the client of a host of the source, to read from it."""
        client = self._client("source", host, dialect_name, plain_http)
        if self._store is None:
            return client
        if client not in self._remembered:
            self._remembered[client] = RememberedRegistry(client, self._store)
        return self._remembered[client]

    def keep_manifests(self, store: ManifestStore) -> None:
        """Let sources give manifests from this store, and keep there what they fetch.

        For what only reads; a proof asks the registries themselves.
        """
        self._store = store

    @property
    def answers(self) -> AnswerStore | None:
        """Who keeps answers that a service gives a few times a day; None without a cache."""
        return self._store

    def remembered(self, digest: Digest) -> Manifest | None:
        """Return a manifest that an earlier run kept, wherever it was."""
        return self._store.get(digest) if self._store else None

    def target_reader(
        self,
        host: str,
        dialect_name: str,
        plain_http: bool | None = None,  # noqa: FBT001  # as above
    ) -> SourceRegistry:
        """Return the client of a host of the target, to read what is there already."""
        return self._client("target", host, dialect_name, plain_http)

    def target(
        self,
        host: str,
        dialect_name: str,
        plain_http: bool | None = None,  # noqa: FBT001  # as above
    ) -> TargetRegistry:
        """Return the client of a host, to write to it."""
        return self._client("target", host, dialect_name, plain_http)

    def server_copy(self, host: str) -> ServerCopy:
        """Return who copies from Container Registry into repositories of a host."""
        from gcr_migrate.registry.copying import CopyClient  # noqa: PLC0415  # for `rescue` only

        if self._copy_wire is None:
            once, idle_s = Backoff(tries=1), self._settings.copy_s()
            wire = Wire(self._endpoints, once, self._network, self.pilot, idle_s)
            self._copy_wire = wire
            self._stack.push_async_callback(wire.close)
        if host not in self._copies:
            credentials = self._credentials["target"]
            self._copies[host] = CopyClient(host, self._copy_wire, self._target_wire, credentials)
        return self._copies[host]

    @property
    def backoff(self) -> Backoff:
        """How often and how long requests are tried again."""
        return self._settings.backoff()

    def dialect(self, name: str) -> Dialect:
        """Return the habits of one kind of registry, with what the environment states."""
        return self._settings.dialect(name)

    def target_names(
        self,
        host: str,
        dialect_name: str,
        plain_http: bool | None = None,  # noqa: FBT001  # as above
    ) -> Names:
        """Return who knows names that a host of the target does not have."""
        client = self._client("target", host, dialect_name, plain_http)
        return self._catalogues.setdefault(client, Catalogue(client))

    async def caller(self, side: Side) -> Caller:
        """Return whose credentials a side was given or has found."""
        return await self._credentials[side].caller()

    def near_quotas(self) -> dict[str, str]:
        """Tell of each service that was asked near a quota, in words, how near that was."""
        told = {
            service: self._settings.limits.nearness(service, asked)
            for service, asked in self.pilot.counts().items()
        }
        return {service: words for service, words in told.items() if words}

    @property
    def clock_skew_s(self) -> float | None:
        """How far this machine's clock is ahead of the services'; None if none has told."""
        wires = (self._source_wire, self._target_wire, self._login_wire)
        return next((w.clock_skew_s for w in wires if w.clock_skew_s is not None), None)

    async def way(self, host: str) -> Way:
        """Tell how a host is reached, and look its name up where that is done here."""
        return await way_to(host, self._endpoints, self._network)

    def repositories(self, side: Side) -> Repositories:
        """Return Artifact Registry's repositories, to read what is there."""
        return self._google(side).repositories

    def target_repositories(self) -> TargetRepositories:
        """Return Artifact Registry's repositories, to make those of the target."""
        return self._google("target").repositories

    def contents(self, side: Side) -> Contents:
        """Return the lists of what repositories of Artifact Registry hold."""
        return self._google(side).contents

    def projects(self, side: Side) -> Projects:
        """Return what Google's APIs tell about projects."""
        return self._google(side).projects

    def redirect_settings(self) -> SettingsWriter:
        """Return the redirect setting of projects, to change it."""
        return self._google("source").projects

    def buckets(self, side: Side) -> Buckets:
        """Return the buckets of Cloud Storage."""
        return self._google(side).buckets

    def stored(self, side: Side) -> Stored:
        """Return which blobs lie in buckets and repositories."""
        return self._google(side).stored

    def kept_object(self, bucket: str, name: str) -> Kept:
        """Return an object of Cloud Storage that holds what is kept between runs."""
        return self._google("source").cloud_object(bucket, name)

    def assets(self, side: Side) -> Assets:
        """Return what lies below folders and organisations."""
        return self._google(side).assets

    def access(self, side: Side) -> Access:
        """Return who may do what with buckets and projects."""
        return self._google(side).access

    def topics(self, side: Side) -> Topics:
        """Return the topics of Pub/Sub, and who listens to them."""
        return self._google(side).topics

    async def gcr_usage(self, project: Project, gcr_host: GcrHost) -> str:
        """Ask a gcr.io host how a project uses it; empty where it says nothing of that."""
        client = self._client("source", gcr_host.name, GCR.name, None)
        return await client.gcr_usage(project.path)

    def docker(self, host: str, login: Side | Login | None) -> Puller:
        """Return who pulls from a host as docker does: under a side's login, another, or none.

        Args:
            host: registry host.
            login: whose; None for anybody.
        """
        from gcr_migrate.registry.docker import DockerClient  # noqa: PLC0415  # for proofs only

        if login is None:
            return DockerClient(host, self._source_wire, Nobody())
        if isinstance(login, str):
            return DockerClient(host, self._source_wire, self._credentials[login])
        if login not in self._others:
            self._others[login] = Credentials(login, self._settings.environ, self._login_wire)
            self._stack.push_async_callback(self._others[login].close)
        return DockerClient(host, self._source_wire, self._others[login])

    async def is_public(self, project: Project, gcr_host: GcrHost) -> bool:
        """Whether anybody may see what a project has at a gcr.io host."""
        nobody = Nobody()
        client = RegistryClient(gcr_host.name, self._source_wire, nobody, GCR)
        try:
            await client.uses_artifact_registry(project.path)  # whoever it is that answers
        except MigrateError as error:
            if error.problem not in _NOT_PUBLIC:
                raise
            return False
        return True

    def _google(self, side: Side) -> Services:
        if side not in self._services:
            # Registries elsewhere never need Google's libraries, which take a while to load.
            from gcr_migrate.google.services import Services  # noqa: PLC0415

            wire = self._source_wire if side == "source" else self._target_wire
            self._services[side] = Services(wire, self._credentials[side], self._threads)
        return self._services[side]

    async def _end_threads(self) -> None:
        for services in self._services.values():
            services.close()
        # In a thread of its own: what ends meanwhile still has to be told to the loop.
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def probe_gcr(self, project: Project, gcr_host: GcrHost) -> tuple[str, str, str]:
        """Ask a gcr.io host who answers for a project.

        Returns:
            Registry host to read from, prefix of image names there, and name of the dialect.

        Raises:
            MigrateError: NAME_UNKNOWN if the project does not use the host; NOT_MIGRATED.
        """
        client = self._client("source", gcr_host.name, GCR.name, None)
        if await client.uses_artifact_registry(project.path):
            prefix = f"{project.path}/{gcr_host.repository_id}"
            return ar_host(gcr_host.location), prefix, ARTIFACT_REGISTRY.name
        return gcr_host.name, project.path, GCR.name

    def _client(
        self,
        side: Side,
        host: str,
        dialect_name: str,
        plain_http: bool | None,  # noqa: FBT001  # as above
    ) -> RegistryClient:
        key: tuple[Side, str, str, bool | None] = (side, host, dialect_name, plain_http)
        if key not in self._clients:
            self._clients[key] = RegistryClient(
                host,
                self._source_wire if side == "source" else self._target_wire,
                self._credentials[side],
                self.dialect(dialect_name),
                plain_http=plain_http,
                explain=self._explainers[side],
            )
        return self._clients[key]
