"""Level references: the names that people's files use, at the old place and at the new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.cli.options import read_text
from gcr_migrate.cli.refs_live import reader
from gcr_migrate.cli.scanning import Judge, places_at_google
from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.model.finding import Severity
from gcr_migrate.refs.cover import BAD, Verdict
from gcr_migrate.refs.expected import expected
from gcr_migrate.refs.live import ask, new_questions, questions
from gcr_migrate.report.references import found_again, listed
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.result import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.connect import Connections
    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.expected import Expected, Was
    from gcr_migrate.refs.files import Found
    from gcr_migrate.refs.live import Answer, Question
    from gcr_migrate.refs.reading import Reference
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.state.migration import Migration
    from gcr_migrate.verify.result import Verification

_LEVEL = Level.REFERENCES


class _Used(Struct):
    """A name that files use.

    Attributes:
        reference: what it says, and `covered` what a plan makes of it.
        where: the places in files, of which the first is told.
    """

    reference: Reference
    covered: Covered
    where: list[str]

    @property
    def is_left(self) -> bool:
        """Whether a plan does not carry it."""
        return self.covered.verdict in BAD - {Verdict.OLD}

    @property
    def shown(self) -> str:
        """Where it is used."""
        more = f" and {len(self.where) - 1} more" if self.where[1:] else ""
        return f"used in {self.where[0]}{more}"


def read_references(path: Path) -> tuple[Found, ...]:
    """Return the names that `refs scan --json` listed.

    Raises:
        MigrateError: FILE_MISSING; BAD_USAGE if it is no such list.
    """
    try:
        scan = listed(read_text(path))
    except ValueError as error:
        saw = "a list of names that is cut off, or of another version"
        raise MigrateError(BAD_USAGE, subject=f"--references {path}", saw=saw) from error
    if scan is None:
        saw = "no list of names as `gcr-migrate refs scan --json` writes it"
        raise MigrateError(BAD_USAGE, subject=f"--references {path}", saw=saw)
    return tuple(map(found_again, scan.references))


class References:
    """Proves the names of a target that files use.

    Args:
        names: as they were found in files.
        connections: how registries are asked.
        result: takes counts and findings.
        watch: is told of each check.
    """

    def __init__(
        self,
        names: tuple[Found, ...],
        connections: Connections,
        result: Verification,
        watch: Watch,
    ) -> None:
        self._names = names
        self._connections = connections
        self._result = result
        self._watch = watch

    async def of_plan(self, text: str, migration: Migration) -> None:
        """Prove the names of a plan's images: each leads to what was planned, and so does the new.

        Args:
            text: the target as a person named it.
            migration: the plan.
        """
        await self._prove(text, Judge.of((), ()).with_migration(migration), None)

    async def of_roots(self, text: str, roots: Iterable[str], was: Was | None) -> None:
        """Prove the names of some projects: each leads where it led, or is pinned to lead.

        Args:
            text: the target as a person named it.
            roots: names such as `us.gcr.io/builds`, of which the projects count.
            was: what a baseline says of names; None without one.
        """
        ours = frozenset(place.project.id for place in places_at_google(roots))
        await self._prove(text, replace(Judge.of((), ()), ours=ours), was)

    async def _prove(self, text: str, judge: Judge, was: Was | None) -> None:
        used, gaps = self._used(judge)
        wanted = {name: _asked(one, judge) for name, one in used.items()}
        asked = sorted({one for some in wanted.values() for one in some}, key=str)
        answers = await ask(asked, lambda one: reader(self._connections, one))
        for name, one in used.items():
            should = expected(one.reference, one.covered, was, answers)
            self._judge(one, wanted[name], answers, should)
        marks = Marks(self._result, self._watch, next(iter(self._result.hosts), text))
        if gaps:
            saw = f"{len(gaps)} of its names have gaps that nobody fills, such as {gaps[0]}"
            marks.note(errors.NOT_CHECKED, Severity.WARNING, "--references", saw)
        if not used:
            marks.unproven(_LEVEL, text, "the list of --references has no name of it")

    def _used(self, judge: Judge) -> tuple[dict[str, _Used], list[str]]:
        """Return names of one's own, each once, and those that cannot be looked up."""
        used: dict[str, _Used] = {}
        gaps: dict[str, None] = {}
        for found in self._names:
            reference, covered = judge(found)
            if reference.gaps and (
                reference.place is None or reference.place.project.id in judge.ours
            ):
                gaps[found.written.text] = None
            elif questions(reference, covered, judge.ours):
                one = used.setdefault(reference.name, _Used(reference, covered, []))
                one.where.append(f"{found.file}:{found.line}")
        return used, list(gaps)

    def _judge(
        self,
        one: _Used,
        asked: tuple[Question, ...],
        answers: Mapping[Question, Answer],
        should: Expected | None,
    ) -> None:
        marks = Marks(self._result, self._watch, _host(one.reference))
        if one.is_left:
            saw = f"{one.covered.verdict}: {one.covered.why}".removesuffix(": ")
            marks.wrong(_LEVEL, errors.REFERENCE_LOST, one.reference.name, f"{saw}; {one.shown}")
        for question in asked:
            answer = answers[question]
            if answer.error and not answer.is_missing:
                marks.unchecked(_LEVEL, question.shown, answer.error)
            elif answer.error:
                saw = f"{answer.error.told}; {one.shown}"
                marks.wrong(_LEVEL, errors.REFERENCE_LOST, question.shown, saw)
            elif answer.digest and should and answer.digest != should.digest:
                known = f"{should.by or 'pinned'} {should.digest}"
                saw = f"leads to {answer.digest}, {known}; {one.shown}"
                marks.wrong(_LEVEL, errors.REFERENCE_MOVED, question.shown, saw)
            else:
                marks.ok(_LEVEL)


def _asked(one: _Used, judge: Judge) -> tuple[Question, ...]:
    """Return what has to be asked about a name: what it leads to, and what it becomes."""
    if one.is_left:
        return ()
    return questions(one.reference, one.covered, judge.ours) + new_questions(one.covered)


def _host(reference: Reference) -> str:
    place = reference.place
    return f"{reference.host}/{place.project.path}" if place else reference.host
