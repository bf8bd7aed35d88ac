"""A world with a project of each kind, and `discover` run over it by the real program."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jsonschema

from gcr_migrate.cli.tools import json_schema
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.scenarios import Scenario
from tests.conftest import Cli

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

MIGRATOR: Final = "user:migrator@example.com"
DENIED_TOKEN: Final = "ya29.sandbox-stranger"  # noqa: S105  # the sandbox's own
AR_API: Final = "artifactregistry.googleapis.com"


@dataclass(frozen=True)
class Found:
    """What a run said, as its JSON object."""

    facts: dict[str, Any]

    def host(self, project: str, host: str) -> dict[str, Any]:
        """Return one host of a project."""
        found: list[dict[str, Any]] = [
            one
            for part in self.facts["projects"]
            for one in part["hosts"]
            if (part["project"], one["host"]) == (project, host)
        ]
        assert len(found) == 1, self.facts
        return found[0]

    def kinds(self, project: str) -> dict[str, str | None]:
        """Return the kind of each host of a project."""
        parts = [one for one in self.facts["projects"] if one["project"] == project]
        assert len(parts) == 1, [one["project"] for one in self.facts["projects"]]
        hosts: list[dict[str, Any]] = parts[0]["hosts"]
        return {one["host"]: one["kind"] for one in hosts}

    @property
    def projects(self) -> list[str]:
        """The projects that were asked."""
        return [one["project"] for one in self.facts["projects"]]


@dataclass(frozen=True)
class Stage:
    """A sandbox and the tool in front of it."""

    box: Sandbox
    cli: Cli

    def run(
        self, *args: str, token: str = "", timeout_s: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the tool."""
        return self.cli(
            *args,
            timeout_s=timeout_s,
            GCR_MIGRATE_ENDPOINTS=str(self.cli.home / "endpoints.yaml"),
            GCR_MIGRATE_ACCESS_TOKEN=token or self.box.token,
            GCR_MIGRATE_RETRY_TRIES="2",
        )

    def discover(self, *args: str, code: int = 0, token: str = "") -> Found:
        """Run `discover --json`, after a check of the exit code and of the published schema."""
        done = self.run("discover", *args, "--json", token=token)
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert (token or self.box.token) not in done.stdout + done.stderr
        facts = json.loads(done.stdout)
        jsonschema.validate(facts, json_schema("discover"))
        return Found(facts)


@contextmanager
def staged(scenario: Scenario | str, folder: Path) -> Iterator[Stage]:
    """Run a sandbox while the block runs."""
    home = folder / "home"
    home.mkdir()
    with running(scenario, folder / "box") as box:
        box.write_endpoints(home / "endpoints.yaml")
        yield Stage(box, Cli(home))


def image(path: str) -> dict[str, Any]:
    """A small image."""
    return {"path": path, "tags": ["1.0"], "layers": [{"name": path, "size": 500}]}


def repository(project: str, location: str, id_: str, *paths: str) -> dict[str, Any]:
    """A repository with an image at each path."""
    images = [image(path) for path in paths]
    return {"project": project, "location": location, "id": id_, "images": images}


def project(id_: str, *buckets: str, **more: Any) -> dict[str, Any]:
    """A project in the folder, with the buckets of these hosts."""
    names = [f"{host.removesuffix('gcr.io')}artifacts.{id_}.appspot.com" for host in buckets]
    made = [{"name": name} for name in names]
    return {"id": id_, "parent": "folders/7", "buckets": made} | more


def world(**more: Any) -> Scenario:
    """A folder with a project of each kind from A to G and I; outside a public one, and a hidden.

    The migrator owns the organisation, and has no rights outside of it.
    """
    public = {"role": "roles/artifactregistry.reader", "members": ["allUsers"]}
    known: dict[str, Any] = {
        "identities": [
            {"roles": []},
            {"member": "user:stranger@example.com", "token": DENIED_TOKEN, "roles": []},
        ],
        "folders": [
            {
                "name": "organizations/42",
                "bindings": [{"role": "roles/owner", "members": [MIGRATOR]}],
            },
            {"name": "folders/7", "parent": "organizations/42"},
        ],
        "projects": [
            project("builds-a", "us.gcr.io", parent="organizations/42"),
            project("builds-b"),
            project("builds-c", "gcr.io", redirect_state="DISABLED"),
            project("builds-d", "eu.gcr.io", redirect_state="ENABLED_AND_COPYING"),
            project(
                "builds-e", "asia.gcr.io", redirect_state="PARTIAL_AND_COPYING", pull_percent=40
            ),
            project("builds-f", "gcr.io"),
            project("builds-g"),
            project("builds-i", "gcr.io", disabled_services=[AR_API]),
            project("public-h", parent=""),
            project("hidden-x", parent=""),
        ],
        "repositories": [
            repository("builds-a", "us", "us.gcr.io", "team1/app", "my_team/x", "tool"),
            repository("builds-b", "europe", "eu.gcr.io", "app/web"),
            repository("builds-d", "europe", "eu.gcr.io", "app/web"),
            repository("builds-e", "asia", "asia.gcr.io", "app/web"),
            repository("builds-g", "us", "apps", "app/web"),
            repository("public-h", "us", "gcr.io", "base/static") | {"bindings": [public]},
        ],
    }
    return Scenario.model_validate(known | more)
