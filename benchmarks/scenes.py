"""One copy of everything by one tool: what it cost, what servers were asked, what is missing."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from benchmarks import peers
from benchmarks.measure import measure
from benchmarks.registries import Content, Registry, Secured, lines, missing, registry

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from benchmarks.bound import Bound
    from benchmarks.measure import Cost
    from benchmarks.peers import Tool


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
        bound: the fewest requests, and the fewest bytes up, where they are known.
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
    bound: tuple[int, int] | None = None
    missing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, cost: Cost) -> None:
        """Count one more pass."""
        self.wall_s.append(cost.wall_s)
        self.cpu_s.append(cost.cpu_s)
        self.peak_mb = max(self.peak_mb, cost.peak_mb)
        if cost.code:
            self.failed.append(f"exit code {cost.code}: {cost.err[-500:]}")


class Source(Protocol):
    """A registry that tools copy from."""

    @property
    def host(self) -> str:
        """Where it is, such as `127.0.0.1:5000`."""
        ...

    def forget(self) -> None:
        """Count requests from here on."""
        ...

    def requests(self) -> Counter[str]:
        """Return how many requests there were since then, by kind."""
        ...

    def log_in(self, home: Path) -> dict[str, str]:
        """Leave a login in a home for other tools; return variables for our own."""
        ...


@dataclass(frozen=True)
class Scene:
    """Where tools copy from, and what.

    Attributes:
        group: how it is called.
        source: the registry.
        content: what a complete copy has.
        spec: of our own tool, with places for `source` and `target`.
        latency_ms: round trip on the lines to both registries; without any there is no relay.
        bound: the fewest requests and bytes, where they are known.
        secured: what both registries speak TLS with; None: they speak plain HTTP.
    """

    group: str
    source: Source
    content: Content
    spec: str
    latency_ms: float = 0
    bound: Bound | None = None
    secured: Secured | None = None

    def row(self, tool: Tool) -> Row:
        """Return an empty row for a tool, with the bound of what it does."""
        low = self.bound
        requests = low and (low.apply if tool.is_planned else low.all)
        bound = (requests, low.bytes_up) if low and requests else None
        return Row(self.group, tool.name, bound=bound)

    def one_pass(self, tool: Tool, row: Row, asked: Asked) -> None:
        """Let a tool copy everything to an empty registry, once."""
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            work, stored = Path(folder), Path(folder) / "stored"
            with (
                registry(work / "target", storage=stored, secured=self.secured) as target,
                self._lines(target) as (from_host, to_host, up),
            ):
                environ = environment(work, from_host, to_host, asked.apply)
                environ |= self.source.log_in(work)
                if self.secured:
                    hosts = {host: host for host in (from_host, to_host)}
                    environ |= self.secured.variables(work, hosts)
                self._write(work, from_host, to_host)
                if tool.before and (before := run(tool.before, work, environ, asked.limit_s)).code:
                    raise SystemExit(f"{tool.name}: `{tool.before}` failed: {before.err}")
                self.source.forget()
                target.forget()
                row.add(run(tool.script, work, environ, asked.limit_s))
                row.requests = dict(sorted((self.source.requests() + target.requests()).items()))
            if up:
                row.bytes_up = up[0]
            with registry(work / "plain", storage=stored) as target:
                row.missing += missing(self.content, target.host)

    @contextmanager
    def _lines(self, target: Registry) -> Iterator[tuple[str, str, list[int]]]:
        """Yield where source and target are for a tool, and later how many bytes went up."""
        up: list[int] = []
        if not self.latency_ms:
            yield self.source.host, target.host, up
            return
        with lines(self.latency_ms, self.source.host, target.host) as found:
            source, target_host = found.hosts
            yield source, target_host, up
        up.append(found.up[1])

    def _write(self, work: Path, source: str, target: str) -> None:
        """Write the spec, and the lists of tags and images that other tools need."""
        (work / "spec.yaml").write_text(self.spec.format(source=source, target=target), "utf-8")
        images = dict.fromkeys(path for path, _ in self.content.tags)
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
    rows = {tool.name: scene.row(tool) for tool in tools}
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
