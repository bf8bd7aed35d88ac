"""Pipes the stations of planning into each other: inventory, routes, plan, frozen file."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.cli.pulls import read_pulls
from gcr_migrate.cli.reading import Doubts, find_roots, list_root
from gcr_migrate.cli.selecting import leave_out_paths, names_refused, notes_of
from gcr_migrate.cli.settling import Settling
from gcr_migrate.cli.sizes import settle_sizes
from gcr_migrate.cli.surroundings import Surroundings
from gcr_migrate.cli.targets import Targets
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.collect import ImageReader, ReadManifest
from gcr_migrate.inventory.target import (
    NOTHING_THERE,
    TagsThere,
    only_whole,
    tags_there,
    view_target,
)
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.limits import CREATION_S
from gcr_migrate.model.names import ImagePath
from gcr_migrate.plan.build import Rules, plan_image
from gcr_migrate.plan.checks import least_answer, over_one_answer, without_room
from gcr_migrate.plan.choice import choice_of
from gcr_migrate.plan.refusals import Refusal, Refused
from gcr_migrate.plan.routes import Edge, SourcePaths, route_all
from gcr_migrate.plan.unused import unused_limits, unused_routes, with_hints
from gcr_migrate.spec import Select
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from gcr_migrate.cli.reading import Root
    from gcr_migrate.connect import Connections
    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.access import AccessRow
    from gcr_migrate.model.content import Digest, Manifest
    from gcr_migrate.model.inventory import Listing
    from gcr_migrate.model.plan import Repository, Source
    from gcr_migrate.spec import Spec
    from gcr_migrate.state.frozen import Draft
    from gcr_migrate.state.listings import Shelf

IMAGES_AT_ONCE = 8


class PlanResult(Struct, frozen=True):
    """A plan that was written: its digest, and whether the whole source could be listed."""

    digest: str
    complete: bool


async def make_plan(  # what a plan is made of
    spec: Spec,
    spec_name: str,
    spec_text: str,
    connections: Connections,
    draft: Draft,
    shelf: Shelf,
    listen: Callable[[str, int], None],
    *,
    check_source: bool = False,
    check_target: bool = False,
) -> PlanResult:
    """Read both sides, plan, and seal the draft.

    Args:
        spec: what the user wants, with its file name and text, which the plan keeps.
        spec_name: file name of the spec.
        spec_text: text of the spec.
        connections: hands out clients.
        draft: where rows go.
        shelf: keeps what is listed until it is planned.
        listen: is told `("rows" | "listed" | "manifests" | "read", count)` as rows of the API come,
            names are listed, and manifests and whole images are read.
        check_source: ask the source for every blob, whether it is there.
        check_target: ask the target for every manifest and blob that it should have.

    Raises:
        Refused: some paths cannot be planned, or something is damaged and the spec says to stop;
            all of it is named.
        MigrateError: nothing of the source could be read, or a target could not.
    """
    planned_at = datetime.now(UTC)
    planning = _Planning(
        spec,
        connections,
        draft,
        listen,
        planned_at=planned_at,
        check_source=check_source,
        check_target=check_target,
    )
    roots, edges = await planning.routed(shelf)
    around = Surroundings(connections, draft)
    await around.check(spec, edges)
    repositories, access = await planning.settled(roots, edges)
    await planning.add_images(roots, edges, repositories, access)
    planning.check_what_was_read(roots)
    new = draft.drop_empty_repositories()
    await around.look(roots, edges, repositories, planning.targets.there)
    new += around.add_virtual()
    draft.add_limits(spec.limits.limits)
    digest = draft.seal(
        complete=planning.doubts.complete,
        spec_name=spec_name,
        spec_text=spec_text,
        estimate={"repository_creation_s": new * CREATION_S, **around.scans},
        tool_version=version("gcr-migrate"),
        created_at=planned_at,
        logins={"source": spec.source_login, "target": spec.target_login},
    )
    return PlanResult(digest, planning.doubts.complete)


async def plan_access(
    spec: Spec,
    connections: Connections,
    draft: Draft,
    shelf: Shelf,
    listen: Callable[[str, int], None],
) -> None:
    """Read who has access now, settle it as a plan would, and seal a draft of that alone.

    Args:
        spec: what the user wants.
        connections: hands out clients.
        draft: where repositories and rows of access go; it gets no images.
        shelf: keeps what is listed.
        listen: as for `make_plan`.

    Raises:
        Refused: some paths cannot be planned, or what counts cannot be read; all is named.
        MigrateError: nothing of the source could be listed, or a target could not be read.
    """
    now = datetime.now(UTC)
    planning = _Planning(
        spec, connections, draft, listen, planned_at=now, check_source=False, check_target=False
    )
    roots, edges = await planning.routed(shelf)
    if not edges:
        for root in roots:
            if root.error:
                raise root.error
    repositories, access = await planning.settled(roots, edges)
    for key, row in sorted(repositories.items()):
        draft.add_access_rows(draft.add_repository(row), access.get(key, ()))
    draft.seal(
        complete=planning.doubts.complete,
        spec_name="",
        spec_text="",
        estimate={},
        tool_version=version("gcr-migrate"),
        created_at=now,
    )


def _paths(root: Root) -> SourcePaths:
    paths = [ImagePath.parse(path) for path in root.image_paths()]
    return SourcePaths(root.source.shown, root.host, root.default_location, paths, root.repository)


class _Planning:
    """A plan in the making."""

    def __init__(
        self,
        spec: Spec,
        connections: Connections,
        draft: Draft,
        listen: Callable[[str, int], None],
        *,
        planned_at: datetime,
        check_source: bool,
        check_target: bool,
    ) -> None:
        self._spec = spec
        self._connections = connections
        self._draft = draft
        self._listen = listen
        self._check_source = check_source
        self._check_target = check_target
        self._choice = choice_of(spec.select, planned_at)
        pulled = spec.select.pulled
        self._pulls = read_pulls(Path(pulled.log)) if pulled else None
        self._damage: list[Refusal] = []
        self._has_images = False  # some image path, whatever becomes of it
        self._carries = False
        plain_http = getattr(spec.target, "plain_http", None)
        self.targets = Targets(connections, plain_http, draft.add_finding)
        self._names = 0  # that will be asked for at the target
        self._unwanted: set[str] = set()  # roots of which rules leave out every image
        self.doubts = Doubts(draft.add_finding)

    async def list_source(self, shelf: Shelf) -> list[Root]:
        """List every name under every root of the source; what fails makes it incomplete."""
        roots = await find_roots(self._spec.source, self._connections, self.doubts)
        for root in roots:
            await list_root(root, self._connections, shelf, self.doubts, self._listen)
        self.doubts.empty_paths(roots)
        self.doubts.empty_source(roots)
        self._has_images = any(root.listings for root in roots)
        for root in roots:
            if leave_out_paths(root, self._spec.select, self._draft.add_left_out):
                self._unwanted.add(root.source.shown)
            for left_out in names_refused(root, self._spec.select):
                self._draft.add_left_out(left_out)
            self.doubts.tell_all(notes_of(root))
        return roots

    async def routed(self, shelf: Shelf) -> tuple[list[Root], list[Edge]]:
        """List the source, and find a place for each image path.

        Raises:
            Refused: for some there is none.
        """
        roots = await self.list_source(shelf)
        paths = [_paths(root) for root in roots]
        edges, refusals = route_all(self._spec, paths)
        if refusals:
            raise Refused(with_hints(self._spec, paths, refusals, edges))
        for finding in unused_routes(self._spec, paths, edges):
            self._draft.add_finding(finding)
        return roots, edges

    async def settled(
        self, roots: list[Root], edges: list[Edge]
    ) -> tuple[dict[tuple[str, str], Repository], Mapping[tuple[str, str], tuple[AccessRow, ...]]]:
        """Look at the targets, and settle who has access to them."""
        repositories = await self.targets.look(edges)
        hosts = {root.source.registry for root in roots}
        for finding in unused_limits(
            self._spec, hosts | {to.registry for to in repositories.values()}
        ):
            self._draft.add_finding(finding)
        settling = Settling(self._connections, self._spec.source_project, self._draft.add_finding)
        repositories, access = await settling.settle(edges, roots, repositories)
        for key, row in repositories.items():
            if row.grants and key not in access:
                policy = self.targets.policies.get(row.resource)
                for full in without_room(row.shown, policy, row.grants):
                    self._draft.add_finding(full)
        return repositories, access

    async def add_images(
        self,
        roots: list[Root],
        edges: list[Edge],
        repositories: dict[tuple[str, str], Repository],
        access: Mapping[tuple[str, str], tuple[AccessRow, ...]],
    ) -> None:
        """Read each image whole, look at its target name, and write its plan."""
        by_shown = {root.source.shown: root for root in roots}
        self._names = len(edges)
        sources = {shown: self._draft.add_source(by_shown[shown].source) for shown in by_shown}
        ids = {key: self._draft.add_repository(row) for key, row in sorted(repositories.items())}
        for key, rows in sorted(access.items()):
            self._draft.add_access_rows(ids[key], rows)
        readers = {shown: self._reader(root) for shown, root in by_shown.items()}

        async def one(edge: Edge, image_id: int) -> None:
            root = by_shown[edge.source_shown]
            row = repositories[edge.registry, edge.prefix]
            listing = root.listing(str(edge.source_path))
            if await self._image(edge, image_id, readers[edge.source_shown], listing, row):
                root.read += 1
            self._listen("read", 1)

        def work() -> Iterator[Coroutine[None, None, None]]:
            for edge in sorted(edges, key=lambda edge: edge.source_name):
                image_id = self._draft.add_image(
                    sources[edge.source_shown],
                    str(edge.source_path),
                    ids[edge.registry, edge.prefix],
                    str(edge.target_path),
                    edge.existing_tags,
                    edge.moved_tags,
                )
                yield one(edge, image_id)

        await a_few_of(work(), IMAGES_AT_ONCE)
        for reader in readers.values():
            await self.doubts.ask_once_more(reader)
        by_id = {sources[shown]: root.source for shown, root in by_shown.items()}
        await settle_sizes(self._draft, self._connections, by_id)
        self._tell_long_blobs(by_id, {ids[key]: row for key, row in repositories.items()})

    def _tell_long_blobs(
        self, sources: dict[int, Source], repositories: dict[int, Repository]
    ) -> None:
        """Tell of blobs that one answer of a registry does not hold."""
        names = {one.dialect for one in sources.values()}
        names |= {one.dialect for one in repositories.values()}
        dialects = {name: self._connections.dialect(name) for name in names}
        most = least_answer(*dialects.values())
        if most is None:
            return
        for source_id, path, repository_id, digest, size in self._draft.blobs_over(most):
            source, repository = sources[source_id], repositories[repository_id]
            saw = over_one_answer(size, dialects[source.dialect], dialects[repository.dialect])
            if saw:
                subject = f"{source.shown}/{path}@{digest}"
                self._draft.add_finding(
                    Finding(errors.BLOB_IN_RANGES, Severity.WARNING, subject, saw)
                )

    def _reader(self, root: Root) -> ImageReader:
        source = root.source
        registry = self._connections.source(source.registry, source.dialect, source.plain_http)

        def cached(digest: Digest) -> Manifest | None:
            return self._draft.manifest(digest) if self._draft.has_manifest(digest) else None

        def keep(read: ReadManifest) -> None:
            self._draft.add_manifest(
                read.manifest,
                extra_blobs=read.extra_blobs,
                foreign_present=read.foreign_present,
            )
            self._listen("manifests", 1)

        return ImageReader(
            registry, cached, keep, self._connections.remembered, checks_blobs=self._check_source
        )

    async def _image(
        self,
        edge: Edge,
        image_id: int,
        reader: ImageReader,
        listing: Listing,
        repository: Repository,
    ) -> bool:
        """Read and plan one image; return whether it could be read."""
        name = repository.name(str(edge.target_path))
        tags = await self._tags_there(repository, name, listing)
        settled = {} if self._check_target else tags.tags
        try:
            content = await reader.read(edge.source_name, listing, settled)
        except MigrateError as error:
            self.doubts.failed(edge.source_name, error)
            self._carries = True  # for all that is known
            return False
        asked = self._target_reader(repository)
        there = await view_target(asked, name, tags, content, asks_each=self._check_target)
        if self._check_target:
            blobs_of = {
                digest: {
                    blob: size
                    for blob, size in self._draft.blobs_of(digest).items()
                    if blob not in content.absent
                }
                for digest in content.nodes
            }
            there = await only_whole(asked, name, there, blobs_of)
        target = self._connections.target(
            repository.registry, repository.dialect, repository.plain_http
        )
        choice = self._choice
        if self._pulls:
            choice = replace(choice, pulls=self._pulls.of(f"{reader.host}/{listing.name}"))
        damaged = self._spec.damaged
        rules = Rules(
            choice,
            edge.existing_tags,
            target.dialect,
            damaged.copies_sparse,
            damaged.stops,
            tags_move=repository.resource not in self.targets.fixed_tags,
        )
        plan = plan_image(content, there, rules)
        self._damage += plan.refusals
        self._draft.add_manifests(image_id, plan.manifests)
        self._draft.add_blobs(image_id, content.absent, there.blobs)
        self._draft.add_tags(image_id, plan.tags)
        for left_out in plan.left_out:
            self._draft.add_left_out(left_out)
        for finding in plan.findings:
            self._draft.add_finding(finding)
        if plan.is_unwanted:
            self._draft.drop_image(image_id)
        else:
            self._carries = True
        return True

    def check_what_was_read(self, roots: list[Root]) -> None:
        """Make no plan of nothing, nor of what is damaged where the spec says to stop."""
        for root in roots:
            if root.error and not root.read and root.source.shown not in self._unwanted:
                raise root.error
        if self._has_images and not self._carries and self._spec.select != Select():
            names = ", ".join(root.source.shown for root in roots)
            self.doubts.tell(errors.NOTHING_SELECTED, Severity.WARNING, names)
        if self._damage:
            raise Refused(sorted(self._damage, key=lambda one: one.subject))

    async def _tags_there(self, row: Repository, name: str, listing: Listing) -> TagsThere:
        if row.resource and not row.exists:
            return NOTHING_THERE
        names = self._connections.target_names(row.registry, row.dialect, row.plain_http)
        if await names.lacks(name, of=self._names):
            return NOTHING_THERE
        return await tags_there(self._target_reader(row), name, listing.tags)

    def _target_reader(self, row: Repository) -> SourceRegistry:
        return self._connections.target_reader(row.registry, row.dialect, row.plain_http)
