"""Ctrl-C and a plain kill while a program is asked for a login."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.cli.interrupt import ended_by, stopping
from gcr_migrate.errors import TOO_MANY_REQUESTS, MigrateError

if TYPE_CHECKING:
    from tests.conftest import Cli
    from tests.warm import Running

    Started = Running | subprocess.Popen[str]


@dataclass
class Asked:
    """The tool in a folder with a helper for logins that never answers, and starts a program.

    Attributes:
        environ: variables that lead to the helper.
        pid: pipe that tells the number of that program.
    """

    environ: dict[str, str]
    pid: Path

    def assert_nothing_is_left(self, process: Started, *numbers: signal.Signals) -> None:
        """Send the tool signals while it waits: it ends with 130, and that program with it."""
        started = self.started()
        began = time.monotonic()
        for number in numbers:
            process.send_signal(number)
        try:
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()  # whoever is deaf would be waited for
        assert time.monotonic() - began < 30
        assert process.returncode == 130, err
        assert "Traceback" not in err
        state = Path(f"/proc/{started}/stat")
        assert not state.exists() or " Z " in state.read_text()

    def started(self) -> str:
        """Wait for the number of that program; not for ever, as the tool may have ended."""
        pipe = os.open(self.pid, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if select.select([pipe], [], [], 60)[0]:
                return os.read(pipe, 100).decode().strip()
        finally:
            os.close(pipe)
        raise TimeoutError("the helper was not started")


@pytest.fixture
def asked(cli: Cli) -> Asked:
    """A spec, and a helper for its source."""
    pid = cli.home / "pid"
    os.mkfifo(pid)
    helper = cli.home / "docker-credential-slow"
    helper.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {pid}\nsleep 60\n")
    helper.chmod(0o755)
    helpers = {"credHelpers": {"us.gcr.io": "slow"}}
    (cli.home / "config.json").write_text(json.dumps(helpers))
    (cli.home / "spec.yaml").write_text("source: {project: acme, hosts: [us.gcr.io]}\n")
    environ = {
        "DOCKER_CONFIG": str(cli.home),
        "NO_GCE_CHECK": "true",
        "PATH": f"{cli.home}:/usr/bin:/bin",
    }
    return Asked(environ, pid)


def ignoring(name: str, cli: Cli, asked: Asked) -> subprocess.Popen[str]:
    """Start the tool as a shell does that has a signal ignored."""
    words = [sys.executable, "-m", "gcr_migrate", "plan", "spec.yaml"]
    return subprocess.Popen(
        ["/bin/sh", "-c", f"trap '' {name}; exec \"$@\"", "sh", *words],
        cwd=cli.home,
        env=cli.environment(**asked.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_waits_for_a_helper_or_is_left_of_it(
    cli: Cli, asked: Asked, number: signal.Signals
) -> None:
    """The tool ends with 130 at once, and with it the helper and what that has started."""
    with cli.start("plan", "spec.yaml", **asked.environ) as process:
        asked.assert_nothing_is_left(process, number)


@pytest.mark.slow
def test_a_plain_kill_ends_what_a_script_started_in_the_background(cli: Cli, asked: Asked) -> None:
    """A shell lets it ignore Ctrl-C, which does not make it deaf to the other signal."""
    with ignoring("INT", cli, asked) as process:
        asked.assert_nothing_is_left(process, signal.SIGINT, signal.SIGTERM)


@pytest.mark.slow
def test_after_nohup_a_terminal_may_go_away(cli: Cli, asked: Asked) -> None:
    """Who has its signal ignored wants the run to go on; Ctrl-C still ends it."""
    with ignoring("HUP", cli, asked) as process:
        started = asked.started()
        process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert started
    assert process.returncode == 130, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_all_is_loaded_ends_it_without_a_word(number: signal.Signals) -> None:
    """Nothing has begun: there is nothing to tell, and no traceback to look at."""
    code = (
        "import signal, gcr_migrate.cli.litter as early, gcr_migrate.cli.start as start\n"
        f"early.look_seldom = lambda: signal.raise_signal({int(number)})\n"
        "start.run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), "stopped-at-once"),
        (asyncio.CancelledError(), "stopped-at-once"),
        (MigrateError(TOO_MANY_REQUESTS, subject="x"), "too-many-requests"),
        (ValueError(), "defect"),
    ],
)
def test_a_ledger_tells_a_stop_from_an_error(error: BaseException, told: str) -> None:
    """None of them is a kill, which notes nothing."""
    assert ended_by(error) == told


def test_the_first_signal_drops_nothing_though_a_run_is_stopping_already() -> None:
    """As at the end of its window: who stops it then has not been told that once more drops it."""

    async def run() -> list[str]:
        stop, told = asyncio.Event(), list[str]()
        stop.set()
        with stopping(stop, told.append):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.05)  # a second one would have cancelled this
        return told

    assert len(asyncio.run(run())) == 1


def test_a_signal_in_the_last_moment_of_a_run_is_not_lost() -> None:
    """The loop has no turn any more before the run ends, and of several files the next begins."""

    async def run() -> list[str]:
        stop, told = asyncio.Event(), list[str]()
        with stopping(stop, told.append):
            signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.01)
        return told * stop.is_set()

    assert len(asyncio.run(run())) == 1
