"""The file of a rescue: what Google's server-side copy answered, so that a run can go on.

Replies are the only inventory of the source that there is. They are kept word by word, each on the
disk before anything is concluded from it, and the next run concludes the same from them.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import FILE_MISSING, NOT_A_RESCUE, MigrateError, named
from gcr_migrate.model.copying import CopyReply
from gcr_migrate.state.file import beside, check_kind, connect, lock
from gcr_migrate.state.frozen import BUSY, disk_trouble
from gcr_migrate.state.replacing import synced
from gcr_migrate.state.rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

APPLICATION_ID: Final = 0x67637272  # "gcrr"
VERSION: Final = 1
_TROUBLES: Final = ("SQLITE_FULL", "SQLITE_IOERR", *BUSY)


class RescueTarget(Struct, frozen=True):
    """One target of a rescue.

    Attributes:
        host: the gcr.io host whose images it gets.
        resource: the repository, `projects/P/locations/L/repositories/R`.
    """

    host: str
    resource: str


class KeptReply(Struct, frozen=True):
    """A reply, and what was asked.

    Attributes:
        run: number of the run.
        filters: which part that run asked for.
        target: number of the target.
        path: the name below it.
        versions: so many of the newest versions; None for all.
        page: what led to the page; empty for the first.
        reply: what came back.
    """

    run: int
    filters: str
    target: int
    path: str
    versions: int | None
    page: str
    reply: CopyReply


class RescueFile:
    """The file of one rescue, open for its only user.

    Args:
        path: where it lies.
        connection: to it; closed by who opened it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._sql = connection
        self._run = 0

    @property
    def about(self) -> Mapping[str, str]:
        """What it is a rescue of, as `create_rescue` was told."""
        rows = self._sql.execute("SELECT value FROM meta WHERE key = 'about'").fetchall()
        return dict(json.loads(rows[0][0]))

    def targets(self) -> tuple[RescueTarget, ...]:
        """Return the targets by their numbers."""
        rows = self._sql.execute("SELECT host, resource FROM target ORDER BY id").fetchall()
        return tuple(RescueTarget(*row) for row in rows)

    @property
    def runs(self) -> int:
        """How many runs there were, the one that goes on included."""
        return int(self._sql.execute("SELECT count(*) FROM run").fetchall()[0][0])

    def start_run(self, filters: str) -> int:
        """Begin a run, to which all following replies belong, and return its number."""
        sql = "INSERT INTO run (started_at, filters) VALUES (?, ?)"
        self._run = self._sql.execute(sql, (_now(), filters)).lastrowid or 0
        return self._run

    def end_run(self, outcome: str) -> None:
        """Note when and how the run ended."""
        sql = "UPDATE run SET ended_at = ?, outcome = ? WHERE id = ?"
        self._sql.execute(sql, (_now(), outcome, self._run))

    def operation(self, target: int) -> str:
        """Return the operation by which an earlier run began to create a target; else empty."""
        sql = "SELECT operation FROM target WHERE id = ?"
        return str(self._sql.execute(sql, (target,)).fetchall()[0][0])

    def keep_operation(self, target: int, operation: str) -> None:
        """Note by which operation a target is being created."""
        self._sql.execute("UPDATE target SET operation = ? WHERE id = ?", (operation, target))

    def seen_before(self, target: int) -> bool:
        """Whether it is known what was in a target before."""
        sql = "SELECT seen_before FROM target WHERE id = ?"
        return bool(self._sql.execute(sql, (target,)).fetchall()[0][0])

    def keep_before(self, target: int, rows: Iterable[tuple[str, str]]) -> None:
        """Keep all that is in a target before anything is copied: image paths with digests."""
        with _whole(self._sql):
            self._sql.executemany(
                "INSERT OR IGNORE INTO before (target_id, path, digest) VALUES (?, ?, ?)",
                ((target, *row) for row in rows),
            )
            self._sql.execute("UPDATE target SET seen_before = 1 WHERE id = ?", (target,))

    def paths_before(self, target: int) -> frozenset[str]:
        """Return the names of a target that had manifests before."""
        sql = "SELECT DISTINCT path FROM before WHERE target_id = ?"
        return frozenset(row[0] for row in self._sql.execute(sql, (target,)))

    def before(self, target: int, path: str) -> frozenset[str]:
        """Return the digests of the manifests that a name of a target had before."""
        sql = "SELECT digest FROM before WHERE target_id = ? AND path = ?"
        return frozenset(row[0] for row in self._sql.execute(sql, (target, path)))

    def keep(
        self, target: int, path: str, versions: int | None, page: str, reply: CopyReply
    ) -> None:
        """Keep a reply; it is in the file on return."""
        code = reply.problem.code if reply.problem else ""
        self._sql.execute(
            "INSERT INTO reply (run_id, target_id, path, versions, page, status, body, code, saw,"
            " at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(self._run, target, path, versions, page, reply.status, reply.body),
                *(code, reply.saw, _now()),
            ),
        )

    def replies(self) -> Iterator[KeptReply]:
        """Go through all replies in the order in which they came."""
        sql = (
            "SELECT r.run_id, run.filters, r.target_id, r.path, r.versions, r.page, r.status,"
            " r.body, r.code, r.saw FROM reply r JOIN run ON run.id = r.run_id ORDER BY r.id"
        )
        for run, filters, target, path, versions, page, *came in self._sql.execute(sql):
            status, body, code, saw = came
            reply = CopyReply(status, body, named(code) if code else None, saw)
            yield KeptReply(run, filters, target, path, versions, page, reply)

    def answered(self) -> frozenset[int]:
        """Return the targets of which answers say what was done."""
        sql = "SELECT DISTINCT target_id FROM reply WHERE code = ''"
        return frozenset(row[0] for row in self._sql.execute(sql))

    def asked_for(self, filters: str) -> bool:
        """Whether any run for this part of the images has asked anything."""
        sql = "SELECT 1 FROM reply r JOIN run ON run.id = r.run_id WHERE run.filters = ? LIMIT 1"
        return bool(self._sql.execute(sql, (filters,)).fetchall())

    def newest_answers(self, target: int) -> Iterator[tuple[bytes, str]]:
        """Go through the bodies of all answers that say what was done, newest first, with times."""
        sql = "SELECT body, at FROM reply WHERE target_id = ? AND code = '' ORDER BY id DESC"
        yield from rows_of(self._sql.execute(sql, (target,)))

    def paths_answered(self, target: int) -> tuple[str, ...]:
        """Return the names of a target of which answers say what was done, in order."""
        sql = "SELECT DISTINCT path FROM reply WHERE target_id = ? AND code = '' ORDER BY path"
        return tuple(row[0] for row in self._sql.execute(sql, (target,)))

    def answers(self, target: int, path: str) -> Iterator[bytes]:
        """Go through the bodies of all answers about one name that say what was done."""
        sql = "SELECT body FROM reply WHERE target_id = ? AND path = ? AND code = '' ORDER BY id"
        for (body,) in self._sql.execute(sql, (target, path)):
            yield body


@contextmanager
def open_rescue(
    path: Path, about: Mapping[str, str], targets: Sequence[RescueTarget] | None
) -> Iterator[RescueFile]:
    """Open the file of a rescue and keep others from it; make it if there is none.

    Args:
        path: where it lies, or shall.
        about: what it is a rescue of; has to be the same for who goes on.
        targets: where images go to, for a new file. None: there is one.

    Raises:
        MigrateError: FILE_LOCKED, FILE_MISSING, NOT_A_RESCUE, SCHEMA_UNKNOWN, DISK_FULL.
    """
    with lock(path):
        if targets is not None and not path.exists():
            _create(path, about, targets)
        with _opened(path) as rescue:
            _check_about(rescue, about)
            if targets is not None and rescue.targets() != tuple(targets):
                raise MigrateError(NOT_A_RESCUE, subject=str(path), saw="it has other targets")
            yield rescue


def targets_of(path: Path, about: Mapping[str, str]) -> tuple[RescueTarget, ...] | None:
    """Return where an earlier run let images go; None if there was none.

    Args:
        path: where its file would lie.
        about: what it is a rescue of.

    Raises:
        MigrateError: as `open_rescue`.
    """
    if not path.exists():
        return None
    with _opened(path) as rescue:
        _check_about(rescue, about)
        return rescue.targets()


@contextmanager
def read_rescue(path: Path) -> Iterator[RescueFile]:
    """Open the file of a rescue, whatever it is a rescue of, to read what was answered.

    Raises:
        MigrateError: FILE_MISSING, NOT_A_RESCUE, SCHEMA_UNKNOWN.
    """
    with _opened(path) as rescue:
        yield rescue


def _check_about(rescue: RescueFile, about: Mapping[str, str]) -> None:
    if rescue.about != about:
        told = ", ".join(f"{key} {value}" for key, value in rescue.about.items() if value)
        raise MigrateError(NOT_A_RESCUE, subject=str(rescue.path), saw=f"it is of {told}")


@contextmanager
def _opened(path: Path) -> Iterator[RescueFile]:
    if not path.is_file():
        saw = "a folder" if path.is_dir() else "no such file"
        raise MigrateError(FILE_MISSING, subject=str(path), saw=saw)
    try:
        with closing(connect(path)) as connection:
            check_kind(path, connection, APPLICATION_ID, VERSION, NOT_A_RESCUE)
            yield RescueFile(path, connection)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "").startswith(_TROUBLES):  # a text that is none
            raise disk_trouble(str(path), error) from error
        raise MigrateError(FILE_MISSING, subject=str(path), saw=str(error)) from error
    except sqlite3.DatabaseError as error:
        raise MigrateError(NOT_A_RESCUE, subject=str(path), saw=str(error)) from error


def _create(path: Path, about: Mapping[str, str], targets: Sequence[RescueTarget]) -> None:
    with beside(path) as temporary:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            schema = resources.files("gcr_migrate.state") / "schema" / f"rescue-{VERSION:04}.sql"
            connection.executescript(schema.read_text(encoding="utf-8"))
            with _whole(connection):
                text = json.dumps(dict(about))
                connection.execute("INSERT INTO meta (key, value) VALUES ('about', ?)", (text,))
                connection.executemany(
                    "INSERT INTO target (id, host, resource) VALUES (?, ?, ?)",
                    [(at, one.host, one.resource) for at, one in enumerate(targets)],
                )
            connection.execute("PRAGMA journal_mode = WAL")
        synced(temporary)
        temporary.replace(path)


@contextmanager
def _whole(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
