"""Servers that say odd things: a run ends with the item's failure, never with its own."""

from __future__ import annotations

import json
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from gcr_migrate.sandbox.app import Sandbox, running

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

PLANS = Path(__file__).parents[2] / "plans"
US = "us-docker.pkg.dev"


class Cli(Protocol):
    """The tool as a process, see `tests/conftest.py`."""

    home: Path

    def __call__(self, *args: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        ...


class Stage:
    """The documentation's example in a sandbox, and the tool in front of it."""

    def __init__(self, box: Sandbox, cli: Cli) -> None:
        self.box = box
        self.cli = cli
        box.write_endpoints(cli.home / "endpoints.yaml")

    def run(self, *args: str | Path, code: int) -> dict[str, Any]:
        """Run a command with `--json`; it has to end by itself, and with this code."""
        done = self.cli(
            *args,
            "--json",
            timeout_s=60,
            GCR_MIGRATE_ENDPOINTS=str(self.cli.home / "endpoints.yaml"),
            GCR_MIGRATE_ACCESS_TOKEN=self.box.token,
            GCR_MIGRATE_RETRY_TRIES="1",
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def fault(self, **rule: Any) -> None:
        """Let something go wrong from now on."""
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{self.box.control_url}/faults", json.dumps(rule).encode()
        )
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310  # loopback


@pytest.fixture
def stage(cli: Cli, tmp_path: Path) -> Iterator[Stage]:
    """A sandbox with the documentation's example; it closes with the test."""
    with ExitStack() as stack:
        yield Stage(stack.enter_context(running("builds", tmp_path / "box")), cli)


_HALF = '{"errors": [{"code": "UNKNOWN", "message": "half a character: \\ud800 and \\u001b[31m"}]}'

_HALF_URL = {"location": "https://[half/"}
_UPLOADS = "/blobs/uploads/$"  # without a mount in its query
_NO_MOUNT = {"method": "POST", "path": "mount=", "status": 400}


@pytest.mark.parametrize(
    "rules",
    [
        [{"method": "PUT", "path": "/manifests/", "status": 400, "body": _HALF}],
        [_NO_MOUNT, {"method": "POST", "path": _UPLOADS, "status": 400, "body": _HALF}],
        [_NO_MOUNT, {"method": "POST", "path": _UPLOADS, "status": 202, "headers": _HALF_URL}],
    ],
)
def test_odd_words_fail_the_item_and_not_the_run(stage: Stage, rules: list[dict[str, Any]]) -> None:
    """What a server says that cannot be stored, shown or followed is that item's failure."""
    stage.run("plan", PLANS / "builds.yaml", "-o", "m", code=0)
    for rule in rules:
        stage.fault(host=US, times=1, **rule)
    facts = stage.run("apply", "m", code=1)
    assert facts["failures"]
    stage.run("apply", "m", code=0)


_GHOST = '{"tags": [], "child": [], "manifest": {"sha256:%s": {"timeUploadedMs": "%s"}}}'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"tags": ["\\ud800"], "manifest": {}, "child": []}', 3),
        ('{"tags": [], "manifest": {}, "child": ["\\ud800"]}', 3),
        ("{}", 3),
        ('{"errors": [{"code": "UNKNOWN"}]}', 3),
        (_GHOST % ("0" * 64, "9" * 20), 1),
    ],
)
def test_odd_lists_are_named_and_never_read_as_short_ones(
    stage: Stage, body: str, code: int
) -> None:
    """What a list shows and nobody can carry stands in the plan, and the plan's exit says so."""
    stage.fault(host=US, path="product1/stable/product1/tags/list", status=200, body=body)
    plan = stage.run("plan", PLANS / "builds.yaml", "-o", "m", code=code)
    assert plan["complete"] is (code == 1)


def test_bytes_cross_once_where_the_source_cannot_be_mounted_from(stage: Stage) -> None:
    """A service that refuses mounts from the source still gets each blob's bytes only once."""
    stage.run("plan", PLANS / "builds.yaml", "-o", "m", code=0)
    stage.fault(host=US, method="POST", path="from=builds%2Fus.gcr.io", status=404)
    facts = stage.run("apply", "m", code=0)
    assert facts["bytes"]["mounted"] > 0
