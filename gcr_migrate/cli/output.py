"""Where results, progress and errors go: data to stdout, everything else to stderr.

What draws and logs is imported when something is drawn or logged, so that `--help` stays quick.
"""

from __future__ import annotations

import errno
import os
import sys
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gcr_migrate import logs
from gcr_migrate.cli.streams import escape_what_cannot_be_written, write
from gcr_migrate.errors import BAD_VARIABLE, DEFECT, FILE_MISSING, MigrateError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from rich.console import Console
    from rich.text import Text

    from gcr_migrate.errors import Exit
    from gcr_migrate.report.fact import Fact

LOG_VARIABLE: Final = "GCR_MIGRATE_LOG"
# Whether a file is there can be asked only of a name that fits, in a folder that may be entered.
_KEPT_FROM_US: Final = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG})


class Output:
    """The two streams of a command.

    Args:
        as_json: one JSON object on stdout, log lines as JSON on stderr.
        take: is given each result instead of stdout, and each error instead of stderr.

    Attributes:
        ends_with: what a person or a clock ends the whole command with before its end; else None.
    """

    def __init__(self, *, as_json: bool, take: Callable[[Fact], None] | None = None) -> None:
        self.as_json = as_json
        self.ends_with: Exit | None = None
        self._take = take
        self._told: set[Hashable] = set()

    @cached_property
    def out(self) -> Console:
        """Where results go."""
        from gcr_migrate.cli.console import PatientConsole

        escape_what_cannot_be_written()
        return PatientConsole()

    @cached_property
    def err(self) -> Console:
        """Where progress and errors go."""
        from gcr_migrate.cli.console import PatientConsole

        return PatientConsole(stderr=True)

    @property
    def screen(self) -> Console | None:
        """Where progress is drawn; None where log lines for machines tell of it."""
        return None if self.as_json else self.err

    def result(self, facts: Fact, lines: Iterable[Text | str]) -> None:
        """Print a command's result: the object, or its lines."""
        if not self.told(facts):
            self.show(lines)

    def told(self, facts: Fact) -> bool:
        """Hand on a result or print it as an object; return False where lines are wanted instead.

        Who asks by this before lines are made loads what draws only for them.
        """
        if self._take:
            self._take(facts)
        elif self.as_json:
            write(chain(facts.json_parts(), "\n"))
        return bool(self._take) or self.as_json

    def show(self, lines: Iterable[Text | str]) -> None:
        """Print the lines of a result."""
        from gcr_migrate.report.terminal import show

        show(self.out, lines)

    def say(self, text: str, event: str, **about: object) -> None:
        """Tell meanwhile what goes on: in words for a person, as an event for machines."""
        if self.as_json:
            logs.info(event, **about)
        else:
            self.err.print(text, markup=False, highlight=False, soft_wrap=True)

    def errors(self, errors: Sequence[MigrateError]) -> int:
        """Print what stopped a command, and return the exit code that says so."""
        from gcr_migrate.report.problems import ErrorFacts

        facts = ErrorFacts.of_all(errors)
        if not self.told(facts):
            from gcr_migrate.report.terminal import error_lines, show

            show(self.err, error_lines(facts))
        return facts.exit

    def is_news(self, what: Hashable) -> bool:
        """Whether this was not told before: of many files the same is to be said once."""
        is_news = what not in self._told
        self._told.add(what)
        return is_news


def set_up_logs(*, as_json: bool) -> None:
    """Log events with keys to stderr, for people or for machines; libraries only warn.

    Raises:
        MigrateError: BAD_VARIABLE, there is no such level.
    """
    import logging

    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if as_json:
        from gcr_migrate.cli.libraries import Told

        handler = Told()
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    least = os.environ.get(LOG_VARIABLE) or logs.USUAL
    if least not in logs.LEVELS:
        saw = f"it is none of {', '.join(logs.LEVELS)}"
        raise MigrateError(BAD_VARIABLE, subject=f"{LOG_VARIABLE}={printable(least)}", saw=saw)
    logs.set_up(as_json=as_json, least=least)


def defect_of(error: Exception) -> MigrateError:
    """Return what to tell of an exception that nobody expected.

    A file that the system keeps from this user, or has no room for the name of, is told as that;
    all else is a defect, and is written into a file.
    """
    if isinstance(error, OSError) and error.errno in _KEPT_FROM_US and error.filename:
        name = printable(os.fsdecode(error.filename))
        return MigrateError(FILE_MISSING, subject=name, saw=error.strerror or "")
    path = _defect_report(error)
    saw = f"{type(error).__name__}; see the file"
    return MigrateError(DEFECT, subject=str(path), saw=saw)


def _defect_report(error: Exception) -> Path:
    """Write where it happened into a file; values are left out, they may hold secrets."""
    import tempfile
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{type(error).__module__}.{type(error).__qualname__}"]
    lines += [f"  {Path(f.filename).name}:{f.lineno} in {f.name}" for f in frames]
    handle, name = tempfile.mkstemp(".txt", "gcr-migrate-defect-")
    with os.fdopen(handle, "w", encoding="utf-8") as report:
        report.write("\n".join(lines) + "\n")
    return Path(name)
