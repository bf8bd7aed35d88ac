"""What is asked of the hands of a run: plain values, which one process can send to another.

Who plans the run decides what is to be done; a hand only talks to registries, and knows nothing
of what was done before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.model.content import Digest

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class End:
    """One name at one registry.

    Attributes:
        side: whose login is used.
        registry: host that is asked.
        dialect: name of its dialect.
        plain_http: the spec allows plain HTTP; None decides by loopback.
        name: registry name of an image path.
        scope: what its blobs are linked in: the repository, or the name itself.
    """

    side: Literal["source", "target"]
    registry: str
    dialect: str
    plain_http: bool | None
    name: str
    scope: str


@dataclass(frozen=True, slots=True)
class Origin:
    """A name of the target's registry from which a blob may be mounted.

    Attributes:
        name: registry name, and `scope` what its blobs are linked in.
        is_sure: the blob is known to be there; else it is asked for first.
    """

    name: str
    scope: str
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Work(Generic[R_co]):
    """Anything that a hand does; the parameter is what it gives back."""


@dataclass(frozen=True, slots=True)
class BlobWork(Work[str]):
    """Send a blob under a name; gives `present` or `uploaded`.

    Attributes:
        source: where its bytes are read, and `target` where it goes.
        digest: its digest.
        size_bytes: its length, -1 where unknown.
        session: an upload that a mount left open.
        asks_first: it was begun before, and may be there.
    """

    source: End
    target: End
    digest: Digest
    size_bytes: int
    session: str = ""
    asks_first: bool = False


@dataclass(frozen=True, slots=True)
class MountWork(Work["str | None"]):
    """Mount a blob from another name; gives None where it was, else the upload left open, or ""."""

    target: End
    digest: Digest
    origin: str


@dataclass(frozen=True, slots=True)
class ManifestWork(Work[None]):
    """Write a manifest's bytes under a tag or its digest."""

    target: End
    digest: Digest
    reference: str


@dataclass(frozen=True, slots=True)
class ListWork(Work["Tags"]):
    """List what the tags of a name point to."""

    end: End


@dataclass(frozen=True, slots=True)
class HeadWork(Work["Digest | None"]):
    """Ask what one tag points to, or for a digest; gives None where it is not there."""

    end: End
    tag: str


@dataclass(frozen=True, slots=True)
class SizeWork(Work["int | None"]):
    """Ask for the size of a blob under a name; gives None where it is not there."""

    end: End
    digest: Digest


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a name.

    Attributes:
        digests: what each tag points to; None where the list did not say it.
        is_cut: there may be more.
    """

    digests: Mapping[str, Digest | None]
    is_cut: bool = False
