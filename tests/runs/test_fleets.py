"""Several files of one command, on a sandbox with several projects."""

from __future__ import annotations

import json
import shutil
import signal
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.errors import Exit
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from gcr_migrate.state.file import lock
from tests.conftest import Cli
from tests.runs.test_cli_basics import check_schema

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox

pytestmark = pytest.mark.slow

_IMAGES = [
    {"path": path, "tags": ["1"], "layers": [{"name": path, "size": 100}]} for path in ("app", "x")
]


@dataclass(frozen=True)
class Fleet:
    """A sandbox with projects, a spec for each in `specs`, and the tool in front of it."""

    box: Sandbox
    cli: Cli

    def __call__(self, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        return self.cli(*args, timeout_s=600, **self.settings, **more)

    @property
    def settings(self) -> dict[str, str]:
        """Variables that lead to the sandbox."""
        return {
            "GCR_MIGRATE_ENDPOINTS": "endpoints.yaml",
            "GCR_MIGRATE_ACCESS_TOKEN": self.box.token,
        }

    def told(self, *args: str, exit_: Exit) -> dict[str, Any]:
        """Run a command with --json, and return its object, which fits its schema."""
        done = self(*args, "--json")
        assert done.returncode == exit_, done.stdout + done.stderr
        return check_schema(done.stdout)


@contextmanager
def fleet_of(number: int, folder: Path) -> Iterator[Fleet]:
    """Run a sandbox with so many projects of two small images."""
    names = [f"team-{at:03}" for at in range(number)]
    where = {"location": "us", "id": "us.gcr.io"}
    scenario = {
        "projects": [{"id": name} for name in names],
        "repositories": [{"project": one, "images": _IMAGES} | where for one in names],
    }
    home = folder / "home"
    (home / "specs").mkdir(parents=True)
    for name in names:
        spec = f"source: {{project: {name}, hosts: [us.gcr.io]}}\n"
        spec += 'routes: [{match: "**", repository: moved}]\n'
        (home / "specs" / f"{name}.yaml").write_text(spec)
    with running(Scenario.model_validate(scenario), folder / "box") as box:
        box.write_endpoints(home / "endpoints.yaml")
        yield Fleet(box, Cli(home))


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three projects, of which plans are in `plans`."""
    with fleet_of(3, tmp_path_factory.mktemp("fleet")) as fleet:
        (fleet.cli.home / "specs" / "bad.yaml").write_text("source: [\n")
        told = fleet.told("plan", "specs", "-o", "plans", exit_=Exit.BAD_INPUT)
        assert told["states"] == {"bad": 1, "planned": 3}
        yield fleet


@pytest.fixture
def plans(planned: Fleet) -> Iterator[Fleet]:
    """The same, in a state of which nothing was applied yet; what a test makes goes."""
    home = planned.cli.home
    shutil.copytree(home / "plans", home / "kept")
    yield planned
    shutil.rmtree(home / "plans")
    (home / "kept").rename(home / "plans")
    planned.box.store.repositories = {
        key: one for key, one in planned.box.store.repositories.items() if key[2] == "us.gcr.io"
    }


def states(told: dict[str, Any]) -> dict[str, str]:
    """Return the state of each file by its name."""
    return {one["file"]: one["state"] for one in told["files"]}


@pytest.mark.parametrize(("patterns", "state"), [(("app", "y"), "pending"), (("y", "z"), "bad")])
def test_one_pattern_that_fits_is_enough_of_several_files(
    planned: Fleet, patterns: tuple[str, ...], state: str
) -> None:
    """Another file may have what the other pattern is about; a file that has none is refused."""
    only = [word for one in patterns for word in ("--only", one)]
    done = planned("apply", "plans", "--dry-run", "--json", *only)
    assert set(states(check_schema(done.stdout)).values()) == {state}


def test_a_bad_spec_stops_no_other_one(planned: Fleet) -> None:
    """Each spec has a migration file called after it, and the bad one none; single files agree."""
    names = [f"plans/team-{at:03}.migration" for at in range(3)]
    made = sorted(str(path) for path in (planned.cli.home / "plans").glob("*.migration"))
    assert [one.removeprefix(f"{planned.cli.home}/") for one in made] == names
    several = planned.told("show", "plans", exit_=Exit.OK)
    alone = [planned.told("show", name, exit_=Exit.OK) for name in names]
    assert [one["result"] for one in several["results"]] == alone
    assert [one["digest"] for one in several["files"]] == [one["digest"] for one in alone]
    assert several["totals"]["images"] == sum(one["counts"]["images"] for one in alone) == 6


def test_a_fleet_comes_to_its_end(plans: Fleet) -> None:
    """What is locked or damaged is told with its remedy, the others complete; then all are."""
    home = plans.cli.home
    (home / "plans" / "zzz.migration").write_text("no database")
    with lock(home / "plans" / "team-001.migration"):
        done = plans("apply", "plans")
        assert done.returncode == Exit.REFUSED
    lines = done.stdout.splitlines()
    assert lines[0] == "apply of 4 files: 1 refused, 1 bad, 2 complete"
    assert "error[file-locked]" in done.stdout
    assert "Name a file that `plan` wrote" in done.stdout
    assert "apply 3 of 4: plans/team-002.migration" in done.stderr
    assert done.stderr.count("cannot be renewed") == 1
    (home / "plans" / "zzz.migration").unlink()

    told = plans.told("apply", "plans", exit_=Exit.OK)
    assert told["states"] == {"complete": 3}
    items = [one["result"]["counts"] for one in told["results"]]
    assert told["totals"]["items"] == {key: sum(one[key] for one in items) for key in items[0]}
    assert set(states(plans.told("status", "plans", exit_=Exit.OK)).values()) == {"complete"}
    proof = plans.told("verify", "plans", exit_=Exit.OK)
    assert proof["schema"] == "gcr-migrate/verify-all"
    assert len(proof["targets"]) == 3


def test_one_document_tells_of_all(plans: Fleet) -> None:
    """A page, Markdown and JSON have every file, and what cannot be read; no file is replaced."""
    home = plans.cli.home
    gone = "plans/gone.migration"
    done = plans("report", "plans", gone, "--html", "fleet.html")
    assert done.returncode == Exit.BAD_INPUT
    assert done.stdout.startswith("report of 4 files: 1 bad, 3 not-begun")
    text = plans("report", "plans", gone, "--markdown").stdout
    told = plans.told("report", "plans", gone, exit_=Exit.BAD_INPUT)
    page = (home / "fleet.html").read_text()
    for name in (gone, *states(told)):
        assert name in page
        assert f"| {name} |" in text
    assert [one["result"]["schema"] for one in told["results"]] == [
        *["gcr-migrate/report"] * 3,
        "gcr-migrate/error",
    ]
    for option in ("--html", "-o"):
        form = () if option == "--html" else ("--markdown",)
        done = plans("report", "plans", *form, option, "plans/team-000.migration")
        assert done.returncode == Exit.BAD_INPUT
    assert plans("status", "plans").returncode == Exit.OK


def test_each_plan_has_to_be_one_that_was_reviewed(plans: Fleet) -> None:
    """A digest for each binds all of them; a file that is not among them is refused."""
    shown = plans.told("show", "plans", exit_=Exit.OK)["files"]
    reviewed = [f"--expect-digest={one['digest']}" for one in shown]
    told = plans.told("apply", "plans", *reviewed[:2], exit_=Exit.REFUSED)
    assert [*states(told).values()] == ["complete", "complete", "refused"]
    assert plans.told("apply", "plans", *reviewed, exit_=Exit.OK)["states"] == {"complete": 3}


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("apply", "plans", "plans/team-001.migration"), "file-twice"),
        (("status", "specs"), "no-files"),
        (("plan", "specs/team-000.yaml", "./specs/../specs/team-000.yaml"), "file-twice"),
        (("plan", "specs/team-000.yaml", "other/team-000.yaml", "-o", "plans"), "same-output"),
        (("apply", "plans", "--metrics-file", "x.prom"), "bad-usage"),
        (("verify", "specs"), "no-files"),
    ],
)
def test_nothing_begins_where_the_list_is_wrong(
    planned: Fleet, args: tuple[str, ...], code: str
) -> None:
    """It is told, and nobody is asked for anything."""
    other = planned.cli.home / "other"
    other.mkdir(exist_ok=True)
    (other / "team-000.yaml").touch()
    asked = len(_asked(planned))
    assert planned.told(*args, exit_=Exit.BAD_INPUT)["code"] == code
    assert len(_asked(planned)) == asked


def test_ctrl_c_ends_the_file_in_hand_and_begins_no_other(plans: Fleet) -> None:
    """The exit code is 130, and the same command goes on to the end of all."""
    fault = {"method": "POST", "path": "team-001.*/blobs/uploads/", "delay_s": 2.0, "times": 1}
    data = json.dumps(fault).encode()
    url = f"{plans.box.control_url}/faults"
    with urllib.request.urlopen(urllib.request.Request(url, data, method="POST"), timeout=60):  # noqa: S310  # loopback
        pass
    args = ("apply", "plans", "--workers", "1")
    with plans.cli.start(*args, **plans.settings) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "apply 2 of 3" in line:
                    break
            _wait_until_asked(plans, "team-001", "/blobs/uploads/")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == Exit.INTERRUPTED, out + err
    assert out.startswith("apply of 3 files: 1 interrupted, 1 not-begun, 1 complete")
    assert "The same command goes on" in out
    resumed = plans.told("apply", "plans", exit_=Exit.OK)
    assert resumed["states"] == {"complete": 3}


def _asked(fleet: Fleet) -> list[str]:
    """Return the paths of all requests so far."""
    with urllib.request.urlopen(f"{fleet.box.control_url}/requests", timeout=60) as answer:  # noqa: S310  # loopback
        return [one["path"] for one in json.load(answer)]


def _wait_until_asked(fleet: Fleet, *words: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if any(all(word in path for word in words) for path in _asked(fleet)):
            return
        time.sleep(0.05)
    pytest.fail(f"nobody asked for {words}")


@pytest.mark.long
def test_hundreds_of_projects(tmp_path: Path) -> None:
    """300 are planned, applied, proven and told in one page, with one that is refused."""
    with fleet_of(300, tmp_path) as fleet:
        home = fleet.cli.home
        assert fleet.told("plan", "specs", "-o", "plans", exit_=Exit.OK)["states"] == {
            "planned": 300
        }
        with lock(home / "plans" / "team-123.migration"):
            done = fleet("apply", "plans")
        assert done.returncode == Exit.REFUSED
        lines = done.stdout.splitlines()
        assert lines[0] == "apply of 300 files: 1 refused, 299 complete"
        assert len(lines) < 20
        assert fleet.told("apply", "plans", exit_=Exit.OK)["states"] == {"complete": 300}
        assert fleet("verify", "plans").returncode == Exit.OK
        assert fleet("report", "plans", "--html", "fleet.html").returncode == Exit.OK
        assert (home / "fleet.html").stat().st_size < 15_000_000
        assert len(fleet("report", "plans", "--markdown").stdout) < 65_536
