"""A project whose images never left Container Registry, and `rescue` run over it as a process."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema

from gcr_migrate.cli.tools import json_schema
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.faults import Fault
from gcr_migrate.sandbox.scenarios import Scenario, load_scenario

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.kept import Kept
    from tests.conftest import Cli
    from tests.warm import Running

OLD = "old-builds"
COPIES = "CopyFromGCR="
BROKEN = "app/broken"  # of which a layer is gone


@dataclass(frozen=True)
class Left:
    """The sandbox, and the tool in front of it.

    Attributes:
        box: the sandbox.
        cli: the tool.
    """

    box: Sandbox
    cli: Cli

    @property
    def environ(self) -> dict[str, str]:
        """Return the variables that lead the tool here."""
        return {
            "GCR_MIGRATE_ENDPOINTS": str(self.cli.home / "endpoints.yaml"),
            "GCR_MIGRATE_ACCESS_TOKEN": self.box.token,
            "GCR_MIGRATE_RETRY_PAUSE_S": "0.01",
        }

    def run(self, *args: str, code: int, **more: str) -> dict[str, Any]:
        """Rescue the project, or what is named, and return what was said in JSON."""
        named = () if args and not args[0].startswith("-") else (OLD,)
        done = self.call("rescue", *named, *args, **more)
        assert done.returncode == code, done.stdout + done.stderr
        facts: dict[str, Any] = json.loads(done.stdout)
        jsonschema.validate(facts, json_schema("rescue" if "targets" in facts else "error"))
        return facts

    def call(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run any command here."""
        return self.cli(*words, "--json", timeout_s=120, **self.environ | more)

    def start(self, *args: str, **more: str) -> Running:
        """Start to rescue the project, and do not wait for it."""
        return self.cli.start("rescue", OLD, *args, "--json", **self.environ | more)

    def fault(self, **rule: Any) -> None:
        """Let something go wrong with copying requests from now on."""
        rule = {"path": COPIES} | rule
        self.box.faults.rules.append(Fault.model_validate(rule))

    @property
    def kept(self) -> Kept:
        """What the source really has."""
        kept = self.box.store.project(OLD).kept
        assert kept
        return kept

    def habits(self, **more: Any) -> None:
        """Change how the service copies."""
        self.kept.habits = self.kept.habits.model_copy(update=more)

    def asked(self, *words: str) -> list[str]:
        """Return the copying requests that have all of these words in them."""
        entries = httpx.get(f"{self.box.control_url}/requests").json()
        asked = [f"{one['host']}{one['path']}?{one['query']}" for one in entries]
        return [one for one in asked if all(word in one for word in (COPIES, *words))]

    def at_target(self, repository: str = "") -> dict[str, set[str]]:
        """Return the digests that the targets have, or one of them, by host and path."""
        return {
            f"{one.id}/{path}": {str(digest) for digest in image.manifests}
            for one in self.box.store.repositories.values()
            if repository in {"", one.id}
            for path, image in one.images.items()
            if image.manifests
        }

    def at_source(self) -> dict[str, set[str]]:
        """Return what can be copied, likewise."""
        return {
            f"{host}/{path}": {str(digest) for digest in image.manifests}
            for host, images in self.kept.images.items()
            for path, image in images.items()
            if path != BROKEN
        }


def scenario(*, whole: bool = False, **habits: Any) -> Scenario:
    """Return the scenario of images that were left behind.

    Args:
        whole: leave out what is damaged.
        habits: how the service copies.
    """
    plain = load_scenario("left-behind").model_dump()
    registry = plain["projects"][0]["container_registry"]
    registry |= habits
    if whole:
        registry["images"] = [one for one in registry["images"] if one["path"] != BROKEN]
    return Scenario.model_validate(plain)


@contextmanager
def left_behind(folder: Path, cli: Cli, wanted: Scenario) -> Iterator[Left]:
    """Run a sandbox of such a project, with the tool in front of it."""
    with running(wanted, folder / "box") as box:
        box.write_endpoints(cli.home / "endpoints.yaml")
        yield Left(box, cli)


def codes(facts: dict[str, Any]) -> set[str]:
    """Return the codes of what is wrong."""
    return {one["code"] for one in facts["findings"] if one["severity"] == "error"}
