"""However many signals come, and whenever: one end, told once, with 130, and no traceback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gcr_migrate.cli
from gcr_migrate.cli.interrupt import in_a_loop, stopping
from gcr_migrate.sandbox.scenarios import load_scenario
from tests.processes import is_alive, workers_of
from tests.theatre import Theatre

if TYPE_CHECKING:
    from collections.abc import Iterator

UPLOAD = "^/artifacts-uploads/.*digest="
# The program, of which a test replaces a part before it starts.
PROGRAM = """
import asyncio, atexit, os, signal, sys, time
from gcr_migrate.cli import main
from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.output import Output
from gcr_migrate.errors import UNREACHABLE, MigrateError

def send(*numbers):
    for number in numbers:
        signal.raise_signal(number)

def runs(work):
    main.command = lambda word: lambda *args, **more: work()

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
tell = Output.errors
sys.argv = ["gcr-migrate", "status"]
"""


def ran(code: str) -> subprocess.CompletedProcess[str]:
    """Run the program with that in place of a part of it."""
    return subprocess.run(
        [sys.executable, "-c", f"{PROGRAM}{code}\nmain.run()\n"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def quiet(code: str) -> tuple[int, int]:
    """Return how such a program ended, and how often it told that; a traceback is none."""
    done = ran(code)
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    return done.returncode, done.stderr.count("error[interrupted]")


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """Open stages on demand; they end together."""
    with ExitStack() as stack:
        yield Theatre(tmp_path_factory.mktemp("signals"), stack, load_scenario("builds"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("pause_s", [0.01, 0.1])
def test_a_storm_of_signals_in_the_middle_of_a_run(
    theatre: Theatre, workers: str, pause_s: float
) -> None:
    """All kinds by turns until it is gone: 130, no traceback, no worker left, and a ledger."""
    stage = theatre.planned("europe")
    stage.ask("faults", {"method": "PUT", "path": UPLOAD, "times": 99, "delay_s": 600.0})
    words = ("apply", "m", "--yes", "--workers", workers)
    with stage.cli.start(*words, **stage.variables) as process:
        late = time.monotonic() + 60
        while not any("digest=" in one["query"] for one in stage.ask("requests")):
            assert time.monotonic() < late, "no upload came"
            time.sleep(0.02)
        started = workers_of(process.pid)
        for number in 40 * (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if process.poll() is not None:
                break
            process.send_signal(number)
            time.sleep(pause_s)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.count("error[interrupted]") <= 1  # none, if it took so long that one ended it
    while any(map(is_alive, started)):
        assert time.monotonic() < late, "a worker is left"
        time.sleep(0.02)
    assert json.loads(stage.cli("status", "m", "--json").stdout)["runs"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
@pytest.mark.parametrize(
    "code",
    [
        "runs(lambda: send({0}))",
        "runs(lambda: in_a_loop(asyncio.sleep(0, send({0}))))",
        # While the end is told, and while a loop ends what was begun in it.
        "runs(lambda: send({0}))\nOutput.errors = lambda *a: (send({0}, TERM, INT), tell(*a))[1]",
        """
async def work():
    try:
        send({0})
        await asyncio.sleep(60)
    finally:
        send(TERM, INT)
        await asyncio.sleep(0.1)
        send(TERM, INT)
runs(lambda: in_a_loop(work()))
""",
        # What the cancelled work makes of it is no matter, nor that it came to an end.
        """
async def work():
    try:
        send({0})
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise RuntimeError("Event loop is closed")
runs(lambda: in_a_loop(work()))
""",
        """
async def work():
    send({0})
runs(lambda: (in_a_loop(work()), print("the next one is begun")))
""",
    ],
    ids=["no loop", "a loop", "telling", "ending", "an error of the end", "a late one"],
)
def test_the_end_begins_once(code: str, name: str) -> None:
    """It is told once, and no signal breaks it off."""
    assert quiet(code.replace("{0}", name)) == (130, 1)


def test_nothing_is_begun_after_a_signal_that_came_too_late_to_cancel() -> None:
    """The result of the work is there, and what would follow it does not."""
    done = ran("runs(lambda: (in_a_loop(asyncio.sleep(0, send(INT))), print('next')))")
    assert (done.returncode, done.stdout) == (130, "")


def test_a_signal_while_an_error_is_told_ends_without_a_word_more() -> None:
    """It is the first one, and comes where nothing catches it but the program's last line."""
    code = """
def fail():
    raise MigrateError(UNREACHABLE, subject="x")
runs(fail)
Output.errors = lambda *a: send(INT, TERM)
"""
    assert quiet(code) == (130, 0)


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
@pytest.mark.parametrize("is_early", [True, False], ids=["at exit", "later"])
def test_a_signal_while_the_interpreter_ends_changes_nothing(name: str, *, is_early: bool) -> None:
    """Neither among what is done at exit, nor when modules are taken apart."""
    code = f"""
def work():
    if {is_early}:
        atexit.register(lambda: send({name}, TERM))
    return 3
class Late:
    def __del__(self, send=os.kill, me=os.getpid(), number={name}):
        send(me, number)
main.late = Late()
runs(work)
"""
    assert quiet(code) == (3, 0)


@pytest.mark.parametrize("where", ["in a loop", "in the main thread", "at exit"])
def test_an_end_that_hangs_can_still_be_ended(where: str) -> None:
    """Signals that come long after the first one end it with 130, or its own code."""
    hangs = {
        "in a loop": """
async def work():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(60)
print("begun", flush=True)
runs(lambda: in_a_loop(work()))
""",
        "in the main thread": """
def work():
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        time.sleep(60)
runs(work)
""",
        "at exit": """
def hang():
    print("begun", flush=True)
    time.sleep(60)
runs(lambda: (atexit.register(hang), 130)[1])
""",
    }
    words = [sys.executable, "-c", f"{PROGRAM}{hangs[where]}\nmain.run()\n"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        ends_at = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < ends_at:
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        process.kill()
        _, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err


def test_the_loop_of_a_run_that_hangs_does_not_keep_it() -> None:
    """The third signal is counted though nothing of the loop comes to its turn."""
    code = """
from gcr_migrate.cli.interrupt import stopping
async def work():
    with stopping(asyncio.Event(), print):
        send(TERM)
        await asyncio.sleep(0.1)
        send(TERM)
        while True:
            time.sleep(0.6)
            send(TERM)
runs(lambda: in_a_loop(work()))
"""
    assert quiet(code) == (130, 0)


def test_handlers_change_hands_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """At no moment of a run would a signal end the process, as the system's own handler does."""
    given: list[object] = []
    real = signal.signal

    def kept(number: int, handler: signal._HANDLER) -> object:
        given.append(handler)
        return real(number, handler)

    async def run() -> None:
        with stopping(asyncio.Event(), print):
            pass

    numbers = (signal.SIGTERM, signal.SIGHUP)  # the other one has a handler here, too
    before = [(number, real(number, lambda *_: None)) for number in numbers]
    monkeypatch.setattr(signal, "signal", kept)
    try:
        in_a_loop(run())
    finally:
        for number, handler in before:
            real(number, handler)
    assert given
    assert all(map(callable, given))


def test_a_loop_may_be_run_beside_the_main_thread() -> None:
    """Signals are the main thread's; work elsewhere gives its result all the same."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(in_a_loop(asyncio.sleep(0, 7))))
    thread.start()
    thread.join()
    assert found == [7]


def test_no_command_runs_a_loop_that_a_second_signal_breaks_off() -> None:
    """`asyncio.run` raises KeyboardInterrupt at whatever line its loop is; workers hear none."""
    folder = Path(os.fsdecode(gcr_migrate.cli.__file__)).parent
    ways = {one.name for one in folder.glob("*.py") if "asyncio.run(" in one.read_text()}
    assert ways == {"interrupt.py", "worker.py"}


# In a process of its own for each moment of the wait, a signal comes at that moment.
WAITS = """
import os, signal, sys, threading, time
from gcr_migrate.cli.interrupt import until_signal

def stop():
    os.kill(os.getpid(), signal.SIGTERM)

def wait_until(moment):
    seen = 0
    def trace(frame, event, arg):
        nonlocal seen
        frame.f_trace_opcodes = True
        seen += 1
        if seen == moment:
            stop()
        return trace
    with until_signal() as wait:
        late = threading.Timer(0.03, stop)
        late.start()
        sys.settrace(trace)
        wait()
        sys.settrace(None)
        late.join()
    os._exit(0)

for moment in range(1, 80):
    child = os.fork() or wait_until(moment)
    for _ in range(400):
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            break
        time.sleep(0.005)
    else:
        os.kill(child, signal.SIGKILL)
        sys.exit(f"it stood still: a signal came at moment {moment}")
"""


def test_who_waits_for_a_signal_gets_it_whenever_it_comes() -> None:
    """Also in the midst of beginning to wait."""
    done = subprocess.run(
        [sys.executable, "-c", WAITS], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
