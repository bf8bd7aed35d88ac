"""Lists of what registries show, kept on the disk while a source is read.

A list takes some hundred bytes of memory for each manifest, and all of them are needed at once:
to compare two views of a source, and to plan one image after another. Here they take none.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import DISK_FULL, MigrateError
from gcr_migrate.model.content import Digest
from gcr_migrate.model.inventory import ListedManifest, Listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SCHEMA: Final = """
CREATE TABLE listing (
    id   INTEGER PRIMARY KEY,
    root INTEGER NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (root, path)
);
CREATE TABLE row (
    root     INTEGER NOT NULL,
    path     TEXT NOT NULL,
    digest   TEXT NOT NULL,
    manifest TEXT NOT NULL,
    reading  INTEGER NOT NULL,
    PRIMARY KEY (root, path, digest)
) WITHOUT ROWID;
"""


class Listings:
    """The lists of one root, by image path.

    Args:
        connection: to a file of this run only.
        root: number of the root.
    """

    def __init__(self, connection: sqlite3.Connection, root: int) -> None:
        self._sql = connection
        self._root = root

    def __len__(self) -> int:
        """How many image paths have a list."""
        return int(self._rows("SELECT count(*) FROM listing WHERE root = ?")[0][0])

    def __contains__(self, path: object) -> bool:
        """Whether a path has a list."""
        return bool(self._rows("SELECT 1 FROM listing WHERE root = ? AND path = ?", path))

    def __iter__(self) -> Iterator[str]:
        """Go through the image paths in their order."""
        sql = "SELECT path FROM listing WHERE root = ? ORDER BY path"
        return iter([row[0] for row in self._rows(sql)])

    def __getitem__(self, path: str) -> Listing:
        """Return the list of a path; raise KeyError if it has none."""
        found = self.get(path)
        if found is None:
            raise KeyError(path)
        return found

    def get(self, path: str) -> Listing | None:
        """Return the list of a path, None if it has none."""
        rows = self._rows("SELECT body FROM listing WHERE root = ? AND path = ?", path)
        return _listing(json.loads(rows[0][0])) if rows else None

    def put(self, path: str, listing: Listing) -> None:
        """Keep the list of a path in place of the one that it had."""
        sql = "INSERT OR REPLACE INTO listing (root, path, body) VALUES (?, ?, ?)"
        self._run(sql, (self._root, path, json.dumps(_plain(listing), separators=(",", ":"))))

    def drop(self, path: str) -> None:
        """Forget the list of a path."""
        self._run("DELETE FROM listing WHERE root = ? AND path = ?", (self._root, path))

    def add_rows(self, rows: Iterable[tuple[str, ListedManifest]], reading: int) -> None:
        """Keep manifests that are listed one by one, each with its image path.

        Args:
            rows: path and manifest; what is there already is replaced.
            reading: number of the reading to which they belong.
        """
        sql = (
            "INSERT OR REPLACE INTO row (root, path, digest, manifest, reading) VALUES (?,?,?,?,?)"
        )
        values = (
            (self._root, path, str(one.digest), json.dumps(_entry(one)[1:]), reading)
            for path, one in rows
        )
        try:
            self._sql.executemany(sql, values)
        except sqlite3.OperationalError as error:
            raise _trouble(error) from error

    def count_rows(self, reading: int) -> int:
        """How many different manifests a reading had."""
        sql = "SELECT count(*) FROM row WHERE root = ? AND reading = ?"
        return int(self._rows(sql, reading)[0][0])

    def drop_rows_before(self, reading: int) -> None:
        """Forget what only earlier readings had."""
        self._run("DELETE FROM row WHERE root = ? AND reading < ?", (self._root, reading))

    def paths_of_rows(self) -> list[str]:
        """Return the image paths that have manifests listed one by one, in their order."""
        sql = "SELECT DISTINCT path FROM row WHERE root = ? ORDER BY path"
        return [row[0] for row in self._rows(sql)]

    def rows(self, path: str) -> Listing | None:
        """Return the manifests of a path that are listed one by one, as one list."""
        sql = "SELECT digest, manifest FROM row WHERE root = ? AND path = ?"
        found = [_manifest([row[0], *json.loads(row[1])]) for row in self._rows(sql, path)]
        tags: dict[str, Digest | None] = {tag: one.digest for one in found for tag in one.tags}
        return Listing(path, (), tags, tuple(found)) if found else None

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._run(sql, (self._root, *values)).fetchall()

    def _run(self, sql: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        try:
            return self._sql.execute(sql, values)
        except sqlite3.OperationalError as error:
            raise _trouble(error) from error


class Shelf:
    """All lists of a run.

    Args:
        connection: to a file of this run only.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self._roots = 0

    def add_root(self) -> Listings:
        """Return a place for the lists of one more root."""
        self._roots += 1
        return Listings(self._sql, self._roots)


@contextmanager
def open_shelf() -> Iterator[Shelf]:
    """Make a file that has no name, and is gone when it is closed, even after a kill."""
    with closing(sqlite3.connect("", isolation_level=None, cached_statements=32)) as connection:
        # Nothing of it outlives the run, so nothing has to be safe; and it is never large in
        # memory, wherever SQLite was told to keep what is temporary.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(_SCHEMA)
        yield Shelf(connection)


def _trouble(error: sqlite3.OperationalError) -> MigrateError:
    return MigrateError(DISK_FULL, subject="folder for temporary files", saw=str(error))


def _plain(listing: Listing) -> list[Any]:
    """Return a list as plain data, digests as text."""
    tags = {tag: str(digest) if digest else None for tag, digest in listing.tags.items()}
    entries = None
    if listing.manifests is not None:
        entries = [_entry(one) for one in listing.manifests]
    return [listing.name, listing.children, tags, entries, listing.cut]


def _entry(one: ListedManifest) -> list[Any]:
    return [str(one.digest), one.media_type, one.tags, one.uploaded_ms, one.size_bytes]


def _listing(plain: list[Any]) -> Listing:
    name, children, texts, entries, cut = plain
    manifests, known = None, {}
    if entries is not None:
        manifests = tuple(_manifest(entry) for entry in entries)
        known = {str(one.digest): one.digest for one in manifests}
    tags = {tag: known.get(text) or _digest(text) for tag, text in texts.items()}
    return Listing(name, tuple(children), tags, manifests, cut)


def _manifest(entry: list[Any]) -> ListedManifest:
    digest, media_type, tags, uploaded_ms, size_bytes = entry
    return ListedManifest(
        Digest.parse(digest), sys.intern(media_type), tuple(tags), uploaded_ms, size_bytes
    )


def _digest(text: str | None) -> Digest | None:
    return Digest.parse(text) if text else None
