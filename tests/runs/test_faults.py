"""Whatever goes wrong has a code and an exit status, and the migration can go on afterwards."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.request import Request, urlopen

import pytest
from ruamel.yaml import YAML

from gcr_migrate.cli.main import outcome
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.scenarios import Scenario, load_scenario
from tests.conftest import Cli, refusing_port
from tests.relay import Relay
from tests.sample import covering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

US, EUROPE, API = "us-docker.pkg.dev", "europe-docker.pkg.dev", "artifact_registry"
SPEC = """\
version: 1
source: {project: builds, hosts: [us.gcr.io]}
target: {location: europe}
routes:
  - {match: "**", repository: moved}
"""


@dataclass(frozen=True)
class Case:
    """One row: what is wrong, while which command runs, and what that must give.

    Attributes:
        command: `plan`, `apply` or `verify`.
        what: a name for what is wrong.
        exit: exit status.
        code: code that the JSON object holds.
        cause: code that its text holds besides.
        files: files to be written first; `m` is the migration file, None takes a file away.
        fault: a rule for the sandbox.
        host: who is hidden behind `lie` or, without one, refuses connections.
        lie: what a relay does to replies.
        path: which replies it lies about.
    """

    command: Literal["plan", "apply", "verify"]
    what: str
    exit: int
    code: str
    cause: str = ""
    files: dict[str, str | None] = field(default_factory=dict)
    fault: dict[str, Any] | None = None
    host: str = ""
    lie: Literal["cut", "corrupt"] | None = None
    path: str = ""

    def __str__(self) -> str:
        """Return the name of the test."""
        return f"{self.command}-{self.what.replace(' ', '-')}"


def _status(command: Any, status: int, exit_: int, code: str, **more: Any) -> Case:
    host, cause = more.pop("host", None), more.pop("cause", "")
    at = "" if host is None else f" of {host}"
    fault = {"host": host, "status": status, "path": "/(tags|manifests|blobs)/|^/v1/", **more}
    return Case(command, f"{status}{at}", exit_, code, cause, fault=fault)


_TEXT = {"body": "Container Registry is deprecated.", "headers": {"content-type": "text/plain"}}
CASES = [
    # files that people wrote
    Case("plan", "missing file", 2, "file-missing", files={"spec.yaml": None}),
    Case("plan", "broken YAML", 2, "bad-yaml", files={"spec.yaml": "version: [1\n"}),
    Case("plan", "unknown field", 2, "bad-spec", files={"spec.yaml": SPEC + "colour: red\n"}),
    Case(
        "plan",
        "bad project name",
        2,
        "bad-spec",
        files={"spec.yaml": SPEC.replace("project: builds", "project: Not_A_Project")},
    ),
    Case(
        "plan",
        "bad repository name",
        2,
        "repository-name-refused",
        files={"spec.yaml": SPEC.replace("repository: moved", "repository: Not_One")},
    ),
    Case("apply", "missing file", 2, "file-missing", files={"m": None}),
    Case("verify", "missing file", 2, "file-missing", files={"m": None}),
    Case("apply", "not a migration", 2, "not-a-migration", files={"m": "version: 1\n" * 100}),
    Case("verify", "not a migration", 2, "not-a-migration", files={"m": "version: 1\n" * 100}),
]
for _command in ("plan", "apply", "verify"):
    CASES += [
        Case(_command, "missing endpoints", 2, "file-missing", files={"endpoints.yaml": None}),
        Case(_command, "broken endpoints", 2, "bad-endpoints", files={"endpoints.yaml": "a: [1\n"}),
        Case(
            _command,
            "unknown field in endpoints",
            2,
            "bad-endpoints",
            files={"endpoints.yaml": "registrys: {}\n"},
        ),
    ]
CASES += [
    # services that do not answer as they should
    Case("plan", "refused connection", 4, "unreachable", host="us.gcr.io"),
    _status("plan", 401, 4, "unauthorized"),
    _status("plan", 403, 4, "denied"),
    _status("plan", 404, 2, "name-unknown"),
    _status("plan", 412, 2, "not-migrated", **_TEXT),
    _status("plan", 429, 4, "too-many-requests"),
    _status("plan", 500, 4, "server-error"),
    Case(
        "plan",
        "truncated list",
        3,  # the API lists what the registry does not
        "listing-failed",
        "bad-reply",
        host=US,
        lie="cut",
        path="/tags/list",
    ),
    Case(
        "plan",
        "truncated manifest",
        3,
        "listing-failed",
        "bad-reply",
        host=US,
        lie="cut",
        path="/manifests/",
    ),
    Case(
        "plan",
        "lying digest",
        1,
        "digest-mismatch",
        host=US,
        lie="corrupt",
        path="/manifests/sha256:",
    ),
    Case("apply", "refused connection by the API", 4, "unreachable", host=API),
    Case("apply", "refused connection by the source", 4, "unreachable", host=US),
    Case("apply", "refused connection by the target", 4, "unreachable", host=EUROPE),
    _status("apply", 401, 4, "unauthorized", host=API),
    _status("apply", 401, 4, "unauthorized", host=EUROPE),
    _status("apply", 403, 4, "denied", host=API),
    _status("apply", 403, 4, "denied", host=EUROPE),
    _status("apply", 404, 1, "name-unknown", host=API),
    _status("apply", 404, 1, "name-unknown", host=EUROPE),
    _status("apply", 412, 1, "not-migrated", host=EUROPE, **_TEXT),
    _status("apply", 429, 4, "too-many-requests", host=API),
    _status("apply", 429, 4, "too-many-requests", host=EUROPE),
    _status("apply", 500, 4, "server-error", host=API),
    _status("apply", 500, 4, "server-error", host=EUROPE),
    Case("apply", "truncated blob", 4, "bad-reply", host=US, lie="cut", path="^/artifacts-down"),
    Case(
        "apply",
        "lying blob",
        1,
        "digest-mismatch",
        host=US,
        lie="corrupt",
        path="^/artifacts-down",
    ),
    Case("verify", "refused connection", 4, "unreachable", host=EUROPE),
    _status("verify", 401, 4, "not-checked", cause="unauthorized", host=EUROPE),
    _status("verify", 403, 4, "not-checked", cause="denied", host=EUROPE),
    _status("verify", 404, 1, "digest-gone", host=EUROPE),
    _status("verify", 412, 4, "not-migrated", host=EUROPE, **_TEXT),
    _status("verify", 429, 4, "not-checked", cause="too-many-requests", host=EUROPE),
    _status("verify", 500, 4, "not-checked", cause="server-error", host=EUROPE),
    Case(
        "verify",
        "truncated manifest",
        4,
        "not-checked",
        "bad-reply",
        host=EUROPE,
        lie="cut",
        path="/manifests/sha256:",
    ),
    Case(
        "verify",
        "lying manifest",
        1,
        "bytes-differ",
        host=EUROPE,
        lie="corrupt",
        path="/manifests/sha256:",
    ),
]


def _scenario(command: str) -> Scenario:
    """The documentation's example for a run, which gives a service up after many failures.

    For what stops at the first failure its first image does.
    """
    builds = load_scenario("builds").model_copy(update={"operation_polls": 1})
    if command == "apply":
        return builds
    first = builds.repositories[0]
    less = first.model_copy(update={"images": first.images[:1]})
    return builds.model_copy(update={"repositories": (less,)})


def _quietly(box: Sandbox, home: Path, *args: str | Path) -> int:
    """Run a command in this process with nothing in its way; return its exit code."""
    (home / "token").write_text(box.token)
    box.write_endpoints(home / "quiet.yaml")
    options = ("--endpoints", home / "quiet.yaml", "--access-token-file", home / "token", "--json")
    return outcome([str(one) for one in (*args, *options)])


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A migration file for each command; equal sandboxes make equal plans, so one serves all."""
    home = tmp_path_factory.mktemp("planned")
    (home / "spec.yaml").write_text(SPEC)
    for command in ("plan", "apply", "verify"):
        with running(_scenario(command), home / f"box-{command}") as box:
            assert _quietly(box, home, "plan", home / "spec.yaml", "-o", home / command) == 0
    return {command: home / command for command in ("plan", "apply", "verify")}


@contextmanager
def _trouble(case: Case, box: Sandbox, home: Path) -> Iterator[None]:
    """Make what the case says go wrong while the block runs."""
    endpoints = box.endpoints
    with ExitStack() as stack:
        if case.host:
            at = endpoints if case.host == API else endpoints["registries"]
            at[case.host] = stack.enter_context(_liar(case, at[case.host]))
        with (home / "endpoints.yaml").open("w") as stream:
            YAML().dump(endpoints, stream)
        for name, text in case.files.items():
            (home / name).unlink(missing_ok=True)
            if text is not None:
                (home / name).write_text(text)
        if case.fault:
            _control(box, "POST", case.fault)
        yield
        _control(box, "DELETE")


@contextmanager
def _liar(case: Case, address: str) -> Iterator[str]:
    if case.lie is None:
        with refusing_port() as port:
            yield f"http://127.0.0.1:{port}"
        return
    with Relay(int(address.rpartition(":")[2]), case.path, case.lie).running() as relay:
        yield relay.url
        assert relay.told, "no reply was lied about"


def _control(box: Sandbox, method: str, rule: dict[str, Any] | None = None) -> None:
    body = None if rule is None else json.dumps(rule).encode()
    request = Request(f"{box.control_url}/faults", body, method=method)  # noqa: S310  # loopback
    urlopen(request, timeout=60).close()  # noqa: S310  # loopback


def _codes(found: Any) -> set[str]:
    """Return each `code` in a JSON document, at any depth."""
    if isinstance(found, list):
        return {code for one in found for code in _codes(one)}
    if not isinstance(found, dict):
        return set()
    own = {found["code"]} if isinstance(found.get("code"), str) else set()
    return own | {code for one in found.values() for code in _codes(one)}


SAMPLE = covering((one.command, one.code) for one in CASES)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            one, id=str(one), marks=() if (one.command, one.code) in SAMPLE else pytest.mark.long
        )
        for one in CASES
    ],
)
def test_each_fault_has_its_code_and_can_be_got_over(
    case: Case, planned: dict[str, Path], cli: Cli, tmp_path: Path
) -> None:
    """A fault gives exit status and code, no traceback; afterwards the migration goes through."""
    home = cli.home
    shutil.copy(planned[case.command], home / "m")
    (home / "spec.yaml").write_text(SPEC)
    with running(_scenario(case.command), tmp_path / "box") as box:
        if case.command == "verify":
            assert _quietly(box, home, "apply", home / "m") == 0
        args = ("plan", "spec.yaml", "-o", "m") if case.command == "plan" else (case.command, "m")
        kept = (home / "m").read_bytes()
        with _trouble(case, box, home):
            done = cli(
                *args,
                "--json",
                GCR_MIGRATE_ENDPOINTS="endpoints.yaml",
                GCR_MIGRATE_ACCESS_TOKEN=box.token,
                GCR_MIGRATE_RETRY_TRIES="2",
            )
        told = f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in told
        assert box.token not in told
        assert done.returncode == case.exit, told
        assert case.code in _codes(json.loads(done.stdout)), told
        assert case.cause in done.stdout, told
        if case.command == "plan" and case.exit in {1, 3}:  # made, with gaps: it is made anew
            assert _quietly(box, home, "plan", home / "spec.yaml", "-o", home / "m") == 0
        elif case.command == "plan":  # not made: the old file is as it was
            assert (home / "m").read_bytes() == kept
        elif "m" in case.files:
            shutil.copy(planned[case.command], home / "m")
        assert _quietly(box, home, "apply", home / "m") == 0


def test_levels_that_nobody_could_look_at_are_told_in_their_order(cli: Cli) -> None:
    """Whatever order a set has in that process, so that two runs can be compared."""
    told = set()
    with refusing_port() as port:
        for seed in ("1", "2", "3"):
            more = {"PYTHONHASHSEED": seed, "GCR_MIGRATE_TRIES": "1"}
            with cli.start_anew("verify", f"127.0.0.1:{port}/team", **more) as one:
                told.update(re.findall(r"\w+: 1, \w+: 1, \w+: 1", one.communicate(timeout=60)[0]))

    assert told == {"tags: 1, manifests: 1, blobs: 1"}
