"""Where moves of a redirect are recorded: in a migration file, or in a log beside the work."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import asdict

from gcr_migrate.errors import FILE_MISSING, NOT_WRITABLE, MigrateError
from gcr_migrate.state.moves import MoveRow, moves_in, record_move

if TYPE_CHECKING:
    from gcr_migrate.redirect.plan import Plan

_LAST: Final = "verified"  # the event with which a move has come to its end


class Recorder:
    """Records the events of one move; each is on the disk before anything else happens.

    Args:
        plan: the move.
        migration: the migration file to which it belongs; None takes `PROJECT.redirect.log` in
            the working folder, which has a JSON object on each line.
    """

    def __init__(self, plan: Plan, migration: Path | None) -> None:
        self._plan = plan
        self._migration = migration
        name = plan.project.replace(":", "_")
        self.path = migration or Path(f"{name}.redirect.log")

    def add(self, event: str, saw: str = "", code: str = "") -> None:
        """Record an event.

        Args:
            event: `started`, `done`, `failed`, `verified` or `unproven`.
            saw: what was seen or accepted.
            code: a problem's code; else it is the plan's.

        Raises:
            MigrateError: it cannot be written.
        """
        plan, target = self._plan, self._plan.decision.target
        row = MoveRow(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            project=plan.project,
            event=event,
            state=plan.settings.word,
            target=target.value if target else "",
            code=code or plan.code,
            saw=saw,
        )
        if self._migration:
            record_move(self._migration, row)
        else:
            self._append(json.dumps(asdict(row)) + "\n")

    def is_open(self) -> bool:
        """Whether the last move of the project that is recorded here was never verified.

        A run that was killed leaves it so: the setting may have been written, and nobody looked.

        Raises:
            MigrateError: it cannot be read.
        """
        events = self._events_in_file() if self._migration else self._events_in_log()
        last = [event for project, event in events if project == self._plan.project][-1:]
        return last not in ([], [_LAST])

    def _events_in_file(self) -> list[tuple[str, str]]:
        return [(row.project, row.event) for row in moves_in(self.path)]

    def _events_in_log(self) -> list[tuple[str, str]]:
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            saw = error.strerror or ""
            raise MigrateError(FILE_MISSING, subject=str(self.path), saw=saw) from error
        rows = filter(None, map(_row_in, lines))
        return [(str(row.get("project")), str(row.get("event"))) for row in rows]

    def _append(self, line: str) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as log:
                # A kill may have cut the last line off: this one must not become a part of it.
                log.write(line if self._ends_whole() else f"\n{line}")
                log.flush()
                os.fsync(log.fileno())
        except OSError as error:
            saw = error.strerror or ""
            raise MigrateError(NOT_WRITABLE, subject=str(self.path), saw=saw) from error

    def _ends_whole(self) -> bool:
        with self.path.open("rb") as log:
            if not log.seek(0, os.SEEK_END):
                return True
            log.seek(-1, os.SEEK_END)
            return log.read(1) == b"\n"


def _row_in(line: str) -> dict[str, object] | None:
    """Read a line of a log; None for one that was cut off."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
