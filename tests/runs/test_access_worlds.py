"""Access of any kind through the whole program: read, planned, applied, and judged by another hand.

A sandbox has a few projects with random policies each. What the program says of them, and what the
repositories' policies are after it ran, goes to `tests/access_judge.py`, which knows no code of it.
More worlds, for a longer look: `GCR_MIGRATE_ACCESS_WORLDS=100`.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from tests.access_judge import Wish, complaints
from tests.access_worlds import worlds
from tests.conftest import Cli
from tests.theatre import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.evaluator import World

pytestmark = pytest.mark.slow

COUNT: Final = int(os.environ.get("GCR_MIGRATE_ACCESS_WORLDS", "3"))
NUMBER_OF_FIRST: Final = 9_001


def _drawn(count: int) -> list[tuple[World, Wish]]:
    """Draw worlds, the same ones each time."""
    found: list[tuple[World, Wish]] = []

    @settings(
        max_examples=2 * count,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(worlds())
    def draw(case: tuple[World, Wish]) -> None:
        found.append(case)

    draw()
    found.sort(key=lambda case: -len(repr(case)))
    return found[:count]


def _placed(world: World, wish: Wish, at: int) -> tuple[World, Wish]:
    """Give a world a project and an organisation of its own, which its policies name."""
    project, organization = f"world-{at}", str(700 + at)
    text = json.dumps([world.above, world.custom, world.source, world.objects, world.target])
    for kind in ("projectOwner", "projectEditor", "projectViewer"):
        text = text.replace(f"{kind}:p", f"{kind}:{project}")
    text = text.replace("projects/p/", f"projects/{project}/")
    text = text.replace("organizations/7/", f"organizations/{organization}/")
    above, custom, source, objects, target = json.loads(text)
    placed = replace(
        world,
        project=project,
        above={project: above["p"], f"{project}-q": above["q"]},
        custom=custom,
        source=source,
        objects=objects and {n: [w for w in who if "//" not in w] for n, who in objects.items()},
        target_project=project if world.target_project == "p" else f"{project}-q",
        target=target,
    )
    return placed, wish


def _entity(member: str, number: int) -> str:
    kind, _, name = member.partition(":")
    if kind.startswith("project"):
        return f"project-{kind.removeprefix('project').lower()}s-{number}"
    kind = "user" if kind == "serviceAccount" else kind
    return f"{kind}-{name.lower()}" if name else kind


def _scenario(placed: list[World]) -> Scenario:
    """Return what a sandbox has of some worlds."""
    image = {"path": "web", "tags": ["1"], "layers": [{"name": "one", "size": 100}]}
    roles = ["roles/owner", "roles/storage.admin"]  # owners alone do not see lists of objects
    made: dict[str, Any] = {
        "identities": [{"roles": roles}],
        "folders": [],
        "projects": [],
        "roles": [],
        "repositories": [],
    }
    for at, world in enumerate(placed):
        project, number = world.project, NUMBER_OF_FIRST + 2 * at
        own, folder, organization = world.above[project]
        top, middle = f"organizations/{700 + at}", f"folders/{at + 70}"
        made["folders"] += [
            {"name": top, "bindings": organization},
            {"name": middle, "parent": top, "bindings": folder},
        ]
        bucket = {
            "name": f"us.artifacts.{project}.appspot.com",
            "bindings": world.source if world.is_bucket else [],
            "uniform": world.objects is None,
            "never_public": world.never_public,
            "objects": {f"containers/images/sha256:{name}": "x" for name in world.objects or {}},
            "object_lists": {
                f"containers/images/sha256:{name}": [
                    {"entity": one, "role": "READER"}
                    for one in dict.fromkeys(_entity(who, number) for who in readers)
                ]
                for name, readers in (world.objects or {}).items()
            },
        }
        made["projects"] += [
            {
                "id": project,
                "number": str(number),
                "parent": middle,
                "bindings": own,
                "buckets": [bucket],
            },
            {
                "id": f"{project}-q",
                "number": str(number + 1),
                "bindings": world.above[f"{project}-q"][0],
            },
        ]
        made["roles"] += [
            {"name": name, "permissions": inside, "deleted": not inside}
            for name, inside in world.custom.items()
            if inside is not None  # what is not there cannot be opened
        ]
        source = [] if world.is_bucket else world.source
        made["repositories"] += [
            {
                "project": project,
                "location": "us",
                "id": "us.gcr.io",
                "bindings": source,
                "images": [image],
            }
        ]
        if world.target:
            where = {"project": world.target_project, "location": "us", "id": "site"}
            made["repositories"].append({**where, "bindings": world.target})
    return Scenario.model_validate(made)


def _spec(world: World, wish: Wish, accept: list[tuple[str, str]]) -> str:
    rule = {
        "translate": True,
        "from": "bucket" if world.is_bucket else "repository",
        "public": "allow" if wish.public else "refuse",
        "deny": list(wish.deny),
        "grant": [{"role": role, "members": [who]} for role, who in wish.grant],
        "accept": [{"principal": w, "change": c, "reason": "because"} for w, c in accept],
    }
    said = {
        "version": 1,
        "source": {"project": world.project, "hosts": ["us.gcr.io"]},
        "target": {"project": world.target_project},
        "routes": [{"match": "**", "repository": "site", "access": rule}],
    }
    return json.dumps(said)


@pytest.fixture(scope="module")
def cases() -> list[tuple[World, Wish]]:
    """Some worlds, each with what a spec says of it."""
    return [_placed(world, wish, at) for at, (world, wish) in enumerate(_drawn(COUNT))]


@pytest.fixture(scope="module")
def stage(
    cases: list[tuple[World, Wish]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A sandbox with all of the worlds in it."""
    home = tmp_path_factory.mktemp("worlds")
    with running(_scenario([world for world, _ in cases]), home / "box") as box:
        box.write_endpoints(home / "endpoints.yaml")
        yield Stage(box, Cli(home))


def _rows(shown: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["principal"], one["right"]): one for one in shown["rows"]}


@pytest.mark.parametrize("at", range(COUNT))
def test_what_is_said_and_done_with_a_world_is_right(
    cases: list[tuple[World, Wish]], stage: Stage, at: int
) -> None:
    """What has no consent is refused; with it, everybody has what the proof says, and no more."""
    world, wish = cases[at]
    spec = stage.cli.home / f"spec-{at}.yaml"
    spec.write_text(_spec(world, wish, list(wish.accept)))
    first = stage.run("access", "show", spec)
    open_ends = {
        (one["principal"], one["verdict"])
        for one in first["rows"]
        if one["verdict"] in {"lost", "gained"} and not one["consent"]
    }
    planned = stage.cli("plan", spec, "-o", f"m-{at}", "--json", **stage.variables)
    assert planned.returncode == (1 if open_ends else 0), planned.stdout + planned.stderr
    if open_ends:
        refused = stage.cli("apply", f"m-{at}", "--json", **stage.variables)
        assert refused.returncode == 3
        spec.write_text(_spec(world, wish, [*wish.accept, *sorted(open_ends)]))
        stage.run("plan", spec, "-o", f"m-{at}")
    assert stage.run("apply", f"m-{at}")["outcome"] == "complete"
    named = f"projects/{world.target_project}/locations/us/repositories/site"
    resulting = stage.ask("state")[named]["bindings"]
    now = datetime.now(UTC)
    assert not complaints(world, wish, resulting, _rows(first), now)

    proof = stage.cli("verify", f"m-{at}", "--level", "access", "--json", **stage.variables)
    assert proof.returncode == 0, proof.stdout
    again = stage.run("access", "show", spec, "--no-cache")
    assert _verdicts(again) == _verdicts(first)


def _verdicts(shown: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {key: one["verdict"] for key, one in _rows(shown).items()}
