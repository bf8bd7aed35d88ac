"""The benchmark of worker processes: what its figures say of sizes that were not copied."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.measure import measure
from benchmarks.workers import figures

if TYPE_CHECKING:
    from pathlib import Path

_BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"
_ONE = {"cpu_s": [9.0, 3.0, 2.0], "own_cpu_s": [3.0]}
_ONE |= {"start_cpu_s": [1.0], "start_own_cpu_s": [1.0]}
_TWO = {"cpu_s": [5.0], "own_cpu_s": [1.5], "start_cpu_s": [3.0], "start_own_cpu_s": [1.0]}


def test_what_was_copied_is_told_as_it_was() -> None:
    """Bytes, medians and the share of the first process are those of the runs."""
    found = figures(_TWO, _ONE, measured=300_000_000, size=300_000_000)

    assert found.mb_per_cpu_s == pytest.approx(60)
    assert found.of_one == pytest.approx(3 / 5)
    assert found.share == pytest.approx(1.5 / 5)


def test_starting_does_not_grow_with_the_bytes() -> None:
    """Ten times the bytes cost ten times the rest, and one start."""
    found = figures(_TWO, _ONE, measured=300_000_000, size=3_000_000_000)

    assert found.mb_per_cpu_s == pytest.approx(3_000 / (3 + 20))
    assert found.of_one == pytest.approx((1 + 20) / (3 + 20))
    assert found.share == pytest.approx((1 + 5) / (3 + 20))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells it")
def test_the_work_of_a_process_is_told_without_that_of_those_it_started(tmp_path: Path) -> None:
    """One that burns half a second itself and one in another process burns one and a half."""
    other = f"subprocess.run([sys.executable, '-c', {_BURN.format(seconds=1.0)!r}])"
    code = f"import subprocess, sys\n{other}\n{_BURN.format(seconds=0.5)}"
    command = [sys.executable, "-c", code]

    cost = measure(command, tmp_path, {"PATH": os.environ["PATH"]}, 60)

    assert cost.own_cpu_s is not None
    assert cost.own_cpu_s == pytest.approx(0.5, abs=0.2)
    assert cost.cpu_s - cost.own_cpu_s == pytest.approx(1.0, abs=0.2)
