"""Ctrl-C and a plain kill while a program is asked for a login."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Cli


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_waits_for_a_helper_or_is_left_of_it(cli: Cli, number: signal.Signals) -> None:
    """The tool ends with 130 at once, and with it the helper and what that has started."""
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

    with cli.start("plan", "spec.yaml", **environ) as process:
        started = pid.read_text().strip()
        began = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 30
    assert process.returncode == 130, err
    assert "Traceback" not in err
    state = Path(f"/proc/{started}/stat")
    assert not state.exists() or " Z " in state.read_text()
