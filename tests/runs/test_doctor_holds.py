"""What doctor says is what happens: steps that it calls stopped stop, and the others do not.

Its commands are taken at their word, too: with just the roles that they grant, all steps work.
"""

from __future__ import annotations

import json
import shlex
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Cli

pytestmark = pytest.mark.slow

ME: Final = "user:me@example.com"
TOKEN: Final = "ya29.me"  # noqa: S105  # of a sandbox
STEPS: Final = ("plan", "apply", "verify")
READER, WRITER, ADMIN = (f"roles/artifactregistry.{one}" for one in ("reader", "writer", "admin"))
EDITOR: Final = "roles/editor"
REPO_ADMIN: Final = "roles/artifactregistry.repoAdmin"


@dataclass
class World:
    """Two projects, and what somebody may do in them.

    Attributes:
        roles: roles by project, or by project and repository.
        there: target repositories that are there.
        hosts: whether the spec says which hosts are read.
        grants: whether the spec grants access on the target repositories.
        stopped: the steps that cannot be done.
    """

    roles: dict[str, list[str]] = field(default_factory=dict)
    there: tuple[str, ...] = ()
    hosts: bool = True
    grants: bool = False
    stopped: tuple[str, ...] = ()

    def scenario(self) -> Scenario:
        """Return the world for a sandbox."""
        images = [
            {"path": path, "tags": ["1"], "layers": [{"name": path}]}
            for path in ("web/app", "api/app")
        ]
        source = {"project": "old-images", "id": "us.gcr.io", "images": images}
        targets: list[dict[str, Any]] = [
            {"project": "new-images", "id": name} for name in self.there
        ]
        found = [
            one | {"location": "us", "bindings": self._bindings(f"{one['project']}/{one['id']}")}
            for one in (source, *targets)
        ]
        projects = [
            {"id": one, "bindings": self._bindings(one)} for one in ("old-images", "new-images")
        ]
        identities = [{"member": ME, "token": TOKEN, "roles": []}]
        return Scenario.model_validate(
            {"identities": identities, "projects": projects, "repositories": found}
        )

    def _bindings(self, place: str) -> list[dict[str, Any]]:
        return [{"role": role, "members": [ME]} for role in self.roles.get(place, ())]

    def spec(self) -> str:
        """Return a spec, which is YAML as JSON is."""
        rule = {"role": "artifactregistry.reader", "members": ["group:x@example.com"]}
        more = {"access": {"grant": [rule]}} if self.grants else {}
        routes = [
            {"match": f"{name}/**", "repository": name, "strip": name, **more}
            for name in ("web", "api")
        ]
        hosts = {"hosts": ["us.gcr.io"]} if self.hosts else {}
        source = {"project": "old-images", **hosts}
        return json.dumps({"source": source, "target": "new-images", "routes": routes})

    def obey(self, command: str) -> None:
        """Do what a command would."""
        words = shlex.split(command)
        options = dict(word.split("=", 1) for word in words if word.startswith("--"))
        at = words.index("add-iam-policy-binding") + 1
        place = words[at] if words[1] == "projects" else f"{options['--project']}/{words[at]}"
        assert options["--member"] == ME
        self.roles.setdefault(place, []).append(options["--role"])


def _doctor(cli: Cli, world: World, folder: Path) -> dict[str, Any]:
    with running(world.scenario(), folder) as box:
        box.write_endpoints(cli.home / "e.yaml")
        (cli.home / "spec.yaml").write_text(world.spec())
        steps = [word for step in STEPS for word in ("--step", step)]
        told = cli("doctor", "spec.yaml", "--json", *steps, **_environ(cli))
    found: dict[str, Any] = json.loads(told.stdout)["lists"][0]
    return found


def _done(cli: Cli, world: World, folder: Path) -> list[str]:
    """Return the steps that could be taken, one after the other."""
    done = []
    with running(world.scenario(), folder) as box:
        box.write_endpoints(cli.home / "e.yaml")
        (cli.home / "spec.yaml").write_text(world.spec())
        file = f"{folder.name}.migration"
        for args in (("plan", "spec.yaml", "-o", file), ("apply", file), ("verify", file)):
            if cli(*args, **_environ(cli)).returncode:
                break
            done.append(args[0])
    return done


def _environ(cli: Cli) -> dict[str, Any]:
    return {"GCR_MIGRATE_ENDPOINTS": str(cli.home / "e.yaml"), "GCR_MIGRATE_ACCESS_TOKEN": TOKEN}


WORLDS: Final = {
    "nobody": World(stopped=STEPS),
    "writer of every target": World(
        {
            "old-images/us.gcr.io": [READER],
            "new-images/web": [WRITER],
            "new-images/api": [WRITER],
        },
        there=("web", "api"),
    ),
    "administrator of one of two targets": World(
        {"old-images": [READER], "new-images": [EDITOR], "new-images/web": [ADMIN]},
        there=("web",),
        grants=True,
        stopped=("apply",),
    ),
    "no creator": World(
        {"old-images": [READER], "new-images": [REPO_ADMIN]}, grants=True, stopped=("apply",)
    ),
    "hosts left open": World(
        {"old-images/us.gcr.io": [READER], "new-images": [ADMIN]}, hosts=False, stopped=STEPS
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_doctor_tells_what_will_happen(cli: Cli, tmp_path: Path, name: str) -> None:
    """Just the steps that lack something cannot be taken; what is proposed is enough for all."""
    world = deepcopy(WORLDS[name])
    found = _doctor(cli, world, tmp_path / "asked")
    stopped = [step for step in STEPS if found["steps"][step] == "missing"]
    assert stopped == list(world.stopped)
    before = STEPS[: STEPS.index(stopped[0])] if stopped else STEPS
    assert _done(cli, world, tmp_path / "before") == list(before)
    missing = [one for one in found["checks"] if one["status"] == "missing"]
    for command in dict.fromkeys(command for one in missing for command in one["commands"]):
        world.obey(command)
    if missing:
        assert _done(cli, world, tmp_path / "after") == list(STEPS)
