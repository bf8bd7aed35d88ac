"""Recording what happens to a plan's items.

What somebody waits for, and what went wrong, is committed with all else that happens in that round
of the loop; what goes well goes along with the next of these, or by itself a little later. A
commit only appends to a file that the system keeps in memory; what waits for the disk, moving it
to its place, is left to a thread. All but the last of it is moved before that file is written from
its start again.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import threading
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import FILE_MOVED, MigrateError
from gcr_migrate.model.steps import NEXT, Event, Kind, State
from gcr_migrate.state.file import BUSY_S, connect
from gcr_migrate.state.frozen import disk_trouble
from gcr_migrate.state.items import STATE_BY_LAST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gcr_migrate.model.far import HowFar
    from gcr_migrate.state.migration import Migration

_AT_LEISURE_S: Final = 0.05  # a run that is killed asks again what became of so much
# What else happens decides what others may do next, and is seldom.
_AT_LEISURE: Final = frozenset({Event.STARTED, Event.CONFIRMED, Event.SKIPPED})
_CHECKPOINT_COMMITS: Final = 1000  # each adds a few pages to what a reader has to look through
_APPENDED_AT_MOST: Final = 64 * 1024 * 1024  # bytes; then the file of them begins anew
# Two manifests may need one blob, and the second may ask before it sees the first one's success.
# That moves nothing out of its place, so it is no new fact either.
_REPEATS: Final = frozenset({Event.STARTED.value, Event.CONFIRMED.value})
_NEXT: Final = {(state, event.value): after for (state, event), after in NEXT.items()}
_Row = tuple[int, str, int, str, str, str, str, int]  # as the columns of `event`, without `at`
_Entry = tuple[_Row, "asyncio.Future[None] | None"]


class Ledger:
    """The append-only record of runs and events of one migration file.

    Args:
        migration: the file, open; who records holds its lock.

    Attributes:
        on_settled: is called when all that was recorded until then is in the file, or never will.
    """

    def __init__(self, migration: Migration) -> None:
        self._path = migration.path
        self._sql = connect(migration.path)
        self._place = _place(self._path)
        self._sql.execute("PRAGMA wal_autocheckpoint = 0")
        self._gathered: list[_Entry] = []
        self._later: asyncio.TimerHandle | None = None  # what writes these down at the latest
        self._is_soon = False
        self._under_way: set[tuple[str, int]] = set()  # what this run began and did not end
        self._commits = 0
        self._checkpoint: threading.Thread | None = None
        self._run = 0
        self._trouble: Exception | None = None
        self.on_settled: Callable[[], None] = _nothing

    def start_run(self) -> int:
        """Begin a run, to which all following events belong, and return its number."""
        sql = "INSERT INTO run (started_at) VALUES (?)"
        self._run = self._write(sql, _now())
        return self._run

    def end_run(self, outcome: str) -> None:
        """Note when and how the run ended, after all that is queued."""
        self.settle()
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
    ) -> None:
        """Write down an event, soon.

        What goes wrong is DISK_FULL, FILE_BUSY, or ValueError if the event cannot follow on what
        the item has been through; to move again what is present is no error, and not recorded. Who
        does not wait for it gets the error from the next call, or from `close`.

        Args:
            kind: what the item is.
            item_id: which one.
            event: what happened.
            how: for CONFIRMED: `uploaded`, `mounted`, `present`, `created`, `set`; for STARTED
                the name of the service's operation, where there is one.
            code: for GAVE_UP and SKIPPED: code of the problem.
            saw: what was seen; never a secret.
            size_bytes: bytes that moved.
        """
        if self._trouble:
            raise self._trouble
        if not self._run:
            raise RuntimeError("no run was started")
        row = (
            self._run,
            str(kind),
            item_id,
            str(event),
            how,
            code,
            saw,
            size_bytes,
        )
        self._gathered.append((row, None))
        if event not in _AT_LEISURE:
            self._settle_soon()
        elif self._later is None:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(_AT_LEISURE_S, self._settle_later)

    def written(self) -> asyncio.Future[None]:
        """Return when the event that was recorded just now will be in the file.

        Returns:
            A future that is done then, or raises why that will never be.
        """
        self._settle_soon()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        row, _ = self._gathered[-1]
        self._gathered[-1] = (row, done)
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
        self._look_after_it()

    def note_how_far(self, far: HowFar) -> None:
        """Note how far the run is, in place of what was noted before, for who looks at the file.

        As with `note_traffic`, the table is made when it is needed first.

        Raises:
            MigrateError: DISK_FULL.
        """
        self._write(
            "CREATE TABLE IF NOT EXISTS run_progress (run_id INTEGER PRIMARY KEY, at TEXT NOT NULL,"
            " bytes_done INTEGER NOT NULL, bytes_total INTEGER NOT NULL, bytes_per_s REAL NOT NULL,"
            " requests_per_s REAL NOT NULL, time_left_s REAL) STRICT"
        )
        self._write(
            "INSERT OR REPLACE INTO run_progress VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._run,
            _now(),
            far.bytes_done,
            far.bytes_total,
            far.bytes_per_s,
            far.requests_per_s,
            far.time_left_s,
        )

    async def close(self) -> None:
        """Write down what was recorded and close the file; raise what went wrong, if anything."""
        self.settle()
        self._look_after_it()
        if self._checkpoint is not None:
            await asyncio.to_thread(self._checkpoint.join)
            self.settle()  # what came meanwhile
        if self._later is not None:
            self._later.cancel()
        self._sql.close()
        if self._trouble:
            raise self._trouble

    def _look_after_it(self) -> None:
        """Let nothing more be recorded in a file that has another name now, or none."""
        if self._trouble is None and _place(self._path) != self._place:
            saw = "it was moved, removed or replaced"
            self._trouble = MigrateError(FILE_MOVED, subject=str(self._path), saw=saw)

    def _write(self, sql: str, *values: object) -> int:
        try:
            return self._sql.execute(sql, values).lastrowid or 0
        except sqlite3.OperationalError as error:
            raise disk_trouble(str(self._path), error) from error

    def settle(self) -> None:
        """Write down all that was recorded, so that it can be read in the file."""
        entries, self._gathered = self._gathered, []
        self._is_soon = False
        if not entries:
            return
        results = self._commit(entries)
        self._trouble = self._trouble or next(filter(None, results), None)
        for (_, done), error in zip(entries, results, strict=True):
            if done is not None:
                _resolve(done, error)
        self.on_settled()
        self._commits += 1
        if self._commits % _CHECKPOINT_COMMITS == 0:
            self._tidy_up()

    def _settle_soon(self) -> None:
        if not self._is_soon:  # once for all that happens meanwhile
            self._is_soon = True
            asyncio.get_running_loop().call_soon(self.settle)

    def _settle_later(self) -> None:
        self._later = None
        self.settle()

    def _tidy_up(self) -> None:
        """Have what was appended moved to its place, where reading it is quick."""
        if self._checkpoint is None or not self._checkpoint.is_alive():
            loop = asyncio.get_running_loop()
            then = functools.partial(loop.call_soon_threadsafe, self._begin_anew)
            self._checkpoint = threading.Thread(
                target=checkpoint,
                args=[self._path, self._place, then],
                name="checkpoint",
                daemon=True,
            )
            self._checkpoint.start()

    def _begin_anew(self) -> None:
        """Have the file of what was appended written from its start again.

        Nothing of it is needed any more but what came in the last moment. While a run goes on this
        never comes of itself: there is always something that was not moved yet.
        """
        with suppress(sqlite3.Error):  # closed; or somebody reads: then the next time
            self._sql.execute("PRAGMA busy_timeout = 0")
            try:
                self._sql.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            finally:
                self._sql.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")

    def _commit(self, entries: list[_Entry]) -> list[Exception | None]:
        """Write a batch; give the error of each entry that was not written."""
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                now = _now()
                results = [self._append(row, now) for row, _ in entries]
                self._sql.execute("COMMIT")
            finally:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
        except (sqlite3.Error, ValueError, OverflowError) as error:
            # Values that cannot be stored count too: those who wait are never left without answer.
            self._under_way.clear()
            return [disk_trouble(str(self._path), error) for _ in entries]
        return results

    def _append(self, row: _Row, now: str) -> Exception | None:
        _, kind, item_id, event, *_ = row
        key = (kind, item_id)
        state = State.MOVING if key in self._under_way else self._state(key)
        if state is State.PRESENT and event in _REPEATS:
            return None
        after = _NEXT.get((state, event))
        if after is None:
            return ValueError(f"{kind} {item_id} is {state}: {event} cannot follow")
        self._sql.execute(
            "INSERT INTO event (run_id, kind, item_id, event, how, code, saw, size_bytes, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, now),
        )
        if after is State.MOVING:
            self._under_way.add(key)
        else:
            self._under_way.discard(key)
        return None

    def _state(self, key: tuple[str, int]) -> State:
        last = self._sql.execute(
            "SELECT event FROM event WHERE kind = ? AND item_id = ? ORDER BY id DESC LIMIT 1", key
        ).fetchall()
        return STATE_BY_LAST[last[0][0]] if last else State.PLANNED


def checkpoint(path: Path, place: tuple[int, int] | None, then: Callable[[], object]) -> None:
    """Move what was appended to its place; where that fails, it stays where it is as good.

    Args:
        path: of the migration file.
        place: where it has to be still: in another file of that name it would be somebody else's,
            and beside a new one SQLite takes it for nobody's.
        then: is called where all of it was moved, and it is long.
    """
    if _place(path) != place:
        return
    with suppress(sqlite3.Error, RuntimeError), closing(connect(path)) as sql:
        _, pages, moved = sql.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()[0]
        page_bytes = sql.execute("PRAGMA page_size").fetchall()[0][0]
        # Else who reads for long would have had the rest moved while nothing else is done.
        if moved == pages and pages * page_bytes >= _APPENDED_AT_MOST:
            then()  # RuntimeError: the loop has ended


def _place(path: Path) -> tuple[int, int] | None:
    """Return what tells one file from another, None if nothing has that name."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _resolve(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return  # whoever waited was cancelled
    if error:
        done.set_exception(error)
        done.exception()  # counts as seen: `close` raises it too
    else:
        done.set_result(None)


def _nothing() -> None:
    """Nobody wants to know."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
