"""Programs that are asked for credentials, and what they may do instead of an answer."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.google.programs import Answer, ask

ENVIRON = {"PATH": "/usr/bin:/bin"}


def script(tmp_path: Path, text: str) -> str:
    """Write a program; return its path."""
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def running(pid: str) -> bool:
    """Whether a process does something still."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("how", ["cancelled", "late"])
def test_nothing_is_left_of_a_program_that_hangs(tmp_path: Path, how: str) -> None:
    """Neither itself nor what it started, and nobody waits for that."""
    os.mkfifo(tmp_path / "pid")
    program = script(tmp_path, f"sleep 60 &\necho $! > {tmp_path}/pid\nsleep 60")
    pids: list[str] = []

    async def work() -> None:
        asking = asyncio.create_task(ask([program], ENVIRON, limit_s=0.2 if how == "late" else 60))
        pids.append(await asyncio.to_thread((tmp_path / "pid").read_text))
        if how == "cancelled":
            asking.cancel()
        with pytest.raises((asyncio.CancelledError, MigrateError)):
            await asking

    began = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - began < 30
    assert not running(pids[0].strip())


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_a_program_that_talks_without_end_is_stopped(tmp_path: Path, stream: str) -> None:
    """What is no answer does not fill the memory."""
    program = script(tmp_path, f"yes {stream}")
    with pytest.raises(MigrateError, match="it says more than"):
        asyncio.run(ask([program], ENVIRON))


def test_a_program_need_not_read_what_it_is_given(tmp_path: Path) -> None:
    """Its answer counts."""
    program = script(tmp_path, "exec <&-; echo well; echo so >&2; exit 3")
    assert asyncio.run(ask([program], ENVIRON, "host")) == Answer(3, "well", "so")


def test_a_name_that_no_program_can_have_is_told() -> None:
    """Configurations are written by others."""
    with pytest.raises(MigrateError, match="bad-credentials"):
        asyncio.run(ask(["helper\x00"], ENVIRON))


@pytest.mark.parametrize("steps", range(8))
def test_a_program_is_ended_at_whatever_step_of_its_start(tmp_path: Path, steps: int) -> None:
    """An interruption does not wait for what was only about to begin."""
    program = script(tmp_path, "sleep 60 & sleep 60")

    async def work() -> None:
        asking = asyncio.create_task(ask([program], ENVIRON))
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    began = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - began < 30
