"""One blob, one manifest, one tag: the three functions that do the work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gcr_migrate import errors
from gcr_migrate.apply.journal import Journal, Outcome
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Descriptor
from gcr_migrate.model.plan import TagAction
from gcr_migrate.model.steps import Kind, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from gcr_migrate.interfaces import SourceRegistry, TargetRegistry
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.plan import Image, Repository, Source
    from gcr_migrate.state.migration import BlobItem, ManifestItem, Migration, TagItem


@dataclass(frozen=True, slots=True)
class Place:
    """Where one image is read and written.

    Attributes:
        image: the image path.
        source: the root that it is read under, and `repository` the one that it is written to.
        reader: client of the source, and `writer` of the target.
    """

    image: Image
    source: Source
    repository: Repository
    reader: SourceRegistry
    writer: TargetRegistry

    @property
    def source_name(self) -> str:
        """Registry name at the source."""
        return self.source.name(self.image.path)

    @property
    def target_name(self) -> str:
        """Registry name at the target."""
        return self.repository.name(self.image.target_path)

    @property
    def shown(self) -> str:
        """Full target name for people."""
        return f"{self.repository.registry}/{self.target_name}"


@dataclass(slots=True)
class Shared:
    """Blobs that several target names need: where they are, and which are on their way.

    A blob's bytes cross the line once per target registry: whoever comes first sends it, the
    others wait for that and mount it.
    """

    holders: dict[tuple[str, int], str] = field(default_factory=dict)
    on_their_way: dict[tuple[str, int], asyncio.Future[None]] = field(default_factory=dict)


class Copier:
    """Moves the content of images; holds what images share.

    Args:
        migration: the frozen plan.
        journal: where events go.
        blobs_at_once: transfers in flight.
    """

    def __init__(self, migration: Migration, journal: Journal, blobs_at_once: int) -> None:
        self._migration = migration
        self._repositories = migration.repositories()
        self._journal = journal
        self._slots = asyncio.Semaphore(blobs_at_once)
        self._shared = Shared()

    async def blob(self, place: Place, item: BlobItem) -> Outcome:
        """Bring one blob under one target name: by mount where it can be had, else as bytes."""
        if item.present or item.state is State.PRESENT:
            return Outcome.DONE
        key = (place.repository.registry, item.blob_id)
        if item.shared:
            while (other := self._shared.on_their_way.get(key)) is not None:
                await asyncio.wait([other])
            self._shared.on_their_way[key] = asyncio.get_running_loop().create_future()
        try:
            async with self._slots:
                if self._journal.stop.is_set():
                    return Outcome.PENDING
                try:
                    return await self._move(place, item)
                except MigrateError as error:
                    return self._journal.gave_up(Kind.BLOB, item.id, error)
        finally:
            if item.shared:
                self._shared.on_their_way.pop(key).set_result(None)

    async def _move(self, place: Place, item: BlobItem) -> Outcome:
        name, key = place.target_name, (place.repository.registry, item.blob_id)
        # A start without an end: the target may have it, and what it has is never sent again.
        if item.state is State.MOVING and (
            await place.writer.blob_size(name, item.digest) is not None
        ):
            return self._confirm(key, place, item, "present")
        await self._journal.started(Kind.BLOB, item.id, item.size_bytes)
        session = ""
        async for origin in self._origins(place, item):
            opened = await place.writer.mount(name, item.digest, origin)
            if opened is None:
                return self._confirm(key, place, item, "mounted")
            session = opened or session
        blob = Descriptor("application/octet-stream", item.digest, item.size_bytes)

        def open_source() -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
            return place.reader.open_blob(place.source_name, blob)

        await place.writer.upload(
            name,
            blob,
            open_source,
            session=session,
            on_bytes=self._journal.listener.bytes,
        )
        return self._confirm(key, place, item, "uploaded")

    async def _origins(self, place: Place, item: BlobItem) -> AsyncIterator[str]:
        """Names at the target registry from which the blob can be mounted, the best one first."""
        if place.source.registry == place.repository.registry:
            yield place.source_name
        if not item.shared:
            return
        if held := self._held_by(place, item):
            yield held
            return
        # A killed run may have brought it under another name without living to write that down.
        for other in self._migration.interrupted(item.blob_id, place.repository.registry):
            name = self._target_name(other)
            if name == place.target_name:
                continue
            if await place.writer.blob_size(name, item.digest) is not None:
                yield name
                return

    def _held_by(self, place: Place, item: BlobItem) -> str:
        """A name that a run wrote the blob under; "" if there is none."""
        key = (place.repository.registry, item.blob_id)
        if key in self._shared.holders:
            return self._shared.holders[key]
        holder = self._migration.holder(item.blob_id, place.repository.registry)
        return self._target_name(holder) if holder else ""

    def _target_name(self, image: Image) -> str:
        return self._repositories[image.repository_id].name(image.target_path)

    def _confirm(self, key: tuple[str, int], place: Place, item: BlobItem, how: str) -> Outcome:
        if item.shared:
            self._shared.holders[key] = place.target_name
        size = item.size_bytes
        return self._journal.confirmed(Kind.BLOB, item.id, how=how, size_bytes=size)

    async def manifest(self, place: Place, item: ManifestItem) -> Outcome:
        """Write one manifest by digest, its raw bytes as the source gave them."""
        if self._journal.stop.is_set():
            return Outcome.PENDING
        try:
            await self._journal.started(Kind.MANIFEST, item.id)
            raw = self._migration.manifest_raw(item.digest)
            await place.writer.put_manifest(place.target_name, str(item.digest), raw)
        except MigrateError as error:
            return self._journal.gave_up(Kind.MANIFEST, item.id, error)
        return self._journal.confirmed(
            Kind.MANIFEST, item.id, how="written", size_bytes=item.size_bytes
        )

    async def tag(self, place: Place, item: TagItem, now: TagsNow) -> Outcome:
        """Set one tag, unless source or target moved it since and the spec does not allow that."""
        if self._journal.stop.is_set():
            return Outcome.PENDING
        try:
            if verdict := self._judge(place, item, now):
                return verdict
            await self._journal.started(Kind.TAG, item.id)
            raw = self._migration.manifest_raw(item.digest)
            await place.writer.put_manifest(place.target_name, item.tag, raw)
        except MigrateError as error:
            return self._journal.gave_up(Kind.TAG, item.id, error)
        return self._journal.confirmed(Kind.TAG, item.id, how="written")

    def _judge(self, place: Place, item: TagItem, now: TagsNow) -> Outcome | None:
        """Decide on a tag by what both sides say now; None means: set it."""
        if now.target == item.digest:
            return self._journal.confirmed(Kind.TAG, item.id, how="present")
        moved = place.image.moved_tags
        if now.source != item.digest and moved != "pin":
            saw = f"source has {now.source or 'no such tag'}, planned {item.digest}"
            if moved == "skip":
                code = errors.TAG_MOVED.code
                return self._journal.skipped(Kind.TAG, item.id, code=code, saw=saw)
            subject = f"{place.source.shown}/{place.image.path}:{item.tag}"
            raise MigrateError(errors.TAG_MOVED, subject=subject, saw=saw)
        if now.target is None or place.image.existing_tags == "overwrite":
            return None
        saw = f"target has {now.target}, planned {item.digest}"
        if place.image.existing_tags == "keep":
            code = errors.TAG_CONFLICT.code
            return self._journal.skipped(Kind.TAG, item.id, code=code, saw=saw)
        raise MigrateError(errors.TAG_CONFLICT, subject=f"{place.shown}:{item.tag}", saw=saw)


@dataclass(frozen=True, slots=True)
class TagsNow:
    """What a tag resolves to now, at the source and at the target; None where it is not there."""

    source: Digest | None
    target: Digest | None


def is_settled(item: TagItem) -> bool:
    """Whether the plan or an earlier run already settled this tag."""
    kept = item.action in {TagAction.PRESENT, TagAction.KEEP}
    return kept or item.state in {State.PRESENT, State.SKIPPED}
