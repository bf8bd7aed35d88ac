"""One blob under one name: whence it can be had, and that its bytes move only once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gcr_migrate.apply.journal import Outcome
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.model.work import BlobWork, End, Origin, SizeWork
from gcr_migrate.tasks import all_of, shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.apply.hand import Hands
    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.model.plan import Image, Repository, Source
    from gcr_migrate.state.items import BlobItem
    from gcr_migrate.state.migration import Migration

LARGE_BYTES: Final = 32 * 1024 * 1024
HUGE_BYTES: Final = 1024 * 1024 * 1024
_HUGE_AT_ONCE: Final = 4  # an upload that breaks starts over: not all of them at once
_HOLDERS_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where one image is read and written.

    Attributes:
        image: the image path.
        root: the root that it is read under, and `repository` the one that it is written to.
    """

    image: Image
    root: Source
    repository: Repository

    @property
    def source(self) -> End:
        """Its name at the source."""
        name = self.root.name(self.image.path)
        return End(
            "source",
            self.root.registry,
            self.root.dialect,
            self.root.plain_http,
            name,
            self.root.prefix or name,
        )

    @property
    def target(self) -> End:
        """Its name at the target."""
        row = self.repository
        name = row.name(self.image.target_path)
        scope = row.prefix if row.resource else name
        return End("target", row.registry, row.dialect, row.plain_http, name, scope)

    @property
    def shown(self) -> str:
        """Full target name for people."""
        return f"{self.repository.registry}/{self.repository.name(self.image.target_path)}"


class Blobs:
    """Brings blobs under the names of the target; holds what these share.

    A blob's bytes cross the line once per target registry: whoever comes first sends it, the
    others wait for that and mount it.

    Args:
        migration: the frozen plan.
        journal: where events go.
        hands: do the work.
        at_once: transfers in flight.
    """

    def __init__(self, migration: Migration, journal: Journal, hands: Hands, at_once: int) -> None:
        self._migration = migration
        self._repositories = migration.repositories()
        self._journal = journal
        self._hands = hands
        self._slots = asyncio.Semaphore(at_once)
        # Small ones always find room beside the large ones.
        self._large = asyncio.Semaphore(max(1, at_once // 2))
        self._huge = asyncio.Semaphore(min(_HUGE_AT_ONCE, max(1, at_once // 2)))
        self._going: dict[int, asyncio.Task[Outcome]] = {}
        self._holders: OrderedDict[tuple[str, int], Origin] = OrderedDict()
        self._on_their_way: dict[tuple[str, int], asyncio.Future[None]] = {}

    def bring(self, place: Place, item: BlobItem) -> Outcome | asyncio.Task[Outcome]:
        """Bring one blob under one target name; once, however many ask for it."""
        if item.present or item.state is State.PRESENT:
            return Outcome.DONE
        if known := self._journal.came_out(Kind.BLOB, item.id):
            return known
        going = self._going.get(item.id)
        if going is None:
            going = shared(self._bring(place, item))
            self._going[item.id] = going
            going.add_done_callback(lambda _: self._going.pop(item.id))
        return going

    async def missing(self, place: Place, items: list[BlobItem]) -> list[BlobItem]:
        """Ask for blobs that are believed to be there; return those that are not.

        Raises:
            MigrateError: the target does not answer.
        """
        sizes = await all_of(self._hands.do(SizeWork(place.target, item.digest)) for item in items)
        return [item for item, size in zip(items, sizes, strict=True) if size is None]

    async def send(self, place: Place, item: BlobItem) -> None:
        """Send a blob that the target had said to have, without any mount.

        Raises:
            MigrateError: it cannot be sent; that is a matter of the manifest that needs it.
        """
        async with self._slots:
            await self._hands.do(BlobWork(place.source, place.target, item.digest, item.size_bytes))

    async def _bring(self, place: Place, item: BlobItem) -> Outcome:
        key = (place.repository.registry, item.blob_id)
        while item.shared and key not in self._holders and (other := self._on_their_way.get(key)):
            await asyncio.wait([other])
        if not item.shared or key in self._holders:  # it is mounted from there, by all at once
            return await self._in_turn(place, item)
        self._on_their_way[key] = asyncio.get_running_loop().create_future()
        try:
            return await self._in_turn(place, item)
        finally:
            self._on_their_way.pop(key).set_result(None)

    async def _in_turn(self, place: Place, item: BlobItem) -> Outcome:
        size = item.size_bytes
        if size >= HUGE_BYTES:
            async with self._huge, self._large, self._slots:
                return await self._move(place, item)
        if size >= LARGE_BYTES:
            async with self._large, self._slots:
                return await self._move(place, item)
        async with self._slots:
            return await self._move(place, item)

    async def _move(self, place: Place, item: BlobItem) -> Outcome:
        if self._journal.stop.is_set():
            return Outcome.PENDING
        work = BlobWork(
            place.source,
            place.target,
            item.digest,
            item.size_bytes,
            origins=tuple(self._origins(place, item)),
            asks_first=item.state is State.MOVING,
        )
        try:
            await self._journal.started(Kind.BLOB, item.id, item.size_bytes)
            how = await self._hands.do(work)
        except MigrateError as error:
            return self._journal.gave_up(Kind.BLOB, item.id, error)
        if item.shared:
            self._holders[place.repository.registry, item.blob_id] = _origin(place.target)
            if len(self._holders) > _HOLDERS_REMEMBERED:  # the file knows the others
                self._holders.popitem(last=False)
        return self._journal.confirmed(Kind.BLOB, item.id, how=how, size_bytes=item.size_bytes)

    def _origins(self, place: Place, item: BlobItem) -> Iterator[Origin]:
        """Names at the target registry from which the blob can be mounted, the best one first."""
        row = place.repository
        if place.root.registry == row.registry:
            yield _origin(place.source)
        if not item.shared:
            return
        if held := self._holders.get((row.registry, item.blob_id)):
            yield held
            return
        if holder := self._migration.holder(item.blob_id, row.registry):
            yield self._origin(holder, is_sure=True)
            return
        # A killed run may have brought it under another name without living to write that down.
        for other in self._migration.interrupted(item.blob_id, row.registry):
            if other.id != place.image.id:
                yield self._origin(other, is_sure=False)

    def _origin(self, image: Image, *, is_sure: bool) -> Origin:
        row = self._repositories[image.repository_id]
        name = row.name(image.target_path)
        return Origin(name, row.prefix if row.resource else name, is_sure)


def _origin(end: End) -> Origin:
    return Origin(end.name, end.scope)
