"""Several files of one command: each as it would be alone, and one summary of all."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from gcr_migrate import logs
from gcr_migrate.cli.interrupt import stops
from gcr_migrate.cli.options import is_file, is_folder
from gcr_migrate.cli.output import Output, defect_of
from gcr_migrate.errors import (
    DISK_FULL,
    FILE_MISSING,
    FILE_TWICE,
    INTERRUPTED,
    NO_FILES,
    Exit,
    MigrateError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TextIO

    from gcr_migrate.report.fact import Fact
    from gcr_migrate.report.fleet import Command, FileFact, FleetFacts

    Work = Callable[[Output, str], int]

MIGRATION_SUFFIXES: Final = (".migration",)
_SLOW: Final = ("plan", "apply")
_EVERY_S: Final = 5.0

MigrationFiles = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="Migration files that `plan` wrote, or a folder of it."),
]
Full = Annotated[
    bool, typer.Option("--full", help="Of several files, a line for each, however many there are.")
]


class Files(Struct, frozen=True):
    """What a person named.

    Attributes:
        names: of the files, as they were named, or found in a folder.
        several: several were named, or a folder: one summary is wanted.
        wrong: why nothing can be begun; empty if nothing speaks against it.
    """

    names: list[str]
    several: bool
    wrong: list[MigrateError]


def files_named(written: Sequence[str], suffixes: tuple[str, ...]) -> Files:
    """Find the files that a person means.

    Args:
        written: files, or folders that stand for what is in them.
        suffixes: of the files that count in a folder.
    """
    names: list[str] = []
    wrong: list[MigrateError] = []
    for one in written:
        if not is_folder(one):
            names.append(one)
            continue
        try:
            found = sorted(str(path) for path in Path(one).iterdir() if path.suffix in suffixes)
        except OSError as error:
            wrong.append(MigrateError(FILE_MISSING, subject=one, saw=error.strerror or ""))
            continue
        names += found
        if not found:
            saw = f"no {' or '.join(f'*{suffix}' for suffix in suffixes)}"
            wrong.append(MigrateError(NO_FILES, subject=one, saw=saw))
    return Files(names, len(names) > 1 or any(map(is_folder, written)), wrong + _twice(names))


def _twice(names: Iterable[str]) -> list[MigrateError]:
    first: dict[Path | str, str] = {}
    wrong = []
    for name in names:
        place = Path(name).resolve() if is_file(name) else name  # not all names are those of files
        if place in first:
            saw = f"it is {first[place]}" if first[place] != name else ""
            wrong.append(MigrateError(FILE_TWICE, subject=name, saw=saw))
        first.setdefault(place, name)
    return wrong


def over(
    output: Output,
    command: Command,
    files: Files,
    work: Work,
    *,
    full: bool = False,
    hear: Callable[[str, Fact], None] | None = None,
    finish: Callable[[FleetFacts], None] | None = None,
) -> int:
    """Do something with one file as ever, or with each of several, and sum up.

    A file that fails stops no other one.

    Args:
        output: where results go.
        command: what is done.
        files: with which.
        work: does it with one, of which it is given the name, and where its result goes.
        full: of many, tell of each.
        hear: is given the result of each of several.
        finish: tells of several, instead of a table or a JSON object.

    Returns:
        The exit code: of several, the worst.
    """
    if files.wrong:
        return Exit(output.errors(files.wrong))
    if not files.several:
        return work(output, files.names[0])
    from gcr_migrate.report.fleet_lines import fleet_lines

    with _kept() if output.as_json else nullcontext() as kept:
        account = Account(kept, hear)
        _each(output, command, files.names, work, account)
        facts = account.facts(command)
        if finish:
            finish(facts)
        else:
            output.result(facts, fleet_lines(facts, full=full))
    return Exit(facts.exit)


@contextmanager
def _kept() -> Iterator[TextIO]:
    """Give a file for results that are told in the end.

    Raises:
        MigrateError: `disk-trouble`.
    """
    # Names of files come as this machine has them, and such a one may be no text.
    with (
        _disk_trouble_told(),
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass") as kept,
    ):
        yield kept


@contextmanager
def _disk_trouble_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        saw = error.strerror or ""
        raise MigrateError(DISK_FULL, subject=tempfile.gettempdir(), saw=saw) from error


def _each(output: Output, command: Command, names: list[str], work: Work, account: Account) -> None:
    each = Output(as_json=output.as_json, take=account.take)
    progress = _Progress(output, command, len(names))
    ends_with = None
    try:
        for name in names:
            progress.begins(name)
            account.begin(name)
            account.ended(_exit_of(work, each, name))
            progress.ended(account.told[name])
            ends_with = each.ends_with
            if ends_with is not None:
                break
    except stops():
        ends_with = Exit.INTERRUPTED
        account.interrupted()
    if ends_with is not None:
        account.leave(names, ends_with)


def _exit_of(work: Work, each: Output, name: str) -> int:
    try:
        return work(each, name)
    except MigrateError as error:
        return each.errors([error])
    except Exception as error:  # noqa: BLE001  # a defect that one file shows stops no other
        return each.errors([defect_of(error)])


class Account:
    """Takes in what a command tells of one file after the other.

    A disk that has no room for results ends the command: nobody would be told of the files to come.

    Args:
        kept: holds results until they are told; None if nobody wants them.
        hear: is given each result with the name of its file.

    Attributes:
        told: a line for each file so far.
    """

    def __init__(self, kept: TextIO | None, hear: Callable[[str, Fact], None] | None) -> None:
        from gcr_migrate.report.fleet import ResultFact
        from gcr_migrate.report.rows import Written

        self.told: dict[str, FileFact] = {}
        self._results = Written(ResultFact, kept) if kept else None
        self._hear = hear
        self._name = ""

    def begin(self, name: str) -> None:
        """What comes now is of this file."""
        self._name = name

    def take(self, facts: Fact) -> None:
        """Take in the result of a file, or its errors."""
        from gcr_migrate.report.fleet import file_fact

        self.told[self._name] = file_fact(self._name, facts)
        if self._results is not None:
            name = json.dumps(self._name, ensure_ascii=False)
            with _disk_trouble_told():
                self._results.add(chain([f'{{"file": {name}, "result": '], facts.json_parts(), "}"))
        if self._hear:
            self._hear(self._name, facts)

    def ended(self, exit_: int) -> None:
        """Take in with which exit code the command would have ended."""
        told = self.told[self._name]
        self.told[self._name] = told.but(exit=int(exit_))

    def interrupted(self) -> None:
        """Take in that the file in hand was interrupted, if nothing else is known of it."""
        if self._name and self._name not in self.told:
            from gcr_migrate.report.problems import ErrorFacts

            error = MigrateError(INTERRUPTED, subject=self._name)
            self.take(ErrorFacts.of_all([error]))

    def leave(self, names: Iterable[str], ends_with: Exit) -> None:
        """Take in that the others are not begun any more."""
        from gcr_migrate.report.fleet import not_begun

        for name in names:
            self.told.setdefault(name, not_begun(name, ends_with))

    def facts(self, command: Command) -> FleetFacts:
        """Return what became of all."""
        from gcr_migrate.report.fleet import fleet_facts

        return fleet_facts(command, [*self.told.values()], self._results or [])


class _Progress:
    """Tells which file is in hand.

    Args:
        output: where that is told.
        command: what is done with it.
        total: number of files.
    """

    def __init__(self, output: Output, command: Command, total: int) -> None:
        self._output = output
        self._command = command
        self._total = total
        self._number = 0
        self._told_at = time.monotonic()
        self._is_told = False

    def begins(self, name: str) -> None:
        """A file is begun; where each takes but a moment, some are named."""
        self._number += 1
        now = time.monotonic()
        self._is_told = self._command in _SLOW or now - self._told_at >= _EVERY_S
        if not self._is_told:
            return
        self._told_at = now
        if self._output.as_json:
            of = {"number": self._number, "of": self._total}
            logs.info(f"{self._command}.file", file=name, **of)
        else:
            self._say(f"{self._command} {self._number} of {self._total}: {name}")

    def ended(self, told: FileFact) -> None:
        """This became of it."""
        if self._is_told and not self._output.as_json:
            codes = ", ".join(one.code for one in told.errors)
            self._say(f"  {told.state}{f': {codes}' if codes else ''}")

    def _say(self, text: str) -> None:
        self._output.err.print(text, markup=False, highlight=False, soft_wrap=True)
