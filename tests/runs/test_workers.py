"""`apply` with worker processes: the same end, whoever of them dies."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import json
import os
import signal
import sqlite3
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import pytest

from gcr_migrate import errors
from gcr_migrate.apply.workers import working
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.work import End, HeadWork
from gcr_migrate.sandbox.image_parts import ImagePart, LayerPart
from gcr_migrate.sandbox.scenarios import Scenario, load_scenario
from tests.processes import is_alive, workers_of
from tests.theatre import Stage, Theatre

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Iterator

    from tests.warm import Running

pytestmark = pytest.mark.slow

UPLOAD = "^/artifacts-uploads/.*digest="


def _scenario() -> Scenario:
    """Images of several sizes that share a layer."""
    builds = load_scenario("builds")
    images = [
        ImagePart(
            path=f"team/app{number}",
            tags=("1.0",),
            layers=(
                LayerPart(name="base", size=90_000),
                LayerPart(name=f"own-{number}", size=2_000 * (number + 1)),
            ),
        )
        for number in range(12)
    ]
    first = builds.repositories[0]
    more = first.model_copy(update={"images": (*first.images, *images)})
    return builds.model_copy(update={"repositories": (more,)})


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """Open stages on demand; they end together."""
    with ExitStack() as stack:
        yield Theatre(tmp_path_factory.mktemp("workers"), stack, _scenario())


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition and return what it gave."""
    late = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < late, f"{what} never came"
        time.sleep(0.02)
    return found


def held(stage: Stage, status: int = 0) -> list[dict[str, Any]]:
    """Return the uploads that are not answered; with a status, those that ended with it."""
    asked = [one for one in stage.ask("requests") if "digest=" in one["query"]]
    return [one for one in asked if not one["told"] and one["status"] == status]


def test_many_workers_leave_the_same_as_one(theatre: Theatre) -> None:
    """Content, tags and counts are those of a run in one process, and no blob moves twice."""
    stage = theatre.planned("europe")
    stage.ask("requests/reset", {})

    facts = stage.run("apply", "m", "--workers", "3")

    assert facts["outcome"] == "complete"
    assert facts["counts"]["planned"] == facts["counts"]["done"] + facts["counts"]["skipped"]
    assert stage.ask("state") == theatre.end("europe")
    assert max(Counter(digest for digest, _ in stage.uploads()).values()) == 1
    assert stage.run("verify", "m")["outcome"] == "proven"


def test_the_death_of_a_worker_interrupts_an_item_not_the_run(theatre: Theatre) -> None:
    """What it had in hand is done by another one, and what the target has is not sent again."""
    stage = theatre.planned("europe")
    fault = {"host": "europe-docker.pkg.dev", "method": "PUT", "path": UPLOAD}
    stage.ask("faults", fault | {"times": 2, "when": "after", "delay_s": 600.0})
    with stage.cli.start("apply", "m", "--workers", "2", "--json", **stage.variables) as process:
        until(lambda: len(held(stage, 201)) == 2, "the held uploads")
        for worker in until(lambda: workers_of(process.pid), "a worker"):
            os.kill(worker, signal.SIGKILL)
        out, err = process.communicate(timeout=60)

    assert process.returncode == 0, f"{out}\n{err}"
    assert "worker lost" in err
    assert stage.ask("state") == theatre.end("europe")
    arrived = Counter(digest for digest, status in stage.uploads() if status == 201)
    assert max(arrived.values()) == 1


@pytest.mark.parametrize("comes_alone", [False, True], ids=["killed", "of themselves"])
def test_workers_that_die_of_their_work_end_its_item(
    theatre: Theatre, *, comes_alone: bool
) -> None:
    """No loop: the item fails with its own code and the cause, and all the rest is done."""
    stage = theatre.planned("europe")
    variables = stage.variables | {"GCR_MIGRATE_ENDPOINTS": str(stage.cli.home / "gone.yaml")}
    endpoints = stage.cli.home / "endpoints.yaml"
    endpoints.rename(stage.cli.home / "gone.yaml")
    with stage.cli.start("apply", "m", "--workers", "2", "--json", **variables) as process:
        until(lambda: is_begun(stage), "the first request")
        (stage.cli.home / "gone.yaml").write_text("registries: nonsense\n")
        while process.poll() is None:
            for worker in workers_of(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            if comes_alone:
                break
            time.sleep(0.05)
        out, err = process.communicate(timeout=60)

    assert process.returncode == 1, f"{out}\n{err}"
    assert '"worker-lost"' in out
    assert not comes_alone or "bad-endpoints" in out  # of which new ones died before any work
    assert "Traceback" not in out + err
    (stage.cli.home / "gone.yaml").unlink()
    stage.box.write_endpoints(endpoints)
    assert stage.run("apply", "m", "--workers", "2")["outcome"] == "complete"
    assert stage.ask("state") == theatre.end("europe")


def is_begun(stage: Stage) -> bool:
    """Whether blobs are on their way."""
    return any("/blobs/" in one["path"] for one in stage.ask("requests"))


@contextlib.contextmanager
def two_at_work(theatre: Theatre) -> Iterator[tuple[Running, list[int]]]:
    """Start a run whose uploads are held, and give it with its two workers."""
    stage = theatre.planned("europe")
    stage.ask("faults", {"method": "PUT", "path": UPLOAD, "times": 9, "delay_s": 600.0})
    with stage.cli.start("apply", "m", "--workers", "2", "--json", **stage.variables) as process:
        until(lambda: held(stage), "an upload")
        workers = workers_of(process.pid)
        assert len(workers) == 2
        yield process, workers


def test_workers_end_with_the_run_that_started_them(theatre: Theatre) -> None:
    """After kill -9 of the run none of its workers goes on."""
    with two_at_work(theatre) as (process, workers):
        process.kill()
    until(lambda: not any(map(is_alive, workers)), "the end of the workers")


def test_a_stopped_worker_does_not_outlive_a_run_that_is_dropped(theatre: Theatre) -> None:
    """A second Ctrl-C kills the workers that do not end of themselves."""
    with two_at_work(theatre) as (process, workers):
        os.kill(workers[0], signal.SIGSTOP)
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.2)  # two signals at once would be one
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, f"{out}\n{err}"
    until(lambda: not any(map(is_alive, workers)), "the end of the workers")


@pytest.mark.parametrize("is_ending", [False, True], ids=["in the run", "while workers end"])
def test_a_worker_that_hangs_is_killed_when_nobody_waits(*, is_ending: bool) -> None:
    """Whenever the cancellation comes, it takes less than the half second that is left."""
    started: list[Process] = []

    async def start() -> Process:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("sleep", "600", stdin=pipe, stdout=pipe)
        started.append(process)
        return started[0]

    async def run(begun: asyncio.Event) -> None:
        async with working(1, start, lambda _: None, asyncio.Event()):
            begun.set()
            await asyncio.sleep(0 if is_ending else 600)

    async def dropped() -> float:
        begun = asyncio.Event()
        running = asyncio.create_task(run(begun))
        await begun.wait()
        await asyncio.sleep(0.1)
        began = time.monotonic()
        running.cancel()
        await asyncio.wait([running])
        return time.monotonic() - began

    assert asyncio.run(dropped()) < 0.5
    assert started[0].returncode == -signal.SIGKILL


@pytest.mark.parametrize("dropped", [False, True], ids=["the end of a run", "a run dropped"])
def test_a_worker_that_is_still_being_started_ends_with_the_run(*, dropped: bool) -> None:
    """It takes the place of one that died in the last moment; no process of a run is left."""
    started: list[Process] = []

    async def start() -> Process:
        if started:  # it takes a while
            await asyncio.sleep(0.2)
        pipe = asyncio.subprocess.PIPE
        started.append(await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe))
        return started[-1]

    async def run() -> list[int | None]:
        """Return how each ended; None: it did not. Which code that was the system may forget."""
        with contextlib.suppress(asyncio.CancelledError):
            async with working(1, start, lambda _: None, asyncio.Event()):
                started[0].kill()
                await asyncio.sleep(0.1)
                if dropped:
                    raise asyncio.CancelledError
        assert len(asyncio.all_tasks()) == 1
        return [one.returncode for one in started]

    ended = asyncio.run(run())
    assert (len(ended), None in ended) == (2, False)


@pytest.mark.parametrize(("word", "code"), [("kill -9 $$", -9), ("exit 3", 3)])
def test_how_a_worker_died_is_told_as_it_was(
    word: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    events: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where the event loop hears of the end of its pipe before that of the process."""
    wait = os.waitpid
    started: list[Process] = []

    def late(process: int, options: int) -> tuple[int, int]:
        """Wait as on a machine that has much else to do."""
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        time.sleep(1)
        return wait(process, options)

    async def start() -> Process:
        pipe = asyncio.subprocess.PIPE
        words = ("cat",) if started else ("sh", "-c", f"read line; sleep 0.3 & {word}")
        started.append(await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe))
        if len(started) > 1:
            replaced.set()
        return started[-1]

    async def run() -> None:
        async with working(1, start, lambda _: None, asyncio.Event()):
            cast("asyncio.StreamWriter", started[0].stdin).write(b"\n")
            await replaced.wait()

    replaced = asyncio.Event()
    monkeypatch.setattr(os, "waitpid", late)
    asyncio.run(run())
    assert [one["code"] for one in events if one["event"] == "worker lost"] == [code]
    assert not caplog.records


def test_a_worker_that_cannot_be_replaced_leaves_no_trace_of_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever its start raises, who has work in hand is told why; nothing is raised unseen."""
    started: list[Process] = []

    async def start() -> Process:
        if started:
            raise ValueError("embedded null byte")
        pipe = asyncio.subprocess.PIPE
        words = ("sh", "-c", "sleep 0.1; exit 1")
        started.append(await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe))
        return started[-1]

    async def run() -> None:
        async with working(1, start, lambda _: None, asyncio.Event()) as workers:
            await workers.do(
                HeadWork(End("source", "127.0.0.1:1", "plain", None, "app", "app"), "1")
            )

    with pytest.raises(MigrateError) as caught:
        asyncio.run(run())
    gc.collect()  # a task that nobody looked at tells so when it goes away
    assert caught.value.problem is errors.WORKER_LOST
    assert caught.value.saw == "no other one can be started: ValueError('embedded null byte')"
    assert not [one for one in caplog.records if "never retrieved" in one.getMessage()]


def test_all_that_workers_sent_is_counted(theatre: Theatre) -> None:
    """Also by a run that is over before they tell of it the next time."""
    stage = theatre.planned("europe")
    page = stage.cli.home / "metrics.prom"
    facts = stage.run("apply", "m", "--workers", "2", "--metrics-file", str(page))
    lines = [line.rpartition(" ") for line in page.read_text().splitlines()]
    found = {name.partition("{")[0]: float(value) for name, _, value in lines if "{" in name}
    assert found["gcr_migrate_sent_bytes_total"] == facts["bytes"]["transferred"] > 0
    asked = sum(one["requests"] for one in facts["services"].values())
    assert found["gcr_migrate_requests_total"] == asked


def test_an_orderly_stop_waits_for_the_workers(theatre: Theatre) -> None:
    """Ctrl-C, as a terminal sends it to all of them, finishes what is in flight."""
    stage = theatre.planned("europe")
    stage.ask("faults", {"method": "PUT", "path": UPLOAD, "delay_s": 0.3})
    with stage.cli.start("apply", "m", "--workers", "2", "--json", **stage.variables) as process:
        until(lambda: held(stage), "an upload")
        for one in (*workers_of(process.pid), process.pid):
            os.kill(one, signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert process.returncode == 130, f"{out}\n{err}"
    told = [json.loads(line)["event"] for line in err.splitlines()]
    assert told.count("apply.stopping") == 1
    with sqlite3.connect(stage.cli.home / "m") as ledger:
        sql = "SELECT count(*) FROM blob_state WHERE last_event = 'started'"
        assert ledger.execute(sql).fetchall() == [(0,)]
    assert stage.run("apply", "m")["outcome"] == "complete"
    assert stage.ask("state") == theatre.end("europe")


def test_workers_that_cannot_be_started_are_no_defect() -> None:
    """As where no process or descriptor is left: it is told why."""

    async def start() -> Process:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def begin() -> None:
        async with working(2, start, lambda _: None, asyncio.Event()):
            pass

    with pytest.raises(MigrateError) as caught:
        asyncio.run(begin())
    assert caught.value.problem is errors.WORKER_LOST
    assert caught.value.saw == "none can be started: Too many open files"
