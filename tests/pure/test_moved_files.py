"""A migration file that is moved, linked or replaced: no run takes it for another one."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Event, Kind
from gcr_migrate.state.file import lock, open_migration
from gcr_migrate.state.ledger import Ledger, checkpoint
from tests.pure.test_ledger import write_plan

if TYPE_CHECKING:
    from collections.abc import Callable

_EVENTS = "SELECT count(*) FROM event"
_BESIDE = ("", "-wal", "-shm", ".lock")


async def _recorded(path: Path, meanwhile: Callable[[], object]) -> None:
    """Record an event in a file, and do something before it is closed."""
    with lock(path), open_migration(path) as migration:
        ledger = Ledger(migration)
        ledger.start_run()
        ledger.record(Kind.BLOB, 1, Event.STARTED)
        await ledger.written()
        meanwhile()
        await ledger.close()


def _cut_off(path: Path, kept: Path) -> None:
    """Leave in another folder what a run leaves that is killed after its first event."""

    def copy() -> None:
        for end in _BESIDE:
            shutil.copyfile(f"{path}{end}", f"{kept}{end}")

    asyncio.run(_recorded(path, copy))


@pytest.mark.parametrize("change", ["moved", "removed", "replaced"])
def test_a_run_whose_file_went_away_does_not_end_well(tmp_path: Path, change: str) -> None:
    """What it did would not be found under the name that it was given."""
    path, other = tmp_path / "a.migration", tmp_path / "b.migration"
    write_plan(path)
    write_plan(other, present=True)
    changes: dict[str, Callable[[], object]] = {
        "moved": lambda: path.rename(tmp_path / "c.migration"),
        "removed": path.unlink,
        "replaced": lambda: other.rename(path),
    }

    with pytest.raises(MigrateError) as caught:
        asyncio.run(_recorded(path, changes[change]))

    assert (caught.value.problem, caught.value.subject) == (errors.FILE_MOVED, str(path))


def test_a_file_that_is_moved_back_has_all_that_was_recorded(tmp_path: Path) -> None:
    """The error says to do so: nothing is lost."""
    path, away = tmp_path / "a.migration", tmp_path / "b.migration"
    write_plan(path)
    with pytest.raises(MigrateError):
        asyncio.run(_recorded(path, lambda: path.rename(away)))

    away.rename(path)

    with open_migration(path) as migration:
        assert migration.rows(_EVENTS) == [(1,)]


def test_nothing_more_is_recorded_in_a_file_that_went_away(tmp_path: Path) -> None:
    """A long run ends soon, and not after all its work."""
    path = tmp_path / "a.migration"
    write_plan(path)

    def meanwhile() -> None:
        path.unlink()
        ledger.note_traffic(1, 0, 0)
        ledger.record(Kind.BLOB, 2, Event.STARTED)

    with open_migration(path) as migration:
        ledger = Ledger(migration)
        ledger.start_run()
        with pytest.raises(MigrateError) as caught:
            meanwhile()
    assert caught.value.problem is errors.FILE_MOVED


@pytest.mark.parametrize("change", ["moved", "replaced"])
def test_what_was_recorded_stays_beside_a_file_that_went_away(tmp_path: Path, change: str) -> None:
    """It is neither thrown away with a new file of that name nor written into somebody else's."""
    path, other = tmp_path / "a.migration", tmp_path / "b.migration"
    write_plan(path)
    write_plan(other, present=True)
    found = path.stat()

    def meanwhile() -> None:
        path.rename(tmp_path / "away")
        if change == "replaced":
            other.rename(path)
        before = path.read_bytes() if path.exists() else None
        recorded = Path(f"{path}-wal").read_bytes()
        checkpoint(path, (found.st_dev, found.st_ino), lambda: None)
        assert (path.read_bytes() if path.exists() else None) == before
        assert Path(f"{path}-wal").read_bytes() == recorded

    with pytest.raises(MigrateError):
        asyncio.run(_recorded(path, meanwhile))


def test_a_plan_in_the_place_of_one_that_went_away_does_not_get_its_ledger(tmp_path: Path) -> None:
    """The run that found out had ended in order, and still it tells whose ledger lies there."""
    path, other = tmp_path / "a.migration", tmp_path / "b.migration"
    write_plan(path)
    write_plan(other, present=True)
    with pytest.raises(MigrateError):
        asyncio.run(_recorded(path, lambda: other.rename(path)))

    with pytest.raises(MigrateError) as caught, lock(path):
        pass

    assert caught.value.problem is errors.LEDGER_FOREIGN


def test_a_new_plan_does_not_throw_away_the_ledger_of_one_that_was_moved(tmp_path: Path) -> None:
    """Its end lies under the old name still; who moved the file may put it back beside that."""
    path, kept = tmp_path / "a.migration", tmp_path / "kept.migration"
    write_plan(path)
    _cut_off(path, kept)
    kept.rename(tmp_path / "away.migration")
    left = Path(f"{kept}-wal").read_bytes()

    with pytest.raises(MigrateError) as caught:
        write_plan(kept)

    assert caught.value.problem is errors.LEDGER_FOREIGN
    assert Path(f"{kept}-wal").read_bytes() == left
    assert not kept.exists()


def test_the_same_plan_made_anew_does_not_get_the_ledger_of_the_old_file(tmp_path: Path) -> None:
    """Its pages lie elsewhere: what is put over them would damage it."""
    path, kept = tmp_path / "a.migration", tmp_path / "kept.migration"
    write_plan(path)
    _cut_off(path, kept)
    path.unlink()
    write_plan(path)
    with closing(sqlite3.connect(path)) as sql, sql:
        sql.execute("DROP TRIGGER meta_frozen_update")
        later = "2026-11-30T00:00:00+00:00"
        sql.execute("UPDATE meta SET value = ? WHERE key = 'created_at'", (later,))
    shutil.copyfile(path, kept)

    with pytest.raises(MigrateError) as caught, lock(kept):
        pass

    assert caught.value.problem is errors.LEDGER_FOREIGN


def test_a_link_to_a_file_is_locked_with_it(tmp_path: Path) -> None:
    """Two runs by two names would send everything twice."""
    path, link = tmp_path / "a.migration", tmp_path / "link"
    write_plan(path)
    link.symlink_to(path)

    with lock(path), pytest.raises(MigrateError) as caught, lock(link):
        pass

    assert caught.value.problem is errors.FILE_LOCKED


@pytest.mark.parametrize("take", [open_migration, lock])
def test_a_plan_in_the_place_of_another_one_does_not_get_its_ledger(
    tmp_path: Path, take: Callable[[Path], object]
) -> None:
    """SQLite would put what a killed run left behind into whatever file has its name."""
    path, kept = tmp_path / "a.migration", tmp_path / "kept.migration"
    write_plan(path)
    _cut_off(path, kept)
    write_plan(tmp_path / "other.migration", present=True)
    shutil.copyfile(tmp_path / "other.migration", kept)
    before = {end: Path(f"{kept}{end}").read_bytes() for end in _BESIDE}

    with pytest.raises(MigrateError) as caught, take(kept):  # type: ignore[attr-defined]
        pass

    assert caught.value.problem is errors.LEDGER_FOREIGN
    assert {end: Path(f"{kept}{end}").read_bytes() for end in _BESIDE} == before


def test_what_a_killed_run_left_counts_for_its_own_plan(tmp_path: Path) -> None:
    """Also when the file was away meanwhile, and when another run goes on with it."""
    path, kept = tmp_path / "a.migration", tmp_path / "kept.migration"
    write_plan(path)
    _cut_off(path, kept)
    kept.rename(tmp_path / "away")
    (tmp_path / "away").rename(kept)

    with lock(kept), open_migration(kept) as migration:
        assert migration.rows(_EVENTS) == [(1,)]
