"""The disk fills up while a plan is made or applied: told by name, and nothing is lost by it."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.fault_stage import Stage, staged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size while the block runs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A sandbox, and the tool with no other files than in one folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with staged(tmp_path / "stage") as one:
        yield one


@pytest.mark.parametrize("size", [5_000, 20_000, 40_000, 60_000])
def test_a_plan_that_finds_no_room_leaves_nothing(stage: Stage, size: int) -> None:
    """It is named, no file is left, and with room the plan is made."""
    with _files_of_at_most(size):
        told = stage.command("plan")
    assert (told.exit, told.facts["code"]) == (4, "disk-trouble"), told
    assert not [one.name for one in stage.home.iterdir() if one.name.startswith("m")]
    assert stage.command("plan").exit == 0


@pytest.mark.parametrize("size", [4_000, 10_000, 20_000, 40_000, 60_000])
def test_a_ledger_that_finds_no_room_stops_the_run(stage: Stage, size: int) -> None:
    """Wherever it happens, the run is resumed to the end, and no blob is sent a second time."""
    assert stage.command("plan").exit == 0
    with _files_of_at_most(size):
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


def _blobs(stage: Stage) -> set[str]:
    return {blob for image in stage.target["images"].values() for blob in image["blobs"]}
