"""One blob under one name: whence it can be had, and that its bytes move only once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.apply.holders import Holders
from gcr_migrate.apply.journal import Outcome
from gcr_migrate.apply.mounts import Mounts, Pair
from gcr_migrate.apply.reach import SharedError
from gcr_migrate.apply.room import Room
from gcr_migrate.apply.tags import is_there
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.model.work import BlobWork, End, HasWork, MountWork, Origin
from gcr_migrate.tasks import shared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from gcr_migrate.apply.hand import Hands
    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.model.plan import Image, Repository, Source
    from gcr_migrate.state.items import BlobItem
    from gcr_migrate.state.migration import Migration

LARGE_BYTES: Final = 32 * 1024 * 1024
HUGE_BYTES: Final = 1024 * 1024 * 1024
_HUGE_AT_ONCE: Final = 4  # an upload that breaks starts over: not all of them at once
_MAY_BE_THERE: Final = frozenset({State.MOVING, State.FAILED})
_MOUNTS_FOR_EACH: Final = 2  # transfer that may be on its way
_ENOUGH: Final = nullcontext()  # for what need not wait for room


class Place(Struct, frozen=True, dict=True):
    """Where one image is read and written.

    Attributes:
        image: the image path.
        root: the root that it is read under, and `repository` the one that it is written to.
    """

    image: Image
    root: Source
    repository: Repository

    @cached_property
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

    @cached_property
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
        several: there are other image paths than one.
    """

    def __init__(
        self,
        migration: Migration,
        journal: Journal,
        hands: Hands,
        at_once: int,
        *,
        several: bool = True,
    ) -> None:
        self._journal = journal
        self._hands = hands
        self._slots = Room(at_once, several=several)
        self._asking = Room(_MOUNTS_FOR_EACH * at_once, several=several)
        # Small ones always find room beside the large ones.
        half = max(1, at_once // 2)
        self._large = Room(half, several=several)
        self._huge = Room(min(_HUGE_AT_ONCE, half), several=several)
        self._rooms = (self._slots, self._asking, self._large, self._huge)
        self._mounts = Mounts()
        self._gone: set[int] = set()  # at the source
        self._undecided: set[int] = set()  # those of them whose manifests are still to be asked
        self._doubted: set[int] = set()  # the plan or an earlier run had them
        self._looked_for: set[int] = set()  # those of which it is known by now
        self._lost: set[tuple[str, int]] = set()  # those of them that several names need
        self._unaskable: set[tuple[str, str]] = set()  # names that nobody can say of what they have
        self._sent_again: set[int] = set()
        self._going: dict[int, asyncio.Task[Outcome]] = {}
        self._sending: dict[int, asyncio.Task[Outcome]] = {}
        self._holders = Holders(migration)
        self._failed: dict[int, MigrateError] = {}  # why blobs of several names failed at first
        self._on_their_way: dict[tuple[str, int], asyncio.Future[None]] = {}

    def bring(self, place: Place, item: BlobItem) -> Outcome | asyncio.Task[Outcome]:
        """Bring one blob under one target name; once, however many ask for it."""
        if item.id in self._doubted:
            item = replace(item, present=False, state=State.MOVING)  # it may be there
        elif is_there(item):
            return Outcome.DONE
        if item.id in self._gone or item.state is State.SKIPPED:
            return Outcome.GONE
        if known := self._journal.came_out(item.id):
            return known
        going = self._sending.get(item.id) or self._going.get(item.id)
        if going is None:
            going = self._going[item.id] = shared(self._bring(place, item))
        return going

    def doubt(self, place: Place, items: list[BlobItem]) -> None:
        """Note that blobs are to be looked for, as the target has lost a manifest that needs them.

        Each once: what was found or brought since then is there.
        """
        registry = place.repository.registry
        for item in items:
            known = item.id in self._doubted or item.id in self._looked_for
            if known or not is_there(item) or self._journal.came_out(item.id):
                continue
            self._doubted.add(item.id)
            self._holders.doubt(registry)
            key = registry, item.blob_id
            is_first = key not in self._lost
            if item.shared:
                self._lost.add(key)
            self._journal.doubted(item.id, item.size_bytes, is_sent=is_first)

    async def send(self, place: Place, item: BlobItem) -> Outcome:
        """Send a blob that the target had said to have, without any mount; once for all who ask."""
        if self._journal.came_out(item.id) is Outcome.FAILED:
            return Outcome.FAILED
        sending = self._sending.get(item.id)
        if sending is None:
            sending = self._sending[item.id] = shared(self._send(place, item))
        return await asyncio.shield(sending)

    async def _send(self, place: Place, item: BlobItem) -> Outcome:
        try:
            self._mounts.in_vain(item.id)
            self._journal.lost(Kind.BLOB, item.id, item.size_bytes)
            async with self._room(item):
                size, of = item.size_bytes, place.image.id
                if self._journal.is_over(of):
                    raise MigrateError(errors.STOPPED, subject=place.shown)  # noqa: TRY301
                await self._journal.started(Kind.BLOB, item.id, size)
                await self._hands.do(BlobWork(place.source, place.target, item.digest, size))
        except MigrateError as error:
            return self._gave_up(place, item, error)
        else:
            how = "uploaded"
            self._sent_again.add(item.id)
            self._holders.add(place, item)
            return self._journal.confirmed(Kind.BLOB, item.id, how=how, size_bytes=size, of=of)
        finally:
            del self._sending[item.id]

    def was_sent_again(self, item: BlobItem) -> bool:
        """Whether a blob that the target had said to have was sent to it in this run."""
        return item.id in self._sent_again

    def is_undecided(self, item: BlobItem) -> bool:
        """Whether a blob is gone at the source, and nobody has said yet whether it failed."""
        return item.id in self._undecided

    def decided(self, items: list[BlobItem]) -> None:
        """Note that it is said of these."""
        self._undecided.difference_update(one.id for one in items)

    def proved(self, items: list[BlobItem]) -> None:
        """Note that the target has taken a manifest that needs these blobs."""
        self._mounts.proved(item.id for item in items)

    async def _bring(self, place: Place, item: BlobItem) -> Outcome:
        try:
            came_out = await self._once_per_registry(place, item)
        finally:
            del self._going[item.id]
        if came_out is Outcome.DONE and item.id in self._doubted:
            self._doubted.discard(item.id)
            self._looked_for.add(item.id)
        return came_out

    async def _once_per_registry(self, place: Place, item: BlobItem) -> Outcome:
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

    @asynccontextmanager
    async def _room(self, item: BlobItem) -> AsyncIterator[None]:
        """Have room on the line for a blob while the block runs."""
        size, name = item.size_bytes, item.image_id
        async with (
            self._huge.of(name) if size >= HUGE_BYTES else _ENOUGH,
            self._large.of(name) if size >= LARGE_BYTES else _ENOUGH,
            self._slots.of(name),
        ):
            yield

    async def _in_turn(self, place: Place, item: BlobItem) -> Outcome:
        while True:
            origins = self._useful_origins(place, item)
            # A mount needs no room on the line: behind all that is to be sent it would keep back
            # the manifests that wait for it.
            if origins and not self._mounts.has_declined(origins[0][1]):
                async with self._asking.of(item.image_id):
                    came_out = await self._move(place, item, origins, self._room(item))
            else:
                async with self._room(item):
                    came_out = await self._move(place, item, origins, _ENOUGH)
            if isinstance(came_out, Outcome):
                return came_out
            await asyncio.wait([came_out])  # it takes no room from others meanwhile

    def _useful_origins(self, place: Place, item: BlobItem) -> list[tuple[Origin, Pair]]:
        """Return whence a blob may be mounted, where mounts are taken first."""
        origins = [
            (origin, pair)
            for origin in self._holders.origins(place, item)
            if not self._mounts.is_useless(pair := Pair.of(origin, place.target))
        ]
        origins.sort(key=lambda one: self._mounts.has_declined(one[1]))
        return origins

    async def _move(
        self,
        place: Place,
        item: BlobItem,
        origins: list[tuple[Origin, Pair]],
        room: AbstractAsyncContextManager[None],
    ) -> Outcome | asyncio.Future[None]:
        """Bring a blob, or return what it has to wait for.

        Args:
            place: where it is read and written.
            item: the blob.
            origins: whence it may be mounted, the best one first.
            room: to be had where it is sent.
        """
        if self._journal.is_over(place.image.id):
            return Outcome.PENDING
        if origins and (answer := self._mounts.first_answer(origins[0][1], item.id)):
            return answer
        asking = self._mounts.asking(origins[0][1], item.id) if origins else nullcontext()
        try:
            with asking:
                await self._journal.started(Kind.BLOB, item.id, item.size_bytes)
                how, session = await self._unsent(place, item, origins)
            if not how:
                ends = place.source, place.target
                unsure = self._mounts.is_unanswered(item.id)
                work = BlobWork(*ends, item.digest, item.size_bytes, session, unsure)
                async with room:
                    if self._journal.is_over(place.image.id):
                        raise MigrateError(errors.STOPPED, subject=place.shown)  # noqa: TRY301
                    how = await self._hands.do(work)
                (self._mounts.sent if how == "uploaded" else self._mounts.came)(item.id)
        except MigrateError as error:
            if place.image.moved_tags == "skip" and await self._is_gone(place, item, error):
                self._journal.refused(Kind.BLOB, item.id)
                self._gone.add(item.id)
                self._undecided.add(item.id)
                return Outcome.GONE
            return self._gave_up(place, item, error)
        self._holders.add(place, item)
        size, of = item.size_bytes, place.image.id
        self._proved(of)
        return self._journal.confirmed(Kind.BLOB, item.id, how=how, size_bytes=size, of=of)

    def _proved(self, name: int) -> None:
        for room in self._rooms:
            room.proved(name)

    def _gave_up(self, place: Place, item: BlobItem, error: MigrateError) -> Outcome:
        """Record a failure; what ails a blob of the source does so under each of its names."""
        if error.problem is errors.STOPPED and (item.state in _MAY_BE_THERE or error.saw):
            return Outcome.PENDING  # it stays started, as it may be there: the next run asks
        for room in self._rooms:
            room.failed(place.image.id)
        if item.shared:
            first = self._failed.get(item.blob_id)
            if first is None or first.problem is not error.problem:
                # A copy: what was raised holds all that it went through.
                first = MigrateError(error.problem, subject=error.subject, saw=error.saw)
                self._failed.setdefault(item.blob_id, first)
            error = SharedError.of(error, first)
        return self._journal.gave_up(Kind.BLOB, item.id, error, of=place.image.id)

    async def _unsent(
        self, place: Place, item: BlobItem, origins: list[tuple[Origin, Pair]]
    ) -> tuple[str, str]:
        """Return how a blob came without being sent, if it did; and an upload that was begun."""
        # A start without an end, or one that nobody answered: the target may have it, and what it
        # has is never sent again.
        if item.state in _MAY_BE_THERE and await self._has(place.target, item):
            return "present", ""
        session = ""
        for origin, pair in origins:
            if session and not self._mounts.may_be_left_for(pair):
                break
            opened = await self._mount(place, item, origin, pair)
            self._mounts.leave(pair, item.id)  # the next pair may be one that others wait with
            if opened is None:
                return "mounted", ""
            session = opened or session
        return "", session

    async def _mount(self, place: Place, item: BlobItem, origin: Origin, pair: Pair) -> str | None:
        """Mount a blob; return None where it was, else the upload that was begun instead, or ""."""
        end = replace(place.target, name=origin.name, scope=origin.scope)
        if not origin.is_sure and not await self._may_have(end, item):
            return ""
        while answer := self._mounts.first_answer(pair, item.id):
            await asyncio.wait([answer])
        if self._mounts.is_useless(pair):
            return ""
        try:
            with self._mounts.asking(pair, item.id):
                work = MountWork(place.target, item.digest, origin.name, item.size_bytes)
                opened = await self._hands.do(work)
                self._mounts.answered(pair, item.id, opened)
        except MigrateError as error:
            # If the target is gone, sending will tell; if it is not, mounts are what ails.
            if error.problem is errors.UNREACHABLE:
                self._mounts.broke(pair, item.id)
            elif error.problem is errors.REFUSED_ALONE:
                self._mounts.refused(pair, item.id)
            elif error.problem is not errors.TOO_MANY_REQUESTS:  # after which all may be well
                raise
            return ""
        return opened

    async def _may_have(self, origin: End, item: BlobItem) -> bool:
        """Whether a name has a blob for others; one that cannot be asked is of no use to them."""
        name = origin.registry, origin.name
        if name in self._unaskable:
            return False
        try:
            return await self._has(origin, item)
        except MigrateError as error:
            if error.problem is errors.STOPPED:
                raise
            if error.problem is not errors.TOO_MANY_REQUESTS:
                self._unaskable.add(name)
            return False

    async def _is_gone(self, place: Place, item: BlobItem, error: MigrateError) -> bool:
        """Whether it failed because the source has the blob no more; if in doubt, it did not."""
        if error.problem is not errors.BLOB_UNKNOWN:
            return False
        with suppress(MigrateError):
            return not await self._has(place.source, item)
        return False

    async def _has(self, end: End, item: BlobItem) -> bool:
        size = item.size_bytes if end.side == "target" else -1
        return await self._hands.do(HasWork(end, item.digest, size))
