"""What may go after a split: asked of the sandbox by the real program, which deletes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from gcr_migrate.cli.tools import json_schema
from gcr_migrate.sandbox.scenarios import Scenario
from gcr_migrate.sandbox.store import Repository
from tests.answers import control
from tests.discovery import DENIED_TOKEN, Stage, image, staged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SPEC = """\
source: {project: builds, hosts: [us.gcr.io]}
routes: [{match: "{team}/**", repository: "{team}", strip: "{team}"}]
"""
OWN, FOREIGN = "us.artifacts.builds.appspot.com", "eu.artifacts.builds.appspot.com"
REPOSITORY = "us-docker.pkg.dev/builds/us.gcr.io"
IMAGES = [image("web/app"), image("api/app")]


def _scenario() -> Scenario:
    return Scenario.model_validate(
        {
            "identities": [
                {},
                {"member": "user:stranger@example.com", "token": DENIED_TOKEN, "roles": []},
            ],
            "projects": [
                {
                    "id": "builds",
                    "buckets": [
                        {"name": OWN, "images": IMAGES, "settings": {"storageClass": "STANDARD"}},
                        {"name": "artifacts.builds.appspot.com", "objects": {"notes.txt": "x"}},
                    ],
                },
                {"id": "not-builds", "buckets": [{"name": FOREIGN, "images": IMAGES}]},
                {"id": "late-one", "redirect_state": "ENABLED_AND_COPYING"},
            ],
            "repositories": [
                {"project": "builds", "location": "us", "id": "us.gcr.io", "images": IMAGES},
                {"project": "builds", "location": "us", "id": "gcr.io"},
                {"project": "late-one", "location": "asia", "id": "asia.gcr.io", "images": IMAGES},
            ],
        }
    )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A project that was split, with all that the split left behind."""
    with staged(_scenario(), tmp_path_factory.mktemp("left")) as found:
        (found.cli.home / "spec.yaml").write_text(SPEC)
        for command in (("plan", "spec.yaml", "-o", "m"), ("apply", "m")):
            done = found.run(*command)
            assert done.returncode == 0, done.stderr
        yield found


def _leftovers(
    stage: Stage, *args: str, code: int = 0, token: str = ""
) -> dict[str, dict[str, Any]]:
    """Ask, and return what was found by its name."""
    done = stage.run("leftovers", *args, "--json", token=token)
    assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    facts = json.loads(done.stdout)
    jsonschema.validate(facts, json_schema("leftovers"))
    return {one["name"]: one for one in facts["leftovers"]}


def _open(one: dict[str, Any]) -> dict[str, str]:
    return {c["name"]: c["standing"] for c in one["claims"] if c["standing"] != "proven"}


def _saw(one: dict[str, Any], name: str) -> str:
    return next(str(claim["saw"]) for claim in one["claims"] if claim["name"] == name)


USED = tuple(("web", days) for days in range(1, 200, 5))  # a log without gaps


def _log(path: Path, *pulls: tuple[str, int]) -> str:
    """Write a log of pulls: a repository, and how many days ago it was."""
    now, entries = datetime.now(UTC), []
    for repository, days in pulls:
        resource = f"projects/builds/locations/us/repositories/{repository}/dockerImages/app"
        entries.append(
            {
                "timestamp": (now - timedelta(days=days)).isoformat(),
                "protoPayload": {"methodName": "Docker-GetManifest", "resourceName": resource},
            }
        )
    path.write_text(json.dumps(entries))
    return path.name


def test_without_files_what_would_prove_it_is_named(stage: Stage) -> None:
    """Nothing may go on the strength of a name; each bucket and repository is there once."""
    found = _leftovers(stage, "builds")
    assert {name: one["verdict"] for name, one in found.items()} == {
        f"gs://{OWN}": "unproven",
        f"gs://{FOREIGN}": "not-yours",
        "gs://artifacts.builds.appspot.com": "keep",
        REPOSITORY: "unproven",
        "us-docker.pkg.dev/builds/gcr.io": "unproven",
    }
    assert _open(found[f"gs://{OWN}"]) == {"copied": "open"}
    assert _open(found["gs://artifacts.builds.appspot.com"]) == {"alone": "refuted"}
    assert _open(found[REPOSITORY]) == {"moved": "open", "not-pulled": "open"}
    assert not any(one["command"] for one in found.values())


def test_with_its_migration_and_a_log_of_pulls_all_is_proven(stage: Stage) -> None:
    """The commands are printed and not run: what may go is still there afterwards."""
    before = (set(stage.box.store.buckets), set(stage.box.store.repositories))
    stage.box.log.reset()
    log = _log(stage.cli.home / "log.json", ("us.gcr.io", 200), *USED)
    options = ("builds", "--migration", "m", "--audit-log", log)
    found = _leftovers(stage, *options)
    for name in (f"gs://{OWN}", REPOSITORY, "us-docker.pkg.dev/builds/gcr.io"):
        assert (found[name]["verdict"], _open(found[name])) == ("may-go", {}), name
    assert found[f"gs://{OWN}"]["command"] == f"gcloud storage rm --recursive gs://{OWN}"
    told = stage.run("leftovers", *options, "--price", "artifact-registry=100")
    assert told.returncode == 0
    assert f"  run   gcloud storage rm --recursive gs://{OWN}" in told.stdout
    assert f"gs://{FOREIGN}: not-yours" in told.stdout
    assert "nothing was deleted" in told.stdout
    assert (set(stage.box.store.buckets), set(stage.box.store.repositories)) == before
    methods = {one["method"] for one in stage.box.log.plain()}
    assert methods == {"GET", "HEAD"}, "it only reads"


def test_a_snapshot_proves_a_copy_until_something_of_it_is_gone(stage: Stage) -> None:
    """It lists what Artifact Registry has; what it had and has not any more is no copy."""
    assert stage.run("inventory", "us.gcr.io/builds", "-o", "s").returncode == 0
    assert _open(_leftovers(stage, "builds", "--migration", "s")[f"gs://{OWN}"]) == {}
    app = stage.box.store.repositories["builds", "us", "us.gcr.io"].images["web/app"]
    manifests, tags, blobs = dict(app.manifests), dict(app.tags), set(app.blobs)
    app.manifests.clear()
    app.tags.clear()
    gone = _leftovers(stage, "builds", "--migration", "s")[f"gs://{OWN}"]
    app.manifests |= manifests
    app.tags |= tags
    app.blobs.pop()
    lost = _leftovers(stage, "builds", "--migration", "s")[f"gs://{OWN}"]
    app.blobs |= blobs
    assert (gone["verdict"], _open(gone)) == ("unproven", {"copied": "open"})
    assert _saw(gone, "copied") == "1 of 2 manifests in s are gone since"
    assert (lost["verdict"], _open(lost)) == ("keep", {"copied": "refuted"})
    assert _saw(lost, "copied") == "Artifact Registry lacks 1 of 4 blobs"
    skipped = _leftovers(stage, "builds", "--migration", "s", "--skip-blobs")[f"gs://{OWN}"]
    assert _open(skipped) == {"copied": "open"}


def test_what_came_after_the_split_keeps_its_repository(stage: Stage) -> None:
    """So does what is gone at its target, a pull of today, and a virtual repository over it."""
    old = stage.box.store.repositories["builds", "us", "us.gcr.io"]
    there = stage.box.store.repositories["builds", "us", "web"]
    kept = there.images.pop("app")
    below = "projects/builds/locations/us/repositories/us.gcr.io"
    over = {"upstreamPolicies": [{"id": "a", "repository": below, "priority": 1}]}
    settings = {"format": "DOCKER", "mode": "VIRTUAL_REPOSITORY", "virtualRepositoryConfig": over}
    stage.box.store.add(Repository("builds", "us", "all", settings=settings))
    log = _log(stage.cli.home / "now.json", ("us.gcr.io", 0))
    found = _leftovers(stage, "builds", "--migration", "m", "--audit-log", log)[REPOSITORY]
    there.images["app"] = kept
    del stage.box.store.repositories["builds", "us", "all"]
    assert (found["verdict"], found["command"]) == ("keep", "")
    assert {*_open(found).values()} == {"refuted"}
    assert [*_open(found)] == ["moved", "not-pulled", "not-an-upstream"]
    assert "2 are at no target: web/app@sha256:" in _saw(found, "moved")
    assert old.images.keys() == {"web/app", "api/app"}


def test_repositories_that_went_to_each_other_do_not_both_go(tmp_path: Path) -> None:
    """Two hosts that were made alike: each would be the proof for deleting the other."""
    hosts = ("us.gcr.io", "gcr.io")
    scenario = Scenario.model_validate(
        {
            "projects": [{"id": "builds"}],
            "repositories": [
                {"project": "builds", "location": "us", "id": one, "images": IMAGES}
                for one in hosts
            ],
        }
    )
    with staged(scenario, tmp_path) as stage:
        for at, host in enumerate(hosts):
            spec = f"source: {{project: builds, hosts: [{host}]}}\n"
            spec += f"routes: [{{match: '**', repository: {hosts[1 - at]}}}]\n"
            (stage.cli.home / "spec.yaml").write_text(spec)
            assert stage.run("plan", "spec.yaml", "-o", host).returncode == 0
        log = _log(stage.cli.home / "log.json", ("us.gcr.io", 200), *USED)
        files = ("--audit-log", log, "--migration", "gcr.io")
        one = _leftovers(stage, "builds", *files)
        both = _leftovers(stage, "builds", *files, "--migration", "us.gcr.io")
    assert {name: found["verdict"] for name, found in one.items()} == {
        REPOSITORY: "unproven",
        "us-docker.pkg.dev/builds/gcr.io": "may-go",
    }
    assert {found["verdict"] for found in both.values()} == {"unproven"}
    assert {*_open(both[REPOSITORY])} == {"moved"}


def test_a_list_of_images_that_hides_some_makes_no_repository_empty(stage: Stage) -> None:
    """Paths that it lacks are read one by one: here all of them, by versions and tags."""
    rule = {"host": "artifact_registry", "path": "us.gcr.io/dockerImages", "status": 200}
    control(stage.box, "POST", rule | {"body": "{}"})
    found = _leftovers(stage, "builds")[REPOSITORY]
    moved = _leftovers(stage, "builds", "--migration", "m")[REPOSITORY]
    control(stage.box, "DELETE")
    assert _open(found)["moved"] == "open", "nobody says where its images went"
    assert _saw(moved, "moved").startswith("all 2 manifests and 2 tags, by m")


def test_many_projects_are_one_table(stage: Stage) -> None:
    """Out of a file; of one that still copies nothing may go; prices can be stated."""
    listed = stage.cli.home / "projects.txt"
    listed.write_text("# ours\nbuilds\n\nlate-one # copies\nus.gcr.io/builds\n")
    done = stage.run("leftovers", "--projects", "projects.txt", "--price", "artifact-registry=9e9")
    assert (done.returncode, "bad-usage" in done.stderr) == (2, True)
    found = _leftovers(stage, "--projects", "projects.txt")
    late = found["asia-docker.pkg.dev/late-one/asia.gcr.io"]
    assert (late["verdict"], _open(late)["redirected"]) == ("keep", "refuted")
    assert len(found) == 6
    assert late["usd_a_month"] == 0.0


def test_what_may_not_be_seen_is_no_proof(stage: Stage) -> None:
    """A stranger is told what was refused, and that is never a success."""
    found = _leftovers(stage, "builds", "late-one", code=4, token=DENIED_TOKEN)
    assert {one["verdict"] for one in found.values()} == {"unproven"}
    own = found[f"gs://{OWN}"]
    assert {*_open(own).values()} == {"unseen"}
    assert (own["usd_a_month"], own["command"]) == (None, "")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ([], "bad-usage"),
        (["Builds!"], "bad-name"),
        (["late-one", "--migration", "m"], "bad-usage"),
        (["builds", "--migration", "spec.yaml"], "not-a-migration"),
        (["builds", "--migration", "none"], "file-missing"),
        (["builds", "--projects", "none"], "file-missing"),
        (["builds", "--audit-log", "spec.yaml"], "bad-pull-log"),
    ],
)
def test_what_cannot_be_meant_is_refused(stage: Stage, args: list[str], code: str) -> None:
    """Before anything is asked."""
    done = stage.run("leftovers", *args, "--json")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (2, code)
