"""Asks everything at once; what is refused is an answer too, and stops nothing else."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from gcr_migrate.doctor.answers import Answers, HostAnswers, PlaceAnswers, Pull, service_of
from gcr_migrate.doctor.ask_access import bucket_names, held_on_bucket, readable_above
from gcr_migrate.doctor.checks import Step
from gcr_migrate.doctor.permissions import on_buckets, on_repositories, permissions_for
from gcr_migrate.doctor.rules import CONSTRAINTS
from gcr_migrate.doctor.services import SERVICES
from gcr_migrate.errors import DENIED, UNREACHABLE, MigrateError
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
from gcr_migrate.model.names import ar_host, repository_resource, why_no_path
from gcr_migrate.model.places import artifacts_bucket
from gcr_migrate.tasks import first_cause

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterable

    from gcr_migrate.doctor.checks import Case, Place, PlainRegistry, Side
    from gcr_migrate.interfaces import Access, Buckets, Projects, Repositories, SourceRegistry
    from gcr_migrate.model.address import Way
    from gcr_migrate.model.caller import Caller
    from gcr_migrate.model.cloud import BucketFacts
    from gcr_migrate.model.names import GcrHost, Project

_T = TypeVar("_T")


class _EnoughError(Exception):
    """No more of a blob is wanted."""


SILENCE_S: Final = 45.0  # for a question as a whole: who waits sees nothing meanwhile
QUOTA_PATIENCE_S: Final = 20.0  # a quota that is used up is a finding, not something to wait for
_LISTINGS_AT_MOST: Final = 30  # names that are looked into for one image
_PROBE: Final = "gcr-migrate/doctor"  # a name that nobody has, for a registry without a project


class Clients(Protocol):
    """Who hands out the clients that questions need."""

    @property
    def clock_skew_s(self) -> float | None:
        """How far this machine's clock is ahead of Google's, once something was answered."""
        ...

    async def caller(self, side: Side) -> Caller:
        """Tell whose credentials a side has."""
        ...

    async def way(self, host: str) -> Way:
        """Tell how a host is reached, and look its name up where that is done here."""
        ...

    def projects(self, side: Side) -> Projects:
        """Return what is known about projects."""
        ...

    def repositories(self, side: Side) -> Repositories:
        """Return Artifact Registry's repositories."""
        ...

    def buckets(self, side: Side) -> Buckets:
        """Return buckets of Cloud Storage."""
        ...

    def access(self, side: Side) -> Access:
        """Return who may do what."""
        ...

    def source(
        self,
        host: str,
        dialect_name: str,
        plain_http: bool | None,  # noqa: FBT001  # as in the plan
    ) -> SourceRegistry:
        """Return the client of a registry host, to read from it as the source."""
        ...

    def target(
        self,
        host: str,
        dialect_name: str,
        plain_http: bool | None,  # noqa: FBT001  # as in the plan
    ) -> SourceRegistry:
        """Return the client of a registry host with the target's credentials; only read here."""
        ...

    async def probe_gcr(self, project: Project, gcr_host: GcrHost) -> tuple[str, str, str]:
        """Ask a gcr.io host who answers: registry host, prefix of names, dialect."""
        ...


async def examine(case: Case, steps: frozenset[Step], clients: Clients) -> Answers:
    """Ask all that these steps need to know about a case.

    Args:
        case: what a person asked about.
        steps: the steps that they asked for.
        clients: hands out clients.
    """
    hosts = case.hosts if case.source else ()
    try:
        async with asyncio.TaskGroup() as group:
            places = [_PlaceQuestions(case, one, steps, clients, group) for one in case.places]
            ways = {name: beside(group, clients.way(name)) for name in _names(case)}
            buckets = {host: beside(group, _bucket(case, host, clients)) for host in hosts}
            pulls = {host: beside(group, _pull(case, host, clients)) for host in hosts}
            reads = beside(group, _repository_pulls(case, clients))
            plain = beside(group, _plain_source(case, clients))
            target = beside(group, _plain_target(case.plain_target, clients))
    except BaseExceptionGroup as found:  # nothing that was answered: a defect
        raise first_cause(found) from None
    return Answers(
        case=case,
        steps=steps,
        places=tuple(one.answers() for one in places),
        hosts={host: HostAnswers(buckets[host].result(), pulls[host].result()) for host in hosts},
        repository_pulls=reads.result(),
        plain_pull=plain.result(),
        plain_target=target.result(),
        ways={name: way.result() for name, way in ways.items()},
        skew_s=clients.clock_skew_s,  # known only now, by what was answered
        now_s=time.time(),
    )


def beside(
    group: asyncio.TaskGroup, question: Coroutine[None, None, _T]
) -> asyncio.Task[_T | MigrateError]:
    """Ask beside all others; an error that came instead is an answer too, and so is silence."""

    async def asked() -> _T | MigrateError:
        try:
            async with asyncio.timeout(SILENCE_S):
                return await question
        except MigrateError as error:
            return error
        except TimeoutError:
            saw = f"no answer within {SILENCE_S:.0f} s"
            return MigrateError(UNREACHABLE, subject="service", saw=saw)

    return group.create_task(asked())


def _names(case: Case) -> tuple[str, ...]:
    """Return the hosts whose names have to be known here: both worlds' of the source, targets'."""
    hosts = case.hosts if case.source else ()
    names = [host.name for host in hosts]
    names += [ar_host(host.location) for host in hosts]
    names += [ar_host(case.read_location)] if case.read_location else []
    names += [ar_host(location) for location in case.locations]
    names += [ar_host(resource.split("/")[3]) for resource in case.repositories]
    return tuple(dict.fromkeys(names))


class _PlaceQuestions:
    """All questions about one project, asked at once."""

    def __init__(
        self,
        case: Case,
        place: Place,
        steps: frozenset[Step],
        clients: Clients,
        group: asyncio.TaskGroup,
    ) -> None:
        project, projects = place.project.id, clients.projects(place.side)
        repositories = clients.repositories(place.side)
        access, steps = clients.access(place.side), steps & place.steps
        asked = permissions_for(place.serves, steps, case.bases)
        on_each = on_repositories(place.serves, steps, case.bases)
        on_bucket = on_buckets(place.serves, steps, case.bases)
        self._place = place
        self._caller = beside(group, clients.caller(place.side))
        self._facts = beside(group, projects.facts(project))
        self._enabled = beside(group, projects.enabled(project, SERVICES))
        # Each service by itself: one odd permission would have all of them refused.
        self._held = {
            service: beside(group, projects.held(project, some))
            for service, some in _by_service(asked).items()
        }
        self._redirection = (
            beside(group, projects.redirection(project))
            if "source" in place.serves and case.hosts
            else None
        )
        self._policies = {
            one: beside(group, projects.org_policy(project, one)) for one in CONSTRAINTS
        }
        self._locations = beside(group, repositories.locations(project))
        self._listed = {
            location: beside(group, repositories.in_location(project, location))
            for location in _locations(case, place)
        }
        self._held_on = {
            resource: beside(group, self._on(resource, repositories, on_each))
            for resource in _resources(case, place)
        } | {
            name: beside(group, held_on_bucket(name, access, on_bucket))
            for name in bucket_names(case, place)
            if on_bucket
        }
        self._above = (
            beside(group, readable_above(project, access))
            if case.bases and Step.PLAN in steps
            else None
        )

    async def _on(
        self, resource: str, repositories: Repositories, permissions: Collection[str]
    ) -> frozenset[str] | None:
        """Ask for permissions on a repository that is there, or that may be."""
        # Shielded: when this question has to end, the other one is not to be stopped with it.
        listed = await asyncio.shield(self._listed[resource.split("/")[3]])
        if isinstance(listed, MigrateError):
            if listed.problem is not DENIED:
                raise listed
        elif resource not in {one.resource for one in listed}:
            return None
        return await repositories.held(resource, permissions)

    def answers(self) -> PlaceAnswers:
        """Return what was answered, when all has been."""
        held_on = {resource: task.result() for resource, task in self._held_on.items()}
        return PlaceAnswers(
            place=self._place,
            caller=self._caller.result(),
            facts=self._facts.result(),
            enabled=self._enabled.result(),
            held={service: task.result() for service, task in self._held.items()},
            redirection=self._redirection.result() if self._redirection else None,
            policies={one: task.result() for one, task in self._policies.items()},
            locations=self._locations.result(),
            repositories={one: task.result() for one, task in self._listed.items()},
            held_on={name: found for name, found in held_on.items() if found is not None},
            above=self._above.result() if self._above else None,
        )


def _by_service(permissions: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for permission in permissions:
        found.setdefault(service_of(permission), set()).add(permission)
    return found


def _resources(case: Case, place: Place) -> tuple[str, ...]:
    """Return the repositories that matter in a project, whether they are there or not."""
    names = []
    if "source" in place.serves:
        names += [
            repository_resource(place.project, host.location, host.repository_id)
            for host in case.hosts
        ]
        names += case.read_repositories
    if "target" in place.serves:
        names += case.repositories
    return tuple(dict.fromkeys(names))


def _locations(case: Case, place: Place) -> tuple[str, ...]:
    """Return the locations whose repositories are listed."""
    wanted = case.locations if "target" in place.serves else ()
    if "source" in place.serves and case.read_location:
        wanted = (case.read_location, *wanted)
    named = (resource.split("/")[3] for resource in _resources(case, place))
    return tuple(dict.fromkeys([*named, *wanted]))


async def _bucket(case: Case, host: GcrHost, clients: Clients) -> BucketFacts | None:
    project = case.source
    if project is None:
        return None
    return await clients.buckets("source").get(artifacts_bucket(host.name, project))


async def _pull(case: Case, host: GcrHost, clients: Clients) -> Pull | None:
    """Really pull an image of a host, as the next run would."""
    if case.source is None:
        return None
    registry_host, prefix, dialect = await clients.probe_gcr(case.source, host)
    registry = clients.source(registry_host, dialect, None)
    names = [f"{prefix}/{path}" for path in case.paths] or [prefix]
    return await _first_pull(registry, names)


async def _repository_pulls(case: Case, clients: Clients) -> dict[str, Pull | MigrateError | None]:
    """Really pull an image of each repository that is read by its own name."""
    location, project = case.read_location, case.source
    if not location or project is None:
        return {}
    resources = case.read_repositories
    if not resources:
        listed = await clients.repositories("source").in_location(project.id, location)
        resources = tuple(one.resource for one in listed if one.has_images)
    registry = clients.source(ar_host(location), ARTIFACT_REGISTRY.name, None)
    pulls = {}
    async with asyncio.TaskGroup() as group:
        for resource in resources[:_LISTINGS_AT_MOST]:
            repository = resource.rpartition("/")[2]
            paths = [path for path in case.paths if path.split("/")[0] == repository]
            names = [f"{project.path}/{path}" for path in paths or [repository]]
            pulls[resource] = beside(group, _first_pull(registry, names))
    return {resource: pull.result() for resource, pull in pulls.items()}


async def _plain_source(case: Case, clients: Clients) -> Pull | None:
    plain = case.plain_source
    if plain is None:
        return None
    registry = clients.source(plain.host, plain.dialect, plain.plain_http)
    names = list(case.paths)
    if not names:
        names = await _catalog(registry)
    return await _first_pull(registry, names)


async def _catalog(registry: SourceRegistry) -> list[str]:
    """Return the first names of a registry that lists them."""
    names = []
    async for name in registry.catalog():
        if not why_no_path(name):  # a plan leaves it out
            names.append(name)
        if len(names) == _LISTINGS_AT_MOST:
            break
    return names


async def _plain_target(plain: PlainRegistry | None, clients: Clients) -> bool | None:
    if plain is None:
        return None
    registry = clients.target(plain.host, plain.dialect, plain.plain_http)
    await registry.manifest_head(_PROBE, "latest")
    return True


async def _first_pull(registry: SourceRegistry, names: list[str]) -> Pull | None:
    """Pull the first image under some names: its manifest, and one byte of a blob."""
    found = await _first_image(registry, names)
    if found is None:
        return None
    name, reference = found
    manifest = await registry.manifest(name, reference)
    while not manifest.blobs and manifest.children:
        manifest = await registry.manifest(name, str(manifest.children[0].digest))
    own = [blob for blob in manifest.blobs if not blob.urls]
    shown = f"{registry.host}/{name}@{manifest.digest}"
    if not own:
        return Pull(shown, None)
    smallest = min(own, key=lambda blob: blob.size)
    got = 0

    def first(piece: bytes) -> None:
        nonlocal got
        got = len(piece)
        raise _EnoughError

    with suppress(_EnoughError):
        async with registry.open_blob(name, smallest) as pieces:
            await pieces.into(first)
    return Pull(shown, got)


async def _first_image(registry: SourceRegistry, names: list[str]) -> tuple[str, str] | None:
    """Look into names and what lies below them, depth first, for a tag or a digest."""
    waiting = list(reversed(names))
    for _ in range(_LISTINGS_AT_MOST):
        if not waiting:
            break
        name = waiting.pop()
        listing = await registry.listing(name)
        if listing.tags:
            return name, next(iter(listing.tags))
        if listing.manifests:
            return name, str(listing.manifests[0].digest)
        waiting += [f"{name}/{child}" for child in sorted(listing.children, reverse=True)]
    return None
