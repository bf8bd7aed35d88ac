"""Projects in every state of the redirect, and the tool in front of them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.request import Request, urlopen

import jsonschema

from gcr_migrate.cli.tools import json_schema
from gcr_migrate.sandbox.scenarios import Scenario
from tests.answers import control
from tests.discovery import Stage, image, repository, staged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIGRATOR: Final = "user:migrator@example.com"
ADA: Final = "user:ada@example.com"
STATE: Final = "REDIRECTION_FROM_GCR_IO_"
READER: Final = "roles/artifactregistry.reader"
VIEWER: Final = "roles/storage.objectViewer"
NUMBER: Final = "4242"
AGENT: Final = f"service-{NUMBER}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
PULLER: Final = {"role": VIEWER, "members": [ADA]}
OF_AGENT: Final = {"role": VIEWER, "members": [f"serviceAccount:{AGENT}"]}
SETTINGS: Final = "/v1/projects/builds/projectSettings"


def bucket(
    host: str, *paths: str, bindings: tuple[Any, ...] = (PULLER, OF_AGENT)
) -> dict[str, Any]:
    """A host's bucket, which the migrator may read, with the blobs of these images."""
    own = {"role": "roles/storage.admin", "members": [MIGRATOR]}
    name = f"{host.removesuffix('gcr.io')}artifacts.builds.appspot.com"
    return {"name": name, "bindings": [own, *bindings], "images": [image(one) for one in paths]}


def builds(
    *buckets: dict[str, Any],
    paths: tuple[str, ...] = ("app",),
    readers: tuple[str, ...] = (ADA, MIGRATOR),
    **more: Any,
) -> Scenario:
    """A project with buckets, and with images in its repository of us.gcr.io."""
    known = {"id": "builds", "number": NUMBER, "buckets": list(buckets)} | more
    grants = [{"role": READER, "members": list(readers)}] if readers else []
    return Scenario.model_validate(
        {
            "projects": [known],
            "repositories": [
                repository("builds", "us", "us.gcr.io", *paths) | {"bindings": grants}
            ],
        }
    )


@dataclass(frozen=True)
class Switch:
    """A sandbox, and moves of the redirect in it."""

    stage: Stage

    def run(
        self, *args: str, code: int | None = 0, schema: str = "redirect-plan"
    ) -> dict[str, Any]:
        """Run a command with `--json`, and check exit code and published schema."""
        done = self.stage.run("redirect", *args, "--json")
        assert code in {None, done.returncode}, (
            f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        assert self.stage.box.token not in done.stdout + done.stderr
        facts: dict[str, Any] = json.loads(done.stdout)
        known = "error" if facts["schema"].endswith("/error") else schema
        jsonschema.validate(facts, json_schema(known))
        return facts

    def plan(self, *args: str, code: int = 0) -> dict[str, Any]:
        """Plan the next move."""
        return self.run("plan", "builds", *args, code=code)

    def move(self, what: str, *args: str, code: int = 0, read: str = "") -> dict[str, Any]:
        """Make a move with the code of the plan as it is now."""
        read = read or self.plan(*[one for one in args if one not in OF_MOVES])["code"]
        confirmed = ("--yes", "--i-have-read", read) if read else ()
        return self.run(what, "builds", *args, *confirmed, code=code, schema="redirect-move")

    def written(self) -> list[str]:
        """Return the states that were written to the service, answered or not."""
        with urlopen(f"{self.stage.box.control_url}/requests") as reply:  # noqa: S310  # loopback
            entries = json.load(reply)
        return [one["query"] for one in entries if one["method"] == "PATCH"]

    def state(self) -> str:
        """Return the state that the service has."""
        return self.stage.box.store.project("builds").redirect_state

    def fault(self, **rule: Any) -> None:
        """Let something go wrong from now on."""
        control(self.stage.box, "POST", rule)

    def whole(self) -> None:
        """Let nothing go wrong any more."""
        url = f"{self.stage.box.control_url}/faults"
        with urlopen(Request(url, method="DELETE")):  # noqa: S310  # loopback
            pass


OF_MOVES: Final = frozenset({"--wait", "0", "2"})


@contextmanager
def switching(scenario: Scenario, folder: Path) -> Iterator[Switch]:
    """Run a sandbox while the block runs."""
    with staged(scenario, folder) as stage:
        yield Switch(stage)


def codes(facts: dict[str, Any]) -> list[str]:
    """Return the codes of the errors that stopped a command."""
    return [one["code"] for one in facts["errors"]]


def held(facts: dict[str, Any]) -> set[str]:
    """Return the gates that hold a move up."""
    return {one["name"] for one in facts["gates"] if one["passing"] in {"failed", "unknown"}}
