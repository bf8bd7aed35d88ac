"""A worker that says nothing for a while is lost, as one that died; one that waits is not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.apply import workers
from gcr_migrate.apply.workers import working
from gcr_migrate.errors import WORKER_LOST, MigrateError
from gcr_migrate.model.work import End, HeadWork
from tests.fault_stage import Stage, staged
from tests.processes import is_alive, workers_of

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

WORK = HeadWork(End("source", "127.0.0.1:1", "plain", None, "app", "app"), "1")
# Says that it is there and does nothing; with a word, it is silent.
WORKER = """
import asyncio, os, sys, time
from gcr_migrate.apply import pipe
from gcr_migrate.cli import worker
worker.ALIVE_EVERY_S = 0.1

async def main():
    _, writer = await worker._pipes(0, 1)
    await worker._say_alive(writer)

if len(sys.argv) > 1:
    time.sleep(600)
asyncio.run(main())
"""
# Has work in hand that two such workers never do, and tells how many it has started by then.
COORDINATOR = """
import asyncio, sys
from gcr_migrate.apply import workers
from tests.runs.test_workers_that_stand_still import WORK, start_one

workers.ALIVE_EVERY_S, workers._QUIET_LOOKS = 0.1, 40
started = []

async def start():
    started.append(await start_one())
    return started[-1]

async def main():
    async with workers.working(2, start, lambda _: None, asyncio.Event()) as both:
        for _ in range(2):
            asyncio.create_task(both.do(WORK))
        print("begun", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.sleep(2)
        print(len(started), flush=True)
        raise asyncio.CancelledError

try:
    asyncio.run(main())
except asyncio.CancelledError:
    pass
"""


async def start_one(*words: str) -> Process:
    """Start a worker that does nothing."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-c", WORKER, *words)
    return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second be long; loading the modules of a worker takes one."""
    monkeypatch.setattr(workers, "ALIVE_EVERY_S", 0.1)
    monkeypatch.setattr(workers, "_QUIET_LOOKS", 60)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("is_stopping", [False, True], ids=["in the run", "after a wish to stop"])
def test_who_is_silent_is_killed_and_replaced_as_one_that_died(
    monkeypatch: pytest.MonkeyPatch, *, is_stopping: bool
) -> None:
    """So often as any other, and then the work ends with the cause."""
    monkeypatch.setattr(workers, "_QUIET_LOOKS", 5)
    started: list[Process] = []

    async def start() -> Process:
        started.append(await start_one("silent"))
        return started[-1]

    async def run() -> None:
        stop = asyncio.Event()
        async with working(1, start, lambda _: None, stop) as one:
            doing = asyncio.create_task(one.do(WORK))
            await asyncio.sleep(0)
            if is_stopping:
                stop.set()
            await doing

    with pytest.raises(MigrateError) as caught:
        asyncio.run(run())
    assert caught.value.problem is WORKER_LOST
    assert "stood still" in caught.value.saw
    assert len(started) == 4
    assert None not in {one.returncode for one in started}  # which one, the system may forget


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("in_hand", [0, 1])
def test_who_waits_for_long_and_says_so_is_kept(in_hand: int) -> None:
    """Neither long work nor none at all makes a worker lost."""
    started: list[Process] = []

    async def start() -> Process:
        started.append(await start_one(*([] if in_hand else ["silent"])))
        return started[-1]

    async def run() -> None:
        async with working(1, start, lambda _: None, asyncio.Event()) as one:
            doing = [asyncio.create_task(one.do(WORK)) for _ in range(in_hand)]
            await asyncio.sleep(9)
            assert not any(task.done() for task in doing)
            for task in doing:
                task.cancel()
            workers_seen.append(len(started))
            raise asyncio.CancelledError

    workers_seen: list[int] = []
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(run())
    assert workers_seen == [1]


def test_a_stop_of_all_of_them_is_no_silence_of_any() -> None:
    """After SIGSTOP and SIGCONT of a group, more than twice what counts as long, all go on."""
    with subprocess.Popen(
        [sys.executable, "-c", COORDINATOR],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        time.sleep(3)
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(10)
        os.killpg(process.pid, signal.SIGCONT)
        told, _ = process.communicate("\n", timeout=60)
    assert told == "2\n"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A sandbox with a plan, and the tool."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with staged(tmp_path / "stage") as one:
        assert one.command("plan").exit == 0
        yield one


def test_a_run_ends_well_though_a_worker_is_stopped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its work is done by another one; the stopped process is gone."""
    monkeypatch.setattr(workers, "_QUIET_LOOKS", 4)
    stage.fault({"method": "PUT", "path": "uploads", "delay_s": 3.0, "times": 2})
    stopped: list[int] = []

    def stop_one() -> None:
        late = time.monotonic() + 60
        while not any(one.method == "PUT" for one in stage.box.log.entries):
            if time.monotonic() > late:
                return
            time.sleep(0.05)
        for worker in workers_of(os.getpid())[:1]:
            os.kill(worker, signal.SIGSTOP)
            stopped.append(worker)

    stopping = threading.Thread(target=stop_one)
    stopping.start()
    told = stage.run("apply", stage.home / "m", "--workers", "2")
    stopping.join()
    assert stopped
    assert not is_alive(stopped[0])
    assert told.facts["outcome"] == "complete", told
    assert stage.command("verify").exit == 0
