"""What should be there, whoever says so: a frozen plan of its targets, a snapshot of its place.

All of it is read page by page, so that an image with a million tags takes no more memory than one
with ten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from msgspec import Struct

from gcr_migrate.model.dialect import ARTIFACT_REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.interfaces import Contents, SourceRegistry
    from gcr_migrate.model.content import Digest

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


class PromisedRoot(Struct, frozen=True):
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
