"""What `verify --level access` proves of the targets' policies, and what it cannot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.states import FolderState
from tests.zoo import API, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

TARGET = "europe-docker.pkg.dev/builds/moved"
READER, WRITER = "roles/artifactregistry.reader", "roles/artifactregistry.writer"
DEVS, CI = "group:devs@example.com", "serviceAccount:ci@p.iam.gserviceaccount.com"
CALLER = "user:migrator@example.com"
SPEC = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
routes:
  - match: "**"
    repository: moved
    access: {translate: true}
"""
DENIED = json.dumps({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}})


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A migration that was applied, with readers, a writer and the caller by name."""
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    with opened(tmp_path) as one:
        one.image("app", "1")
        one.repository.bindings = [
            {"role": READER, "members": [DEVS, CALLER]},
            {"role": WRITER, "members": [CI]},
        ]
        assert one.plan(spec=SPEC)[0] == 0
        assert one.run("apply", str(one.home / "m"))[0] == 0
        yield one


def _policy(zoo: Zoo) -> list[dict[str, Any]]:
    return zoo.box.store.repositories["builds", "europe", "moved"].bindings


def _verified(zoo: Zoo, *levels: str) -> tuple[int, str, list[tuple[str, str, str]]]:
    """Verify; return exit status, outcome, and code, subject and words of each finding."""
    options = [word for one in levels or ("access",) for word in ("--level", one)]
    code, facts = zoo.run("verify", str(zoo.home / "m"), *options)
    found = [(one["code"], one["subject"], one["saw"]) for one in facts["findings"]]
    return code, facts["outcome"], found


@pytest.mark.slow
def test_a_run_is_proven_with_its_access(zoo: Zoo) -> None:
    """Grants, rights of everybody, and what the caller may do; also without naming a level."""
    zoo.forget()
    code, facts = zoo.run("verify", str(zoo.home / "m"))
    assert (code, facts["outcome"]) == (0, "proven")
    assert facts["levels"]["access"] == {"checked": 8, "ok": 8, "wrong": 0, "unchecked": 0}
    assert zoo.asked(f"{API} .*:testIamPermissions") == 1
    zoo.forget()
    assert _verified(zoo, "tags")[0] == 0
    assert not zoo.asked("IamPolicy")


def test_who_lost_and_who_gained_since_the_plan_is_named(zoo: Zoo) -> None:
    """With right, role and method; a project's policy above the target counts too."""
    _policy(zoo)[0]["members"].remove(DEVS)
    _policy(zoo)[1]["members"].append("user:new@example.com")
    project = zoo.box.store.project("builds")
    project.bindings = [{"role": "roles/viewer", "members": ["group:all@example.com"]}]
    code, outcome, found = _verified(zoo)
    assert (code, outcome) == (1, "differs")
    by_project = "pull: roles/viewer on projects/builds; by policies"
    new = f"{WRITER} on projects/builds/locations/europe/repositories/moved; by policies"
    assert found == [
        ("access-gained", f"{TARGET} group:all@example.com", by_project),
        ("access-lost", f"{TARGET} {DEVS}", "pull: nothing gives it; by policies"),
        ("grant-gone", f"{TARGET} {DEVS}", f"{READER}; by policies"),
        ("access-gained", f"{TARGET} user:new@example.com", f"pull: {new}"),
        ("access-gained", f"{TARGET} user:new@example.com", f"push: {new}"),
    ]


def test_what_policies_give_and_the_service_refuses_is_lost(zoo: Zoo) -> None:
    """A deny policy is in no allow policy; testIamPermissions speaks for the caller."""
    zoo.fault(host=API, path=":testIamPermissions", status=200, body="{}")
    code, _, found = _verified(zoo)
    assert code == 1
    ((problem, subject, saw),) = found
    assert (problem, subject) == ("access-lost", f"{TARGET} {CALLER}")
    assert saw.endswith("and is refused; by testIamPermissions")


@pytest.mark.parametrize("what", ["target", "project"])
def test_a_policy_that_cannot_be_read_proves_nothing(zoo: Zoo, what: str) -> None:
    """Neither green nor red: it is said what could not be seen."""
    host, path = (
        (API, "moved:getIamPolicy")
        if what == "target"
        else ("resource_manager", "builds:getIamPolicy")
    )
    zoo.fault(host=host, path=path, status=403, body=DENIED)
    code, outcome, found = _verified(zoo)
    assert (code, outcome) == (4, "unproven")
    ((problem, subject, saw),) = found
    assert problem == "not-checked"
    assert subject == (TARGET if what == "target" else "projects/builds")
    assert "denied" in saw


@pytest.mark.slow
def test_what_the_plan_did_not_see_either_is_told(zoo: Zoo) -> None:
    """A proof is as wide as the plan: what was hidden then is named again, and no failure."""
    zoo.box.store.folders["folders/7"] = FolderState("folders/7", "organizations/1")
    zoo.box.store.project("builds").parent = "folders/7"
    zoo.fault(host="resource_manager", path="folders/7:getIamPolicy", status=403, body=DENIED)
    assert zoo.plan("--new", spec=SPEC)[0] == 0
    (zoo.home / "m-2").rename(zoo.home / "m")
    code, outcome, found = _verified(zoo)
    assert (code, outcome) == (0, "proven")
    assert [one[:2] for one in found] == [("policy-not-seen", "folders/7")]


def test_a_target_that_is_gone_has_none_of_its_grants(zoo: Zoo) -> None:
    """Each grant is named, and that the repository is not there."""
    del zoo.box.store.repositories["builds", "europe", "moved"]
    code, _, found = _verified(zoo)
    assert (code, {one[0] for one in found}, len(found)) == (1, {"grant-gone"}, 3)
    assert all("not there" in one[2] for one in found)
