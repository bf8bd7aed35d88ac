"""Measure what several worker processes cost over TLS: `python -m benchmarks.workers`.

The same copy by one process and by several, in turn, each time to a registry that is empty; then
the same command again, which has nothing to do: that is the price of starting. Work of the
processor is told apart for the process that a person starts and for those that it starts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import ssl
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.copying import content_of
from benchmarks.corpus import add_shape, make_corpus, push, shape_of
from benchmarks.kept import load, provenance, write
from benchmarks.measure import measure
from benchmarks.registries import Secured, missing, registry
from gcr_migrate.apply.run import WORKER_BYTES

if TYPE_CHECKING:
    from benchmarks.measure import Cost
    from benchmarks.registries import Content

RESULTS: Final = Path(__file__).resolve().parent / "results" / "workers.json"
_SHAPE: Final = {"images": 30, "median": 6_000_000, "largest": 128_000_000}
_SPEC: Final = """\
version: 1
source: {registry: source.example}
target: {registry: target.example}
"""


@dataclass
class Row:
    """What some number of processes took, pass by pass.

    Attributes:
        workers: how many processes copied; one is the process that is started itself.
        wall_s: from start to end.
        cpu_s: work of all processes.
        own_cpu_s: the part of the process that is started.
        start_cpu_s: work of all processes when there is nothing to do, and `start_own_cpu_s` the
            part of the process that is started.
    """

    workers: int
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    own_cpu_s: list[float] = field(default_factory=list)
    start_cpu_s: list[float] = field(default_factory=list)
    start_own_cpu_s: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Figures:
    """What a row comes to, for some number of bytes.

    Attributes:
        mb_per_cpu_s: megabytes copied for each second of the processor.
        of_one: that, as a part of what one process does.
        share: the part of the work that the process that is started has.
    """

    mb_per_cpu_s: float
    of_one: float
    share: float


def figures(row: dict[str, Any], one: dict[str, Any], measured: int, size: int) -> Figures:
    """Return what a row comes to where `size` bytes are copied.

    Starting costs what it costs, and all else grows with the bytes.

    Args:
        row: as it is kept.
        one: the row of one process.
        measured: bytes that were copied for these rows.
        size: bytes to tell the figures of.
    """

    def cpu_s(row: dict[str, Any], what: str) -> float:
        start: float = statistics.median(row[f"start_{what}"])
        rest: float = statistics.median(row[what]) - start
        return start + rest * size / measured

    all_s, one_s = cpu_s(row, "cpu_s"), cpu_s(one, "cpu_s")
    return Figures(size / 1e6 / all_s, one_s / all_s, cpu_s(row, "own_cpu_s") / all_s)


def table(result: dict[str, Any]) -> str:
    """Return the results of a run as Markdown."""
    measured = result["corpus"]["bytes"]
    one = next(row for row in result["rows"] if row["workers"] == 1)
    text = (
        "| processes | wall s | CPU s | CPU s of starting | MB | MB per CPU s | of one process"
        " | coordinator's share |\n|---|---|---|---|---|---|---|---|\n"
    )
    for row in result["rows"]:
        # The size at which so many are the default, where that is another one.
        for size in dict.fromkeys((measured, row["workers"] * WORKER_BYTES)):
            found = figures(row, one, measured, size)
            cells = [str(row["workers"])]
            if size == measured:
                cells += [f"{statistics.median(row['wall_s']):.1f}"]
                cells += [f"{statistics.median(row['cpu_s']):.2f}"]
                cells += [f"{statistics.median(row['start_cpu_s']):.2f}", f"{size / 1e6:.0f}"]
            else:
                cells += ["", "", "", f"{size / 1e6:.0f}, reckoned"]
            share = f"{found.share:.1%}" if row["workers"] > 1 else ""
            cells += [f"{found.mb_per_cpu_s:.0f}", f"{found.of_one:.2f}", share]
            text += f"| {' | '.join(cells)} |\n"
    return text


class _Bench:
    """A source that speaks TLS, a plan of all that it has, and runs of that plan."""

    def __init__(self, folder: Path, limit_s: float) -> None:
        self._folder = folder
        self._storage = folder / "storage"
        self._limit_s = limit_s
        self._source = ""
        self.secured = Secured.made(folder)

    def plan(self, source: str) -> None:
        """Plan once: names stay the same, whoever stands behind them."""
        self._source = source
        with registry(self._folder / "t", secured=self.secured) as target:
            work, environ = self._work("plan", target.host)
            (work / "spec.yaml").write_text(_SPEC, "utf-8")
            _right(self._run(work, environ, "plan", "spec.yaml", "-o", "../m", "--json"))

    def one_pass(self, row: Row, content: Content) -> None:
        """Copy everything once, then once more what is there already.

        Raises:
            SystemExit: something is left out, or the copy failed.
        """
        command = ["apply", "m", "--workers", str(row.workers), "--json"]
        with registry(self._folder / "t", storage=self._storage, secured=self.secured) as target:
            work, environ = self._work("work", target.host)
            shutil.copy(self._folder / "m", work / "m")
            cost, start = (_right(self._run(work, environ, *command)) for _ in range(2))
        with registry(self._folder / "plain", storage=self._storage) as target:
            if lost := missing(content, target.host):
                raise SystemExit(f"{len(lost)} are left out, such as {lost[0]}")
        shutil.rmtree(self._storage)
        shutil.rmtree(work)
        row.wall_s.append(cost.wall_s)
        row.cpu_s.append(cost.cpu_s)
        row.own_cpu_s.append(_own(cost))
        row.start_cpu_s.append(start.cpu_s)
        row.start_own_cpu_s.append(_own(start))
        print(
            f"{row.workers} processes: {cost.wall_s:.1f} s, CPU {cost.cpu_s:.2f} s,"
            f" {_own(cost):.2f} s of the first one; with nothing to do CPU {start.cpu_s:.2f} s,"
            f" {_own(start):.2f} s of the first one",
            flush=True,
        )

    def _work(self, name: str, target: str) -> tuple[Path, dict[str, str]]:
        """Make a folder to run in; return it, and the variables for that."""
        work = self._folder / name
        work.mkdir()
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        hosts = {"source.example": self._source, "target.example": target}
        return work, kept | {"HOME": str(work)} | self.secured.variables(work, hosts)

    def _run(self, work: Path, environ: dict[str, str], *args: str) -> Cost:
        command = [sys.executable, "-m", "gcr_migrate", *args]
        return measure(command, work, environ, self._limit_s)


def _right(cost: Cost) -> Cost:
    if cost.code:
        raise SystemExit(f"exit code {cost.code}\n{cost.out[-2000:]}{cost.err[-2000:]}")
    return cost


def _own(cost: Cost) -> float:
    if cost.own_cpu_s is None:
        raise SystemExit("this system does not tell the work of a process by itself")
    return cost.own_cpu_s


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[os.cpu_count() or 1])
    parser.add_argument("--limit", type=float, default=1_800, help="seconds of one run")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--keep", type=Path, default=RESULTS, metavar="FILE")
    add_shape(parser)
    parser.set_defaults(**_SHAPE)
    asked = parser.parse_args()
    corpus = make_corpus(shape_of(asked))
    content = content_of(corpus)
    rows = [Row(count) for count in dict.fromkeys([1, *asked.workers])]
    size = sum(blob.size for blob in corpus.blobs.values())
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        bench = _Bench(folder, asked.limit)
        with registry(folder / "filled") as filled:
            push(corpus, filled.host)
            storage = folder / "filled" / "storage"
            with registry(folder / "s", storage=storage, secured=bench.secured) as source:
                bench.plan(source.host)
                for _ in range(asked.passes):
                    for row in rows:
                        bench.one_pass(row, content)
    where = provenance()
    result = {
        **where,
        "versions": where["versions"] | {"openssl": ssl.OPENSSL_VERSION},
        "load": load(),
        "passes": asked.passes,
        "corpus": asdict(corpus.shape) | {"blobs": len(corpus.blobs), "bytes": size},
        "rows": [asdict(row) for row in rows],
    }
    write(asked.keep, result)
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
