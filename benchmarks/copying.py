"""Measure whole copies beside those of other tools: `python -m benchmarks.copying`.

Every pass of every tool goes to a registry that is empty; passes are interleaved; what counts is
the median. A tool that leaves anything out is shown, but cannot be the best.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import peers
from benchmarks.corpus import add_shape, bound, make_corpus, push, shape_of
from benchmarks.measure import measure
from benchmarks.registries import Content, Registry, lines, missing, registry
from benchmarks.table import write_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.corpus import Corpus
    from benchmarks.measure import Cost
    from benchmarks.peers import Tool

RESULTS: Final = Path(__file__).resolve().parent / "results" / "copy.json"
_SPEC: Final = """\
version: 1
source: {{registry: "{source}"}}
target: {{registry: "{target}"}}
"""


@dataclass(frozen=True)
class Asked:
    """How to measure.

    Attributes:
        passes: how often each tool copies everything.
        apply: further options of `apply`.
        limit_s: when a tool is ended.
        folder: where registries and tools keep what they need meanwhile.
    """

    passes: int
    apply: str
    limit_s: float
    folder: Path


@dataclass
class Row:
    """What one tool took.

    Attributes:
        group: from where, and over what line.
        tool: which.
        wall_s: time of each pass.
        cpu_s: work of the client's processors in each pass.
        peak_mb: most memory that one of its processes had.
        requests: how many the servers had in the last pass, by kind.
        bytes_up: bytes that went to the target in the last pass, where a relay counted them.
        missing: what the target did not have after a pass.
        failed: exit codes other than 0, and the end of what was said.
    """

    group: str
    tool: str
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mb: float = 0
    requests: dict[str, int] = field(default_factory=dict)
    bytes_up: int | None = None
    missing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, cost: Cost) -> None:
        """Count one more pass."""
        self.wall_s.append(cost.wall_s)
        self.cpu_s.append(cost.cpu_s)
        self.peak_mb = max(self.peak_mb, cost.peak_mb)
        if cost.code:
            self.failed.append(f"exit code {cost.code}: {cost.err[-500:]}")


@dataclass(frozen=True)
class Scene:
    """Where tools copy from, and what.

    Attributes:
        group: how it is called.
        latency_ms: round trip on the lines to both registries; without any there is no relay.
        source: the registry.
        corpus: what is in it.
    """

    group: str
    latency_ms: float
    source: Registry
    corpus: Corpus

    @property
    def content(self) -> Content:
        """What a complete copy has."""
        repositories = self.corpus.repositories.items()
        return Content(
            tags={(path, tag): it for path, one in repositories for tag, it in one.tags.items()},
            manifests=frozenset((path, it) for path, one in repositories for it in one.manifests),
            blobs={pair: self.corpus.blobs[pair[1]].size for pair in self.corpus.pairs()},
        )

    def one_pass(self, tool: Tool, row: Row, asked: Asked) -> None:
        """Let a tool copy everything to an empty registry, once."""
        with ExitStack() as stack:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=asked.folder)))
            target = stack.enter_context(registry(work / "target"))
            with self._lines(target) as (from_host, to_host, up):
                environ = environment(work, from_host, to_host, asked.apply)
                self._write(work, from_host, to_host)
                if tool.before:
                    run(tool.before, work, environ, asked.limit_s)
                self.source.forget()
                target.forget()
                cost = run(tool.script, work, environ, asked.limit_s)
            row.add(cost)
            row.requests = dict(sorted((self.source.requests() + target.requests()).items()))
            if up:
                row.bytes_up = up[0]
            row.missing += missing(self.content, target.host)

    @contextmanager
    def _lines(self, target: Registry) -> Iterator[tuple[str, str, list[int]]]:
        """Yield where source and target are for a tool, and later how many bytes went up."""
        up: list[int] = []
        if not self.latency_ms:
            yield self.source.host, target.host, up
            return
        with lines(self.latency_ms, self.source.port, target.port) as found:
            source, target_host = found.hosts
            yield source, target_host, up
        up.append(found.up[1])

    def _write(self, work: Path, source: str, target: str) -> None:
        """Write the spec, and the lists of tags and images that other tools need."""
        (work / "spec.yaml").write_text(_SPEC.format(source=source, target=target), "utf-8")
        images = [*self.corpus.repositories]
        tags = [f"{path}:{tag}" for path, tag in self.content.tags]
        for name, listed in (("images", images), ("tags", tags)):
            text = "".join(f"{source}/{one} {target}/{one}\n" for one in listed)
            (work / name).write_text(text, "utf-8")


def environment(work: Path, source: str, target: str, apply: str) -> dict[str, str]:
    """Return the variables that a script sees."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return kept | {
        "PATH": f"{peers.FOLDER}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(work),
        "SOURCE": source,
        "TARGET": target,
        "GCR_MIGRATE": f"{shlex.quote(sys.executable)} -m gcr_migrate",
        "APPLY": apply,
    }


def run(script: str, work: Path, environ: dict[str, str], limit_s: float) -> Cost:
    """Run a script to its end and tell what it cost."""
    return measure(["sh", "-c", script], work, environ, limit_s)


def interleaved(scene: Scene, tools: Sequence[Tool], asked: Asked) -> list[Row]:
    """Run all tools as often as asked, one after the other each time."""
    rows = {tool.name: Row(scene.group, tool.name) for tool in tools}
    for number in range(asked.passes):
        for tool in tools:
            row = rows[tool.name]
            scene.one_pass(tool, row, asked)
            print(
                f"{scene.group}, pass {number + 1}: {tool.name}: {row.wall_s[-1]:.2f} s,"
                f" CPU {row.cpu_s[-1]:.2f} s, {sum(row.requests.values())} requests,"
                f" {len(row.missing)} missing, {len(row.failed)} failed",
                flush=True,
            )
    return [*rows.values()]


def main() -> int:
    """Measure what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copying", description=__doc__)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--latency", type=float, nargs="*", default=[0, 30], metavar="MS")
    parser.add_argument("--only", default="", metavar="WORDS", help="tools whose name has them")
    parser.add_argument("--apply", default="", metavar="OPTIONS", help="further ones of `apply`")
    parser.add_argument("--limit", type=float, default=1_800, help="seconds of one pass")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--keep", type=Path, default=RESULTS, metavar="FILE")
    add_shape(parser)
    asked = parser.parse_args()
    how = Asked(asked.passes, asked.apply, asked.limit, asked.folder)
    built = peers.build()
    for name, why in built.absent.items():
        print(f"{name} is left out: {why}", file=sys.stderr)
    tools = [
        tool
        for tool in (*peers.OWN, *peers.BETWEEN_REGISTRIES)
        if tool.program not in built.absent
        and any(one in tool.name for one in asked.only.split(","))
    ]
    corpus = make_corpus(shape_of(asked))
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(dir=asked.folder) as folder,
        registry(Path(folder) / "source") as source,
    ):
        push(corpus, source.host)
        for latency in asked.latency:
            scene = Scene(f"{latency:g} ms", latency, source, corpus)
            rows += interleaved(scene, tools, how)
    result = facts(corpus, how, built) | {"rows": [asdict(row) for row in rows]}
    asked.keep.parent.mkdir(exist_ok=True)
    asked.keep.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(write_table(result, asked.keep == RESULTS))
    return int(any(row.failed or row.missing for row in rows if row.tool.startswith("gcr-migrate")))


def facts(corpus: Corpus, how: Asked, built: peers.Built) -> dict[str, Any]:
    """Return what the figures depend on."""
    low = bound(corpus)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "versions": {"python": platform.python_version(), "gcr-migrate": version("gcr-migrate")}
        | built.versions,
        "absent": built.absent,
        "passes": how.passes,
        "apply": how.apply,
        "corpus": asdict(corpus.shape)
        | {
            "tags": sum(len(one.tags) for one in corpus.repositories.values()),
            "manifests": sum(len(one.manifests) for one in corpus.repositories.values()),
            "blobs": len(corpus.blobs),
            "bytes": sum(blob.size for blob in corpus.blobs.values()),
        },
        "bound": asdict(low) | {"apply": low.apply, "all": low.all},
    }


if __name__ == "__main__":
    sys.exit(main())
