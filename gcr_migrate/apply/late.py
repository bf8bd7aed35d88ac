"""Tags of one image path that are set last of all.

Some wait for what is attached to their manifests: no image is seen without its signature. Others an
earlier run left by a rule of the spec: what it saw then may have been wrong, or for a while only.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from gcr_migrate.apply.journal import Outcome
from gcr_migrate.apply.tags import is_settled, still_holds
from gcr_migrate.errors import Exit, MigrateError
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from gcr_migrate.apply.copy import Place
    from gcr_migrate.apply.path import Tools
    from gcr_migrate.apply.tags import Look
    from gcr_migrate.state.items import ManifestItem, TagItem

    Set = Callable[[list[TagItem]], Awaitable[None]]
    Block = Callable[[Iterable[TagItem]], None]

_MANIFESTS_AT_ONCE: Final = 8
_TAGS_AT_ONCE: Final = 8  # of each


class Late:
    """Sets tags when all else of an image path is done.

    Args:
        tools: what all paths share.
        place: the path.
        look: tells what tags point to now.
        not_done: what became of manifests that are not there, by their numbers.
        set_all: sets tags of a manifest that is there.
        block: records that tags cannot be set, as their manifest failed.
    """

    def __init__(
        self,
        tools: Tools,
        place: Place,
        look: Look,
        not_done: Mapping[int, Outcome],
        set_all: Set,
        block: Block,
    ) -> None:
        self._tools = tools
        self._place = place
        self._look = look
        self._not_done = not_done
        self._set_all = set_all
        self._block = block
        self._waiting = array("q")  # numbers of manifests
        self._left = array("q")

    def put_off(self, item: ManifestItem, tags: list[TagItem]) -> list[TagItem]:
        """Keep tags if they have to wait; return those that need not."""
        if tags and self._tools.migration.open_referrers(item):
            self._waiting.append(item.id)
            return []
        return tags

    def note(self, item: ManifestItem, tags: list[TagItem]) -> None:
        """Take note of a manifest and its tags as this run finds them."""
        if any(tag.state is State.SKIPPED for tag in tags):
            self._left.append(item.id)

    async def run(self) -> None:
        """Set them; failures are events, not exceptions."""
        for work, ids in (
            (self._set_those_that_waited, self._waiting),
            (self._set_those_that_were_left, self._left),
        ):
            await a_few_of(map(work, ids), min(_MANIFESTS_AT_ONCE, len(ids)))

    @property
    def _is_over(self) -> bool:
        return self._tools.journal.is_over(self._place.image.id)

    def _tags_of(self, item_id: int) -> list[TagItem]:
        return self._tools.migration.tags_of(self._place.image.id, item_id)

    async def _set_those_that_waited(self, item_id: int) -> None:
        if self._is_over:
            return
        tags = [tag for tag in self._tags_of(item_id) if not is_settled(tag)]
        outcome = self._not_done.get(item_id, Outcome.DONE)
        if outcome is Outcome.DONE:
            await self._set_all(tags)
        elif outcome is Outcome.FAILED:
            self._block(tags)

    async def _set_those_that_were_left(self, item_id: int) -> None:
        if item_id in self._not_done:
            return
        left = [tag for tag in self._tags_of(item_id) if tag.state is State.SKIPPED]
        await a_few_of(map(self._set_if_free, left), min(_TAGS_AT_ONCE, len(left)))

    async def _set_if_free(self, tag: TagItem) -> None:
        if await self._is_free(tag):
            self._tools.journal.lost(Kind.TAG, tag.id)
            await self._set_all([tag])

    async def _is_free(self, tag: TagItem) -> bool:
        """Whether it is no longer so for what a tag was left; if nobody can tell, it stays left."""
        hosts = {self._place.source.registry, self._place.target.registry}
        if self._is_over or hosts & self._tools.silent:
            return False
        try:
            async with self._tools.requests.of(self._place.image.id):
                now = await self._look.now(tag, shown=False)
        except MigrateError as error:
            if error.problem.exit is Exit.OUT_OF_REACH:  # whom to ask again takes long each time
                self._tools.silent.update(one for one in hosts if error.subject.startswith(one))
            return False
        return not still_holds(self._tools.migration.last_code(Kind.TAG, tag.id), tag, now)
