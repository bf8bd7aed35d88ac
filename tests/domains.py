"""A redirected project with names at three hosts, its baseline, and `verify` run over it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jsonschema

from gcr_migrate.cli.tools import json_schema
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from tests.conftest import Cli
from tests.discovery import DENIED_TOKEN, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.store import Repository

PROJECT: Final = "acme-prod"
WEB, EU, JOB = (f"{host}/{PROJECT}" for host in ("gcr.io", "eu.gcr.io", "us.gcr.io"))
CI: Final = "ya29.sandbox-ci"
PUBLIC: Final = {"role": "roles/artifactregistry.reader", "members": ["allUsers"]}
Codes = set[tuple[str, str]]


def image(path: str, *tags: str) -> dict[str, Any]:
    """A small image; of those at one path only the tags differ."""
    name = "-".join([path, *tags])
    return {"path": path, "tags": list(tags), "layers": [{"name": name, "size": 300}]}


def world(**more: Any) -> Scenario:
    """Three hosts in use: one has an untagged image too, one is public."""
    robot = "serviceAccount:ci@acme-prod.iam.gserviceaccount.com"
    known: dict[str, Any] = {
        "identities": [
            {},
            {"member": robot, "token": CI, "roles": ["roles/artifactregistry.reader"]},
            {"member": "user:stranger@example.com", "token": DENIED_TOKEN, "roles": []},
        ],
        "projects": [{"id": PROJECT}],
        "repositories": [
            _repository("us", "gcr.io", image("web", "3.1"), image("web")),
            _repository("europe", "eu.gcr.io", image("web", "3.1")),
            _repository("us", "us.gcr.io", image("job", "1")) | {"bindings": [PUBLIC]},
        ],
    }
    return Scenario.model_validate(known | more)


def _repository(location: str, id_: str, *images: dict[str, Any]) -> dict[str, Any]:
    return {"project": PROJECT, "location": location, "id": id_, "images": images}


@dataclass(frozen=True)
class Proof:
    """What a verification said.

    Attributes:
        exit: exit status.
        facts: its JSON object.
        said: everything that it printed.
    """

    exit: int
    facts: dict[str, Any]
    said: str

    @property
    def codes(self) -> Codes:
        """Code and subject of each finding; two of both alike would be one too many."""
        found = [(one["code"], one["subject"]) for one in self.facts["findings"]]
        assert len(found) == len(set(found)), found
        return set(found)

    def saw(self, code: str) -> str:
        """What was seen in the one finding of a code."""
        (found,) = {one["saw"] for one in self.facts["findings"] if one["code"] == code}
        return str(found)

    def domain(self, shown: str) -> dict[str, Any]:
        """Who answers at a host."""
        found: dict[str, Any] = self.facts["hosts"][shown]["domain"]
        return found


@dataclass(frozen=True)
class Domains(Stage):
    """A sandbox with the world, and the tool in front of it."""

    def repository(self, id_: str) -> Repository:
        """Return the repository behind a host."""
        location = "europe" if id_ == "eu.gcr.io" else "us"
        return self.box.store.repositories[PROJECT, location, id_]

    def switch(self, word: str, pull_percent: int | None = None) -> None:
        """Set the project's redirect setting."""
        state = self.box.store.project(PROJECT)
        state.redirect_state, state.pull_percent = word, pull_percent

    def lead(self, host: str, address: str) -> None:
        """Have a host found at another address."""
        file = self.cli.home / "endpoints.yaml"
        old = self.box.addresses[host]
        file.write_text(file.read_text().replace(old, address))

    def snapshot(self) -> str:
        """Take the baseline."""
        done = self.run("inventory", PROJECT, "-o", "then.snapshot", "--no-cache")
        assert done.returncode == 0, done.stderr
        return "then.snapshot"

    def verify(self, *args: str, token: str = "") -> Proof:
        """Run `verify --json`, after a check of the published schema and for secrets."""
        done = self.run("verify", *args, "--json", token=token)
        assert done.stdout, done.stderr
        facts = json.loads(done.stdout)
        jsonschema.validate(facts, json_schema("verify"))
        said = done.stdout + done.stderr
        assert not [one for one in (self.box.token, CI, DENIED_TOKEN) if one in said]
        return Proof(done.returncode, facts, said)


@contextmanager
def opened(folder: Path, *, tls: bool = False, **more: Any) -> Iterator[Domains]:
    """Run the world while the block runs, with what else a scenario says."""
    home = folder / "home"
    home.mkdir()
    with running(world(**more), folder / "box", tls=tls) as box:
        box.write_endpoints(home / "endpoints.yaml")
        for name, token in (("ci", CI), ("stranger", DENIED_TOKEN)):
            (home / name).write_text(token)
        yield Domains(box, Cli(home))
