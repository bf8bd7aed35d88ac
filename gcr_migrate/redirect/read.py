"""Reads what a plan of the redirect rests on; what is refused is an answer, and stops nothing."""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeVar

from msgspec.structs import replace

from gcr_migrate.errors import NOT_THERE, MigrateError
from gcr_migrate.inventory.access import AccessReader
from gcr_migrate.model.change import What
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
from gcr_migrate.model.names import GCR_HOSTS, repository_resource
from gcr_migrate.model.places import artifacts_bucket
from gcr_migrate.model.usage import REDIRECTED
from gcr_migrate.redirect.evidence import (
    Answer,
    Copied,
    Expected,
    HostReading,
    Reading,
    roots_of,
)
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

    from gcr_migrate.interfaces import (
        Access,
        AnswerStore,
        Buckets,
        Contents,
        Projects,
        Repositories,
        Stored,
    )
    from gcr_migrate.model.change import Entry
    from gcr_migrate.model.cloud import RepositoryFacts
    from gcr_migrate.model.names import GcrHost, Project
    from gcr_migrate.redirect.evidence import Wanted

T = TypeVar("T")
Side = Literal["source", "target"]
_EXAMPLES: Final = 3
_HALF: Final = 16  # hexadecimal digits by which blobs are told apart: two of a registry never meet


class Lookouts(Protocol):
    """Who hands out clients that only read."""

    def projects(self, side: Side) -> Projects:
        """Return what is known about projects."""
        ...

    def repositories(self, side: Side) -> Repositories:
        """Return Artifact Registry's repositories."""
        ...

    def contents(self, side: Side) -> Contents:
        """Return what is in them."""
        ...

    def buckets(self, side: Side) -> Buckets:
        """Return buckets of Cloud Storage."""
        ...

    def stored(self, side: Side) -> Stored:
        """Return which blobs lie where."""
        ...

    def access(self, side: Side) -> Access:
        """Return who may do what."""
        ...

    @property
    def answers(self) -> AnswerStore | None:
        """Who keeps policy analyses."""
        ...

    async def probe_gcr(self, project: Project, gcr_host: GcrHost) -> tuple[str, str, str]:
        """Ask a gcr.io host who answers: registry host, prefix of names, dialect."""
        ...


async def tried(question: Coroutine[None, None, T]) -> T | MigrateError:
    """Return an answer, or the error that came instead."""
    try:
        return await question
    except MigrateError as error:
        return error


async def look(project: Project, lookouts: Lookouts) -> Reading:
    """Read the setting of a project, and who answers at each host.

    Args:
        project: the project.
        lookouts: hands out clients.
    """
    settings, answers = await asyncio.gather(
        tried(lookouts.projects("source").redirection(project.id)),
        asyncio.gather(*(answer(project, host, lookouts) for host in GCR_HOSTS)),
    )
    pairs = zip(GCR_HOSTS, answers, strict=True)
    hosts = tuple(HostReading(host, said, None, None) for host, said in pairs)
    return Reading(project, settings, None, hosts)


async def answer(project: Project, host: GcrHost, lookouts: Lookouts) -> Answer | MigrateError:
    """Ask one host who answers for a project."""
    found = await tried(lookouts.probe_gcr(project, host))
    if isinstance(found, MigrateError):
        return found
    return Answer.ARTIFACT_REGISTRY if found[2] == ARTIFACT_REGISTRY.name else Answer.OTHER


async def examine(project: Project, lookouts: Lookouts, baseline: Wanted | None = None) -> Reading:
    """Read all that the gates of a move are judged by.

    Args:
        project: the project.
        lookouts: hands out clients.
        baseline: what has to be there; None without.
    """
    seen = await look(project, lookouts)
    facts = await tried(lookouts.projects("source").facts(project.id))
    reading = _Reading(project, lookouts, compares=_may_be_uncopied(seen))
    hosts = await all_of(reading.host(one) for one in await reading.places(seen.hosts))
    found = Reading(project, seen.settings, facts, tuple(hosts))
    if baseline is None:
        return found
    expected = await reading.expected(found, baseline)
    hosts = [replace(one, expected=expected.get(one.host.name)) for one in hosts]
    return replace(found, hosts=tuple(hosts))


def _may_be_uncopied(seen: Reading) -> bool:
    """Whether it matters what is copied: after copying has ended nothing more can be."""
    settings = seen.settings
    return isinstance(settings, MigrateError) or settings.state not in REDIRECTED


class _Reading:
    """What is read about one project.

    Args:
        project: the project.
        lookouts: hands out clients.
        compares: hold the blobs of buckets against those of repositories.
    """

    def __init__(self, project: Project, lookouts: Lookouts, *, compares: bool) -> None:
        self._compares = compares
        self._project = project
        self._lookouts = lookouts
        self._access = AccessReader(
            lookouts.access("source"), lookouts.repositories("source"), lookouts.answers
        )

    async def places(self, hosts: Iterable[HostReading]) -> list[HostReading]:
        """Add buckets and repositories."""
        locations = sorted({host.location for host in GCR_HOSTS})
        list_ = self._lookouts.repositories("source").in_location
        listed = dict(
            zip(
                locations,
                await all_of(tried(list_(self._project.id, one)) for one in locations),
                strict=True,
            )
        )
        return await all_of(self._place(host, listed) for host in hosts)

    async def _place(
        self, host: HostReading, listed: Mapping[str, tuple[RepositoryFacts, ...] | MigrateError]
    ) -> HostReading:
        where, name = host.host, artifacts_bucket(host.host.name, self._project)
        own = repository_resource(self._project, where.location, where.repository_id)
        rows = listed[where.location]
        repository: RepositoryFacts | MigrateError | None
        if isinstance(rows, MigrateError):
            repository = rows
        else:
            repository = next((one for one in rows if one.resource == own), None)
        elsewhere = [one for some in listed.values() if isinstance(some, tuple) for one in some]
        misplaced = tuple(
            one.resource
            for one in elsewhere
            if one.resource.endswith(f"/{where.repository_id}") and one.resource != own
        )
        bucket = await tried(self._lookouts.buckets("source").get(name))
        return replace(host, bucket=bucket, repository=repository, misplaced=misplaced)

    async def host(self, host: HostReading) -> HostReading:
        """Add what is in bucket and repository, and who can pull from them."""
        shown = f"{host.host.name}/{self._project.path}"
        name = artifacts_bucket(host.host.name, self._project)
        resource = repository_resource(self._project, host.host.location, host.host.repository_id)
        if host.has_repository:
            target = await tried(self._access.repository(shown, resource, self._project.id))
            images = await tried(self._count(resource))
            host = replace(host, target=target, images=images)
        if host.has_bucket:
            source = await tried(self._access.bucket(shown, name, self._project.id))
            host = replace(host, source=source)
        if host.has_bucket and self._compares:
            in_repository = resource if host.has_repository else ""
            copied = await tried(self._copied(name, in_repository))
            host = replace(host, copied=copied)
        return host

    async def _count(self, resource: str) -> int:
        count = 0
        async for _ in self._lookouts.contents("source").packages(resource):
            count += 1
        return count

    async def _copied(self, bucket: str, resource: str) -> Copied:
        """Hold the blobs of a bucket against those of a repository, which may not be there."""
        there = array("Q")
        if resource:
            async for page in self._lookouts.stored("source").in_repository(resource):
                there.extend(int(one[:_HALF], 16) for one in page)
        there = array("Q", sorted(there))
        seen, missing, mark = 0, 0, sha256()
        examples: list[str] = []
        async for page in self._lookouts.stored("source").in_bucket(bucket):
            for one in page:
                seen += 1
                if not _holds(there, int(one[:_HALF], 16)):
                    missing += 1
                    mark.update(one.encode())
                    if len(examples) < _EXAMPLES:
                        examples.append(f"sha256:{one}")
        return Copied(seen, missing, tuple(examples), mark.hexdigest())

    async def expected(
        self, reading: Reading, baseline: Wanted
    ) -> dict[str, Expected | MigrateError]:
        """Hold a baseline against the repositories of those hosts of which it speaks."""
        by_name = {host.host.name: host for host in reading.hosts}
        roots: dict[str, tuple[HostReading, str]] = {}
        found: dict[str, Expected | MigrateError] = {}
        for root, where in roots_of(self._project):
            host = by_name[where.name]
            roots[root] = (host, reading.resource(host) if host.has_repository else "")
            if root in baseline.roots:
                found.setdefault(where.name, Expected(whole=baseline.whole))
        for image, entries in groupby(baseline.entries(), key=lambda one: one.image):
            root = next((one for one in roots if image.startswith(f"{one}/")), "")
            if not root:
                continue
            host, resource = roots[root]
            path = image.removeprefix(f"{root}/")
            before = found.get(host.host.name) or Expected(whole=baseline.whole)
            if not isinstance(before, MigrateError):
                found[host.host.name] = await tried(
                    self._image(before, resource, path, image, entries)
                )
        return found

    async def _image(
        self, before: Expected, resource: str, path: str, image: str, entries: Iterable[Entry]
    ) -> Expected:
        digests: set[str] = set()
        tags: dict[str, str] = {}
        if resource:
            contents = self._lookouts.contents("source")
            try:
                async for version in contents.versions(resource, path):
                    digests.add(str(version.digest))
                async for row in contents.tags(resource, path):
                    tags[row.tag] = str(row.digest)
            except MigrateError as error:
                if error.problem not in NOT_THERE:
                    raise
        seen, missing, examples = before.seen, before.missing, list(before.examples)
        mark = sha256(before.mark.encode())
        for entry in entries:
            if entry.what is What.IMAGE or (entry.what is What.TAG and not entry.digest):
                continue
            seen += 1
            of_tag = entry.what is What.TAG
            is_there = tags.get(entry.name) == entry.digest if of_tag else entry.name in digests
            mark.update(f"{image} {entry.name} {entry.digest} {is_there}\n".encode())
            if is_there:
                continue
            missing += 1
            if len(examples) < _EXAMPLES:
                examples.append(f"{image}{':' if of_tag else '@'}{entry.name}")
        return Expected(seen, missing, tuple(examples), before.whole, mark.hexdigest())


def _holds(there: array[int], wanted: int) -> bool:
    at = bisect_left(there, wanted)
    return at < len(there) and there[at] == wanted
