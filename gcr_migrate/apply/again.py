"""What the target said to have, and has not: found out when it refuses a manifest, and sent again.

It may be a mount that was none, a write that was lost after its 201, or somebody's clean-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.apply.journal import Outcome
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.plan import TagAction
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.model.work import HeadWork, ManifestWork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gcr_migrate.apply.copy import Place
    from gcr_migrate.apply.path import Tools
    from gcr_migrate.state.items import BlobItem, ManifestItem, TagItem

    Put = Callable[[ManifestItem, list[BlobItem], str], Awaitable[None]]

NOBODY_THERE: Final = frozenset(
    {
        errors.UNREACHABLE,
        errors.UNTRUSTED,
        errors.SERVER_ERROR,
        errors.TOO_MANY_REQUESTS,
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


class Again(Struct, frozen=True):
    """Sends again what a manifest of one image path needs.

    Attributes:
        tools: what all paths share.
        place: where it is read and written.
        put: writes a manifest under a tag or its digest.
        not_done: what became of manifests that are not there, by their numbers.
    """

    tools: Tools
    place: Place
    put: Put
    not_done: Mapping[int, Outcome]

    async def bring(self, item: ManifestItem, blobs: list[BlobItem], refusal: MigrateError) -> None:
        """Send what is missing of a manifest that was refused.

        Raises:
            MigrateError: the refusal itself, if nothing is missing or nobody may ask; BLOCKED, if a
                part that was sent again failed; STOPPED, if it was not for a wish to stop.
        """
        try:
            lacking = await self.tools.blobs.missing(self.place, blobs)
            needs = self._needs(item)
            lost = [one for one in needs if not await self._has(str(one.digest))]
        except MigrateError as error:
            if error.problem in NOBODY_THERE:
                raise
            raise refusal from None
        if not lacking and not lost and refusal.problem is not errors.BLOB_UNKNOWN:
            raise refusal
        for blob in lacking:
            part = f"layer or config {blob.digest}"
            self._check(item, part, await self.tools.blobs.send(self.place, blob))
        for child in lost:
            self._check(item, f"manifest {child.digest}", await self._write(child))

    def _check(self, item: ManifestItem, part: str, outcome: Outcome) -> None:
        """Raise what it means for a manifest that a part of it did not come."""
        subject = f"{self.place.shown}@{item.digest}"
        if outcome is Outcome.FAILED:
            saw = f"it needs {part}, which failed"
            raise MigrateError(errors.BLOCKED, subject=subject, saw=saw)
        if outcome is not Outcome.DONE:
            raise MigrateError(errors.STOPPED, subject=subject)

    def _needs(self, item: ManifestItem) -> list[ManifestItem]:
        """Return what a manifest needs beside it, but what is not there by a rule."""
        there = (one for one in item.needs if one not in self.not_done)
        return [self.tools.migration.manifest_item(self.place.image.id, one) for one in there]

    async def _has(self, reference: str) -> bool:
        work = HeadWork(self.place.target, reference)
        return await self.tools.do(self.place.image.id, work) is not None

    async def _write(self, item: ManifestItem) -> Outcome:
        """Write a manifest that was lost, and the tags that went with it."""
        journal, of = self.tools.journal, self.place.image.id
        if not item.present:  # else the plan said so, and not this run or one before
            journal.refused(Kind.MANIFEST, item.id)
        journal.begins(Kind.MANIFEST, item.id)
        try:
            await self.put(item, self.tools.migration.blobs_of(item.id), str(item.digest))
        except MigrateError as error:
            return journal.gave_up(Kind.MANIFEST, item.id, error, of=of)
        size = item.size_bytes
        journal.confirmed(Kind.MANIFEST, item.id, how="written", size_bytes=size, of=of)
        for tag in self.tools.migration.tags_of(of, item.id):
            # What is not set yet will be in its turn.
            if tag.action is TagAction.PRESENT or tag.state is State.PRESENT:
                await self._set(tag)
        return Outcome.DONE

    async def _set(self, tag: TagItem) -> None:
        journal, of = self.tools.journal, self.place.image.id
        try:
            if await self._has(tag.tag):
                return  # it stayed, or is somebody's
            if tag.action is not TagAction.PRESENT:
                journal.refused(Kind.TAG, tag.id)
            journal.begins(Kind.TAG, tag.id)
            work = ManifestWork(self.place.target, tag.digest, tag.tag, overwrites=False)
            await self.tools.do(of, work)
        except MigrateError as error:
            journal.gave_up(Kind.TAG, tag.id, error, of=of)
        else:
            journal.confirmed(Kind.TAG, tag.id, how="written", of=of)
