"""Rows that a registry's listings give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.errors import Problem
    from gcr_migrate.model.attestation import Statement
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.finding import Finding, LeftOut


class ListedManifest(Struct, frozen=True):
    """One entry of a `manifest` map; size in bytes, time in milliseconds since 1970."""

    digest: Digest
    media_type: str
    tags: tuple[str, ...]
    uploaded_ms: int | None
    size_bytes: int | None


class Listing(Struct, frozen=True):
    """What one name shows.

    Attributes:
        name: registry name that was listed, without host.
        children: next path components below it; empty where the registry does not tell.
        tags: each tag with its digest, None where the listing does not tell it.
        manifests: entries of the `manifest` map; None where the registry has no such map.
        cut: why the list may be cut short; empty when it is whole.
    """

    name: str
    children: tuple[str, ...]
    tags: Mapping[str, Digest | None]
    manifests: tuple[ListedManifest, ...] | None
    cut: str = ""


class ManifestHead(Struct, frozen=True):
    """What a HEAD of a manifest tells; size in bytes where the registry says it."""

    digest: Digest
    media_type: str
    size_bytes: int | None


class Node(Struct, frozen=True):
    """A manifest of one image path and what it hangs together with.

    Attributes:
        digest: its digest.
        media_type: its type.
        size_bytes: length of its raw bytes.
        is_schema1: it has the retired form.
        children: entries of an index that are manifests here.
        subject: what it is attached to.
        uploaded_ms: when the source got it; None where unknown.
        statement: form of the statement about an image that it holds, if it holds one.
    """

    digest: Digest
    media_type: str
    size_bytes: int
    is_schema1: bool
    children: tuple[Digest, ...]
    subject: Digest | None
    uploaded_ms: int | None
    statement: Statement | None = None


class Damage(Struct, frozen=True):
    """What a manifest that could be read lacks at the source.

    Attributes:
        problem: `child-missing` for an index, of which the rest is whole; else `blob-unknown` or
            `digest-mismatch`.
        saw: which part, and what of it was seen.
    """

    problem: Problem
    saw: str


class ImageContent(Struct, frozen=True):
    """Everything that the source has under one image path.

    Attributes:
        shown: full name that people know, such as `us.gcr.io/builds/product1/app`.
        tags: each tag with its digest.
        nodes: every manifest that could be read, by digest.
        findings: what is damaged or noteworthy.
        left_out: what was listed but cannot be carried.
        damaged: manifests of which something is missing.
        absent: layers with outside addresses that are not there under this path.
    """

    shown: str
    tags: Mapping[str, Digest]
    nodes: Mapping[Digest, Node]
    findings: tuple[Finding, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    damaged: Mapping[Digest, Damage] = field(default_factory=dict)
    absent: frozenset[Digest] = frozenset()


class TargetView(Struct, frozen=True):
    """What a target name has already.

    Attributes:
        tags: what they point to.
        manifests: all that are there.
        blobs: those that are there beside what these manifests need, as far as was asked.
    """

    tags: Mapping[str, Digest]
    manifests: frozenset[Digest]
    blobs: frozenset[Digest] = frozenset()
