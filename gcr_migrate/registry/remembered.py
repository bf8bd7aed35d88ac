"""A source whose manifests are kept: the registry says what is there, the cache has its bytes."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from gcr_migrate.model.content import Digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from gcr_migrate.interfaces import Feed, ManifestStore, SourceRegistry
    from gcr_migrate.model.content import Descriptor, Manifest
    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.model.inventory import Listing, ManifestHead


class RememberedRegistry:
    """Reads from a registry, and fetches no manifest whose bytes are in the store.

    That a manifest is there is never remembered: a listing of this run has it, or the registry
    is asked for its head (OCI end-3), which has no bytes. A tag that a listing gives without a
    digest is asked for in the same way.

    Args:
        registry: who is asked.
        store: keeps the bytes.
    """

    def __init__(self, registry: SourceRegistry, store: ManifestStore) -> None:
        self._registry = registry
        self._store = store
        self._listed: dict[str, array[int]] = {}

    @property
    def host(self) -> str:
        """The registry's own."""
        return self._registry.host

    @property
    def dialect(self) -> Dialect:
        """The registry's own."""
        return self._registry.dialect

    async def listing(self, name: str) -> Listing:
        """List a name, and remember for this run which digests it shows."""
        listing = await self._registry.listing(name)
        if listing.manifests:
            self._listed[name] = array("Q", sorted(_short(m.digest) for m in listing.manifests))
        return listing

    def catalog(self) -> AsyncIterator[str]:
        """Names of all repositories."""
        return self._registry.catalog()

    async def short_catalog(self) -> frozenset[str] | None:
        """Names of all repositories, if one answer has them."""
        return await self._registry.short_catalog()

    async def manifest(self, name: str, reference: str) -> Manifest:
        """Return a manifest that is there: from the store, else fetched and kept."""
        known = await self._known(name, reference)
        if known is not None:
            return known
        manifest = await self._registry.manifest(name, reference)
        self._store.put(manifest)
        return manifest

    async def _known(self, name: str, reference: str) -> Manifest | None:
        if ":" not in reference:
            if self._store.was_empty:
                return None  # the head would be a request for nothing
            head = await self._registry.manifest_head(name, reference)
            return self._store.get(head.digest) if head else None
        digest = Digest.parse(reference)
        known = self._store.get(digest)
        if known is None or self._is_listed(name, digest):
            return known
        return known if await self._registry.manifest_head(name, reference) else None

    def _is_listed(self, name: str, digest: Digest) -> bool:
        listed = self._listed.get(name)
        if not listed:
            return False
        at = bisect_left(listed, _short(digest))
        return at < len(listed) and listed[at] == _short(digest)

    async def manifest_head(self, name: str, reference: str) -> ManifestHead | None:
        """What a tag or digest resolves to."""
        return await self._registry.manifest_head(name, reference)

    async def shown(self, name: str, tag: str, head: ManifestHead) -> Digest | None:
        """What a tag leads to, by its manifest; that is fetched anew."""
        return await self._registry.shown(name, tag, head)

    async def blob_size(self, name: str, digest: Digest) -> int | None:
        """Size of a blob under this name."""
        return await self._registry.blob_size(name, digest)

    async def has_blob(self, name: str, digest: Digest, size_bytes: int) -> bool:
        """Whether a blob is there, as long as it has to be."""
        return await self._registry.has_blob(name, digest, size_bytes)

    def open_blob(self, name: str, blob: Descriptor) -> AbstractAsyncContextManager[Feed]:
        """Stream a blob."""
        return self._registry.open_blob(name, blob)

    async def referrers(self, name: str, digest: Digest) -> tuple[Descriptor, ...] | None:
        """Manifests whose subject is this digest."""
        return await self._registry.referrers(name, digest)


def _short(digest: Digest) -> int:
    """Eight bytes of a digest: a million listed ones take 8 MB instead of hundreds."""
    return hash(digest) & 0xFFFF_FFFF_FFFF_FFFF
