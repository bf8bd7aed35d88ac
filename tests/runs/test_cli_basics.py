"""The program as a shell sees it: exit codes, streams, JSON, interrupts."""

from __future__ import annotations

import csv
import errno
import io
import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from gcr_migrate.cli.output import defect_of
from gcr_migrate.errors import CATALOGUE, GROUPS
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.state.file import lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Cli

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("plan", "show", "apply", "status", "verify", "report", "explain", "schema", "sandbox")


def check_schema(text: str) -> dict[str, Any]:
    """Parse a `--json` output, which is one object that its published schema accepts."""
    value: dict[str, Any] = json.loads(text)
    name = value["schema"].removeprefix("gcr-migrate/")
    path = ROOT / "docs" / "reference" / "schemas" / f"{name}.json"
    jsonschema.validate(value, json.loads(path.read_text()))
    return value


@dataclass
class World:
    """A sandbox with the documentation's example, and the tool that is pointed at it."""

    box: Sandbox
    cli: Cli
    spec: Path

    def __call__(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command against the sandbox."""
        return self.cli(*args, timeout_s=60, **self.settings)

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables that lead to the sandbox."""
        endpoints = str(self.cli.home / "endpoints.yaml")
        return {
            "GCR_MIGRATE_ENDPOINTS": endpoints,
            "GCR_MIGRATE_ACCESS_TOKEN": self.box.token,
        }

    def fault(self, **rule: object) -> None:
        """Let something go wrong at the sandbox."""
        data = json.dumps(rule).encode()
        url = f"{self.box.control_url}/faults"
        request = urllib.request.Request(url, data, method="POST")  # noqa: S310  # loopback
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310  # loopback
            pass

    def planned(self) -> Path:
        """Make the plan, and return its file."""
        done = self("plan", self.spec)
        assert done.returncode == 0, done.stderr
        return self.cli.home / "builds.migration"


@pytest.fixture
def world(tmp_path: Path, cli: Cli) -> Iterator[World]:
    """A sandbox with the `builds` scenario, running while the test does."""
    with running("builds", tmp_path / "sandbox") as box:
        box.write_endpoints(cli.home / "endpoints.yaml")
        yield World(box, cli, ROOT / "plans" / "builds.yaml")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_exit_codes(cli: Cli, command: str) -> None:
    """Each command's help says what it does and which exit codes it has."""
    done = cli(command, "--help")
    assert done.returncode == 0
    assert "Exit codes: 0" in done.stdout


def test_nothing_typed_is_bad_usage(cli: Cli) -> None:
    """Without a command the way of a migration appears, and the exit code is not success's."""
    done = cli()
    assert done.returncode == 2
    assert "gcr-migrate init PROJECT" in done.stdout
    assert "gcr-migrate demo" in done.stdout


BAD = {
    "unknown command": (["aply"], "bad-usage"),
    "unknown option": (["plan", "x.yaml", "--fast"], "bad-usage"),
    "missing argument": (["apply"], "bad-usage"),
    "missing spec": (["plan", "nowhere.yaml"], "file-missing"),
    "broken YAML": (["plan", "broken.yaml"], "bad-yaml"),
    "unknown field": (["plan", "unknown.yaml"], "bad-spec"),
    "missing file": (["apply", "nowhere.migration"], "file-missing"),
    "no migration": (["show", "broken.yaml"], "not-a-migration"),
    "unknown level": (["verify", "x", "--level", "atoms"], "bad-usage"),
    "no endpoints": (["plan", "good.yaml", "--endpoints", "nowhere"], "file-missing"),
    "bad endpoints": (["plan", "good.yaml", "--endpoints", "unknown.yaml"], "bad-endpoints"),
    "unknown code": (["explain", "no-such-code"], "bad-usage"),
    "unknown schema": (["schema", "no-such-schema"], "bad-usage"),
}


@pytest.mark.parametrize(("args", "code"), BAD.values(), ids=list(BAD))
def test_bad_input_is_told_as_text_and_as_json(cli: Cli, args: list[str], code: str) -> None:
    """Bad input ends with 2 and its code, without a traceback, in both forms."""
    (cli.home / "broken.yaml").write_text("source: [\n")
    (cli.home / "unknown.yaml").write_text("source: {project: builds}\nroute: []\n")
    (cli.home / "good.yaml").write_text("source: {project: builds}\n")
    told = cli(*args)
    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr.startswith(f"error[{code}]: ")
    assert "Traceback" not in told.stderr
    as_json = cli(*args, "--json")
    assert as_json.returncode == 2
    assert check_schema(as_json.stdout)["code"] == code


LONG = "x" * 300  # a name of a file has 255 bytes at most


@pytest.mark.parametrize(
    "args",
    [
        ["show", LONG],
        ["status", LONG],
        ["status", LONG, f"{LONG}y"],
        ["report", LONG],
        ["export", LONG, "--gcloud", "-"],
        ["compare", LONG, LONG],
        ["access", "show", LONG],
        ["init", "builds", "-o", LONG],
        ["refs", "scan", LONG],
        ["refs", "check", ".", "--plan", LONG],
    ],
)
def test_a_name_that_no_file_can_have_is_no_defect(cli: Cli, args: list[str]) -> None:
    """It is told as a file that is not there, which the exit code says too."""
    done = cli(*args, "--json")
    told = json.loads(done.stdout)
    errors = [one["code"] for one in told.get("errors") or told["files"][0]["troubles"]]
    assert (done.returncode, set(errors)) == (2, {"file-missing"})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/kept/m.migration"), "file-missing"),
        (PermissionError(errno.EPERM, "Operation not permitted", b"/kept/\xff"), "file-missing"),
        (PermissionError(errno.EACCES, "Permission denied"), "defect"),
        (OSError(errno.EIO, "Input/output error", "m.migration"), "defect"),
        (ZeroDivisionError(), "defect"),
    ],
)
def test_a_file_that_is_kept_from_us_is_no_defect(error: Exception, code: str) -> None:
    """Nor is a folder that may not be entered: who reads it may not, and we say of which file."""
    told = defect_of(error)
    assert told.problem.code == code
    if code == "defect":
        Path(told.subject).unlink()
    else:
        assert told.subject.startswith("/kept/")


def test_a_report_needs_a_form(cli: Cli) -> None:
    """`report` does not guess which form is wanted."""
    done = cli("report", "x.migration")
    assert done.returncode == 2
    assert "--markdown" in done.stderr


def test_a_spec_error_names_file_line_and_field(cli: Cli) -> None:
    """An unknown field is named with its file and line."""
    (cli.home / "spec.yaml").write_text("source:\n  project: builds\n  hostz: [gcr.io]\n")
    done = cli("plan", "spec.yaml")
    assert "spec.yaml:3" in done.stderr
    assert "hostz" in done.stderr


def test_every_code_is_explained(cli: Cli) -> None:
    """`explain` without a code knows the whole catalogue, by what problems are about."""
    value = check_schema(cli("explain", "--json").stdout)
    assert {problem["code"] for problem in value["problems"]} == set(CATALOGUE)
    assert {problem["group"] for problem in value["problems"]} == set(GROUPS)


SLIPS = {
    "command": (["aply"], "apply"),
    "command of a group": (["redirect", "pln"], "plan"),
    "option": (["plan", "x.yaml", "--endpoint", "x"], "--endpoints"),
    "level": (["verify", "x", "--level", "blbs"], "blobs"),
    "step": (["doctor", "builds", "--step", "aply"], "apply"),
    "code": (["explain", "unruted"], "unrouted"),
    "schema": (["schema", "pln"], "plan"),
    "scenario": (["sandbox", "--scenario", "build"], "builds"),
    "host": (["init", "builds", "us-gcr.io"], "us.gcr.io"),
    "place": (["discover", "us-gcr.io/builds"], "us.gcr.io"),
    "file": (["apply", "build.migration"], "builds.migration"),
    "spec": (["plan", "spce.yaml"], "spec.yaml"),
}


@pytest.mark.parametrize(("args", "meant"), SLIPS.values(), ids=list(SLIPS))
def test_a_slip_of_the_hand_is_asked_about(cli: Cli, args: list[str], meant: str) -> None:
    """What is nearly a name that there is leads to it, whatever kind of name it is."""
    for name in ("builds.migration", "spec.yaml"):
        (cli.home / name).touch()
    done = cli(*args)
    assert (done.returncode, done.stdout) == (2, "")
    (saw,) = [line for line in done.stderr.splitlines() if line.startswith("  saw")]
    assert meant in saw
    assert "did you mean" in saw.lower() or "Possible options" in saw


def test_each_step_has_its_json(world: World) -> None:
    """Each command prints one object that its schema accepts, and they agree."""
    planned = world("plan", world.spec, "--json", "--detailed-exitcode")
    assert planned.returncode == 10
    plan = check_schema(planned.stdout)
    file = "builds.migration"
    shown = check_schema(world("show", file, "--json").stdout)
    assert shown["digest"] == plan["digest"]
    applied = world("apply", file, "--json", "--expect-digest", plan["digest"])
    assert applied.returncode == 0, applied.stdout
    apply = check_schema(applied.stdout)
    counts = apply["counts"]
    assert counts["planned"] == sum(counts[k] for k in ("done", "skipped", "failed", "pending"))
    assert apply["kinds"]["manifest"]["done"] == plan["counts"]["manifests"]
    assert check_schema(world("status", file, "--json").stdout)["counts"] == counts
    verified = world("verify", file, "--json")
    assert verified.returncode == 0
    verify = check_schema(verified.stdout)
    assert verify["outcome"] == "proven"
    assert set(verify["levels"]) == {"tags", "manifests", "blobs", "access"}
    report = check_schema(world("report", file, "--json").stdout)
    assert report["plan"]["digest"] == plan["digest"]


def test_planning_again_finds_nothing_to_do(world: World) -> None:
    """After a run the next plan has nothing to do, and `--detailed-exitcode` is 0."""
    world("apply", world.planned())
    again = world("plan", world.spec, "-o", "again.migration", "--detailed-exitcode")
    assert again.returncode == 0
    assert "Nothing to do" in again.stdout


def test_one_level_can_be_verified(world: World) -> None:
    """Before anything is applied, verifying the tags alone tells that they differ."""
    done = world("verify", world.planned(), "--level", "tags", "--json")
    assert done.returncode == 1
    assert set(check_schema(done.stdout)["levels"]) == {"tags"}


def test_another_digest_is_refused(world: World) -> None:
    """`apply --expect-digest` with another digest ends with 3 and changes nothing."""
    file = world.planned()
    done = world("apply", file, "--expect-digest", "sha256:" + "0" * 64)
    assert done.returncode == 3
    assert "plan-digest-differs" in done.stderr
    assert check_schema(world("status", file, "--json").stdout)["runs"] == []


def test_a_locked_file_is_refused(world: World) -> None:
    """While a process holds the file, `apply` ends with 3 and names that process."""
    file = world.planned()
    with lock(file):
        done = world("apply", file)
    assert done.returncode == 3
    assert "file-locked" in done.stderr
    assert "process" in done.stderr


def test_a_file_with_a_ledger_is_not_planned_over(world: World) -> None:
    """`plan` refuses to replace a file that was applied; `--new` writes one beside it."""
    world("apply", world.planned())
    assert world("plan", world.spec).returncode == 3
    done = world("plan", world.spec, "--new")
    assert done.returncode == 0
    assert (world.cli.home / "builds-2.migration").exists()


def test_ctrl_c_is_resumable(world: World) -> None:
    """Ctrl-C ends a run with 130, a clean ledger and no traceback; the same command finishes it."""
    file = world.planned()
    world.fault(path="/blobs/uploads/", delay_s=1.0)
    with world.cli.start("apply", file, **world.settings) as process:
        _wait_for_event(world, file)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    status = check_schema(world("status", file, "--json").stdout)
    assert status["counts"]["pending"] > 0
    request = urllib.request.Request(f"{world.box.control_url}/faults", method="DELETE")  # noqa: S310  # loopback
    with urllib.request.urlopen(request, timeout=60):  # noqa: S310  # loopback
        pass
    assert world("apply", file).returncode == 0
    assert world("verify", file).returncode == 0


def told_twice(
    world: World, file: Path, number: signal.Signals, *, upload_s: float
) -> tuple[int | None, str]:
    """Apply a plan whose uploads take so long, and send a signal twice.

    Returns:
        The exit code, and what was said to a person.
    """
    world.fault(path="/blobs/uploads/", delay_s=upload_s)
    with world.cli.start("apply", file, **world.settings) as process:
        _wait_for_event(world, file)
        for _ in range(2):
            process.send_signal(number)
            time.sleep(0.2)  # two signals at once would be one
        _, err = process.communicate(timeout=60)
    return process.returncode, err


def test_a_terminal_that_goes_away_lets_all_in_flight_be_finished(world: World) -> None:
    """It is told twice, by the shell and by the system: the second time counts for nothing."""
    file = world.planned()
    code, err = told_twice(world, file, signal.SIGHUP, upload_s=2.0)
    assert code == 130, err
    assert "Traceback" not in err
    assert check_schema(world("status", file, "--json").stdout)["counts"]["pending"] > 0
    with closing(sqlite3.connect(file)) as sql:
        last = "SELECT event, max(id) FROM event GROUP BY kind, item_id"
        assert {event for event, _ in sql.execute(last)} == {"confirmed"}


def test_a_file_of_metrics_is_never_the_plan(world: World) -> None:
    """Plan and ledger would be lost."""
    file = world.planned()
    before = file.read_bytes()
    done = world("apply", file, "--metrics-file", file)
    assert (done.returncode, file.read_bytes()) == (2, before)
    assert "error[bad-usage]" in done.stderr


def test_ctrl_c_twice_ends_at_once(world: World) -> None:
    """The second Ctrl-C does not wait for what is in flight."""
    file = world.planned()
    world.fault(path="/blobs/uploads/", delay_s=600.0)
    with world.cli.start("apply", file, **world.settings) as process:
        _wait_for_event(world, file)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=90)
    assert process.returncode == 130
    assert time.monotonic() - began < 60


def test_a_run_that_is_dropped_is_told_as_stopped_by_a_person(world: World) -> None:
    """It was not killed, and it was not cut off: status says that it was stopped at once."""
    file = world.planned()
    told_twice(world, file, signal.SIGINT, upload_s=600.0)
    assert re.search(
        r"run 1: started .*, ended .*: stopped-at-once\n", world("status", file).stdout
    )


def test_ctrl_c_ends_planning_with_130(world: World) -> None:
    """Ctrl-C while planning ends with 130 as well, and leaves no file."""
    world.fault(path="tags/list", delay_s=20.0)
    with world.cli.start("plan", world.spec, **world.settings) as process:
        _wait_for_request(world, "tags/list")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "\nerror[interrupted]" in err  # after what is said of the login
    assert not (world.cli.home / "builds.migration").exists()


def test_a_reader_that_goes_away_is_no_failure(world: World) -> None:
    """`show | head -1` ends quietly, with the exit code of `show`."""
    file = world.planned()
    with world.cli.start("show", file) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 0
    assert err == ""


def test_an_unknown_registry_is_never_called(world: World) -> None:
    """With an endpoints file, a host that it does not map is an error, not a request."""
    (world.cli.home / "some.yaml").write_text("registries: {eu.gcr.io: 'http://127.0.0.1:9'}\n")
    done = world("plan", world.spec, "--endpoints", "some.yaml")
    assert done.returncode == 2
    assert "endpoint-unmapped" in done.stderr


def test_markdown_holds_the_digest_and_every_image(world: World) -> None:
    """The report for a change review names the plan's digest, each image and each grant."""
    file = world.planned()
    shown = check_schema(world("show", file, "--json").stdout)
    text = world("report", file, "--markdown").stdout
    assert shown["digest"] in text
    assert all(image["target"] in text for image in shown["images"])
    assert "group:product1-devs@example.com" in text


def test_a_plan_is_shown_in_part_and_to_whoever_reads_it(world: World) -> None:
    """By path, part, width and price; what there is not is refused, and nothing is in between."""
    file = world.planned()
    one = world("show", file, "--path", "product1/dev/**", "--only", "images").stdout
    assert one.count(" -> us-docker.pkg.dev/builds/product1/dev/product1-app\n") == 1
    assert "product2" not in one
    facts = check_schema(world("show", file, "--path", "product1/dev/**", "--json").stdout)
    assert [image["source"].rpartition("/")[2] for image in facts["images"]] == ["product1-app"]
    assert facts["counts"]["images"] == 4
    narrow = world.cli("show", file, COLUMNS="40").stdout
    assert all(len(row) <= 40 or len(row.split()) <= 2 for row in narrow.splitlines())
    assert all(not row.startswith(" ") for row in world("show", file, "--plain").stdout.split("\n"))
    (world.cli.home / "prices.yaml").write_text("as_of: '2026-11'\nscan: 1\n")
    assert (
        "prices of prices.yaml of 2026-11" in world("show", file, "--prices", "prices.yaml").stdout
    )
    for args, code in (
        (("--path", "nobody/**"), "no image path"),
        (("--only", "tags"), "It is one of findings"),
        (("--plain", "--json"), "--json tells everything"),
        (("--prices", world.spec), "bad-prices"),
    ):
        done = world("show", file, *args)
        assert (done.returncode, code in done.stdout + done.stderr) == (2, True)


def test_a_table_for_a_spreadsheet_has_every_image(world: World) -> None:
    """`report --csv` gives what `show --json` does, to stdout and into a file alike."""
    file = world.planned()
    images = check_schema(world("show", file, "--json").stdout)["images"]
    text = world("report", file, "--csv", "images").stdout
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["target"] for row in rows] == [image["target"] for image in images]
    assert world("report", file, "--csv", "images", "-o", "images.csv").returncode == 0
    assert (world.cli.home / "images.csv").read_bytes().decode().replace("\r", "") == text
    assert world("report", file, "--csv", "tags").returncode == 2


def test_a_terminal_without_our_characters_gets_their_numbers(world: World) -> None:
    """Korean on an ASCII terminal is no defect, and JSON stays JSON."""
    file = world.planned().rename(world.cli.home / "이미지😀.migration")
    said = []
    for option in ("--plain", "--json"):
        with world.cli.start_anew("show", file.name, option, PYTHONIOENCODING="ascii") as process:
            said.append(process.communicate(timeout=60)[0])
    assert said[0].startswith(r"plan: \uc774\ubbf8\uc9c0\ud83d\ude00.migration, made from ")
    assert check_schema(said[1])["file"] == "이미지😀.migration"


def test_the_sandbox_serves_until_it_is_told_to_end(cli: Cli) -> None:
    """`sandbox` writes its endpoints when it answers, and ends with 0 at Ctrl-C."""
    endpoints = cli.home / "e.yaml"
    with cli.start("sandbox", "--write-endpoints", endpoints, "--json") as process:
        try:
            until = time.monotonic() + 30
            while not endpoints.exists() and time.monotonic() < until:
                time.sleep(0.05)
            assert process.stdout is not None
            facts = check_schema(process.stdout.readline())
            url = f"{facts['control']}/state"
            with urllib.request.urlopen(url, timeout=60) as reply:  # noqa: S310  # loopback
                assert reply.status == 200
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        finally:
            process.kill()  # what failed before the signal would serve for ever
    assert process.returncode == 0


def test_the_demo_leaves_what_it_says(cli: Cli) -> None:
    """`demo` ends with 0, and takes a folder beside the one that an earlier demo left."""
    earlier = cli.home / "here"
    earlier.mkdir()
    (earlier / "builds.migration").touch()
    done = cli("demo", "here", "--json")
    facts = check_schema(done.stdout)
    assert done.returncode == 0
    assert "$ gcr-migrate verify builds.migration" in done.stderr
    assert facts["migration"] == "here-2/builds.migration"
    assert (cli.home / facts["migration"]).exists()
    assert (cli.home / facts["report"]).exists()
    assert (cli.home / facts["page"]).exists()
    assert [one.name for one in earlier.iterdir()] == ["builds.migration"]


def test_help_is_quick() -> None:
    """Help does not load the stations: no HTTP client, no server, no spec."""
    code = (
        "import sys, gcr_migrate.cli.main as m; m.outcome(['--help']);"
        "sys.exit(bool({'httpx', 'uvicorn', 'sqlite3', 'ruamel.yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0


def _wait_for_request(world: World, path: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with urllib.request.urlopen(f"{world.box.control_url}/requests", timeout=60) as reply:  # noqa: S310  # loopback
            if any(path in entry["path"] for entry in json.load(reply)):
                return
        time.sleep(0.05)
    pytest.fail(f"nobody asked for {path}")


def _wait_for_event(world: World, file: Path) -> None:
    """Wait until a blob is on its way."""
    del file
    _wait_for_request(world, "/blobs/uploads/")
