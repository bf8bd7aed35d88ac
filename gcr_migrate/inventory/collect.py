"""Read everything that hangs together under each image path of a registry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError, printable
from gcr_migrate.inventory.referrers import Referrers
from gcr_migrate.inventory.untold import what_is_untold
from gcr_migrate.model.attestation import statement_in
from gcr_migrate.model.content import Digest, Kind, Manifest
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.model.inventory import Damage, ImageContent, Listing, Node
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.content import Descriptor

AT_ONCE = 32  # metadata requests in flight; more only adds memory
_NAMED = 5  # children of one index that are named
_UNSAID = -1  # schema 1 says no sizes
_DAMAGE = (errors.MANIFEST_UNKNOWN, errors.DIGEST_MISMATCH, errors.BAD_MANIFEST, errors.BAD_DIGEST)


class ReadManifest(Struct, frozen=True):
    """A manifest with the blobs that it needs from the registry itself.

    Attributes:
        manifest: as received.
        extra_blobs: entries of an index that are blobs, not manifests.
        foreign_present: layers with outside addresses that the source has all the same.
    """

    manifest: Manifest
    extra_blobs: tuple[Descriptor, ...]
    foreign_present: frozenset[Digest]


class ImageReader:
    """Reads all manifests of image paths of one source root.

    Args:
        registry: where to read.
        cached: gives a manifest that was read before, or None.
        keep: is called once with every manifest read, before the image's content is returned.
        remembered: gives a manifest that an earlier run read, or None; for what need not be asked.
        checks_blobs: ask for every blob, whether it is there.
    """

    def __init__(
        self,
        registry: SourceRegistry,
        cached: Callable[[Digest], Manifest | None],
        keep: Callable[[ReadManifest], None],
        remembered: Callable[[Digest], Manifest | None],
        *,
        checks_blobs: bool = False,
    ) -> None:
        self._registry = registry
        self._remembered = remembered
        self._cached = cached
        self._keep = keep
        self._checks_blobs = checks_blobs
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._referrers = Referrers(registry)

    @property
    def host(self) -> str:
        """The registry that is read."""
        return self._registry.host

    async def read(
        self, shown: str, listing: Listing, settled: Mapping[str, Digest] | None = None
    ) -> ImageContent:
        """Read tags, listed digests, children at any depth and referrers of one name.

        Args:
            shown: full name for people.
            listing: what the name shows.
            settled: tags of the target. Where the source has one with the same digest, nothing
                of it will move, and what it lists is not asked for again if it is remembered.

        Raises:
            MigrateError: a manifest could not be fetched for a reason that is not damage.
        """
        reading = _Reading(shown, listing, settled or {})
        edge: set[str] = {str(d) if d else tag for tag, d in listing.tags.items()}
        edge |= {str(entry.digest) for entry in listing.manifests or ()}
        asked: set[str] = set()
        while edge:
            asked |= edge
            leads = await self._read_all(reading, edge)
            edge = leads - asked - {str(d) for d in reading.nodes}
        await self._check_blobs(reading)
        return reading.content()

    async def doubts(self) -> list[tuple[str, MigrateError]]:
        """Return the names of which attachments may be missing, when all are read."""
        return await self._referrers.doubts()

    async def _read_all(self, reading: _Reading, references: set[str]) -> set[str]:
        """Fetch manifests, and return the digests that they lead to."""
        leads: set[str] = set()

        async def one(reference: str) -> None:
            leads.update(map(str, await self._one(reading, reference)))

        await a_few_of((one(reference) for reference in sorted(references)), AT_ONCE)
        return leads

    async def _one(self, reading: _Reading, reference: str) -> list[Digest]:
        """Fetch one manifest and return the digests that it leads to."""
        async with self._slots:
            try:
                manifest = await self._fetch(reading, reference)
            except MigrateError as error:
                if error.problem not in _DAMAGE:
                    raise
                reading.damaged(reference, error)
                return []
            blobs = await self._entries_that_are_blobs(reading, manifest)
            foreign = await self._foreign(reading, manifest)
            self._keep(ReadManifest(manifest, blobs, foreign))
            reading.findings += what_is_untold(manifest, reading.shown)
            reading.add(manifest, {blob.digest for blob in blobs})
            if self._checks_blobs:
                reading.note_blobs(manifest, foreign)
            reading.resolved(reference, manifest)
            leads = [child.digest for child in manifest.children]
            return leads + await self._referrers.of(reading.name, manifest.digest)

    async def _check_blobs(self, reading: _Reading) -> None:
        """Ask for each blob that was noted, once under this name, for its size only."""

        async def one(blob: Digest) -> None:
            async with self._slots:
                reading.judge_blob(blob, await self._registry.blob_size(reading.name, blob))

        await a_few_of((one(blob) for blob in sorted(reading.blobs)), AT_ONCE)

    async def _fetch(self, reading: _Reading, reference: str) -> Manifest:
        if ":" in reference:
            digest = Digest.parse(reference)
            known = self._cached(digest)
            if known is None and digest in reading.settled:
                known = self._remembered(digest)
            if known:
                return known
        return await self._registry.manifest(reading.name, reference)

    async def _entries_that_are_blobs(
        self, reading: _Reading, manifest: Manifest
    ) -> tuple[Descriptor, ...]:
        """Find entries of an index of a type that is no manifest and that are there as blobs."""
        blobs = []
        for child in manifest.children:
            if "manifest" in child.media_type or "index" in child.media_type:
                continue
            head = await self._registry.manifest_head(reading.name, str(child.digest))
            if head is None and await self._is_blob(reading.name, child.digest):
                blobs.append(child)
        return tuple(blobs)

    async def _is_blob(self, name: str, digest: Digest) -> bool:
        return await self._registry.has_blob(name, digest, -1)

    async def _foreign(self, reading: _Reading, manifest: Manifest) -> frozenset[Digest]:
        present = set()
        for blob in manifest.blobs:
            if not blob.urls:
                continue
            if await self._registry.has_blob(reading.name, blob.digest, -1):
                present.add(blob.digest)
                continue
            reading.absent.add(blob.digest)
            subject = f"{reading.shown}@{manifest.digest}"
            address = printable(blob.urls[0].partition("?")[0])  # a query may hold a signature
            saw = f"{blob.digest} from {address}"
            reading.findings.append(Finding(errors.FOREIGN_LAYER, Severity.WARNING, subject, saw))
        return frozenset(present)


class _Reading:
    """What has been read of one name so far."""

    def __init__(self, shown: str, listing: Listing, target_tags: Mapping[str, Digest]) -> None:
        self.shown = shown
        self.settled: set[Digest] = set()
        self._target_tags = target_tags
        self.name = listing.name
        self.tags: dict[str, Digest] = {tag: d for tag, d in listing.tags.items() if d}
        self.nodes: dict[Digest, Node] = {}
        self.findings: list[Finding] = []
        self.left_out: list[LeftOut] = []
        self.damage: dict[Digest, Damage] = {}
        self.blobs: dict[Digest, list[tuple[Digest, int]]] = {}
        self.absent: set[Digest] = set()
        self._uploaded = {entry.digest: entry.uploaded_ms for entry in listing.manifests or ()}
        self._blobs: set[Digest] = set()
        self._lost: dict[Digest, MigrateError] = {}

    def add(self, manifest: Manifest, blobs: set[Digest]) -> None:
        self._blobs |= blobs
        self.nodes[manifest.digest] = Node(
            digest=manifest.digest,
            media_type=manifest.media_type,
            size_bytes=len(manifest.raw),
            is_schema1=manifest.kind is Kind.SCHEMA1,
            children=tuple(c.digest for c in manifest.children if c.digest not in blobs),
            subject=manifest.subject.digest if manifest.subject else None,
            uploaded_ms=self._uploaded.get(manifest.digest),
            statement=statement_in(manifest),
        )

    def resolved(self, reference: str, manifest: Manifest) -> None:
        """Note what a reference leads to, and whether the target has it with all that it lists."""
        if ":" not in reference:
            self.tags[reference] = manifest.digest
            if self._target_tags.get(reference) == manifest.digest:
                self.settled.add(manifest.digest)
        if manifest.digest in self.settled:
            self.settled |= {child.digest for child in manifest.children}

    def note_blobs(self, manifest: Manifest, foreign: frozenset[Digest]) -> None:
        """Remember which blobs a manifest needs from this registry."""
        for blob in manifest.blobs:
            if not blob.urls or blob.digest in foreign:
                self.blobs.setdefault(blob.digest, []).append((manifest.digest, blob.size))

    def judge_blob(self, blob: Digest, size: int | None) -> None:
        """Note the manifests whose blob is gone, or has another size than they say."""
        for digest, stated in self.blobs[blob]:
            if size is None:
                self.damage[digest] = Damage(errors.BLOB_UNKNOWN, f"{blob} is not there")
            elif stated not in {size, _UNSAID}:
                saw = f"{blob} has {size} bytes, the manifest says {stated}"
                self.damage[digest] = Damage(errors.DIGEST_MISMATCH, saw)

    def damaged(self, reference: str, error: MigrateError) -> None:
        if ":" in reference:
            self._lost[Digest.parse(reference)] = error
            return
        self.left_out.append(
            LeftOut(error.problem, f"{self.shown}:{reference}", by_rule=False, saw=error.saw)
        )

    def _name_sparse(self) -> set[Digest]:
        """Note each index of which a child is gone, and return those children."""
        wanted = set()
        for node in self.nodes.values():
            gone = [child for child in node.children if child in self._lost]
            wanted |= {*gone}
            if gone:
                saw = ", ".join(f"{one}: {self._lost[one].problem.title}" for one in gone[:_NAMED])
                more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
                self.damage[node.digest] = Damage(errors.CHILD_MISSING, saw + more)
        return wanted

    def content(self) -> ImageContent:
        """Everything read, with damage named: a missing child at its index, else by itself."""
        wanted = self._name_sparse()
        for digest, error in sorted(self._lost.items(), key=lambda pair: str(pair[0])):
            if digest in self._blobs or (digest in wanted and digest not in self._uploaded):
                continue  # only the indexes speak of it
            self.left_out.append(
                LeftOut(error.problem, f"{self.shown}@{digest}", by_rule=False, saw=error.saw)
            )
        return ImageContent(
            self.shown,
            self.tags,
            self.nodes,
            tuple(self.findings),
            tuple(self.left_out),
            self.damage,
            frozenset(self.absent),
        )
