"""Asks what the walk wants to be asked, some names at once, and keeps every reply first."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import TOKEN_EXPIRED, MigrateError
from gcr_migrate.model.copying import CopyQuery, CopyReply, read_page
from gcr_migrate.rescue.folder import Step
from gcr_migrate.rescue.walk import Ask, Walk
from gcr_migrate.tasks import results_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gcr_migrate.interfaces import ServerCopy
    from gcr_migrate.state.rescued import KeptReply, RescueFile

AT_ONCE: Final = 8  # as many as Google's own tool has in flight
_LONGEST_PAUSE_S: Final = 20.0


class Way(Struct, frozen=True):
    """How one target is asked.

    Attributes:
        copies: who copies.
        name: its name there.
        source: where images come from, as the service wants it said.
    """

    copies: ServerCopy
    name: str
    source: str


class Filters(Struct, frozen=True):
    """Which part of the images is wanted.

    Attributes:
        pull_days: only what was pulled or pushed in so many days; None for all.
        newest: only so many of the newest versions of each image; None for all.
    """

    pull_days: int | None = None
    newest: int | None = None

    @property
    def text(self) -> str:
        """Return them as they are kept in the file; empty for all images."""
        words = [("pulled-within", self.pull_days), ("newest", self.newest)]
        return " ".join(f"{word}={number}" for word, number in words if number is not None)


class Rescue:
    """One run of a rescue.

    Args:
        file: where replies are kept; replies of earlier runs lead to where this one begins.
        starts: for each target the name below it where to begin.
        filters: which part is wanted.

    Attributes:
        walk: where it stands.
        copied_before: manifests by target and name that runs for other parts have copied.
        tags_before: tags likewise.
    """

    def __init__(self, file: RescueFile, starts: list[str], filters: Filters) -> None:
        self._file = file
        self._filters = filters
        self.walk = Walk(starts, filters.newest)
        self.copied_before: Counter[tuple[int, str]] = Counter()
        self.tags_before: Counter[tuple[int, str]] = Counter()
        self._follow()

    def _follow(self) -> None:
        """Go the way of all replies that were kept, run by run."""
        run = None
        for kept in self._file.replies():
            if kept.filters != self._filters.text:
                self._count(kept)
                continue
            if run not in {None, kept.run}:
                self.walk.reopen()
            run = kept.run
            self.walk.take(Ask(kept.target, kept.path, Step(kept.versions, kept.page)), kept.reply)
        if run is not None:
            self.walk.reopen()

    def _count(self, kept: KeptReply) -> None:
        """Count what was copied by a run for another part, which leads nowhere in this one."""
        page = read_page(kept.reply.body) if kept.reply.problem is None else None
        if page:
            self.copied_before[kept.target, kept.path] += page.copied
            self.tags_before[kept.target, kept.path] += page.tags_copied
        if page and page.told:
            self.walk.told.add(kept.target)

    async def go(
        self,
        ways: Mapping[int, Way],
        stop: asyncio.Event,
        listen: Callable[[str, int], None],
        pause_s: float,
    ) -> None:
        """Ask until nothing is left to be asked, or a stop is wanted.

        Args:
            ways: how each target is asked; of one that has none nothing is asked.
            stop: is set when nothing new shall be asked.
            listen: is told `("answered" | "copied" | "failed" | "slow", count)`.
            pause_s: upper bound of the first wait before a page is asked for again.

        Raises:
            MigrateError: TOKEN_EXPIRED; DISK_FULL.
        """
        queue = deque(ask for ask in self.walk.asks() if ask.target in ways)

        async def one(ask: Ask) -> tuple[Ask, CopyReply | None]:
            if ask.step.tries:
                await _pause(stop, pause_s, ask.step.tries)
            if stop.is_set() or ask.target in self.walk.closed:
                return ask, None
            return ask, await self._ask(ways[ask.target], ask)

        async with aclosing(results_of(queue, one, AT_ONCE)) as results:
            async for ask, reply in results:
                if reply is not None:
                    queue.extend(self._take(ask, reply, listen))

    async def _ask(self, way: Way, ask: Ask) -> CopyReply:
        name = f"{way.name}/{ask.path}" if ask.path else way.name
        step, days = ask.step, self._filters.pull_days
        try:
            return await way.copies.copy(
                CopyQuery(name, way.source, days, step.versions, step.page)
            )
        except MigrateError as error:
            if error.problem is TOKEN_EXPIRED:
                raise
            return CopyReply(0, problem=error.problem, saw=error.saw)

    def _take(self, ask: Ask, reply: CopyReply, listen: Callable[[str, int], None]) -> list[Ask]:
        self._file.keep(ask.target, ask.path, ask.step.versions, ask.step.page, reply)
        folder = self.walk.folders[ask.target, ask.path]
        copied, failed = folder.copied, folder.failures.failed
        found = self.walk.take(ask, reply)
        listen("answered" if reply.problem is None else "slow", 1)
        listen("copied", folder.copied - copied)
        listen("failed", max(0, folder.failures.failed - failed))
        return found


async def _pause(stop: asyncio.Event, first_s: float, tries: int) -> None:
    """Wait with full jitter before a page is asked for again."""
    most_s = min(first_s * 2.0**tries, _LONGEST_PAUSE_S)
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), random.uniform(0, most_s))  # noqa: S311  # jitter
