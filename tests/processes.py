"""Processes of this machine, as its system tells of them and limits them."""

from __future__ import annotations

import resource
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size while the block runs, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def workers_of(process: int) -> list[int]:
    """Return the worker processes that a run of the tool has started."""
    rows = [line.split(maxsplit=2) for line in _ps("-A", "-o", "pid=,ppid=,args=")]
    return [int(row[0]) for row in rows if int(row[1]) == process and "cli.worker" in row[2]]


def is_alive(process: int) -> bool:
    """Whether a process is there, and no mere entry of one that ended."""
    states = _ps("-o", "stat=", "-p", str(process))
    return any(state.strip() and not state.startswith("Z") for state in states)


def _ps(*options: str) -> list[str]:
    done = subprocess.run(
        ["ps", *options],  # noqa: S607  # of the system
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()
