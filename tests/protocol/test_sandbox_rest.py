"""The sandbox's REST API, control calls and faults."""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import gcr_migrate.sandbox
from gcr_migrate.errors import MigrateError
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import load_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.sandbox.app import Sandbox

PARENT = "/v1/projects/builds/locations/us/repositories"
SOURCE = f"{PARENT}/us.gcr.io"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """Run the scenario of the documentation, with a file of events."""
    with running("builds", tmp_path, events=tmp_path / "events.jsonl") as one:
        yield one


@pytest.fixture
def api(box: Sandbox) -> Iterator[httpx.Client]:
    """Return a client of the APIs with the owner's access token."""
    headers = {"Authorization": f"Bearer {box.token}"}
    with httpx.Client(base_url=box.endpoints["artifact_registry"], headers=headers) as one:
        yield one


def test_a_repository_is_there_when_its_operation_is_done(api: httpx.Client) -> None:
    """Creation takes some polls; before, the repository is not there; again, it exists."""
    url = f"{PARENT}?repositoryId=product1"
    operation = api.post(url, json={"format": "DOCKER", "labels": {"team": "a"}}).json()
    assert "done" not in operation
    assert api.get(f"{PARENT}/product1").status_code == 404

    polls = 0
    while not operation.get("done"):
        operation = api.get(f"/v1/{operation['name']}").json()
        polls += 1

    assert polls == 2
    assert api.get(f"{PARENT}/product1").json()["labels"] == {"team": "a"}
    again = api.post(url, json={"format": "DOCKER"})
    assert (again.status_code, again.json()["error"]["status"]) == (409, "ALREADY_EXISTS")
    names = [one["name"].rpartition("/")[2] for one in api.get(PARENT).json()["repositories"]]
    assert names == ["product1", "us.gcr.io"]


@pytest.mark.parametrize("id_", ["product_1", "1p", "p-", "a.b", "eu.gcr.io"])
def test_illegal_repository_ids_are_refused(api: httpx.Client, id_: str) -> None:
    """Ids without the right form, or gcr.io names in another location, answer 400."""
    reply = api.post(f"{PARENT}?repositoryId={id_}", json={"format": "DOCKER"})

    assert reply.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_a_policy_is_replaced_only_with_its_etag(api: httpx.Client) -> None:
    """A stale etag answers 409 ABORTED; the right one replaces everything."""
    policy = api.get(f"{SOURCE}:getIamPolicy?options.requestedPolicyVersion=3").json()
    assert len(policy["bindings"]) == 2
    policy["bindings"] = policy["bindings"][:1]

    first = api.post(f"{SOURCE}:setIamPolicy", json={"policy": policy})
    second = api.post(f"{SOURCE}:setIamPolicy", json={"policy": policy})

    assert first.json()["bindings"] == policy["bindings"]
    assert (second.status_code, second.json()["error"]["status"]) == (409, "ABORTED")


def test_permissions_are_tested_for_the_caller(api: httpx.Client) -> None:
    """The owner holds what he asks for, the reader only the right to pull."""
    names = [f"artifactregistry.repositories.{one}" for one in ("downloadArtifacts", "create")]
    body = {"permissions": names}
    ci = {"Authorization": "Bearer ya29.sandbox-ci"}

    assert api.post(f"{SOURCE}:testIamPermissions", json=body).json() == body
    reply = api.post(f"{SOURCE}:testIamPermissions", json=body, headers=ci)
    assert reply.json() == {"permissions": names[:1]}


@pytest.mark.parametrize(("token", "status"), [("ya29.sandbox-stranger", 403), ("no", 401)])
def test_errors_are_in_googles_form(api: httpx.Client, token: str, status: int) -> None:
    """Strangers are denied, unknown tokens are not authenticated."""
    reply = api.get(SOURCE, headers={"Authorization": f"Bearer {token}"})

    assert reply.json()["error"]["code"] == status


def test_contents_are_listed_under_either_encoding(api: httpx.Client) -> None:
    """Package ids arrive as %2F or %252F, and lists come in pages."""
    for slash in ("%2F", "%252F"):
        tags = api.get(f"{SOURCE}/packages/product2{slash}stable{slash}product2/tags").json()
        assert len(tags["tags"]) == 3
    first = api.get(f"{SOURCE}/dockerImages?pageSize=4").json()
    second = api.get(f"{SOURCE}/dockerImages?pageToken={first['nextPageToken']}").json()
    assert len(first["dockerImages"]) == 4
    assert len(second["dockerImages"]) == 6


def test_a_colon_in_a_project_may_be_encoded(api: httpx.Client) -> None:
    """A domain-scoped project is found under `%3A`."""
    parent = "/v1/projects/example.com%3Aapps/locations/us/repositories"
    api.post(f"{parent}?repositoryId=web", json={"format": "DOCKER"})
    time.sleep(1.1)  # an operation that nobody polls is done after a second

    assert (
        api.get(f"{parent}/web").json()["registryUri"] == "us-docker.pkg.dev/example.com/apps/web"
    )


def test_requests_are_logged_and_written(box: Sandbox, api: httpx.Client, tmp_path: Path) -> None:
    """Each request is in the log and the file of events, without its credentials."""
    api.get(SOURCE)

    logged = httpx.get(f"{box.control_url}/requests").json()
    assert [one["status"] for one in logged] == [200]
    assert logged[0]["authorization"] is True
    text = (tmp_path / "events.jsonl").read_text()
    assert json.loads(text)["path"] == SOURCE
    assert box.token not in text
    httpx.post(f"{box.control_url}/requests/reset")
    assert httpx.get(f"{box.control_url}/requests").json() == []


def test_a_fault_strikes_the_chosen_requests(box: Sandbox, api: httpx.Client) -> None:
    """It passes the first, hits the next, and is over; headers and body are as stated."""
    rule = {"path": "us.gcr.io$", "method": "GET", "skip": 1, "times": 1, "status": 429}
    rule |= {"headers": {"Retry-After": "7"}, "body": "slow down"}
    httpx.post(f"{box.control_url}/faults", json=rule).raise_for_status()

    replies = [api.get(SOURCE) for _ in range(3)]

    assert [one.status_code for one in replies] == [200, 429, 200]
    assert (replies[1].text, replies[1].headers["retry-after"]) == ("slow down", "7")
    assert httpx.get(f"{box.control_url}/faults").json()[0]["hits"] == 1
    httpx.delete(f"{box.control_url}/faults")
    assert httpx.get(f"{box.control_url}/faults").json() == []
    assert httpx.post(f"{box.control_url}/faults", json={"colour": 1}).status_code == 400


def test_a_late_fault_comes_after_the_work(box: Sandbox, api: httpx.Client) -> None:
    """A client that gives up while the answer is held back has changed the server."""
    rule = {"method": "POST", "path": "setIamPolicy", "delay_s": 5, "when": "after", "times": 1}
    httpx.post(f"{box.control_url}/faults", json=rule).raise_for_status()

    with pytest.raises(httpx.ReadTimeout):
        api.post(f"{SOURCE}:setIamPolicy", json={"policy": {"bindings": []}}, timeout=0.5)

    assert "bindings" not in api.get(f"{SOURCE}:getIamPolicy").json()
    logged = httpx.get(f"{box.control_url}/requests").json()
    assert (logged[0]["status"], logged[0]["told"]) == (200, 0)


def test_the_endpoints_file_names_every_host(box: Sandbox, tmp_path: Path) -> None:
    """Each registry and each service has a port of its own."""
    box.write_endpoints(tmp_path / "endpoints.yaml")

    text = (tmp_path / "endpoints.yaml").read_text()
    assert f"us.gcr.io: {box.addresses['us.gcr.io']}" in text
    assert len(set(box.addresses.values())) == len(box.addresses)
    assert f"storage: {box.addresses['storage']}" in text
    reply = httpx.get(f"{box.addresses['iam']}/v1/nothing")
    assert (reply.status_code, reply.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "file-missing"), ("a: [", "bad-yaml"), ("repositries: []", "bad-scenario")],
)
def test_a_wrong_scenario_is_named(tmp_path: Path, text: str | None, problem: str) -> None:
    """Missing, broken and misspelt scenarios are told apart."""
    file = tmp_path / "scenario.yaml"
    if text is not None:
        file.write_text(text)

    with pytest.raises(MigrateError) as caught:
        load_scenario(file)

    assert caught.value.problem.code == problem


def test_the_sandbox_does_not_lean_on_the_client() -> None:
    """Of the tool it imports names, content, errors, what is nearest to a slip, nothing else."""
    shared = ("content", "names", "nearest")
    allowed = {"gcr_migrate.errors", *(f"gcr_migrate.model.{one}" for one in shared)}
    for file in Path(gcr_migrate.sandbox.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                foreign = module.startswith("gcr_migrate") and "sandbox" not in module
                assert not foreign or module in allowed, file.name
