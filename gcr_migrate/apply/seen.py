"""What a plan or an earlier run saw at the target is there only if this run sees it, too.

One list for each image path tells it, as far as a list does: of tags, and at Google's registries of
all manifests. What it lacks is recorded as lost, and brought as if it had never been there. Layers
of a manifest that is lost are looked for one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.apply.tags import is_there
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.model.work import HeadWork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.apply.copy import Place
    from gcr_migrate.apply.path import Tools
    from gcr_migrate.apply.tags import Look
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.work import Tags
    from gcr_migrate.state.items import ManifestItem, TagItem


class Seen:
    """What the target has of one image path by its list, which is asked for once, if at all.

    Args:
        tools: what all paths share.
        place: the path.
        look: asks for the list.
    """

    def __init__(self, tools: Tools, place: Place, look: Look) -> None:
        self._tools = tools
        self._journal = tools.journal
        self._place = place
        self._look = look
        self._listed: Tags | None = None
        self._is_asked = False

    async def what_is_there(
        self, item: ManifestItem, tags: list[TagItem]
    ) -> tuple[ManifestItem, list[TagItem]]:
        """Return a manifest and its tags, those that are lost as not there."""
        held = [tag for tag in tags if is_there(tag)]
        if not (held or is_there(item)):
            return item, tags
        listed = await self._list()
        if listed is None:
            return item, tags
        try:
            found = {tag.id: await self._found(listed, tag) for tag in held}
            is_lost = is_there(item) and await self._is_lost(listed, item, found)
        except MigrateError as error:
            self._unseen(error)
            return item, tags
        now = [
            tag if found.get(tag.id, tag.digest) == tag.digest else self._doubted(tag)
            for tag in tags
        ]
        if is_lost:
            self._journal.lost(Kind.MANIFEST, item.id)
            self._tools.blobs.doubt(self._place, self._tools.migration.blobs_of(item.id))
            item = replace(item, present=False, state=State.PLANNED)
        return item, now

    def _doubted(self, tag: TagItem) -> TagItem:
        """Record that a tag is not there: it is set again, unless it is somebody else's by then."""
        self._journal.lost(Kind.TAG, tag.id)
        return replace(tag, present=False, found=tag.digest, state=State.PLANNED)

    async def _list(self) -> Tags | None:
        """Return the list; None if it cannot be had, which is told when the run ends."""
        if not self._is_asked:
            self._is_asked = True
            try:
                async with self._tools.requests.of(self._place.image.id):
                    self._listed = await self._look.whole()
            except MigrateError as error:
                self._unseen(error)
        return self._listed

    def _unseen(self, error: MigrateError) -> None:
        if error.problem is not errors.STOPPED:
            self._journal.unseen(error, of=self._place.image.id)

    async def _found(self, listed: Tags, tag: TagItem) -> Digest | None:
        """Return what a tag points to, as far as a list tells; one that may go on is asked for."""
        if tag.tag in listed.digests:
            return listed.digests[tag.tag] or tag.digest
        return await self._head(tag.tag) if listed.is_cut else None

    async def _is_lost(
        self, listed: Tags, item: ManifestItem, found: Mapping[int, Digest | None]
    ) -> bool:
        """Whether a manifest is not there: a list of tags says so by all of its tags."""
        if listed.manifests is not None and item.digest in listed.manifests:
            return False
        if listed.is_cut:
            tells = item.digest in found.values()
            return not tells and await self._head(str(item.digest)) is None
        if listed.manifests is not None:
            return True
        gone = bool(found) and item.digest not in found.values()
        return gone or not listed.is_named

    async def _head(self, reference: str) -> Digest | None:
        work = HeadWork(self._place.target, reference, known=True)
        return await self._tools.do(self._place.image.id, work)
