"""Files that are written as a whole: the old one stays until the new one is all there."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.cli.files import write_file, write_new, write_parts
from gcr_migrate.errors import DISK_FULL, MigrateError
from tests.processes import files_of_at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = "x" * 300_000  # more than any buffer takes
KILLED = """\
import os, signal, sys
from pathlib import Path
from gcr_migrate.cli.files import write_parts
def parts():
    yield "x" * 300_000
    os.kill(os.getpid(), signal.SIGKILL)
write_parts(Path(sys.argv[1]), parts())
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A good old page, alone in a folder."""
    path = tmp_path / "page.html"
    path.write_text("old")
    return path


def assert_as_it_was(page: Path) -> None:
    """Nothing but the old page is there."""
    assert page.read_text() == "old"
    assert [one.name for one in page.parent.iterdir()] == [page.name]


@pytest.mark.parametrize(
    "trouble", [KeyboardInterrupt(), MigrateError(DISK_FULL, subject="m"), ValueError("a defect")]
)
def test_what_stops_midway_leaves_the_old_file(page: Path, trouble: BaseException) -> None:
    """Ctrl-C, an error or a defect while a document is told: no part of it is left anywhere."""

    def parts() -> Iterator[str]:
        yield LONG
        raise trouble

    with pytest.raises(type(trouble)):
        write_parts(page, parts())
    assert_as_it_was(page)


def test_a_kill_midway_leaves_the_old_file(page: Path) -> None:
    """Nobody who reads the page sees that a writer died; what lies beside it is no page."""
    done = subprocess.run([sys.executable, "-c", KILLED, page], check=False)
    assert done.returncode == -signal.SIGKILL
    assert page.read_text() == "old"
    assert [one for one in page.parent.iterdir() if one.suffix == ".html"] == [page]


def test_a_full_disk_leaves_the_old_file(page: Path) -> None:
    """It is told that the new one could not be written."""
    with files_of_at_most(10_000), pytest.raises(MigrateError, match="not-writable"):
        write_parts(page, [LONG])
    with files_of_at_most(10_000), pytest.raises(MigrateError, match="not-writable"):
        write_file(page, LONG, runs=True)
    assert_as_it_was(page)


def test_a_new_file_that_finds_no_room_is_not_left_in_part(tmp_path: Path) -> None:
    """The next run would take a part of it for somebody's work, and leave it alone."""
    path = tmp_path / "spec.yaml"
    with files_of_at_most(10_000), pytest.raises(MigrateError, match="bad-usage"):
        write_new(path, LONG)
    assert not path.exists()
    assert write_new(path, LONG)
    assert not write_new(path, "other")
    assert path.read_text() == LONG


def test_a_file_keeps_its_mode_and_a_link_its_way(tmp_path: Path, page: Path) -> None:
    """Whoever could read the old page can read the new one, and nobody else."""
    page.chmod(0o640)
    link = tmp_path / "folder" / "latest.html"
    link.parent.mkdir()
    link.symlink_to(page)
    write_parts(link, ["new"])
    assert (link.is_symlink(), page.read_text()) == (True, "new")
    assert stat.S_IMODE(page.stat().st_mode) == 0o640
    write_file(page, "program", runs=True)
    assert stat.S_IMODE(page.stat().st_mode) == 0o755


def test_a_new_file_has_the_mode_of_new_files(tmp_path: Path) -> None:
    """Others can read a report where others can read what is made by this user."""
    (tmp_path / "usual").touch()
    write_parts(tmp_path / "page.html", ["new"])
    modes = {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_pipe_is_written_into_and_stays_one(tmp_path: Path) -> None:
    """What is no file cannot be put in the place of anything."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_parts(pipe, ["new"])
    reader.join()
    assert heard == ["new"]
    assert pipe.is_fifo()


def test_an_open_file_is_written_into(page: Path) -> None:
    """`-o /dev/stdout > FILE` reaches the file that the shell has opened."""
    with page.open("r+") as opened:
        write_parts(Path(f"/dev/fd/{opened.fileno()}"), ["new"])
        assert os.fstat(opened.fileno()).st_ino == page.stat().st_ino
    assert page.read_text() == "new"


@pytest.mark.parametrize(
    ("step", "number"),
    [("touch", errno.EACCES), ("touch", errno.EROFS), ("replace", errno.EBUSY)],
)
def test_a_file_whose_place_cannot_be_taken_is_written_as_it_is(
    page: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    """As in containers: a folder in which nothing can be made, or a file mounted by itself."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, step, refuse)
    write_parts(page, ["new"])
    assert page.read_text() == "new"
    assert [one.name for one in page.parent.iterdir()] == [page.name]


def test_a_new_file_in_a_folder_that_takes_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing that could be written as it is."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(MigrateError) as raised:
        write_parts(tmp_path / "page.html", ["new"])
    assert raised.value.problem.code == "not-writable"
