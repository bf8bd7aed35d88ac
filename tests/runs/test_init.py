"""A spec to begin with, written by `init` from what is in a project, and planned as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema
import pytest

from gcr_migrate.cli.tools import json_schema
from gcr_migrate.spec import load_spec
from tests.discovery import DENIED_TOKEN, Stage, project, repository, staged, world

if TYPE_CHECKING:
    from collections.abc import Iterator

GCR = ("payments-api", "payments-db/x", "web/app", "my_team/x", "tool")
US = ("web/app", "web/api")
WAYS = {
    "first-folder": ["--by", "first-folder"],
    "prefix": ["--by", "prefix"],
    "host": ["--by", "host"],
    "keep": ["--by", "keep", "--target-project", "builds-new"],
    "one location": ["--location", "europe-west1"],
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A project with images at two hosts of one location, an empty one, and one to be rescued."""
    scenario = world(
        projects=[
            project("builds-two", "gcr.io", "us.gcr.io"),
            project("builds-new"),
            project("builds-old", "gcr.io", redirect_state="DISABLED"),
        ],
        repositories=[
            repository("builds-two", "us", "gcr.io", *GCR),
            repository("builds-two", "us", "us.gcr.io", *US),
        ],
    )
    with staged(scenario, tmp_path_factory.mktemp("init")) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_can_be_planned(stage: Stage, way: str) -> None:
    """Whatever decides, the spec goes through `plan` unchanged, with every image."""
    file = f"{way.replace(' ', '-')}.yaml"
    done = stage.run("init", "builds-two", "-o", file, *WAYS[way], "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    jsonschema.validate(facts, json_schema("init"))
    (chosen,) = [one for one in facts["proposals"] if one["chosen"]]
    assert sum(one["images"] for one in chosen["repositories"]) == len(GCR + US)
    text = (stage.cli.home / file).read_text(encoding="utf-8")
    assert text == facts["text"]
    planned = stage.run("plan", file, "--json")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    plan = json.loads(planned.stdout)
    assert plan["counts"]["images"] == len(GCR + US)
    assert plan["counts"]["repositories"] == len(chosen["repositories"])


def test_one_host_and_stdout(stage: Stage) -> None:
    """A named host is the only one, the spec alone is on stdout, and no file appears."""
    before = sorted(stage.cli.home.iterdir())
    done = stage.run("init", "builds-two", "us.gcr.io", "--stdout")
    assert done.returncode == 0
    assert load_spec(done.stdout, "-").source.hosts == ("us.gcr.io",)  # type: ignore[union-attr]
    assert "first-folder" in done.stderr
    assert sorted(stage.cli.home.iterdir()) == before


def test_prefixes_that_part_as_folders_do_are_those_folders(stage: Stage) -> None:
    """Who asks for prefixes where no image has one of its own gets the spec by first folder."""
    args = ["init", "builds-two", "us.gcr.io", "--stdout", "--json", "--by"]
    done = stage.run(*args, "prefix")
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert [one["by"] for one in facts["proposals"] if one["chosen"]] == ["first-folder"]
    assert facts["text"] == json.loads(stage.run(*args, "first-folder").stdout)["text"]


def test_what_is_chosen_is_told_with_what_follows(stage: Stage) -> None:
    """Names that would be refused, who has access, and whether bytes move are told."""
    done = stage.run("init", "builds-two", "--stdout", "--by", "prefix")
    assert "my_team -> my-team" in done.stderr
    assert "payments (2)" in done.stderr
    assert "grants of its host" in done.stderr
    assert "none cross the line" in done.stderr


def test_no_file_is_overwritten(stage: Stage) -> None:
    """A file that is there stays as it is, and nobody is asked anything."""
    (stage.cli.home / "builds-two.yaml").write_text("mine\n")
    done = stage.run("init", "builds-two")
    assert done.returncode == 3
    assert "spec-there" in done.stderr
    assert (stage.cli.home / "builds-two.yaml").read_text() == "mine\n"
    (stage.cli.home / "builds-two.yaml").unlink()


@pytest.mark.parametrize(
    ("args", "token", "code", "said"),
    [
        (["builds-old"], "", 3, "nothing-to-plan"),
        (["builds-new"], "", 3, "nothing-to-plan"),
        (["builds-two"], DENIED_TOKEN, 4, "denied"),
        (["builds-two", "us-gcr.io"], "", 2, "did you mean `us.gcr.io`?"),
        (["builds-two", "--by", "folder"], "", 2, "did you mean `first-folder`?"),
        (["builds-two", "--by", "keep"], "", 2, "--target-project"),
        (["builds-two", "--stdout", "-o", "x"], "", 2, "contradicts"),
    ],
)
def test_what_cannot_be_written_is_told(
    stage: Stage, args: list[str], token: str, code: int, said: str
) -> None:
    """A project without images to plan, one that is hidden, and words that do not fit."""
    done = stage.run("init", *args, token=token)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


@pytest.mark.slow
def test_a_terminal_is_asked(stage: Stage) -> None:
    """On a terminal the ways are shown, and the answers make the spec; a wrong one is asked again.

    What an option says is not asked.
    """
    person, terminal = os.openpty()
    os.write(person, b"houses\nhost\nn\n")
    settings = {
        "GCR_MIGRATE_ENDPOINTS": str(stage.cli.home / "endpoints.yaml"),
        "GCR_MIGRATE_ACCESS_TOKEN": stage.box.token,
    }
    done = subprocess.run(
        [sys.executable, "-m", "gcr_migrate", "init", "builds-two", "--stdout"],
        cwd=stage.cli.home,
        env=stage.cli.environment(**settings),
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        check=False,
        timeout=60,
    )
    os.close(terminal)
    os.close(person)
    spec = load_spec(done.stdout.decode(), "-")
    assert [route.repository for route in spec.routes] == ["gcr-io", "us-gcr-io"]
    assert [route.access for route in spec.routes] == [None, None]
