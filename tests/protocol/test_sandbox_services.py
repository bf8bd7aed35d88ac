"""The sandbox's services around Artifact Registry, as plain clients and Google's own see them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import google_crc32c
import httpx
import pytest
from google.api_core.exceptions import Forbidden, NotFound
from google.cloud import storage
from google.oauth2.credentials import Credentials

from gcr_migrate.model.content import Digest
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.checksums import crc32c
from gcr_migrate.sandbox.permissions import ROLES, held
from gcr_migrate.sandbox.scenarios import Scenario
from gcr_migrate.sandbox.store import Store
from gcr_migrate.sandbox.tokens import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox

VIEWER = "ya29.sandbox-viewer"
STRANGER = "ya29.sandbox-stranger"
BUCKET = "us.artifacts.builds.appspot.com"
READ = "artifactregistry.repositories.downloadArtifacts"
POLICY = "artifactregistry.repositories.setIamPolicy"
CONSTRAINT = "gcp.resourceLocations"

SCENARIO = Scenario.model_validate(
    {
        "identities": [
            {},
            {"member": "user:viewer@example.com", "token": VIEWER, "roles": []},
            {"member": "user:stranger@example.com", "token": STRANGER, "roles": []},
        ],
        "folders": [
            {"name": "folders/7", "parent": "organizations/42"},
            {
                "name": "organizations/42",
                "bindings": [{"role": "roles/browser", "members": ["user:viewer@example.com"]}],
            },
        ],
        "projects": [
            {
                "id": "builds",
                "number": "200000000001",
                "parent": "folders/7",
                "bindings": [
                    {"role": "roles/viewer", "members": ["user:viewer@example.com"]},
                ],
                "disabled_services": ["cloudasset.googleapis.com"],
                "redirect_state": "PARTIAL",
                "pull_percent": 30,
                "org_policies": [
                    {"constraint": f"constraints/{CONSTRAINT}", "allowed": ["in:eu-locations"]},
                ],
                "subscriptions": {"scanner": {"pushConfig": {"pushEndpoint": "https://x.example"}}},
                "buckets": [
                    {
                        "name": BUCKET,
                        "location": "us",
                        "images": [
                            {"path": "app", "layers": [{"name": "base", "size": 70_000}]},
                        ],
                        "objects": {"notes/readme.txt": "left over", "notes/b.txt": "b"},
                    },
                    {"name": "hidden-bucket", "bindings": [], "uniform": False},
                ],
            },
            {"id": "example.com:scoped", "number": "200000000002"},
            {"id": "archive", "number": "200000000003"},
        ],
        "repositories": [{"project": "named-only", "location": "us", "id": "app"}],
    }
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox whose scenario tells of projects, folders and buckets."""
    with running(SCENARIO, tmp_path_factory.mktemp("sandbox")) as one:
        yield one


def ask(
    box: Sandbox, service: str, path: str, *, token: str = "", body: dict[str, Any] | None = None
) -> httpx.Response:
    """Call a service; POST where there is a body, and as the owner without another token."""
    headers = {"Authorization": f"Bearer {token or box.token}"}
    url, method = f"{box.endpoints[service]}{path}", "GET" if body is None else "POST"
    return httpx.request(method, url, headers=headers, json=body)


def client(box: Sandbox, token: str = "") -> storage.Client:
    """Return Google's own client of Cloud Storage."""
    options = {"api_endpoint": box.endpoints["storage"]}
    credentials = Credentials(token or box.token)  # type: ignore[no-untyped-call]
    return storage.Client("builds", credentials, client_options=options)


def test_projects_are_told_in_both_versions(box: Sandbox) -> None:
    """Version 1 has a number of its own and a parent in parts, version 3 names by the number."""
    first = ask(box, "resource_manager", "/v1/projects/builds").json()
    third = ask(box, "resource_manager", "/v3/projects/builds").json()

    assert first["projectNumber"] == "200000000001"
    assert first["parent"] == {"type": "folder", "id": "7"}
    assert first["lifecycleState"] == "ACTIVE"
    assert third["name"] == "projects/200000000001"
    assert (third["projectId"], third["parent"], third["state"]) == (
        "builds",
        "folders/7",
        "ACTIVE",
    )


@pytest.mark.parametrize("id_", ["example.com:scoped", "example.com%3Ascoped", "200000000002"])
def test_a_project_has_three_names(box: Sandbox, id_: str) -> None:
    """A domain-scoped project is found by its id, encoded or not, and by its number."""
    reply = ask(box, "resource_manager", f"/v3/projects/{id_}")
    tested = ask(
        box,
        "resource_manager",
        f"/v3/projects/{id_}:testIamPermissions",
        body={"permissions": [POLICY]},
    )

    assert reply.json()["projectId"] == "example.com:scoped"
    assert tested.json() == {"permissions": [POLICY]}


def test_projects_that_only_repositories_name_exist(box: Sandbox) -> None:
    """Their numbers follow from their ids."""
    first = ask(box, "resource_manager", "/v1/projects/named-only").json()

    assert first["projectNumber"].isdigit()
    assert len(first["projectNumber"]) == 12
    assert first["projectNumber"] != "200000000001"


@pytest.mark.parametrize("call", ["", ":getIamPolicy", ":testIamPermissions"])
def test_a_missing_project_is_denied(box: Sandbox, call: str) -> None:
    """Even the owner of everything cannot tell it from one that is hidden."""
    body = {"permissions": [READ]} if call else None
    missing = ask(box, "resource_manager", f"/v3/projects/no-such{call}", body=body)

    assert missing.json()["error"]["status"] == "PERMISSION_DENIED"


def test_a_stranger_is_denied_and_holds_nothing(box: Sandbox) -> None:
    """Facts and policy are denied; what he may do is answered: nothing."""
    path = "/v1/projects/builds"
    facts = ask(box, "resource_manager", path, token=STRANGER)
    policy = ask(box, "resource_manager", f"{path}:getIamPolicy", token=STRANGER, body={})
    tested = ask(
        box,
        "resource_manager",
        f"{path}:testIamPermissions",
        token=STRANGER,
        body={"permissions": [READ]},
    )

    assert (facts.status_code, policy.status_code) == (403, 403)
    assert (tested.status_code, tested.json()) == (200, {})


def test_rights_follow_the_policy_of_the_project(box: Sandbox) -> None:
    """A viewer of the project pulls, and does not set policies."""
    body = {"permissions": [READ, POLICY]}
    url = "/v3/projects/builds:testIamPermissions"

    assert ask(box, "resource_manager", url, token=VIEWER, body=body).json() == {
        "permissions": [READ]
    }
    other = ask(box, "resource_manager", url.replace("builds", "archive"), token=VIEWER, body=body)
    assert other.json() == {}


def test_policies_of_folders_are_inherited(box: Sandbox) -> None:
    """Who browses the organisation sees the policy of a project in a folder of it."""
    policy = ask(
        box, "resource_manager", "/v3/projects/builds:getIamPolicy", token=VIEWER, body={}
    ).json()
    folder = ask(box, "resource_manager", "/v3/folders/7", token=VIEWER).json()

    assert policy["bindings"][0]["role"] == "roles/viewer"
    assert folder["parent"] == "organizations/42"
    denied = ask(box, "resource_manager", "/v3/organizations/42", token=STRANGER)
    assert denied.status_code == 403


def test_a_projects_policy_is_replaced_only_with_its_etag(box: Sandbox) -> None:
    """What is granted counts at once; a stale etag answers 409 ABORTED, a viewer is denied."""
    url = "/v1/projects/archive"
    policy = ask(box, "resource_manager", f"{url}:getIamPolicy", body={}).json()
    grant = {"role": "roles/artifactregistry.reader", "members": ["user:viewer@example.com"]}
    wanted = {"policy": policy | {"bindings": [grant]}}
    asked = {"permissions": [READ]}

    denied = ask(box, "resource_manager", f"{url}:setIamPolicy", token=VIEWER, body=wanted)
    first = ask(box, "resource_manager", f"{url}:setIamPolicy", body=wanted)
    second = ask(box, "resource_manager", f"{url}:setIamPolicy", body=wanted)
    held = ask(box, "resource_manager", f"{url}:testIamPermissions", token=VIEWER, body=asked)
    ask(box, "resource_manager", f"{url}:setIamPolicy", body={"policy": {"bindings": []}})

    assert (denied.status_code, first.json()["bindings"]) == (403, [grant])
    assert (second.status_code, second.json()["error"]["status"]) == (409, "ABORTED")
    assert held.json() == asked


def test_ancestry_goes_bottom_up(box: Sandbox) -> None:
    """The project comes first, its organisation last."""
    reply = ask(box, "resource_manager", "/v1/projects/builds:getAncestry", body={}).json()

    types = [one["resourceId"]["type"] for one in reply["ancestor"]]
    assert types == ["project", "folder", "organization"]


def test_projects_are_listed_for_who_may_see_them(box: Sandbox) -> None:
    """A viewer of one project gets that one alone."""
    reply = ask(box, "resource_manager", "/v1/projects", token=VIEWER).json()

    assert [one["projectId"] for one in reply["projects"]] == ["builds"]


def test_services_are_enabled_or_not(box: Sandbox) -> None:
    """One by one or in a batch, named by the project's number."""
    names = [f"projects/builds/services/{one}.googleapis.com" for one in ("cloudasset", "storage")]
    path = f"/v1/projects/builds/services:batchGet?names={names[0]}&names={names[1]}"
    batch = ask(box, "service_usage", path).json()["services"]
    single = ask(box, "service_usage", f"/v1/{names[0]}").json()
    assert [one["state"] for one in batch] == ["DISABLED", "ENABLED"]
    listed = ask(box, "service_usage", "/v1/projects/builds/services?filter=state:ENABLED").json()

    assert batch[0] == single
    shown = {one["config"]["name"] for one in listed["services"]}
    assert "storage.googleapis.com" in shown
    assert "cloudasset.googleapis.com" not in shown
    assert single["name"] == "projects/200000000001/services/cloudasset.googleapis.com"


@pytest.mark.parametrize("names", ["", "names=projects/archive/services/storage.googleapis.com"])
def test_a_batch_is_of_one_project(box: Sandbox, names: str) -> None:
    """No names, or those of another project, are a wrong argument."""
    reply = ask(box, "service_usage", f"/v1/projects/builds/services:batchGet?{names}")

    assert reply.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_a_service_can_be_enabled(box: Sandbox) -> None:
    """It needs the right to, and is done at once."""
    path = "/v1/projects/archive/services/pubsub.googleapis.com"
    box.store.project("archive").disabled.add("pubsub.googleapis.com")

    refused = ask(box, "service_usage", f"{path}:enable", token=VIEWER, body={})
    done = ask(box, "service_usage", f"{path}:enable", body={})

    assert (refused.status_code, done.json()["done"]) == (403, True)
    assert ask(box, "service_usage", path).json()["state"] == "ENABLED"


def test_effective_organisation_policies_are_told(box: Sandbox) -> None:
    """A list of values where one is set, else that everything is allowed; not to everybody."""
    path = f"/v2/projects/builds/policies/{CONSTRAINT}:getEffectivePolicy"
    rules = ask(box, "org_policy", path).json()["spec"]["rules"]
    other = ask(box, "org_policy", path.replace("builds", "archive")).json()["spec"]["rules"]

    assert rules == [{"values": {"allowedValues": ["in:eu-locations"]}}]
    assert other == [{"allowAll": True}]
    assert ask(box, "org_policy", path, token=VIEWER).status_code == 403


def test_roles_are_told_as_rights_are_computed(box: Sandbox) -> None:
    """The permissions of a role are those of the table; an unknown role is not there."""
    role = ask(box, "iam", "/v1/roles/artifactregistry.reader", token=STRANGER).json()

    assert set(role["includedPermissions"]) == ROLES["roles/artifactregistry.reader"]
    assert role["stage"] == "GA"
    assert ask(box, "iam", "/v1/roles/no.such").status_code == 404
    assert ask(box, "iam", "/v1/projects/builds/roles/custom").status_code == 404


def test_subscriptions_of_the_topic_are_listed_by_name(box: Sandbox) -> None:
    """One of them tells where it pushes; a topic that is not there is not found."""
    path = "/v1/projects/builds/topics/gcr/subscriptions"
    names = ask(box, "pubsub", path, token=VIEWER).json()["subscriptions"]
    found = ask(box, "pubsub", f"/v1/{names[0]}", token=VIEWER).json()

    assert names == ["projects/builds/subscriptions/scanner"]
    assert found["pushConfig"] == {"pushEndpoint": "https://x.example"}
    assert ask(box, "pubsub", path.replace("gcr", "other")).status_code == 404
    assert ask(box, "pubsub", path, token=STRANGER).status_code == 403


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("resource_manager", "/v3/projects/builds"),
        ("service_usage", "/v1/projects/builds/services/storage.googleapis.com"),
        ("org_policy", f"/v2/projects/builds/policies/{CONSTRAINT}:getEffectivePolicy"),
        ("pubsub", "/v1/projects/builds/topics/gcr/subscriptions"),
        ("iam", "/v1/roles/viewer"),
        ("storage", f"/storage/v1/b/{BUCKET}"),
    ],
)
def test_every_service_asks_for_a_token(box: Sandbox, service: str, path: str) -> None:
    """A token that nobody has is answered 401."""
    assert ask(box, service, path, token=STRANGER[:-1]).status_code == 401


@pytest.mark.parametrize(
    ("token", "bucket", "status"),
    [("", "no-such-bucket", 404), (STRANGER, BUCKET, 403), (STRANGER, "no-such-bucket", 404)],
)
def test_missing_and_hidden_buckets_differ(
    box: Sandbox, token: str, bucket: str, status: int
) -> None:
    """That a bucket is not there is told to everybody; one that is there may be hidden."""
    assert ask(box, "storage", f"/storage/v1/b/{bucket}", token=token).status_code == status


def test_rights_in_a_bucket_are_tested(box: Sandbox) -> None:
    """This call tells a bucket without rights from no bucket at all."""
    query = "iam/testPermissions?permissions=storage.objects.list&permissions=storage.objects.get"
    path = f"/storage/v1/b/{BUCKET}/{query}"

    assert ask(box, "storage", path).json()["permissions"] == [
        "storage.objects.list",
        "storage.objects.get",
    ]
    stranger = ask(box, "storage", path, token=STRANGER)
    assert (stranger.status_code, "permissions" in stranger.json()) == (200, False)
    assert ask(box, "storage", path.replace(BUCKET, "no-such-bucket")).status_code == 404


def test_owners_reach_objects_by_the_buckets_policy_alone(box: Sandbox) -> None:
    """In a bucket whose policy is empty the owner of the project reads no object."""
    path = "/storage/v1/b/hidden-bucket/o"

    assert ask(box, "storage", path).status_code == 403
    assert ask(box, "storage", path.replace("hidden-bucket", BUCKET)).status_code == 200


def test_access_lists_are_gone_where_the_policy_decides(box: Sandbox) -> None:
    """A bucket with uniform access answers 400 to who asks for its list."""
    reply = ask(box, "storage", f"/storage/v1/b/{BUCKET}/acl")

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("Cannot get legacy ACL")


def test_objects_come_in_pages_and_folders(box: Sandbox) -> None:
    """Pages cover everything once; a delimiter gathers what lies below."""
    path, fields = f"/storage/v1/b/{BUCKET}/o", "items(name),nextPageToken"
    names, token = [], ""
    while True:
        page = ask(box, "storage", f"{path}?maxResults=1&fields={fields}&pageToken={token}")
        names += [one["name"] for one in page.json()["items"]]
        token = page.json().get("nextPageToken", "")
        if not token:
            break

    assert len(names) == len(set(names)) == 4
    assert names == sorted(names)
    folders = ask(box, "storage", f"{path}?delimiter=/").json()
    assert folders["prefixes"] == ["containers/", "notes/"]
    below = ask(box, "storage", f"{path}?prefix=notes/").json()["items"]
    assert [one["name"] for one in below] == ["notes/b.txt", "notes/readme.txt"]


def test_googles_client_reads_the_bucket(box: Sandbox) -> None:
    """It gets facts and policy, and finds every checksum right; blobs are named by content."""
    bucket = client(box).get_bucket(BUCKET)
    blobs = list(client(box).list_blobs(BUCKET, prefix="containers/images/", page_size=1))

    assert (bucket.location, bucket.project_number) == ("US", 200000000001)
    assert bucket.iam_configuration.uniform_bucket_level_access_enabled
    assert bucket.get_iam_policy(requested_policy_version=3).bindings
    assert [one.name for one in client(box).list_buckets()] == ["hidden-bucket", BUCKET]
    assert len(blobs) == 2
    for blob in blobs:
        data = blob.download_as_bytes(checksum="crc32c")
        assert str(Digest.of(data)) == blob.name.rpartition("/")[2]
        assert blob.download_as_bytes(start=1, end=3, checksum=None) == data[1:4]


def test_googles_client_tells_hidden_from_missing(box: Sandbox) -> None:
    """403 and 404 arrive as its own two errors, with the sentence of the service."""
    with pytest.raises(Forbidden, match=r"storage\.buckets\.get"):
        client(box, STRANGER).get_bucket(BUCKET)
    with pytest.raises(NotFound, match="does not exist"):
        client(box).get_bucket("no-such-bucket")


@pytest.mark.parametrize("data", [b"", b"123456789", bytes(range(256)) * 3])
def test_checksums_are_those_of_another_implementation(data: bytes) -> None:
    """CRC-32C is computed as Google's own package does, and is not the CRC of gzip."""
    assert crc32c(data) == google_crc32c.value(data)
    assert not data or crc32c(data) != zlib.crc32(data)


@pytest.mark.parametrize(
    ("role", "has", "lacks"),
    [
        ("artifactregistry.reader", "downloadArtifacts", "uploadArtifacts"),
        ("artifactregistry.writer", "uploadArtifacts", "deleteArtifacts"),
        ("artifactregistry.repoAdmin", "deleteArtifacts", "create"),
        ("artifactregistry.createOnPushWriter", "createOnPush", "deleteArtifacts"),
        ("artifactregistry.createOnPushRepoAdmin", "deleteArtifacts", "create"),
        ("artifactregistry.admin", "setIamPolicy", "noSuch"),
        ("artifactregistry.containerRegistryMigrationAdmin", "create", "deleteArtifacts"),
        ("viewer", "downloadArtifacts", "uploadArtifacts"),
        ("editor", "create", "setIamPolicy"),
        ("owner", "setIamPolicy", "noSuch"),
        ("browser", "", "downloadArtifacts"),
    ],
)
def test_roles_hold_what_they_are_for(tmp_path: Path, role: str, has: str, lacks: str) -> None:
    """Each role gives its decisive permission, and not that of the next."""
    prefix = "artifactregistry.repositories."
    someone = Identity("user:a@example.com", "ya29.a", (f"roles/{role}",))
    names = held(Store(tmp_path), someone, "builds")

    assert not has or prefix + has in names
    assert prefix + lacks not in names
