"""What the sandbox's Artifact Registry holds, in lists: filters, orders, pages, tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gcr_migrate.model.content import OCI_INDEX
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from tests.sandbox_api import api_of, names, refusal_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from gcr_migrate.sandbox.app import Sandbox

SOURCE = "builds/locations/us/repositories/us.gcr.io"
PACKAGE = f"{SOURCE}/packages/a%2Fb"
READER = "ya29.reader"
SCENARIO = Scenario.model_validate(
    {
        "identities": [
            {},
            {"member": "user:reader@example.com", "token": READER, "roles": []},
        ],
        "repositories": [
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
                "images": [
                    {"path": "a/b", "tags": ["one"], "layers": [{"name": "one"}]},
                    {"path": "a/b", "tags": ["two"], "layers": [{"name": "two"}]},
                    {"path": "a/b", "subject_of": "two"},
                    {"path": "c", "tags": ["x"], "platforms": ["linux/amd64", "linux/arm64"]},
                ],
            },
            {
                "project": "builds",
                "location": "us",
                "id": "fixed",
                "immutable_tags": True,
                "images": [
                    {"path": "c", "tags": ["x"], "layers": [{"name": "one"}]},
                    {"path": "c", "layers": [{"name": "two"}]},
                ],
            },
            {"project": "builds", "location": "us", "id": "many"},
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


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('filter=name="projects/builds/locations/us/repositories/US*"', ["us.gcr.io"]),
        ('filter=name="*fix*"', ["fixed"]),
        ("filter=name=nothing", []),
        ("orderBy=create_time desc&filter=name=*gcr.io", ["us.gcr.io"]),
    ],
)
def test_repositories_are_filtered_by_name(api: httpx.Client, query: str, found: list[str]) -> None:
    """A star stands for anything, and letters' case for nothing."""
    body = api.get(f"builds/locations/us/repositories?{query}").json()

    assert names(body, "repositories") == found


def test_a_list_is_ordered_by_one_field(api: httpx.Client) -> None:
    """Snake or camel case, up or down."""
    up = names(api.get(f"{SOURCE}/packages?orderBy=createTime").json(), "packages")
    down = names(api.get(f"{SOURCE}/packages?orderBy=create_time desc").json(), "packages")

    assert (up, down) == (["a%2Fb", "c"], ["c", "a%2Fb"])


@pytest.mark.parametrize(
    "url",
    [
        f"{SOURCE}/packages?orderBy=name,createTime",
        f"{SOURCE}/packages?orderBy=colour",
        f"{SOURCE}/packages?filter=colour=red",
        f"{SOURCE}/packages?filter=name=a OR name=c",
        f"{SOURCE}/packages?pageSize=-1",
        f"{SOURCE}/packages?pageToken=1",
        f"{PACKAGE}/tags?orderBy=name",
        f"{PACKAGE}/versions?view=WHOLE",
    ],
)
def test_what_a_list_cannot_do_is_refused(api: httpx.Client, url: str) -> None:
    """Clients then ask again without it, and sort and filter by themselves."""
    assert refusal_in(api.get(url)) == (400, "INVALID_ARGUMENT")


def test_the_token_of_a_page_is_for_its_list_only(api: httpx.Client) -> None:
    """The next page of one list is no page of another."""
    token = api.get(f"{SOURCE}/dockerImages?pageSize=1").json()["nextPageToken"]

    assert api.get(f"{SOURCE}/dockerImages?pageToken={token}").status_code == 200
    other = api.get(f"{SOURCE}/packages?pageToken={token}")
    assert refusal_in(other) == (400, "INVALID_ARGUMENT")


def test_no_page_has_more_than_a_thousand_entries(box: Sandbox, api: httpx.Client) -> None:
    """More is not given, however much is asked for; of related tags a version tells 100."""
    name = "builds/locations/us/repositories/many"
    source = box.store.repositories["builds", "us", "fixed"].images["c"]
    stored = source.find("x")
    assert stored
    many = box.store.repositories["builds", "us", "many"]
    for at in range(1_001):
        many.put_manifest("c", stored.manifest, f"t{at:04}", 0)

    first = api.get(f"{name}/packages/c/tags?pageSize=5000").json()
    rest = api.get(
        f"{name}/packages/c/tags?pageSize=5000&pageToken={first['nextPageToken']}"
    ).json()
    version = api.get(f"{name}/packages/c/versions?view=FULL").json()["versions"][0]

    assert (len(first["tags"]), len(rest["tags"])) == (1_000, 1)
    assert "nextPageToken" not in rest
    assert len(version["relatedTags"]) == 100


def test_attachments_tell_their_subject(api: httpx.Client) -> None:
    """An image that refers to another says so, in both lists, with its type."""
    images = api.get(f"{SOURCE}/dockerImages").json()["dockerImages"]
    versions = api.get(f"{PACKAGE}/versions?view=FULL").json()["versions"]

    two = next(one for one in images if "two" in one.get("tags", []))
    subject = two["uri"].partition("@")[2]
    attached = next(one for one in images if one.get("subjectDigest") == subject)
    assert attached["artifactType"] == "application/vnd.example.sbom.v1+json"
    told = [one["metadata"].get("subjectDigest") for one in versions]
    assert told.count(subject) == 1


def test_an_index_tells_its_platforms(api: httpx.Client) -> None:
    """The images of an index stand in it with system and processor, and in the list alone."""
    images = api.get(f"{SOURCE}/dockerImages?filter=name=*/c@*").json()["dockerImages"]

    index = next(one for one in images if "imageManifests" in one)
    assert index["tags"] == ["x"]
    assert [one["architecture"] for one in index["imageManifests"]] == ["amd64", "arm64"]
    assert index["mediaType"] != OCI_INDEX
    assert len(images) == 3


def test_files_are_found_by_their_owner(api: httpx.Client) -> None:
    """A version owns its manifest, whose hash is in base64."""
    version = api.get(f"{PACKAGE}/versions").json()["versions"][0]["name"]

    found = api.get(f"{SOURCE}/files", params={"filter": f'owner="{version}"'}).json()["files"]

    assert len(found) == 1
    assert found[0]["name"].rpartition("/")[2] == version.rpartition("/")[2]
    assert found[0]["hashes"][0]["type"] == "SHA256"
    assert api.get(found[0]["name"].removeprefix("projects/")).json() == found[0]


def test_an_immutable_tag_stays(api: httpx.Client) -> None:
    """A new tag may be made; a tag that is there does not move, and may be set again in place."""
    package = "builds/locations/us/repositories/fixed/packages/c"
    versions = [one["name"] for one in api.get(f"{package}/versions").json()["versions"]]

    moved = api.patch(f"{package}/tags/x?updateMask=version", json={"version": versions[1]})
    again = api.patch(f"{package}/tags/x?updateMask=version", json={"version": versions[0]})
    new = api.post(f"{package}/tags?tagId=y", json={"version": versions[1]})

    assert refusal_in(moved) == (400, "FAILED_PRECONDITION")
    assert again.json()["version"] == versions[0]
    assert new.json()["version"] == versions[1]


@pytest.mark.parametrize(
    ("tag", "version", "status"),
    [("one", "one", 409), (".x", "one", 400), ("z", "c", 404), ("z", "", 404)],
)
def test_a_tag_that_cannot_be_is_refused(
    api: httpx.Client, tag: str, version: str, status: int
) -> None:
    """Taken, misspelt, or of a version that this package does not have."""
    package = f"{SOURCE}/packages/c" if version == "c" else PACKAGE
    name = api.get(f"{package}/versions").json()["versions"][0]["name"] if version else ""

    reply = api.post(f"{PACKAGE}/tags?tagId={tag}", json={"version": name})

    assert reply.status_code == status


def test_who_may_read_a_repository_reads_all_of_it(api: httpx.Client) -> None:
    """The reader of a repository lists what is in it."""
    reader = {"Authorization": f"Bearer {READER}"}
    urls = (
        "",
        "/dockerImages",
        "/packages",
        "/packages/a%2Fb/tags",
        "/packages/c/versions",
        "/files",
    )

    statuses = [api.get(f"{SOURCE}{url}", headers=reader).status_code for url in urls]

    assert statuses == [200] * len(urls)


@pytest.mark.parametrize(
    "url",
    [
        "builds/locations/us/repositories/nothing",
        f"{SOURCE}/packages/nothing",
        f"{SOURCE}/packages/nothing/tags",
        f"{PACKAGE}/tags/nothing",
        f"{PACKAGE}/versions/sha256:0",
        f"{SOURCE}/dockerImages/c@sha256:0",
        "builds/locations/us/operations/nothing",
        "builds/locations/mars1",
    ],
)
def test_what_is_not_there_is_not_found(api: httpx.Client, url: str) -> None:
    """Who may see a thing is told that there is none."""
    assert refusal_in(api.get(url)) == (404, "NOT_FOUND")
