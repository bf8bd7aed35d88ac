"""Memory hardly grows with what is planned, copied and proven."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.inventory import check, checked, giant_of
from benchmarks.memory import SPREAD_MB, measured
from benchmarks.stage import fill_cache, stage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Cost
    from gcr_migrate.sandbox.giant import Giant

pytestmark = pytest.mark.slow

LIMIT_S = 120.0
MOST_BYTES = 900  # of memory for each manifest; an inventory that keeps what it read takes 1,550


def _planned(folder: Path, giant: Giant) -> tuple[Cost, dict[str, int]]:
    """Plan a giant of which all manifests were read before, and check what is counted."""
    folder.mkdir()
    fill_cache(giant, folder)
    with stage(giant, folder) as one:
        cost, requests = one.run("plan", "spec.yaml", "-o", "m", limit_s=LIMIT_S)
    assert cost.code == 0, cost.err
    check("plan", "plan", cost, giant)
    return cost, requests


def test_ten_thousand_manifests_take_little_more_memory_than_two(tmp_path: Path) -> None:
    """What is held of a manifest is not kept, and one that was read before is not fetched."""
    small, large = giant_of("2000"), giant_of("10000")
    less, _ = _planned(tmp_path / "small", small)
    more, requests = _planned(tmp_path / "large", large)
    assert not [kind for kind in requests if kind.endswith("manifests")]
    bytes_each = (more.peak_mb - less.peak_mb) * 1_000_000 / 8_000
    assert bytes_each < MOST_BYTES, f"{less.peak_mb} MB, then {more.peak_mb} MB"


def _proven(folder: Path, giant: Giant) -> Cost:
    """Prove a plan of a giant that the target has already, manifests and blobs and all."""
    folder.mkdir()
    fill_cache(giant, folder)
    with stage(giant, folder, moved=giant.images, is_unbound=True) as one:
        planned, _ = one.run("plan", "spec.yaml", "-o", "m", limit_s=LIMIT_S)
        assert planned.code == 0, planned.err
        cost, _ = one.run("verify", "m", limit_s=LIMIT_S)
    assert cost.code == 0, cost.err
    checked("verify", "verify", cost, giant)
    return cost


@pytest.mark.long
def test_to_prove_ten_thousand_manifests_takes_little_more_memory_than_two(tmp_path: Path) -> None:
    """What was asked and found right is not kept in memory."""
    less = _proven(tmp_path / "small", giant_of("2000"))
    more = _proven(tmp_path / "large", giant_of("10000"))
    bytes_each = (more.peak_mb - less.peak_mb) * 1_000_000 / 8_000
    assert bytes_each < MOST_BYTES, f"{less.peak_mb} MB, then {more.peak_mb} MB"


def test_a_large_blob_takes_no_more_memory_than_a_small_one() -> None:
    """A target that takes bytes slowly fills up what lies in between, and no more than that."""
    # So slowly that all are under way together on a busy machine, too.
    small = measured(1, 8, rate_mb=4, workers=1, limit_s=LIMIT_S, line_s=2)
    large = measured(32, 8, rate_mb=16, workers=1, limit_s=LIMIT_S, line_s=2)
    assert abs(large.peak_mb - small.peak_mb) < SPREAD_MB, f"{small.peak_mb}, {large.peak_mb} MB"
