"""How often processes of the program look for objects that nobody needs any more."""

from __future__ import annotations

import subprocess
import sys

# Ends as soon as it has begun: nobody has work for it, or it has nothing but a version to tell.
CODE = """\
import atexit, gc, sys
atexit.register(lambda: print(gc.get_threshold(), gc.get_freeze_count() > 0, file=sys.stderr))
from {module} import {name}
sys.argv[1:] = ["--version"]
sys.exit({name}())
"""


def told(module: str, name: str) -> str:
    """Run a process of the program to its end; return how often it looked."""
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module, name=name)],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_worker_looks_as_seldom_as_the_run_that_started_it() -> None:
    """A worker does what the run does by itself with one process, and it costs as little."""
    usual = subprocess.run(
        [sys.executable, "-c", "import gc; print(gc.get_threshold())"],
        capture_output=True,
        text=True,
        check=True,
    )

    run = told("gcr_migrate.cli.start", "run")

    assert told("gcr_migrate.cli.worker", "main") == run
    assert usual.stdout.strip() not in run
