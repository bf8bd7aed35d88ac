"""Moves of the redirect, in the migration file to which they belong: rows that are only added to.

The table came later than the file's schema and is made when the first move is recorded, so that
files of any age can have it and tools of any age can read the rest.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import astuple

from gcr_migrate.state.file import connect, open_migration
from gcr_migrate.state.frozen import disk_trouble

if TYPE_CHECKING:
    from pathlib import Path

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS redirect_move (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    project TEXT NOT NULL,
    event TEXT NOT NULL,
    state TEXT NOT NULL,
    target TEXT NOT NULL,
    code TEXT NOT NULL,
    saw TEXT NOT NULL
) STRICT
"""
_COLUMNS: Final = "at, project, event, state, target, code, saw"


class MoveRow(Struct, frozen=True):
    """One event of a move.

    Attributes:
        at: when, in UTC.
        project: id of the project.
        event: `started`, `done`, `failed`, `verified` or `unproven`.
        state: the setting before, in the service's word.
        target: the setting that was asked for.
        code: the plan's code; of a failure the problem's.
        saw: what was seen or accepted; never a secret.
    """

    at: str
    project: str
    event: str
    state: str
    target: str
    code: str
    saw: str = ""


def record_move(path: Path, row: MoveRow) -> None:
    """Add an event to a migration file; it is on the disk when this returns.

    Raises:
        MigrateError: FILE_MISSING, NOT_A_MIGRATION, SCHEMA_UNKNOWN, DISK_FULL.
    """
    with open_migration(path):
        pass  # it is one
    try:
        with closing(connect(path)) as sql:
            sql.execute("PRAGMA synchronous = FULL")
            sql.execute(_TABLE)
            sql.execute(
                f"INSERT INTO redirect_move ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # constants
                astuple(row),
            )
    except sqlite3.OperationalError as error:
        raise disk_trouble(str(path), error) from error


def moves_in(path: Path) -> list[MoveRow]:
    """Return the events of a migration file, in the order in which they came."""
    with open_migration(path), closing(connect(path)) as sql:
        has = sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'redirect_move'").fetchall()
        if not has:
            return []
        rows = sql.execute(f"SELECT {_COLUMNS} FROM redirect_move ORDER BY id")  # noqa: S608  # constants
        return [MoveRow(*row) for row in rows]
