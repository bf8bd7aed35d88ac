"""What `discover` says of projects of every kind, asked of the sandbox by the real program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.scenarios import Scenario
from tests.answers import control
from tests.discovery import (
    AR_API,
    DENIED_TOKEN,
    MIGRATOR,
    Found,
    Stage,
    project,
    repository,
    staged,
    world,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IDLE = "G"
MANAGER = "//cloudresourcemanager.googleapis.com"
KINDS = [
    ("builds-a", "us.gcr.io", "A", "split"),
    ("builds-b", "eu.gcr.io", "B", "split"),
    ("builds-c", "gcr.io", "C", "rescue"),
    ("builds-d", "eu.gcr.io", "D", "finish-copy"),
    ("builds-e", "asia.gcr.io", "E", "finish-copy"),
    ("builds-f", "gcr.io", "F", "create-repository"),
    ("builds-g", "gcr.io", "G", "rewrite-references"),
    ("builds-i", "gcr.io", "I", "enable-api"),
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The world with a project of each kind; no test here changes it."""
    with staged(world(), tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture(scope="module")
def below(stage: Stage) -> Found:
    """The organisation, discovered."""
    return stage.discover("--organization", "42")


@pytest.mark.parametrize(("id_", "host", "kind", "job"), KINDS)
def test_each_kind_is_told_with_its_job(
    below: Found, id_: str, host: str, kind: str, job: str
) -> None:
    """The one host in use is of its kind, and no other host of the project is in use."""
    found = below.host(id_, host)
    assert (found["kind"], found["job"]) == (kind, job)
    rest = {name: one for name, one in below.kinds(id_).items() if name != host}
    assert set(rest.values()) == {kind if kind == "I" else IDLE}


def test_the_whole_organisation_is_seen(below: Found) -> None:
    """Projects directly in it and in folders below are there, and nothing is left unseen."""
    assert below.projects == [id_ for id_, *_ in KINDS]
    assert below.facts["outcome"] == "all-seen"
    assert below.facts["unseen"] == []


def test_the_evidence_of_a_host(below: Found) -> None:
    """A host is told with its bucket, repository, number of images, size and its own word."""
    found = below.host("builds-a", "us.gcr.io")
    assert found["bucket"] == {
        "name": "us.artifacts.builds-a.appspot.com",
        "present": True,
        "seen_by": ["asset-search"],
    }
    assert found["repository"] == "projects/builds-a/locations/us/repositories/us.gcr.io"
    assert found["images"] == 3
    assert found["size_bytes"] > 500
    assert found["usage"] == "REDIRECTED"
    assert below.host("builds-d", "eu.gcr.io")["usage"] == "REDIRECTION_INCOMPLETE"
    assert below.host("builds-c", "gcr.io")["usage"] == "INACTIVE"
    assert below.host("builds-b", "eu.gcr.io")["usage"] == ""


@pytest.mark.slow
def test_a_folder_has_what_is_in_it_only(stage: Stage) -> None:
    """A project beside the folder is not asked."""
    assert "builds-a" not in stage.discover("--folder", "7").projects


def test_ownership_tells_projects_apart(stage: Stage) -> None:
    """A public project that the caller cannot read is somebody else's; Google's hosts are named."""
    found = stage.discover("public-h", "k8s.gcr.io/pause", "mirror.gcr.io")
    assert set(found.kinds("public-h").values()) == {"H"}
    assert found.facts["projects"][0]["owner"] == "somebody-else"
    assert found.facts["googles_own"] == ["k8s.gcr.io", "mirror.gcr.io"]
    assert found.host("public-h", "gcr.io")["job"] == "leave-alone"


def test_what_is_hidden_is_named(stage: Stage) -> None:
    """Beside a project that is seen, a hidden one makes the exit 3 and says why."""
    found = stage.discover("builds-b", "hidden-x", code=3)
    hidden = found.host("hidden-x", "gcr.io")
    assert (hidden["kind"], hidden["seen"]) == (None, False)
    assert {one["code"] for one in hidden["unseen"]} == {"denied"}
    assert found.host("builds-b", "eu.gcr.io")["kind"] == "B"


@pytest.mark.slow
def test_nothing_to_be_seen(stage: Stage) -> None:
    """Where no project and no folder can be seen the exit is 4."""
    assert stage.discover("hidden-x", code=4).facts["outcome"] == "nothing-seen"
    refused = stage.discover("--folder", "7", code=4, token=DENIED_TOKEN)
    whats = {one["what"] for one in refused.facts["unseen"]}
    assert whats == {"projects in folders/7", "folders in folders/7", "buckets below folders/7"}


def test_a_pasted_name_is_about_its_host(stage: Stage) -> None:
    """A name of an image asks about the host that is in it, and no other."""
    found = stage.discover("us.gcr.io/builds-a/team1/app:1.0")
    assert found.kinds("builds-a") == {"us.gcr.io": "A"}


def test_discover_changes_nothing(stage: Stage) -> None:
    """Nothing but reads is sent."""
    before = stage.box.store.state()
    stage.discover("builds-a", "builds-c")
    assert stage.box.store.state() == before


def test_the_table(stage: Stage) -> None:
    """A line has the kind, the job, images, host and project; idle hosts share one line."""
    done = stage.run("discover", "builds-a", "hidden-x")
    assert done.returncode == 3
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("A ")]
    assert line.split()[:3] == ["A", "split", "3"]
    assert "us.gcr.io" in line
    assert "gs://us.artifacts.builds-a.appspot.com" in line
    assert "gcr.io,eu.gcr.io,asia.gcr.io  builds-a" in done.stdout
    assert "access is denied: redirect setting of hidden-x" in done.stdout


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["builds-a", "--folder", "7"],
        ["--folder", "7", "--organization", "1"],
        ["--folder", "x"],
    ],
)
def test_bad_usage(stage: Stage, args: list[str]) -> None:
    """Exactly one way of naming what is asked about is accepted."""
    assert stage.run("discover", *args).returncode == 2


def _stage(tmp_path: Path, *projects: dict[str, Any], **more: Any) -> Any:
    return staged(world(projects=list(projects), **({"repositories": []} | more)), tmp_path)


@pytest.mark.slow
def test_two_opinions_that_disagree_are_shown(tmp_path: Path) -> None:
    """A setting and the host's own word that contradict each other are both named."""
    old = project("builds-a", "us.gcr.io", usage={"us.gcr.io": "ACTIVE"})
    images = [repository("builds-a", "us", "us.gcr.io", "app/web")]
    with _stage(tmp_path, old, repositories=images) as stage:
        found = stage.discover("builds-a").host("builds-a", "us.gcr.io")
        assert found["kind"] == "A"
        (told,) = found["disagreements"]
        assert "REDIRECTION_FROM_GCR_IO_ENABLED" in told
        assert "ACTIVE" in told
        assert told in stage.run("discover", "builds-a").stdout


@pytest.mark.parametrize(
    "lie",
    [
        {"status": 200, "body": '{"name": "builds-a", "tags": []}'},
        {"status": 200, "body": '{"usage": 7}'},
        {"status": 200, "body": "<html>"},
        {"status": 404, "body": "{}"},
        {"status": 503},
    ],
)
def test_a_usage_probe_that_makes_no_sense(tmp_path: Path, lie: dict[str, Any]) -> None:
    """Whatever comes instead of a word is no word, never an error, and changes no kind."""
    images = [repository("builds-a", "us", "us.gcr.io", "app/web")]
    with _stage(tmp_path, project("builds-a", "us.gcr.io"), repositories=images) as stage:
        control(stage.box, "POST", {"path": "check_usage_only=true", "times": 99} | lie)
        found = stage.discover("us.gcr.io/builds-a").host("builds-a", "us.gcr.io")
        assert (found["kind"], found["usage"], found["seen"]) == ("A", "", True)


@pytest.mark.slow
def test_buckets_by_name_where_the_search_is_not_allowed(tmp_path: Path) -> None:
    """Without the right to search each bucket is asked for by its name, and that is said."""
    roles = ["roles/artifactregistry.reader", "roles/browser"]
    grants = [{"role": role, "members": [MIGRATOR]} for role in roles]
    folders = [{"name": "folders/7", "bindings": grants}]
    with _stage(tmp_path, project("builds-f", "gcr.io"), folders=folders) as stage:
        for args in (["builds-f"], ["--folder", "7"]):
            found = stage.discover(*args)
            assert found.host("builds-f", "gcr.io")["kind"] == "F"
            assert found.host("builds-f", "gcr.io")["bucket"]["seen_by"] == ["by-name"]
            assert found.facts["projects"][0]["bucket_search"]["code"] == "denied"


def test_buckets_show_projects_that_no_folder_does(tmp_path: Path) -> None:
    """Who may search and not list folders finds the projects with buckets; the rest is named."""
    roles = ["roles/artifactregistry.reader", "roles/cloudasset.viewer"]
    grants = [{"role": role, "members": [MIGRATOR]} for role in roles]
    folders = [{"name": "folders/7", "bindings": grants}]
    with _stage(tmp_path, project("builds-f", "gcr.io"), folders=folders) as stage:
        found = stage.discover("--folder", "7", code=3)
        assert found.projects == ["builds-f"]
        whats = [one["what"] for one in found.facts["unseen"]]
        assert whats == ["projects in folders/7", "folders in folders/7"]


def test_an_empty_folder_proves_nothing_where_buckets_cannot_be_searched(tmp_path: Path) -> None:
    """Projects may be hidden from the list; only the search would show that they are there."""
    grants = [{"role": "roles/browser", "members": [MIGRATOR]}]
    folders = [{"name": "folders/8", "bindings": grants}]
    with _stage(tmp_path, project("builds-f", "gcr.io"), folders=folders) as stage:
        found = stage.discover("--folder", "8", code=4)
        assert [one["what"] for one in found.facts["unseen"]] == ["buckets below folders/8"]


def test_a_bucket_of_another_project_is_no_evidence(tmp_path: Path) -> None:
    """A bucket that is named for one project and belongs to another counts for neither."""
    taker = project("builds-t", buckets=[{"name": "artifacts.builds-a.appspot.com"}])
    with _stage(tmp_path, project("builds-a"), taker) as stage:
        found = stage.discover("--folder", "7")
        assert set(found.kinds("builds-a").values()) == {IDLE}
        assert found.facts["foreign_buckets"] == [
            {"bucket": "artifacts.builds-a.appspot.com", "owner": "builds-t"}
        ]


@pytest.mark.slow
def test_a_parent_that_is_told_by_number(tmp_path: Path) -> None:
    """A search that names projects by number is understood; another's number is another's."""
    part = project("builds-f", number="4711")
    with _stage(tmp_path, part) as stage:
        for number, kind, foreign in (("4711", "F", []), ("9999", IDLE, ["9999"])):
            row = {
                "name": "//storage.googleapis.com/artifacts.builds-f.appspot.com",
                "parentFullResourceName": f"{MANAGER}/projects/{number}",
            }
            body = json.dumps({"results": [row]})
            control(stage.box, "DELETE")
            search = {"path": ":searchAllResources", "status": 200, "body": body, "times": 9}
            control(stage.box, "POST", search)
            found = stage.discover("gcr.io/builds-f")
            assert found.host("builds-f", "gcr.io")["kind"] == kind
            assert [one["owner"] for one in found.facts["foreign_buckets"]] == foreign


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        '{"results": 7}',
        '{"results": [{"name": "//compute/disk"}]}',
        '{"results": [], "nextPageToken": "again"}',
    ],
)
def test_a_search_that_makes_no_sense(tmp_path: Path, body: str) -> None:
    """An odd answer of the search is a refusal of the search: buckets are asked for by name."""
    with _stage(tmp_path, project("builds-f", "gcr.io")) as stage:
        odd = {"path": ":searchAllResources", "status": 200, "body": body, "times": 99}
        control(stage.box, "POST", odd)
        found = stage.discover("--folder", "7")
        assert found.host("builds-f", "gcr.io")["kind"] == "F"
        assert found.facts["projects"][0]["bucket_search"]["code"] == "bad-reply"


def test_a_bucket_that_the_search_lacks(tmp_path: Path) -> None:
    """Where the host speaks of a bucket that is not in the search, its name is asked for too."""
    with _stage(tmp_path, project("builds-c", "gcr.io", redirect_state="DISABLED")) as stage:
        empty = {"path": ":searchAllResources", "status": 200, "body": "{}", "times": 9}
        control(stage.box, "POST", empty)
        found = stage.discover("gcr.io/builds-c").host("builds-c", "gcr.io")
        assert found["kind"] == "C"
        assert found["bucket"]["seen_by"] == ["asset-search", "by-name"]
        assert "the search shows no bucket" in found["disagreements"][0]


def test_a_project_that_is_being_deleted(tmp_path: Path) -> None:
    """It is named and not asked, though its bucket may still be found."""
    with _stage(tmp_path, project("builds-f", "gcr.io"), project("builds-g")) as stage:
        rows = [
            {"name": "projects/1", "projectId": "builds-f", "state": "DELETE_REQUESTED"},
            {"name": "projects/2", "projectId": "builds-g", "state": "ACTIVE"},
        ]
        listed = {"path": "/v3/projects", "status": 200, "body": json.dumps({"projects": rows})}
        control(stage.box, "POST", listed | {"times": 1})
        found = stage.discover("--folder", "7")
        assert found.projects == ["builds-g"]
        assert found.facts["inactive"] == ["builds-f"]


@pytest.mark.slow
def test_one_project_that_fails_stops_no_other(tmp_path: Path) -> None:
    """A project whose every answer is an error is named, and the others are seen."""
    parts = [project("builds-f", "gcr.io"), project("builds-x"), project("builds-y")]
    with _stage(tmp_path, *parts) as stage:
        broken = {"path": "builds-x", "status": 500, "body": "boom", "times": 999}
        control(stage.box, "POST", broken)
        found = stage.discover("--folder", "7", code=3)
        assert set(found.kinds("builds-x").values()) == {None}
        assert found.host("builds-f", "gcr.io")["kind"] == "F"
        assert set(found.kinds("builds-y").values()) == {IDLE}
        codes = {one["code"] for one in found.host("builds-x", "gcr.io")["unseen"]}
        assert codes == {"server-error"}


def test_a_perimeter_is_named(tmp_path: Path) -> None:
    """A project inside of a service perimeter is not called anything, and the reason is told."""
    parts = [project("builds-p", perimeter="vault"), project("builds-f", "gcr.io")]
    with _stage(tmp_path, *parts, perimeters=[{"name": "vault"}]) as stage:
        found = stage.discover("builds-p", "builds-f", code=3)
        hidden = found.host("builds-p", "gcr.io")
        assert hidden["kind"] is None
        assert "perimeter" in {one["code"] for one in hidden["unseen"]}


def test_a_disabled_asset_api_costs_nothing(tmp_path: Path) -> None:
    """Where Cloud Asset is not enabled buckets are asked for by name."""
    off = project("builds-f", "gcr.io", disabled_services=["cloudasset.googleapis.com"])
    with _stage(tmp_path, off) as stage:
        found = stage.discover("builds-f")
        assert found.host("builds-f", "gcr.io")["kind"] == "F"
        assert found.facts["projects"][0]["bucket_search"]["code"] == "api-disabled"


def test_images_that_cannot_be_counted(tmp_path: Path) -> None:
    """A repository whose list of images is refused keeps its kind, and has no count."""
    images = [repository("builds-b", "us", "us.gcr.io", "app/web")]
    with _stage(tmp_path, project("builds-b"), repositories=images) as stage:
        refusal = {"host": "artifact_registry", "path": "/packages", "status": 403, "body": "{}"}
        control(stage.box, "POST", refusal | {"times": 9})
        found = stage.discover("us.gcr.io/builds-b").host("builds-b", "us.gcr.io")
        assert (found["kind"], found["images"], found["seen"]) == ("B", None, True)
        assert [one["what"] for one in found["unasked"]] == ["number of images"]


@pytest.mark.slow
def test_projects_of_a_domain(tmp_path: Path) -> None:
    """A project that a domain scopes has its own names of buckets, and is found by them."""
    id_ = "example.com:my-project"
    bucket = {"name": "artifacts.my-project.example.com.a.appspot.com"}
    part = project(id_, buckets=[bucket])
    with _stage(tmp_path, part, repositories=[repository(id_, "us", "gcr.io", "a/b")]) as stage:
        for args in (["example.com/my-project"], ["--folder", "7"]):
            found = stage.discover(*args)
            assert found.projects == [id_]
            assert found.host(id_, "gcr.io")["kind"] == "A"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A folder of 200 projects in folders of folders, and more buckets than a page has."""
    folders: list[dict[str, Any]] = [
        {"name": "folders/1", "bindings": [{"role": "roles/owner", "members": [MIGRATOR]}]},
        {"name": "folders/2", "parent": "folders/1"},
        {"name": "folders/3", "parent": "folders/2"},
    ]
    projects, repositories = [], []
    for number in range(200):
        id_, used = f"fleet-{number:03}", number % 2 == 0
        parent = "folders/3" if number < 150 else f"folders/{1 + number % 2}"
        projects.append(project(id_, *(["us.gcr.io"] if used else []), parent=parent))
        if used:
            repositories.append(repository(id_, "us", "us.gcr.io", "app/web"))
    noise = [{"name": f"artifacts-appspot-com-{number}"} for number in range(600)]
    projects[1]["buckets"] = noise  # the same words, in names that no host has
    parts = {"identities": [{"roles": []}], "folders": folders, "projects": projects}
    scenario = Scenario.model_validate(parts | {"repositories": repositories})
    with staged(scenario, tmp_path_factory.mktemp("fleet")) as found:
        yield found


@pytest.mark.slow
def test_a_folder_of_200_projects(fleet: Stage) -> None:
    """All are found over all pages, and each that is used is of its kind."""
    found = fleet.discover("--folder", "1")
    assert len(found.projects) == 200
    assert found.facts["kinds"] == {"A": 100, "G": 700}
    pages = [
        one for one in fleet.box.log.entries if ":searchAllResources" in one.path
    ]  # what was asked
    assert len(pages) == 2
    lists = [one for one in fleet.box.log.entries if one.path == "/v3/projects"]
    assert len(lists) == 4  # folders/3 has 150, in two pages


def test_an_api_that_is_off_is_known(stage: Stage) -> None:
    """That a project's API is disabled is an answer, and no failure to see."""
    found = stage.discover("builds-i")
    assert found.host("builds-i", "gcr.io")["bucket"]["present"] is True
    assert AR_API not in found.facts["unseen"]
