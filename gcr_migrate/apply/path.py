"""One image path: blobs, then manifests bottom-up and oldest first, each under its tags."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.apply.again import MAY_LACK_A_PART, Again
from gcr_migrate.apply.gone import Gone
from gcr_migrate.apply.journal import Outcome
from gcr_migrate.apply.late import Late
from gcr_migrate.apply.seen import Seen
from gcr_migrate.apply.tags import Look, is_settled, is_there, judge
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.model.work import HasWork, ManifestWork
from gcr_migrate.state.tally import subject_of
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from gcr_migrate.apply.copy import Blobs, Place
    from gcr_migrate.apply.hand import Hands
    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.apply.room import Room
    from gcr_migrate.apply.tags import TagsNow
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.work import Work
    from gcr_migrate.state.items import BlobItem, ManifestItem, TagItem
    from gcr_migrate.state.migration import Migration

R = TypeVar("R")

_PAGE: Final = 64
# A manifest that failed so under a tag fails under its digest too. All else can befall a single
# tag: a proxy that drops its request, a rule or a limit that guards it.
_OF_ALL: Final = frozenset(
    {
        errors.BLOCKED,
        errors.UNTRUSTED,
        errors.NO_CREDENTIALS,
        errors.BAD_CREDENTIALS,
        errors.TOKEN_EXPIRED,
        errors.WORKER_LOST,
        errors.STOPPED,
    }
)
_SHARE: Final = 64  # of the window: a path that waits for its oldest leaves room to others
_WRITES_AT_ONCE: Final = 8  # of one path: writes start oldest first, a few in flight


class Tools(Struct, frozen=True):
    """What the work on all paths has in common.

    Attributes:
        migration: the frozen plan.
        journal: where events go.
        hands: do the work.
        blobs: brings blobs.
        window: manifests that are looked at together, over all paths.
        requests: writes and questions in flight, over all paths.
        silent: hosts that are not asked any more about what was left.
    """

    migration: Migration
    journal: Journal
    hands: Hands
    blobs: Blobs
    window: asyncio.Semaphore
    requests: Room
    silent: set[str] = field(default_factory=set)

    async def do(self, name: int, work: Work[R]) -> R:
        """Do work for an image path, named by its number, when there is room for it."""
        async with self.requests.of(name):
            return await self.hands.do(work)


class Path:
    """The work on one image path.

    Args:
        tools: what all paths share.
        place: where it is read and written.
    """

    def __init__(self, tools: Tools, place: Place) -> None:
        self._tools = tools
        self._migration = tools.migration
        self._journal = tools.journal
        self._place = place
        self._look = Look(place, tools.hands, self._is_there_for)
        self._seen = Seen(tools, place, self._look)
        self._slots = asyncio.Semaphore(_WRITES_AT_ONCE)
        self._share = asyncio.Semaphore(_SHARE)
        self._going: dict[int, asyncio.Task[Outcome]] = {}
        self._not_done: dict[int, Outcome] = {}
        self._again = Again(tools, place, self._put, self._set_anew, self._not_done)
        self._gone = Gone(tools, place, self._not_done, self._gave_up)
        self._late = Late(tools, place, self._look, self._not_done, self._set_all, self._block)

    async def run(self) -> None:
        """Bring everything of the path that is not there; failures are events, not exceptions."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        begun.set_result(None)
        async with asyncio.TaskGroup() as group:
            async for item, tags in self._open_items():
                await self._share.acquire()
                await self._tools.window.acquire()
                before, begun = begun, asyncio.get_running_loop().create_future()
                work = self._item(item, tags, before, begun)
                self._going[item.id] = group.create_task(work)
        await self._late.run()

    async def _open_items(self) -> AsyncIterator[tuple[ManifestItem, list[TagItem]]]:
        """Go through the manifests that are to be written or tagged, until a stop is wanted."""
        after = 0
        image_id = self._place.image.id
        while items := self._migration.manifests(image_id, after_id=after, limit=_PAGE):
            after = items[-1].id
            await asyncio.sleep(0)  # a page of what is done already is no reason to stand still
            for item in items:
                if self._is_over:
                    return
                if item.state is State.SKIPPED:  # and its tags with it
                    self._not_done[item.id] = Outcome.GONE
                    continue
                all_tags = self._migration.tags_of(image_id, item.id)
                self._late.note(item, all_tags)
                item, all_tags = await self._seen.what_is_there(item, all_tags)  # noqa: PLW2901
                tags = [tag for tag in all_tags if not is_settled(tag)]
                if tags or not is_there(item):
                    yield item, tags

    @property
    def _is_over(self) -> bool:
        return self._journal.is_over(self._place.image.id)

    async def _item(
        self,
        item: ManifestItem,
        tags: list[TagItem],
        before: asyncio.Future[None],
        begun: asyncio.Future[None],
    ) -> Outcome:
        """Bring what a manifest needs, write it when its turn has come, and set its tags."""
        outcome = Outcome.PENDING
        try:
            if is_there(item):
                before.add_done_callback(lambda _: _resolve(begun))
                outcome = Outcome.DONE
                tags = self._late.put_off(item, tags)
            else:
                blobs = self._migration.blobs_of(item.id)
                outcome = await self._needs(item, blobs)
                if outcome is Outcome.DONE and tags:
                    await self._look_ahead(tags[0])
                await before
                async with self._slots:
                    begun.set_result(None)
                    outcome, tags = await self._in_turn(item, blobs, tags, outcome)
            if outcome is Outcome.DONE:
                await self._set_all(tags)
        finally:
            if outcome is not Outcome.DONE:
                self._not_done[item.id] = outcome
            self._going.pop(item.id, None)
            self._tools.window.release()
            self._share.release()
        return outcome

    def _is_there_for(self, tag: TagItem) -> HasWork | None:
        """Return the question for a blob of what a tag points to, directly or by what it needs."""
        image_id, item_id = self._place.image.id, tag.manifest_item_id
        while not (blobs := self._migration.blobs_of(item_id)):
            needs = self._migration.manifest_item(image_id, item_id).needs
            if not needs:
                return None
            item_id = needs[0]
        return HasWork(self._place.target, blobs[0].digest)

    async def _look_ahead(self, tag: TagItem) -> None:
        if self._is_over:
            return
        async with self._tools.requests.of(self._place.image.id):
            if not self._is_over:  # many may have stood in line
                await self._look.ahead(tag)

    async def _needs(self, item: ManifestItem, blobs: list[BlobItem]) -> Outcome:
        """Bring blobs, and wait for the manifests that come before; return how bad it came out."""
        came_out = {self._not_done.get(need, Outcome.DONE) for need in item.needs}
        waiting = [self._going[need] for need in item.needs if need in self._going]
        for blob in blobs:
            brought = self._tools.blobs.bring(self._place, blob)
            if isinstance(brought, Outcome):
                came_out.add(brought)
            else:
                waiting.append(brought)
        if waiting:
            ended, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
            came_out.update(one.result() for one in ended)
        for outcome in (Outcome.PENDING, Outcome.GONE, Outcome.FAILED):
            if outcome in came_out:
                return outcome
        return Outcome.DONE

    async def _in_turn(
        self, item: ManifestItem, blobs: list[BlobItem], tags: list[TagItem], needs: Outcome
    ) -> tuple[Outcome, list[TagItem]]:
        """Write a manifest, or say why not; return the tags that are still to be set."""
        if self._is_over or needs is Outcome.PENDING:
            return Outcome.PENDING, []
        if needs is Outcome.GONE:
            needs = await self._gone.judge(item, blobs, tags)
        if needs is Outcome.PENDING or needs is Outcome.GONE:
            return needs, []
        if needs is Outcome.FAILED:
            subject = f"{self._place.shown}@{item.digest}"
            saw = self._what_it_lacks(item, blobs)
            blocked = MigrateError(errors.BLOCKED, subject=subject, saw=saw)
            outcome = self._gave_up(Kind.MANIFEST, item.id, blocked)
            self._block(tags)
            return outcome, []
        return await self._write(item, blobs, tags)

    def _what_it_lacks(self, item: ManifestItem, blobs: list[BlobItem]) -> str:
        """Return the first thing that a manifest needs and that did not come."""
        for blob in blobs:
            if self._journal.came_out(blob.id) is Outcome.FAILED:
                return f"it needs layer or config {blob.digest}, which failed"
        for need in item.needs:
            if outcome := self._not_done.get(need):
                digest = subject_of(self._migration, Kind.MANIFEST, need).rpartition("@")[2]
                why = "which the source has no more" if outcome is Outcome.GONE else "which failed"
                return f"it needs manifest {digest}, {why}"
        return ""

    def _block(self, tags: Iterable[TagItem]) -> None:
        for tag in tags:
            subject = f"{self._place.shown}:{tag.tag}"
            blocked = MigrateError(errors.BLOCKED, subject=subject, saw=str(tag.digest))
            self._gave_up(Kind.TAG, tag.id, blocked)

    async def _write(
        self, item: ManifestItem, blobs: list[BlobItem], tags: list[TagItem]
    ) -> tuple[Outcome, list[TagItem]]:
        """Write a manifest under its first tag, which writes it under its digest too."""
        tags = self._late.put_off(item, tags)
        for number, tag in enumerate(tags, 1):
            if not await self._is_to_be_set(tag):
                continue
            self._journal.begins(Kind.MANIFEST, item.id)
            self._journal.begins(Kind.TAG, tag.id)
            try:
                await self._put(item, blobs, tag)
            except MigrateError as error:
                self._not_set(tag, error)
                # It may have been for the tag's sake alone: its digest tells.
                outcome = (
                    self._gave_up(Kind.MANIFEST, item.id, error)
                    if error.problem in _OF_ALL
                    else await self._write_untagged(item, blobs)
                )
                if outcome is Outcome.FAILED:
                    self._block(tags[number:])
                return outcome, tags[number:]
            self._written(Kind.TAG, tag.id)
            return self._written(Kind.MANIFEST, item.id, item.size_bytes), tags[number:]
        return await self._write_untagged(item, blobs), []

    async def _write_untagged(self, item: ManifestItem, blobs: list[BlobItem]) -> Outcome:
        if self._is_over:
            return Outcome.PENDING
        self._journal.begins(Kind.MANIFEST, item.id)
        try:
            await self._put(item, blobs)
        except MigrateError as error:
            return self._gave_up(Kind.MANIFEST, item.id, error)
        return self._written(Kind.MANIFEST, item.id, item.size_bytes)

    def _written(self, kind: Kind, item_id: int, size_bytes: int = 0) -> Outcome:
        of = self._place.image.id
        self._tools.requests.proved(of)
        return self._journal.confirmed(kind, item_id, how="written", size_bytes=size_bytes, of=of)

    def _gave_up(self, kind: Kind, item_id: int, error: MigrateError) -> Outcome:
        if error.problem is not errors.BLOCKED:  # that was not asked for
            self._tools.requests.failed(self._place.image.id)
        return self._journal.gave_up(kind, item_id, error, of=self._place.image.id)

    def _not_set(self, tag: TagItem, error: MigrateError) -> None:
        """Record why a tag was not set; one that moved meanwhile is judged as any such tag."""
        image = self._place.image
        kept = image.existing_tags != "fail" and error.problem is errors.TAG_CONFLICT
        left = image.moved_tags == "skip" and error.problem is errors.TAG_MOVED
        if kept or left:
            self._journal.skipped(Kind.TAG, tag.id, code=error.problem.code, saw=error.saw)
        else:
            self._gave_up(Kind.TAG, tag.id, error)

    def _work(self, digest: Digest, tag: TagItem | None) -> ManifestWork:
        image, place = self._place.image, self._place
        if tag is None:
            return ManifestWork(place.target, digest, str(digest))
        source = None if image.moved_tags == "pin" else place.source
        overwrites = image.existing_tags == "overwrite" and not self._migration.was_there(tag)
        return ManifestWork(place.target, digest, tag.tag, overwrites, source=source)

    async def _put(
        self, item: ManifestItem, blobs: list[BlobItem], tag: TagItem | None = None
    ) -> None:
        """Write a manifest under a tag, or under its digest alone."""
        await self._send(self._work(item.digest, tag), lambda: (item, blobs))
        self._tools.blobs.proved(blobs)

    async def _send(
        self, work: ManifestWork, parts: Callable[[], tuple[ManifestItem, list[BlobItem]]]
    ) -> None:
        """Write a manifest; where it is refused, bring what the target lacks of it first."""
        try:
            await self._tools.do(self._place.image.id, work)
        except MigrateError as error:
            if error.problem not in MAY_LACK_A_PART:
                raise
            await self._again.bring(*parts(), error)
            await self._tools.do(self._place.image.id, replace(work, asks_first=True))

    async def _set_all(self, tags: list[TagItem]) -> None:
        await a_few_of((self._set(tag) for tag in tags), min(_WRITES_AT_ONCE, len(tags)))

    async def _set(self, tag: TagItem) -> None:
        """Set a tag of a manifest that is there."""
        async with self._slots:
            if await self._is_to_be_set(tag):
                await self._set_it(tag)

    async def _set_anew(self, tag: TagItem) -> None:
        """Set a tag that the target has lost, for a manifest that has a slot."""
        if await self._is_to_be_set(tag, anew=True):
            await self._set_it(tag)

    async def _set_it(self, tag: TagItem) -> None:
        self._journal.begins(Kind.TAG, tag.id)

        def parts() -> tuple[ManifestItem, list[BlobItem]]:
            id_ = tag.manifest_item_id
            item = self._migration.manifest_item(self._place.image.id, id_)
            return item, self._migration.blobs_of(id_)

        try:
            await self._send(self._work(tag.digest, tag), parts)
        except MigrateError as error:
            self._not_set(tag, error)
        else:
            self._written(Kind.TAG, tag.id)

    def _was_ours(self, tag: TagItem, now: TagsNow, *, anew: bool) -> bool:
        """Whether what the target has now was set after ours: `overwrite` is not said of that.

        Not if it is ours, damaged; nor if the target lost ours a moment ago, and has again what
        was there before.
        """
        if self._place.image.existing_tags != "overwrite" or now.target in {None, tag.digest}:
            return False  # nobody has to be asked
        is_back = anew and now.target == tag.found
        if is_back or not self._migration.was_there(tag):
            return False
        return self._migration.last_code(Kind.TAG, tag.id) != errors.DIGEST_MISMATCH.code

    async def _is_to_be_set(self, tag: TagItem, *, anew: bool = False) -> bool:
        """Whether a tag can be set now; what speaks against it is recorded."""
        if self._is_over:
            return False
        try:
            async with self._tools.requests.of(self._place.image.id):
                now = await self._look.now(tag, anew=anew)
            was_ours = self._was_ours(tag, now, anew=anew)
            return judge(self._journal, self._place, tag, now, was_ours=was_ours) is None
        except MigrateError as error:
            self._gave_up(Kind.TAG, tag.id, error)
            return False


def _resolve(begun: asyncio.Future[None]) -> None:
    if not begun.done():
        begun.set_result(None)
