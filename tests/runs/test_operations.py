"""Repositories are made by operations that outlive a run, and one after the other."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import signal
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.app import Sandbox, running
from tests.conftest import Cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SPEC = """\
version: 1
source: {project: builds, hosts: [us.gcr.io]}
target: {location: europe}
routes:
  - match: "product1/**"
    repository: one
    access: {grant: [{role: artifactregistry.reader, members: ["group:devs@example.com"]}]}
  - {match: "product2/dev/**", repository: two}
  - {match: "product2/stable/**", repository: three}
"""


@dataclass(frozen=True)
class Stage:
    """A sandbox with a planned migration `m` in front of it."""

    box: Sandbox
    cli: Cli

    def variables(self, pause_s: float) -> dict[str, Any]:
        """Return what tells the tool of the sandbox, and how far apart creations are."""
        return {
            "GCR_MIGRATE_ENDPOINTS": str(self.cli.home / "endpoints.yaml"),
            "GCR_MIGRATE_ACCESS_TOKEN": self.box.token,
            "GCR_MIGRATE_CREATION_PAUSE_S": str(pause_s),
        }

    def asked(self, method: str, path: str) -> list[dict[str, Any]]:
        """Return what Artifact Registry's API was asked, by method and a part of the path."""
        url = f"{self.box.control_url}/requests"
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  # loopback
            entries: list[dict[str, Any]] = json.load(answer)
        return [
            one
            for one in entries
            if (one["host"], one["method"]) == ("artifact_registry", method)
            and re.search(path, one["path"])
        ]

    def creations(self) -> list[dict[str, Any]]:
        """Return the requests to create a repository."""
        return self.asked("POST", "/repositories$")

    def fault(self, method: str, path: str, **more: Any) -> None:
        """Let something go wrong with such requests to Artifact Registry's API."""
        rule = {"host": "artifact_registry", "method": method, "path": path} | more
        url, body = f"{self.box.control_url}/faults", json.dumps(rule).encode()
        with urllib.request.urlopen(url, body):  # noqa: S310  # loopback
            pass

    def hold(self, method: str, path: str, when: str = "before") -> None:
        """Let the next such request wait for longer than any test, its work done or not."""
        self.fault(method, path, times=1, when=when, delay_s=600)

    def made(self) -> dict[str, list[str]]:
        """Return the repositories in the target's location, and who may come to each."""
        with urllib.request.urlopen(f"{self.box.control_url}/state", timeout=60) as answer:  # noqa: S310
            found = json.load(answer)
        return {
            name.rpartition("/")[2]: [who for row in one["bindings"] for who in row["members"]]
            for name, one in found.items()
            if "/locations/europe/" in name
        }


@contextmanager
def opened(folder: Path) -> Iterator[Stage]:
    """Open a sandbox with the documentation's example, and a folder with a spec in it."""
    home = folder / "home"
    home.mkdir()
    (home / "spec.yaml").write_text(SPEC)
    with running("builds", folder / "box") as box:
        box.write_endpoints(home / "endpoints.yaml")
        yield Stage(box, Cli(home))


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan for three new repositories; equal sandboxes make equal plans, so one serves all."""
    with opened(tmp_path_factory.mktemp("planned")) as stage:
        done = stage.cli("plan", "spec.yaml", "-o", "m", **stage.variables(0))
        assert done.returncode == 0, done.stderr
        return stage.cli.home / "m"


@pytest.fixture
def stage(tmp_path: Path, planned: Path) -> Iterator[Stage]:
    """A sandbox with the documentation's example, and the plan `m`."""
    with opened(tmp_path) as found:
        shutil.copy(planned, found.cli.home / "m")
        yield found


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_killed_run_leaves_its_operation_to_the_next(stage: Stage) -> None:
    """After kill -9 the next run waits for the operation, and does not ask to create again."""
    stage.hold("GET", "/operations/")
    with stage.cli.start("apply", "m", **stage.variables(60)) as process:  # so that one has begun
        try:
            wait_until(lambda: stage.asked("GET", "/operations/"))
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    first = stage.asked("GET", "/operations/")[0]["path"]
    assert len(stage.creations()) == 1

    resumed = stage.cli("apply", "m", **stage.variables(0))

    assert resumed.returncode == 0, resumed.stderr
    assert len(stage.creations()) == 3
    polled = [one["path"] for one in stage.asked("GET", "/operations/")]
    assert polled[1] == first


MOMENTS = [
    ("POST", "/repositories$", "before", signal.SIGINT),
    ("POST", "/repositories$", "before", signal.SIGKILL),
    ("POST", "/repositories$", "after", signal.SIGKILL),
    ("GET", "/operations/", "before", signal.SIGINT),
    ("GET", "/operations/", "after", signal.SIGKILL),
    ("GET", ":getIamPolicy", "before", signal.SIGINT),
    ("POST", ":setIamPolicy", "after", signal.SIGKILL),
]


@pytest.mark.parametrize(("method", "path", "when", "number"), MOMENTS)
def test_a_run_that_ends_while_it_provides_is_gone_on_with(
    stage: Stage, method: str, path: str, when: str, number: signal.Signals
) -> None:
    """Whatever it waits for, one Ctrl-C ends it soon; after that or kill -9 the next run ends."""
    stage.hold(method, path, when)
    with stage.cli.start("apply", "m", **stage.variables(0)) as process:
        try:
            wait_until(lambda: stage.asked(method, path))
            began = time.monotonic()
            process.send_signal(number)
            process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert time.monotonic() - began < 30  # what is left of it is work of this machine, no wait

    resumed = stage.cli("apply", "m", **stage.variables(0))

    assert resumed.returncode == 0, resumed.stderr
    assert stage.made() == {"one": ["group:devs@example.com"], "two": [], "three": []}


def test_a_stop_does_not_wait_for_what_another_creates(stage: Stage) -> None:
    """Where somebody's repository does not show yet, one Ctrl-C ends the wait for it."""
    stage.fault("POST", "/repositories$", status=409)
    shown = "/repositories/(one|two|three)$"
    planned = len(stage.asked("GET", shown))
    with stage.cli.start("apply", "m", **stage.variables(0)) as process:
        try:
            wait_until(lambda: len(stage.asked("GET", shown)) > planned)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130


def test_creations_keep_their_distance(stage: Stage) -> None:
    """The next one begins a pause after the one before began."""
    applied = stage.cli("apply", "m", **stage.variables(1))
    assert applied.returncode == 0, applied.stderr
    begun = [one["at"] for one in stage.creations()]
    assert len(begun) == 3
    assert all(later - sooner > 0.8 for sooner, later in itertools.pairwise(begun))


def test_a_stop_does_not_wait_for_the_next_creation(stage: Stage) -> None:
    """Between two creations the run ends at once, and says that it was interrupted."""
    with stage.cli.start("apply", "m", **stage.variables(300)) as process:
        try:
            shown = "/repositories/(one|two|three)$"
            wait_until(lambda: any(one["status"] == 200 for one in stage.asked("GET", shown)))
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert len(stage.creations()) == 1
