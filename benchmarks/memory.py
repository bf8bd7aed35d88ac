"""Measure the memory of `apply` with blobs of some sizes in flight: `python -m benchmarks.memory`.

The target takes bytes slowly, so that whatever can fill up in between does. All blobs of a run are
of one size, and as many are under way at once for each size. A run is wrong if the target saw
fewer at once, or other bytes than those of the blobs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.kept import provenance, replace_rows
from benchmarks.measure import a_dozen_of, measure
from benchmarks.slow import NAME
from gcr_migrate.apply.copy import LARGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measure import Cost

RESULTS: Final = Path(__file__).resolve().parent / "results" / "memory.json"
AIM_MB: Final = 150.0
SPREAD_MB: Final = 10.0
_SLOW: Final = Path(__file__).resolve().parent / "slow.py"
_MB: Final = 1_000_000
_LINE_S: Final = 30.0  # that a run takes at least: small blobs come one after another
_SPEC: Final = """\
source: {{registry: "{source}", paths: [{name}]}}
target: {{registry: "{target}"}}
"""


@dataclass(frozen=True)
class Row:
    """What one run took.

    Attributes:
        blob_mb: size of each blob.
        blobs: how many there were.
        in_flight: how many were under way at once.
        workers: processes that copied.
        wall_s: time that passed.
        cpu_s: work of the client's processors.
        peak_mb: most memory that `apply` had at once.
        all_mb: most that it had together with its workers, as far as a look a second shows; what
            they share counts for each.
        memory: the MB of all of them, by seconds since the start.
    """

    blob_mb: float
    blobs: int
    in_flight: int
    workers: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    all_mb: float
    memory: dict[str, float]


def main() -> int:
    """Measure what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--sizes", type=float, nargs="+", default=[16, 512], metavar="MB")
    parser.add_argument("--in-flight", type=int, default=32, metavar="N")
    parser.add_argument("--rate", type=float, default=4, metavar="MB", help="a second and blob")
    parser.add_argument("--workers", type=int, nargs="+", default=[1], metavar="N")
    parser.add_argument("--limit", type=float, default=1_800, help="seconds of one run")
    asked = parser.parse_args()
    print(HEAD, flush=True)
    rows: list[Row] = []
    for workers in asked.workers:
        for size in asked.sizes:
            rows.append(measured(size, asked.in_flight, asked.rate, workers, asked.limit))
            print(line(rows[-1]), flush=True)
    keep(rows)
    alone = [row.peak_mb for row in rows if row.workers == 1]
    wrong = alone and (max(alone) > AIM_MB or max(alone) - min(alone) > SPREAD_MB)
    if wrong:
        print(f"the aim is {AIM_MB:.0f} MB, {SPREAD_MB:.0f} MB apart at most", file=sys.stderr)
    return int(bool(wrong))


def measured(  # what a run is made of
    size_mb: float,
    in_flight: int,
    rate_mb: float,
    workers: int,
    limit_s: float,
    line_s: float = _LINE_S,
) -> Row:
    """Copy blobs of one size to a slow target.

    Args:
        size_mb: the size.
        in_flight: how many are under way at once.
        rate_mb: what the target takes of each in a second.
        workers: processes that copy.
        limit_s: when a command is killed.
        line_s: how long it takes at least at that rate, with as many blobs as that needs.

    Raises:
        SystemExit: the tool failed, or the target saw something else.
    """
    size = int(size_mb * _MB)
    blobs = in_flight * max(1, round(line_s * rate_mb / size_mb))
    # Large ones take half of the places, so that small ones find room beside them.
    at_once = in_flight * 2 if size >= LARGE_BYTES else in_flight
    at_once //= workers  # each worker may have as many as `--concurrency` says
    with tempfile.TemporaryDirectory() as name, slow(blobs, size, rate_mb) as server:
        folder = Path(name)
        spec = _SPEC.format(source=server.source, target=server.target, name=NAME)
        (folder / "spec.yaml").write_text(spec, encoding="utf-8")
        done(folder, limit_s, "plan", "spec.yaml", "-o", "m")
        more = ("--workers", str(workers), "--concurrency", str(at_once))
        cost = done(folder, limit_s, "apply", "m", "--yes", *more)
        saw = server.end()
    if saw["most"] != in_flight or saw["taken"] < blobs * size:
        raise SystemExit(f"{size_mb:g} MB: {saw['most']} at once, {saw['taken']} bytes came")
    most = max((mb for _, mb in cost.memory), default=0.0)
    times = (cost.wall_s, cost.cpu_s)
    return Row(
        size_mb, blobs, in_flight, workers, *times, cost.peak_mb, most, a_dozen_of(cost.memory)
    )


def done(folder: Path, limit_s: float, *args: str) -> Cost:
    """Run a command of the tool.

    Raises:
        SystemExit: it failed.
    """
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    command = [sys.executable, "-m", "gcr_migrate", *args, "--json"]
    cost = measure(command, folder, kept | {"HOME": str(folder)}, limit_s)
    if cost.code:
        raise SystemExit(
            f"{args[0]}: exit code {cost.code}\n{cost.err[-2_000:]}{cost.out[-2_000:]}"
        )
    return cost


@dataclass
class Server:
    """The source and the slow target.

    Attributes:
        source: where it is, and `target` where that is.
    """

    source: str
    target: str
    _process: subprocess.Popen[str]

    def end(self) -> dict[str, int]:
        """End it, and return what it saw."""
        told, _ = self._process.communicate()
        saw: dict[str, int] = json.loads(told)
        return saw


@contextmanager
def slow(blobs: int, size: int, rate_mb: float) -> Iterator[Server]:
    """Serve so many blobs, and take each no faster than is said, while the block runs."""
    command = [sys.executable, str(_SLOW), str(blobs), str(size), str(rate_mb * _MB)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout  # noqa: S101  # asked for above
        try:
            source, target = json.loads(process.stdout.readline())
            yield Server(source, target, process)
        finally:
            process.terminate()


HEAD: Final = (
    f"{'blob MB':>8} {'blobs':>6} {'at once':>8} {'workers':>8} {'wall s':>8} {'CPU s':>8}"
    f" {'peak MB':>8} {'all MB':>8}"
)


def line(row: Row) -> str:
    """Return a row of the table."""
    return (
        f"{row.blob_mb:>8g} {row.blobs:>6} {row.in_flight:>8} {row.workers:>8} {row.wall_s:>8.1f}"
        f" {row.cpu_s:>8.1f} {row.peak_mb:>8.0f} {row.all_mb:>8.0f}"
    )


def keep(rows: list[Row]) -> None:
    """Write rows into the file of results, in place of older ones of the same kind."""
    where = provenance()
    replace_rows(RESULTS, (asdict(row) | where for row in rows), _kind)


def _kind(row: dict[str, Any]) -> tuple[float, int, int]:
    return row["blob_mb"], row["in_flight"], row["workers"]


if __name__ == "__main__":
    sys.exit(main())
