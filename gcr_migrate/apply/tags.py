"""What tags point to now on both sides, and what that means for a planned one."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.apply.reach import SharedError
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.dialect import BY_NAME
from gcr_migrate.model.plan import TagAction
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.model.work import HasWork, HeadWork, ListWork, Tags
from gcr_migrate.tasks import shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcr_migrate.apply.copy import Place
    from gcr_migrate.apply.hand import Hands
    from gcr_migrate.apply.journal import Journal, Outcome
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.work import End
    from gcr_migrate.state.items import BlobItem, ManifestItem, TagItem

# An answer is believed for a second, or for so many times what it took: what others push meanwhile
# is seen as soon as looking for it costs no more than a twentieth of the work.
_FRESH_S: Final = 1.0
_FRESH_TIMES: Final = 20
# What it took may be a pause, tries in vain or a server that stood still: to look once more takes
# no longer than this, and as long again for each page of tags.
_LOOK_AT_MOST_S: Final = 0.25
_PAGE: Final = 1_000


Likely = tuple["Digest | None", ...]


class TagsNow(Struct, frozen=True):
    """What a tag points to now, at the source and at the target; None where it is not there."""

    source: Digest | None
    target: Digest | None


class Look:
    """Looks at tags of one image path: one list for many where lists tell digests.

    Args:
        place: the image path.
        hands: ask the registries.
        needs: gives the question for what the target has for certain under this name of what a
            tag is of; None: nothing that could be asked for.
        clock: tells seconds, and never goes back.
    """

    def __init__(
        self,
        place: Place,
        hands: Hands,
        needs: Callable[[TagItem], HasWork | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = _Side(place.source, hands, clock)
        self._target = _Side(place.target, hands, clock)
        self._hands = hands
        self._needs = needs
        self._clock = clock
        self._ahead: dict[str, tuple[float, TagsNow]] = {}  # until when each is believed
        # The planned digest is copied, whatever the tag is by now: nothing has to be asked.
        self._pinned = place.image.moved_tags == "pin"
        self._overwrites = place.image.existing_tags == "overwrite"

    async def ahead(self, item: TagItem) -> None:
        """Look at a tag already, while its manifest waits for its turn; a failure comes later."""
        with suppress(MigrateError):
            began = self._clock()
            found = await self._ask(item)
            self._ahead[item.tag] = _fresh_until(began, self._clock(), _LOOK_AT_MOST_S), found

    async def whole(self) -> Tags:
        """Return all that the list of the target tells, manifests without a tag, too.

        Raises:
            MigrateError: it does not answer.
        """
        return await self._target.whole()

    async def now(self, item: TagItem, *, anew: bool = False, shown: bool = True) -> TagsNow:
        """Return what a tag points to now.

        Args:
            item: the tag, with what it has to point to, and what the plan had found there.
            anew: nothing that was seen before is believed.
            shown: what speaks against setting it has to be shown; else one word is enough.

        Raises:
            MigrateError: a side does not answer.
        """
        if anew:
            self._ahead.pop(item.tag, None)
            self._source.forget()
            self._target.forget()
        fresh_until, found = self._ahead.pop(item.tag, (float("-inf"), None))
        if found and self._clock() < fresh_until:
            return found
        return await self._ask(item, shown=shown)

    async def _ask(self, item: TagItem, *, shown: bool = True) -> TagsNow:
        planned, found = item.digest, item.found
        at_target, at_source = ((planned, found), (planned,)) if shown else ((), ())
        # The plan or an earlier run has seen something there, or a run may have set it.
        was_there = found is not None or item.state is not State.PLANNED
        target = await self._target.digest(item.tag, at_target, known=was_there)
        if target is None and self._target.is_cut and not (self._overwrites or found):
            target = await self._second_look(item)
        # If it is there, it is no matter where the source's has gone.
        is_asked = target != planned and not self._pinned
        source = await self._source.digest(item.tag, at_source, known=True) if is_asked else planned
        return TagsNow(source, target)

    async def _second_look(self, item: TagItem) -> Digest | None:
        """Ask for a tag once more, which no list tells of: a HEAD alone may hide what is there.

        Raises:
            MigrateError: BAD_REPLY, what is there for certain is not found either.
        """
        there = self._needs(item)
        if there is not None and not await self._hands.do(there):
            saw = "404 without a reason, also to what is there"
            raise MigrateError(errors.BAD_REPLY, subject=self._target.named(item.tag), saw=saw)
        return await self._target.head(item.tag, (item.digest, item.found))


class _Side:
    def __init__(self, end: End, hands: Hands, clock: Callable[[], float]) -> None:
        self._end = end
        self._hands = hands
        self._clock = clock
        self._fresh_until = float("-inf")
        self._listing: asyncio.Task[Tags] | None = None
        self._failed: MigrateError | None = None
        self._failed_until = float("-inf")
        self.is_cut = False  # its list does not tell of all tags, or there is none

    def named(self, tag: str) -> str:
        """Return a tag's full name."""
        return f"{self._end.registry}/{self._end.name}:{tag}"

    async def head(self, tag: str, likely: Likely) -> Digest | None:
        """Ask for a tag, whatever the list says; `likely` as in `digest`."""
        return await self._head(tag, likely, known=False)

    def forget(self) -> None:
        """Believe nothing that was seen before."""
        self._listing, self._fresh_until = None, float("-inf")

    async def whole(self) -> Tags:
        """Ask for all that the list tells; what it says of tags is believed as any list."""
        self._listing = shared(self._ask(whole=True))
        return await asyncio.shield(self._listing)

    async def digest(self, tag: str, likely: Likely, *, known: bool) -> Digest | None:
        """Return what a tag points to; that it is gone or moved is not believed of one witness.

        Args:
            tag: the tag.
            likely: what it may point to on a word; anything else has to be shown. Empty: any.
            known: it was there when the plan was made.

        Raises:
            MigrateError: the registry does not answer.
        """
        # A source that lists no digests is asked for the tag at once: the list would tell nothing.
        if self._end.side == "source" and not BY_NAME[self._end.dialect].lists_manifests:
            return await self._head(tag, likely, known=known)
        listed = await self._list()
        found = listed.digests.get(tag)
        if found and (not likely or found in likely):
            return found
        if found:
            return await self._shown(tag, likely, found)
        if tag in listed.digests or listed.is_cut:
            return await self._head(tag, likely, known=known or tag in listed.digests)
        return await self._head(tag, likely, known=False) if known else None  # the second witness

    async def _shown(self, tag: str, likely: Likely, listed: Digest) -> Digest | None:
        """Ask for a tag of which the list tells what is unlikely; where nobody may, list again."""
        try:
            return await self._head(tag, likely, known=True)
        except MigrateError as error:
            if error.problem is errors.STOPPED or error.problem is errors.DIGEST_MISMATCH:
                raise
            self.forget()
            if (await self._list()).digests.get(tag) != listed:
                raise
            return listed

    async def _head(self, tag: str, likely: Likely, *, known: bool) -> Digest | None:
        began = self._clock()
        try:
            return await self._hands.do(HeadWork(self._end, tag, known, likely))
        except MigrateError as error:
            # What fails alike while that would be believed fails by the same cause.
            first = self._failed if began < self._failed_until else None
            if first is None or first.problem is not error.problem:
                first = self._failed = error
                self._failed_until = _fresh_until(began, self._clock())
            raise SharedError.of(error, first) from error

    async def _list(self) -> Tags:
        asking = self._listing is not None and not self._listing.done()
        if self._listing is None or not (asking or self._clock() < self._fresh_until):
            self._listing = shared(self._ask())
        return await asyncio.shield(self._listing)

    async def _ask(self, *, whole: bool = False) -> Tags:
        began = self._clock()
        try:
            tags = await self._hands.do(ListWork(self._end, whole))
        except MigrateError as error:  # which the other tags need not ask for again, one by one
            self._fresh_until = self._clock() + _FRESH_S
            raise SharedError.of(error) from error
        costs_s = _LOOK_AT_MOST_S * (1 + len(tags.digests) // _PAGE)
        self._fresh_until = _fresh_until(began, self._clock(), costs_s)
        self.is_cut = tags.is_cut
        return tags


def _fresh_until(began: float, ended: float, costs_at_most_s: float = math.inf) -> float:
    """Return until when an answer is believed; it is thought to be as old as it took."""
    took_s = min(ended - began, costs_at_most_s)
    return ended - took_s + max(_FRESH_S, took_s * _FRESH_TIMES)


def is_settled(item: TagItem) -> bool:
    """Whether the plan or an earlier run already settled this tag."""
    return item.action is TagAction.KEEP or is_there(item) or item.state is State.SKIPPED


def is_there(item: BlobItem | ManifestItem | TagItem) -> bool:
    """Whether the target has an item by all that is known."""
    return item.present or item.state is State.PRESENT


def still_holds(code: str, item: TagItem, now: TagsNow) -> bool:
    """Whether there is still the reason, given by its code, for which an earlier run left a tag."""
    if now.target == item.digest:
        return False
    if code == errors.TAG_CONFLICT.code:
        return now.target is not None
    return now.source != item.digest


def judge(
    journal: Journal, place: Place, item: TagItem, now: TagsNow, *, was_ours: bool
) -> Outcome | None:
    """Decide on a tag by what both sides say now; None means: set it.

    Args:
        journal: where it is recorded.
        place: the image path.
        item: the tag.
        now: what it points to.
        was_ours: the target had it as planned before: what it has now was set after that, and
            `existing_tags: overwrite` was said of what had been there.

    Raises:
        MigrateError: TAG_MOVED, TAG_CONFLICT.
    """
    if now.target == item.digest:
        return journal.confirmed(Kind.TAG, item.id, how="present", of=place.image.id)
    moved = place.image.moved_tags
    if now.source != item.digest and moved != "pin":
        saw = f"source has {now.source or 'no such tag'}, planned {item.digest}"
        if moved == "skip":
            code = errors.TAG_MOVED.code
            return journal.skipped(Kind.TAG, item.id, code=code, saw=saw)
        subject = f"{place.root.shown}/{place.image.path}:{item.tag}"
        raise MigrateError(errors.TAG_MOVED, subject=subject, saw=saw)
    policy = place.image.existing_tags
    if now.target is None or (policy == "overwrite" and not was_ours):
        return None
    saw = f"target has {now.target}, planned {item.digest}"
    if policy != "fail":
        code = errors.TAG_CONFLICT.code
        return journal.skipped(Kind.TAG, item.id, code=code, saw=saw)
    raise MigrateError(errors.TAG_CONFLICT, subject=f"{place.shown}:{item.tag}", saw=saw)
