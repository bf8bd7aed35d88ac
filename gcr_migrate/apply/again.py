"""What the target said to have, and has not: found out when it refuses a manifest, and sent again.

It may be a mount that was none, a write that was lost after its 201, or somebody's clean-up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from gcr_migrate import errors
from gcr_migrate.apply.journal import Outcome
from gcr_migrate.apply.tags import is_there
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind
from gcr_migrate.model.work import HasWork, HeadWork
from gcr_migrate.tasks import all_of, shared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from gcr_migrate.apply.copy import Place
    from gcr_migrate.apply.path import Tools
    from gcr_migrate.state.items import BlobItem, ManifestItem, TagItem

    Put = Callable[[ManifestItem, list[BlobItem]], Awaitable[None]]
    SetTag = Callable[[TagItem], Awaitable[None]]

T = TypeVar("T")

_NOBODY_THERE: Final = frozenset(
    {
        errors.UNREACHABLE,
        errors.UNTRUSTED,
        errors.SERVER_ERROR,
        *errors.TOO_MANY,
        errors.UNAUTHORIZED,
        errors.NO_CREDENTIALS,
        errors.BAD_CREDENTIALS,
        errors.TOKEN_EXPIRED,
        errors.WORKER_LOST,
        errors.STOPPED,
    }
)
# Not all say MANIFEST_BLOB_UNKNOWN, with the status of a refusal: some say that all is unknown.
MAY_LACK_A_PART: Final = frozenset(
    {errors.BLOB_UNKNOWN, errors.NAME_UNKNOWN, errors.REQUEST_REFUSED}
)


class Again:
    """Sends again what a manifest of one image path needs.

    Args:
        tools: what all paths share.
        place: where it is read and written.
        put: writes a manifest under its digest.
        set_tag: sets a tag, if it has to be set still.
        not_done: what became of manifests that are not there, by their numbers.
    """

    def __init__(
        self, tools: Tools, place: Place, put: Put, set_tag: SetTag, not_done: Mapping[int, Outcome]
    ) -> None:
        self._tools = tools
        self._journal = tools.journal
        self._place = place
        self._put = put
        self._set_tag = set_tag
        self._not_done = not_done
        self._writing: dict[int, asyncio.Task[Outcome]] = {}

    async def bring(self, item: ManifestItem, blobs: list[BlobItem], refusal: MigrateError) -> None:
        """Send what is missing of a manifest that was refused.

        Raises:
            MigrateError: the refusal itself, if nothing is missing or nobody may ask; BLOCKED, if a
                part that was sent again failed; STOPPED, if it was not for a wish to stop.
        """
        try:
            lacking = await self._missing(blobs, self._has_blob)
            needs = self._needs(item)
            lost = await self._missing(needs, lambda need: self._has(str(need.digest)))
        except MigrateError as error:
            if error.problem in _NOBODY_THERE:
                raise
            raise refusal from None
        # Another manifest may have had it sent between the refusal and the question.
        meanwhile = any(map(self._tools.blobs.was_sent_again, blobs)) or any(
            need.id in self._writing for need in needs
        )
        is_told = refusal.problem is errors.BLOB_UNKNOWN
        if not (lacking or lost or meanwhile or is_told):
            raise refusal
        sent = await all_of(self._tools.blobs.send(self._place, blob) for blob in lacking)
        for blob, outcome in zip(lacking, sent, strict=True):
            self._check(item, f"layer or config {blob.digest}", outcome)
        written = await all_of(self._once(child) for child in lost)
        for child, outcome in zip(lost, written, strict=True):
            self._check(item, f"manifest {child.digest}", outcome)

    def _check(self, item: ManifestItem, part: str, outcome: Outcome) -> None:
        """Raise what it means for a manifest that a part of it did not come."""
        subject = f"{self._place.shown}@{item.digest}"
        if outcome is Outcome.FAILED:
            saw = f"it needs {part}, which failed"
            raise MigrateError(errors.BLOCKED, subject=subject, saw=saw)
        if outcome is not Outcome.DONE:
            raise MigrateError(errors.STOPPED, subject=subject)

    def _needs(self, item: ManifestItem) -> list[ManifestItem]:
        """Return what a manifest needs beside it, but what is not there by a rule."""
        there = (one for one in item.needs if one not in self._not_done)
        return [self._tools.migration.manifest_item(self._place.image.id, one) for one in there]

    async def _missing(
        self, items: list[T], has: Callable[[T], Coroutine[None, None, bool]]
    ) -> list[T]:
        """Ask for what is believed to be there; return what is not."""
        there = await all_of(map(has, items))
        return [item for item, is_there in zip(items, there, strict=True) if not is_there]

    async def _has_blob(self, blob: BlobItem) -> bool:
        work = HasWork(self._place.target, blob.digest, blob.size_bytes)
        return await self._tools.do(self._place.image.id, work)

    async def _has(self, reference: str) -> bool:
        work = HeadWork(self._place.target, reference)
        return await self._tools.do(self._place.image.id, work) is not None

    async def _once(self, item: ManifestItem) -> Outcome:
        """Write a manifest that was lost; once for all that need it."""
        writing = self._writing.get(item.id)
        if writing is None or writing.done():
            writing = self._writing[item.id] = shared(self._write(item))
        return await asyncio.shield(writing)

    async def _write(self, item: ManifestItem) -> Outcome:
        """Write a manifest that was lost, and the tags that went with it."""
        journal, of = self._journal, self._place.image.id
        journal.lost(Kind.MANIFEST, item.id)
        journal.settle()  # so that the rows tell of tags that were set a moment ago
        # What is not set yet will be in its turn.
        tags = [one for one in self._tools.migration.tags_of(of, item.id) if is_there(one)]
        for tag in tags:  # before anything else: who stops now knows what to ask for
            journal.lost(Kind.TAG, tag.id)
        if journal.is_over(of):
            return Outcome.PENDING
        journal.begins(Kind.MANIFEST, item.id)
        try:
            await self._put(item, self._tools.migration.blobs_of(item.id))
        except MigrateError as error:
            return journal.gave_up(Kind.MANIFEST, item.id, error, of=of)
        size = item.size_bytes
        journal.confirmed(Kind.MANIFEST, item.id, how="written", size_bytes=size, of=of)
        for tag in tags:
            await self._set_tag(tag)
        return Outcome.DONE
