"""Artifact Registry's REST API in the sandbox, beyond what Google's own client asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from tests.sandbox_api import api_of, names, refusal_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from gcr_migrate.sandbox.app import Sandbox

SOURCE = "builds/locations/us/repositories/us.gcr.io"
PACKAGE = f"{SOURCE}/packages/a%2Fb"
NUMBERS = "$alt=json;enum-encoding=int"
STATE = "REDIRECTION_FROM_GCR_IO_"
NEW_STATE = f"{STATE}BY_NEXT_YEAR"
AGENT = "service-42@gcp-sa-artifactregistry.iam.gserviceaccount.com"
READER = "ya29.reader"
_LET_IN = {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{AGENT}"]}
SCENARIO = Scenario.model_validate(
    {
        "identities": [
            {},
            {"member": "user:reader@example.com", "token": READER, "roles": []},
        ],
        "projects": [
            {"id": "builds"},
            {"id": "forward"},
            {"id": "final"},
            {"id": "share", "redirect_state": "DISABLED"},
            {
                "id": "ruled",
                "org_policies": [
                    {
                        "constraint": "constraints/gcp.resourceLocations",
                        "allowed": ["in:eu-locations"],
                    },
                    {
                        "constraint": "constraints/gcp.restrictNonCmekServices",
                        "denied": ["artifactregistry.googleapis.com"],
                    },
                    {
                        "constraint": "constraints/iam.allowedPolicyMemberDomains",
                        "allowed": ["C01"],
                    },
                ],
            },
            {"id": "partial", "redirect_state": "PARTIAL", "pull_percent": 30},
            {"id": "next-year", "redirect_state": NEW_STATE},
            {
                "id": "locked-out",
                "number": "42",
                "redirect_state": "DISABLED",
                "buckets": [{"name": "us.artifacts.locked-out.appspot.com"}],
            },
            {
                "id": "let-in",
                "number": "42",
                "redirect_state": "DISABLED",
                "buckets": [{"name": "us.artifacts.let-in.appspot.com", "bindings": [_LET_IN]}],
            },
        ],
        "repositories": [
            {"project": "ruled", "location": "europe", "id": "there"},
            {
                "project": "builds",
                "location": "us",
                "id": "us.gcr.io",
                "bindings": [
                    {
                        "role": "roles/artifactregistry.reader",
                        "members": ["user:reader@example.com"],
                    }
                ],
                "images": [{"path": "a/b", "tags": ["one"], "layers": [{"name": "one"}]}],
            },
        ],
    }
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run the scenario; what a test changes, no other test reads."""
    with running(SCENARIO, tmp_path_factory.mktemp("box")) as one:
        yield one


@pytest.fixture(scope="module")
def api(box: Sandbox) -> Iterator[httpx.Client]:
    """Return a client with the owner's access token; paths begin with a project's id."""
    with api_of(box) as one:
        yield one


@pytest.mark.parametrize("mask", ["legacyRedirectionState", "legacy_redirection_state"])
def test_a_redirect_is_set_by_word_or_number(api: httpx.Client, mask: str) -> None:
    """Either spelling of the mask sets the state, which comes as its word or its number."""
    found = []
    for state in (f"{STATE}DISABLED", 2):
        url = f"forward/projectSettings?updateMask={mask}"
        api.patch(url, json={"legacyRedirectionState": state}).raise_for_status()
        found.append(api.get("forward/projectSettings").json()["legacyRedirectionState"])

    assert found == [f"{STATE}DISABLED", f"{STATE}ENABLED"]


def test_what_is_finalized_cannot_go_back(api: httpx.Client) -> None:
    """The state before the last is refused, and the last one stays."""
    url = "final/projectSettings?updateMask=legacyRedirectionState"

    api.patch(url, json={"legacyRedirectionState": 3}).raise_for_status()
    back = api.patch(url, json={"legacyRedirectionState": f"{STATE}ENABLED"})

    assert refusal_in(back) == (400, "FAILED_PRECONDITION")
    assert api.get(url).json()["legacyRedirectionState"] == f"{STATE}FINALIZED"


def test_a_share_of_reads_comes_beside_the_state(api: httpx.Client) -> None:
    """The share need not be in the mask, as gcloud sends it; more than all is refused."""
    url = "share/projectSettings?updateMask=legacy_redirection_state"
    body = {"legacyRedirectionState": f"{STATE}PARTIAL_AND_COPYING", "pullPercent": 30}

    assert api.patch(url, json=body).json()["pullPercent"] == 30
    wrong = api.patch(url, json=body | {"pullPercent": 101})
    assert refusal_in(wrong) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("project", "word", "number"),
    [
        ("partial", f"{STATE}PARTIAL", 4),
        ("next-year", NEW_STATE, 99),
        ("builds", f"{STATE}ENABLED", 2),
    ],
)
def test_states_that_clients_may_not_know_are_told(
    api: httpx.Client, project: str, word: str, number: int
) -> None:
    """PARTIAL, and a word of the future, come as they are, or as numbers to who wants these."""
    url = f"{project}/projectSettings"

    assert api.get(url).json()["legacyRedirectionState"] == word
    assert api.get(f"{url}?{NUMBERS}").json()["legacyRedirectionState"] == number


def test_a_redirect_that_copies_needs_buckets_that_the_service_reads(api: httpx.Client) -> None:
    """The refusal names the service's account; where that is let in, the state is set."""
    body = {"legacyRedirectionState": f"{STATE}ENABLED_AND_COPYING"}
    mask = "updateMask=legacyRedirectionState"

    refused = api.patch(f"locked-out/projectSettings?{mask}", json=body)
    done = api.patch(f"let-in/projectSettings?{mask}", json=body)

    assert refusal_in(refused) == (403, "PERMISSION_DENIED")
    assert f"requires {AGENT} to have storage.objects." in refused.json()["error"]["message"]
    assert done.json()["legacyRedirectionState"] == body["legacyRedirectionState"]


CONDITION = {"title": "only now", "expression": "request.time < timestamp('2027-01-01T00:00:00Z')"}
BINDING = {"role": "roles/artifactregistry.reader", "members": ["user:a@example.com"]}


def _make(api: httpx.Client, id_: str, **more: Any) -> str:
    """Create a repository, wait for it, and return its path."""
    url = f"builds/locations/us/repositories?repositoryId={id_}"
    operation = api.post(url, json={"format": "DOCKER", **more}).json()
    while not operation.get("done"):
        operation = api.get(operation["name"].removeprefix("projects/")).json()
    return f"builds/locations/us/repositories/{id_}"


def test_conditions_are_shown_to_version_3_only(api: httpx.Client) -> None:
    """Any lower version gets the role under another name, which cannot be written back."""
    name = _make(api, "conditions")
    policy = {"version": 3, "bindings": [BINDING | {"condition": CONDITION}]}
    api.post(f"{name}:setIamPolicy", json={"policy": policy}).raise_for_status()

    whole = api.get(f"{name}:getIamPolicy?options.requestedPolicyVersion=3").json()
    part = api.get(f"{name}:getIamPolicy").json()
    back = api.post(f"{name}:setIamPolicy", json={"policy": part})

    assert (whole["version"], whole["bindings"]) == (3, policy["bindings"])
    assert part["version"] == 1
    assert "condition" not in part["bindings"][0]
    assert part["bindings"][0]["role"].startswith(f"{BINDING['role']}_withcond_")
    assert refusal_in(back) == (400, "FAILED_PRECONDITION")
    odd = api.get(f"{name}:getIamPolicy?options.requestedPolicyVersion=2")
    assert refusal_in(odd) == (400, "INVALID_ARGUMENT")


def test_a_condition_is_lost_when_no_version_3_is_said(api: httpx.Client) -> None:
    """A policy that is written without its version keeps the grant and drops the condition."""
    name = _make(api, "lost-condition")
    policy = {"bindings": [BINDING | {"condition": CONDITION}]}

    api.post(f"{name}:setIamPolicy", json={"policy": policy}).raise_for_status()

    found = api.get(f"{name}:getIamPolicy?options.requestedPolicyVersion=3").json()
    assert (found["version"], found["bindings"]) == (1, [BINDING])


@pytest.mark.parametrize(
    ("role", "member"), [("reader", "user:a@example.com"), ("roles/viewer", "a@example.com")]
)
def test_a_policy_with_odd_words_is_refused(api: httpx.Client, role: str, member: str) -> None:
    """A role that is none, and a member without its kind, are refused, and nothing is written."""
    policy = {"bindings": [{"role": role, "members": [member]}]}

    reply = api.post(f"{SOURCE}:setIamPolicy", json={"policy": policy})

    assert reply.status_code == 400
    assert len(api.get(f"{SOURCE}:getIamPolicy").json()["bindings"]) == 1


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(api: httpx.Client, content: bytes) -> None:
    """What is not a JSON object changes nothing."""
    reply = api.post(f"{SOURCE}:setIamPolicy", content=content)

    assert refusal_in(reply) == (400, "INVALID_ARGUMENT")


def test_nobody_lets_everybody_in_where_customers_are_named(api: httpx.Client) -> None:
    """With the constraint on members, a policy for everybody is refused; one for a user is not."""
    name = "ruled/locations/europe/repositories/there:setIamPolicy"
    policy = {"bindings": [BINDING | {"members": ["allUsers"]}]}

    refused = api.post(name, json={"policy": policy})
    done = api.post(name, json={"policy": {"bindings": [BINDING]}})

    assert refusal_in(refused) == (400, "FAILED_PRECONDITION")
    assert done.json()["bindings"] == [BINDING]


@pytest.mark.parametrize(
    ("id_", "body"),
    [
        ("a", {}),
        ("b", {"format": "DOKCER"}),
        ("c", {"format": 77}),
        ("d", {"format": "DOCKER", "colour": "red"}),
        ("e", {"format": "DOCKER", "labels": {"Team": "a"}}),
        ("us.gcr.io", {"format": "MAVEN"}),
    ],
)
def test_a_repository_that_cannot_be_is_refused(
    api: httpx.Client, id_: str, body: dict[str, Any]
) -> None:
    """Formats, fields and labels that are none; a gcr.io name is for Docker images only."""
    reply = api.post(f"share/locations/us/repositories?repositoryId={id_}", json=body)

    assert refusal_in(reply) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("location", "key", "constraint"),
    [
        ("us", "k", "gcp.resourceLocations"),
        ("europe", "", "gcp.restrictNonCmekServices"),
        ("europe-west1", "k", ""),
    ],
)
def test_rules_of_the_organisation_bind(
    api: httpx.Client, location: str, key: str, constraint: str
) -> None:
    """A place that is not allowed, or no key where one is due, is refused with the constraint."""
    url = f"ruled/locations/{location}/repositories?repositoryId=new"

    reply = api.post(url, json={"format": "DOCKER", "kmsKeyName": key}).json()

    details = reply.get("error", {}).get("details", [])
    named = [one["metadata"]["constraint"] for one in details]
    assert named == ([f"constraints/{constraint}"] if constraint else [])
    assert ("name" in reply) == (not constraint)


def test_several_repositories_are_created_at_once(api: httpx.Client) -> None:
    """Operations are polled apart, by names of their own, and end with numbers for who asked."""
    url = "forward/locations/us/repositories?repositoryId="
    started = [api.post(f"{url}{id_}", json={"format": 1}).json() for id_ in ("one", "two")]
    ends = []
    for operation in started:
        name = operation["name"].removeprefix("projects/")
        first, second = (api.get(f"{name}?{NUMBERS}").json() for _ in range(2))
        ends.append((first.get("done", False), second["response"]["format"]))

    assert started[0]["name"] != started[1]["name"]
    assert ends == [(False, 1), (False, 1)]
    found = api.get("forward/locations/us/repositories").json()
    assert names(found, "repositories") == ["one", "two"]
    assert [one["format"] for one in found["repositories"]] == ["DOCKER", "DOCKER"]


def test_a_mode_that_is_not_stated_is_the_standard_one(api: httpx.Client) -> None:
    """As gcloud sends it: a word that says nothing."""
    name = _make(api, "unstated", mode="MODE_UNSPECIFIED")

    assert api.get(name).json()["mode"] == "STANDARD_REPOSITORY"


def test_a_repository_is_changed_by_its_mask(api: httpx.Client) -> None:
    """What the mask names is set, or unset where it was not sent; what is fixed stays."""
    name = _make(api, "changing", labels={"a": "b"}, description="old")
    body = {"dockerConfig": {"immutableTags": True}, "description": "new"}

    changed = api.patch(f"{name}?updateMask=docker_config.immutable_tags,labels", json=body).json()
    fixed = api.patch(f"{name}?updateMask=format", json={"format": "MAVEN"})

    assert changed["dockerConfig"] == {"immutableTags": True}
    assert (changed["description"], "labels" in changed) == ("old", False)
    assert changed["updateTime"] >= changed["createTime"]
    assert refusal_in(fixed) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("method", "url", "permission"),
    [
        ("POST", "builds/locations/us/repositories?repositoryId=x", "repositories.create"),
        ("GET", "builds/locations/us/repositories", "repositories.list"),
        ("GET", f"{SOURCE}:getIamPolicy", "repositories.getIamPolicy"),
        ("PATCH", f"{SOURCE}?updateMask=labels", "repositories.update"),
        ("POST", f"{PACKAGE}/tags?tagId=x", "tags.create"),
        ("GET", "builds/locations/us/repositories/nothing", "repositories.get"),
        ("GET", "builds/projectSettings", "projectsettings.get"),
        ("GET", "builds/locations/us/vpcscConfig", "vpcscconfigs.get"),
        ("GET", "builds/locations", "locations.list"),
    ],
)
def test_a_refusal_names_the_permission(
    api: httpx.Client, method: str, url: str, permission: str
) -> None:
    """Who may read one repository may do nothing else, and is told what he lacks."""
    reply = api.request(method, url, json={}, headers={"Authorization": f"Bearer {READER}"})

    assert refusal_in(reply) == (403, "PERMISSION_DENIED")
    info = reply.json()["error"]["details"][0]
    assert info["metadata"]["permission"] == f"artifactregistry.{permission}"


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("DELETE", SOURCE),
        ("DELETE", f"{PACKAGE}/tags/one"),
        ("GET", f"{SOURCE}/rules"),
        ("GET", f"{SOURCE}/packages/a%2Fb/tags/one/more"),
        ("POST", f"{SOURCE}:copy"),
        ("GET", "builds/locations/us/operations"),
        ("POST", "builds/projectSettings"),
        ("GET", "builds//us"),
        ("GET", ""),
    ],
)
def test_calls_that_there_are_not_are_unknown(api: httpx.Client, method: str, url: str) -> None:
    """Nothing can be deleted here, and no path leads where the API has none."""
    assert refusal_in(api.request(method, url)) == (404, "NOT_FOUND")
