"""Policy analysis in the sandbox: which binding gives whom what, and when it is not the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.sandbox.app import Sandbox

BUCKET: Final = "//storage.googleapis.com/us.artifacts.builds.appspot.com"
REPOSITORY: Final = "//artifactregistry.googleapis.com/projects/builds/locations/us/repositories/a"
PROJECT: Final = "//cloudresourcemanager.googleapis.com/projects/builds"
ORGANISATION: Final = "//cloudresourcemanager.googleapis.com/organizations/7"
READ: Final = "storage.objects.get"
PULL: Final = "artifactregistry.repositories.downloadArtifacts"
UNTIL: Final = {
    "title": "until 2098",
    "expression": 'request.time < timestamp("2098-01-01T00:00:00Z")',
}
SCENARIO: Final = Scenario.model_validate(
    {
        "identities": [
            {},
            {"member": "user:asks@example.com", "token": "asks", "roles": []},
            {"member": "user:nobody@example.com", "token": "nobody", "roles": []},
        ],
        "roles": [{"name": "organizations/7/roles/own", "permissions": [READ]}],
        "folders": [
            {
                "name": "organizations/7",
                "bindings": [
                    {"role": "roles/cloudasset.viewer", "members": ["user:asks@example.com"]},
                    {"role": "roles/storage.admin", "members": ["group:admins@example.com"]},
                ],
            }
        ],
        "projects": [
            {
                "id": "builds",
                "number": "42",
                "parent": "organizations/7",
                "bindings": [
                    {"role": "roles/storage.objectViewer", "members": ["user:a@example.com"]},
                    {"role": "roles/viewer", "members": ["user:b@example.com"]},
                ],
                "buckets": [
                    {
                        "name": "us.artifacts.builds.appspot.com",
                        "bindings": [
                            {
                                "role": "roles/storage.objectViewer",
                                "members": ["user:c@example.com"],
                                "condition": UNTIL,
                            },
                            {
                                "role": "organizations/7/roles/own",
                                "members": ["user:d@example.com"],
                            },
                            {
                                "role": "roles/storage.objectCreator",
                                "members": ["user:e@example.com"],
                            },
                        ],
                    }
                ],
            },
            {"id": "alone"},
        ],
        "repositories": [
            {
                "project": "builds",
                "location": "us",
                "id": "a",
                "bindings": [
                    {"role": "roles/artifactregistry.reader", "members": ["user:f@example.com"]}
                ],
            }
        ],
    }
)


@pytest.fixture
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox; each test has a day's quota of its own."""
    with running(SCENARIO, tmp_path_factory.mktemp("box")) as one:
        yield one


def analyse(
    box: Sandbox, scope: str = "organizations/7", who: str = "", **query: Any
) -> httpx.Response:
    """Ask for an analysis, as the owner of everything if nobody is named."""
    selectors = {
        "resource": "resourceSelector.fullResourceName",
        "permissions": "accessSelector.permissions",
        "roles": "accessSelector.roles",
        "identity": "identitySelector.identity",
        "at": "conditionContext.accessTime",
        "groups": "options.expandGroups",
        "expand": "options.expandRoles",
    }
    url = f"{box.addresses['cloud_asset']}/v1/{scope}:analyzeIamPolicy"
    headers = {"Authorization": f"Bearer {who or box.token}"}
    asked = {f"analysisQuery.{selectors[key]}": value for key, value in query.items()}
    return httpx.get(url, headers=headers, params=asked)


def found(reply: httpx.Response) -> dict[str, tuple[str, ...]]:
    """Return by member where he is named, and for what he is."""
    results = reply.json()["mainAnalysis"].get("analysisResults", [])
    return {
        identity["name"]: (
            one["attachedResourceFullName"],
            *(access.get("permission", access.get("role")) for access in acl["accesses"]),
        )
        for one in results
        for acl in one["accessControlLists"]
        for identity in one["identityList"]["identities"]
    }


def test_it_finds_who_may_read_a_bucket(box: Sandbox) -> None:
    """By the bucket's policy, the project's and the organisation's, custom roles too."""
    reply = analyse(box, resource=BUCKET, permissions=READ)

    assert found(reply) == {
        "user:c@example.com": (BUCKET, READ),
        "user:d@example.com": (BUCKET, READ),
        "user:a@example.com": (PROJECT, READ),
        "group:admins@example.com": (ORGANISATION, READ),
    }
    assert reply.json()["fullyExplored"] is True
    assert reply.json()["mainAnalysis"]["fullyExplored"] is True
    first = reply.json()["mainAnalysis"]["analysisResults"][0]
    assert first["iamBinding"]["condition"] == UNTIL
    assert first["accessControlLists"][0]["resources"] == [{"fullResourceName": BUCKET}]


def test_it_sees_no_further_than_its_scope(box: Sandbox) -> None:
    """What is granted above a project is not seen by an analysis of the project."""
    reply = analyse(box, "projects/42", resource=REPOSITORY, permissions=PULL)

    assert found(reply) == {
        "user:f@example.com": (REPOSITORY, PULL),
        "user:b@example.com": (PROJECT, PULL),
    }
    below = analyse(box, "projects/builds", resource=BUCKET, permissions=READ)
    assert PROJECT in {place for place, *_ in found(below).values()}
    assert ORGANISATION not in {place for place, *_ in found(below).values()}
    assert below.json()["fullyExplored"] is True  # of its scope, which is all that it says


def test_one_identity_is_looked_for_everywhere(box: Sandbox) -> None:
    """Without a resource all policies of the scope are; without an access roles are told."""
    reply = analyse(box, identity="user:f@example.com")
    wide = analyse(box, identity="user:e@example.com", expand="true")

    assert found(reply) == {"user:f@example.com": (REPOSITORY, "roles/artifactregistry.reader")}
    assert "storage.objects.create" in found(wide)["user:e@example.com"]
    assert found(analyse(box, roles="roles/viewer")) == {
        "user:b@example.com": (PROJECT, "roles/viewer")
    }


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("", "CONDITIONAL"),
        ("2097-01-01T00:00:00Z", "TRUE"),
        ("2099-01-01T00:00:00Z", "FALSE"),
    ],
)
def test_conditions_are_open_unless_a_time_is_named(box: Sandbox, at: str, expected: str) -> None:
    """A binding with a condition is told with what is known of it."""
    query = {"at": at} if at else {}
    reply = analyse(box, resource=BUCKET, permissions=READ, **query)
    (acl,) = reply.json()["mainAnalysis"]["analysisResults"][0]["accessControlLists"]

    assert acl["conditionEvaluation"] == {"evaluationValue": expected}


def test_what_the_caller_may_not_see_leaves_it_unfinished(box: Sandbox) -> None:
    """A hidden custom role may give anything, groups may be anybody: no word of fully explored."""
    hidden = analyse(box, who="asks", resource=BUCKET, permissions=READ).json()
    groups = analyse(box, resource=BUCKET, permissions=READ, groups="true").json()

    for told in (hidden, groups):
        assert "fullyExplored" not in told
        assert "fullyExplored" not in told["mainAnalysis"]
        (trouble,) = told["mainAnalysis"]["nonCriticalErrors"]
        assert trouble["code"] == "PERMISSION_DENIED"
        unfinished = [
            one["iamBinding"]["members"]
            for one in told["mainAnalysis"]["analysisResults"]
            if "fullyExplored" not in one
        ]
        assert unfinished == [
            ["user:d@example.com"] if told is hidden else ["group:admins@example.com"]
        ]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"permissions": [f"storage.objects.p{n}" for n in range(11)]},
        {"identity": "user:a@example.com", "groups": "true"},
        {"resource": BUCKET, "at": "2020-01-01T00:00:00Z"},
        {"resource": BUCKET, "at": "tomorrow"},
    ],
)
def test_what_cannot_be_asked_is_refused(box: Sandbox, query: dict[str, Any]) -> None:
    """Nothing at all, too much at once, groups of one identity, a time that is over."""
    assert analyse(box, **query).status_code == 400


@pytest.mark.slow
def test_a_stranger_is_denied(box: Sandbox) -> None:
    """Whoever lacks a permission of Cloud Asset learns nothing, and uses up no quota."""
    replies = [analyse(box, who="nobody", resource=BUCKET) for _ in range(21)]

    assert {one.status_code for one in replies} == {403}
    assert analyse(box, resource=BUCKET).status_code == 200


@pytest.mark.slow
def test_an_organisation_has_twenty_a_day(box: Sandbox) -> None:
    """Whatever the scope in it; a project without an organisation is not counted."""
    for _ in range(10):
        assert analyse(box, resource=BUCKET).status_code == 200
        assert analyse(box, "projects/builds", resource=BUCKET).status_code == 200
    refused = analyse(box, resource=BUCKET)

    assert refused.status_code == 429
    assert refused.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert analyse(box, "projects/alone", identity="user:a@example.com").status_code == 200


def test_a_disabled_service_does_not_analyse(box: Sandbox) -> None:
    """As all that is asked of a project."""
    box.store.project("builds").disabled.add("cloudasset.googleapis.com")
    reply = analyse(box, "projects/builds", resource=BUCKET)

    assert reply.status_code == 403
    assert reply.json()["error"]["details"][0]["reason"] == "SERVICE_DISABLED"
