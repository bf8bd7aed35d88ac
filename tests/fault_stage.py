"""A sandbox, the tool in this process, and what both say: the stage of the fault matrix."""

from __future__ import annotations

import io
import json
import shutil
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest
from ruamel.yaml import YAML

from gcr_migrate.cli.main import outcome
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.faults import Fault
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

US, EUROPE = "us-docker.pkg.dev", "europe-docker.pkg.dev"
MOVED: Final = "projects/builds/locations/europe/repositories/moved"
SOURCE: Final = "projects/builds/locations/us/repositories/us.gcr.io"
SPEC: Final = """\
version: 1
source: {project: builds, hosts: [us.gcr.io]}
target: {location: europe}
routes:
  - {match: "**", repository: moved}
"""
IMPATIENT: Final = {
    "GCR_MIGRATE_RETRY_TRIES": "3",
    "GCR_MIGRATE_RETRY_PAUSE_S": "0.01",
    "GCR_MIGRATE_QUOTA_WAIT_S": "6",
}


# For what stalls, and nothing else: machines do, too.
IDLE: Final = {"GCR_MIGRATE_IDLE_TIMEOUT_S": "1.5"}


def _layers(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "size": 3_000} for name in names]


def scenario() -> Scenario:
    """Three images: `b` shares a layer with `a` and has an untagged one, `c` is an index."""
    images = [
        {"path": "app/a", "tags": ["1"], "layers": _layers("base", "a")},
        {"path": "app/b", "tags": ["1"], "layers": _layers("base", "b")},
        {"path": "app/b", "layers": _layers("base", "untagged")},
        {
            "path": "app/c",
            "tags": ["1", "latest"],
            "layers": _layers("c"),
            "platforms": ["linux/amd64", "linux/arm64"],
        },
    ]
    source = {"project": "builds", "location": "us", "id": "us.gcr.io", "images": images}
    target = {"project": "builds", "location": "europe", "id": "moved"}
    return Scenario.model_validate({"identities": [{}], "repositories": [source, target]})


@dataclass(frozen=True)
class Told:
    """What a command said: exit code, its JSON object, and what else was printed."""

    exit: int
    facts: dict[str, Any]
    stderr: str
    seconds: float


@dataclass
class Tool:
    """The tool in this process, with a folder of its own.

    Attributes:
        home: the folder; `m` is the migration file.
        endpoints: what the endpoints file says.
        straight: what it says where nothing is to be in the way.
        token: the access token; empty for none.
        settings: variables of runs that something is in the way of.
    """

    home: Path
    endpoints: dict[str, Any]
    straight: dict[str, Any]
    token: str = ""
    settings: dict[str, str] = field(default_factory=IMPATIENT.copy)

    def run(self, *args: str | Path, quiet: bool = False) -> Told:
        """Run a command; `quiet` goes straight to the services, and has patience."""
        file = self.home / "endpoints.yaml"
        with file.open("w") as stream:
            YAML().dump(self.straight if quiet else self.endpoints, stream)
        out, err = io.StringIO(), io.StringIO()
        began = time.monotonic()
        with pytest.MonkeyPatch.context() as variables, redirect_stdout(out), redirect_stderr(err):
            variables.setenv("GCR_MIGRATE_ACCESS_TOKEN", self.token)
            for name, value in ({} if quiet else self.settings).items():
                variables.setenv(name, value)
            code = outcome([*map(str, args), "--endpoints", str(file), "--json"])
        said = out.getvalue() + err.getvalue()
        assert "Traceback" not in said
        assert not self.token or self.token not in said
        facts = json.loads(out.getvalue() or "{}")
        return Told(code, facts, err.getvalue(), time.monotonic() - began)

    def command(self, name: str, *, quiet: bool = False, spec: str = SPEC) -> Told:
        """Plan into the migration file `m`, or apply or verify it."""
        if name != "plan":
            return self.run(name, self.home / "m", quiet=quiet)
        (self.home / "spec.yaml").write_text(spec)
        return self.run("plan", self.home / "spec.yaml", "-o", self.home / "m", quiet=quiet)


@dataclass(kw_only=True)
class Stage(Tool):
    """The tool in front of a sandbox.

    Attributes:
        box: the sandbox.
    """

    box: Sandbox

    def fault(self, rule: dict[str, Any]) -> Fault:
        """Give the sandbox a rule of what goes wrong."""
        fault = Fault.model_validate(rule)
        self.box.faults.rules.append(fault)
        return fault

    def calm(self) -> None:
        """Take away all rules."""
        self.box.faults.rules.clear()
        self.endpoints = self.straight

    @property
    def requests(self) -> int:
        """How many requests the sandbox got since the last `forget`."""
        return sum(self.box.log.counts.values())

    def forget(self) -> None:
        """Forget the requests."""
        self.box.log.reset()

    @property
    def target(self) -> Any:
        """What the target holds: tags, manifests and blobs of each image."""
        return self.box.store.state()[MOVED]


@contextmanager
def staged(home: Path, migration: Path | None = None) -> Iterator[Stage]:
    """Open a stage while the block runs, with a copy of a migration file in it."""
    home.mkdir(parents=True, exist_ok=True)
    if migration:
        shutil.copy(migration, home / "m")
    with running(scenario(), home / "box") as box:
        yield Stage(home, box.endpoints, box.endpoints, box.token, box=box)
