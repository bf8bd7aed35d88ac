"""Levels tags, manifests and blobs of a frozen plan against what the registries say now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import is_fallback_tag
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.plan import TagAction
from gcr_migrate.tasks import a_few_of, all_of
from gcr_migrate.verify.marks import CONTENT, Level, LevelCount, Marks, Verification

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.plan import Image, Repository, Source
    from gcr_migrate.state.items import TagItem
    from gcr_migrate.state.migration import Migration
    from gcr_migrate.verify.marks import Progress

AT_ONCE = 32  # requests
IMAGES_AT_ONCE = 8  # small images would leave most of the requests' places empty
_MADE_BY_TARGET = errors.REFERRERS_TAG_LEFT.code


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


@dataclass(frozen=True, slots=True)
class _Pair:
    """One image path at both sides."""

    image: Image
    source: Source
    repository: Repository
    reader: SourceRegistry
    target: SourceRegistry

    @property
    def source_name(self) -> str:
        return self.source.name(self.image.path)

    @property
    def target_name(self) -> str:
        return self.repository.name(self.image.target_path)

    @property
    def shown(self) -> str:
        return f"{self.repository.registry}/{self.target_name}"

    @property
    def source_shown(self) -> str:
        return f"{self.source.shown}/{self.image.path}"


async def verify_migration(
    migration: Migration, readers: Readers, levels: frozenset[Level], progress: Progress
) -> Verification:
    """Check everything that a plan promises against both registries.

    Args:
        migration: the frozen plan; its ledger is not read.
        readers: hands out clients.
        levels: what to check.
        progress: is told of each check.

    Returns:
        Counts per level and a finding for all that is wrong, moved, new, or could not be checked.
    """
    check = _Check(migration, readers, levels, progress)
    if CONTENT & levels:
        await a_few_of((check.image(image) for image in migration.images()), IMAGES_AT_ONCE)
    check.result.findings.sort(key=lambda one: (one.subject, one.problem.code))
    return check.result


class _Check:
    """A verification under way."""

    def __init__(
        self,
        migration: Migration,
        readers: Readers,
        levels: frozenset[Level],
        progress: Progress,
    ) -> None:
        self._migration = migration
        self._readers = readers
        self._levels = levels
        self.result = Verification({level: LevelCount() for level in Level if level in levels})
        self._marks = Marks(self.result, progress)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._sources = migration.sources()
        self._repositories = migration.repositories()
        self._virtual = [one for one in self._repositories.values() if one.upstreams]

    async def image(self, image: Image) -> None:
        """Check one image path at every level."""
        source, repository = self._sources[image.source_id], self._repositories[image.repository_id]
        pair = _Pair(
            image,
            source,
            repository,
            self._readers.source(source.registry, source.dialect, source.plain_http),
            self._readers.target_reader(
                repository.registry, repository.dialect, repository.plain_http
            ),
        )
        if Level.TAGS in self._levels:
            await self._tags(pair)
        if Level.MANIFESTS in self._levels:
            await self._manifests(pair)
        if Level.BLOBS in self._levels:
            await self._blobs(pair)

    async def _tags(self, pair: _Pair) -> None:
        items = list(self._migration.tags(pair.image.id))
        left_out = self._migration.left_out_tags(pair.source_shown)
        # The target makes these itself.
        listed = [tag for tag, why in left_out.items() if why.code == _MADE_BY_TARGET]
        names = [item.tag for item in items] + listed
        try:
            there, here = await all_of(
                [
                    self._resolve(pair.target, pair.target_name, names),
                    self._resolve(pair.reader, pair.source_name, names),
                ]
            )
        except MigrateError as error:
            for name in names:
                self._marks.unchecked(Level.TAGS, f"{pair.shown}:{name}", error)
            return
        for item in items:
            self._tag(pair, item, there.get(item.tag), here.get(item.tag))
        wanted = {item.tag: digest for item in items if (digest := there.get(item.tag))}
        for virtual in self._virtual:
            if pair.repository.resource in virtual.upstreams:
                await self._through(virtual, pair.image.target_path, wanted)
        await self._guarded(
            (Level.TAGS, f"{pair.shown}:{tag}", self._referrers_tag(pair, tag)) for tag in listed
        )
        for tag in here.keys() - set(names) - left_out.keys():
            self._marks.note(errors.IMAGE_NEW, Severity.WARNING, f"{pair.source_shown}:{tag}")

    async def _through(self, virtual: Repository, path: str, wanted: Mapping[str, Digest]) -> None:
        """Check that each tag resolves through a virtual repository as it does at its own."""
        reader = self._readers.target_reader(virtual.registry, virtual.dialect, virtual.plain_http)
        shown = f"{virtual.shown}/{path}"
        try:
            seen = await self._resolve(reader, virtual.name(path), wanted)
        except MigrateError as error:
            for tag in wanted:
                self._marks.unchecked(Level.TAGS, f"{shown}:{tag}", error)
            return
        for tag, digest in wanted.items():
            found = seen.get(tag)
            saw = f"its upstream has {digest}, seen through it {found or 'no such tag'}"
            if found == digest:
                self._marks.ok(Level.TAGS)
            else:
                problem = errors.TAG_CONFLICT if found else errors.TAG_GONE
                self._marks.wrong(Level.TAGS, problem, f"{shown}:{tag}", saw)

    def _tag(self, pair: _Pair, item: TagItem, there: Digest | None, here: Digest | None) -> None:
        subject = f"{pair.shown}:{item.tag}"
        if here != item.digest and pair.image.moved_tags != "pin":
            saw = f"source has {here or 'no such tag'}, planned {item.digest}"
            self._marks.note(
                errors.TAG_MOVED, Severity.WARNING, f"{pair.source_shown}:{item.tag}", saw
            )
        if there == item.digest:
            self._marks.ok(Level.TAGS)
        elif there is None:
            self._marks.wrong(Level.TAGS, errors.TAG_GONE, subject, f"planned {item.digest}")
        elif item.action is TagAction.KEEP or pair.image.existing_tags == "keep":
            self._marks.ok(Level.TAGS)  # the spec leaves it where it points
        else:
            saw = f"target has {there}, planned {item.digest}"
            self._marks.wrong(Level.TAGS, errors.TAG_CONFLICT, subject, saw)

    async def _referrers_tag(self, pair: _Pair, tag: str) -> None:
        """Compare a tag that the target makes itself as a set: its bytes are the target's own."""
        planned = await pair.reader.manifest(pair.source_name, tag)
        subject_digest = is_fallback_tag(tag)
        if subject_digest is None:
            return
        missing = {child.digest for child in planned.children}
        try:
            found = await pair.target.manifest(pair.target_name, tag)
            missing -= {child.digest for child in found.children}
        except MigrateError as error:
            if error.problem is not errors.MANIFEST_UNKNOWN:
                raise
        if missing:  # where tags are immutable, the target may not move its own either
            listed = await pair.target.referrers(pair.target_name, subject_digest)
            missing -= {one.digest for one in listed or ()}
        if not missing:
            self._marks.ok(Level.TAGS)
            return
        saw = f"referrers of {subject_digest} missing: " + ", ".join(sorted(map(str, missing)))
        self._marks.wrong(Level.TAGS, errors.DIGEST_GONE, f"{pair.shown}:{tag}", saw)

    async def _resolve(
        self, registry: SourceRegistry, name: str, tags: Iterable[str]
    ) -> dict[str, Digest | None]:
        """Every tag that a name has, with its digest; from one list where it tells digests."""
        try:
            listing = await registry.listing(name)
        except MigrateError as error:
            if error.problem in errors.NOT_THERE:
                return {}
            raise
        known = dict(listing.tags)
        unknown = [
            tag for tag in tags if known.get(tag) is None and (tag in listing.tags or listing.cut)
        ]

        async def head(tag: str) -> Digest | None:
            async with self._slots:
                found = await registry.manifest_head(name, tag)
                return found.digest if found else None

        return known | dict(zip(unknown, await all_of(map(head, unknown)), strict=True))

    async def _manifests(self, pair: _Pair) -> None:
        after = 0
        while items := self._migration.manifests(pair.image.id, after_id=after, limit=256):
            after = items[-1].id
            await self._guarded(
                (
                    Level.MANIFESTS,
                    f"{pair.shown}@{item.digest}",
                    self._manifest(pair, item.digest),
                )
                for item in items
            )

    async def _manifest(self, pair: _Pair, digest: Digest) -> None:
        """Read a manifest back; its hash proves that each of its bytes is the source's."""
        subject = f"{pair.shown}@{digest}"
        try:
            await pair.target.manifest(pair.target_name, str(digest))
        except MigrateError as error:
            if error.problem in {errors.MANIFEST_UNKNOWN, *errors.NOT_THERE}:
                self._marks.wrong(Level.MANIFESTS, errors.DIGEST_GONE, subject)
            elif error.problem is errors.DIGEST_MISMATCH:
                self._marks.wrong(Level.MANIFESTS, errors.BYTES_DIFFER, subject, error.saw)
            else:
                raise
        else:
            self._marks.ok(Level.MANIFESTS)

    async def _blobs(self, pair: _Pair) -> None:
        batch: list[tuple[Level, str, Coroutine[None, None, None]]] = []
        for item in self._migration.blobs(pair.image.id):
            subject = f"{pair.shown}@{item.digest}"
            work = self._blob(pair, item.digest, item.size_bytes, subject)
            batch.append((Level.BLOBS, subject, work))
            if len(batch) >= AT_ONCE * 8:
                await self._guarded(batch)
                batch = []
        await self._guarded(batch)

    async def _blob(self, pair: _Pair, digest: Digest, size_bytes: int, subject: str) -> None:
        found = await pair.target.blob_size(pair.target_name, digest)
        if found is None:
            self._marks.wrong(Level.BLOBS, errors.BLOB_GONE, subject)
        elif size_bytes >= 0 and found != size_bytes:
            saw = f"{found} bytes, planned {size_bytes}"
            self._marks.wrong(Level.BLOBS, errors.BYTES_DIFFER, subject, saw)
        else:
            self._marks.ok(Level.BLOBS)

    async def _guarded(
        self, checks: Iterable[tuple[Level, str, Coroutine[None, None, None]]]
    ) -> None:
        """Run checks at once; one that cannot be made is counted as such and named."""

        async def one(level: Level, subject: str, work: Coroutine[None, None, None]) -> None:
            async with self._slots:
                try:
                    await work
                except MigrateError as error:
                    self._marks.unchecked(level, subject, error)

        listed = list(checks)
        try:
            await all_of(one(*check) for check in listed)
        finally:
            for *_, work in listed:
                work.close()  # where one ended all, some were never begun
