"""Moves of the redirect through the program: plans, gates, confirmation, and what became of it."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.scenarios import Scenario
from tests.answers import control
from tests.discovery import image, repository, staged
from tests.redirecting import (
    ADA,
    AGENT,
    MIGRATOR,
    OF_AGENT,
    PULLER,
    SETTINGS,
    STATE,
    Switch,
    bucket,
    builds,
    codes,
    held,
    switching,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.warm import Running

pytestmark = pytest.mark.slow

ENABLED, FINALIZED = f"{STATE}ENABLED", f"{STATE}FINALIZED"
COPYING, DISABLED = f"{STATE}ENABLED_AND_COPYING", f"{STATE}DISABLED"
FUTURE = f"{STATE}ENABLED_SOMEHOW"
PATCHED = "updateMask=legacyRedirectionState"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Switch]:
    """A project that was never redirected, with one image copied and one not."""
    with switching(
        builds(bucket("us.gcr.io", "app", "old"), redirect_state="DISABLED"), tmp_path
    ) as w:
        yield w


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Switch]:
    """A project that was never redirected, with everything copied."""
    with switching(builds(bucket("us.gcr.io", "app"), redirect_state="DISABLED"), tmp_path) as w:
        yield w


def test_from_disabled_to_final(world: Switch) -> None:
    """Copying first as something is uncopied, then for all, then for good; each move once."""
    plan = world.plan()
    assert (plan["outcome"], plan["target"], plan["move"]) == ("ready", COPYING, "enable")
    assert [one["host"] for one in plan["hosts"]] == [
        f"{host}gcr.io/builds" for host in ("", "us.", "eu.", "asia.")
    ]
    moved = world.move("enable")
    assert (moved["outcome"], moved["after"], moved["slow"]) == ("moved", COPYING, [])
    assert moved["proof"]["wrong"] == moved["proof"]["unchecked"] == 0
    assert moved["proof"]["checked"] > 0

    held_up = world.plan(code=3)
    assert (held_up["target"], held(held_up)) == (ENABLED, {"copied"})
    assert world.move("enable", code=3, read=held_up["code"])["outcome"] == "held-up"
    told = world.stage.run("redirect", "plan", "builds").stdout
    assert "--accept copied=REASON" in told
    assert "what is not copied is gone from the gcr.io names" in told
    accept = ("--accept", "copied=old was deleted in 2023")
    assert world.move("enable", *accept)["after"] == ENABLED

    assert world.plan()["move"] == "finalize"
    assert world.move("finalize")["after"] == FINALIZED
    for what in ("enable", "finalize"):
        assert world.run(what, "builds", schema="redirect-move")["outcome"] == "nothing-to-do"
    assert world.written() == [PATCHED] * 3

    log = world.stage.cli.home / "builds.redirect.log"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [one["event"] for one in events] == ["started", "done", "verified"] * 3
    assert [one["target"] for one in events[::3]] == [COPYING, ENABLED, FINALIZED]
    assert "old was deleted in 2023" in events[3]["saw"]
    nothing_to_do_is_not_all_is_well(world)


def nothing_to_do_is_not_all_is_well(world: Switch) -> None:
    """Where the state is what was asked for and a host does not answer, exit 1 says what to do."""
    project = world.stage.box.store.project("builds")
    project.redirect_state, project.state_before, project.lagging = ENABLED, DISABLED, 10_000
    silent = world.run("enable", "builds", code=1, schema="redirect-move")
    assert (silent["outcome"], silent["target"]) == ("not-working", None)
    assert [one["code"] for one in silent["troubles"]] == ["redirect-slow"]
    project.lagging = 0
    del world.stage.box.store.repositories["builds", "us", "us.gcr.io"]
    told = world.stage.run("redirect", "enable", "builds")
    assert told.returncode == 1
    assert "error[repository-missing] projects/builds/locations/us/repositories" in told.stdout
    assert "for a gcr.io host create its repository" in told.stdout


def test_nothing_moves_without_consent(copied: Switch) -> None:
    """No code, half of it, another plan's code or an old one: refused, and nothing is written."""
    plan = copied.plan()
    assert plan["target"] == ENABLED
    assert f"--i-have-read {plan['code']}" in copied.stage.run("redirect", "plan", "builds").stdout
    for args, code in (
        ((), "redirect-unconfirmed"),
        (("--yes",), "redirect-unconfirmed"),
        (("--i-have-read", plan["code"]), "redirect-unconfirmed"),
        (("--yes", "--i-have-read", "0000-0000-0000"), "redirect-code-differs"),
    ):
        refused = copied.run("enable", "builds", *args, code=3)
        assert codes(refused) == [code], args
        assert plan["code"] not in json.dumps(refused).replace("--i-have-read", "")
    store = copied.stage.box.store
    store.buckets["us.artifacts.builds.appspot.com"].bindings.append(
        {"role": "roles/storage.objectViewer", "members": [MIGRATOR, "user:bob@example.com"]}
    )
    newer = copied.plan(code=3)
    assert newer["code"] != plan["code"]
    assert held(newer) == {"pullers"}
    late = copied.run(
        "enable",
        "builds",
        "--accept",
        "user:bob@example.com=left",
        *("--yes", "--i-have-read", plan["code"]),
        code=3,
    )
    assert codes(late) == ["redirect-code-differs"]
    assert copied.written() == []


def test_what_is_done_asks_for_no_code(copied: Switch) -> None:
    """The plan of a redirect that is final prints none, and neither move wants one."""
    copied.stage.box.store.project("builds").redirect_state = FINALIZED
    plan = copied.plan()
    assert (plan["outcome"], plan["code"]) == ("nothing-to-do", "")
    assert "--i-have-read" not in copied.stage.run("redirect", "plan", "builds").stdout
    for what in ("enable", "finalize"):
        done = copied.run(what, "builds", "--yes", schema="redirect-move")
        assert done["outcome"] == "nothing-to-do"
    assert copied.written() == []


def test_a_move_is_recorded_in_the_migration_file(copied: Switch) -> None:
    """All its events are in the file, whose plan stays what it was; where it was said, no log."""
    home = copied.stage.cli.home
    copied.stage.box.store.project("builds").redirect_state = ENABLED
    (home / "spec.yaml").write_text(
        "version: 1\nsource: {project: builds, hosts: [us.gcr.io]}\n"
        "routes: [{match: '**', repository: moved}]\n"
    )
    assert copied.stage.run("plan", "spec.yaml").returncode == 0
    copied.stage.box.store.project("builds").redirect_state = DISABLED
    moved = copied.move("enable", "--migration", "builds.migration", read=copied.plan()["code"])
    assert moved["recorded_in"] == "builds.migration"
    with closing(sqlite3.connect(home / "builds.migration")) as file:
        rows = file.execute("SELECT event, state, target FROM redirect_move").fetchall()
    assert rows == [(event, DISABLED, ENABLED) for event in ("started", "done", "verified")]
    assert copied.stage.run("show", "builds.migration").returncode == 0
    assert not (home / "builds.redirect.log").exists()
    copied.stage.box.store.project("builds").redirect_state = DISABLED
    code = copied.plan()["code"]
    wrong = copied.run(
        "enable", "builds", "--migration", "spec.yaml", "--yes", "--i-have-read", code, code=2
    )
    assert codes(wrong) == ["not-a-migration"]
    assert len(copied.written()) == 1


GATES: list[tuple[tuple[dict[str, Any], ...], str]] = [
    (({"host": "artifact_registry", "path": "/repositories\\?"},), "repositories"),
    (({"host": "artifact_registry", "path": "/packages"},), "listings"),
    (({"host": "storage", "path": "testPermissions"},), "pullers"),
    (({"host": "storage", "path": "/iam\\?"},), "pullers"),
    (
        (
            {"host": "resource_manager", "path": "builds:getIamPolicy"},
            {"host": "cloud_asset", "path": "analyzeIamPolicy"},
        ),
        "pullers",
    ),
    (({"host": "artifact_registry", "path": "getIamPolicy"},), "pullers"),
]


def test_gates_hold_under_faults(world: Switch) -> None:
    """Each reading that fails, refused or broken, holds the gate that rests on it; no write."""
    code = world.plan()["code"]
    for at, (rules, gate) in enumerate(GATES):
        for rule in rules:
            world.fault(status=(403, 500)[at % 2], **rule)
        plan = world.run("plan", "builds", code=None)
        assert gate in held(plan), (rules, plan["gates"])
        assert plan["outcome"] == "held-up"
        if at < 2:
            assert world.move("enable", code=3, read=code)["outcome"] == "held-up"
        world.whole()
    world.fault(status=403, host="artifact_registry", path=f"{SETTINGS}$")
    assert codes(world.plan(code=4)) == ["denied"]
    world.whole()
    assert world.written() == []
    assert world.plan()["outcome"] == "ready"


def test_the_verification_is_a_gate(copied: Switch) -> None:
    """A blob that is gone, or a registry that stops answering, holds the move up, exit 3."""
    code = copied.plan()["code"]
    for rule in ({"path": "/blobs/", "status": 404}, {"path": "/manifests/", "status": 500}):
        copied.fault(host="us-docker.pkg.dev", **rule)
        move = copied.move("enable", code=3, read=code)
        assert move["outcome"] == "held-up"
        assert held(move) == {"verified"}
        copied.whole()
    assert copied.written() == []
    assert copied.state() == DISABLED


def test_what_one_view_calls_empty_is_read_by_the_other(copied: Switch) -> None:
    """The API lists no image path, the registry does: all that is there is verified all the same.

    Nothing can be read of it by either: then it is not called verified.
    """
    copied.fault(host="artifact_registry", path="/packages\\?", status=200, body="{}")
    copied.fault(host="us-docker.pkg.dev", path="/manifests/", status=500)
    assert held(copied.move("enable", code=3)) == {"verified"}
    assert copied.written() == []
    copied.whole()


def plan_of_what_runs(copied: Switch) -> dict[str, tuple[bool, str]]:
    """Return who can pull and why it is asked, with what runs as the list of pullers."""
    email = "vm@builds.iam.gserviceaccount.com"
    value = (
        "image: us.gcr.io/builds/app:1.0\nother: us.gcr.io/builds/app:2\nnext: gcr.io/other-one/x"
    )
    machine = {
        "assetType": "compute.googleapis.com/Instance",
        "name": "//compute.googleapis.com/projects/builds/zones/z/instances/vm",
        "resource": {"data": {"startup": value, "serviceAccounts": [{"email": email}]}},
    }
    home = copied.stage.cli.home
    (home / "assets.json").write_text(json.dumps(machine))
    scan = copied.stage.cli("refs", "scan", "assets.json", "--project", "builds", "--json")
    (home / "names.json").write_text(scan.stdout)
    plan = copied.plan("--pullers", "names.json", code=3)
    assert held(plan) == {"pullers"}
    (home / "names.json").write_text(scan.stdout[:-9])
    assert copied.plan("--pullers", "names.json", code=2)["code"] == "bad-usage"
    return {one["member"]: (one["can"], one["why"]) for one in plan["pullers"]}


def test_who_really_pulls_has_to_be_able_to(copied: Switch) -> None:
    """A log's and a list's pullers are in the plan by name, and hold it up until they can read."""
    home = copied.stage.cli.home
    robot = "ci@builds.iam.gserviceaccount.com"
    resource = "projects/builds/locations/us/repositories/us.gcr.io/dockerImages/app"
    entries = [
        {
            "timestamp": "2026-11-20T08:00:00Z",
            "protoPayload": {
                "methodName": method,
                "resourceName": resource,
                "authenticationInfo": {"principalEmail": email},
                "request": {"requestUrl": f"/v2/builds/us.gcr.io/app/manifests/{tag}"},
            },
        }
        for method, email, tag in (
            ("Docker-GetManifest", robot, "1.0"),
            ("Docker-GetManifest", "", "1.0"),
            ("Docker-GetManifest", robot, "0.9"),
            ("Docker-PutManifest", robot, "0.8"),
        )
    ]
    (home / "log.json").write_text(json.dumps(entries))
    (home / "more.txt").write_text("# from the wiki\ngroup:devs@example.com\n\nbob@example.com\n")
    args = ("--audit-log", "log.json", "--pullers", "more.txt")
    plan = copied.plan(*args, code=3)
    assert held(plan) == {"pullers", "pulled"}
    assert [one["can"] for one in plan["pullers"] if one["right"] == "push"] == [False]
    found = {one["member"]: one for one in plan["pullers"] if one["right"] == "pull"}
    assert {member: one["can"] for member, one in found.items() if member != MIGRATOR} == {
        ADA: True,
        f"serviceAccount:{robot}": False,
        "allUsers": False,
        "group:devs@example.com": False,
        "user:bob@example.com": False,
    }
    assert (
        "audit log: 2 pulls and 1 push, the last on 2026-11-20"
        in found[f"serviceAccount:{robot}"]["why"]
    )
    can, why = plan_of_what_runs(copied)[f"serviceAccount:vm@{robot.partition('@')[2]}"]
    used = "us.gcr.io/builds/app:1.0 for compute.googleapis.com/Instance vm (assets.json:1)"
    assert (can, why) == (False, f"pulls {used} and 1 more")
    held_by = next(one for one in plan["gates"] if one["name"] == "pulled")
    assert [one.partition(": ")[0] for one in held_by["evidence"][:2]] == [
        "us.gcr.io/builds/app:0.8",
        "us.gcr.io/builds/app:0.9",
    ]
    copied.stage.box.store.get(("builds", "us", "us.gcr.io")).bindings.append(  # type: ignore[union-attr]  # it is there
        {"role": "roles/artifactregistry.reader", "members": ["allUsers"]}
    )
    assert held(copied.plan(*args, code=3)) == {"pullers", "pulled"}  # the robot cannot push
    copied.stage.box.store.get(("builds", "us", "us.gcr.io")).bindings.append(  # type: ignore[union-attr]  # it is there
        {"role": "roles/artifactregistry.writer", "members": [f"serviceAccount:{robot}"]}
    )
    withdrawn = ("--accept", "pulled=0.8 and 0.9 were withdrawn")
    ready = copied.plan(*args, *withdrawn)
    assert all(one["can"] for one in ready["pullers"])
    moved = copied.move("enable", *args, *withdrawn, read=ready["code"])
    assert moved["proof"]["checked"] == 6  # four of the host, its tag and its digest by that name

    (home / "log.json").write_text(json.dumps(entries)[:-1])
    assert codes(copied.plan(*args, code=2)) == ["bad-pull-log"]
    (home / "more.txt").write_text("nobody\n")
    assert codes(copied.plan("--pullers", "more.txt", code=2)) == ["bad-usage"]
    assert codes(copied.plan("--accept", "copied", code=2)) == ["bad-usage"]


def test_what_changes_while_it_is_verified_is_seen(copied: Switch) -> None:
    """Somebody takes a reader away during the verification: the code is not good any more."""
    code, cli, box = copied.plan()["code"], copied.stage.cli, copied.stage.box
    copied.fault(host="us-docker.pkg.dev", path="/blobs/", delay_s=3, times=1)
    process = cli.start(
        *("redirect", "enable", "builds", "--yes", "--i-have-read", code, "--json"),
        GCR_MIGRATE_ENDPOINTS=str(cli.home / "endpoints.yaml"),
        GCR_MIGRATE_ACCESS_TOKEN=box.token,
    )
    while not any(one["hits"] for one in control(box, "GET")):
        assert process.poll() is None
        time.sleep(0.02)
    box.store.get(("builds", "us", "us.gcr.io")).bindings.clear()  # type: ignore[union-attr]  # it is there
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert codes(json.loads(out)) == ["redirect-code-differs"]
    assert copied.written() == []


def test_a_baseline_has_to_be_there(copied: Switch) -> None:
    """What a snapshot names and the repository lacks makes the next move the copying one."""
    home, box = copied.stage.cli.home, copied.stage.box
    box.store.project("builds").redirect_state = ENABLED
    assert copied.stage.run("inventory", "us.gcr.io/builds", "-o", "b.snapshot").returncode == 0
    box.store.project("builds").redirect_state = DISABLED
    whole = copied.plan("--baseline", "b.snapshot")
    assert whole["target"] == ENABLED
    assert "0 of" in " ".join(whole["gates"][3]["evidence"])
    images = box.store.get(("builds", "us", "us.gcr.io")).images  # type: ignore[union-attr]  # it is there
    images["app"].tags.clear()
    less = copied.plan("--baseline", "b.snapshot")
    assert less["target"] == COPYING
    assert "us.gcr.io/builds/app:1.0" in " ".join(less["gates"][3]["evidence"])
    (home / "no.snapshot").write_text("no")
    assert codes(copied.plan("--baseline", "no.snapshot", code=2)) == ["not-a-snapshot"]
    with closing(sqlite3.connect(home / "b.snapshot")) as file:
        file.execute("UPDATE source SET shown = 'us.gcr.io/buildsystem'")
        file.commit()
    other = copied.plan("--baseline", "b.snapshot", code=2)
    assert codes(other) == ["bad-usage"]
    assert "us.gcr.io/buildsystem" in other["errors"][0]["saw"]


def test_a_move_that_was_made_is_never_told_as_a_failure_of_the_rest(copied: Switch) -> None:
    """Ctrl-C during the write, and a record that cannot be written after it: both tell the state.

    Before the write a record that cannot be written keeps it from being made.
    """
    cli, box = copied.stage.cli, copied.stage.box
    log, code = cli.home / "builds.redirect.log", copied.plan()["code"]

    def midway() -> Running:
        """Begin a move, and return while the service thinks about the write."""
        copied.whole()
        copied.fault(host="artifact_registry", method="PATCH", times=1, delay_s=2)
        process = cli.start(
            *("redirect", "enable", "builds", "--yes", "--i-have-read", code, "--json"),
            GCR_MIGRATE_ENDPOINTS=str(cli.home / "endpoints.yaml"),
            GCR_MIGRATE_ACCESS_TOKEN=box.token,
        )
        while not any(one["hits"] for one in control(box, "GET")):
            assert process.poll() is None
            time.sleep(0.02)
        return process

    stopped = midway()
    stopped.send_signal(signal.SIGINT)
    out, err = stopped.communicate(timeout=60)
    assert codes(json.loads(out)) == ["redirect-unsettled"], err
    last = json.loads(log.read_text().splitlines()[-1])
    assert (last["event"], last["code"]) == ("failed", "redirect-unsettled")

    box.store.project("builds").redirect_state = DISABLED
    unrecorded = midway()
    log.unlink()
    log.mkdir()
    out, err = unrecorded.communicate(timeout=60)
    facts = json.loads(out)
    assert (unrecorded.returncode, facts["outcome"]) == (4, "moved-unproven"), err
    assert (facts["after"], facts["recorded_in"], copied.state()) == (ENABLED, "", ENABLED)
    assert "not recorded: not-writable" in facts["note"]
    assert facts["proof"]["wrong"] == facts["proof"]["unchecked"] == 0

    box.store.project("builds").redirect_state = DISABLED
    written = len(copied.written())
    assert codes(copied.move("enable", code=2, read=code)) == ["file-missing"]
    assert len(copied.written()) == written

    log.rmdir()
    moved = copied.move("enable", read=code)
    whole = log.read_text()
    before, last = whole[: whole.rindex('{"at"')], whole[whole.rindex('{"at"') :]
    for cut in (before, before + last[:20] + "\n"):  # killed before it had verified
        log.write_text(cut)
        late = copied.run("enable", "builds", schema="redirect-move")
        assert (late["outcome"], late["proof"]) == ("moved", moved["proof"])
        assert "cut off" in late["note"]
        done = copied.run("enable", "builds", schema="redirect-move")
        assert (done["outcome"], done["proof"]) == ("nothing-to-do", None)
    assert len(copied.written()) == written + 1


# Each makes a request of the time after the write fail for good, or once.
AFTER_THE_WRITE: tuple[tuple[dict[str, Any], int], ...] = (
    ({"host": "us.gcr.io", "path": "/tags/list", "status": 504}, 1),
    ({"host": "us.gcr.io", "path": "/blobs/", "status": 403, "times": 1}, 4),
    ({"host": "us.gcr.io", "method": "HEAD", "status": 404}, 1),
    ({"host": "us.gcr.io", "method": "HEAD", "status": 429, "headers": {"Retry-After": "0"}}, 4),
)


def test_what_fails_after_the_write_is_told_and_proven_by_the_next_run(copied: Switch) -> None:
    """A host, a permission, a quota: the move is never told as proven, nor as not made."""
    code, project = copied.plan()["code"], copied.stage.box.store.project("builds")
    log = copied.stage.cli.home / "builds.redirect.log"
    for rule, exit_code in AFTER_THE_WRITE:
        copied.whole()
        project.redirect_state = DISABLED
        # Who answers is asked for twice before the write; the others are first asked after it.
        copied.fault(**rule, skip=2 if rule.get("path") == "/tags/list" else 0)
        moved = copied.move("enable", "--wait", "0", read=code, code=exit_code)
        assert (moved["outcome"], moved["after"]) == ("moved-unproven", ENABLED), rule
        events = [json.loads(one)["event"] for one in log.read_text().splitlines()]
        assert events[-3:] == ["started", "done", "unproven"]
        copied.whole()
        late = copied.run("enable", "builds", schema="redirect-move")
        assert (late["outcome"], late["proof"]["unchecked"]) == ("moved", 0)


def test_a_kill_between_the_write_and_its_record_is_healed(copied: Switch) -> None:
    """Killed when the setting is written and nothing tells so: the next run proves the move.

    A line that was cut off does not take the next one with it.
    """
    cli, box = copied.stage.cli, copied.stage.box
    code, log = copied.plan()["code"], cli.home / "builds.redirect.log"
    copied.fault(host="artifact_registry", method="PATCH", times=1, delay_s=3, when="after")
    process = cli.start(
        *("redirect", "enable", "builds", "--yes", "--i-have-read", code, "--json"),
        GCR_MIGRATE_ENDPOINTS=str(cli.home / "endpoints.yaml"),
        GCR_MIGRATE_ACCESS_TOKEN=box.token,
    )
    while copied.state() != ENABLED:
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)
    with log.open("a") as torn:
        torn.write('{"at": "2026-')
    late = copied.run("enable", "builds", schema="redirect-move")
    assert "cut off" in late["note"]
    assert (late["outcome"], late["proof"]["unchecked"]) == ("moved", 0)
    started, torn_line, verified = log.read_text().splitlines()
    assert (json.loads(started)["event"], torn_line) == ("started", '{"at": "2026-')
    assert json.loads(verified)["event"] == "verified"
    done = copied.run("enable", "builds", schema="redirect-move")
    assert done["outcome"] == "nothing-to-do"
    assert len(copied.written()) == 1


def test_what_becomes_of_the_write_is_read(copied: Switch) -> None:
    """Refused, somebody else's, lost before and after: told as it is, each with one request."""
    code = copied.plan()["code"]
    patch = {"host": "artifact_registry", "method": "PATCH", "times": 1}

    copied.fault(**patch, status=409, body='{"error": {"code": 409, "status": "ABORTED"}}')
    assert codes(copied.move("enable", code=1, read=code)) == ["redirect-conflict"]
    copied.fault(**patch, status=504)
    lost = copied.move("enable", code=4, read=code)
    assert codes(lost) == ["server-error"]
    assert "as before" in lost["errors"][0]["saw"]
    needs = f"requires {AGENT} to have storage.objects.get"
    refusal = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": needs}}
    copied.fault(**patch, status=403, body=json.dumps(refusal))
    agent = copied.move("enable", code=4, read=code)
    assert codes(agent) == ["agent-denied"]
    assert AGENT in agent["errors"][0]["saw"]
    assert copied.state() == DISABLED
    assert len(copied.written()) == 3

    copied.whole()
    copied.fault(**patch, status=504, when="after")
    moved = copied.move("enable", read=code)
    assert (moved["outcome"], moved["after"]) == ("moved", ENABLED)
    assert "no answer came" in moved["note"]
    log = (copied.stage.cli.home / "builds.redirect.log").read_text().splitlines()
    events = [(json.loads(one)["event"], json.loads(one)["code"]) for one in log]
    assert events[1::2][:3] == [
        ("failed", "redirect-conflict"),
        ("failed", "server-error"),
        ("failed", "agent-denied"),
    ]


def test_the_agent_is_named_by_gate_and_service(tmp_path: Path) -> None:
    """Where the agent may not read the bucket the gate holds; the plan names the account."""
    scenario = builds(
        bucket("us.gcr.io", "app", "old", bindings=(PULLER,)), redirect_state="DISABLED"
    )
    with switching(scenario, tmp_path) as world:
        plan = world.plan(code=3)
        assert held(plan) == {"agent"}
        assert AGENT in json.dumps(plan["gates"])


def test_hosts_may_follow_slowly(tmp_path: Path) -> None:
    """A host that answers the old way is waited for, and told where it does not follow in time."""
    scenario = builds(bucket("us.gcr.io", "app"), redirect_state="DISABLED", redirect_lag=3)
    with switching(scenario, tmp_path) as world:
        assert world.move("enable", "--wait", "20", read=world.plan()["code"])["outcome"] == "moved"
        project = world.stage.box.store.project("builds")
        project.redirect_state, project.redirect_lag = DISABLED, 10_000
        late = world.move("enable", "--wait", "0", code=1, read=world.plan()["code"])
        assert late["outcome"] == "moved-unproven"
        assert late["slow"] == ["us.gcr.io/builds: 412: Container Registry, which is gone"]
        assert world.state() == ENABLED

        project.redirect_state, cli = DISABLED, world.stage.cli
        log = cli.home / "builds.redirect.log"
        log.unlink()
        waiting = cli.start(
            *("redirect", "enable", "builds", "--json"),
            *("--yes", "--i-have-read", world.plan()["code"]),
            GCR_MIGRATE_ENDPOINTS=str(cli.home / "endpoints.yaml"),
            GCR_MIGRATE_ACCESS_TOKEN=world.stage.box.token,
        )
        while not (log.exists() and '"done"' in log.read_text()):
            assert waiting.poll() is None
            time.sleep(0.02)
        waiting.send_signal(signal.SIGINT)
        facts = json.loads(waiting.communicate(timeout=60)[0])
        assert (waiting.returncode, facts["outcome"], facts["after"]) == (
            4,
            "moved-unproven",
            ENABLED,
        )
        assert "interrupted" in facts["proof"]["findings"][0]
        assert '"unproven"' in log.read_text()
        project.redirect_lag = project.lagging = 0
        proven = world.run("enable", "builds", schema="redirect-move")
        assert (proven["outcome"], proven["proof"]["unchecked"]) == ("moved", 0)


def test_every_state_is_read_by_its_word(copied: Switch) -> None:
    """Unknown words are refused and never taken for disabled; canaries are explained, led on."""
    project = copied.stage.box.store.project("builds")
    project.redirect_state = FUTURE
    unknown = copied.plan(code=3)
    assert (unknown["outcome"], unknown["problem"]) == ("refused", "redirect-unknown")
    assert FUTURE in unknown["why"]
    for what in ("enable", "finalize"):
        refused = copied.run(what, "builds", code=3)
        assert codes(refused) == ["redirect-unknown"]
    told = "40% of pulls are answered, 60% fail"
    odd = "an unknown share of pulls is answered"
    for word, percent, share in (("PARTIAL", 40, told), ("PARTIAL_AND_COPYING", 400, odd)):
        project.redirect_state, project.pull_percent = f"{STATE}{word}", percent
        canary = copied.plan()
        assert share in canary["meaning"]
        assert canary["target"] == ENABLED
        assert codes(copied.run("finalize", "builds", code=3)) == ["redirect-too-soon"]
    assert copied.move("enable")["after"] == ENABLED
    project.redirect_state = "REDIRECTION_STATE_UNSPECIFIED"
    assert copied.plan()["target"] == ENABLED
    assert len(copied.written()) == 1


def test_backward_is_a_refusal_that_says_why(copied: Switch) -> None:
    """Disable and partial are words that exist, ask nobody, and tell what to do instead."""
    for what in ("disable", "partial"):
        refused = copied.run(what, "builds", code=3)
        assert codes(refused) == ["redirect-backward"]
        assert "fail" in refused["errors"][0]["saw"]
        assert "redirect plan" in refused["errors"][0]["remedy"]
    assert copied.written() == []


def test_status_of_many_projects(tmp_path: Path) -> None:
    """One table over a file and an organisation: words, unknown ones, canaries, and the hidden."""
    words = ("DISABLED", "ENABLED", "FINALIZED", "ENABLED_AND_COPYING", "ENABLED_SOMEHOW")
    projects: list[dict[str, Any]] = [
        {"id": f"builds-{at}", "redirect_state": word, "parent": "organizations/42"}
        for at, word in enumerate(words)
    ]
    projects.append(
        {
            "id": "canary",
            "redirect_state": "PARTIAL_AND_COPYING",
            "pull_percent": 25,
            "parent": "organizations/42",
        }
    )
    hidden = {"id": "hidden-x"}
    owner = {"role": "roles/owner", "members": [MIGRATOR]}
    scenario = Scenario.model_validate(
        {
            "identities": [{"roles": []}],
            "folders": [{"name": "organizations/42", "bindings": [owner]}],
            "projects": [*projects, hidden],
            "repositories": [repository("builds-1", "us", "gcr.io", "app")],
        }
    )
    with staged(scenario, tmp_path) as stage:
        world = Switch(stage)
        (stage.cli.home / "list").write_text("# all\nbuilds-0\nbuilds-4 # odd\nhidden-x\n")
        some = world.run("status", "--projects", "list", code=3, schema="redirect-status")
        found = {one["project"]: one for one in some["projects"]}
        assert some["outcome"] == "partly-read"
        assert found["hidden-x"]["unread"]["code"] == "denied"
        assert (found["builds-4"]["state"], found["builds-4"]["known"]) == (FUTURE, False)
        assert {one["answers"] for one in found["builds-0"]["hosts"]} == {"refused"}
        assert found["builds-0"]["hosts"][0]["refusal"]["code"] == "not-migrated"

        whole = world.run("status", "--organization", "42", schema="redirect-status")
        assert len(whole["projects"]) == 6
        assert {one["project"]: one["next"] for one in whole["projects"]} == {
            "builds-0": "enable",
            "builds-1": "finalize",
            "builds-2": None,
            "builds-3": "enable",
            "builds-4": None,
            "canary": "enable",
        }
        text = stage.run("redirect", "status", "canary", "builds-1", "builds-4")
        assert text.returncode == 0
        assert "PARTIAL_AND_COPYING 25%" in text.stdout
        assert "ENABLED_SOMEHOW (unknown)" in text.stdout
        assert "25% of pulls are answered, 75% fail" in text.stdout
        served = next(one for one in whole["projects"] if one["project"] == "builds-1")["hosts"]
        assert served[0]["answers"] == "artifact-registry"
        world.fault(host="eu.gcr.io", status=500)
        doubtful = world.run("status", "builds-1", code=3, schema="redirect-status")
        assert [one["code"] for one in doubtful["unseen"]] == ["server-error"]
        world.whole()
        none = world.run("status", "hidden-x", code=4, schema="redirect-status")
        assert none["outcome"] == "nothing-read"


@pytest.mark.parametrize(("typed", "code"), [("builds", 0), ("yes", 3)])
def test_on_a_terminal_the_projects_id_is_typed(copied: Switch, typed: str, code: int) -> None:
    """The plan is shown and the id asked for; anything else that is typed changes nothing."""
    cli, box = copied.stage.cli, copied.stage.box
    ours, theirs = pty.openpty()
    environment = cli.environment(
        GCR_MIGRATE_ENDPOINTS=str(cli.home / "endpoints.yaml"),
        GCR_MIGRATE_ACCESS_TOKEN=box.token,
        TERM="dumb",
    )
    with subprocess.Popen(
        [sys.executable, "-m", "gcr_migrate", "redirect", "enable", "builds"],
        cwd=cli.home,
        env=environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        while b"id to go on" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, f"{typed}\n".encode())
        told = process.communicate(timeout=60)[0].decode()
        assert process.returncode == code
    os.close(ours)
    assert b"There is no way back" in shown
    assert (ENABLED in told) is (code == 0)
    assert copied.state() == (ENABLED if code == 0 else DISABLED)


def test_what_domains_scope_is_moved_too(tmp_path: Path) -> None:
    """A project with a colon in its id is planned, enabled and recorded under a plain file name."""
    id_ = "example.com:builds"
    scenario = Scenario.model_validate(
        {
            "projects": [{"id": id_, "number": "7", "redirect_state": "DISABLED"}],
            "repositories": [
                {"project": id_, "location": "us", "id": "gcr.io", "images": [image("app")]}
            ],
        }
    )
    with switching(scenario, tmp_path) as world:
        plan = world.run("plan", id_)
        assert plan["hosts"][0]["host"] == "gcr.io/example.com/builds"
        args = ("--yes", "--i-have-read", plan["code"])
        moved = world.run("enable", id_, *args, schema="redirect-move")
        assert moved["outcome"] == "moved"
        assert (world.stage.cli.home / "example.com_builds.redirect.log").is_file()
        assert OF_AGENT  # not needed without a bucket


def test_a_log_shows_who_loses_access_to_a_split(tmp_path: Path) -> None:
    """Of a spec and of a plan: who really pulled and could not from the target is a finding."""
    with switching(builds(bucket("us.gcr.io", "app")), tmp_path) as world:
        home, stage = world.stage.cli.home, world.stage
        (home / "spec.yaml").write_text(
            "version: 1\nsource: {project: builds, hosts: [us.gcr.io]}\n"
            "routes: [{match: '**', repository: moved, access: {translate: true}}]\n"
        )
        about = {
            "methodName": "Docker-GetManifest",
            "resourceName": "projects/builds/locations/us/repositories/us.gcr.io/dockerImages/app",
            "request": {"requestUrl": "https://us.gcr.io/v2/builds/app/manifests/1.0"},
        }
        emails = ("ada@example.com", "bob@example.com")
        entries = [
            {
                "timestamp": "2026-11-20T08:00:00Z",
                "protoPayload": about | {"authenticationInfo": {"principalEmail": email}},
            }
            for email in emails
        ]
        (home / "log.json").write_text(json.dumps(entries))
        assert stage.run("plan", "spec.yaml").returncode == 0
        for file in ("spec.yaml", "builds.migration"):
            done = stage.run("access", "show", file, "--audit-log", "log.json", "--json")
            assert done.returncode == 0, done.stderr
            lost = [one for one in json.loads(done.stdout)["findings"] if "audit" in one["saw"]]
            assert [(one["code"], one["subject"]) for one in lost] == [
                ("access-lost", "us-docker.pkg.dev/builds/moved user:bob@example.com")
            ]
