"""Measure the commands on giants: `python -m benchmarks.inventory 10000 100000 tags`.

Each size is a number of manifests, or `tags` for one image with 60,000 tags. What the tool counts
must be what the giant holds, or the run fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.kept import provenance, replace_rows
from benchmarks.measure import a_dozen_of
from benchmarks.stage import Stage, fill_cache, stage
from gcr_migrate.sandbox.giant import TEAM, Giant

if TYPE_CHECKING:
    from benchmarks.measure import Cost

RESULTS = Path(__file__).resolve().parent / "results"
_OF_ONE = 50  # manifests of an image
_TAGS = Giant(seed=2, images=1, manifests=12_000, tags=60_000, layers=5)
_STEPS = {
    "inventory": ("inventory", "spec.yaml", "--no-cache", "-o", "snapshot"),
    "plan": ("plan", "spec.yaml", "-o", "first"),
    "plan again": ("plan", "spec.yaml", "-o", "second"),
    "apply": ("apply", "second"),
    "verify": ("verify", "second"),
}
_READING = ("inventory", "plan", "plan again")


@dataclass(frozen=True)
class Row:
    """What one command took on one giant.

    Attributes:
        size: as it was asked for.
        step: which command.
        manifests: how many the giant has.
        wall_s: time that passed.
        cpu_s: work of the client's processor.
        peak_mb: most memory that the client had at once.
        server_mb: most memory that the sandbox had up to its end.
        requests: how many, by method, host and kind.
        moved: so many manifests the target had before.
        is_unbound: quotas did not count.
        memory: the MB that the client had, by seconds since its start.
    """

    size: str
    step: str
    manifests: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    server_mb: float | None
    requests: dict[str, int]
    moved: int = 0
    is_unbound: bool = False
    memory: dict[str, float] = field(default_factory=dict)


class WrongError(Exception):
    """The tool failed, or its counts are not those of the giant."""


def main() -> int:
    """Measure what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inventory", description=__doc__)
    parser.add_argument("sizes", nargs="+", metavar="SIZE", help="manifests, or `tags`")
    parser.add_argument("--limit", type=float, default=3_600, help="seconds of one command")
    parser.add_argument("--steps", nargs="+", choices=_STEPS, default=[*_READING])
    moved = "so many manifests are at the target already; without a number, all of them"
    parser.add_argument("--moved", nargs="?", type=int, const=-1, default=0, help=moved)
    unbound = "quotas do not count: for memory and work, where the time is not what is measured"
    parser.add_argument("--unbound", action="store_true", help=unbound)
    asked = parser.parse_args()
    giants = {size: giant_of(size) for size in asked.sizes}
    there = {size: moved_of(giant, asked.moved) for size, giant in giants.items()}
    print(HEAD, flush=True)
    rows: list[Row] = []
    try:
        for size, giant in giants.items():
            with (
                tempfile.TemporaryDirectory() as folder,
                stage(giant, Path(folder), moved=there[size], is_unbound=asked.unbound) as one,
            ):
                if "plan again" in asked.steps and "plan" not in asked.steps:
                    fill_cache(giant, Path(folder))
                for step in asked.steps:
                    row = measured(one, giant, size, step, asked.limit)
                    had = there[size] * giant.manifests
                    rows.append(replace(row, moved=had, is_unbound=asked.unbound))
                    print(line(rows[-1]), flush=True)
    except WrongError as wrong:
        print(f"wrong: {wrong}", file=sys.stderr)
        return 1
    finally:
        keep(rows)
    return 0


def giant_of(size: str) -> Giant:
    """Return a giant of that many manifests, 50 in each image; or the one with many tags."""
    if size == "tags":
        return _TAGS
    if not size.isdigit() or int(size) % _OF_ONE or not int(size):
        raise SystemExit(f"{size}: neither `tags` nor a multiple of {_OF_ONE}")
    return Giant(seed=1, images=int(size) // _OF_ONE, manifests=_OF_ONE, tags=40, layers=5)


def moved_of(giant: Giant, manifests: int) -> int:
    """Return how many images of a giant hold so many manifests; -1: all of them.

    Raises:
        SystemExit: a team would be parted, whose images go to one repository.
    """
    if manifests in {-1, giant.images * giant.manifests}:
        return giant.images
    images, more = divmod(manifests, giant.manifests)
    if more or images % TEAM or images > giant.images:
        raise SystemExit(f"--moved {manifests}: no multiple of {TEAM * giant.manifests}, or more")
    return images


def measured(one: Stage, giant: Giant, size: str, step: str, limit_s: float) -> Row:
    """Run a step and compare what it says with what is there.

    Raises:
        WrongError: it failed, was too slow, or counts otherwise.
    """
    cost, requests = one.run(*_STEPS[step], limit_s=limit_s)
    if cost.code:
        raise WrongError(f"{step} of {size}: exit code {cost.code} in {cost.wall_s} s\n{cost.err}")
    if step not in _READING:
        checked(f"{step} of {size}", step, cost, giant)
        return row_of(size, step, giant, cost, one, requests)
    check(f"{step} of {size}", step, cost, giant)
    fetched = sum(
        n for kind, n in requests.items() if kind.startswith("GET ") and "manifests" in kind
    )
    expected = 0 if step == "plan again" else giant.counts().manifests
    if fetched != expected:
        raise WrongError(f"{step} of {size}: {fetched} manifests were fetched, not {expected}")
    return row_of(size, step, giant, cost, one, requests)


def row_of(  # one column each
    size: str, step: str, giant: Giant, cost: Cost, one: Stage, requests: dict[str, int]
) -> Row:
    """Return the row of a command that was right."""
    times = (cost.wall_s, cost.cpu_s)
    mb = (cost.peak_mb, one.server_mb())
    manifests = giant.counts().manifests
    return Row(size, step, manifests, *times, *mb, requests, memory=a_dozen_of(cost.memory))


def checked(what: str, step: str, cost: Cost, giant: Giant) -> None:
    """Hold what `apply` or `verify` says against what a giant holds.

    Raises:
        WrongError: they differ.
    """
    facts, counts = json.loads(cost.out), giant.counts()
    if step == "apply":
        told = facts["counts"]
        if told["failed"] or told["pending"] or facts["outcome"] != "complete":
            raise WrongError(f"{what}: {facts['outcome']}, {told}")
    if step == "verify":
        right = {"tags": counts.tags, "manifests": counts.manifests - counts.referrers}
        told = {level: facts["levels"][level]["ok"] for level in right}
        if told != right or facts["outcome"] != "proven":
            raise WrongError(f"{what}: {facts['outcome']}, {told} are right of {right}")


def check(what: str, step: str, cost: Cost, giant: Giant) -> None:
    """Compare what a command counts with what a giant holds.

    Raises:
        WrongError: they differ.
    """
    facts, counts = json.loads(cost.out), giant.counts()
    if step == "inventory":
        names = ("images", "manifests", "tags", "untagged", "children")
        right = {name: getattr(counts, name) for name in names} | {"attached": counts.referrers}
        told = facts["counts"]
    else:
        # The lists of referrers and their tags are left out: the target makes its own.
        right = {"images": counts.images, "blobs": counts.blobs, "left out": counts.referrers}
        right["manifests"] = counts.manifests - counts.referrers
        right["tags"] = counts.tags - counts.referrers
        told = facts["counts"] | {"left out": len(facts["left_out"])}
    wrong = {name: told.get(name) for name, value in right.items() if told.get(name) != value}
    # The target is elsewhere, which is no fault of the listing.
    told = [one for one in facts["findings"] if one["code"] != "location-changes"]
    grave = [one for one in told if one["severity"] != "info"]
    if wrong or not facts["complete"] or grave:
        said = f"complete: {facts['complete']}, findings: {grave[:3]}"
        raise WrongError(f"{what}: counts {wrong}, but there are {right}; {said}")


HEAD = (
    f"{'size':>9}  {'command':<10} {'wall s':>9} {'CPU s':>9} {'CPU us':>8} {'peak MB':>8}"
    f" {'requests':>9} {'req/s':>7} {'server MB':>9}\n"
    f"{'':>9}  {'':<10} {'':>9} {'':>9} {'a manif.':>8}"
)


def line(row: Row) -> str:
    """Return a row of the table."""
    requests = sum(row.requests.values())
    each = row.cpu_s / row.manifests * 1_000_000
    server = f"{row.server_mb:.0f}" if row.server_mb else "-"
    return (
        f"{row.size:>9}  {row.step:<10} {row.wall_s:>9.1f} {row.cpu_s:>9.1f} {each:>8.0f}"
        f" {row.peak_mb:>8.0f} {requests:>9} {requests / row.wall_s:>7.0f} {server:>9}"
    )


def keep(rows: list[Row]) -> None:
    """Write rows into the file of results, in place of older ones of the same kind."""
    where = provenance("httpx", "starlette", "uvicorn")
    replace_rows(RESULTS / "inventory.json", (asdict(row) | where for row in rows), _kind)


def _kind(row: dict[str, Any]) -> tuple[str, str, int, bool]:
    return row["size"], row["step"], int(row.get("moved", 0)), row.get("is_unbound", False)


if __name__ == "__main__":
    sys.exit(main())
