"""What a migration moves, in figures that time and money are counted from."""

from __future__ import annotations

from msgspec import Struct


class Stream(Struct, frozen=True):
    """Blobs that go from one registry to another.

    Attributes:
        source: host that is read.
        target: host that is written to.
        size_bytes: their bytes, as far as manifests tell them.
        blobs: how many they are.
        unsized: how many of them have no size that is known.
    """

    source: str
    target: str
    size_bytes: int
    blobs: int
    unsized: int = 0


class Stored(Struct, frozen=True):
    """What a registry has to keep more than before, each blob once in each repository.

    Attributes:
        registry: its host.
        size_bytes: bytes, as far as manifests tell them.
        unsized: blobs of which no size is known.
        is_googles: it is Artifact Registry.
    """

    registry: str
    size_bytes: int
    unsized: int = 0
    is_googles: bool = True


class Service(Struct, frozen=True):
    """What is still to be done at a target registry.

    Attributes:
        host: the registry.
        uploads: blobs that are sent to it.
        mounts: blobs that it is told to mount.
        size_bytes: bytes that are sent to it.
        items: manifests to write and tags to set.
    """

    host: str
    uploads: int
    mounts: int
    size_bytes: int
    items: int

    @property
    def writes(self) -> int:
        """Requests that write: an upload is begun and ended, all else is one."""
        return 2 * self.uploads + self.mounts + self.items

    @property
    def reads(self) -> int:
        """Requests to the source: one for a blob, and where that sends on to."""
        return 2 * self.uploads
