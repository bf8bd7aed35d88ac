"""Another program keeps SQLite's lock on a file: it is told as that, and nothing is lost by it."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from gcr_migrate import errors
from gcr_migrate.cli.main import outcome
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Event
from gcr_migrate.state import file
from gcr_migrate.state.frozen import BUSY, disk_trouble
from gcr_migrate.state.rescued import read_rescue
from tests.fault_stage import Stage, staged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A sandbox with a plan, and the tool, which does not wait for long."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(file, "BUSY_S", 0.2)
    with staged(tmp_path / "stage") as one:
        assert one.command("plan").exit == 0
        yield one


@contextmanager
def held(path: Path, *, alone: bool = False) -> Iterator[None]:
    """Keep others from writing to a file, or from reading it too, while the block runs."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as sql:
        if alone:
            sql.execute("PRAGMA locking_mode = EXCLUSIVE")
        sql.execute("BEGIN IMMEDIATE")
        if alone:
            sql.execute("CREATE TABLE not_kept (x)")
        yield
        sql.execute("ROLLBACK")


@pytest.mark.slow
def test_a_run_that_cannot_begin_says_who_is_in_its_way(stage: Stage) -> None:
    """It is no full disk, and the same command does it all when the file is free again."""
    with held(stage.home / "m"):
        told = stage.command("apply")
    assert (told.exit, told.facts["code"]) == (4, "file-busy"), told
    assert "locked" in told.facts["saw"]
    assert "room" not in told.facts["remedy"]
    assert stage.command("apply").exit == 0


@pytest.mark.slow
def test_a_run_that_is_kept_from_its_ledger_ends_and_goes_on_later(stage: Stage) -> None:
    """No item of it fails of that, though one was in flight; nothing is sent a second time."""
    stage.fault({"method": "PUT", "path": "digest=|/blobs/uploads/|uploads", "delay_s": 0.4})
    ends = threading.Event()

    def hold() -> None:
        while not any(one.method == "PUT" for one in stage.box.log.entries):
            time.sleep(0.01)
        with held(stage.home / "m"):
            ends.wait(60)

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        told = stage.command("apply")
    finally:
        ends.set()
        holding.join()
    assert (told.exit, told.facts["code"]) == (4, "file-busy"), told
    stage.calm()
    with closing(sqlite3.connect(stage.home / "m")) as sql:
        events = [one for (one,) in sql.execute("SELECT event FROM event")]
    assert events
    assert str(Event.GAVE_UP) not in events
    assert stage.command("apply").facts["outcome"] == "complete"
    assert stage.command("verify").exit == 0


@pytest.mark.parametrize("command", ["status", "show", "apply"])
def test_a_file_that_nobody_else_may_read_is_not_told_as_missing(
    stage: Stage, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Whoever has it for itself alone is in the way of those that only read, too."""
    with held(stage.home / "m", alone=True):
        assert outcome([command, str(stage.home / "m")]) == 4
    assert "error[file-busy]" in capsys.readouterr().err


def test_the_file_of_a_rescue_is_told_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept in the same way."""
    monkeypatch.setattr(file, "BUSY_S", 0.1)
    path = tmp_path / "r.rescue"
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("PRAGMA journal_mode = WAL")
    with held(path, alone=True), pytest.raises(MigrateError) as caught, read_rescue(path):
        pass
    assert caught.value.problem is errors.FILE_BUSY


@pytest.mark.parametrize("name", [*BUSY, "SQLITE_BUSY_SNAPSHOT", "SQLITE_BUSY_RECOVERY"])
def test_all_that_a_lock_of_another_leads_to_is_one_problem(name: str) -> None:
    """And what a disk leads to is another one."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorname = name
    assert disk_trouble("m", error).problem is errors.FILE_BUSY
    error.sqlite_errorname = "SQLITE_FULL"
    assert disk_trouble("m", error).problem is errors.DISK_FULL
    assert {errors.FILE_BUSY, errors.DISK_FULL} <= errors.FILE_TROUBLES
