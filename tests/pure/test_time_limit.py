"""No test hangs for ever: it is stopped and named, and the others are run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).resolve().parents[2]
TESTS: Final = """
import multiprocessing
import threading

import pytest


def test_waits_for_a_thread():
    threading.Event().wait()


def test_waits_for_a_fork():
    context = multiprocessing.get_context("fork")
    process = context.Process(target=threading.Event().wait, daemon=True)
    process.start()
    process.join()


@pytest.fixture
def never():
    threading.Event().wait()


def test_waits_for_what_it_needs(never):
    pass


def test_is_quick():
    pass
"""


@pytest.mark.parametrize("options", [[], ["-n", "1"]])
def test_a_test_that_hangs_is_stopped(tmp_path: Path, options: list[str]) -> None:
    """It fails and says where it stood, in a worker too; the next one is run as ever."""
    (tmp_path / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml")),
            *("--rootdir", str(tmp_path), "-p", "no:cacheprovider", "--timeout", "1"),
            *(*options, str(tmp_path / "test_it.py")),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 1 passed, 1 error" in done.stdout
    for name in ("a_thread", "a_fork", "what_it_needs"):
        told = rf"(FAILED|ERROR) \S*::test_waits_for_{name} - Failed: Timeout"
        assert re.search(told, done.stdout), done.stdout
    assert "Event().wait()" in done.stdout


def test_each_test_has_a_limit(request: pytest.FixtureRequest) -> None:
    """What a machine at work may take is no failure, and for ever is one."""
    assert 120 <= float(request.config.getini("timeout")) <= 600
    assert request.config.getini("timeout_method") == "signal"
