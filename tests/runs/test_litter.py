"""What processes of the program do about memory that nobody needs any more."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# Ends as soon as it has begun: nobody has work for it, or it has nothing but a version to tell.
CODE = """\
import atexit, gc, sys
atexit.register(lambda: print(gc.get_threshold(), gc.get_freeze_count() > 0, file=sys.stderr))
from {module} import {name}
sys.argv[1:] = ["--version"]
sys.exit({name}())
"""

ROUNDS = 50
# As a copy does it: some pieces are held at once, and then none.
PIECES = f"""\
import resource
from gcr_migrate.cli.litter import keep_memory
def hold(): return [b"." * (256 * 1024) for _ in range(8)]
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for keep in (lambda: None, keep_memory):
    keep()
    hold()
    before = faults()
    for _ in range({ROUNDS}): hold()
    print(faults() - before)
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other ways")
def test_memory_of_pieces_is_used_again() -> None:
    """Without that the system is asked for it in each round, and gives it out page by page."""
    done = subprocess.run(
        [sys.executable, "-c", PIECES], capture_output=True, text=True, timeout=60, check=True
    )

    without, kept = map(int, done.stdout.split())
    assert without > 100 * ROUNDS
    assert kept < ROUNDS
