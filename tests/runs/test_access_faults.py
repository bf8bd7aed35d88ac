"""Policies that others write at the same moment, or that may not be written: seen from outside."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.app import running
from tests.conftest import Cli
from tests.runs.test_access_story import PLAN, SHARED, WANTED
from tests.sandbox_api import api_of
from tests.theatre import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

READER = "roles/artifactregistry.reader"
OTHER = (READER, "user:somebody@acme.example")
DENIED = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "not you"}}
LAST_WAIT_S = 30


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The host of the sample plan, planned."""
    home = tmp_path_factory.mktemp("faults")
    with running("who-could-pull", home / "box") as box:
        box.write_endpoints(home / "endpoints.yaml")
        stage = Stage(box, Cli(home))
        stage.run("plan", PLAN, "-o", "m")
        yield stage


@pytest.fixture(scope="module")
def first(stage: Stage) -> dict[str, Any]:
    """What a run says that may not write one policy, and meets another writer at the other."""
    refused = {"host": "artifact_registry", "path": "/tools:setIamPolicy", "status": 403}
    stage.ask("faults", refused | {"body": json.dumps(DENIED), "times": 1})
    held = {"host": "artifact_registry", "path": "/site:setIamPolicy", "delay_s": 1.5, "times": 1}
    stage.ask("faults", held)
    with stage.cli.start("apply", "m", "--json", **stage.variables) as run:
        until = time.monotonic() + LAST_WAIT_S
        while time.monotonic() < until and not _asked_to_write(stage, "site"):
            time.sleep(0.02)
        _write_meanwhile(stage)
        told, _ = run.communicate(timeout=LAST_WAIT_S)
    assert run.returncode == 1
    found: dict[str, Any] = json.loads(told)
    return found


def _asked_to_write(stage: Stage, name: str) -> int:
    asked = (one["path"] for one in stage.ask("requests"))
    return sum(path.endswith(f"/{name}:setIamPolicy") for path in asked)


def _write_meanwhile(stage: Stage) -> None:
    """Add a reader as any other program would, while the tool's write is on its way."""
    resource = "acme-web/locations/us/repositories/site"
    with api_of(stage.box) as api:
        policy = api.get(f"{resource}:getIamPolicy").json()
        policy["bindings"] = [{"role": OTHER[0], "members": [OTHER[1]]}]
        reply = api.post(f"{resource}:setIamPolicy", json={"policy": policy})
        assert reply.status_code == 200, reply.text


def _held(stage: Stage, name: str) -> set[tuple[str, str]]:
    state = stage.ask("state")[f"projects/acme-web/locations/us/repositories/{name}"]
    return {(one["role"], who) for one in state["bindings"] for who in one["members"]}


@pytest.mark.slow
def test_one_refused_policy_holds_up_nothing_else(stage: Stage, first: dict[str, Any]) -> None:
    """Its grants fail by name; images of both and grants of the other arrive."""
    assert {one["code"] for one in first["failures"]} == {"denied"}
    assert all("/tools" in one["subject"] for one in first["failures"]), first["failures"]
    assert first["kinds"]["tag"]["pending"] == 0
    assert _held(stage, "tools") == set()


def test_another_writer_loses_nothing(stage: Stage, first: dict[str, Any]) -> None:
    """The write that meets a newer policy is merged into it: both writers' members are there."""
    assert first["outcome"] != "complete"
    assert _held(stage, "site") == WANTED["site"] | {OTHER}
    assert _asked_to_write(stage, "site") == 3  # ours, theirs, and ours again


def test_the_next_run_writes_what_is_missing_and_no_more(
    stage: Stage, first: dict[str, Any]
) -> None:
    """Access is proven then, but for the member whom somebody else let in: that is told."""
    assert first["outcome"] != "complete"
    written = _asked_to_write(stage, "site")
    assert stage.run("apply", "m")["outcome"] == "complete"
    assert _held(stage, "tools") == SHARED
    assert _asked_to_write(stage, "site") == written
    proof = stage.cli("verify", "m", "--level", "access", "--json", **stage.variables)
    told = json.loads(proof.stdout)["findings"]
    gained = [one for one in told if one["code"] == "access-gained"]
    assert proof.returncode == 1
    assert {one["subject"].split()[-1] for one in gained} == {OTHER[1]}


def test_what_others_wrote_stays_when_it_is_taken_back(stage: Stage, first: dict[str, Any]) -> None:
    """Undo leaves the other writer's member, and none of ours; it is run last."""
    assert first["outcome"] != "complete"
    assert stage.run("access", "undo", "m", "--yes")["outcome"] == "done"
    assert _held(stage, "site") == {OTHER}
    assert _held(stage, "tools") == set()
