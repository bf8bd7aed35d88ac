"""Reads everything that registries show into a snapshot."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from gcr_migrate.cli.reading import Doubts, list_root
from gcr_migrate.cli.selecting import names_refused, notes_of
from gcr_migrate.cli.target import roots_of
from gcr_migrate.errors import TOKEN_EXPIRED, MigrateError
from gcr_migrate.inventory.collect import ImageReader
from gcr_migrate.model.attestation import names_that_stay
from gcr_migrate.model.domains import FACT, Domain
from gcr_migrate.model.settings import plain
from gcr_migrate.spec import Select
from gcr_migrate.state.snapshot import ONLY, SETTINGS
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcr_migrate.cli.reading import Root
    from gcr_migrate.cli.target import Target
    from gcr_migrate.connect import Connections
    from gcr_migrate.inventory.collect import ReadManifest
    from gcr_migrate.inventory.domains import DomainReader
    from gcr_migrate.model.content import Digest, Manifest
    from gcr_migrate.model.inventory import Listing
    from gcr_migrate.state.listings import Shelf
    from gcr_migrate.state.snapshot import SnapshotDraft

IMAGES_AT_ONCE: Final = 8


async def take(
    target: Target,
    connections: Connections,
    draft: SnapshotDraft,
    shelf: Shelf,
    listen: Callable[[str, int], None],
    domains: DomainReader | None = None,
) -> bool:
    """Read what a target names, and seal the draft.

    Args:
        target: what is wanted.
        connections: hands out clients; it is read as a source.
        draft: where rows go.
        shelf: keeps what is listed until it is read.
        listen: is told `("rows" | "listed" | "manifests" | "read", count)` as rows of the API come,
            names are listed, and manifests and whole images are read.
        domains: sees who answers gcr.io names and for whom; None: nobody compares that later.

    Returns:
        Whether all of it could be listed and read.

    Raises:
        MigrateError: nothing of it could be read, or the login has ended.
    """
    doubts = Doubts(draft.add_finding)
    roots = await roots_of(target, connections, doubts)
    return await take_roots(target.name, roots, connections, draft, shelf, listen, doubts, domains)


async def take_roots(
    name: str,
    roots: list[Root],
    connections: Connections,
    draft: SnapshotDraft,
    shelf: Shelf,
    listen: Callable[[str, int], None],
    doubts: Doubts | None = None,
    domains: DomainReader | None = None,
    *,
    checks_blobs: bool = False,
) -> bool:
    """Read everything under some roots, and seal the draft.

    Args:
        name: what was asked for, as it is told.
        roots: where to read.
        connections: see `take`, as for what follows.
        draft: likewise.
        shelf: likewise.
        listen: likewise.
        doubts: what was in doubt before; None for nothing.
        domains: see `take`.
        checks_blobs: ask for every blob, whether it is there.

    Returns:
        Whether all of it could be listed and read.

    Raises:
        MigrateError: nothing of it could be read, or the login has ended.
    """
    began = datetime.now(UTC)
    doubts = doubts or Doubts(draft.add_finding)
    roots = await _listed(roots, connections, shelf, doubts, listen)
    doubts.empty_paths(roots)
    for root in roots:
        doubts.tell_all(notes_of(root))
        for left_out in names_refused(root, Select()):
            draft.add_left_out(left_out)
    taking = _Taking(connections, draft, doubts, listen, domains, checks_blobs=checks_blobs)
    for root in roots:
        await taking.read(root)
    draft.seal(
        target=name,
        complete=doubts.complete,
        tool_version=version("gcr-migrate"),
        taken_at=(began, datetime.now(UTC)),
    )
    return doubts.complete


async def _listed(
    roots: list[Root],
    connections: Connections,
    shelf: Shelf,
    doubts: Doubts,
    listen: Callable[[str, int], None],
) -> list[Root]:
    """List each root, and return those that could be; of several some may fail, but not all."""
    listed: list[Root] = []
    errors: list[MigrateError] = []
    for root in roots:
        try:
            await list_root(root, connections, shelf, doubts, listen)
        except MigrateError as error:
            doubts.failed(root.source.shown, error)
            errors.append(error)
        else:
            listed.append(root)
    if errors and not listed:
        raise errors[0]
    return listed


class _Taking:
    """A snapshot in the making."""

    def __init__(
        self,
        connections: Connections,
        draft: SnapshotDraft,
        doubts: Doubts,
        listen: Callable[[str, int], None],
        domains: DomainReader | None,
        *,
        checks_blobs: bool,
    ) -> None:
        self._checks_blobs = checks_blobs
        self._connections = connections
        self._draft = draft
        self._doubts = doubts
        self._listen = listen
        self._domains = domains

    async def read(self, root: Root) -> None:
        """Read a root image by image, a few at once: what has been read is not held."""
        source = root.source
        registry = self._connections.source(source.registry, source.dialect, source.plain_http)
        # Manifests are kept by the cache, or by nobody: a snapshot need not have their bytes.
        reader = ImageReader(
            registry, _nothing, self._keep, _nothing, checks_blobs=self._checks_blobs
        )
        source_id = self._draft.add_source(source)
        self._draft.add_fact(source_id, ONLY, [*root.paths, *root.below])
        await self._repository(source_id, root)
        domain = Domain.at(source.registry, source.prefix)
        if domain and self._domains:
            self._draft.add_fact(source_id, FACT, (await self._domains.facts(domain)).plain())
        images = (
            self._image(source_id, path, root.shown(path), reader, root.listing(path))
            for path in root.image_paths()
        )
        await a_few_of(images, IMAGES_AT_ONCE)
        await self._doubts.ask_once_more(reader)

    async def _repository(self, source_id: int, root: Root) -> None:
        """Keep how a repository is set up, if that can be seen, for who compares it later."""
        if not root.resource:
            return
        try:
            settings = await self._connections.repositories("source").get(root.resource)
        except MigrateError as error:
            if error.problem is TOKEN_EXPIRED:
                raise
            return  # a mode of its own is told where roots are found
        if settings:
            self._draft.add_fact(source_id, SETTINGS, plain(settings))

    async def _image(
        self, source_id: int, path: str, shown: str, reader: ImageReader, listing: Listing
    ) -> None:
        try:
            content = await reader.read(shown, listing)
        except MigrateError as error:
            self._doubts.failed(shown, error)
            return
        self._draft.add_image(source_id, path, content)
        self._doubts.tell_all(names_that_stay(shown, content.nodes.values()))
        self._listen("read", 1)

    def _keep(self, read: ReadManifest) -> None:
        self._draft.add_manifest(
            read.manifest, extra_blobs=read.extra_blobs, foreign_present=read.foreign_present
        )
        self._listen("manifests", 1)


def _nothing(_digest: Digest) -> Manifest | None:
    return None
