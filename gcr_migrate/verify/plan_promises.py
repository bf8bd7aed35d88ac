"""What a frozen plan says that should be at its targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from gcr_migrate.model.plan import TagAction
from gcr_migrate.state.planned import manifests_needing, planned_version
from gcr_migrate.verify.promise import (
    PromisedBlob,
    PromisedRoot,
    PromisedTag,
    PromisedVersion,
    Side,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.plan import Image, Repository
    from gcr_migrate.state.migration import Migration


class PlannedImage(Struct, frozen=True):
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
