"""The disk fills up while a plan is made or applied: told by name, and nothing is lost by it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.cli.main import outcome
from tests.fault_stage import Stage, staged
from tests.processes import files_of_at_most

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A sandbox, and the tool with no other files than in one folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with staged(tmp_path / "stage") as one:
        yield one


@pytest.mark.parametrize("size", [5_000, 20_000, 40_000, 60_000])
def test_a_plan_that_finds_no_room_leaves_nothing(stage: Stage, size: int) -> None:
    """It is named, no file is left, and with room the plan is made."""
    with files_of_at_most(size):
        told = stage.command("plan")
    assert (told.exit, told.facts["code"]) == (4, "disk-trouble"), told
    assert not [one.name for one in stage.home.iterdir() if one.name.startswith("m")]
    assert stage.command("plan").exit == 0


# A ledger that writes as seldom as it ever does needs 49,472 bytes for this run.
@pytest.mark.parametrize("size", [4_000, 10_000, 20_000, 30_000, 40_000])
def test_a_ledger_that_finds_no_room_stops_the_run(stage: Stage, size: int) -> None:
    """Wherever it happens, the run is resumed to the end, and no blob is sent a second time."""
    assert stage.command("plan").exit == 0
    with files_of_at_most(size):
        told = stage.command("apply")
    assert (told.exit, told.facts["code"]) == (4, "disk-trouble"), told
    had = set(_blobs(stage))
    stage.forget()
    again = stage.command("apply")
    assert (again.exit, again.facts["outcome"]) == (0, "complete")
    sent = {
        one.query for one in stage.box.log.entries if one.method == "PUT" and "digest=" in one.query
    }
    assert not [digest for digest in had if any(digest[7:] in query for query in sent)]
    assert stage.command("verify").exit == 0


@pytest.mark.parametrize("command", ["status", "show"])
def test_what_only_reads_needs_no_room(stage: Stage, command: str) -> None:
    """It tells how far a run is whose disk is full, as what needs room is to make some."""
    assert stage.command("plan").exit == 0
    assert stage.command("apply").exit == 0
    words = [sys.executable, "-m", "gcr_migrate", command, str(stage.home / "m")]
    with files_of_at_most(10_000):
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done


def test_a_page_that_finds_no_room_leaves_the_old_one(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, and whoever opens the page sees all of what was told before."""
    page = stage.home / "pages" / "m.html"
    page.parent.mkdir()
    assert stage.command("plan").exit == 0
    report = ["report", str(stage.home / "m"), "--html", str(page)]
    assert outcome(report) == 0
    old = page.read_bytes()
    with files_of_at_most(len(old) - 1):
        assert outcome(report) == 2
    assert "error[not-writable]" in capsys.readouterr().err
    assert page.read_bytes() == old
    assert [*page.parent.iterdir()] == [page]


def _blobs(stage: Stage) -> set[str]:
    return {blob for image in stage.target["images"].values() for blob in image["blobs"]}
