"""What a verification found: counts by level, and a finding for all that is not right."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from gcr_migrate import errors
from gcr_migrate.errors import Exit
from gcr_migrate.model.finding import Finding, Severity

if TYPE_CHECKING:
    from gcr_migrate.errors import MigrateError, Problem


class Level(StrEnum):
    """What a verification looks at."""

    TAGS = "tags"  # every tag resolves to its digest
    MANIFESTS = "manifests"  # every digest is there, byte by byte
    BLOBS = "blobs"  # every blob that is needed is there with its size
    ACCESS = "access"  # every grant is there, and nobody lost or gained a right since the plan


CONTENT: Final = frozenset({Level.TAGS, Level.MANIFESTS, Level.BLOBS})


@dataclass(slots=True)
class LevelCount:
    """What came out at one level; checked = ok + wrong."""

    checked: int = 0
    ok: int = 0
    wrong: int = 0
    unchecked: int = 0


@dataclass(slots=True)
class Verification:
    """Outcome of a verification; it is proven when nothing is wrong and nothing unchecked."""

    levels: dict[Level, LevelCount]
    findings: list[Finding] = field(default_factory=list)
    out_of_reach: MigrateError | None = None

    @property
    def proven(self) -> bool:
        """Whether every check was made and found right."""
        return not any(count.wrong or count.unchecked for count in self.levels.values())


class Progress(Protocol):
    """Who is told of each check."""

    def checked(self, level: str, *, ok: bool) -> None:
        """Take note of one check."""
        ...


class Marks:
    """Puts down what each check found.

    Args:
        result: where it is added up.
        progress: is told of each check.
    """

    def __init__(self, result: Verification, progress: Progress) -> None:
        self.result = result
        self._progress = progress

    def ok(self, level: Level) -> None:
        """Count what is as it should be."""
        self.result.levels[level].checked += 1
        self.result.levels[level].ok += 1
        self._progress.checked(level, ok=True)

    def wrong(self, level: Level, problem: Problem, subject: str, saw: str = "") -> None:
        """Count and name what is not as it should be."""
        self.result.levels[level].checked += 1
        self.result.levels[level].wrong += 1
        self.note(problem, Severity.ERROR, subject, saw)
        self._progress.checked(level, ok=False)

    def unchecked(self, level: Level, subject: str, error: MigrateError) -> None:
        """Count and name what could not be looked at.

        Raises:
            MigrateError: the login has ended, so that nothing more can be.
        """
        if error.problem is errors.TOKEN_EXPIRED:
            raise error  # nothing more can be checked, and what was found is not the whole
        self.unproven(level, subject, error.told)
        if error.problem.exit is Exit.OUT_OF_REACH:
            self.result.out_of_reach = self.result.out_of_reach or error

    def unproven(self, level: Level, subject: str, saw: str) -> None:
        """Count and name what nobody could tell."""
        self.result.levels[level].unchecked += 1
        self.note(errors.NOT_CHECKED, Severity.ERROR, subject, saw)
        self._progress.checked(level, ok=False)

    def note(self, problem: Problem, severity: Severity, subject: str, saw: str = "") -> None:
        """Name what is noteworthy and counts for nothing."""
        self.result.findings.append(Finding(problem, severity, subject, saw))
