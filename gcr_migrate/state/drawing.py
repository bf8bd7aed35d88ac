"""Everything that a sample is drawn from, on the disk: each blob once for each registry."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from gcr_migrate.errors import DISK_FULL, MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SCHEMA: Final = """
CREATE TABLE ball (
    place      BLOB NOT NULL, -- in the order of drawing
    registry   TEXT NOT NULL,
    digest     TEXT NOT NULL,
    root       INTEGER NOT NULL,
    path       TEXT NOT NULL,
    shown      TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (place, registry, digest)
) WITHOUT ROWID;
"""


class Ball(NamedTuple):
    """A blob that may be drawn.

    Attributes:
        place: in the order of drawing; it hangs on registry and digest alone.
        registry: which has it.
        digest: its digest.
        root: number of the root of one image that needs it.
        path: image path of that image, below the root.
        shown: its whole name.
        size_bytes: its size, -1 where nobody knows it.
    """

    place: bytes
    registry: str
    digest: str
    root: int
    path: str
    shown: str
    size_bytes: int


class Urn:
    """Blobs to draw from.

    Args:
        connection: to a file of this run only.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def add(self, balls: Iterable[Ball]) -> None:
        """Put blobs in; of each one only its first image is kept."""
        try:
            self._sql.executemany("INSERT OR IGNORE INTO ball VALUES (?, ?, ?, ?, ?, ?, ?)", balls)
        except sqlite3.OperationalError as error:
            raise _trouble(error) from error

    def __len__(self) -> int:
        """How many there are."""
        return int(self._sql.execute("SELECT count(*) FROM ball").fetchall()[0][0])

    def drawn(self, count: int) -> Iterator[Ball]:
        """Draw so many of them, and give them image by image; nothing may be added meanwhile.

        Which are drawn is left to chance; that those of one image come together saves tokens.
        """
        sql = (
            "SELECT * FROM (SELECT * FROM ball ORDER BY place LIMIT ?) ORDER BY root, path, digest"
        )
        rows = self._sql.execute(sql, (count,))
        yield from map(Ball._make, rows)


@contextmanager
def open_urn() -> Iterator[Urn]:
    """Make a file that has no name, and is gone when it is closed, even after a kill."""
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        # As for lists: nothing of it outlives the run, so nothing has to be safe.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(_SCHEMA)
        yield Urn(connection)


def _trouble(error: sqlite3.OperationalError) -> MigrateError:
    return MigrateError(DISK_FULL, subject="folder for temporary files", saw=str(error))
