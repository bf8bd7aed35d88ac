"""What stands before the sandbox's registries and APIs, in the words of either."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.gates import Windows
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox

HOST = "us.gcr.io"
OWNER = "ya29.sandbox-migrator"
INSIDER = "ya29.sandbox-insider"
API = "artifactregistry.googleapis.com"
IMAGE: dict[str, Any] = {"path": "app", "tags": ["1.0"], "layers": [{"name": "base"}]}
GUARDED = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: "

SCENARIO = Scenario.model_validate(
    {
        "identities": [
            {"token": OWNER},
            {"member": "user:insider@example.com", "token": INSIDER},
        ],
        "perimeters": [{"name": "vault", "members": ["user:insider@example.com"]}],
        "never_migrated": ["both-wrong"],
        "projects": [
            {"id": "switched-off", "number": "250000000001", "disabled_services": [API]},
            {"id": "penniless", "number": "250000000002", "billing": False},
            {
                "id": "vaulted",
                "number": "250000000003",
                "perimeter": "vault",
                "buckets": [{"name": "artifacts.vaulted.appspot.com"}],
            },
            {"id": "busy", "number": "250000000004", "quota": {"requests_per_minute": 3}},
            {"id": "busy-too", "quota": {"requests_per_minute": 1, "retry_after": True}},
            {"id": "both-wrong", "disabled_services": [API]},
            {"id": "example.com:off", "disabled_services": [API]},
            {"id": "payer", "number": "250000000005"},
        ],
        "repositories": [
            {"project": id_, "location": "us", "id": HOST, "images": [IMAGE]}
            for id_ in ("switched-off", "penniless", "vaulted", "busy", "busy-too", "payer")
        ],
    }
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run one sandbox for what nobody can use up."""
    with running(SCENARIO, tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox whose quotas nobody has touched."""
    with running(SCENARIO, tmp_path_factory.mktemp("sandbox")) as one:
        yield one


def api(
    box: Sandbox,
    path: str,
    *,
    service: str = "artifact_registry",
    token: str = OWNER,
    payer: str = "",
) -> httpx.Response:
    """Call an API, its calls counted to another project if one is named."""
    headers = {"Authorization": f"Bearer {token}"} | (
        {"x-goog-user-project": payer} if payer else {}
    )
    return httpx.get(f"{box.endpoints[service]}{path}", headers=headers)


def repository(project: str) -> str:
    """Return the path of a project's repository in the API."""
    return f"/v1/projects/{project}/locations/us/repositories/{HOST}"


def tags(box: Sandbox, project: str, token: str = OWNER) -> httpx.Response:
    """List tags at the registry; the access token goes straight in."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{box.addresses[HOST]}/v2/{project}/app/tags/list", headers=headers)


def buy(box: Sandbox, project: str, token: str = OWNER) -> httpx.Response:
    """Ask for a registry token."""
    url = f"{box.addresses[HOST]}/v2/token?service={HOST}&scope=repository:{project}/app:pull"
    return httpx.get(url, auth=("oauth2accesstoken", token))


def detail(reply: httpx.Response, kind: str) -> dict[str, Any]:
    """Return the detail of an error by the end of its type."""
    details: list[dict[str, Any]] = reply.json()["error"]["details"]
    return next(one for one in details if one["@type"].endswith(kind))


def first(reply: httpx.Response) -> tuple[str, str]:
    """Return code and message of a registry's error."""
    error = reply.json()["errors"][0]
    return error["code"], error["message"]


@pytest.mark.parametrize(
    ("project", "reason", "words"),
    [
        ("switched-off", "SERVICE_DISABLED", "has not been used in project 250000000001 before"),
        ("penniless", "BILLING_DISABLED", "enable billing on project #250000000002"),
        ("vaulted", "SECURITY_POLICY_VIOLATED", GUARDED),
    ],
)
def test_an_api_says_why_it_is_closed(
    shared: Sandbox, project: str, reason: str, words: str
) -> None:
    """The owner gets 403 with a reason for programs and a sentence for people."""
    reply = api(shared, repository(project))

    assert (reply.status_code, reply.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    info = detail(reply, "ErrorInfo")
    assert (info["reason"], info["domain"]) == (reason, "googleapis.com")
    assert info["metadata"]["service"] == API
    assert info["metadata"]["consumer"] == f"projects/{shared.store.project(project).number}"
    assert words in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("project", "words"),
    [
        ("switched-off", "Artifact Registry API has not been used in project 250000000001"),
        ("penniless", "enable billing on project #250000000002"),
        ("vaulted", GUARDED),
        ("both-wrong", "Artifact Registry API has not been used"),
        ("example.com/off", "Artifact Registry API has not been used"),
    ],
)
def test_a_registry_says_it_with_denied(shared: Sandbox, project: str, words: str) -> None:
    """The same sentence comes from names and the token end-point, before any 412."""
    for reply in (tags(shared, project), buy(shared, project)):
        code, message = first(reply)
        assert (reply.status_code, code) == (403, "DENIED")
        assert words in message


def test_other_projects_and_services_stay_open(shared: Sandbox) -> None:
    """A gate closes for its own project and service alone."""
    assert api(shared, repository("payer")).status_code == 200
    assert tags(shared, "payer").status_code == 200
    for id_ in ("switched-off", "penniless", "vaulted", "example.com%3Aoff"):
        path = f"/v3/projects/{id_}"
        assert api(shared, path, service="resource_manager").status_code == 200


def test_who_shows_no_token_is_sent_for_one_first(shared: Sandbox) -> None:
    """A closed project still answers 401 and the challenge to a request without credentials."""
    name = f"{shared.addresses[HOST]}/v2/switched-off/app/tags/list"

    assert httpx.get(name).headers["www-authenticate"].startswith("Bearer realm=")
    assert api(shared, repository("switched-off"), token=OWNER[:-1]).status_code == 401


def test_a_perimeter_lets_its_members_pass(shared: Sandbox) -> None:
    """Who is named by it comes through to API, registry and bucket; others do not."""
    bucket = "/storage/v1/b/artifacts.vaulted.appspot.com"

    assert api(shared, repository("vaulted"), token=INSIDER).status_code == 200
    assert tags(shared, "vaulted", INSIDER).status_code == 200
    assert api(shared, bucket, service="storage", token=INSIDER).status_code == 200
    outside = api(shared, bucket, service="storage")
    assert detail(outside, "ErrorInfo")["reason"] == "SECURITY_POLICY_VIOLATED"


def test_each_refusal_of_a_perimeter_has_an_id_of_its_own(shared: Sandbox) -> None:
    """The id is in the sentence, in the violation and in the reason."""
    ids = set()
    for _ in range(2):
        reply = api(shared, repository("vaulted"))
        violation = detail(reply, "PreconditionFailure")["violations"][0]
        assert violation["type"] == "VPC_SERVICE_CONTROLS"
        id_ = violation["description"]
        assert reply.json()["error"]["message"] == GUARDED + id_
        assert detail(reply, "ErrorInfo")["metadata"]["uid"] == id_
        assert re.fullmatch(r"[\w-]{20,}", id_)
        ids.add(id_)

    assert len(ids) == 2


def test_calls_are_counted_only_where_one_may(shared: Sandbox) -> None:
    """A quota project that is missing is refused, whatever is asked; one's own is fine."""
    assert api(shared, repository("payer"), payer="busy").status_code == 200
    for service, path in (
        ("artifact_registry", repository("payer")),
        ("resource_manager", "/v3/projects/payer"),
    ):
        reply = api(shared, path, service=service, payer="no-such")
        assert detail(reply, "ErrorInfo")["reason"] == "USER_PROJECT_DENIED"
        assert "serviceusage.serviceUsageConsumer" in reply.json()["error"]["message"]
        assert detail(reply, "ErrorInfo")["metadata"]["consumer"] == "projects/no-such"


def test_a_quota_project_needs_the_service_too(shared: Sandbox) -> None:
    """Calls counted to a project in which the service is disabled are refused in its name."""
    reply = api(shared, repository("payer"), payer="switched-off")

    info = detail(reply, "ErrorInfo")
    assert info["reason"] == "SERVICE_DISABLED"
    assert info["metadata"]["consumer"] == "projects/250000000001"


def test_the_right_to_a_quota_project_comes_from_its_policy(tmp_path: Path) -> None:
    """Who may read a project may not have calls counted to it without the consumer role."""
    member = "user:insider@example.com"
    reader = {"role": "roles/artifactregistry.reader", "members": [member]}
    consumer = {"role": "roles/serviceusage.serviceUsageConsumer", "members": [member]}
    strict = SCENARIO.model_dump()
    strict["identities"][1]["roles"] = ()
    with running(Scenario.model_validate(strict), tmp_path) as box:
        state = box.store.project("payer")
        state.bindings.append(reader)
        before = api(box, repository("payer"), token=INSIDER, payer="payer")
        state.bindings.append(consumer)
        after = api(box, repository("payer"), token=INSIDER, payer="payer")

    assert (before.status_code, after.status_code) == (403, 200)
    assert detail(before, "ErrorInfo")["reason"] == "USER_PROJECT_DENIED"


@pytest.mark.slow
def test_a_location_is_refused_until_its_minute_is_over(fresh: Sandbox) -> None:
    """API and registry share one count; both are refused with 429, other locations are not."""
    served = [api(fresh, repository("busy")).status_code for _ in range(2)]
    served.append(tags(fresh, "busy").status_code)
    rest, registry = api(fresh, repository("busy")), tags(fresh, "busy")
    elsewhere = api(fresh, "/v1/projects/busy/locations/europe/repositories").status_code

    assert served == [200, 200, 200]
    assert (rest.status_code, rest.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    info = detail(rest, "ErrorInfo")
    assert info["reason"] == "RATE_LIMIT_EXCEEDED"
    assert info["metadata"]["quota_limit_value"] == "3"
    assert info["metadata"]["consumer"] == "projects/250000000004"
    wait = float(detail(rest, "RetryInfo")["retryDelay"].removesuffix("s"))
    assert 0 < wait <= 60
    assert (registry.status_code, first(registry)[0]) == (429, "TOOMANYREQUESTS")
    assert "retry-after" not in registry.headers
    assert elsewhere == 200


def test_a_scenario_sets_how_long_a_minute_is(tmp_path: Path) -> None:
    """After a shorter window the location is served again."""
    brief = SCENARIO.model_copy(update={"quota_window": 0.01})
    with running(brief, tmp_path) as box:
        served = []
        for _ in range(3):
            served.append(tags(box, "busy-too").status_code)
            time.sleep(0.02)

    assert served == [200, 200, 200]


def test_a_registry_may_say_when_to_come_back(fresh: Sandbox) -> None:
    """With the scenario's switch the header has whole seconds, never none."""
    tags(fresh, "busy-too")

    assert tags(fresh, "busy-too").headers["retry-after"] in {"59", "60"}


@pytest.mark.parametrize(
    ("state", "reads", "write"),
    [
        ("ENABLED", [200] * 4, 202),
        ("ENABLED_AND_COPYING", [200] * 4, 202),
        ("REDIRECTION_STATE_OF_TOMORROW", [200] * 4, 202),
        ("PARTIAL_AND_COPYING", [412, 412, 412, 200], 412),
        ("DISABLED", [412] * 4, 412),
        ("REDIRECTION_STATE_UNSPECIFIED", [412] * 4, 412),
    ],
)
def test_the_redirect_state_decides_who_answers(
    tmp_path: Path, state: str, reads: list[int], write: int
) -> None:
    """What is left to Container Registry fails: all, or writes and a share of the reads."""
    plain = SCENARIO.model_dump()
    plain["projects"] = [{"id": "payer", "redirect_state": state, "pull_percent": 25}]
    with running(Scenario.model_validate(plain), tmp_path) as box:
        seen = [tags(box, "payer").status_code for _ in range(4)]
        url = f"{box.addresses[HOST]}/v2/payer/app/blobs/uploads/"
        begun = httpx.post(url, headers={"Authorization": f"Bearer {OWNER}"})

    assert (seen, begun.status_code) == (reads, write)


def test_windows_begin_anew_when_they_are_over() -> None:
    """Within one, what is beyond the limit waits for its end; places are counted apart."""
    windows = Windows(60)

    assert [windows.count(("p", "us"), 2) for _ in range(2)] == [0, 0]
    assert 59 < windows.count(("p", "us"), 2) <= 60
    assert windows.count(("p", "europe"), 2) == 0
    over = Windows(0)
    assert [over.count(("p", "us"), 1) for _ in range(3)] == [0, 0, 0]
