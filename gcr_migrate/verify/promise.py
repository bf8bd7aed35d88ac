"""What should be there, whoever says so: a frozen plan of its targets, a snapshot of its place.

All of it is read page by page, so that an image with a million tags takes no more memory than one
with ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
from gcr_migrate.model.names import Project, ar_host, repository_resource
from gcr_migrate.model.plan import TagAction
from gcr_migrate.state.planned import manifests_needing, planned_version
from gcr_migrate.state.snapshot import ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.interfaces import Contents, SourceRegistry
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.plan import Image, Repository, Source
    from gcr_migrate.state.baseline import Baseline, KeptImage
    from gcr_migrate.state.migration import Migration

Side = Literal["source", "target"]


class Readers(Protocol):
    """Who hands out clients that only read."""

    def source(
        self,
        registry_host: str,
        dialect_name: str,
        plain_http: bool | None,  # noqa: FBT001  # as in connect
    ) -> SourceRegistry:
        """Return a client that reads the source."""
        ...

    def target_reader(
        self,
        registry_host: str,
        dialect_name: str,
        plain_http: bool | None,  # noqa: FBT001  # as in connect
    ) -> SourceRegistry:
        """Return a client that reads the target, with the target's login."""
        ...

    def contents(self, side: Side) -> Contents:
        """Return what Artifact Registry's API lists."""
        ...


@dataclass(frozen=True, slots=True)
class PromisedRoot:
    """A repository, or a whole plain registry, below which images should be.

    Attributes:
        shown: the name that people know, such as `us.gcr.io/builds`.
        registry: host that is asked, such as `us-docker.pkg.dev`.
        prefix: what stands before each image path there; may be empty.
        dialect: name of its dialect.
        plain_http: plain HTTP is allowed; None decides by loopback.
        resource: `projects/P/locations/L/repositories/R`; empty where it is in no API.
    """

    shown: str
    registry: str
    prefix: str
    dialect: str
    plain_http: bool | None = None
    resource: str = ""

    def name(self, path: str) -> str:
        """Return the registry's name of an image path under this root."""
        return f"{self.prefix}/{path}" if self.prefix else path

    @property
    def host(self) -> str:
        """What its counts go under: `HOST/PROJECT`, or the name of a plain registry."""
        if self.dialect == ARTIFACT_REGISTRY.name and self.shown.startswith(self.registry):
            return f"{self.registry}/{self.prefix.rpartition('/')[0]}".removesuffix("/")
        return self.shown

    def reader(self, readers: Readers, side: Side) -> SourceRegistry:
        """Return the client to read it with, under the login of a side."""
        give = readers.source if side == "source" else readers.target_reader
        return give(self.registry, self.dialect, self.plain_http)


class PromisedTag(NamedTuple):
    """A tag and what it should point to.

    Attributes:
        tag: the tag.
        digest: what it points to.
        may_differ: it has to be there, and may point elsewhere.
    """

    tag: str
    digest: Digest
    may_differ: bool = False


class PromisedBlob(NamedTuple):
    """A blob that manifests of an image need; its size is -1 where nobody knows it."""

    digest: Digest
    size_bytes: int


class PromisedVersion(NamedTuple):
    """What is known of a manifest that is gone.

    Attributes:
        tags: tags that should point to it.
        uploaded_ms: when it was uploaded there, in milliseconds since 1970; None if unknown.
        newer: how many manifests of the image came after it.
    """

    tags: tuple[str, ...]
    uploaded_ms: int | None
    newer: int


class PromisedImage(Protocol):
    """One image path with all that should be under it."""

    @property
    def root(self) -> PromisedRoot:
        """Where it is."""
        ...

    @property
    def path(self) -> str:
        """Image path below the root."""
        ...

    @property
    def name(self) -> str:
        """The registry's name of it, without host."""
        ...

    @property
    def shown(self) -> str:
        """The whole name that people know, without a tag."""
        ...

    def tags(self) -> Iterator[PromisedTag]:
        """Go through its tags."""
        ...

    def manifests(self) -> Iterator[Digest]:
        """Go through its manifests: those with tags, without, and those that indexes name."""
        ...

    def blobs(self) -> Iterator[PromisedBlob]:
        """Go through what its manifests need, each blob once."""
        ...

    def version(self, digest: Digest) -> PromisedVersion:
        """Return what is known of one of its manifests."""
        ...

    def needing(self, blob: Digest) -> Iterator[Digest]:
        """Go through its manifests that need a blob."""
        ...


class Promises(Protocol):
    """Everything that should be there."""

    @property
    def side(self) -> Side:
        """Under whose login it is looked at."""
        ...

    @property
    def identity(self) -> str:
        """The same for the same promises, and for no others."""
        ...

    @property
    def knows_all(self) -> bool:
        """Whether what is there and not promised is new."""
        ...

    def roots(self) -> tuple[PromisedRoot, ...]:
        """Where images should be."""
        ...

    def images(self) -> Iterator[PromisedImage]:
        """Go through the images of all roots."""
        ...


class Nothing:
    """No promise at all: of what could not be read."""

    side: Side = "source"
    identity = ""
    knows_all = False

    def roots(self) -> tuple[PromisedRoot, ...]:
        """No root."""
        return ()

    def images(self) -> Iterator[PromisedImage]:
        """No image."""
        return iter(())


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An image path of a target, as a plan has it.

    Attributes:
        migration: the plan.
        image: its row.
        root: the target repository.
    """

    migration: Migration
    image: Image
    root: PromisedRoot

    @property
    def path(self) -> str:
        """Image path in the repository."""
        return self.image.target_path

    @property
    def name(self) -> str:
        """The registry's name of it."""
        return self.root.name(self.path)

    @property
    def shown(self) -> str:
        """The whole name."""
        return f"{self.root.registry}/{self.name}"

    def tags(self) -> Iterator[PromisedTag]:
        """Go through its tags; one that the spec leaves where it points may differ."""
        kept = self.image.existing_tags == "keep"
        for item in self.migration.tags(self.image.id):
            yield PromisedTag(item.tag, item.digest, kept or item.action is TagAction.KEEP)

    def manifests(self) -> Iterator[Digest]:
        """Go through its manifests in the order of writing."""
        after = 0
        while items := self.migration.manifests(self.image.id, after_id=after):
            yield from (item.digest for item in items)
            after = items[-1].id

    def blobs(self) -> Iterator[PromisedBlob]:
        """Go through what its manifests need."""
        for item in self.migration.blobs(self.image.id):
            yield PromisedBlob(item.digest, item.size_bytes)

    def version(self, digest: Digest) -> PromisedVersion:
        """Return what is known of one of its manifests; when it was copied is not."""
        tags, newer = planned_version(self.migration, self.image.id, digest)
        return PromisedVersion(tags, None, newer)

    def needing(self, blob: Digest) -> Iterator[Digest]:
        """Go through its manifests that need a blob."""
        return manifests_needing(self.migration, self.image.id, blob)


class PlanPromises:
    """What a frozen plan says of its targets; the ledger tells nothing here.

    Args:
        migration: the plan.
    """

    side: Side = "target"
    knows_all = False  # others may push to a target too

    def __init__(self, migration: Migration) -> None:
        self._migration = migration
        self._roots = {id_: root_of(one) for id_, one in migration.repositories().items()}
        self.identity = migration.digest

    def roots(self) -> tuple[PromisedRoot, ...]:
        """The target repositories."""
        return tuple(self._roots.values())

    def images(self) -> Iterator[PlannedImage]:
        """Go through the images in the order of the plan."""
        for image in self._migration.images():
            yield PlannedImage(self._migration, image, self._roots[image.repository_id])


def root_of(repository: Repository) -> PromisedRoot:
    """Return a target repository as a root."""
    return PromisedRoot(
        repository.shown,
        repository.registry,
        repository.prefix,
        repository.dialect,
        repository.plain_http,
        repository.resource,
    )


@dataclass(frozen=True, slots=True)
class BaselineImage:
    """An image path of a snapshot.

    Attributes:
        baseline: the snapshot.
        image: its row.
        root: the root below which it was read.
    """

    baseline: Baseline
    image: KeptImage
    root: PromisedRoot

    @property
    def path(self) -> str:
        """Image path below the root."""
        return self.image.path

    @property
    def name(self) -> str:
        """The registry's name of it."""
        return self.root.name(self.path)

    @property
    def shown(self) -> str:
        """The whole name."""
        return self.image.shown

    def tags(self) -> Iterator[PromisedTag]:
        """Go through its tags in their order."""
        for tag, digest in self.baseline.tags(self.image.id):
            yield PromisedTag(tag, digest)

    def manifests(self) -> Iterator[Digest]:
        """Go through its manifests."""
        return self.baseline.manifests(self.image.id)

    def blobs(self) -> Iterator[PromisedBlob]:
        """Go through what its manifests need; a snapshot of version 1 does not tell."""
        for digest, size_bytes in self.baseline.blobs(self.image.id):
            yield PromisedBlob(digest, size_bytes)

    def version(self, digest: Digest) -> PromisedVersion:
        """Return what is known of one of its manifests."""
        return PromisedVersion(*self.baseline.version(self.image.id, digest))

    def needing(self, blob: Digest) -> Iterator[Digest]:
        """Go through its manifests that need a blob."""
        return self.baseline.needing(self.image.id, blob)


class BaselinePromises:
    """What a snapshot says of the place where it was taken.

    Args:
        baseline: the snapshot.
        hosts: only these roots, by their shown names; all if empty.
    """

    side: Side = "source"
    knows_all = True

    def __init__(self, baseline: Baseline, hosts: frozenset[str] = frozenset()) -> None:
        self.baseline = baseline
        self._roots = {
            id_: root_at(one)
            for id_, one in baseline.sources().items()
            if not hosts or one.shown in hosts
        }
        self._ids = {root: id_ for id_, root in self._roots.items()}
        self.identity = " ".join([baseline.identity, *sorted(hosts)])

    def roots(self) -> tuple[PromisedRoot, ...]:
        """The roots below which it was taken."""
        return tuple(self._roots.values())

    def only(self, root: PromisedRoot) -> tuple[str, ...]:
        """Return the image paths at and below which a root was read; none: all."""
        return tuple(self.facts(root).get(ONLY, ()))

    def facts(self, root: PromisedRoot) -> dict[str, Any]:
        """Return what else the snapshot saw of a root, by name."""
        return self.baseline.facts(self._ids[root])

    def image_at(self, root: PromisedRoot, path: str) -> BaselineImage | None:
        """Return the image of a path; None if the snapshot has none."""
        image = self.baseline.image(self._ids[root], path)
        return BaselineImage(self.baseline, image, root) if image else None

    def images(self) -> Iterator[BaselineImage]:
        """Go through the images, root by root."""
        for image in self.baseline.images():
            if image.source_id in self._roots:
                yield BaselineImage(self.baseline, image, self._roots[image.source_id])


def root_at(source: Source) -> PromisedRoot:
    """Return a place that was read as a root."""
    return PromisedRoot(
        source.shown,
        source.registry,
        source.prefix,
        source.dialect,
        source.plain_http,
        _resource(source),
    )


def _resource(source: Source) -> str:
    """Return the repository in which a root lies; empty where it is in none of Google's."""
    location = source.registry.removesuffix(ar_host(""))
    project, _, repository = source.prefix.rpartition("/")
    if source.dialect != ARTIFACT_REGISTRY.name or ar_host(location) != source.registry:
        return ""
    try:
        return repository_resource(Project.parse(project), location, repository)
    except MigrateError:
        return ""
