"""Repositories that are set up as the spec says: new ones, and those that are there already."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.store import Repository
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

KEY = ("builds", "europe", "moved")
SETTINGS = (
    "description: all of it, labels: {team: web}, immutable_tags: true, scanning: after_copy,"
    " cleanup_policies: [{id: old, action: delete, condition: {older_than: 30d}}]"
)
SPEC = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
routes: [{match: "**", repository: moved, settings: {%s}}]
"""


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A source with two images."""
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    with opened(tmp_path) as one:
        one.image("app", "1", name="app")
        one.image("job", "1", name="job")
        yield one


def _file(zoo: Zoo) -> str:
    return str(zoo.home / "m")


def _settings(zoo: Zoo) -> dict[str, Any]:
    return zoo.box.store.repositories[KEY].settings


def _there(zoo: Zoo, **settings: Any) -> None:
    """Let the target be there already."""
    zoo.box.store.add(Repository(*KEY, {"format": "DOCKER", **settings}))


@pytest.mark.slow
def test_what_would_meet_the_copy_is_written_once_all_is_there(zoo: Zoo) -> None:
    """Half a copy leaves it off and says so; the rest of it, and no earlier, switches it on."""
    assert zoo.plan(spec=SPEC % SETTINGS)[0] == 0
    code, half = zoo.run("apply", _file(zoo), "--only", "app")
    assert (code, half["kinds"]["setting"]["pending"]) == (10, 1)
    made = _settings(zoo)
    assert made["vulnerabilityScanningConfig"] == {"enablementConfig": "DISABLED"}
    assert (made["description"], made["labels"]) == ("all of it", {"team": "web"})
    assert not {"dockerConfig", "cleanupPolicies"} & made.keys()

    code, whole = zoo.run("apply", _file(zoo))
    assert (code, whole["outcome"], whole["kinds"]["setting"]["done"]) == (0, "complete", 1)
    assert made["vulnerabilityScanningConfig"] == {"enablementConfig": "INHERITED"}
    assert made["dockerConfig"] == {"immutableTags": True}
    assert made["cleanupPolicyDryRun"] is False
    assert made["cleanupPolicies"]["old"]["condition"]["olderThan"] == "2592000s"
    assert zoo.plan("--new", spec=SPEC % SETTINGS)[1]["findings"][-1]["code"] != (
        "repository-differs"
    )


def test_an_existing_repository_is_left_as_it_is_and_told_of(zoo: Zoo) -> None:
    """Setting by setting; nothing is written to it but images."""
    _there(zoo, description="by hand", labels={"team": "old", "owner": "ada"})
    code, plan = zoo.plan(spec=SPEC % SETTINGS)
    differ = [one["saw"] for one in plan["findings"] if one["code"] == "repository-differs"]
    assert [one.partition(" ")[0] for one in differ] == [
        "description",
        "labels.team",
        "immutable_tags",
        "cleanup_policies.old",
    ]
    code, applied = zoo.run("apply", _file(zoo))
    assert (code, applied["kinds"]["setting"]["planned"]) == (0, 0)
    assert _settings(zoo) == {
        "format": "DOCKER",
        "description": "by hand",
        "labels": {"team": "old", "owner": "ada"},
    }


def test_one_that_is_adopted_is_changed_and_what_it_was_is_kept(zoo: Zoo) -> None:
    """What the spec does not name stays; the file has the repository as it was, word by word."""
    theirs = {"id": "theirs", "action": "KEEP", "condition": {"tagState": "ANY"}}
    _there(
        zoo,
        description="by hand",
        labels={"owner": "ada"},
        cleanupPolicies={"theirs": theirs},
        sbomConfig={"enablementConfig": "INHERITED"},
    )
    assert zoo.plan(spec=SPEC % f"{SETTINGS}, adopt: true")[0] == 0
    code, applied = zoo.run("apply", _file(zoo))
    assert (code, applied["kinds"]["setting"]["done"]) == (0, 1)

    now = _settings(zoo)
    assert (now["description"], now["labels"]) == ("all of it", {"owner": "ada", "team": "web"})
    assert now["cleanupPolicies"].keys() == {"old", "theirs"}
    assert now["cleanupPolicies"]["theirs"] == theirs
    assert now["sbomConfig"] == {"enablementConfig": "INHERITED"}
    with closing(sqlite3.connect(_file(zoo))) as sql:
        [(raw,)] = sql.execute("SELECT raw FROM previous_settings")
    assert json.loads(raw)["description"] == "by hand"


@pytest.mark.parametrize(
    ("settings", "saw"),
    [
        ({"format": "NPM"}, "format is NPM"),
        ({"mode": "VIRTUAL_REPOSITORY"}, "mode is VIRTUAL_REPOSITORY"),
        ({"mode": "REMOTE_REPOSITORY"}, "mode is REMOTE_REPOSITORY"),
    ],
)
def test_what_takes_no_pushes_is_no_target(zoo: Zoo, settings: dict[str, Any], saw: str) -> None:
    """No plan is made, and each such repository is named with what it is."""
    _there(zoo, **settings)
    code, facts = zoo.plan()
    assert code == 2
    [error] = facts["errors"]
    assert (error["code"], error["subject"]) == (
        "not-a-target",
        "europe-docker.pkg.dev/builds/moved",
    )
    assert error["saw"].startswith(saw)


@pytest.mark.slow
def test_a_change_that_is_denied_fails_alone_and_is_tried_again(zoo: Zoo) -> None:
    """The images are there; the next run writes the settings and nothing else."""
    assert zoo.plan(spec=SPEC % SETTINGS)[0] == 0
    zoo.fault(method="PATCH", path="repositories/moved", status=403, times=1)
    code, facts = zoo.run("apply", _file(zoo))
    assert (code, facts["outcome"]) == (1, "failed")
    [failure] = facts["failures"]
    assert failure["subject"] == "europe-docker.pkg.dev/builds/moved settings"

    code, facts = zoo.run("apply", _file(zoo))
    assert (code, facts["outcome"]) == (0, "complete")
    assert _settings(zoo)["dockerConfig"] == {"immutableTags": True}
