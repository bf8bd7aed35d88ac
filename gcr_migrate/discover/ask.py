"""Asks all witnesses about projects; what is refused is an answer too, and stops nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.discover.evidence import Answer, BucketEvidence, HostEvidence, ProjectEvidence
from gcr_migrate.discover.scope import AT_ONCE, own_buckets
from gcr_migrate.errors import API_DISABLED, DENIED, NOT_MIGRATED, MigrateError
from gcr_migrate.model.cloud import DOCKER
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
from gcr_migrate.model.names import GCR_HOSTS, repository_resource
from gcr_migrate.model.places import artifacts_bucket
from gcr_migrate.model.usage import MIGRATED
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from gcr_migrate.discover.scope import Scope
    from gcr_migrate.interfaces import Assets, Buckets, Contents, Projects, Repositories
    from gcr_migrate.model.cloud import RepositoryFacts
    from gcr_migrate.model.names import GcrHost, Project

T = TypeVar("T")


class Hosts(Protocol):
    """Asks gcr.io hosts themselves."""

    async def probe_gcr(self, project: Project, gcr_host: GcrHost) -> tuple[str, str, str]:
        """Ask a gcr.io host who answers: registry host, prefix of names, dialect."""
        ...

    async def gcr_usage(self, project: Project, gcr_host: GcrHost) -> str:
        """Ask a gcr.io host how a project uses it; empty where it says nothing of that."""
        ...

    async def is_public(self, project: Project, gcr_host: GcrHost) -> bool:
        """Whether anybody may see what a project has at a gcr.io host."""
        ...


class Witnesses(Struct, frozen=True):
    """Everybody who is asked.

    Attributes:
        hosts: the gcr.io hosts.
        found: what lies below projects, folders and organisations.
        known: what is known about one project.
        repositories: Artifact Registry's repositories.
        contents: what is in them.
        buckets: buckets of Cloud Storage by name.
    """

    hosts: Hosts
    found: Assets
    known: Projects
    repositories: Repositories
    contents: Contents
    buckets: Buckets


async def examine_all(
    scope: Scope,
    hosts_of: Callable[[str], tuple[GcrHost, ...]],
    witnesses: Witnesses,
    on_project: Callable[[], None],
) -> list[ProjectEvidence]:
    """Ask about all projects of a scope, some at once; return the answers in the order of ids.

    Args:
        scope: the projects, and the buckets that a search has shown already.
        hosts_of: the hosts to ask about in a project.
        witnesses: who is asked.
        on_project: called after each project.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(project: Project) -> ProjectEvidence:
        async with turns:
            found = await _Questions(project, hosts_of(project.id), witnesses, scope).ask()
        on_project()
        return found

    return await all_of(one(scope.projects[id_]) for id_ in sorted(scope.projects))


async def _tried(question: Coroutine[None, None, T]) -> T | MigrateError:
    try:
        return await question
    except MigrateError as error:
        return error


class _Questions:
    """All questions about one project, each asked only where the answers before call for it."""

    def __init__(
        self, project: Project, hosts: tuple[GcrHost, ...], witnesses: Witnesses, scope: Scope
    ) -> None:
        self._project = project
        self._hosts = hosts
        self._ask = witnesses
        self._scope = scope

    async def ask(self) -> ProjectEvidence:
        """Ask the project, then each host, then for buckets that something else speaks of."""
        id_, locations = self._project.id, sorted({host.location for host in self._hosts})
        (settings, buckets), listed = await asyncio.gather(
            asyncio.gather(_tried(self._ask.known.redirection(id_)), self._buckets()),
            all_of(_tried(self._ask.repositories.in_location(id_, one)) for one in locations),
        )
        facts = None
        if isinstance(settings, MigrateError) and settings.problem is not API_DISABLED:
            facts = await _tried(self._ask.known.facts(id_))
        by_location = dict(zip(locations, listed, strict=True))
        hosts = tuple(
            HostEvidence(host, buckets[host.name], repository=self._repository(host, by_location))
            for host in self._hosts
        )
        project = ProjectEvidence(
            self._project, settings, facts, hosts, repositories=_others(by_location.values())
        )
        asked = await asyncio.gather(*(self._host(project, one) for one in hosts))
        return replace(project, hosts=tuple(asked))

    async def _buckets(self) -> dict[str, BucketEvidence]:
        """Look each host's bucket up in what a search shows, else ask for its name."""
        searched = self._scope.buckets
        if searched is None:
            searched = await self._search()
        found = {}
        for host in self._hosts:
            name = artifacts_bucket(host.name, self._project)
            if isinstance(searched, MigrateError):
                found[host.name] = BucketEvidence(name, searched, await self._named(name))
            else:
                found[host.name] = BucketEvidence(name, name in searched)
        return found

    async def _search(self) -> frozenset[str] | MigrateError:
        async def rows() -> frozenset[str]:
            scope = f"projects/{self._project.id}"
            found = [row async for row in self._ask.found.artifacts_buckets(scope)]
            return await own_buckets(found, self._ask.known, self._scope, {})

        return await _tried(rows())

    async def _named(self, name: str) -> bool | MigrateError:
        found = await _tried(self._ask.buckets.get(name))
        if isinstance(found, MigrateError):  # what is hidden is there: nothing is 404 to anybody
            return True if found.problem is DENIED else found
        return found is not None

    def _repository(
        self, host: GcrHost, listed: dict[str, tuple[RepositoryFacts, ...] | MigrateError]
    ) -> RepositoryFacts | MigrateError | None:
        rows = listed[host.location]
        if isinstance(rows, MigrateError):
            return rows
        resource = repository_resource(self._project, host.location, host.repository_id)
        return next((one for one in rows if one.resource == resource), None)

    async def _host(self, project: ProjectEvidence, host: HostEvidence) -> HostEvidence:
        if project.is_api_disabled:  # it would answer nothing else
            return host
        if project.is_ours is False:
            public = await _tried(self._ask.hosts.is_public(self._project, host.host))
            host = replace(host, is_public=public)
        usage = await _tried(self._ask.hosts.gcr_usage(self._project, host.host))
        host = replace(host, usage=usage)
        if _is_surely_idle(project, host):
            return host
        answer, images = await asyncio.gather(self._answer(host.host), self._images(host))
        host = replace(host, answer=answer, images=images)
        foreign = {name for name, _ in self._scope.foreign}  # its name would find it all the same
        missed = host.bucket.searched is False and host.bucket.name not in foreign
        if missed and _speaks_of_a_bucket(host):
            named = await self._named(host.bucket.name)
            return replace(host, bucket=replace(host.bucket, named=named))
        return host

    async def _answer(self, host: GcrHost) -> Answer | MigrateError:
        found = await _tried(self._ask.hosts.probe_gcr(self._project, host))
        if isinstance(found, MigrateError):
            return found
        return Answer.ARTIFACT_REGISTRY if found[2] == ARTIFACT_REGISTRY.name else Answer.OTHER

    async def _images(self, host: HostEvidence) -> tuple[str, ...] | MigrateError | None:
        if host.repository is None or isinstance(host.repository, MigrateError):
            return None
        resource = host.repository.resource

        async def paths() -> tuple[str, ...]:
            return tuple([one.path async for one in self._ask.contents.packages(resource)])

        return await _tried(paths())


def _is_surely_idle(project: ProjectEvidence, host: HostEvidence) -> bool:
    """Whether every witness that was heard says that there is nothing."""
    settings = project.settings
    if isinstance(settings, MigrateError) or settings.state not in MIGRATED:
        return False  # it may answer 412
    return host.is_listed is False and host.bucket.is_there is False and not host.word


def _speaks_of_a_bucket(host: HostEvidence) -> bool:
    """Whether a host's answer or word lets a bucket be expected that a search does not show."""
    answer = host.answer
    never = isinstance(answer, MigrateError) and answer.problem is NOT_MIGRATED
    return never or bool(host.word)


def _others(listed: Iterable[tuple[RepositoryFacts, ...] | MigrateError]) -> int | None:
    """Count the Docker repositories that are none of the hosts'; None where a list failed."""
    own, count = {host.repository_id for host in GCR_HOSTS}, 0
    for rows in listed:
        if isinstance(rows, MigrateError):
            return None
        ids = (one.resource.rpartition("/")[2] for one in rows if one.format == DOCKER)
        count += sum(id_ not in own for id_ in ids)
    return count
