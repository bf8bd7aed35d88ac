"""Who has access to a sandbox's buckets and projects, as it tells and holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.sandbox.app import Sandbox

PEOPLE: Final = ("admin", "owner", "viewer", "friend", "late", "maker", "reviewer")
LISTED, PLAIN, SHUT = "listed", "plain", "shut"
OBJECTS: Final = {"a/one": "1", "a/two": "2", "b/three": "3"}
UNTIL: Final = 'request.time < timestamp("{}-12-31T00:00:00Z")'


def _binding(role: str, *members: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "members": [*members], **more}


def _until(year: int) -> dict[str, Any]:
    return {"condition": {"title": "until", "expression": UNTIL.format(year)}}


SCENARIO: Final = Scenario.model_validate(
    {
        "identities": [
            {"member": f"user:{one}@example.com", "token": one, "roles": []} for one in PEOPLE
        ],
        "roles": [
            {"name": "projects/builds/roles/reads", "permissions": ["storage.objects.get"]},
            {
                "name": "organizations/7/roles/gone",
                "permissions": ["storage.objects.get"],
                "deleted": True,
            },
        ],
        "folders": [
            {
                "name": "organizations/7",
                "bindings": [
                    _binding("roles/storage.admin", "user:admin@example.com"),
                    _binding("roles/iam.securityReviewer", "user:reviewer@example.com"),
                ],
            },
            {"name": "folders/70", "parent": "organizations/7"},
        ],
        "projects": [
            {
                "id": "builds",
                "number": "42",
                "parent": "folders/70",
                "bindings": [
                    _binding("roles/owner", "user:owner@example.com"),
                    _binding("roles/viewer", "user:viewer@example.com"),
                    _binding("projects/builds/roles/reads", "user:maker@example.com"),
                ],
                "buckets": [
                    {
                        "name": LISTED,
                        "uniform": False,
                        "objects": OBJECTS,
                        "object_lists": {
                            "b/": [
                                {"entity": "user-friend@example.com", "role": "READER"},
                                {"entity": "domain-example.org", "role": "READER"},
                                {"entity": "allUsers", "role": "READER"},
                            ]
                        },
                    },
                    {
                        "name": PLAIN,
                        "objects": OBJECTS,
                        "bindings": [
                            _binding(
                                "roles/storage.objectViewer",
                                "user:friend@example.com",
                                **_until(2099),
                            ),
                            _binding(
                                "roles/storage.objectViewer",
                                "user:late@example.com",
                                **_until(2024),
                            ),
                            _binding("organizations/7/roles/gone", "user:viewer@example.com"),
                            _binding("roles/storage.legacyBucketReader", "group:g@example.com"),
                        ],
                    },
                    {
                        "name": SHUT,
                        "uniform": False,
                        "never_public": True,
                        "objects": OBJECTS,
                        "bindings": [_binding("roles/storage.objectViewer", "allUsers")],
                        "object_lists": {"": [{"entity": "allUsers", "role": "READER"}]},
                    },
                ],
            }
        ],
    }
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox that no test changes."""
    with running(SCENARIO, tmp_path_factory.mktemp("box")) as one:
        yield one


@pytest.fixture
def own_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox for a single test."""
    with running(SCENARIO, tmp_path_factory.mktemp("box")) as one:
        yield one


def ask(
    box: Sandbox, who: str, path: str, *, service: str = "storage", body: Any = None, **query: Any
) -> httpx.Response:
    """Call a service as somebody, or as nobody; PUT where there is a body."""
    url, method = f"{box.addresses[service]}{path}", "GET" if body is None else "PUT"
    headers = {"Authorization": f"Bearer {who}"} if who else {}
    return httpx.request(method, url, headers=headers, json=body, params=query)


def reads(box: Sandbox, who: str, bucket: str, name: str) -> bool:
    """Whether somebody gets the bytes of an object."""
    path = f"/storage/v1/b/{bucket}/o/{name.replace('/', '%2F')}"
    return ask(box, who, path, alt="media").text == OBJECTS[name]


def entities(items: list[dict[str, Any]]) -> dict[str, str]:
    """Return the role of each entity in an access list."""
    return {one["entity"]: one["role"] for one in items}


NEW_OBJECT: Final = {
    "project-owners-42": "OWNER",
    "project-editors-42": "OWNER",
    "project-viewers-42": "READER",
}


def test_a_bucket_with_lists_tells_them(box: Sandbox) -> None:
    """Legacy roles of its policy are its own list; its objects have the one of their beginning."""
    path = f"/storage/v1/b/{LISTED}"
    acl = entities(ask(box, "admin", f"{path}/acl").json()["items"])
    new = entities(ask(box, "admin", f"{path}/defaultObjectAcl").json()["items"])
    whole = ask(box, "admin", path, projection="full").json()
    own = ask(box, "admin", f"{path}/o/b%2Fthree/acl").json()["items"]

    assert acl == NEW_OBJECT
    assert new == NEW_OBJECT
    assert (entities(whole["acl"]), entities(whole["defaultObjectAcl"])) == (acl, new)
    assert own[0]["email"] == "friend@example.com"
    assert (own[1]["domain"], own[2]["entity"]) == ("example.org", "allUsers")
    team = ask(box, "admin", f"{path}/o/a%2Fone/acl").json()["items"][0]["projectTeam"]
    assert team == {"projectNumber": "42", "team": "owners"}


@pytest.mark.parametrize("path", ["acl", "defaultObjectAcl", "o/a%2Fone/acl"])
def test_where_the_policy_decides_there_are_no_lists(box: Sandbox, path: str) -> None:
    """All three calls are refused, and a listing has no lists in it."""
    reply = ask(box, "admin", f"/storage/v1/b/{PLAIN}/{path}")
    listing = ask(box, "admin", f"/storage/v1/b/{PLAIN}/o", projection="full").json()

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("Cannot get legacy ACL")
    assert not any("acl" in one for one in listing["items"])


def test_a_listing_has_the_lists_of_all_objects(box: Sandbox) -> None:
    """One request for a page of them; whoever may list alone is not shown who may read."""
    path, fields = f"/storage/v1/b/{LISTED}/o", "items(name,acl(entity,role)),nextPageToken"
    told = ask(box, "admin", path, projection="full", fields=fields).json()

    assert set(told) == {"items"}
    assert {one["name"]: set(one) for one in told["items"]} == {
        name: {"name", "acl"} for name in OBJECTS
    }
    assert [len(one["acl"]) for one in told["items"]] == [3, 3, 3]
    assert ask(box, "viewer", path, projection="full").status_code == 403
    assert ask(box, "viewer", path).status_code == 200
    assert ask(box, "admin", path, fields="items(").status_code == 400


@pytest.mark.parametrize(
    ("who", "bucket", "name", "expected"),
    [
        ("viewer", LISTED, "a/one", True),  # as a viewer of the project, by the new object's list
        ("friend", LISTED, "a/one", False),
        ("friend", LISTED, "b/three", True),
        ("viewer", LISTED, "b/three", True),  # as anybody
        ("", LISTED, "b/three", True),
        ("", LISTED, "a/one", False),
        ("friend", PLAIN, "a/one", True),
        ("late", PLAIN, "a/one", False),  # its time is over
        ("maker", PLAIN, "a/one", True),  # by a custom role
        ("viewer", PLAIN, "a/one", False),  # by one that was deleted
        ("", SHUT, "a/one", False),  # nobody is let in as anybody, whatever policy and list say
        ("friend", SHUT, "a/one", False),
        ("maker", SHUT, "a/one", True),
    ],
)
def test_rights_are_held_as_they_are_told(
    box: Sandbox,
    who: str,
    bucket: str,
    name: str,
    expected: bool,  # noqa: FBT001  # an example
) -> None:
    """Lists of objects, conditions, custom roles and the prevention of public access count."""
    assert reads(box, who, bucket, name) is expected


def test_a_bucket_tells_whether_it_can_be_public(box: Sandbox) -> None:
    """As a setting beside the one that tells whether its policy alone decides."""
    told = {
        name: ask(box, "admin", f"/storage/v1/b/{name}", fields="iamConfiguration").json()
        for name in (LISTED, SHUT)
    }
    words = {name: one["iamConfiguration"]["publicAccessPrevention"] for name, one in told.items()}
    assert words == {LISTED: "inherited", SHUT: "enforced"}


@pytest.mark.slow
def test_a_buckets_policy_is_replaced_as_it_was_read(own_box: Sandbox) -> None:
    """With the etag that was read, by who may; the conditions of version 3 stay."""
    path = f"/storage/v1/b/{PLAIN}/iam"
    read = ask(own_box, "admin", path, optionsRequestedPolicyVersion=3).json()
    more = _binding("roles/storage.objectViewer", "user:viewer@example.com")
    body = read | {"bindings": [*read["bindings"], more]}

    assert ask(own_box, "reviewer", path, body=body).status_code == 403
    written = ask(own_box, "admin", path, body=body)
    assert written.json()["bindings"] == body["bindings"]
    assert reads(own_box, "viewer", PLAIN, "a/one")
    assert ask(own_box, "admin", path, body=body).status_code == 412  # by an etag of before


def test_nobody_makes_public_what_must_not_be(own_box: Sandbox) -> None:
    """Neither where the bucket prevents it nor where the organisation does."""
    everybody = {"bindings": [_binding("roles/storage.objectViewer", "allUsers")]}
    own_box.store.project("builds").org_policies = {
        "storage.publicAccessPrevention": {"enforce": True}
    }
    for bucket in (SHUT, PLAIN):
        reply = ask(own_box, "admin", f"/storage/v1/b/{bucket}/iam", body=everybody)
        assert reply.status_code == 412
        assert "public access prevention" in reply.json()["error"]["message"]
    assert not reads(own_box, "", LISTED, "b/three")


def test_custom_roles_are_for_who_may_see_them(box: Sandbox) -> None:
    """Those of the project and those of its organisation; what is deleted says so."""
    own, above = "/v1/projects/builds/roles/reads", "/v1/organizations/7/roles/gone"
    told = ask(box, "reviewer", own, service="iam").json()

    assert told["includedPermissions"] == ["storage.objects.get"]
    assert ask(box, "reviewer", above, service="iam").json()["deleted"] is True
    assert ask(box, "viewer", own, service="iam").status_code == 200
    assert ask(box, "viewer", above, service="iam").status_code == 403
    assert ask(box, "maker", own, service="iam").status_code == 403
    assert ask(box, "reviewer", f"{own}Not", service="iam").status_code == 404


@pytest.mark.parametrize("path", ["v1/organizations/7", "v3/organizations/7", "v2/folders/70"])
def test_policies_above_are_for_reviewers(box: Sandbox, path: str) -> None:
    """Of an organisation by both versions, and of a folder by the one that gcloud uses."""
    url = f"{box.addresses['resource_manager']}/{path}:getIamPolicy"
    told = {
        who: httpx.post(url, headers={"Authorization": f"Bearer {who}"}, json={}).status_code
        for who in ("reviewer", "viewer")
    }
    assert told == {"reviewer": 200, "viewer": 403}
