"""Repositories and access as code of others, and a run that copies images only."""

from __future__ import annotations

import os
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hcl2
import jsonschema
import pytest

from gcr_migrate.cli.tools import json_schema
from gcr_migrate.model.access import AccessRow, Right, Verdict
from gcr_migrate.sandbox.store import Repository
from tests.access_rows import put_rows
from tests.conftest import Cli
from tests.zoo import Zoo, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import MakeRegistry

TARGET = "europe-docker.pkg.dev/builds/moved"
SPEC = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
routes:
  - match: "**"
    repository: moved
    settings:
      description: 'it''s a "web" $x%'
      labels: {team: web}
      immutable_tags: true
      scanning: after_copy
      cleanup_policies:
        - {id: old, action: delete, condition: {tag_state: untagged, more_stale_than: 30d}}
    access:
      grant:
        - {role: artifactregistry.reader, members: ["group:a@example.com", "user:b@example.com"]}
"""
READER, ENDS = "roles/artifactregistry.reader", "request.time < timestamp('2099-01-01T00:00:00Z')"
LOST = AccessRow(
    source="us.gcr.io/builds",
    target=TARGET,
    member="user:c@example.com",
    right=Right.PULL,
    before=True,
    after=False,
    verdict=Verdict.LOST,
)
NOWHERE = "http://127.0.0.1:9"  # the discard port: whoever calls another host is turned away


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A source with one image, and a plan that makes a repository with settings and grants."""
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    with opened(tmp_path) as one:
        one.image("app", "1")
        assert one.plan(spec=SPEC)[0] == 0
        yield one


def _export(zoo: Zoo, *options: str) -> tuple[int, dict[str, Any]]:
    return zoo.run_here("export", str(zoo.home / "m"), *options)


def _copy(zoo: Zoo) -> tuple[int, dict[str, Any]]:
    return zoo.run("apply", str(zoo.home / "m"), "--content-only")


def _pending(facts: dict[str, Any]) -> dict[str, int]:
    counts = {kind: one["pending"] for kind, one in facts["kinds"].items()}
    return {kind: count for kind, count in counts.items() if count}


def _make(zoo: Zoo, *members: str, **settings: Any) -> Repository:
    """Make the target as others would, with some members who can pull."""
    key = ("builds", "europe", "moved")
    given = {"description": 'it\'s a "web" $x%', "labels": {"team": "web"}}
    made = Repository(*key, settings={"format": "DOCKER", **given, **settings})
    made.bindings = [{"role": READER, "members": [*members]}]
    zoo.box.store.repositories[key] = made
    return made


@pytest.mark.slow
def test_files_are_written_and_only_our_own_replaced(zoo: Zoo) -> None:
    """They name plan and tool; again and --force go, a file of somebody else's does not."""
    infra, script = zoo.home / "infra", zoo.home / "infra.sh"
    options = ("--terraform", str(infra), "--gcloud", str(script))
    assert _export(zoo, *options)[0] == 0
    code, facts = _export(zoo, *options)
    assert code == 0
    jsonschema.validate(facts, json_schema("export"))
    names = {"access.tf", "repositories.tf", "versions.tf"}
    assert {*facts["files"]} == {*(str(infra / one) for one in names), str(script)}
    digest = zoo.run_here("show", str(zoo.home / "m"))[1]["digest"]
    for file in facts["files"]:
        assert digest in Path(file).read_text()
    resources = hcl2.loads((infra / "repositories.tf").read_text())["resource"]
    body = resources[0]['"google_artifact_registry_repository"']['"europe_moved"']
    assert body["description"] == """"it's a \\\"web\\\" $x%\""""
    said = Cli(zoo.home)("export", zoo.home / "m", "--gcloud", "-").stdout
    assert said == script.read_text()
    assert os.access(script, os.X_OK)
    (infra / "versions.tf").write_text("mine")
    script.unlink()
    code, error = _export(zoo, *options)
    assert (code, error["code"], error["subject"]) == (2, "not-ours", str(infra / "versions.tf"))
    assert not script.exists()
    assert _export(zoo, *options, "--force")[0] == 0
    assert "required_providers" in (infra / "versions.tf").read_text()


def test_what_cannot_be_exported_is_refused(zoo: Zoo) -> None:
    """No way out given, no folder to write to, no consent to what somebody loses."""
    assert _export(zoo)[1]["code"] == "bad-usage"
    (zoo.home / "file").touch()
    code, error = _export(zoo, "--terraform", str(zoo.home / "file"))
    assert (code, error["code"]) == (2, "not-writable")
    put_rows(zoo.home / "m", [LOST])
    code, error = _export(zoo, "--gcloud", str(zoo.home / "x.sh"))
    assert (code, error["code"]) == (3, "access-unsettled")


@pytest.mark.slow
def test_images_are_copied_into_what_others_made(zoo: Zoo) -> None:
    """Missing repositories are an error; missing access is told, and counted as still to be done.

    Nothing but images is written, in any of the runs; what others have done since is seen.
    """
    code, error = _copy(zoo)
    assert (code, error["code"], error["saw"]) == (2, "repository-missing", TARGET)
    made = _make(zoo, "group:a@example.com")
    zoo.forget()
    done = Cli(zoo.home)(
        *("apply", zoo.home / "m", "--content-only", "--endpoints", zoo.home / "endpoints.yaml"),
        *("--access-token-file", zoo.home / "token"),
    )
    assert done.returncode == 10
    told = [line.split("]", 1)[1] for line in done.stderr.splitlines() if "[warning" in line]
    assert [line.split()[0] for line in told] == [
        "grant.left_to_others",
        *["setting.left_to_others"] * 2,
    ]
    assert "roles/artifactregistry.reader for user:b@example.com" in told[0]
    assert [*made.images] == ["app"]
    code, facts = zoo.run_here("status", str(zoo.home / "m"))
    assert _pending(facts) == {"grant": 1, "setting": 1}
    assert facts["kinds"]["repository"]["done"] == 1
    words = "images are there; access or settings are still to be done"
    assert words in done.stdout.splitlines()[0]
    assert words in Cli(zoo.home)("report", zoo.home / "m", "--markdown").stdout
    made.bindings[0]["members"].append("user:b@example.com")
    condition = {"tagState": "UNTAGGED", "moreStaleThan": "2592000s"}
    policy = {"id": "old", "action": "DELETE", "condition": condition}
    made.settings |= {"dockerConfig": {"immutableTags": True}, "cleanupPolicies": {"old": policy}}
    assert _copy(zoo)[0] == 0
    assert not zoo.asked("(POST|PATCH|PUT|DELETE) artifactregistry")
    code = zoo.run("access", "undo", str(zoo.home / "m"), "--yes")[0]
    assert (code, made.bindings[0]["members"]) == (0, ["group:a@example.com", "user:b@example.com"])


def test_a_copier_need_not_see_the_policy(zoo: Zoo) -> None:
    """Who may push and not read policies copies, and is told that the grants were not seen."""
    _make(zoo)
    zoo.fault(path=":getIamPolicy", status=403)
    code, facts = _copy(zoo)
    assert (code, _pending(facts)) == (10, {"grant": 2, "setting": 1})


@pytest.mark.parametrize(
    ("settings", "exits", "code"),
    [
        ({"format": "MAVEN"}, 1, "repository-differs"),
        ({"mode": "REMOTE_REPOSITORY"}, 1, "repository-differs"),
        ({"kmsKeyName": ""}, 1, "repository-differs"),
    ],
)
def test_what_does_not_fit_gets_no_image(
    zoo: Zoo, settings: dict[str, str], exits: int, code: str
) -> None:
    """Another format, another kind, another key than the plan says: fixed when it was made."""
    key = "projects/builds/locations/europe/keyRings/r/cryptoKeys/k"
    spec = SPEC.replace("labels:", f"kms_key: {key}\n      labels:")
    assert zoo.plan(spec=spec)[0] == 0
    made = _make(zoo, **{"kmsKeyName": key, **settings})
    found, error = _copy(zoo)
    assert (found, error["code"]) == (exits, code)
    assert not [*made.images]


def _gcloud_environ(zoo: Zoo) -> dict[str, str]:
    """Return what the real gcloud needs to come to the sandbox, and to nothing else."""
    place = zoo.box.addresses["artifact_registry"]
    return {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY": f"{place}/",
        "PATH": os.environ["PATH"],
        "HOME": str(zoo.home),
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(zoo.home / "token"),
        "CLOUDSDK_CONFIG": str(zoo.home / "config"),
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "0",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "HTTPS_PROXY": NOWHERE,
    }


@pytest.mark.long
@pytest.mark.needs("gcloud")
def test_the_real_gcloud_runs_the_script(zoo: Zoo) -> None:
    """Twice before the copy and once after it: then all is there but what has a condition.

    That one is added by `apply`, and the script refuses to go over it; a new plan finds all.
    """
    script, condition = zoo.home / "infra.sh", {"title": "a, b", "expression": ENDS}
    bound = {"role": READER, "members": ["user:c@example.com"], "condition": condition}
    zoo.repository.bindings.append(bound)
    spec = SPEC.replace("      grant:", "      translate: true\n      grant:")
    assert zoo.plan(spec=spec)[0] == 0
    assert _export(zoo, "--gcloud", str(script))[0] == 0

    def run(*args: str) -> tuple[int, str]:
        done = subprocess.run(
            [script, *args],
            env=_gcloud_environ(zoo),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return done.returncode, done.stderr

    for _ in range(2):
        assert run()[0] == 0
    code, facts = _copy(zoo)
    assert (code, _pending(facts)) == (10, {"grant": 1, "setting": 1})
    assert run("after-copy")[0] == 0
    assert _pending(_copy(zoo)[1]) == {"grant": 1}
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    before = deepcopy(zoo.box.store.repositories["builds", "europe", "moved"].bindings)
    code, said = run()
    assert (code, "gcloud may lose" in said) == (1, True)
    assert zoo.box.store.repositories["builds", "europe", "moved"].bindings == before
    code, facts = zoo.run("plan", str(zoo.home / "spec.yaml"), "-o", str(zoo.home / "again"))
    assert (code, set(facts["todo"].values())) == (0, {0})


@pytest.mark.needs("docker-registry")
def test_a_plan_for_another_registry_has_nothing_to_export(
    zoo: Zoo, make_registry: MakeRegistry
) -> None:
    """It is said, and nothing is written: such a registry has neither repositories nor policies."""
    target = f'target: {{registry: "{make_registry().host}"}}\n'
    assert zoo.plan(spec=SPEC.partition("target:")[0] + target)[0] == 0
    script = zoo.home / "make.sh"
    code, error = _export(zoo, "--gcloud", str(script))
    assert (code, error["code"]) == (2, "nothing-to-export")
    assert not script.exists()
