"""Spec files that `discover` writes are ready: they load, and a plan can be made of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.spec import load_spec
from tests.discovery import Stage, project, repository, staged, world

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD = ("team1/app", "team1/sub/deep", "my_team/x", "my-team/x", "tool", "3scale/gate", "images/z")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Projects with all that a repository per folder does not fit."""
    scoped = "example.com:my-project"
    scenario = world(
        projects=[
            project("builds-odd", "us.gcr.io"),
            project("builds-two", "gcr.io", "us.gcr.io"),
            project("builds-old", "gcr.io", redirect_state="DISABLED"),
            project("builds-mix", "gcr.io"),
            project(scoped),
        ],
        repositories=[
            repository("builds-odd", "us", "us.gcr.io", *ODD),
            repository("builds-two", "us", "gcr.io", "app/web", "app-us/web", "tool"),
            repository("builds-two", "us", "us.gcr.io", "app/web", "app/api", "tool"),
            repository("builds-mix", "europe", "eu.gcr.io", "app/web"),
            repository(scoped, "us", "gcr.io", "app/web"),
        ],
    )
    with staged(scenario, tmp_path_factory.mktemp("specs")) as found:
        found.discover("--folder", "7", "--write-specs", "specs")
        yield found


NAMES = ("builds-odd", "builds-two", "builds-mix", "example.com_my-project")


@pytest.mark.slow
def test_only_projects_with_images_to_split_have_one(stage: Stage) -> None:
    """There is a file for each of them, and none for a project that has to be rescued first."""
    files = sorted(path.name for path in (stage.cli.home / "specs").iterdir())
    assert files == sorted(f"{name}.yaml" for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_written_spec_can_be_planned(stage: Stage, name: str) -> None:
    """It loads, and the plan that it leads to is complete and has every image."""
    path = stage.cli.home / "specs" / f"{name}.yaml"
    spec = load_spec(path.read_text(encoding="utf-8"), path.name)
    assert spec.source_project is not None
    done = stage.run("plan", str(path), "-o", f"{name}.migration", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert facts["complete"]
    repositories = stage.box.store.repositories.values()
    held = [one for one in repositories if one.project == spec.source_project.id]
    assert facts["counts"]["images"] == sum(len(one.images) for one in held)


def test_the_file_says_what_it_leaves_out(stage: Stage) -> None:
    """Hosts that are not ready stand in it as comments, with what has to be done first."""
    text = (stage.cli.home / "specs" / "builds-mix.yaml").read_text(encoding="utf-8")
    (line,) = [one for one in text.splitlines() if one.startswith("# gcr.io/builds-mix")]
    assert line.endswith("Not in this file; do first: create-repository.")
    assert "hosts: [eu.gcr.io]" in text


def test_no_file_is_overwritten(stage: Stage) -> None:
    """A file that is there stays as it is, and that is told."""
    path = stage.cli.home / "specs" / "builds-odd.yaml"
    before = path.read_bytes()
    path.write_bytes(before + b"# mine\n")
    found = stage.discover("builds-odd", "--write-specs", "specs")
    assert path.read_bytes() == before + b"# mine\n"
    (spec,) = found.facts["specs"]
    assert (spec["written"], spec["project"]) == (False, "builds-odd")
    path.write_bytes(before)


def test_a_folder_that_is_a_file(stage: Stage) -> None:
    """Where no folder can be made the command says so."""
    (stage.cli.home / "taken").write_text("")
    done = stage.run("discover", "builds-odd", "--write-specs", "taken")
    assert done.returncode == 2
    assert "taken" in done.stderr
