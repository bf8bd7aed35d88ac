"""The search for buckets, the lists of folders and projects, and the usage probe, as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gcr_migrate.sandbox.app import running
from tests.discovery import DENIED_TOKEN, project, repository, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.sandbox.app import Sandbox

SEARCH = "name:artifacts appspot com"
BUCKET = "storage.googleapis.com/Bucket"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The world of discovery, with a very old project and more buckets than a page has."""
    old = {
        "name": "artifacts.builds-old.appspot.com",
        "objects": {"containers/repositories/library/app/tag_1.0": "x"},
    }
    noise = [{"name": f"artifacts-appspot-com-{number}"} for number in range(600)]
    other = {"name": "unrelated-data"}
    scenario = world(
        projects=[
            project("builds-a", "us.gcr.io"),
            project("builds-d", "eu.gcr.io", redirect_state="ENABLED_AND_COPYING"),
            project("builds-c", "gcr.io", redirect_state="DISABLED"),
            project("builds-old", redirect_state="DISABLED", buckets=[old, other]),
            project("builds-loud", "gcr.io", usage={"gcr.io": "ACTIVE", "us.gcr.io": ""}),
            project("noise", buckets=noise, parent="organizations/42"),
        ],
        repositories=[repository("builds-a", "us", "us.gcr.io", "app/web")],
    )
    with running(scenario, tmp_path_factory.mktemp("box")) as found:
        yield found


def _get(box: Sandbox, service: str, path: str, *, token: str = "", **query: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token or box.token}"}
    return httpx.get(f"{box.addresses[service]}{path}", params=query, headers=headers)


def _search(box: Sandbox, scope: str, **query: str) -> httpx.Response:
    return _get(box, "cloud_asset", f"/v1/{scope}:searchAllResources", **query)


def _names(body: dict[str, Any]) -> list[str]:
    return [one["name"].removeprefix("//storage.googleapis.com/") for one in body["results"]]


def test_the_search_finds_words_in_any_order(box: Sandbox) -> None:
    """Buckets whose names have all the words are found below a folder, and no other ones."""
    found = _names(_search(box, "folders/7", query=SEARCH, assetTypes=BUCKET).json())
    assert "us.artifacts.builds-a.appspot.com" in found
    assert "unrelated-data" not in found
    assert not [name for name in found if name.startswith("artifacts-")]  # beside the folder


def test_the_search_shows_the_masked_fields_only(box: Sandbox) -> None:
    """With a mask an entry has its fields, the parent by the project's id."""
    mask = "name,parentFullResourceName"
    body = _search(box, "projects/builds-a", query=SEARCH, readMask=mask).json()
    assert body["results"] == [
        {
            "name": "//storage.googleapis.com/us.artifacts.builds-a.appspot.com",
            "parentFullResourceName": "//cloudresourcemanager.googleapis.com/projects/builds-a",
        }
    ]


def test_the_search_comes_in_pages(box: Sandbox) -> None:
    """No page has more than 500 entries, and together they have each bucket once."""
    scope, seen, token = "organizations/42", [], ""
    for _ in range(3):
        more = {"pageToken": token} if token else {}
        body = _search(box, scope, query=SEARCH, pageSize="1000", **more).json()
        assert len(body["results"]) <= 500
        seen += _names(body)
        token = body.get("nextPageToken", "")
        if not token:
            break
    assert len(seen) == len(set(seen)) == 605


def test_another_kind_of_asset_is_not_there(box: Sandbox) -> None:
    """A search for something else than buckets finds nothing."""
    body = _search(box, "folders/7", assetTypes="compute.googleapis.com/Disk").json()
    assert "results" not in body


@pytest.mark.parametrize("scope", ["organizations/42", "folders/7", "projects/builds-a"])
def test_the_search_needs_its_right(box: Sandbox, scope: str) -> None:
    """Who lacks the permission is refused, whatever the scope."""
    path = f"/v1/{scope}:searchAllResources"
    refused = _get(box, "cloud_asset", path, token=DENIED_TOKEN)
    assert refused.status_code == 403
    assert "cloudasset.assets.searchAllResources" in refused.text


def test_folders_and_projects_of_a_parent(box: Sandbox) -> None:
    """Both lists have what lies directly in it, and refuse who may not list it."""
    folders = _get(box, "resource_manager", "/v3/folders", parent="organizations/42").json()
    assert [one["name"] for one in folders["folders"]] == ["folders/7"]
    listed = _get(box, "resource_manager", "/v3/projects", parent="organizations/42").json()
    assert [one["projectId"] for one in listed["projects"]] == ["noise"]
    searched = _get(box, "resource_manager", "/v3/projects:search", query="parent:folders/7").json()
    assert len(searched["projects"]) == 5
    for path in ("/v3/folders", "/v3/projects"):
        denied = _get(box, "resource_manager", path, token=DENIED_TOKEN, parent="folders/7")
        assert denied.status_code == 403


def _probe(box: Sandbox, host: str, id_: str) -> httpx.Response:
    return _get(box, host, f"/v2/{id_}/tags/list", check_usage_only="true")


@pytest.mark.parametrize(
    ("host", "id_", "word"),
    [
        ("us.gcr.io", "builds-a", "REDIRECTED"),
        ("eu.gcr.io", "builds-d", "REDIRECTION_INCOMPLETE"),
        ("gcr.io", "builds-c", "INACTIVE"),
        ("gcr.io", "builds-old", "LEGACY"),
        ("gcr.io", "builds-loud", "ACTIVE"),
    ],
)
def test_the_word_on_the_use_of_a_host(box: Sandbox, host: str, id_: str, word: str) -> None:
    """It follows from setting and bucket, or is what the scenario says."""
    assert _probe(box, host, id_).json() == {"usage": word}


def test_no_word_without_a_bucket(box: Sandbox) -> None:
    """A host that never had one answers as if it had not been asked."""
    assert _probe(box, "eu.gcr.io", "builds-a").status_code == 404
    assert _probe(box, "us.gcr.io", "builds-c").status_code == 412
    assert "usage" not in _probe(box, "us.gcr.io", "builds-loud").text


def test_no_word_at_artifact_registrys_own_hosts(box: Sandbox) -> None:
    """There the question is no question: the list of tags is answered."""
    path = "/v2/builds-a/us.gcr.io/tags/list"
    found = _get(box, "us-docker.pkg.dev", path, check_usage_only="true")
    assert found.json()["child"] == ["app"]
