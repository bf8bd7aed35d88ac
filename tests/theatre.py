"""Stages for runs that are killed: a sandbox each, with a plan that was made once."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gcr_migrate.sandbox.app import Sandbox, running
from tests.conftest import Cli

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from gcr_migrate.sandbox.scenarios import Scenario

SPEC = """\
version: 1
source: {{project: builds, hosts: [us.gcr.io]}}
target: {{location: {location}}}
routes:
  - match: "**"
    repository: moved
    access:
      grant:
        - {{role: artifactregistry.reader, members: ["group:devs@example.com"]}}
"""


@dataclass(frozen=True)
class Stage:
    """A sandbox with the tool in front of it; `cli.home` is a folder of this stage alone."""

    box: Sandbox
    cli: Cli

    @property
    def variables(self) -> dict[str, Any]:
        """Return what tells the tool of the sandbox."""
        endpoints = str(self.cli.home / "endpoints.yaml")
        return {"GCR_MIGRATE_ENDPOINTS": endpoints, "GCR_MIGRATE_ACCESS_TOKEN": self.box.token}

    def run(self, *args: str | Path) -> dict[str, Any]:
        """Run a command, which must succeed, and return its JSON."""
        done = self.cli(*args, "--json", **self.variables)
        assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def ask(self, what: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the sandbox itself, or give it a fault."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.box.control_url}/{what}", data)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
            return json.load(answer)

    def blobs(self, location: str) -> set[str]:
        """Return the digests of all blobs that the target holds."""
        moved = self.ask("state").get(f"projects/builds/locations/{location}/repositories/moved")
        return (
            {blob for image in moved["images"].values() for blob in image["blobs"]}
            if moved
            else set()
        )

    def uploads(self) -> list[tuple[str, int]]:
        """Return digest and status of each upload of a blob since the last reset."""
        asked = [
            one for one in self.ask("requests") if one["path"].startswith("/artifacts-uploads")
        ]
        return [(digest_of(one), one["status"]) for one in asked if digest_of(one)]


def digest_of(entry: dict[str, Any]) -> str:
    """Return the digest of the blob that an upload is of; empty where it is none."""
    found = re.search(r"digest=(sha256)(?::|%3A)([0-9a-f]{64})", entry["query"])
    return ":".join(found.groups()) if found else ""


class Theatre:
    """Opens stages; plans once for each target, since equal sandboxes make equal plans."""

    def __init__(self, folder: Path, stack: ExitStack, scenario: Scenario) -> None:
        self._folder, self._stack, self._scenario = folder, stack, scenario
        self._plans: dict[str, Path] = {}
        self._ends: dict[str, Any] = {}
        self._requests: dict[str, int] = {}
        self.boxes: list[Sandbox] = []

    def open(self) -> Stage:
        """Open a stage with a sandbox of its own."""
        home = self._folder / f"stage-{len(self.boxes)}"
        home.mkdir()
        box = self._stack.enter_context(running(self._scenario, home / "box"))
        self.boxes.append(box)
        box.write_endpoints(home / "endpoints.yaml")
        return Stage(box, Cli(home))

    def planned(self, location: str) -> Stage:
        """Open a stage with the migration file `m` in it."""
        if location not in self._plans:
            self._rehearse(location)
        stage = self.open()
        shutil.copy(self._plans[location], stage.cli.home / "m")
        return stage

    def end(self, location: str) -> Any:
        """Return the state in which an undisturbed run leaves the sandbox."""
        return self._ends[location]

    def requests(self, location: str) -> int:
        """Return how many requests an undisturbed run sends."""
        return self._requests[location]

    def _rehearse(self, location: str) -> None:
        stage = self.open()
        (stage.cli.home / "spec.yaml").write_text(SPEC.format(location=location))
        stage.run("plan", "spec.yaml", "-o", "planned")
        shutil.copy(stage.cli.home / "planned", stage.cli.home / "m")
        stage.ask("requests/reset", {})
        assert stage.run("apply", "m")["outcome"] == "complete"
        self._requests[location] = sum(stage.ask("requests/counts").values())
        self._plans[location] = stage.cli.home / "planned"
        self._ends[location] = stage.ask("state")
