"""Making, opening and locking a migration file."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import (
    FILE_IN_USE,
    FILE_LOCKED,
    FILE_MISSING,
    LEDGER_FOREIGN,
    NOT_A_MIGRATION,
    NOT_WRITABLE,
    SCHEMA_UNKNOWN,
    MigrateError,
)
from gcr_migrate.state.frozen import BUSY, Draft, disk_trouble
from gcr_migrate.state.migration import Migration
from gcr_migrate.state.replacing import synced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.errors import Problem

APPLICATION_ID: Final = 0x67637232  # "gcr2"; what `file` and SQLite tools show
SCHEMA_VERSION: Final = 1
BUSY_S: Final = 30  # that a statement waits for another process
_LOCK_TRIES: Final = 100
_UNTOLD: Final = (OSError, ValueError, KeyError, TypeError)  # no lock, or none of ours
_UNWRITABLE: Final = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR_SHM")


@contextmanager
def create_draft(path: Path) -> Iterator[Draft]:
    """Write a plan beside `path`, and move it there when it is sealed and nothing failed.

    Raises:
        MigrateError: FILE_IN_USE if a run was started from the file that is there; LEDGER_FOREIGN
            if only the end of a ledger is; FILE_LOCKED; NOT_A_MIGRATION if it is something else;
            NOT_WRITABLE if the folder cannot be written to; DISK_FULL.
    """
    _check_replaceable(path)
    with beside(path) as temporary:
        with closing(sqlite3.connect(temporary)) as connection:
            _prepare(connection)
            draft = Draft(connection)
            yield draft
            if draft.sealed:
                # Readers and the ledger's writer do not wait for each other this way.
                connection.execute("PRAGMA journal_mode = WAL")
        if draft.sealed:
            _move(temporary, path)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Make a file beside `path` for a draft; what is left of it in the end is removed.

    Raises:
        MigrateError: NOT_WRITABLE if the folder cannot be written to; DISK_FULL.
    """
    try:
        handle, name = tempfile.mkstemp(".draft", f"{path.name}.", path.parent)
    except OSError as error:
        raise MigrateError(NOT_WRITABLE, subject=str(path), saw=error.strerror or "") from error
    os.close(handle)
    try:
        yield Path(name)
    except sqlite3.OperationalError as error:
        raise disk_trouble(str(path), error) from error
    except OSError as error:
        if error.filename not in {name, str(path)}:
            raise  # not ours: from what was done while the draft was open
        raise disk_trouble(str(path), error) from error
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(name + suffix).unlink(missing_ok=True)


@contextmanager
def open_migration(path: Path) -> Iterator[Migration]:
    """Open a sealed plan and its ledger for reading.

    Raises:
        MigrateError: FILE_MISSING, NOT_A_MIGRATION, SCHEMA_UNKNOWN, DISK_FULL, FILE_BUSY.
    """
    with closing(_open(path)) as connection, _trouble_told(path):
        rows = connection.execute("SELECT 1 FROM meta WHERE key = 'digest'").fetchall()
        if not rows:
            raise MigrateError(NOT_A_MIGRATION, subject=str(path), saw="its plan is not sealed")
        yield _read(path, connection)


def _read(path: Path, connection: sqlite3.Connection) -> Migration:
    """Return the plan in a file; raise NOT_A_MIGRATION for one that says no sense of itself."""
    try:
        return Migration(path, connection)
    except (KeyError, ValueError, TypeError) as error:
        saw = f"what it says about itself: {type(error).__name__}: {error}"
        raise MigrateError(NOT_A_MIGRATION, subject=str(path), saw=saw) from error


@contextmanager
def _trouble_told(path: Path) -> Iterator[None]:
    """Raise a MigrateError for what SQLite says of a file while the block runs: see `_open`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if _is_damage(error):
            raise MigrateError(NOT_A_MIGRATION, subject=str(path), saw=str(error)) from error
        raise disk_trouble(str(path), error) from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise  # a statement of ours was wrong; that is a defect
        raise MigrateError(NOT_A_MIGRATION, subject=str(path), saw=str(error)) from error


def _is_damage(error: sqlite3.OperationalError) -> bool:
    """Whether SQLite does not understand a file that it can read.

    A column is not there by its name, or a text is none; the latter is found without a code.
    """
    return getattr(error, "sqlite_errorname", "SQLITE_ERROR") == "SQLITE_ERROR"


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Keep other processes from working on this file meanwhile, by whatever link they name it.

    Raises:
        MigrateError: FILE_LOCKED, with who holds it; LEDGER_FOREIGN; DISK_FULL.
    """
    lock_path = _lock_of(path)
    handle = _locked_handle(lock_path, path)
    try:
        _check_ledger(path)
    except BaseException:
        os.close(handle)  # the lock file stays: it tells whose ledger lies there
        raise
    try:
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "plan": _sealed_digest(path),
            "made": _said(path, "created_at"),
        }
        try:
            os.truncate(handle, 0)
            os.write(handle, json.dumps(holder).encode())
        except OSError as error:
            raise disk_trouble(str(path), error) from error
        yield
    finally:
        if not _log(path):  # else it tells whose ledger lies there, as after a kill
            lock_path.unlink(missing_ok=True)  # before it is let go: nobody's else can be hit
        os.close(handle)


def is_in_hand(path: Path) -> bool:
    """Whether a process works on this file, as far as its lock tells; nothing is locked for that.

    What a process left behind that was killed counts for nothing. Whether one of another machine
    is alive cannot be seen from here: it is believed.
    """
    try:
        held = _held(_lock_of(path))
        pid, host = int(held["pid"]), held["host"]
    except _UNTOLD:
        return False
    if host != socket.gethostname():
        return True
    if pid == os.getpid():  # of an earlier life of a container, in which numbers come again
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _lock_of(path: Path) -> Path:
    return Path(f"{os.path.realpath(path)}.lock")


def _held(lock_path: Path) -> Any:
    """Return what a lock tells of its holder; raises one of `_UNTOLD` if it cannot be read."""
    return json.loads(lock_path.read_text(encoding="utf-8"))


def _check_ledger(path: Path) -> None:
    """Refuse a file beside which lies the end of another plan's ledger.

    SQLite would take it for that of whatever file has the name. Whose it is tells the lock that
    the run which was cut off left behind.

    Raises:
        MigrateError: LEDGER_FOREIGN.
    """
    if not _log(path):
        return
    try:
        held = _held(_lock_of(path))
        theirs, made = held["plan"], held.get("made")
    except _UNTOLD:
        return
    ours = _sealed_digest(path)
    # The same plan made anew is another file.
    now = _said(path, "created_at")
    is_other = theirs != ours or (made and now and made != now)
    if theirs and ours and is_other:
        raise MigrateError(LEDGER_FOREIGN, subject=str(path), saw=f"it is of {theirs}")


def _log(path: Path) -> int:
    """Return how many bytes lie beside a file that SQLite has not put into it."""
    try:
        return Path(f"{os.path.realpath(path)}-wal").stat().st_size
    except OSError:
        return 0


def _sealed_digest(path: Path) -> str | None:
    """Return the digest of the plan in a file, whatever lies beside it; None if there is none."""
    return _said(path, "digest")


def _said(path: Path, key: str) -> str | None:
    """Return what a file says about itself, whatever lies beside it; None if it does not."""
    try:
        with closing(_opened(_by_itself(path))) as connection:
            rows = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchall()
    except sqlite3.Error:
        return None
    return str(rows[0][0]) if rows else None


def _locked_handle(lock_path: Path, path: Path) -> int:
    for _ in range(_LOCK_TRIES):
        try:
            handle = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise MigrateError(NOT_WRITABLE, subject=str(path), saw=error.strerror or "") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise MigrateError(FILE_LOCKED, subject=str(path), saw=_holder(lock_path)) from error
        # The holder before may have unlinked what was opened here; then the lock guards nothing.
        if lock_path.exists() and lock_path.stat().st_ino == os.fstat(handle).st_ino:
            return handle
        os.close(handle)
    saw = "others take and leave it all the time, or this file system loses locks"
    raise MigrateError(FILE_LOCKED, subject=str(path), saw=saw)


def _holder(lock_path: Path) -> str:
    try:
        held = _held(lock_path)
        return f"process {held['pid']} on {held['host']} since {held['since']}"
    except _UNTOLD:
        return "a process that has just begun or ended"


def _prepare(connection: sqlite3.Connection) -> None:
    # A draft that is not finished is thrown away, so it needs no protection against a crash.
    connection.execute("PRAGMA journal_mode = MEMORY")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    schema = resources.files("gcr_migrate.state").joinpath("schema", f"{SCHEMA_VERSION:04}.sql")
    connection.executescript(schema.read_text(encoding="utf-8"))


def _move(temporary: Path, path: Path) -> None:
    synced(temporary)
    with lock(path):  # a run that has just opened the file must not get another plan
        _check_replaceable(path)  # again: planning takes long enough for a run to begin
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)  # of the file that goes away
        temporary.replace(path)


def _check_replaceable(path: Path) -> None:
    if not path.exists():
        if kept := _log(path):
            saw = f"{kept} bytes, and no file of that name"
            raise MigrateError(LEDGER_FOREIGN, subject=str(path), saw=saw)
        return
    with closing(_open(path)) as connection, _trouble_told(path):
        runs = connection.execute("SELECT count(*), max(started_at) FROM run").fetchall()
        if runs[0][0]:
            saw = f"{runs[0][0]} runs, the last one of {runs[0][1]}"
            raise MigrateError(FILE_IN_USE, subject=str(path), saw=saw)


def _open(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        saw = "a folder" if path.is_dir() else "no such file"
        raise MigrateError(FILE_MISSING, subject=str(path), saw=saw)
    _check_ledger(path)
    try:
        connection = connect(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith(("SQLITE_IOERR", "SQLITE_FULL", *BUSY)):
            raise disk_trouble(str(path), error) from error
        problem = NOT_A_MIGRATION if _is_damage(error) else FILE_MISSING
        raise MigrateError(problem, subject=str(path), saw=str(error)) from error
    except sqlite3.DatabaseError as error:
        raise MigrateError(NOT_A_MIGRATION, subject=str(path), saw=str(error)) from error
    try:
        check_kind(path, connection, APPLICATION_ID, SCHEMA_VERSION, NOT_A_MIGRATION)
    except BaseException:
        connection.close()
        raise
    return connection


def check_kind(
    path: Path,
    connection: sqlite3.Connection,
    mark: int,
    version: int,
    foreign: Problem,
    *,
    oldest: int | None = None,
) -> None:
    """Check what a file is.

    Args:
        path: where it lies.
        connection: to it.
        mark: its application id.
        version: of its schema.
        foreign: what it means that another program made it.
        oldest: version of the oldest schema that can be read; None: only `version` can.

    Raises:
        MigrateError: `foreign`; SCHEMA_UNKNOWN.
    """
    application = connection.execute("PRAGMA application_id").fetchall()[0][0]
    has = connection.execute("PRAGMA user_version").fetchall()[0][0]
    if application != mark:
        raise MigrateError(foreign, subject=str(path), saw="made by another program")
    if not (version if oldest is None else oldest) <= has <= version:
        saw = f"version {has}, this tool knows {version}"
        raise MigrateError(SCHEMA_UNKNOWN, subject=str(path), saw=saw)


def mark_of(path: Path) -> int | None:
    """Return the application id in a file's header; None if the file is empty."""
    with path.open("rb") as file:
        header = file.read(100)
    return int.from_bytes(header[68:72], "big") if header else None


def connect(path: Path) -> sqlite3.Connection:
    """Open the database as every user of a sealed file does.

    Where nothing can be written, as in a volume that a scheduler lays down or on a full disk,
    SQLite cannot make the files beside it that it reads such a database by. A file with nothing in
    those is whole.
    """
    try:
        return _opened(str(path))
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith(_UNWRITABLE) or not path.is_file() or _log(path):
            raise
    return _opened(_by_itself(path))


def _by_itself(path: Path) -> str:
    """Return the address of a file for SQLite to read it, if it is there, and nothing beside it."""
    return f"{path.absolute().as_uri()}?immutable=1&mode=ro"


def _opened(place: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        place,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_S,
        cached_statements=256,
        uri=place.startswith("file:///"),
    )
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except UnicodeDecodeError as error:  # what SQLite says of a damaged schema quotes its bytes
        connection.close()
        raise sqlite3.DatabaseError(error.object.decode("utf-8", "replace")) from error
    except sqlite3.Error:
        connection.close()
        raise
    return connection
