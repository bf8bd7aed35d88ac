"""What a source has, root by root: found and listed for plans and for snapshots alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.gather import Wanted, gather
from gcr_migrate.model.cloud import DOCKER, RepositoryFacts
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, DISTRIBUTION
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.names import (
    GCR_HOSTS,
    Project,
    ar_host,
    ar_name,
    gcr_host,
    repository_resource,
)
from gcr_migrate.model.plan import Source
from gcr_migrate.spec import ProjectSource, RegistrySource, RepositorySource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gcr_migrate.connect import Connections
    from gcr_migrate.interfaces import Repositories
    from gcr_migrate.inventory.collect import ImageReader
    from gcr_migrate.model.inventory import Listing
    from gcr_migrate.model.names import GcrHost
    from gcr_migrate.state.listings import Listings, Shelf


class Root(Struct):
    """One root of a source; where it is listed, what it has.

    Attributes:
        source: where it is read.
        host: the gcr.io host or the registry that it is known by.
        default_location: the location that the host implies; None if it implies none.
        resource: its repository by the API, which gives a second view; empty if it is in none.
        paths: only these image paths; all if empty.
        below: only what is at or below these paths; all if empty.
        repository: what stands before its image paths where routes see them, see `SourcePaths`.
        listings: by image path below the root; only once it is listed.
        refused: names below the root that no registry takes, with what is wrong; no image paths.
        error: why the registry did not list the root itself, where the API did.
        read: how many of its images could be read.
    """

    source: Source
    host: str
    default_location: str | None = None
    resource: str = ""
    paths: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    repository: str = ""
    listings: Listings | None = None
    refused: dict[str, str] = field(default_factory=dict)
    error: MigrateError | None = None
    read: int = 0

    def image_paths(self) -> list[str]:
        """Return the image paths that it has, in their order."""
        return [*(self.listings or ())]

    def listing(self, path: str) -> Listing:
        """Return the list of an image path; raise KeyError if it has none."""
        if self.listings is None:
            raise KeyError(path)
        return self.listings[path]

    def shown(self, path: str) -> str:
        """Return the name of an image path, or of the root itself for an empty one."""
        return f"{self.source.shown}/{path}" if path else self.source.shown


class Doubts:
    """What could not be listed or read: told as findings, and the end of completeness.

    Args:
        add: takes a finding.

    Attributes:
        complete: nothing may be missing.
    """

    def __init__(self, add: Callable[[Finding], None]) -> None:
        self._add = add
        self.complete = True

    def tell(
        self, problem: errors.Problem, severity: Severity, subject: str, saw: str = ""
    ) -> None:
        """Tell something noteworthy."""
        self._add(Finding(problem, severity, subject, saw))

    def tell_all(self, findings: Iterable[Finding]) -> None:
        """Tell all of these."""
        for finding in findings:
            self._add(finding)

    def failed(self, shown: str, error: MigrateError) -> None:
        """Name what could not be listed or read.

        Raises:
            MigrateError: TOKEN_EXPIRED, as all that is still to be read would fail alike.
        """
        if error.problem is errors.TOKEN_EXPIRED:
            raise error
        self.complete = False
        if error.problem is errors.LISTING_CUT:
            self.tell(errors.LISTING_CUT, Severity.ERROR, shown, error.saw)
        else:
            self.tell(errors.LISTING_FAILED, Severity.ERROR, shown, error.told)

    async def ask_once_more(self, reader: ImageReader) -> None:
        """Name what was read, but may have more attached to it than was told.

        Raises:
            MigrateError: TOKEN_EXPIRED.
        """
        for name, error in await reader.doubts():
            shown = f"{reader.host}/{name}"
            if error.problem is errors.NO_REFERRERS:
                self.tell(error.problem, Severity.INFO, reader.host)
            elif error.problem is errors.REFERRERS_UNKNOWN:
                self.tell(error.problem, Severity.WARNING, shown)
            else:
                self.failed(shown, error)

    def no_host(self, shown: str, error: MigrateError, source: ProjectSource) -> None:
        """Name a host that gave nothing; only one that was not asked for may be unused."""
        asked = len(source.hosts) < len(GCR_HOSTS)
        if errors.says_not_there(error) and not asked:
            self.tell(errors.HOST_EMPTY, Severity.INFO, shown)
        else:
            self.failed(shown, error)

    def not_listed(self, root: Root, path: str, error: MigrateError) -> None:
        """Name what gave no list; a name of a catalogue that has lost its tags is not a doubt."""
        if error.problem is errors.NAME_UNKNOWN and not isinstance(error, errors.BareError):
            if path in root.below:
                return  # that nothing is there is told of all roots together
            if root.source.dialect == DISTRIBUTION.name and not root.paths:
                self.tell(errors.NAME_WITHOUT_TAGS, Severity.WARNING, root.shown(path))
                return
        self.failed(root.shown(path), error)

    def empty_source(self, roots: list[Root]) -> None:
        """Tell that no root has an image, unless one failed, or `empty_paths` tells each path."""
        shown = any(root.listings or root.refused or root.below for root in roots)
        if roots and self.complete and not shown:
            names = ", ".join(root.source.shown for root in roots)
            self.tell(errors.SOURCE_EMPTY, Severity.WARNING, names)

    def empty_paths(self, roots: list[Root]) -> None:
        """Name the paths that are asked for and no root has; one that failed may have it."""
        alike: dict[str, list[Root]] = {}  # of hosts each may have a path, of repositories only one
        for root in roots:
            alike.setdefault(root.repository, []).append(root)
        for some in alike.values():
            self._empty_paths(some)

    def _empty_paths(self, roots: list[Root]) -> None:
        found = [f"{path}/" for root in roots for path in (*root.image_paths(), *root.refused)]
        hosts = ", ".join(root.host for root in roots)
        for path in roots[0].below if roots and self.complete else ():
            if not any(one.startswith(f"{path}/") for one in found):
                shown = roots[0].shown(path)
                self.tell(errors.PATH_EMPTY, Severity.WARNING, shown, f"asked: {hosts}")


async def find_roots(
    source: ProjectSource | RepositorySource | RegistrySource,
    connections: Connections,
    doubts: Doubts,
) -> list[Root]:
    """Find out who answers for each host or repository of a source, and how it is read.

    Raises:
        MigrateError: nobody answers for any.
    """
    if isinstance(source, RepositorySource):
        return await _repositories(source, connections.repositories("source"), doubts)
    if isinstance(source, RegistrySource):
        dialect = DISTRIBUTION.name if source.dialect == "auto" else source.dialect
        row = Source(source.registry, source.registry, "", dialect, source.plain_http)
        return [Root(row, source.registry, paths=source.paths)]
    roots, first, project = [], None, Project.parse(source.project)
    for host in (found for name in source.hosts if (found := gcr_host(name))):
        try:
            roots.append(await _root_of(source, project, host, connections))
        except MigrateError as error:
            first = first or error
            doubts.no_host(f"{host.name}/{project.path}", error, source)
    if first and not roots:
        raise first
    return roots


async def _root_of(
    source: ProjectSource, project: Project, host: GcrHost, connections: Connections
) -> Root:
    shown = f"{host.name}/{project.path}"
    resource = repository_resource(project, host.location, host.repository_id)
    if source.dialect == "auto":
        row = Source(shown, *await connections.probe_gcr(project, host))
    elif source.dialect == ARTIFACT_REGISTRY.name:
        prefix = f"{project.path}/{host.repository_id}"
        row = Source(shown, ar_host(host.location), prefix, source.dialect)
    else:
        row = Source(shown, host.name, project.path, source.dialect)
    has_api = row.dialect == ARTIFACT_REGISTRY.name
    return Root(
        row, host.name, host.location, resource if has_api else "", source.paths, source.below
    )


async def _repositories(
    source: RepositorySource, repositories: Repositories, doubts: Doubts
) -> list[Root]:
    """Look at each repository that is named, or at all of the location."""
    project, roots, first = Project.parse(source.project), [], None
    shown = f"{source.host}/{project.path}"
    if not source.repositories:
        listed = await repositories.in_location(project.id, source.location)
        images = sorted((one for one in listed if one.format == DOCKER), key=_id)
        if not images:
            saw = f"{len(listed)} repositories are listed there, and none is for images"
            raise MigrateError(errors.REPOSITORY_MISSING, subject=shown, saw=saw)
        for one in images:
            if one.is_standard:
                roots.append(_root_in(source, project, _id(one)))
            else:
                doubts.tell(errors.NOT_STANDARD, Severity.WARNING, f"{shown}/{_id(one)}", one.mode)
        return roots
    for name in source.repositories:
        resource = repository_resource(project, source.location, name)
        try:
            facts = await _facts(repositories, resource)
            if facts and not facts.is_standard:
                doubts.tell(errors.NOT_STANDARD, Severity.WARNING, f"{shown}/{name}", facts.mode)
            roots.append(_root_in(source, project, name))
        except MigrateError as error:
            first = first or error
            doubts.failed(f"{shown}/{name}", error)
    if first and not roots:
        raise first
    return roots


def _id(facts: RepositoryFacts) -> str:
    return facts.resource.rpartition("/")[2]


async def _facts(repositories: Repositories, resource: str) -> RepositoryFacts | None:
    """Return what is known about a repository; None where only its registry can be asked.

    Raises:
        MigrateError: it is not there, holds no images, or the login has ended.
    """
    try:
        facts = await repositories.facts(resource)
    except MigrateError as error:
        if error.problem in {errors.TOKEN_EXPIRED, *errors.NOT_THERE}:
            raise
        return None  # the reading of lists meets the same, and tells it
    if facts is None:
        raise MigrateError(errors.REPOSITORY_MISSING, subject=resource, saw="the API answers 404")
    if facts.format != DOCKER:
        raise MigrateError(errors.NOT_DOCKER, subject=resource, saw=f"its format is {facts.format}")
    return facts


def _root_in(source: RepositorySource, project: Project, name: str) -> Root:
    prefix = ar_name(project, name)
    below = _inside(source.below, name)
    return Root(
        Source(f"{source.host}/{prefix}", source.host, prefix, ARTIFACT_REGISTRY.name),
        source.host,
        source.location,
        repository_resource(project, source.location, name),
        _inside(source.paths, name),
        () if "" in below else below,  # the repository itself is asked for
        name,
    )


def _inside(paths: tuple[str, ...], repository: str) -> tuple[str, ...]:
    """Return what follows a repository in those of the paths that are in it."""
    parted = [path.partition("/") for path in paths]
    return tuple(rest for name, _, rest in parted if name == repository)


async def list_root(
    root: Root,
    connections: Connections,
    shelf: Shelf,
    doubts: Doubts,
    listen: Callable[[str, int], None],
) -> None:
    """List everything under a root in all its views; what fails is a doubt.

    Args:
        root: where; gets its listings, and the names that no registry takes.
        connections: hands out clients.
        shelf: has room for its listings.
        doubts: are told what is missing or differs.
        listen: is told `("rows" | "listed", count)`: rows of the API, and names.

    Raises:
        MigrateError: the root can be listed in no view, or the login has ended.
    """
    source = root.source
    registry = connections.source(source.registry, source.dialect, source.plain_http)
    api = (connections.contents("source"), root.resource) if root.resource else None
    wanted, root.listings = Wanted(root.paths, root.below), shelf.add_root()
    found = await gather(registry, source, api, wanted, root.listings, listen)
    root.error, root.refused = found.failed.get(""), found.refused
    for path, error in sorted(found.failed.items()):
        doubts.not_listed(root, path, error)
    doubts.complete = doubts.complete and found.complete
    doubts.tell_all(found.findings)
