"""What a plan makes of a name of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from gcr_migrate.model.content import Digest


class Moved(Struct, frozen=True):
    """Where a plan takes an image path.

    Attributes:
        id: of the image in the plan.
        source: whole name at the source, such as `us.gcr.io/builds/app`.
        target: whole name at the target.
    """

    id: int
    source: str
    target: str


class Planned(Protocol):
    """What a plan says of single names."""

    def image(self, name: str) -> Moved | None:
        """Where an image goes, by its whole name at the source; None if the plan has none."""
        ...

    def at_target(self, name: str) -> Moved | None:
        """The image that gets this whole name; None if none of the plan does."""
        ...

    def tag(self, image: Moved, tag: str) -> Digest | None:
        """What a tag of an image points to; None if the plan has no such tag."""
        ...

    def has(self, image: Moved, digest: Digest) -> bool:
        """Whether a manifest goes with an image."""
        ...

    def touches(self, repository: str) -> bool:
        """Whether the plan reads or fills a repository, by its whole name."""
        ...

    def left_out(self, name: str) -> str:
        """Why a name, with its tag or digest, is not carried; empty if the plan does not say it."""
        ...
