"""Policies in the sandbox: whatever has one, it is shown as the version says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.sandbox.app import Sandbox

ROLE = "roles/storage.objectViewer"
CONDITION = {"title": "until", "expression": "request.time < x"}
BINDING = {"role": ROLE, "members": ["user:a@example.com"], "condition": CONDITION}
SCENARIO = Scenario.model_validate(
    {
        "projects": [
            {
                "id": "builds",
                "parent": "folders/7",
                "bindings": [BINDING],
                "buckets": [{"name": "left-over", "bindings": [BINDING], "uniform": False}],
            }
        ],
        "folders": [{"name": "folders/7", "bindings": [BINDING]}],
        "repositories": [
            {"project": "builds", "location": "us", "id": "app", "bindings": [BINDING]}
        ],
        "identities": [{"roles": ["roles/owner", "roles/storage.admin"]}],
    }
)
REPOSITORY = "/v1/projects/builds/locations/us/repositories/app"
BY_QUERY = {
    "artifact_registry": (f"{REPOSITORY}:getIamPolicy", "options.requestedPolicyVersion"),
    "storage": ("/storage/v1/b/left-over/iam", "optionsRequestedPolicyVersion"),
}
BY_BODY = ["/v3/projects/builds", "/v1/projects/builds", "/v3/folders/7"]
SETTING = [
    ("artifact_registry", REPOSITORY),
    ("resource_manager", "/v3/projects/builds"),
]


@pytest.fixture
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox in which everything has a policy with a condition."""
    with running(SCENARIO, tmp_path_factory.mktemp("box")) as one:
        yield one


def ask(box: Sandbox, service: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
    """Call a service as the owner; POST where there is a body."""
    url, method = f"{box.endpoints[service]}{path}", "GET" if body is None else "POST"
    headers = {"Authorization": f"Bearer {box.token}"}
    return httpx.request(method, url, headers=headers, json=body, params=query)


def policies(box: Sandbox, version: int) -> Iterator[dict[str, Any]]:
    """Ask for the policy of each thing that has one."""
    for service, (path, key) in BY_QUERY.items():
        yield ask(box, service, path, **{key: version}).json()
    options = {"options": {"requestedPolicyVersion": version}}
    for path in BY_BODY:
        yield ask(box, "resource_manager", f"{path}:getIamPolicy", options).json()


def test_version_3_shows_conditions(box: Sandbox) -> None:
    """Who asks for version 3 is shown everything, and that it is version 3."""
    for policy in policies(box, 3):
        assert policy["version"] == 3
        assert policy["bindings"] == [BINDING]


def test_no_lower_version_shows_conditions(box: Sandbox) -> None:
    """A binding with a condition is shown as another role, which nobody can grant."""
    for policy in policies(box, 1):
        assert policy["version"] == 1
        assert [one["members"] for one in policy["bindings"]] == [BINDING["members"]]
        assert all(one["role"].startswith(f"{ROLE}_withcond_") for one in policy["bindings"])
        assert all("condition" not in one for one in policy["bindings"])


def test_another_version_is_a_wrong_argument(box: Sandbox) -> None:
    """There are versions 0, 1 and 3."""
    assert [one["error"]["code"] for one in policies(box, 2)] == [400] * 5


@pytest.mark.parametrize(("service", "path"), SETTING)
def test_what_no_version_3_says_is_lost(box: Sandbox, service: str, path: str) -> None:
    """A condition that is written under a lower version is dropped, and the grant wider."""
    policy = {"policy": {"version": 1, "bindings": [BINDING]}}
    written = ask(box, service, f"{path}:setIamPolicy", policy).json()

    assert written["bindings"] == [{"role": ROLE, "members": BINDING["members"]}]


@pytest.mark.parametrize(("service", "path"), SETTING)
@pytest.mark.parametrize(
    ("role", "member"), [("viewer", "user:a@example.com"), (f"{ROLE}_withcond_0", "user:a")]
)
def test_what_is_no_role_is_refused(
    box: Sandbox, service: str, path: str, role: str, member: str
) -> None:
    """A role without its kind, or one that stands for a condition, cannot be written back."""
    policy = {"policy": {"bindings": [{"role": role, "members": [member]}]}}

    assert ask(box, service, f"{path}:setIamPolicy", policy).status_code == 400
