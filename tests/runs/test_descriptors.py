"""Few files and connections that a process may have open: what can be had is taken."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

_MANY = """\
import os, resource
from gcr_migrate.cli.descriptors import allow_many

resource.setrlimit(resource.RLIMIT_NOFILE, (20, {most}))
allow_many()
try:
    print(len([os.dup(0) for _ in range(60)]))
except OSError as error:
    print(error.strerror)
"""
# Nothing can be opened any more when the first event is told.
_NONE = """\
import resource
from gcr_migrate import logs

logs.set_up(as_json=False)
before = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
logs.info("first", count=1)
resource.setrlimit(resource.RLIMIT_NOFILE, before)
logs.info("second", count=2)
"""


def _run(code: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_a_run_takes_as_many_descriptors_as_it_may() -> None:
    """Programs begin with few of them on some systems; each transfer takes two."""
    assert _run(_MANY.format(most=100)).stdout == "60\n"
    assert _run(_MANY.format(most=30)).stdout == "Too many open files\n"


def test_an_event_is_told_though_no_descriptor_is_left() -> None:
    """What tells it for people cannot be loaded then; the run goes on."""
    done = _run(_NONE)
    first, second = done.stderr.splitlines()
    assert (done.returncode, json.loads(first)["event"]) == (0, "first")
    assert "second" in second
    assert "count=2" in second
