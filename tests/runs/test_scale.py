"""A large source is planned in memory that hardly grows with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.inventory import check, giant_of
from benchmarks.stage import fill_cache, stage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Cost
    from gcr_migrate.sandbox.giant import Giant

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
