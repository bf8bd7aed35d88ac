"""Whole migrations whose logins end, are renewed, differ between the sides, and stay secret."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx
import pytest

from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Cli
    from tests.warm import Running

pytestmark = pytest.mark.slow

Requests = list[dict[str, Any]]
ADA, EVE = "user:ada@example.com", "user:eve@example.com"
ADAS, EVES = "ya29.token-of-ada", "ya29.token-of-eve"
ROBOT: Final = "robot@acme.iam.gserviceaccount.com"
READER: Final = f"serviceAccount:{ROBOT}"
WRITER: Final = "writer@acme.iam.gserviceaccount.com"
FEW: Final = 4
SOME: Final = 16  # enough for a login to end among them
MANY: Final = 80  # long enough for that to happen twice while they are copied
TARGET: Final = "projects/acme/locations/us/repositories/app"
SPEC: Final = "source: {project: acme, hosts: [us.gcr.io]}\n"
NO_METADATA: Final = {"NO_GCE_CHECK": "true"}
WRITES: Final = "/(manifests|blobs/uploads)/"


def scenario(count: int) -> Scenario:
    """Return a project with a few images, two owners, and accounts that read and write."""
    images = [
        {"path": f"app/web{number}", "tags": ["1"], "layers": [{"name": f"layer-{number}"}]}
        for number in range(count)
    ]
    source = {"project": "acme", "location": "us", "id": "us.gcr.io", "images": images}
    target = {"project": "acme", "location": "us", "id": "app", "images": []}
    return Scenario.model_validate(
        {
            "identities": [
                {"member": ADA, "token": ADAS, "token_lifetime": 3_600},
                {"member": EVE, "token": EVES},
                {
                    "member": READER,
                    "token": "",
                    "roles": ["roles/artifactregistry.reader"],
                },
                {"member": f"serviceAccount:{WRITER}", "token": ""},
            ],
            "service_accounts": [{"email": WRITER, "token_creators": [ADA]}],
            "repositories": [source, target],
        }
    )


@dataclass(frozen=True)
class Stage:
    """A sandbox and the tool in front of it.

    Attributes:
        count: number of images at the source.
        environ: variables that every call sees.
    """

    box: Sandbox
    cli: Cli
    count: int
    environ: dict[str, Any] = field(default_factory=dict)

    def start(self, *args: str | Path, **environ: str) -> Running:
        """Start a command and do not wait for it."""
        return self.cli.start(*args, **self.environ | environ)

    def run(self, *args: str | Path, code: int = 0, **environ: str) -> dict[str, Any]:
        """Run a command with `--json` and return its object, after a check of the exit code."""
        done = self.cli(*args, "--json", **self.environ | environ)
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert "never awaited" not in done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def plan(self, spec: str = SPEC) -> dict[str, Any]:
        """Plan into the file `m`."""
        (self.cli.home / "spec.yaml").write_text(spec)
        return self.run("plan", "spec.yaml", "-o", "m")

    def requests(self) -> Requests:
        """Return all requests that the sandbox got."""
        found: Requests = httpx.get(f"{self.box.control_url}/requests").json()
        return found

    def post(self, what: str, **body: Any) -> dict[str, Any]:
        """Steer the sandbox."""
        found: dict[str, Any] = httpx.post(f"{self.box.control_url}/{what}", json=body).json()
        return found

    def key_file(self, email: str) -> str:
        """Write a new key of a service account; return its path."""
        key = self.post("keys", member=f"serviceAccount:{email}")
        (self.cli.home / "key.json").write_text(json.dumps(key))
        return str(self.cli.home / "key.json")

    def wait(self, process: Running, condition: Callable[[Requests], bool]) -> None:
        """Wait, while a command works, until its requests fulfil a condition."""
        until = time.monotonic() + 100
        while time.monotonic() < until and process.poll() is None:
            if condition(self.requests()):
                return
            time.sleep(0.02)
        pytest.fail("the run did not come to where the test waits for it")

    def is_whole(self) -> bool:
        """Whether the target has every image with its tag."""
        state = httpx.get(f"{self.box.control_url}/state").json()
        images = state[TARGET]["images"]
        return len(images) == self.count and all(
            list(one["tags"]) == ["1"] for one in images.values()
        )


def has_written(asked: Requests) -> bool:
    """Whether the first images are there."""
    written = [one for one in asked if one["method"] == "PUT" and "/manifests/" in one["path"]]
    return len([one for one in written if one["status"] == 201]) >= 4


class OpenStage(Protocol):
    """Open a sandbox."""

    def __call__(self, count: int = FEW, **environ: str) -> Stage:
        """Open it with so many images; each call of the tool sees these variables."""
        ...


@pytest.fixture
def open_stage(cli: Cli, tmp_path: Path) -> Iterator[OpenStage]:
    """Open a sandbox; it closes with the test."""
    with ExitStack() as stack:

        def start(count: int = FEW, **environ: str) -> Stage:
            box = stack.enter_context(running(scenario(count), tmp_path / "box"))
            box.write_endpoints(cli.home / "endpoints.yaml")
            where: dict[str, Any] = {"GCR_MIGRATE_ENDPOINTS": str(cli.home / "endpoints.yaml")}
            return Stage(box, cli, count, where | environ)

        yield start


def ended(process: Running) -> tuple[int, dict[str, Any], str]:
    """Wait for a command; return its exit code, its object, and stderr."""
    out, err = process.communicate(timeout=120)
    return process.wait(), json.loads(out), err


def test_a_run_outlives_its_tokens_twice(open_stage: OpenStage) -> None:
    """Access and registry tokens end twice in mid-run: both are renewed, and nothing fails."""
    stage = open_stage(MANY)
    key = stage.key_file(WRITER)
    stage.environ["GOOGLE_APPLICATION_CREDENTIALS"] = key
    stage.plan()
    # The login ends with a write that the sandbox counts, however slow the machine is.
    for ends in (4, MANY // 2):
        stage.post("faults", method="PUT", path="/manifests/", ends_logins=True, skip=ends, times=1)
    stage.post("faults", method="PUT", path=WRITES, delay_s=0.05)
    stage.post("requests/reset")
    applied = stage.run("apply", "m")
    bought = [one for one in stage.requests() if one["host"] == "oauth2" and one["status"] == 200]

    assert applied["outcome"] == "complete"
    assert len(bought) == 3
    assert stage.run("verify", "m")["outcome"] == "proven"
    assert stage.is_whole()


def test_a_static_token_that_ends_stops_the_run_in_order(open_stage: OpenStage) -> None:
    """Exit 4, nothing failed, and the same command with a fresh token brings all of it over."""
    stage = open_stage(SOME, GCR_MIGRATE_ACCESS_TOKEN=ADAS)
    stage.plan()
    # A name needs a token of its own: the first are had, and then the login has ended.
    stage.post("faults", path="/v2/token", status=401, skip=SOME)

    stopped = stage.run("apply", "m", code=4)

    assert stopped["code"] == "token-expired"
    assert "GCR_MIGRATE_ACCESS_TOKEN" in stopped["subject"]
    status = stage.run("status", "m")
    assert status["counts"]["failed"] == 0
    assert status["counts"]["pending"] > 0
    assert status["counts"]["done"] > 0
    assert not stage.is_whole()

    httpx.delete(f"{stage.box.control_url}/faults")
    stage.post("tokens/expire", member=ADA, registry=True)
    assert stage.run("apply", "m", GCR_MIGRATE_ACCESS_TOKEN=EVES)["outcome"] == "complete"
    assert stage.run("verify", "m", GCR_MIGRATE_ACCESS_TOKEN=EVES)["outcome"] == "proven"
    assert stage.is_whole()


def test_a_token_file_that_is_written_anew_counts_at_once(open_stage: OpenStage) -> None:
    """A run goes on by itself when a fresh token is put where the old one was."""
    stage = open_stage(MANY)
    token = stage.cli.home / "token"
    token.write_text(ADAS)
    (stage.cli.home / "spec.yaml").write_text(SPEC)
    stage.run("plan", "spec.yaml", "-o", "m", "--access-token-file", token)
    stage.post("faults", method="PUT", path=WRITES, delay_s=0.25)
    process = stage.start("apply", "m", "--json", "--access-token-file", token)
    stage.wait(process, has_written)
    token.write_text(EVES)
    stage.post("tokens/expire", member=ADA, registry=True)
    code, applied, err = ended(process)

    assert (code, applied.get("outcome")) == (0, "complete"), f"{applied} {err}"
    assert {one["member"] for one in stage.requests() if one["method"] == "PUT"} >= {ADA, EVE}
    assert stage.is_whole()


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_a_static_token_that_ends_stops_plan_and_verify(
    open_stage: OpenStage, command: str
) -> None:
    """Neither an incomplete plan nor a list of what was not checked: one error, exit 4."""
    stage = open_stage(SOME, GCR_MIGRATE_ACCESS_TOKEN=ADAS)
    (stage.cli.home / "spec.yaml").write_text(SPEC)
    args = ["plan", "spec.yaml", "-o", "other"]
    if command == "verify":
        stage.plan()
        stage.run("apply", "m")
        args = ["verify", "m"]
    # The token service takes the token for the first names, and for no other.
    stage.post("faults", path="/v2/token", status=401, skip=4)

    stopped = stage.run(*args, code=4)

    assert stopped["code"] == "token-expired"
    assert not (stage.cli.home / "other").exists()


def test_the_end_of_a_static_token_is_announced(open_stage: OpenStage) -> None:
    """Where it is from, whose it is, when it ends, that it cannot be renewed, and what then."""
    stage = open_stage(GCR_MIGRATE_ACCESS_TOKEN=ADAS)
    stage.plan()

    done = stage.cli("verify", "m", **stage.environ)
    words = " ".join(done.stderr.split())
    assert "Login of source and target: access token in GCR_MIGRATE_ACCESS_TOKEN" in words
    assert "ada@example.com" in words
    assert "UTC and cannot be renewed" in words
    assert "the same command with a fresh token goes on" in words

    lines = stage.cli("verify", "m", "--json", **stage.environ).stderr.splitlines()
    (told,) = (one for one in map(json.loads, lines) if one["event"] == "login.ends")
    assert told["sides"] == ["source", "target"]
    assert told["source"] == "access token in GCR_MIGRATE_ACCESS_TOKEN"
    assert told["ends_at"].endswith("+00:00")


def test_an_end_that_nobody_tells_is_an_hour_at_most(open_stage: OpenStage) -> None:
    """Google's token service need not answer for a run to begin."""
    stage = open_stage(GCR_MIGRATE_ACCESS_TOKEN=ADAS)
    stage.post("faults", host="oauth2", status=503)
    (stage.cli.home / "spec.yaml").write_text(SPEC)

    done = stage.cli("plan", "spec.yaml", "-o", "m", **stage.environ)

    assert done.returncode == 0, done.stderr
    assert "lasts at most 60 minutes" in done.stderr


def test_a_login_that_renews_itself_is_not_announced(open_stage: OpenStage) -> None:
    """There is nothing that a person would have to do."""
    stage = open_stage()
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": stage.key_file(WRITER)}
    (stage.cli.home / "spec.yaml").write_text(SPEC)

    done = stage.cli("plan", "spec.yaml", "-o", "m", **stage.environ | environ)

    assert done.returncode == 0, done.stderr
    assert "Login" not in done.stderr


def test_each_side_logs_in_as_its_spec_says(open_stage: OpenStage) -> None:
    """Plan, apply and verify read as one account and write as another, with no flag repeated."""
    stage = open_stage(GCR_MIGRATE_ACCESS_TOKEN="ya29.of-nobody")  # noqa: S106  # worth nothing
    key = stage.key_file(ROBOT)
    (stage.cli.home / "token").write_text(ADAS)
    spec = (
        f"source: {{project: acme, hosts: [us.gcr.io], credentials: {{key_file: {key}}}}}\n"
        f"target: {{credentials: {{access_token_file: {stage.cli.home / 'token'},"
        f" impersonate: {WRITER}}}}}\n"
    )
    stage.plan(spec)
    stage.run("apply", "m")
    stage.run("verify", "m")

    asked = [one for one in stage.requests() if one["name"]]
    assert {one["member"] for one in asked if one["member"]} == {
        READER,
        f"serviceAccount:{WRITER}",
    }
    writers = {one["member"] for one in asked if one["method"] in {"PUT", "POST"}}
    assert writers == {f"serviceAccount:{WRITER}"}
    readers = {one["member"] for one in asked if "/us.gcr.io/" in one["path"]}
    assert readers == {READER}
    assert stage.is_whole()


def test_flags_count_where_a_side_says_nothing(open_stage: OpenStage) -> None:
    """`--impersonate-service-account` acts as that account on both sides."""
    stage = open_stage(GCR_MIGRATE_ACCESS_TOKEN=ADAS)
    (stage.cli.home / "spec.yaml").write_text(SPEC)
    stage.run("plan", "spec.yaml", "-o", "m", "--impersonate-service-account", WRITER)

    members = {one["member"] for one in stage.requests() if one["name"]}
    assert members - {""} == {f"serviceAccount:{WRITER}"}


def test_nobody_logs_in_where_a_file_is_broken(open_stage: OpenStage) -> None:
    """A credential file that is named and missing ends the command before anything is asked."""
    stage = open_stage(GOOGLE_APPLICATION_CREDENTIALS="/nowhere/key.json")
    (stage.cli.home / "spec.yaml").write_text(SPEC)

    refused = stage.run("plan", "spec.yaml", "-o", "m", code=4)

    assert refused["code"] == "bad-credentials"
    assert "/nowhere/key.json" in refused["subject"]
    assert stage.requests() == []


def test_an_apply_without_a_login_has_not_begun(open_stage: OpenStage) -> None:
    """The plan can be made anew in its place, which it could not after a run."""
    stage = open_stage()
    good: dict[str, Any] = {"GCR_MIGRATE_ACCESS_TOKEN": ADAS}
    bad: dict[str, Any] = {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"}
    (stage.cli.home / "spec.yaml").write_text(SPEC)
    stage.run("plan", "spec.yaml", "-o", "m", **good)

    assert stage.run("apply", "m", code=4, **bad)["code"] == "bad-credentials"
    assert stage.run("plan", "spec.yaml", "-o", "m", **good)["complete"]


def test_no_secret_is_written_anywhere(open_stage: OpenStage) -> None:
    """Neither keys nor tokens are in what is printed, nor in the migration file beside its plan."""
    stage = open_stage()
    key = stage.key_file(WRITER)
    token = stage.cli.home / "token"
    token.write_text(ADAS)
    secret = json.loads((stage.cli.home / "key.json").read_text())["private_key"]
    spec = (
        f"source: {{project: acme, hosts: [us.gcr.io], credentials: {{key_file: {key}}}}}\n"
        f"target: {{credentials: {{access_token_file: {token}}}}}\n"
    )
    (stage.cli.home / "spec.yaml").write_text(spec)
    said = ""
    for args in (["plan", "spec.yaml", "-o", "m"], ["apply", "m", "--json"], ["verify", "m"]):
        done = stage.cli(*args, **stage.environ)
        assert done.returncode == 0, done.stderr
        said += done.stdout + done.stderr
    stage.post("tokens/expire", member=ADA, registry=True)
    said += stage.cli("verify", "m", **stage.environ).stderr
    kept = b"".join(one.read_bytes() for one in stage.cli.home.glob("m*"))

    for text in (ADAS, "ya29.", secret, secret.splitlines()[1]):
        assert text not in said
        assert text.encode() not in kept
    assert key.encode() in kept
