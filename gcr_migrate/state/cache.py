"""Manifests that were read before, by digest, so that the next run need not fetch them again.

Beside them lie answers that a service gives only a few times a day; these count for a day.

The file lies beside those that a run writes and may be thrown away at any time: it only saves
requests. What comes out of it is checked as if it came from the wire.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gcr_migrate import logs
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Digest, Manifest
from gcr_migrate.state.file import mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION_ID: Final = 0x67637263  # "gcrc"
VERSION: Final = 2
_ANSWER_S: Final = 86_400
_SCHEMA: Final = """
CREATE TABLE manifest (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    media_type TEXT NOT NULL,
    raw        BLOB NOT NULL,
    seal       TEXT NOT NULL -- over media type and bytes: a digest says nothing of the type
);
-- Which reader wanted it last time: a manifest that no reader wants is dropped.
CREATE TABLE reader (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE wanted (
    reader_id   INTEGER NOT NULL,
    manifest_id INTEGER NOT NULL,
    PRIMARY KEY (reader_id, manifest_id)
) WITHOUT ROWID;
CREATE TABLE answer (
    question TEXT PRIMARY KEY,
    raw      TEXT NOT NULL,
    at       REAL NOT NULL -- seconds since 1970
) WITHOUT ROWID;
"""
# SQLite's messages about a damaged file may quote bytes that are no text.
_TROUBLES: Final = (sqlite3.DatabaseError, UnicodeError)


class ManifestCache:
    """Manifests of earlier runs, and what this run adds to them.

    A cache that cannot be used is none: whoever asks it fetches, and one warning says why.

    Args:
        connection: to its file; None for a cache that holds nothing and keeps nothing.
        path: where it lies, for the warning.
        reader: who reads, such as `plan builds.yaml`: the same name for the same work, so that
            its next run replaces what it wanted before.
    """

    def __init__(self, connection: sqlite3.Connection | None, path: Path, reader: str) -> None:
        self._sql = connection
        self._path = path
        self._reader = 0
        self.found = 0  # manifests that came out of it
        self.added = 0
        self.was_empty = True
        self.is_damaged = False
        if connection:
            self.was_empty = not connection.execute("SELECT 1 FROM manifest LIMIT 1").fetchall()
            connection.execute("INSERT OR IGNORE INTO reader (name) VALUES (?)", (reader,))
            sql = "SELECT id FROM reader WHERE name = ?"
            self._reader = _one(connection, sql, reader)
            # Gone with the connection: what a killed run wanted decides nothing.
            connection.execute("CREATE TEMP TABLE seen (id INTEGER PRIMARY KEY)")

    def get(self, digest: Digest) -> Manifest | None:
        """Return a manifest whose bytes have this digest; a damaged one is dropped."""
        if self._sql is None or not digest.verifiable:
            return None
        try:
            sql = "SELECT id, raw, media_type, seal FROM manifest WHERE digest = ?"
            rows = self._sql.execute(sql, (str(digest),)).fetchall()
            if not rows:
                return None
            id_, raw, media_type, seal = rows[0]
            manifest = _checked(raw, media_type, seal, digest)
            if manifest is None:
                self._sql.execute("DELETE FROM manifest WHERE id = ?", (id_,))
                logs.warning("cache.entry_damaged", file=str(self._path), digest=str(digest))
                return None
            self._want(id_)
        except _TROUBLES as error:
            self._give_up(error)
            return None
        self.found += 1
        return manifest

    def put(self, manifest: Manifest) -> None:
        """Keep a manifest; it is there for the next run even if this process is killed next."""
        if self._sql is None or not manifest.digest.verifiable:
            return
        digest, raw, media_type = str(manifest.digest), manifest.raw, manifest.media_type
        try:
            # The type that the registry says today wins over that of an earlier run.
            id_ = _one(
                self._sql,
                "INSERT INTO manifest (digest, media_type, raw, seal) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (digest) DO UPDATE SET media_type = excluded.media_type,"
                " raw = excluded.raw, seal = excluded.seal RETURNING id",
                *(digest, media_type, raw, _seal(raw, media_type)),
            )
            self._want(id_)
        except _TROUBLES as error:
            self._give_up(error)
            return
        self.added += 1

    def answer(self, question: str) -> str | None:
        """Return an answer that was kept within a day."""
        if self._sql is None:
            return None
        now, sql = time.time(), "SELECT raw, at FROM answer WHERE question = ?"
        try:
            rows = self._sql.execute(sql, (question,)).fetchall()
        except _TROUBLES as error:
            self._give_up(error)
            return None
        fresh = [raw for raw, at in rows if isinstance(raw, str) and 0 <= now - at < _ANSWER_S]
        return fresh[0] if fresh else None

    def keep_answer(self, question: str, raw: str) -> None:
        """Keep an answer for a day."""
        if self._sql is None:
            return
        sql = "INSERT OR REPLACE INTO answer (question, raw, at) VALUES (?, ?, ?)"
        try:
            self._sql.execute(sql, (question, raw, time.time()))
        except _TROUBLES as error:
            self._give_up(error)

    def drop_unwanted(self) -> None:
        """Forget what this reader no longer wants and no other one does: a whole run has ended."""
        if self._sql is None:
            return
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            self._sql.execute(
                "DELETE FROM wanted WHERE reader_id = ?"
                " AND manifest_id NOT IN (SELECT id FROM seen)",
                (self._reader,),
            )
            self._sql.execute(
                "DELETE FROM manifest WHERE id NOT IN (SELECT manifest_id FROM wanted)"
            )
            self._sql.execute("COMMIT")
            # As a script: it gives back a page a step, and `execute` takes one step only.
            self._sql.executescript("PRAGMA incremental_vacuum")
        except _TROUBLES as error:
            self._give_up(error)

    def _want(self, manifest_id: int) -> None:
        if self._sql is not None:
            self._sql.execute("INSERT OR IGNORE INTO seen (id) VALUES (?)", (manifest_id,))
            sql = "INSERT OR IGNORE INTO wanted (reader_id, manifest_id) VALUES (?, ?)"
            self._sql.execute(sql, (self._reader, manifest_id))

    def _give_up(self, error: Exception) -> None:
        _warn(self._path, str(error))
        self.is_damaged = _is_damage(error)
        self._sql = None


@contextmanager
def open_cache(path: Path, reader: str) -> Iterator[ManifestCache]:
    """Open the cache at `path`, made if it is missing.

    What is there and is damaged or of another version is made anew. A file of another program is
    left alone, and nothing is cached.

    Args:
        path: where it lies.
        reader: see `ManifestCache`.
    """
    connection = _opened(path)
    if connection is None:
        yield ManifestCache(None, path, reader)
        return
    damaged = False
    with closing(connection):
        try:
            cache = ManifestCache(connection, path, reader)
        except _TROUBLES as error:
            _warn(path, str(error))
            damaged = _is_damage(error)
            cache = ManifestCache(None, path, reader)
        try:
            yield cache
        finally:
            damaged = damaged or cache.is_damaged
    if damaged:
        _remove(path)  # the next run makes a new one


def _opened(path: Path) -> sqlite3.Connection | None:
    try:
        if _is_foreign(path):
            _warn(path, "it is no cache of this tool; remove it, or plan into another folder")
            return None
        try:
            return _prepared(path)
        except _TROUBLES as error:
            if not _is_damage(error):
                raise  # locked, full or not writable: making it anew would not help
            logs.warning("cache.damaged", file=str(path), saw=str(error), doing="made anew")
        _remove(path)
        return _prepared(path)
    except (*_TROUBLES, OSError) as error:
        _warn(path, str(error))
        return None


def _is_damage(error: Exception) -> bool:
    """Whether a file is to blame, and not what keeps it from being used just now."""
    return not isinstance(error, sqlite3.OperationalError) or "no such" in str(error)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _one(connection: sqlite3.Connection, sql: str, *values: object) -> int:
    """Return the one number that a statement gives; a damaged file may give nothing at all."""
    rows = connection.execute(sql, values).fetchall()
    if not rows or not isinstance(rows[0][0], int):
        raise sqlite3.DatabaseError(f"no row from {sql.partition(' FROM ')[0]}")
    return rows[0][0]


def _is_foreign(path: Path) -> bool:
    """Whether something lies there that this tool has not made; its mark is in the header."""
    return path.exists() and mark_of(path) not in {None, APPLICATION_ID}


def _prepared(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=30, cached_statements=64
    )
    try:
        if _one(connection, "PRAGMA page_count") == 0:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            # Each manifest is a transaction of its own: a kill loses none that was read. This
            # mode makes that cheap, and lets two runs share one file.
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _make_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_schema(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")  # of two runs that begin at once, one makes it
    version = _one(connection, "PRAGMA user_version")
    if version not in {0, VERSION}:
        raise sqlite3.DatabaseError(f"version {version}, this tool knows {VERSION}")
    if version == 0:
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _checked(raw: object, media_type: object, seal: object, digest: Digest) -> Manifest | None:
    if not isinstance(raw, bytes) or not isinstance(media_type, str):
        return None
    if seal != _seal(raw, media_type):
        return None
    try:
        return Manifest.read(raw, media_type, digest)
    except MigrateError:
        return None  # damaged; the registry has the last word on what is there


def _seal(raw: bytes, media_type: str) -> str:
    return hashlib.sha256(media_type.encode() + b"\n" + raw).hexdigest()


def _warn(path: Path, saw: str) -> None:
    logs.warning("cache.unusable", file=str(path), saw=saw, doing="manifests are fetched anew")
