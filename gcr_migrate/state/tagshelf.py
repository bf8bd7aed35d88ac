"""Tags of one image on the disk, where there are too many of them to be held."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import DISK_FULL, MigrateError
from gcr_migrate.model.content import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SCHEMA: Final = "CREATE TABLE tag (name TEXT PRIMARY KEY, digest TEXT NOT NULL, known INTEGER)"


class TagShelf:
    """Tags with their digests, in a file that has no name and is gone when it is closed."""

    def __init__(self) -> None:
        self._sql = sqlite3.connect("", isolation_level=None)
        # As for lists: nothing of it outlives the run, so nothing has to be safe.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
            self._sql.execute(f"PRAGMA {pragma}")
        self._sql.execute(f"{_SCHEMA} WITHOUT ROWID")

    def close(self) -> None:
        """Give the file back."""
        self._sql.close()

    def add(self, rows: Iterable[tuple[str, Digest]]) -> None:
        """Keep tags; one that is there already points to what was said last."""
        sql = "INSERT OR REPLACE INTO tag (name, digest, known) VALUES (?, ?, 0)"
        try:
            self._sql.executemany(sql, ((name, str(digest)) for name, digest in rows))
        except sqlite3.OperationalError as error:
            subject = "folder for temporary files"
            raise MigrateError(DISK_FULL, subject=subject, saw=str(error)) from error

    def get(self, name: str) -> Digest | None:
        """Return what a tag points to; None if it is not there."""
        rows = self._sql.execute("SELECT digest FROM tag WHERE name = ?", (name,)).fetchall()
        return Digest.parse(rows[0][0]) if rows else None

    def expect(self, name: str) -> None:
        """Take note that a tag is no news."""
        self._sql.execute("UPDATE tag SET known = 1 WHERE name = ? AND known = 0", (name,))

    def others(self) -> Iterator[str]:
        """Go through the tags that nobody expected, in their order."""
        sql = "SELECT name FROM tag WHERE known = 0 ORDER BY name"
        return (row[0] for row in self._sql.execute(sql))
