"""Puts down what each check of a verification found, as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.model.address import in_the_way
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.verify.result import (
    NAMED_AT_MOST,
    OF_A_WHOLE_HOST,
    OF_ALL_THAT_IS_LEFT,
)

if TYPE_CHECKING:
    from gcr_migrate.errors import MigrateError, Problem
    from gcr_migrate.verify.result import DomainSeen, HostResult, Level, Verification


class Progress(Protocol):
    """Who is told of each check."""

    def checked(self, level: str, *, ok: bool) -> None:
        """Take note of one check."""
        ...


class Tally(Struct):
    """What some marks came to.

    Attributes:
        right: checks that found all as it should be.
        is_clean: nothing is wrong or noteworthy, and nothing went unchecked.
    """

    right: int = 0
    is_clean: bool = True


class Marks:
    """Puts down what each check found at one host.

    Args:
        result: where it is added up.
        progress: is told of each check.
        host: the host; `of` gives the marks of another one.
        tally: where these marks are added up with others; None: by themselves.

    Attributes:
        tally: what was put down here, and by the marks that `of` gave.
    """

    def __init__(
        self, result: Verification, progress: Progress, host: str, tally: Tally | None = None
    ) -> None:
        self.result = result
        self.host = host
        self.tally = tally or Tally()
        self._progress = progress

    @property
    def _here(self) -> HostResult:
        """What it has so far; a host of which nothing is told has no result."""
        return self.result.host(self.host)

    def of(self, host: str) -> Marks:
        """Return the marks of another host of the same verification."""
        return Marks(self.result, self._progress, host, self.tally)

    def ok(self, level: Level, count: int = 1, *, earlier: bool = False) -> None:
        """Count what is as it should be, or was when an earlier run looked at it."""
        here = self._here.levels[level]
        here.checked += count
        here.ok += count
        here.earlier += count if earlier else 0
        self.tally.right += count
        for _ in range(count):
            self._progress.checked(level, ok=True)

    def wrong(self, level: Level, problem: Problem, subject: str, saw: str = "") -> None:
        """Count and name what is not as it should be."""
        self.count_wrong(level)
        self._name(problem, Severity.ERROR, subject, saw, level)

    def all_wrong(
        self, level: Level, count: int, problem: Problem, subject: str, saw: str = ""
    ) -> None:
        """Count what is wrong for one reason, which is named once for all of it.

        Args:
            level: at which it is wrong.
            count: how many checks that settles.
            problem: what is wrong with them.
            subject: what they have in common, such as an image that is gone.
            saw: what was seen.
        """
        self.count_wrong(level, count)
        self._here.fold(problem, Severity.ERROR, subject, saw, level, count)

    def all_unchecked(  # what a finding is made of
        self,
        level: Level,
        count: int,
        problem: Problem,
        subject: str,
        saw: str = "",
        name: str = "",
    ) -> None:
        """Count what nobody asked for one reason, which is named once for all of it."""
        self._named()
        self._here.levels[level].unchecked += count
        self._here.fold(problem, Severity.ERROR, subject, saw, level, count, name)
        for _ in range(count):
            self._progress.checked(level, ok=False)

    def blame(self, effect: Problem, cause: Problem) -> None:
        """Count with its cause what was told of the host before that was known."""
        self._here.blame(self.host, effect, cause)

    def answered(self, seen: DomainSeen) -> None:
        """Take note of who answers."""
        self._here.domain = seen

    def gone(self, problem: Problem, subject: str, saw: str, images: int = 0) -> None:
        """Name what is gone as a whole, once; its checks are counted by `all_wrong`.

        Args:
            problem: as for `all_wrong`.
            subject: likewise.
            saw: likewise.
            images: how many images go with it.
        """
        self._here.fold(problem, Severity.ERROR, subject, saw, "images", images)

    def count_wrong(self, level: Level, count: int = 1) -> None:
        """Count what is wrong and has its name elsewhere."""
        here = self._here.levels[level]
        here.checked += count
        here.wrong += count
        self._named()
        for _ in range(count):
            self._progress.checked(level, ok=False)

    def unchecked(self, level: Level, subject: str, error: MigrateError) -> None:
        """Count and name what could not be looked at.

        Raises:
            MigrateError: the login has ended, so that nothing more can be.
        """
        if error.problem is errors.TOKEN_EXPIRED:
            raise error  # nothing more can be checked, and what was found is not the whole
        if error.problem in OF_A_WHOLE_HOST | OF_ALL_THAT_IS_LEFT:
            lost = error.problem in {errors.UNREACHABLE, errors.UNTRUSTED}
            problem = errors.UNREACHABLE if lost else error.problem
            saw = in_the_way(error) if lost else error.saw
            of_all = error.problem in OF_ALL_THAT_IS_LEFT
            saw, name = ("", "") if of_all else (saw, subject)
            self.all_unchecked(level, 1, problem, self.host, saw, name)
        elif self._here.is_to_be_named(error.problem):
            self.unproven(level, subject, error.told)
        else:
            saw = f"{error.problem.code}: more names than the {NAMED_AT_MOST} that are told"
            self.all_unchecked(level, 1, errors.NOT_CHECKED, self.host, saw)

    def unproven(self, level: Level, subject: str, saw: str) -> None:
        """Count and name what nobody could tell."""
        self._here.levels[level].unchecked += 1
        self._name(errors.NOT_CHECKED, Severity.ERROR, subject, saw, level)
        self._progress.checked(level, ok=False)

    def note(self, problem: Problem, severity: Severity, subject: str, saw: str = "") -> None:
        """Name what is noteworthy and counts for nothing."""
        self._name(problem, severity, subject, saw, "noted")

    def _name(
        self, problem: Problem, severity: Severity, subject: str, saw: str, what: str
    ) -> None:
        self._named()
        self._here.findings.add(Finding(problem, severity, subject, saw), what)

    def _named(self) -> None:
        self.tally.is_clean = False
