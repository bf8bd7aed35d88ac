"""What the source has no more, while a plan is carried out, and what that means for a manifest.

It counts only where the spec says that such images are left out (`moved_tags: skip`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate import errors
from gcr_migrate.apply.journal import Outcome
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind
from gcr_migrate.model.work import HeadWork

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gcr_migrate.apply.copy import Place
    from gcr_migrate.apply.path import Tools
    from gcr_migrate.state.items import BlobItem, ManifestItem, TagItem

    GaveUp = Callable[[Kind, int, MigrateError], Outcome]


class Gone:
    """Judges manifests of one image path of which the source lacks something.

    Args:
        tools: what all paths share.
        place: the path.
        not_done: what became of manifests that are not there, by their numbers.
        gave_up: records a failure.
    """

    def __init__(
        self, tools: Tools, place: Place, not_done: Mapping[int, Outcome], gave_up: GaveUp
    ) -> None:
        self._tools = tools
        self._migration = tools.migration
        self._journal = tools.journal
        self._blobs = tools.blobs
        self._place = place
        self._not_done = not_done
        self._gave_up = gave_up
        self._needing: dict[int, set[int]] = {}  # manifests that are not gone, by blobs that are

    async def judge(
        self, item: ManifestItem, blobs: list[BlobItem], tags: list[TagItem]
    ) -> Outcome:
        """Skip a manifest with its tags, if the source has it no more either.

        If it is there still, the source is damaged, which no rule of the spec makes good.

        Returns:
            GONE; FAILED where the source is damaged, PENDING after a wish to stop.
        """
        end, digest = self._place.source, str(item.digest)
        shown = f"{end.registry}/{end.name}@"
        try:
            asked = HeadWork(end, digest, known=True)
            is_there = await self._tools.do(self._place.image.id, asked) is not None
        except MigrateError as error:
            if error.problem is errors.STOPPED:
                return Outcome.PENDING
            is_there = True  # who cannot tell must not take it for a wish of the source's owner
        lacking = [one for one in blobs if self._blobs.is_undecided(one)]
        if is_there:
            self._blobs.decided(lacking)
            for blob in lacking:
                damage = MigrateError(errors.BLOB_UNKNOWN, subject=f"{shown}{blob.digest}")
                self._gave_up(Kind.BLOB, blob.id, damage)
            return Outcome.FAILED
        failed = [one for one in blobs if self._journal.came_out(one.id) is Outcome.FAILED]
        left = [one for one in (*lacking, *failed) if self._is_last(item, one)]
        self._blobs.decided(left)
        code = errors.BLOB_UNKNOWN.code
        for blob in left:
            saw, size = f"{shown}{blob.digest}", blob.size_bytes
            self._journal.skipped(Kind.BLOB, blob.id, code=code, saw=saw, size_bytes=size)
        saw = f"source has no {shown}{digest} any more"
        for tag in tags:
            self._journal.skipped(Kind.TAG, tag.id, code=errors.TAG_MOVED.code, saw=saw)
        self._journal.skipped(Kind.MANIFEST, item.id, code=errors.MANIFEST_UNKNOWN.code, saw=saw)
        return Outcome.GONE

    def _is_last(self, gone: ManifestItem, blob: BlobItem) -> bool:
        """Whether no manifest needs a blob any more, now that this one is gone."""
        needing = self._needing.get(blob.id)
        if needing is None:
            needing = self._needing[blob.id] = {
                one
                for one in self._migration.manifests_with(blob)
                if self._not_done.get(one) is not Outcome.GONE
            }
        needing.discard(gone.id)
        return not needing
