"""What a plan or an earlier run saw at the target is there only if this run sees it, too.

One list for each image path tells it, as far as a list does: of tags, and at Google's registries of
all manifests. What it lacks is recorded as lost, and brought as if it had never been there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.apply.tags import is_there
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind, State

if TYPE_CHECKING:
    from gcr_migrate.apply.path import Tools
    from gcr_migrate.apply.tags import Look
    from gcr_migrate.model.work import Tags
    from gcr_migrate.state.items import ManifestItem, TagItem


class Seen:
    """What the target has of one image path by its list, which is asked for once, if at all.

    Args:
        tools: what all paths share.
        image_id: the path.
        look: asks for the list.
    """

    def __init__(self, tools: Tools, image_id: int, look: Look) -> None:
        self._tools = tools
        self._image_id = image_id
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
        lost = [tag for tag in held if _lacks(listed, tag)]
        for tag in lost:
            self._tools.journal.refused(Kind.TAG, tag.id)
        if is_there(item) and _lacks_manifest(listed, item, held, lost):
            self._tools.journal.refused(Kind.MANIFEST, item.id)
            item = replace(item, present=False, state=State.PLANNED)
        gone = {tag.id for tag in lost}
        return item, [
            replace(tag, present=False, state=State.PLANNED) if tag.id in gone else tag
            for tag in tags
        ]

    async def _list(self) -> Tags | None:
        """Return the list; None if it cannot be had, which is told when the run ends."""
        if not self._is_asked:
            self._is_asked = True
            try:
                async with self._tools.requests.of(self._image_id):
                    self._listed = await self._look.whole()
            except MigrateError as error:
                if error.problem is not errors.STOPPED:
                    self._tools.journal.unseen(error, of=self._image_id)
        return self._listed


def _lacks(listed: Tags, tag: TagItem) -> bool:
    """Whether a list says that a tag is not there, or is another's by now."""
    if tag.tag in listed.digests:
        return (listed.digests[tag.tag] or tag.digest) != tag.digest
    return not listed.is_cut


def _lacks_manifest(
    listed: Tags, item: ManifestItem, held: list[TagItem], lost: list[TagItem]
) -> bool:
    """Whether a list says that a manifest is not there: one of tags does so by all of its tags."""
    if listed.is_cut:
        return False
    if listed.manifests is not None:
        return item.digest not in listed.manifests
    return not listed.is_named or (bool(held) and len(lost) == len(held))
