"""Access on its way: the gate before it, what `access show` tells, and taking it back."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from gcr_migrate.cli.tools import json_schema
from gcr_migrate.model.access import AccessRow, Right, Verdict
from gcr_migrate.sandbox.store import Repository
from tests.access_rows import put_rows
from tests.conftest import Cli
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

TARGET, SOURCE = "europe-docker.pkg.dev/builds/moved", "us.gcr.io/builds"
SPEC = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
routes:
  - match: "**"
    repository: moved
    access:
      grant:
        - {role: artifactregistry.reader, members: ["group:a@example.com", "group:b@example.com"]}
"""
VIEWER, READER = "roles/storage.objectViewer on gs://b", "roles/artifactregistry.reader"


def row(member: str, right: Right, verdict: Verdict = Verdict.SAME, **more: Any) -> AccessRow:
    """Make a row of access to the usual target."""
    before = verdict is not Verdict.GAINED
    after = verdict is not Verdict.LOST
    kept: dict[str, Any] = {
        "before": before,
        "after": after,
        "before_by": VIEWER,
        "verdict": verdict,
    } | more
    return AccessRow(SOURCE, TARGET, member, right, **kept)


ROWS = [
    row("group:a@example.com", Right.PULL, after_by=f"{READER} on {TARGET}"),
    row("group:a@example.com", Right.PUSH, Verdict.LOST, why="only readers", consent="CI pushes"),
    row("user:long-name-of-somebody@example.com", Right.PULL, Verdict.UNKNOWN, after=None),
]


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A source with one image, and a plan that grants two groups the right to pull."""
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    with opened(tmp_path) as one:
        one.image("app", "1")
        assert one.plan(spec=SPEC)[0] == 0
        yield one


def _policy(zoo: Zoo) -> list[dict[str, Any]]:
    return zoo.box.store.repositories["builds", "europe", "moved"].bindings


def _members(zoo: Zoo) -> set[str]:
    return {member for one in _policy(zoo) for member in one["members"]}


def _shown(zoo: Zoo, *options: str) -> dict[str, Any]:
    code, facts = zoo.run_here("access", "show", str(zoo.home / "m"), *options)
    assert code == 0
    jsonschema.validate(facts, json_schema("access-show"))
    return facts


def test_nothing_is_written_while_somebody_would_lose_without_consent(zoo: Zoo) -> None:
    """`apply` names each change, also with --dry-run, and asks nothing of anybody."""
    lost = [row(f"user:{n:02}@example.com", Right.PULL, Verdict.LOST) for n in range(22)]
    put_rows(zoo.home / "m", [*ROWS, *lost])
    zoo.forget()
    for options in ([], ["--dry-run"]):
        code, error = zoo.run("apply", str(zoo.home / "m"), *options)
        assert (code, error["code"], len(error["errors"])) == (3, "access-unsettled", 21)
        assert error["subject"] == f"user:00@example.com: pull on {TARGET}"
        assert error["saw"] == f"lost, from {SOURCE}; by {VIEWER}"
        assert "2 more" in error["errors"][-1]["subject"]
    assert zoo.requests() == []
    assert _shown(zoo, "--only", "unsettled")["unsettled"] == 22
    put_rows(zoo.home / "m", ROWS)
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0


def test_the_matrix_tells_who_can_what_and_by_what(zoo: Zoo) -> None:
    """Wide and narrow, as CSV, in `show` and in the report; each row has its verdict."""
    put_rows(zoo.home / "m", ROWS)
    facts = _shown(zoo)
    assert facts["counts"] == dict.fromkeys(Verdict, 0) | {"same": 1, "lost": 1, "unknown": 1}
    assert (facts["unsettled"], len(facts["rows"])) == (0, 3)
    file, cli = zoo.home / "m", Cli(zoo.home)
    wide = cli("access", "show", file).stdout.splitlines()
    assert wide[0] == f"{TARGET}, from {SOURCE}"
    assert wide[1].split() == ["principal", "pull", "push", "delete"]
    assert wide[2].split() == ["group:a@example.com", "yes", "yes", "->", "no", "-"]
    assert wide[3:6] == [
        "      pull: same, by policies",
        f"        now      {VIEWER}",
        f"        then     {READER} on {TARGET}",
    ]
    assert wide[6:10] == [
        "      push: lost, by policies",
        f"        now      {VIEWER}",
        "        why      only readers",
        "        accepted CI pushes",
    ]
    assert wide[-1] == "Rights: 1 same, 1 lost, 1 unknown"
    narrow = cli("access", "show", file, COLUMNS="60").stdout
    assert "  group:a@example.com\n    pull    yes, same\n    push    yes -> no, lost\n" in narrow
    table = list(csv.DictReader(cli("access", "show", file, "--csv").stdout.splitlines()))
    assert [one["after"] for one in table] == ["true", "false", ""]
    assert table[1]["consent"] == "CI pushes"
    told = cli("show", file).stdout
    assert "Access: 1 same, 1 lost, 1 unknown" in told
    assert "accepted" not in told
    page = cli("report", file, "--markdown").stdout
    assert f"| `{TARGET}` | `{SOURCE}` | `group:a@example.com` | push | yes | no | lost |" in page


def test_rows_are_chosen_by_target_member_and_change(zoo: Zoo) -> None:
    """A member however it is spelled; a target that the plan has not is a slip of the pen."""
    put_rows(zoo.home / "m", ROWS)
    rows = _shown(zoo, "--target", TARGET, "--member", "group:A@example.com")["rows"]
    assert [one["right"] for one in rows] == ["pull", "push"]
    assert [one["verdict"] for one in _shown(zoo, "--only", "changes")["rows"]] == [
        "lost",
        "unknown",
    ]
    code, error = zoo.run_here("access", "show", str(zoo.home / "m"), "--target", "x")
    assert (code, error["code"]) == (2, "bad-usage")
    assert TARGET in error["saw"]


def test_undo_takes_back_what_this_file_added_and_nothing_else(zoo: Zoo) -> None:
    """It says first what it would do; a later `apply` grants again."""
    file, cli = str(zoo.home / "m"), Cli(zoo.home)
    assert zoo.run("access", "undo", file)[1]["outcome"] == "nothing-to-do"
    assert zoo.run("apply", file)[0] == 0
    _policy(zoo).append({"role": READER, "members": ["user:other@example.com"]})
    zoo.box.store.repositories["builds", "europe", "moved"].policy_version += 1
    _policy(zoo)[0]["members"].remove("group:b@example.com")
    code, facts = zoo.run("access", "undo", file, "--dry-run")
    assert (code, facts["outcome"], len(facts["grants"])) == (10, "to-do", 2)
    assert "group:a@example.com" in _members(zoo)
    variables: dict[str, Any] = {"GCR_MIGRATE_ENDPOINTS": str(zoo.home / "endpoints.yaml")}
    told = cli("access", "undo", file, GCR_MIGRATE_ACCESS_TOKEN=zoo.box.token, **variables)
    assert told.returncode == 0, told.stderr
    assert f"- {READER} for group:a@example.com: taken back" in told.stdout
    assert f"= {READER} for group:b@example.com: was gone already" in told.stdout
    assert _members(zoo) == {"user:other@example.com"}
    code, facts = zoo.run("access", "undo", file)
    jsonschema.validate(facts, json_schema("access-undo"))
    assert (code, facts["outcome"]) == (0, "nothing-to-do")
    status = json.loads(cli("status", file, "--json").stdout)
    assert [one["outcome"] for one in status["runs"]] == ["finished", "access-undone"]
    assert status["kinds"]["grant"]["pending"] == 2
    assert zoo.run("apply", file)[0] == 0
    assert _members(zoo) == {"user:other@example.com", "group:a@example.com", "group:b@example.com"}


def test_undo_that_is_refused_says_so_and_leaves_the_ledger_as_it_is(zoo: Zoo) -> None:
    """The next one tries again."""
    file = str(zoo.home / "m")
    assert zoo.run("apply", file)[0] == 0
    denied = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "not you"}}
    zoo.fault(
        host="artifact_registry", path=":setIamPolicy", status=403, body=json.dumps(denied), times=1
    )
    code, facts = zoo.run("access", "undo", file)
    assert (code, facts["outcome"]) == (4, "failed")
    assert [one["code"] for one in facts["failures"]] == ["denied"]
    assert {one["outcome"] for one in facts["grants"]} == {"failed"}
    assert zoo.run("access", "undo", file)[1]["outcome"] == "done"


def test_a_spec_shows_access_as_it_is_now(zoo: Zoo) -> None:
    """As a plan of it would, without reading a manifest, and without a file."""
    spec = SPEC.replace("access:", "access:\n      translate: true")
    spec_file = zoo.home / "now.yaml"
    spec_file.write_text(spec)
    zoo.repository.bindings = [
        {"role": READER, "members": ["user:old@example.com", "allUsers"]},
        {"role": "projects/builds/roles/closed", "members": ["user:odd@example.com"]},
    ]
    zoo.forget()
    code, facts = zoo.run("access", "show", str(spec_file), "--only", "changes", "--no-cache")
    assert code == 0
    jsonschema.validate(facts, json_schema("access-show"))
    assert (facts["file"], facts["digest"]) == (str(spec_file), "")
    found = {(one["principal"], one["right"]): one["verdict"] for one in facts["rows"]}
    assert found["allUsers", "pull"] == "lost"
    assert found["user:odd@example.com", "push"] == "unknown"
    assert found["group:a@example.com", "pull"] == "gained"
    assert facts["unsettled"] == 1, "what the spec grants by itself is consented to"
    assert not zoo.asked("/manifests/|/blobs/")
    assert zoo.run("plan", str(spec_file), "-o", str(zoo.home / "now"))[0] == 1
    planned = zoo.run_here("access", "show", str(zoo.home / "now"), "--only", "changes")[1]
    assert planned["rows"] == facts["rows"]
    spec_file.write_text(spec.replace("repository: moved", "repository: BAD"))
    assert zoo.run("access", "show", str(spec_file), "--no-cache")[0] == 2


def test_a_target_that_hides_who_has_access_proves_nothing(zoo: Zoo) -> None:
    """Its policy could not be written either, so that the plan is refused, and not the run."""
    spec_file, file = zoo.home / "hidden.yaml", zoo.home / "hidden"
    spec_file.write_text(SPEC.partition("    access:")[0] + "    access: {translate: true}\n")
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    denied = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "not you"}}
    path = "moved:getIamPolicy"
    zoo.fault(host="artifact_registry", path=path, status=403, body=json.dumps(denied), times=1)
    code, error = zoo.run("plan", str(spec_file), "-o", str(file))
    assert (code, error["code"], error["subject"]) == (4, "access-unreadable", TARGET)
    assert "not you" in error["saw"]
    assert not file.exists()
    code, facts = zoo.run("plan", str(spec_file), "-o", str(file))
    gained = {one["subject"] for one in facts["findings"] if one["code"] == "access-gained"}
    assert (code, len(gained)) == (1, 2)


def test_who_pulls_through_a_virtual_repository_is_told(zoo: Zoo) -> None:
    """Whom no row of access has, as somebody put it over the target; a hidden one is named."""
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    below = "projects/builds/locations/europe/repositories/moved"
    over = {"upstreamPolicies": [{"id": "a", "repository": below, "priority": 1}]}
    settings = {"format": "DOCKER", "mode": "VIRTUAL_REPOSITORY", "virtualRepositoryConfig": over}
    readers = ["user:via@example.com", "group:a@example.com"]
    bindings = [{"role": READER, "members": readers}]
    zoo.box.store.add(Repository("builds", "europe", "all", bindings=bindings, settings=settings))
    spec_file = zoo.home / "over.yaml"
    spec_file.write_text(SPEC.replace("access:", "access:\n      translate: true"))

    def told(code: str) -> list[tuple[str, str]]:
        facts = zoo.run("access", "show", str(spec_file), "--no-cache")[1]
        return [(one["subject"], one["saw"]) for one in facts["findings"] if one["code"] == code]

    assert told("pulled-through") == [(TARGET, "all: user:via@example.com")]
    denied = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "not you"}}
    fault = {"host": "artifact_registry", "status": 403, "body": json.dumps(denied), "times": 1}
    zoo.fault(path="all:getIamPolicy", **fault)
    hidden = "projects/builds/locations/europe/repositories/all"
    assert [subject for subject, _ in told("policy-not-seen")] == [hidden]
    zoo.fault(path=r"/locations/europe/repositories\?", **fault)
    hidden = "virtual repositories in projects/builds/locations/europe"
    assert [subject for subject, _ in told("policy-not-seen")] == [hidden]


def test_a_policy_without_room_is_told_by_the_plan_and_takes_what_it_can(zoo: Zoo) -> None:
    """Of two grants the last place takes one; the other fails by name, and the images arrive."""
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    many = [f"user:{n}@example.com" for n in range(1_499)]
    _policy(zoo)[:] = [{"role": READER, "members": many}]
    zoo.box.store.repositories["builds", "europe", "moved"].policy_version += 1
    file = str(zoo.home / "full")
    assert zoo.run("plan", str(zoo.home / "spec.yaml"), "-o", file)[0] == 1
    findings = zoo.run_here("show", file)[1]["findings"]
    told = [(one["subject"], one["saw"]) for one in findings if one["code"] == "policy-full"]
    words = f"{READER}; the policy has 1,500 of 1,500 members"
    assert told == [(f"{TARGET} group:b@example.com", words)]
    code, facts = zoo.run("apply", file)
    assert (code, [one["code"] for one in facts["failures"]]) == (1, ["policy-full"])
    assert "group:a@example.com" in _members(zoo)
    assert facts["kinds"]["tag"]["pending"] == 0


def test_an_organisation_policy_refuses_one_member_and_no_other(zoo: Zoo) -> None:
    """The member is named with the service's words; the others and the images arrive."""
    rule = {"values": {"allowedValues": ["C0abc"]}}
    zoo.box.store.project("builds").org_policies["iam.allowedPolicyMemberDomains"] = rule
    spec = SPEC.replace("access:", "access:\n      public: allow").replace(
        '"group:b@example.com"', '"group:b@example.com", allUsers'
    )
    assert zoo.plan(spec=spec)[0] == 0
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    assert code == 1
    (failure,) = facts["failures"]
    assert (failure["kind"], failure["code"]) == ("grant", "grant-refused")
    assert failure["subject"] == f"{TARGET} {READER} allUsers"
    assert "iam.allowedPolicyMemberDomains" in failure["saw"]
    assert _members(zoo) == {"group:a@example.com", "group:b@example.com"}
    assert facts["kinds"]["tag"]["pending"] == 0
    code, facts = zoo.run("verify", str(zoo.home / "m"), "--level", "access")
    assert (code, [one["code"] for one in facts["findings"]]) == (1, ["grant-gone"])


@pytest.mark.parametrize("answer", ["n", "y"])
def test_undo_asks_a_person_and_does_what_is_answered(zoo: Zoo, answer: str) -> None:
    """On a terminal it shows first what goes; at `n` nothing does, and nobody was asked."""
    file = zoo.home / "m"
    assert zoo.run("apply", str(file))[0] == 0
    zoo.forget()
    cli, (person, terminal) = Cli(zoo.home), os.openpty()
    variables = {"GCR_MIGRATE_ENDPOINTS": str(zoo.home / "endpoints.yaml")}
    environ = cli.environment(GCR_MIGRATE_ACCESS_TOKEN=zoo.box.token, **variables)
    os.write(person, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "gcr_migrate", "access", "undo", str(file)],
        env=environ,
        cwd=zoo.home,
        stdin=terminal,
        stderr=terminal,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    said = os.read(person, 1 << 16).decode()
    os.close(terminal)
    os.close(person)
    assert f"{READER} for group:a@example.com: would be taken back" in said
    assert "Take these back?" in said
    if answer == "y":
        assert (done.returncode, _members(zoo)) == (0, set())
        assert f"- {READER} for group:a@example.com: taken back" in done.stdout
    else:
        assert (done.returncode, zoo.requests()) == (3, [])
        assert "error[not-agreed]" in said
        assert len(_members(zoo)) == 2
