"""How far a verification came that did not end: what was found right, so that it can go on.

Only what was right is kept. What was wrong, or got no answer, is asked again by the next run, so
that its finding is of today. The file lies beside the migration file, or in the working folder,
and may be thrown away at any time: then all is asked anew. Short runs never make one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import sqlite3
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import logs
from gcr_migrate.state.file import mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

APPLICATION_ID: Final = 0x67637276  # "gcrv"
VERSION: Final = 1
SUFFIX: Final = ".verifying"
BELIEVED_S: Final = 6 * 3600.0
_SEED_BITS: Final = 32  # enough that no two draws are alike, and a person can write it down
_ROWS: Final = 500
_EVERY_S: Final = 0.5
_SCHEMA: Final = """
CREATE TABLE part (
    id       INTEGER PRIMARY KEY,
    question BLOB NOT NULL, -- hash of what was promised, and of all that decides about the checks
    seed     BLOB NOT NULL, -- by which samples are drawn
    began_s  REAL NOT NULL, -- seconds since 1970
    last_s   REAL NOT NULL
);
CREATE TABLE done (
    key     BLOB PRIMARY KEY, -- hash of level and subject
    part_id INTEGER NOT NULL,
    count   INTEGER NOT NULL -- checks that it stands for
) WITHOUT ROWID;
CREATE TABLE walked (
    key      BLOB PRIMARY KEY, -- hash of a name at a registry
    part_id  INTEGER NOT NULL,
    children TEXT NOT NULL -- next path components below it, as JSON
) WITHOUT ROWID;
"""
_TROUBLES: Final = (sqlite3.DatabaseError, OSError)


class Part(Struct, frozen=True):
    """An earlier run whose checks are believed; seconds since 1970."""

    began_s: float
    last_s: float


class Verifying:
    """What was found right by this run and by those before it that did not end.

    A file that cannot be used is none: everything is asked, and one warning says why.

    Args:
        path: where it lies, or will lie; None: nothing is kept.
        question: of which verification it is; what another one found right is not believed.
        believed_s: how old the end of an earlier run may be.
        seed: by which samples are drawn; None: as an earlier run drew them, or by chance.
        clock: seconds since 1970.

    Attributes:
        earlier: runs before this one of which something is believed, the first one first.
        seed: by which samples are drawn.
    """

    def __init__(
        self,
        path: Path | None,
        question: str,
        *,
        believed_s: float = BELIEVED_S,
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._question = _hash(f"{question} {seed}")
        self._clock = clock
        self._began_s = clock()
        self._sql: sqlite3.Connection | None = None
        self._part = 0
        self._waiting: list[tuple[bytes, int]] = []
        self._names: list[tuple[bytes, str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.earlier: tuple[Part, ...] = ()
        self.seed = secrets.randbits(_SEED_BITS) if seed is None else seed
        if path and path.exists():
            try:
                self._take_up(path, believed_s)
            except _TROUBLES as error:
                self._give_up(error)

    def done(self, level: str, subject: str) -> int | None:
        """Return how many checks an earlier run settled here; None where it is to be asked."""
        if self._sql is None or not self.earlier:
            return None
        sql = "SELECT count FROM done WHERE key = ? AND part_id < ?"
        try:
            rows = self._sql.execute(sql, (_key(level, subject), self._part)).fetchall()
        except _TROUBLES as error:
            self._give_up(error)
            return None
        return int(rows[0][0]) if rows else None

    def right(self, level: str, subject: str, count: int = 1) -> None:
        """Take note that a check, or so many at once, found all as it should be."""
        if self._path is None:
            return
        self._waiting.append((_key(level, subject), count))
        self._soon()

    def children(self, name: str) -> tuple[str, ...] | None:
        """Return what an earlier run found below a name; None where it is to be listed."""
        if self._sql is None or not self.earlier:
            return None
        sql = "SELECT children FROM walked WHERE key = ? AND part_id < ?"
        try:
            rows = self._sql.execute(sql, (_hash(name), self._part)).fetchall()
            return tuple(json.loads(rows[0][0])) if rows else None
        except (*_TROUBLES, ValueError) as error:
            self._give_up(error)
            return None

    def walked(self, name: str, children: Sequence[str]) -> None:
        """Take note that a name was listed, and that all is right with what it has itself."""
        if self._path is not None:
            self._names.append((_hash(name), json.dumps(children)))
            self._soon()

    def flush(self) -> None:
        """Have all that was noted in the file, which is made when there is something to keep."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._path is None or not (self._waiting or self._names):
            return
        found, names = self._waiting, self._names
        self._waiting, self._names = [], []
        try:
            if self._sql is None:
                self._sql = _opened(self._path)
                self._add_part(self._sql)
            self._sql.execute("BEGIN IMMEDIATE")
            sql = "INSERT OR REPLACE INTO done (key, part_id, count) VALUES (?, ?, ?)"
            self._sql.executemany(sql, ((key, self._part, count) for key, count in found))
            sql = "INSERT OR REPLACE INTO walked (key, part_id, children) VALUES (?, ?, ?)"
            self._sql.executemany(sql, ((key, self._part, below) for key, below in names))
            sql = "UPDATE part SET last_s = ? WHERE id = ?"
            self._sql.execute(sql, (self._clock(), self._part))
            self._sql.execute("COMMIT")
        except _TROUBLES as error:
            self._give_up(error)

    def close(self, *, ended: bool) -> None:
        """Leave the file to the next run, or remove it if this one has come to its end."""
        if ended:
            self._waiting, self._names = [], []
        self.flush()
        if self._sql is not None:
            self._sql.close()
            if ended and self._path:
                _remove(self._path)
        self._sql = self._path = None

    def _soon(self) -> None:
        """Write when there is much to write, or in a moment."""
        if len(self._waiting) + len(self._names) >= _ROWS:
            self.flush()
        elif self._timer is None:
            with suppress(RuntimeError):  # without a loop the number of rows alone decides
                self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self.flush)

    def _take_up(self, path: Path, believed_s: float) -> None:
        """Believe what is there of the same question and not too old; drop the rest."""
        sql = self._sql = _opened(path)
        now = self._clock()
        sql.execute("BEGIN IMMEDIATE")
        sql.execute(
            "DELETE FROM part WHERE question <> ? OR last_s < ? OR last_s > ?",
            (self._question, now - believed_s, now),
        )
        sql.execute("DELETE FROM done WHERE part_id NOT IN (SELECT id FROM part)")
        sql.execute("DELETE FROM walked WHERE part_id NOT IN (SELECT id FROM part)")
        rows = sql.execute("SELECT began_s, last_s, seed FROM part ORDER BY id").fetchall()
        if rows:
            self.seed = int.from_bytes(rows[-1][2], "big")
        self._add_part(sql)
        sql.execute("COMMIT")
        self.earlier = tuple(Part(began_s, last_s) for began_s, last_s, _ in rows)

    def _add_part(self, sql: sqlite3.Connection) -> None:
        # Not RETURNING: the statement would stay open over the COMMIT.
        self._part = (
            sql.execute(
                "INSERT INTO part (question, seed, began_s, last_s) VALUES (?, ?, ?, ?)",
                (self._question, self.seed.to_bytes(8, "big"), self._began_s, self._began_s),
            ).lastrowid
            or 0
        )

    def _give_up(self, why: Exception) -> None:
        doing = "a run that is interrupted will begin anew"
        logs.warning("verifying.unusable", file=str(self._path), saw=str(why), doing=doing)
        if self._sql is not None:
            with suppress(sqlite3.Error):
                self._sql.close()
        self._sql = self._path = None
        self.earlier = ()


@contextmanager
def verifying(
    path: Path | None,
    question: str,
    *,
    believed_s: float = BELIEVED_S,
    seed: int | None = None,
    clock: Callable[[], float] = time.time,
) -> Iterator[Verifying]:
    """Open what earlier runs kept; who comes to an end closes it as ended, and else it is left.

    Args:
        path: see `Verifying`, as for all others.
        question: of which verification it is.
        believed_s: how old the end of an earlier run may be.
        seed: by which samples are drawn.
        clock: seconds since 1970.
    """
    one = Verifying(path, question, believed_s=believed_s, seed=seed, clock=clock)
    try:
        yield one
    finally:
        one.close(ended=False)


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file, made if it is missing; what is damaged or of another version is made anew.

    Raises:
        sqlite3.DatabaseError: it cannot be made, or is in use.
        OSError: it is no file of this tool, or cannot be read.
    """
    if path.exists() and mark_of(path) not in {None, APPLICATION_ID}:
        raise OSError("it is no file of this tool; remove it")
    try:
        return _prepared(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # in use, or the disk is full: making it anew would not help
        logs.warning("verifying.damaged", file=str(path), saw=str(error), doing="made anew")
    _remove(path)
    return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    sql = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        # A kill loses nothing that was written. What the power takes is asked again.
        sql.execute("PRAGMA synchronous = OFF")
        sql.execute("BEGIN IMMEDIATE")
        _make_schema(sql)
        sql.execute("COMMIT")
    except BaseException:
        sql.close()
        raise
    return sql


def _make_schema(sql: sqlite3.Connection) -> None:
    version = sql.execute("PRAGMA user_version").fetchall()[0][0]
    if version not in {0, VERSION}:
        raise sqlite3.DatabaseError(f"version {version}, this tool knows {VERSION}")
    if version == 0:
        sql.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        sql.execute(f"PRAGMA user_version = {VERSION}")
        for statement in _SCHEMA.split(";\n"):
            sql.execute(statement)
    sql.execute("SELECT count(*) FROM part").fetchall()  # shows whether it can be read


def _remove(path: Path) -> None:
    for suffix in ("", "-journal"):
        with suppress(OSError):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def _key(level: str, subject: str) -> bytes:
    return _hash(f"{level} {subject}")


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
