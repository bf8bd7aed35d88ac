"""What a snapshot says that should be at the place where it was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
from gcr_migrate.model.names import Project, ar_host, repository_resource
from gcr_migrate.state.snapshot import ONLY
from gcr_migrate.verify.promise import (
    PromisedBlob,
    PromisedRoot,
    PromisedTag,
    PromisedVersion,
    Side,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.plan import Source
    from gcr_migrate.state.baseline import Baseline, KeptImage


class BaselineImage(Struct, frozen=True):
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
        below: only these roots, by their shown names, each with the image paths at and below which
            it is looked at, none for all that it shows; all roots if empty.
    """

    side: Side = "source"
    knows_all = True

    def __init__(
        self, baseline: Baseline, below: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        self.baseline = baseline
        self._below = below or {}
        self._roots = {
            id_: root_at(one)
            for id_, one in baseline.sources().items()
            if not below or one.shown in below
        }
        self._ids = {root: id_ for id_, root in self._roots.items()}
        parts = (" ".join([shown, *paths]) for shown, paths in sorted(self._below.items()))
        self.identity = " ".join([baseline.identity, *parts])

    def roots(self) -> tuple[PromisedRoot, ...]:
        """The roots below which it was taken."""
        return tuple(self._roots.values())

    def only(self, root: PromisedRoot) -> tuple[str, ...]:
        """Return the image paths at and below which a root is looked at; none: all."""
        return self._below.get(root.shown) or tuple(self.facts(root).get(ONLY, ()))

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
            root = self._roots.get(image.source_id)
            if root and _is_below(image.path, self._below.get(root.shown, ())):
                yield BaselineImage(self.baseline, image, root)


def _is_below(path: str, tops: tuple[str, ...]) -> bool:
    """Whether an image path is at or below one of some; of none it always is."""
    return not tops or any(path == top or path.startswith(f"{top}/") for top in tops)


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
