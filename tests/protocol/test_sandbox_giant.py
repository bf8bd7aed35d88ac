"""A giant answers as any other repository does, and takes nothing in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gcr_migrate.errors import BAD_SCENARIO, MigrateError
from gcr_migrate.model.content import ACCEPT, Digest
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.giant import Giant
from gcr_migrate.sandbox.scenarios import GiantPart, RepositoryPart, Scenario, load_scenario
from tests.sandbox_api import api_of, names, refusal_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox

SMALL = GiantPart(seed=3, images=45, manifests=27, tags=30, layers=3)
GIANT = Giant(**SMALL.model_dump())
COUNTS = GIANT.counts()
SOURCE = "giant/locations/us/repositories/us.gcr.io"
PATH = "team-0000/service-01/app-02"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with a small giant, which no test can change, and a repository beside it."""
    source = RepositoryPart(project="giant", location="us", id="us.gcr.io", giant=SMALL)
    other = RepositoryPart(project="giant", location="us", id="other")
    with running(Scenario(repositories=(source, other)), tmp_path_factory.mktemp("box")) as one:
        yield one


@pytest.fixture(scope="module")
def api(box: Sandbox) -> Iterator[httpx.Client]:
    """The API, with the owner's access token."""
    with api_of(box) as one:
        yield one


@pytest.fixture(scope="module")
def registry(box: Sandbox) -> Iterator[httpx.Client]:
    """The registry, with the owner's access token; paths begin below the repository."""
    headers = {"Authorization": f"Bearer {box.token}", "Accept": ACCEPT}
    base = f"{box.addresses['us-docker.pkg.dev']}/v2/giant/us.gcr.io/"
    with httpx.Client(base_url=base, headers=headers) as one:
        yield one


def _all(api: httpx.Client, url: str, member: str, size: int) -> list[dict[str, Any]]:
    """Read a list page by page."""
    found: list[dict[str, Any]] = []
    query = {"pageSize": str(size)}
    while True:
        body = api.get(url, params=query).json()
        assert len(body[member]) <= size
        found += body[member]
        if "nextPageToken" not in body:
            return found
        query["pageToken"] = body["nextPageToken"]


def test_the_pages_of_all_images_are_whole(api: httpx.Client) -> None:
    """Each manifest comes once, in the order of the paths, with its tags."""
    rows = _all(api, f"{SOURCE}/dockerImages", "dockerImages", 100)
    assert len({one["name"] for one in rows}) == len(rows) == COUNTS.manifests
    assert sum(len(one.get("tags", [])) for one in rows) == COUNTS.tags
    assert sum(1 for one in rows if "tags" not in one) == COUNTS.untagged
    assert sum(1 for one in rows if "subjectDigest" in one) == COUNTS.referrers
    paths = [one["uri"].partition("us.gcr.io/")[2].partition("@")[0] for one in rows]
    assert paths == sorted(paths)


def test_packages_versions_and_tags_come_in_pages(api: httpx.Client) -> None:
    """As many as there are, whatever the size of a page."""
    packages = _all(api, f"{SOURCE}/packages", "packages", 20)
    assert len({one["name"] for one in packages}) == COUNTS.images
    package = f"{SOURCE}/packages/{PATH.replace('/', '%2F')}"
    versions = _all(api, f"{package}/versions", "versions", 10)
    times = [one["updateTime"] for one in versions]
    mine = next(one for one in packages if one["name"].endswith("service-01%2Fapp-02"))
    assert (len(versions), mine["createTime"], mine["updateTime"]) == (27, min(times), max(times))
    tags = _all(api, f"{package}/tags", "tags", 7)
    assert len({one["name"] for one in tags}) == len(tags) == 31


def test_a_filter_and_an_order_are_heeded(api: httpx.Client) -> None:
    """They look at everything, and find what is there."""
    url, name = f"{SOURCE}/packages", f"projects/{SOURCE}/packages/team-0000%2Fservice-02*"
    found = api.get(url, params={"filter": f'name="{name}"', "orderBy": "name desc"}).json()
    last = [f"team-0000%2Fservice-02%2Fapp-{one:02}" for one in range(4, 0, -1)]
    assert names(found, "packages") == [*last, "team-0000%2Fservice-02"]


def test_the_registry_lists_and_serves_the_same(registry: httpx.Client) -> None:
    """Lists, manifests and blobs have the bytes that the digests say."""
    assert registry.get("team-0000/tags/list").json()["child"] == [
        f"service-{one:02}" for one in range(3)
    ]
    listed = registry.get(f"{PATH}/tags/list?n=10000").json()
    assert (len(listed["manifest"]), len(listed["tags"])) == (27, 31)
    blobs = 0
    for digest in listed["manifest"]:
        raw = registry.get(f"{PATH}/manifests/{digest}")
        assert Digest.parse(digest).matches(raw.content)
        for blob in (*raw.json().get("layers", []), raw.json().get("config")):
            if blob and blobs < 20:
                head = registry.head(f"{PATH}/blobs/{blob['digest']}")
                data = registry.get(f"{PATH}/blobs/{blob['digest']}", follow_redirects=True)
                assert Digest.parse(blob["digest"]).matches(data.content)
                assert int(head.headers["content-length"]) == blob["size"] == len(data.content)
                blobs += 1
    assert blobs == 20
    unknown = registry.get(f"{PATH}/blobs/{Digest.of(b'else')}")
    assert unknown.json()["errors"][0]["code"] == "BLOB_UNKNOWN"


def test_a_blob_can_be_mounted_elsewhere(registry: httpx.Client) -> None:
    """There it has its bytes, too."""
    blob = registry.get(f"{PATH}/manifests/build-0000002").json()["layers"][0]["digest"]
    other = f"{registry.base_url.copy_with(path='/v2/giant/other/x')}/blobs/"
    mounted = registry.post(f"{other}uploads/?mount={blob}&from=giant/us.gcr.io/{PATH}")
    assert mounted.status_code == 201
    data = registry.get(f"{other}{blob}", follow_redirects=True).content
    assert Digest.parse(blob).matches(data)


def test_nothing_can_be_changed(api: httpx.Client, registry: httpx.Client) -> None:
    """Pushes, tags and the endless list of files are refused in the service's words."""
    pushes = [registry.post(f"{PATH}/blobs/uploads/"), registry.put(f"{PATH}/manifests/x")]
    told = {(one.status_code, one.json()["errors"][0]["code"]) for one in pushes}
    assert told == {(405, "UNSUPPORTED")}
    tag = api.post(f"{SOURCE}/packages/{PATH.replace('/', '%2F')}/tags?tagId=x", json={})
    assert refusal_in(tag) == (400, "FAILED_PRECONDITION")
    assert refusal_in(api.get(f"{SOURCE}/files")) == (501, "UNIMPLEMENTED")


def test_its_size_and_state_are_known_without_its_contents(api: httpx.Client, box: Sandbox) -> None:
    """The repository tells its bytes, and the sandbox its counts."""
    assert api.get(SOURCE).json()["sizeBytes"] == str(COUNTS.blob_bytes)
    state = httpx.get(f"{box.control_url}/state").json()[f"projects/{SOURCE}"]
    assert state["giant"]["blob_references"] == COUNTS.blob_references


def test_the_count_of_requests_goes_by_kind(box: Sandbox, registry: httpx.Client) -> None:
    """Each method, host and kind is counted, until all are forgotten."""
    httpx.post(f"{box.control_url}/requests/reset")
    registry.get(f"{PATH}/tags/list")
    registry.get(f"{PATH}/manifests/build-0000000")
    registry.head(f"{PATH}/manifests/build-0000000")
    with api_of(box) as api:
        api.get(f"{SOURCE}/packages")
        api.get(SOURCE)
    host = "us-docker.pkg.dev"
    assert httpx.get(f"{box.control_url}/requests/counts").json() == {
        f"GET {host} tags": 1,
        f"GET {host} manifests": 1,
        f"HEAD {host} manifests": 1,
        "GET artifact_registry packages": 1,
        "GET artifact_registry repositories": 1,
    }


def test_the_ready_giant_is_as_large_as_it_says(tmp_path: Path) -> None:
    """A million manifests are there at once, as none of them is made."""
    with running("giant", tmp_path) as box:
        state = httpx.get(f"{box.control_url}/state").json()
    found = [one["giant"] for one in state.values()]
    assert [one["manifests"] for one in found] == [1_000_000, 12_000]
    assert found[1]["tags"] - found[1]["referrers"] == 60_000


@pytest.mark.parametrize(
    ("text", "saw"),
    [
        ("giant: {images: 2, manifests: 0, tags: 1}", "greater than or equal to 1"),
        ("giant: {images: 2, manifests: 1, tags: 1}, images: [{path: a}]", "no images"),
    ],
)
def test_a_giant_that_cannot_be_is_refused(tmp_path: Path, text: str, saw: str) -> None:
    """One without manifests, and one with pushed images beside it."""
    file = tmp_path / "s.yaml"
    file.write_text(f"repositories: [{{project: p, location: us, id: us.gcr.io, {text}}}]")
    with pytest.raises(MigrateError) as caught:
        load_scenario(file)
    assert caught.value.problem is BAD_SCENARIO
    assert saw in caught.value.saw
