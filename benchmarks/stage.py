"""A sandbox that holds a giant, in a process of its own, and the tool in front of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from benchmarks.measure import measure, resident_mb
from gcr_migrate.sandbox.giant_images import make_image
from gcr_migrate.state.cache import open_cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.measure import Cost
    from gcr_migrate.sandbox.giant import Giant

SPEC = """\
source: {project: giant, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
"""
_UNBOUND = "limits: {requests_per_second: 100000, writes_per_second: 100000, headroom: 0%}\n"
_START_S = 30.0


@dataclass(frozen=True)
class Box:
    """A sandbox in a process of its own.

    Attributes:
        control: address by which it is steered.
        token: access token of the owner.
        registries: address of each registry host.
        endpoints: file that leads the tool there.
        server: number of the process.
    """

    control: str
    token: str
    registries: dict[str, str]
    endpoints: Path
    server: int

    def environ(self) -> dict[str, str]:
        """Return the variables by which the tool finds it and logs in."""
        return {
            "GCR_MIGRATE_ENDPOINTS": str(self.endpoints),
            "GCR_MIGRATE_ACCESS_TOKEN": self.token,
        }

    def ask(self, call: str, data: bytes | None = None) -> Any:
        """Steer it, and return what it answers."""
        request = urllib.request.Request(f"{self.control}/{call}", data)  # noqa: S310  # loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
            return json.load(answer)


@dataclass(frozen=True)
class Stage:
    """The tool in front of a giant.

    Attributes:
        folder: working folder of the tool; `spec.yaml` lies there.
        box: the sandbox that holds the giant.
    """

    folder: Path
    box: Box

    def run(self, *args: str, limit_s: float) -> tuple[Cost, dict[str, int]]:
        """Run a command of the tool; return its cost, and its requests by kind."""
        self.box.ask("requests/reset", b"")
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        settings = {"HOME": str(self.folder)} | self.box.environ()
        command = [sys.executable, "-m", "gcr_migrate", *args, "--json"]
        cost = measure(command, self.folder, kept | settings, limit_s)
        return cost, self.box.ask("requests/counts")

    def server_mb(self) -> float | None:
        """Return the most memory that the sandbox had up to now, where the system tells."""
        return resident_mb(self.box.server, "VmHWM")


@contextmanager
def stage(
    giant: Giant, folder: Path, *, moved: int = 0, is_unbound: bool = False
) -> Iterator[Stage]:
    """Serve a giant while the block runs.

    Args:
        giant: what the source holds.
        folder: working folder of the tool.
        moved: so many of its images are at the target already, in a repository that nothing can be
            pushed into; those after them go to another one. Teams are not parted.
        is_unbound: quotas of services do not count: what is measured is not the time.
    """
    source = {"project": "giant", "location": "us", "id": "us.gcr.io", "giant": asdict(giant)}
    there = replace(giant, images=moved)
    target = {"project": "giant", "location": "europe", "id": "moved", "giant": asdict(there)}
    rest = giant.children("")[len(there.children("")) :] if moved else []
    routes = [{"match": f"{team}/**", "repository": "rest"} for team in rest]
    routes.append({"match": "**", "repository": "moved"})
    spec = f"{SPEC}routes: {json.dumps(routes)}\n{_UNBOUND if is_unbound else ''}"
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    with sandbox({"repositories": [source, target] if moved else [source]}, folder) as box:
        yield Stage(folder, box)


@contextmanager
def sandbox(holds: dict[str, Any], folder: Path) -> Iterator[Box]:
    """Run a sandbox that holds a scenario, with its files in a folder, while the block runs."""
    scenario, endpoints = folder / "scenario.yaml", folder / "endpoints.yaml"
    scenario.write_text(json.dumps(holds), encoding="utf-8")  # which is YAML
    command = [sys.executable, "-m", "gcr_migrate", "sandbox", "--scenario", str(scenario)]
    command += ["--write-endpoints", str(endpoints), "--directory", str(folder / "box"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            facts = _facts(server, endpoints)
            yield Box(
                facts["control"],
                facts["access_token"],
                facts["registries"],
                endpoints,
                server.pid,
            )
        finally:
            server.terminate()


def fill_cache(giant: Giant, folder: Path) -> None:
    """Put all manifests of a giant where `plan spec.yaml` keeps those that it read before."""
    with open_cache(folder / "giant.cache", "plan spec.yaml") as cache:
        for number in range(giant.images):
            for stored in make_image(giant, number).manifests.values():
                cache.put(stored.manifest)


def _facts(server: subprocess.Popen[str], endpoints: Path) -> dict[str, Any]:
    """Return what the sandbox says of itself when it serves."""
    until = time.monotonic() + _START_S
    while not endpoints.exists():
        if server.poll() is not None or time.monotonic() > until:
            raise SystemExit("the sandbox did not start")
        time.sleep(0.05)
    said = server.stdout.readline() if server.stdout else ""
    facts: dict[str, Any] = json.loads(said)
    return facts
