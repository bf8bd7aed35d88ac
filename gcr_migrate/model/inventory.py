"""Rows that a registry's listings give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.model.content import Digest


@dataclass(frozen=True, slots=True)
class ListedManifest:
    """One entry of a `manifest` map; size in bytes, time in milliseconds since 1970."""

    digest: Digest
    media_type: str
    tags: tuple[str, ...]
    uploaded_ms: int | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Listing:
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


@dataclass(frozen=True, slots=True)
class ManifestHead:
    """What a HEAD of a manifest tells; size in bytes where the registry says it."""

    digest: Digest
    media_type: str
    size_bytes: int | None
