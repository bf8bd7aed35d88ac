"""Reads everything that registries show into a snapshot."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.cli.target import find_roots
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.collect import ImageReader
from gcr_migrate.inventory.gather import Wanted, gather
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, DISTRIBUTION
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.names import Project, gcr_host, repository_resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcr_migrate.cli.target import Root, Target
    from gcr_migrate.connect import Connections
    from gcr_migrate.interfaces import Contents
    from gcr_migrate.inventory.collect import ReadManifest
    from gcr_migrate.model.content import Digest, Manifest
    from gcr_migrate.model.inventory import Listing
    from gcr_migrate.state.snapshot import SnapshotDraft

IMAGES_AT_ONCE: Final = 8


async def take(
    target: Target,
    connections: Connections,
    draft: SnapshotDraft,
    listen: Callable[[str, int], None],
) -> bool:
    """Read what a target names, and seal the draft.

    Args:
        target: what is wanted.
        connections: hands out clients; it is read as a source.
        draft: where rows go.
        listen: is told `("listed" | "read", count)` as names are listed and images are read.

    Returns:
        Whether all of it could be listed and read.

    Raises:
        MigrateError: nothing of it could be read, or the login has ended.
    """
    began = datetime.now(UTC)
    roots = await find_roots(target, connections)
    taking = _Taking(target, connections, draft, listen)
    taking.complete = roots.complete
    for finding in roots.findings:
        draft.add_finding(finding)
    first: MigrateError | None = None
    for root in roots.found:
        try:
            await taking.root(root)
        except MigrateError as error:
            if len(roots.found) == 1 or error.problem is errors.TOKEN_EXPIRED:
                raise
            first = first or error
            taking.failed(root.source.shown, error)
    if first and not taking.listed_any:
        raise first
    draft.seal(
        target=target.name,
        complete=taking.complete,
        tool_version=version("gcr-migrate"),
        taken_at=(began, datetime.now(UTC)),
    )
    return taking.complete


class _Taking:
    """A snapshot in the making."""

    def __init__(
        self,
        target: Target,
        connections: Connections,
        draft: SnapshotDraft,
        listen: Callable[[str, int], None],
    ) -> None:
        self._target = target
        self._connections = connections
        self._draft = draft
        self._listen = listen
        self.complete = True
        self.listed_any = False

    def failed(self, shown: str, error: MigrateError) -> None:
        """Name what could not be listed or read."""
        if error.problem is errors.TOKEN_EXPIRED:
            raise error  # all that is still to be read would fail alike
        self.complete = False
        if error.problem is errors.LISTING_CUT:
            self._tell(errors.LISTING_CUT, Severity.ERROR, shown, error.saw)
            return
        saw = f"{error.problem.code}: {error.saw}".removesuffix(": ")
        self._tell(errors.LISTING_FAILED, Severity.ERROR, shown, saw)

    async def root(self, root: Root) -> None:
        """List everything under a root, and read it image by image."""
        source = root.source
        registry = self._connections.source(source.registry, source.dialect, source.plain_http)
        wanted = Wanted(root.paths, root.below)
        found = await gather(registry, source, self._api_of(root), wanted, self._listen)
        self.listed_any = True
        self.complete = self.complete and found.complete
        for path, error in sorted(found.failed.items()):
            self._not_listed(root, path, error)
        for finding in found.findings:
            self._draft.add_finding(finding)
        self._tell_empty(root, found.listings)
        source_id = self._draft.add_source(source)
        # Manifests are kept by the cache, or by nobody: a snapshot need not have their bytes.
        reader = ImageReader(registry, _nothing, self._keep)
        await self._read_all(root, source_id, reader, found.listings)

    async def _read_all(
        self, root: Root, source_id: int, reader: ImageReader, listings: dict[str, Listing]
    ) -> None:
        """Read a few images at once: what has been read is written, and not held."""
        waiting: set[asyncio.Task[None]] = set()
        try:
            for path in sorted(listings):
                if len(waiting) >= IMAGES_AT_ONCE:
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                shown = f"{root.source.shown}/{path}"
                one = self._image(source_id, path, shown, reader, listings.pop(path))
                waiting.add(asyncio.create_task(one))
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _image(
        self, source_id: int, path: str, shown: str, reader: ImageReader, listing: Listing
    ) -> None:
        try:
            content = await reader.read(shown, listing)
        except MigrateError as error:
            self.failed(shown, error)
            return
        self._draft.add_image(source_id, path, content)
        self._listen("read", 1)

    def _keep(self, read: ReadManifest) -> None:
        self._draft.add_manifest(read.manifest)

    def _not_listed(self, root: Root, path: str, error: MigrateError) -> None:
        shown = f"{root.source.shown}/{path}" if path else root.source.shown
        if error.problem is errors.NAME_UNKNOWN:
            if path in root.below:
                return  # that nothing is there is told of the whole root
            if root.source.dialect == DISTRIBUTION.name and not root.paths:
                self._tell(errors.NAME_WITHOUT_TAGS, Severity.WARNING, shown)
                return
        self.failed(shown, error)

    def _tell_empty(self, root: Root, listings: dict[str, Listing]) -> None:
        """Name the paths that are asked for and that nothing is at or below."""
        for path in root.below if self.complete else ():
            if not any(one == path or one.startswith(f"{path}/") for one in listings):
                self._tell(errors.PATH_EMPTY, Severity.WARNING, f"{root.source.shown}/{path}")

    def _tell(
        self, problem: errors.Problem, severity: Severity, subject: str, saw: str = ""
    ) -> None:
        self._draft.add_finding(Finding(problem, severity, subject, saw))

    def _api_of(self, root: Root) -> tuple[Contents, str] | None:
        """Return where the second view of a root is; only Artifact Registry has one."""
        source, place = root.source, self._target.place
        if source.dialect != ARTIFACT_REGISTRY.name:
            return None
        host = gcr_host(source.shown.partition("/")[0])
        if place:
            repository = source.prefix.rpartition("/")[2]
            resource = repository_resource(place.project, place.location, repository)
        elif host and (project := getattr(self._target.source, "project", "")):
            resource = repository_resource(
                Project.parse(project), host.location, host.repository_id
            )
        else:
            return None
        return self._connections.contents("source"), resource


def _nothing(_digest: Digest) -> Manifest | None:
    return None
