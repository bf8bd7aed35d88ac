"""Rows that a plan is made of.

Ids are those of the migration file; they join rows and mean nothing outside it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from gcr_migrate.model.settings import AS_IT_COMES, RepositorySettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.model.access import Grant
    from gcr_migrate.model.content import Digest


class TagAction(StrEnum):
    """What is done with a tag at the target."""

    SET = "set"
    PRESENT = "present"  # it is there with the planned digest
    KEEP = "keep"  # it points elsewhere, and the spec says to leave it
    OVERWRITE = "overwrite"  # it points elsewhere, and the spec says to move it
    CONFLICT = "conflict"  # it points elsewhere, and the spec says to fail


class Source(Struct, frozen=True):
    """A root under which images are read.

    Attributes:
        shown: the name that people know, such as `us.gcr.io/builds` or `127.0.0.1:5000`.
        registry: host that is asked, such as `us-docker.pkg.dev`.
        prefix: what stands before each image path there, such as `builds/us.gcr.io`; may be empty.
        dialect: name of its dialect.
        plain_http: the spec allows plain HTTP; None decides by loopback.
    """

    shown: str
    registry: str
    prefix: str
    dialect: str
    plain_http: bool | None = None

    def name(self, path: str) -> str:
        """Registry name of an image path under this root."""
        return f"{self.prefix}/{path}" if self.prefix else path

    def path(self, name: str) -> str:
        """Image path of a registry name under this root; empty for the root itself."""
        if name == self.prefix:
            return ""
        return name.removeprefix(f"{self.prefix}/" if self.prefix else "")


class Repository(Struct, frozen=True):
    """A target repository, or a whole plain registry.

    Attributes:
        registry: host that is written to.
        prefix: what stands before each image path there; may be empty.
        dialect: name of its dialect.
        resource: `projects/P/locations/L/repositories/R`; empty for a plain registry.
        exists: it was there when the plan was made.
        settings: how it is set up.
        changes: which settings are written once its images are there, sorted.
        grants: what is granted on it, sorted; those that it has already are in `granted`.
        granted: grants that the policy had when the plan was made.
        plain_http: as for a source.
        upstreams: resources of those over which it stands, the preferred first; empty for a
            repository that images are pushed to.
    """

    registry: str
    prefix: str
    dialect: str
    resource: str
    exists: bool
    settings: RepositorySettings = AS_IT_COMES
    grants: tuple[Grant, ...] = ()
    granted: tuple[Grant, ...] = ()
    plain_http: bool | None = None
    changes: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()

    def name(self, path: str) -> str:
        """Registry name of an image path in this repository."""
        return f"{self.prefix}/{path}" if self.prefix else path

    @property
    def shown(self) -> str:
        """The name that people know, such as `us-docker.pkg.dev/builds/product1`."""
        return f"{self.registry}/{self.prefix}" if self.prefix else self.registry


def upstream_policies(upstreams: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """Give id, resource and priority of each upstream; the highest priority counts for most.

    Args:
        upstreams: resources, the preferred first.
    """
    for at, one in enumerate(upstreams):
        name = one.rpartition("/")[2].replace(".", "-")
        yield f"u{at + 1}-{name}", one, len(upstreams) - at


class Image(Struct, frozen=True):
    """One image path of the source and the name that it gets at the target."""

    id: int
    source_id: int
    path: str
    repository_id: int
    target_path: str
    existing_tags: str  # fail | keep | overwrite
    moved_tags: str  # fail | pin | skip


class PlannedManifest(Struct, frozen=True):
    """A manifest that belongs under a target name.

    Attributes:
        digest: its digest.
        uploaded_ms: when the source got it; None where unknown.
        present: the target showed it when the plan was made.
        rank: 0 for what needs nothing else, one more than the highest that it needs.
    """

    digest: Digest
    uploaded_ms: int | None
    present: bool
    rank: int


class PlannedTag(Struct, frozen=True):
    """A tag and what is done with it; `found` is the digest that the target had, or None."""

    tag: str
    digest: Digest
    action: TagAction
    found: Digest | None = None
