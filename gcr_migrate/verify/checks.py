"""The one place that every check of content goes through: so many at once, each under a key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from gcr_migrate.errors import BLOB_GONE, CLEANUP_DELETED, DIGEST_GONE, TAG_GONE, MigrateError
from gcr_migrate.tasks import a_few_of
from gcr_migrate.verify.result import OF_A_WHOLE_HOST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from gcr_migrate.errors import Problem
    from gcr_migrate.verify.marks import Marks
    from gcr_migrate.verify.result import Level

    Ask = Callable[[], Awaitable["Wrong | None"]]

T = TypeVar("T")

AT_ONCE: Final = 32  # requests
# A 404 may be of whoever stands in between, for a moment: a loss has to be seen twice.
_LOSSES: Final = frozenset({BLOB_GONE, CLEANUP_DELETED, DIGEST_GONE, TAG_GONE})
_IN_A_ROW: Final = 4  # names of a host that cannot be reached, after which it is not asked again


class Wrong(Struct, frozen=True):
    """What a check found that is not as it should be.

    Attributes:
        problem: its kind.
        saw: what was seen.
        is_told: another finding tells it already, so that it is only counted.
    """

    problem: Problem
    saw: str = ""
    is_told: bool = False


class Check(Struct, frozen=True):
    """One thing to be asked.

    Attributes:
        level: to which it belongs.
        subject: full name of what is asked for; with the level it is the same in every run.
        ask: asks; gives None where all is right, and raises what keeps it from being answered.
        promised: what should be there, where the name does not say it.
        at: the host that is asked, where it is not the one that its count goes under.
    """

    level: Level
    subject: str
    ask: Ask
    promised: str = ""
    at: str = ""

    @property
    def key(self) -> str:
        """By which an answer is known again."""
        return f"{self.subject} {self.promised}" if self.promised else self.subject


class Checks:
    """Makes checks, so many at once over all hosts.

    A host that cannot be reached is not asked for all of its names: after a few in a row, with no
    answer between them, the others count as not checked.

    Args:
        at_once: requests in flight.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._slots = asyncio.Semaphore(at_once)
        self._lost: dict[str, list[MigrateError]] = {}

    async def all_of(self, marks: Marks, checks: Iterable[Check]) -> None:
        """Make checks of one host; each is only taken when there is room for it."""
        await a_few_of((self.one(marks, check) for check in checks), self._at_once)

    async def one(self, marks: Marks, check: Check) -> None:
        """Make a check and mark what came out; one that cannot be made is counted as such.

        What an earlier run found right is not asked again.
        """
        kept = marks.result.kept
        if kept.done(check.level, check.key) is not None:
            marks.ok(check.level, earlier=True)
            return
        try:
            wrong = await self.reach(check.at or marks.host, check.ask)
            if wrong and wrong.problem in _LOSSES:
                wrong = await self.reach(check.at or marks.host, check.ask)
        except MigrateError as error:
            marks.unchecked(check.level, check.subject, error)
            return
        if wrong is None:
            marks.ok(check.level)
            kept.right(check.level, check.key)
        elif wrong.is_told:
            marks.count_wrong(check.level)
        else:
            marks.wrong(check.level, wrong.problem, check.subject, wrong.saw)

    async def whole(
        self, marks: Marks, level: Level, subject: str, work: Callable[[], Awaitable[None]]
    ) -> bool:
        """Do work of many checks, unless an earlier run found all of it right.

        Args:
            marks: those of the work, which belong to nothing else.
            level: of all its checks.
            subject: what it is about, and what was promised of it.
            work: makes the checks.

        Returns:
            Whether all is right.
        """
        kept = marks.result.kept
        settled = kept.done(level, f"all of {subject}")
        if settled is not None:
            marks.ok(level, settled, earlier=True)
            return True
        await work()
        if marks.tally.is_clean:
            kept.right(level, f"all of {subject}", marks.tally.right)
        return marks.tally.is_clean

    async def reach(self, host: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask a host something in its turn.

        Raises:
            MigrateError: what the asking raises, or what the host was lost by.
        """
        async with self._slots:
            lost = self._lost.setdefault(host, [])
            if len(lost) >= _IN_A_ROW:
                raise lost[0]
            try:
                answer = await ask()
            except MigrateError as error:
                if error.problem in OF_A_WHOLE_HOST:
                    lost.append(error)
                raise
            lost.clear()
            return answer
