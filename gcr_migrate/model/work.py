"""What is asked of the hands of a run: plain values, which one process can send to another.

Who plans the run decides what is to be done; a hand only talks to registries, and knows nothing
of what was done before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.model.content import Digest

R_co = TypeVar("R_co", covariant=True)


class End(Struct, frozen=True):
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


class Origin(Struct, frozen=True):
    """A name of the target's registry from which a blob may be mounted.

    Attributes:
        name: registry name, and `scope` what its blobs are linked in.
        is_sure: the blob is known to be there; else it is asked for first.
    """

    name: str
    scope: str
    is_sure: bool = True


class Work(Struct, Generic[R_co], frozen=True):
    """Anything that a hand does; the parameter is what it gives back."""


class BlobWork(Work[str], frozen=True):
    """Send a blob under a name; gives `present` or `uploaded`.

    Attributes:
        source: where its bytes are read, and `target` where it goes.
        digest: its digest.
        size_bytes: its length, -1 where unknown.
        session: an upload that a mount left open.
        asks_first: it was begun or mounted before, and may be there.
    """

    source: End
    target: End
    digest: Digest
    size_bytes: int
    session: str = ""
    asks_first: bool = False


class MountWork(Work["str | None"], frozen=True):
    """Mount a blob from another name; gives None where it was, else the upload left open, or "".

    Attributes:
        target: where it goes.
        digest: its digest.
        origin: the other name.
        size_bytes: its length, -1 where unknown.
    """

    target: End
    digest: Digest
    origin: str
    size_bytes: int


class ManifestWork(Work[None], frozen=True):
    """Write a manifest's bytes under a tag or its digest.

    Attributes:
        target: where it goes.
        digest: its digest.
        reference: a tag, or the same digest.
        overwrites: a tag may be taken from another manifest.
        asks_first: it was tried before, so that others may have set the tag meanwhile.
        source: where the tag must still point to this manifest, if it is looked at again; None:
            wherever the source's points.
    """

    target: End
    digest: Digest
    reference: str
    overwrites: bool = True
    asks_first: bool = False
    source: End | None = None


class ListWork(Work["Tags"], frozen=True):
    """List what the tags of a name point to.

    Attributes:
        end: the name.
        whole: manifests without a tag are asked for, too.
    """

    end: End
    whole: bool = False


class HeadWork(Work["Digest | None"], frozen=True):
    """Ask what one tag points to, or for a digest; gives None where it is not there.

    Attributes:
        end: the name.
        tag: the tag or digest.
        known: somebody has said that it is there: that it is not has to be said in words.
        likely: what a tag may point to on a word; anything else has to be shown, by the manifest.
            Empty: any.
    """

    end: End
    tag: str
    known: bool = False
    likely: tuple[Digest | None, ...] = ()


class HasWork(Work[bool], frozen=True):
    """Ask whether a blob is there under a name.

    Attributes:
        end: the name.
        digest: its digest.
        size_bytes: the length that it has to have, -1 for any.
    """

    end: End
    digest: Digest
    size_bytes: int = -1


class Tags(Struct, frozen=True):
    """The tags of a name.

    Attributes:
        digests: what each tag points to; None where the list did not say it.
        is_cut: there may be more.
        manifests: all manifests of the name, if they were asked for and the list tells them.
        is_named: the registry knows the name.
    """

    digests: Mapping[str, Digest | None]
    is_cut: bool = False
    manifests: frozenset[Digest] | None = None
    is_named: bool = True
