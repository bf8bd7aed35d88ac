"""Asks about what a project's gcr.io hosts left behind; a refusal is an answer, too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.errors import BAD_REPLY, DENIED, NOT_THERE, MigrateError
from gcr_migrate.inventory.api_view import read_package
from gcr_migrate.leftovers.evidence import (
    BucketContents,
    BucketEvidence,
    Compared,
    Held,
    LoggedPulls,
    ProjectEvidence,
    RepositoryEvidence,
)
from gcr_migrate.leftovers.files import root_of
from gcr_migrate.model.cloud import DOCKER, VIRTUAL, DockerImage
from gcr_migrate.model.content import Digest
from gcr_migrate.model.names import GCR_HOSTS, ar_host, ar_name, repository_resource
from gcr_migrate.model.places import artifacts_bucket
from gcr_migrate.tasks import a_few_of, all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping

    from gcr_migrate.interfaces import Buckets, Contents, Projects, Repositories, SourceRegistry
    from gcr_migrate.leftovers.evidence import Listed, Moves
    from gcr_migrate.leftovers.files import Files
    from gcr_migrate.model.cloud import RepositoryFacts
    from gcr_migrate.model.names import GcrHost, Project
    from gcr_migrate.model.pulls import Pulls

T = TypeVar("T")
AT_ONCE: Final = 8  # projects
_BLOBS_AT_ONCE: Final = 16
_TAGS_TOLD: Final = 100  # of a manifest in a list of images, at least; it may have more


class Witnesses(Struct, frozen=True):
    """Who is asked, and what was given.

    Attributes:
        projects: what is known of projects.
        repositories: Artifact Registry's repositories.
        contents: what is in them.
        buckets: buckets of Cloud Storage.
        files: what migration files and snapshots say.
        pulls: an audit log; None without.
        objects_at_most: how many objects of a bucket are looked at.
        registry: registries by host, to ask for each blob; None asks for none.
    """

    projects: Projects
    repositories: Repositories
    contents: Contents
    buckets: Buckets
    files: Files
    pulls: Pulls | None
    objects_at_most: int
    registry: Callable[[str], SourceRegistry] | None = None


class Asking:
    """Questions about some projects; what a target repository has is read once for all.

    Args:
        witnesses: who is asked.
    """

    def __init__(self, witnesses: Witnesses) -> None:
        self._ask = witnesses
        self._held: dict[str, asyncio.Task[Held | MigrateError]] = {}

    async def project(self, project: Project) -> ProjectEvidence:
        """Ask about one project; what its own repositories have is forgotten then."""
        found = await self._project(project)
        for host in GCR_HOSTS:
            resource = repository_resource(project, host.location, host.repository_id)
            self._held.pop(resource, None)
        return found

    async def _project(self, project: Project) -> ProjectEvidence:
        ask, id_ = self._ask, project.id
        locations = sorted({host.location for host in GCR_HOSTS})
        facts, redirect, listed = await asyncio.gather(
            _tried(ask.projects.facts(id_)),
            _tried(ask.projects.redirection(id_)),
            all_of(_tried(ask.repositories.in_location(id_, one)) for one in locations),
        )
        by_location = dict(zip(locations, listed, strict=True))
        buckets, repositories = await asyncio.gather(
            all_of(self._bucket(project, host) for host in GCR_HOSTS),
            all_of(self._repository(project, host, by_location) for host in GCR_HOSTS),
        )
        return ProjectEvidence(
            project,
            facts,
            redirect,
            {
                place: rows if isinstance(rows, MigrateError) else True
                for place, rows in by_location.items()
            },
            tuple(one for one in buckets if isinstance(one, BucketEvidence)),
            tuple(one for one in repositories if one),
            (*_refused(by_location), *(one for one in buckets if isinstance(one, tuple))),
        )

    async def _bucket(
        self, project: Project, host: GcrHost
    ) -> BucketEvidence | tuple[str, MigrateError] | None:
        """Ask about the bucket of a host; None where it is not there."""
        name = artifacts_bucket(host.name, project)
        settings = await _tried(self._ask.buckets.settings(name))
        if settings is None:
            return None
        if isinstance(settings, MigrateError) and settings.problem is not DENIED:
            return f"gs://{name}", settings  # it may be there, or not
        contents = await _tried(self._objects(name))
        listed = await all_of(
            self._checked(project, host, one, manifests)
            for one, manifests in self._ask.files.listed(project, host)
        )
        lost: frozenset[str] | MigrateError | None = None
        if isinstance(contents, BucketContents) and self._ask.registry:
            lost = await _tried(self._lost(project, host, contents, listed))
        return BucketEvidence(name, host, settings, contents, listed, lost)

    async def _lost(
        self, project: Project, host: GcrHost, contents: BucketContents, listed: Iterable[Listed]
    ) -> frozenset[str]:
        """Ask Artifact Registry for each blob of the bucket that an image needs."""
        assert self._ask.registry is not None  # noqa: S101  # else it is not asked
        paths = {digest: path for one in listed for digest, path in one.blobs.items()}
        registry, (host_name, prefix) = self._ask.registry, root_of(project, host)
        client, lost = registry(host_name), set[str]()

        async def one(digest: str) -> None:
            name = f"{prefix}/{paths[digest]}"
            if await client.blob_size(name, Digest.parse(digest)) is None:
                lost.add(digest)

        await a_few_of(map(one, sorted(contents.blobs & paths.keys())), _BLOBS_AT_ONCE)
        return frozenset(lost)

    async def _objects(self, name: str) -> BucketContents:
        found = BucketContents()
        async for one in self._ask.buckets.objects(name):
            if found.seen == self._ask.objects_at_most:
                found.is_complete = False
                break
            found.add(one)
        return found

    async def _checked(
        self, project: Project, host: GcrHost, listed: Listed, manifests: frozenset[tuple[str, str]]
    ) -> Listed:
        """Look whether the host's repository still has what a file lists."""
        resource = repository_resource(project, host.location, host.repository_id)
        held = await self._content(resource)
        if isinstance(held, MigrateError):
            return replace(listed, gone=held)
        gone = sum(digest not in held.manifests.get(path, ()) for path, digest in manifests)
        return replace(listed, gone=gone)

    async def _repository(
        self,
        project: Project,
        host: GcrHost,
        by_location: Mapping[str, tuple[RepositoryFacts, ...] | MigrateError],
    ) -> RepositoryEvidence | None:
        """Ask about the repository of a host; None where it is not there."""
        rows = by_location[host.location]
        if isinstance(rows, MigrateError):
            return None
        resource = repository_resource(project, host.location, host.repository_id)
        facts = next((one for one in rows if one.resource == resource), None)
        if facts is None:
            return None
        moves = self._ask.files.moves(project, host)
        return RepositoryEvidence(
            host,
            facts,
            moves,
            await (self._compared(resource, moves) if moves else self._if_empty(resource)),
            await self._virtual(resource, rows),
            self._logged(project, host),
        )

    async def _compared(self, resource: str, moves: Moves) -> Compared | MigrateError:
        """Compare a repository with what its targets have now."""
        targets = sorted({place for some in moves.targets.values() for place, _ in some})
        old, *read = await all_of(map(self._content, [resource, *targets]))
        there: dict[str, Held] = {}
        for name, held in zip(targets, read, strict=True):
            if isinstance(held, MigrateError):
                return held
            there[name] = held
        return old if isinstance(old, MigrateError) else Compared.of(old, moves, there)

    async def _if_empty(self, resource: str) -> Compared | MigrateError | None:
        """Look for a first image or image path; a repository without any has nothing to lose."""
        contents = self._ask.contents

        async def has_some() -> bool:
            async for _ in contents.docker_images(resource):
                return True
            async for _ in contents.packages(resource):
                return True
            return False

        found = await _tried(has_some())
        if isinstance(found, MigrateError):
            return found
        return None if found else Compared()

    async def _content(self, resource: str) -> Held | MigrateError:
        """Read what a repository has; one that is not there has nothing."""

        async def read() -> Held:
            return await _read_whole(self._ask.contents, resource)

        if resource not in self._held:
            self._held[resource] = asyncio.create_task(_tried(read()))
        found = await self._held[resource]
        if isinstance(found, MigrateError) and found.problem in NOT_THERE:
            return Held()
        return found

    async def _virtual(
        self, resource: str, rows: tuple[RepositoryFacts, ...]
    ) -> tuple[str, ...] | MigrateError:
        """Return the virtual repositories of its location that stand over it."""
        names = [one.resource for one in rows if one.format == DOCKER and one.mode == VIRTUAL]
        found = await all_of(_tried(self._ask.repositories.upstreams(name)) for name in names)
        refused = [one for one in found if isinstance(one, MigrateError)]
        if refused:
            return refused[0]
        return tuple(
            name
            for name, upstreams in zip(names, found, strict=True)
            if isinstance(upstreams, tuple) and resource in upstreams
        )

    def _logged(self, project: Project, host: GcrHost) -> LoggedPulls | None:
        pulls = self._ask.pulls
        if pulls is None:
            return None
        return logged_pulls(pulls, project, host)


def logged_pulls(pulls: Pulls, project: Project, host: GcrHost) -> LoggedPulls:
    """Return what a log tells of the repository of a host, and how far it reaches."""
    root = f"{ar_host(host.location)}/{ar_name(project, host.repository_id)}/"
    in_project = f"/{project.path}/"
    last = {name: max(times.values()) for name, times in pulls.last_ms.items()}
    ends = [at for name, at in last.items() if f"/{name.partition('/')[2]}".startswith(in_project)]
    begins = pulls.begins_ms.get(project.path)
    last_pull, last_push = _last(pulls.last_ms, root), _last(pulls.pushed_ms, root)
    silences = pulls.silences(project.path)
    return LoggedPulls(begins, max(ends, default=None), *last_pull, *last_push, silences)


def _last(times: Mapping[str, Mapping[str, int]], root: str) -> tuple[int | None, str]:
    """Return the last time of anything below a root, and what that was."""
    own = [(max(some.values()), name) for name, some in times.items() if name.startswith(root)]
    return max(own, default=(None, ""))


async def _read_whole(contents: Contents, resource: str) -> Held:
    """Read all manifests and tags of a repository.

    The list of all images may lack image paths, and tags of a manifest that has many: these are
    read one by one.

    Raises:
        MigrateError: BAD_REPLY where the list changed while it was read, and others.
    """
    held, crowded, count = Held(), set[str](), 0
    async for one in contents.docker_images(resource):
        held.add(one)
        count += 1
        if len(one.tags) >= _TAGS_TOLD:
            crowded.add(one.path)
    if count != sum(map(len, held.manifests.values())):
        saw = "entries came twice, as if the list had changed between two pages"
        raise MigrateError(BAD_REPLY, subject=resource, saw=saw)
    packages = {one.path async for one in contents.packages(resource)}
    for path in sorted(crowded | packages - held.manifests.keys()):
        found = await read_package(contents, resource, path)
        for manifest in (found.manifests or ()) if found else ():
            held.add(DockerImage(path, manifest.digest, manifest.tags))
        for tag, digest in found.tags.items() if found else ():
            held.tags[path, tag] = str(digest)
    return held


def _refused(listed: Mapping[str, object]) -> Iterator[tuple[str, MigrateError]]:
    """Give the lists that were refused: what is in them may be left over, too."""
    for location, rows in listed.items():
        if isinstance(rows, MigrateError):
            yield f"repositories in {location}", rows


async def _tried(question: Coroutine[None, None, T]) -> T | MigrateError:
    try:
        return await question
    except MigrateError as error:
        return error
