"""Recording what happens to a plan's items, and adding it up.

What happens in one round of the loop is committed at once. A commit only appends to a file that
the system keeps in memory; what waits for the disk, moving it to its place, is left to a thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gcr_migrate.model.steps import NEXT, Event, Kind, State
from gcr_migrate.state.file import connect
from gcr_migrate.state.frozen import disk_trouble
from gcr_migrate.state.items import STATE_BY_LAST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.state.migration import Migration

_CHECKPOINT_COMMITS: Final = 1000  # each adds a few pages to what a reader has to look through
# Two manifests may need one blob, and the second may ask before it sees the first one's success.
# That moves nothing out of its place, so it is no new fact either.
_REPEATS: Final = frozenset({Event.STARTED, Event.CONFIRMED})


@dataclass(frozen=True, slots=True)
class _Entry:
    row: tuple[int, str, int, str, str, str, str, int, str]  # as the columns of `event`
    done: asyncio.Future[None]


class Ledger:
    """The append-only record of runs and events of one migration file.

    Args:
        migration: the file, open; who records holds its lock.
    """

    def __init__(self, migration: Migration) -> None:
        self._path = migration.path
        self._name = str(migration.path)
        self._sql = connect(migration.path)
        self._sql.execute("PRAGMA wal_autocheckpoint = 0")
        self._gathered: list[_Entry] = []
        self._commits = 0
        self._checkpoint: threading.Thread | None = None
        self._run = 0
        self._trouble: Exception | None = None

    def start_run(self) -> int:
        """Begin a run, to which all following events belong, and return its number."""
        sql = "INSERT INTO run (started_at) VALUES (?)"
        self._run = self._write(sql, _now())
        return self._run

    def end_run(self, outcome: str) -> None:
        """Note when and how the run ended, after all that is queued."""
        self._write_down()
        sql = "UPDATE run SET ended_at = ?, outcome = ? WHERE id = ?"
        self._write(sql, _now(), outcome, self._run)

    def record(  # one row of the ledger
        self,
        kind: Kind,
        item_id: int,
        event: Event,
        *,
        how: str = "",
        code: str = "",
        saw: str = "",
        size_bytes: int = 0,
    ) -> asyncio.Future[None]:
        """Hand an event to the writer.

        Args:
            kind: what the item is.
            item_id: which one.
            event: what happened.
            how: for CONFIRMED: `uploaded`, `mounted`, `present`, `created`, `set`; for STARTED
                the name of the service's operation, where there is one.
            code: for GAVE_UP and SKIPPED: code of the problem.
            saw: what was seen; never a secret.
            size_bytes: bytes that moved.

        Returns:
            A future that is done when the event is in the file. It raises DISK_FULL if that failed,
            and ValueError if the event cannot follow on what the item has been through; to move
            again what is present is no error, and not recorded. Who does not wait for it gets the
            error from the next call, or from `close`.
        """
        if self._trouble:
            raise self._trouble
        if not self._run:
            raise RuntimeError("no run was started")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        row = (
            self._run,
            kind.value,
            item_id,
            event.value,
            how,
            code,
            saw,
            size_bytes,
            _now(),
        )
        if not self._gathered:  # committed once for all that happens meanwhile
            loop.call_soon(self._write_down)
        self._gathered.append(_Entry(row, done))
        return done

    def keep_policy(self, repository_id: int, resource: str, etag: str, raw: str) -> None:
        """Keep an access policy word by word before it is changed; it is in the file on return.

        Raises:
            MigrateError: DISK_FULL.
        """
        sql = (
            "INSERT INTO previous_policy (run_id, repository_id, resource, etag, raw, at)"
            " VALUES (?, ?, ?, ?, ?, ?)"
        )
        self._write(sql, self._run, repository_id, resource, etag, raw, _now())

    def keep_settings(self, repository_id: int, raw: str) -> None:
        """Keep a repository word by word before it is changed; it is in the file on return.

        Raises:
            MigrateError: DISK_FULL.
        """
        sql = "INSERT INTO previous_settings (run_id, repository_id, raw, at) VALUES (?, ?, ?, ?)"
        self._write(sql, self._run, repository_id, raw, _now())

    def note_traffic(self, requests: int, refused: int, retried: int) -> None:
        """Note how much a run asked since this was noted last.

        The table came later than the file's schema, and is made when it is needed first.

        Args:
            requests: sent and answered.
            refused: those of them that a quota refused.
            retried: those that were sent once more.

        Raises:
            MigrateError: DISK_FULL.
        """
        self._write(
            "CREATE TABLE IF NOT EXISTS run_traffic (id INTEGER PRIMARY KEY, run_id INTEGER NOT"
            " NULL, at TEXT NOT NULL, requests INTEGER NOT NULL, refused INTEGER NOT NULL,"
            " retried INTEGER NOT NULL) STRICT"
        )
        sql = (
            "INSERT INTO run_traffic (run_id, at, requests, refused, retried)"
            " VALUES (?, ?, ?, ?, ?)"
        )
        self._write(sql, self._run, _now(), requests, refused, retried)

    def settle(self) -> None:
        """Write down all that was recorded, so that it can be read in the file."""
        self._write_down()

    async def close(self) -> None:
        """Write down what was recorded and close the file; raise what went wrong, if anything."""
        self._write_down()
        if self._checkpoint is not None:
            await asyncio.to_thread(self._checkpoint.join)
        self._sql.close()
        if self._trouble:
            raise self._trouble

    def _write(self, sql: str, *values: object) -> int:
        try:
            return self._sql.execute(sql, values).lastrowid or 0
        except sqlite3.OperationalError as error:
            raise disk_trouble(self._name, error) from error

    def _write_down(self) -> None:
        entries, self._gathered = self._gathered, []
        if not entries:
            return
        results = self._commit(entries)
        self._trouble = self._trouble or next(filter(None, results), None)
        for entry, error in zip(entries, results, strict=True):
            _resolve(entry.done, error)
        self._commits += 1
        if self._commits % _CHECKPOINT_COMMITS == 0:
            self._tidy_up()

    def _tidy_up(self) -> None:
        """Have what was appended moved to its place, where reading it is quick."""
        if self._checkpoint is None or not self._checkpoint.is_alive():
            self._checkpoint = threading.Thread(
                target=_checkpoint, args=[self._path], name="checkpoint", daemon=True
            )
            self._checkpoint.start()

    def _commit(self, entries: list[_Entry]) -> list[Exception | None]:
        """Write a batch; give the error of each entry that was not written."""
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                results = [self._append(entry) for entry in entries]
                self._sql.execute("COMMIT")
            finally:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
        except (sqlite3.Error, ValueError, OverflowError) as error:
            # Values that cannot be stored count too: those who wait are never left without answer.
            return [disk_trouble(self._name, error) for _ in entries]
        return results

    def _append(self, entry: _Entry) -> Exception | None:
        _, kind, item_id, event, *_ = entry.row
        last = self._sql.execute(
            "SELECT event FROM event WHERE kind = ? AND item_id = ? ORDER BY id DESC LIMIT 1",
            (kind, item_id),
        ).fetchall()
        state = STATE_BY_LAST[last[0][0]] if last else State.PLANNED
        if state is State.PRESENT and event in _REPEATS:
            return None
        if (state, Event(event)) not in NEXT:
            return ValueError(f"{kind} {item_id} is {state}: {event} cannot follow")
        self._sql.execute(
            "INSERT INTO event (run_id, kind, item_id, event, how, code, saw, size_bytes, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            entry.row,
        )
        return None


def _checkpoint(path: Path) -> None:
    """Move what was appended to its place; where that fails, it stays where it is as good."""
    with suppress(sqlite3.Error), closing(connect(path)) as sql:
        sql.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _resolve(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return  # whoever waited was cancelled
    if error:
        done.set_exception(error)
        done.exception()  # counts as seen: `close` raises it too
    else:
        done.set_result(None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(slots=True)
class KindTally:
    """How far the items of one kind are.

    Attributes:
        planned: all of them.
        done: the ledger says that the target has them.
        skipped: nothing was to be done; `reasons` says why.
        failed: given up, until a later run.
        pending: not decided yet, those under way included.
        reasons: number of skipped ones by reason: `already-there`, `kept`, or a code.
    """

    planned: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    pending: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that was given up, with its full target name."""

    kind: Kind
    subject: str
    code: str
    saw: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run; `ended_at` is None while it goes on, or if it was killed."""

    id: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What the ledger adds up to."""

    kinds: dict[Kind, KindTally]
    bytes_transferred: int
    bytes_mounted: int
    bytes_already_there: int
    runs: list[Run]
    _migration: Migration = field(repr=False)

    def failures(self) -> Iterator[Failure]:
        """Go through the items that are given up at the moment, oldest first."""
        for id_, kind, item_id, code, saw in self._migration.paged(_FAILURES):
            del id_
            yield Failure(Kind(kind), subject_of(self._migration, Kind(kind), item_id), code, saw)


# Per kind: items by last event, by whether there was anything to do, and by the code of a skip.
_STANDING: Final = {
    Kind.REPOSITORY: ("repository_item", "present"),
    Kind.GRANT: ("grant_item", "present"),
    Kind.BLOB: ("blob_state", "present"),
    Kind.MANIFEST: ("manifest_state", "present"),
    Kind.TAG: ("tag_item", "CASE action WHEN 'present' THEN 1 WHEN 'keep' THEN 2 ELSE 0 END"),
    Kind.SETTING: ("setting_item", "present"),
}
_REASONS: Final = ("", "already-there", "kept")
_BYTES: Final = """
SELECT e.how, sum(CASE WHEN e.size_bytes > 0 THEN e.size_bytes ELSE max(b.size_bytes, 0) END)
FROM event e JOIN planned_blob p ON p.id = e.item_id JOIN blob b ON b.id = p.blob_id
WHERE e.kind = 'blob' AND e.event = 'confirmed' GROUP BY e.how
"""
_BYTES_HAD: Final = """
SELECT coalesce(sum(max(b.size_bytes, 0)), 0) FROM planned_blob p JOIN blob b ON b.id = p.blob_id
WHERE p.present AND (SELECT e.event FROM event e WHERE e.kind = 'blob' AND e.item_id = p.id
    ORDER BY e.id DESC LIMIT 1) IS NOT 'confirmed'
"""
_FAILURES: Final = """
SELECT e.id, e.kind, e.item_id, e.code, e.saw FROM event e
WHERE e.id > ? AND e.event = 'gave-up' AND NOT EXISTS (SELECT 1 FROM event later
    WHERE later.kind = e.kind AND later.item_id = e.item_id AND later.id > e.id)
ORDER BY e.id LIMIT ?
"""
_SUBJECT: Final = {
    Kind.REPOSITORY: "SELECT shown FROM repository_item WHERE id = ?",
    Kind.GRANT: "SELECT shown FROM grant_item WHERE id = ?",
    Kind.BLOB: "SELECT n.shown || '@' || b.digest FROM planned_blob p"
    " JOIN blob b ON b.id = p.blob_id JOIN image_name n ON n.id = p.image_id WHERE p.id = ?",
    Kind.MANIFEST: "SELECT n.shown || '@' || m.digest FROM planned_manifest p"
    " JOIN manifest m ON m.id = p.manifest_id JOIN image_name n ON n.id = p.image_id"
    " WHERE p.id = ?",
    Kind.TAG: "SELECT n.shown || ':' || p.tag FROM planned_tag p"
    " JOIN image_name n ON n.id = p.image_id WHERE p.id = ?",
    Kind.SETTING: "SELECT shown FROM setting_item WHERE id = ?",
}


def subject_of(migration: Migration, kind: Kind, item_id: int) -> str:
    """Return the full target name of an item."""
    return str(migration.rows(_SUBJECT[kind], item_id)[0][0])


def tally(migration: Migration) -> Tally:
    """Add up the ledger; what the target had at planning counts as skipped."""
    moved = dict(migration.rows(_BYTES))
    return Tally(
        kinds={kind: _kind_tally(migration, kind) for kind in Kind},
        bytes_transferred=moved.get("uploaded", 0),
        bytes_mounted=moved.get("mounted", 0),
        bytes_already_there=moved.get("present", 0) + migration.rows(_BYTES_HAD)[0][0],
        runs=[
            Run(
                row[0],
                datetime.fromisoformat(row[1]),
                datetime.fromisoformat(row[2]) if row[2] else None,
                row[3],
            )
            for row in migration.rows("SELECT id, started_at, ended_at, outcome FROM run")
        ],
        _migration=migration,
    )


def _kind_tally(migration: Migration, kind: Kind) -> KindTally:
    view, nothing_to_do = _STANDING[kind]
    sql = (
        f"SELECT last_event, {nothing_to_do} AS reason, CASE last_event WHEN 'skipped' THEN"  # noqa: S608  # constants only
        f" (SELECT e.code FROM event e WHERE e.kind = '{kind.value}' AND e.item_id = i.id"
        f" ORDER BY e.id DESC LIMIT 1) END AS code, count(*) FROM {view} i GROUP BY 1, 2, 3"
    )
    found = KindTally()
    for last, reason, code, number in migration.rows(sql):
        state = STATE_BY_LAST[last] if last else State.PLANNED
        found.planned += number
        if state is State.PRESENT:
            found.done += number
        elif state is State.FAILED:
            found.failed += number
        elif state is State.SKIPPED or reason:
            why = code or _REASONS[reason] or "skipped"
            found.skipped += number
            found.reasons[why] = found.reasons.get(why, 0) + number
        else:
            found.pending += number
    return found
