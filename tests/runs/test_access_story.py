"""Who could pull yesterday: one bucket becomes two repositories, and nobody is lost."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.app import running
from tests.conftest import Cli
from tests.gcloud_runs import gcloud, gcloud_environ
from tests.theatre import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

PLAN = Path(__file__).parents[2] / "plans" / "split-access.yaml"
HOST, API = "us-docker.pkg.dev", "artifact_registry"
READER, WRITER, ADMIN = (
    f"roles/artifactregistry.{name}" for name in ("reader", "writer", "repoAdmin")
)
CI, BUILD, NODES = (
    f"serviceAccount:{name}@acme-web.iam.gserviceaccount.com"
    for name in ("ci", "build", "gke-nodes")
)
SHARED = {
    (READER, CI),
    (READER, "group:devs@acme.example"),
    (READER, NODES),
    (WRITER, BUILD),
    (ADMIN, "user:rel@acme.example"),
}
WANTED = {"site": SHARED | {(READER, "group:site-ops@acme.example")}, "tools": SHARED}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The host after its redirect, with an empty policy in front of a full bucket."""
    home = tmp_path_factory.mktemp("access")
    with pytest.MonkeyPatch.context() as patch, running("who-could-pull", home / "box") as box:
        patch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
        box.write_endpoints(home / "endpoints.yaml")
        yield Stage(box, Cli(home))


@pytest.fixture(scope="module")
def done(stage: Stage) -> Stage:
    """The same, once the sample plan was applied."""
    stage.run("plan", PLAN, "-o", "m")
    assert stage.run("apply", "m")["outcome"] == "complete"
    return stage


def _changes(stage: Stage, file: str) -> set[tuple[str, str, str]]:
    shown = stage.run("access", "show", file, "--only", "changes")
    return {(one["principal"], one["right"], one["verdict"]) for one in shown["rows"]}


def test_without_consent_nothing_begins(stage: Stage, tmp_path: Path) -> None:
    """The plan names who is lost, by what and why; apply refuses it, and has written nothing."""
    words = ("allUsers", "change:", "accept:", "reason:")
    lines = PLAN.read_text(encoding="utf-8").splitlines()
    spec = tmp_path / "unaccepted.yaml"
    spec.write_text("\n".join(one for one in lines if not any(word in one for word in words)))
    planned = stage.cli("plan", spec, "-o", "refused", "--json", **stage.variables)
    lost = [one for one in json.loads(planned.stdout)["findings"] if one["severity"] == "error"]
    assert planned.returncode == 1
    assert {(one["code"], one["subject"]) for one in lost} == {
        ("access-lost", f"{HOST}/acme-web/{name} allUsers") for name in WANTED
    }

    refused = stage.cli("apply", "refused", "--json", **stage.variables)
    assert refused.returncode == 3
    assert {one["code"] for one in json.loads(refused.stdout)["errors"]} == {"access-unsettled"}
    assert not {"site", "tools"} & {name.rpartition("/")[2] for name in stage.ask("state")}


def test_each_repository_gets_what_its_pullers_had_and_nothing_more(done: Stage) -> None:
    """Its policy has exactly the members that follow, each with its narrowest role."""
    for name, wanted in WANTED.items():
        state = done.ask("state")[f"projects/acme-web/locations/us/repositories/{name}"]
        found = {(one["role"], who) for one in state["bindings"] for who in one["members"]}
        assert found == wanted


@pytest.mark.needs("gcloud")
def test_gcloud_reads_the_same_policies(done: Stage, tmp_path: Path) -> None:
    """What an administrator is shown by Google's own program is what was wanted."""
    environ = gcloud_environ(done.box, tmp_path, "acme-web")
    for name, wanted in WANTED.items():
        command = f"artifacts repositories get-iam-policy {name} --location=us"
        policy = gcloud(environ, command)
        assert {
            (one["role"], who) for one in policy["bindings"] for who in one["members"]
        } == wanted
        assert not any("condition" in one for one in policy["bindings"])


def test_afterwards_only_what_was_agreed_is_different(done: Stage) -> None:
    """The same question, asked again of the registries as they are, has no other answer."""
    agreed = {
        ("allUsers", "pull", "lost"),
        ("group:site-ops@acme.example", "pull", "gained"),
        (BUILD, "pull", "implied"),
    }
    spoken = {one for one in _changes(done, str(PLAN)) if one[2] not in {"same", "excused"}}
    assert spoken == agreed
    assert {one for one in _changes(done, "m") if one[2] not in {"same", "excused"}} == agreed


def test_the_proof_of_access_holds(done: Stage) -> None:
    """Read back from the services, everybody has what the plan said."""
    proof = done.run("verify", "m", "--level", "access")
    assert proof["outcome"] == "proven"
    assert proof["levels"]["access"]["wrong"] == 0


@pytest.mark.parametrize(
    ("token", "before", "after"),
    [
        ("ya29.sandbox-ci", False, True),
        ("ya29.sandbox-build", False, True),
        ("ya29.sandbox-rel", False, True),
        ("ya29.sandbox-contractor", False, False),
        ("ya29.sandbox-stranger", False, False),
        ("", False, False),
    ],
)
def test_pulls_are_answered_as_the_proof_says(
    done: Stage,
    token: str,
    before: bool,  # noqa: FBT001  # parameters of a table
    after: bool,  # noqa: FBT001
) -> None:
    """By the old name nobody of these could pull; by the new one those who could yesterday."""
    assert _pulls(done, "us.gcr.io", "acme-web/site/web", token) is before
    assert _pulls(done, HOST, "acme-web/site/web", token) is after


def _pulls(stage: Stage, host: str, name: str, token: str) -> bool:
    """Whether a client gets a manifest, as Docker asks for it."""
    base = stage.box.addresses[host]
    login = {}
    if token:
        pair = base64.b64encode(f"oauth2accesstoken:{token}".encode()).decode()
        login = {"authorization": f"Basic {pair}"}
    scope = f"{base}/v2/token?service={host}&scope=repository:{name}:pull"
    bought = _got(scope, login).get("token", "")
    found = _got(f"{base}/v2/{name}/manifests/1.0", {"authorization": f"Bearer {bought}"})
    return "layers" in found


def _got(url: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, headers=headers | {"accept": "*/*"})  # noqa: S310  # loopback
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code in {401, 403}:
            return {}
        raise


def test_taking_it_back_leaves_the_policies_empty(done: Stage) -> None:
    """Undo removes what this file added, and proof of access then fails: it is run last."""
    undone = done.run("access", "undo", "m", "--yes")
    assert undone["outcome"] == "done"
    for name in WANTED:
        state = done.ask("state")[f"projects/acme-web/locations/us/repositories/{name}"]
        assert not state["bindings"]
    proof = done.cli("verify", "m", "--level", "access", "--json", **done.variables)
    assert proof.returncode == 1
