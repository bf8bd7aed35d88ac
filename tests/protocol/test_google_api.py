"""Google's APIs through its client libraries and through raw calls, against the sandbox."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from msgspec.structs import replace

from gcr_migrate.connect import Connections, Settings
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import OrgPolicy, Redirection
from gcr_migrate.model.login import Login
from gcr_migrate.model.settings import RepositorySettings, Scanning
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from gcr_migrate.wire.endpoints import Endpoints
from tests.google_clients import listed, using

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from gcr_migrate.connect import Side
    from gcr_migrate.google.services import Services
    from gcr_migrate.sandbox.app import Sandbox

T = TypeVar("T")

SIDES: tuple[Side, ...] = ("source", "target")
OWNER, READER, STRANGER = "ya29.owner", "ya29.reader", "ya29.stranger"
DOMAIN = "example.com:builds"
REPOSITORY = f"projects/{DOMAIN}/locations/us/repositories/us.gcr.io"
MADE = f"projects/{DOMAIN}/locations/us/repositories"
BUCKET = "us.artifacts.builds.example.com.a.appspot.com"
HIDDEN = "artifacts.builds.example.com.a.appspot.com"
SCENARIO = Scenario.model_validate(
    {
        "identities": [
            {"member": "user:owner@example.com", "token": OWNER, "roles": ["roles/owner"]},
            {"member": "user:reader@example.com", "token": READER, "roles": []},
            {"member": "user:stranger@example.com", "token": STRANGER, "roles": []},
        ],
        "projects": [
            {
                "id": DOMAIN,
                "number": "4711",
                "parent": "folders/12",
                "disabled_services": ["pubsub.googleapis.com"],
                "redirect_state": "PARTIAL_AND_COPYING",
                "pull_percent": 40,
                "org_policies": [
                    {
                        "constraint": "constraints/gcp.resourceLocations",
                        "allowed": ["in:us-locations"],
                    },
                    {"constraint": "constraints/iam.disableServiceAccountKeys", "enforce": True},
                ],
                "buckets": [
                    {
                        "name": BUCKET,
                        "bindings": [
                            {
                                "role": "roles/storage.objectViewer",
                                "members": ["user:reader@example.com"],
                            },
                            {
                                "role": "roles/storage.admin",
                                "members": ["user:owner@example.com"],
                            },
                        ],
                    },
                    {"name": HIDDEN, "bindings": []},
                ],
            },
            {"id": "odd", "redirect_state": "REDIRECTION_FROM_GCR_IO_NEVER_HEARD_OF"},
        ],
        "repositories": [
            {
                "project": DOMAIN,
                "location": "us",
                "id": "us.gcr.io",
                "bindings": [
                    {
                        "role": "roles/artifactregistry.reader",
                        "members": ["user:reader@example.com"],
                    }
                ],
                "images": [
                    {"path": "team/app", "tags": ["1.0", "latest"], "format": "oci"},
                    {"path": "team/app", "subject_of": "1.0", "artifact_type": "a/b"},
                    {"path": "team/sub/tool+x", "tags": ["2"], "platforms": ["linux/amd64"]},
                ],
            },
            {"project": DOMAIN, "location": "us", "id": "packages", "format": "NPM"},
        ],
    }
)


class Ask:
    """Asks services with a login, in a loop of its own each time."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def __call__(self, work: Callable[[Services], Awaitable[T]], *tokens: str) -> T:
        """Do some work as the owner, or with these tokens."""
        return using(self._endpoints, work, *(tokens or (OWNER,)))


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with a project that a domain scopes, and with what surrounds it."""
    with running(SCENARIO, tmp_path_factory.mktemp("box")) as sandbox:
        yield sandbox


@pytest.fixture
def ask(box: Sandbox, tmp_path: Path) -> Ask:
    """Ask the sandbox."""
    path = tmp_path / "endpoints.yaml"
    box.write_endpoints(path)
    return Ask(Endpoints.load(path.read_text(), str(path)))


def calls(box: Sandbox, method: str, part: str) -> list[dict[str, Any]]:
    """Return what the sandbox was asked, by method and a part of the path."""
    with urllib.request.urlopen(f"{box.control_url}/requests") as reply:  # noqa: S310  # loopback
        entries: list[dict[str, Any]] = json.load(reply)
    return [one for one in entries if one["method"] == method and part in one["path"]]


def test_all_formats_of_a_location_are_listed(ask: Ask) -> None:
    """What is no Docker repository is told too, with its format as the service's word."""
    found = ask(lambda services: services.repositories.in_location(DOMAIN, "us"))
    by_resource = {one.resource: one for one in found}
    assert by_resource[REPOSITORY.replace("us.gcr.io", "packages")].format == "NPM"
    docker = by_resource[REPOSITORY]
    assert docker.format == "DOCKER"
    assert docker.mode == "STANDARD_REPOSITORY"
    assert docker.size_bytes is not None
    assert docker.size_bytes > 0


def test_a_repository_is_made_and_its_operation_told_before_it_is_there(
    ask: Ask, box: Sandbox
) -> None:
    """The name of the operation comes while the repository cannot yet be seen."""
    seen: list[tuple[str, bool]] = []
    settings = RepositorySettings("Team 1", (("team", "one"),), immutable_tags=True)

    async def make(services: Services) -> RepositorySettings | None:
        async def on_operation(name: str) -> None:
            there = await services.repositories.get(f"{MADE}/told")
            seen.append((name, there is not None))

        await services.repositories.create(f"{MADE}/told", settings, on_operation=on_operation)
        return await services.repositories.get(f"{MADE}/told")

    # Tags that stay are for when the images are there.
    assert ask(make) == replace(settings, immutable_tags=False, scanning=Scanning.OFF)
    assert len(seen) == 1
    name, there_then = seen[0]
    assert name.startswith(f"projects/{DOMAIN}/locations/us/operations/")
    assert not there_then
    assert calls(box, "GET", "/operations/")


def test_an_operation_of_an_earlier_run_is_waited_for(ask: Ask, box: Sandbox) -> None:
    """With its name there is no second request to create."""

    async def twice(services: Services) -> None:
        resource, names = f"{MADE}/resumed", []

        async def on_operation(name: str) -> None:
            names.append(name)
            raise KeyboardInterrupt  # as if this process had ended here

        with pytest.raises(KeyboardInterrupt):
            await services.repositories.create(
                resource, RepositorySettings(), on_operation=on_operation
            )
        await services.repositories.create(resource, RepositorySettings(), operation=names[0])
        assert await services.repositories.get(resource) is not None

    before = len(calls(box, "POST", "/locations/us/repositories"))
    ask(twice)
    assert len(calls(box, "POST", "/locations/us/repositories")) == before + 1


def test_an_operation_that_is_lost_is_begun_anew(ask: Ask) -> None:
    """A service that does not know the operation any more is asked to create."""

    async def make(services: Services) -> RepositorySettings | None:
        lost = f"projects/{DOMAIN}/locations/us/operations/long-forgotten"
        await services.repositories.create(f"{MADE}/lost", RepositorySettings("d"), operation=lost)
        return await services.repositories.get(f"{MADE}/lost")

    assert ask(make) == RepositorySettings("d", scanning=Scanning.OFF)


@pytest.mark.parametrize(("token", "count"), [(OWNER, 2), (READER, 1)], ids=["owner", "reader"])
def test_permissions_on_a_repository_are_the_callers(ask: Ask, token: str, count: int) -> None:
    """A reader may read and not write."""
    read = "artifactregistry.repositories.downloadArtifacts"
    asked = {read, "artifactregistry.repositories.uploadArtifacts"}
    held = ask(lambda services: services.repositories.held(REPOSITORY, asked), token)
    assert read in held
    assert len(held) == count


def test_locations_are_listed(ask: Ask) -> None:
    """Regions and multi-regions, in order."""
    found = ask(lambda services: services.repositories.locations(DOMAIN))
    assert {"us", "europe", "asia"} <= set(found)
    assert list(found) == sorted(found)


def test_packages_have_slashes_whatever_the_wire_carries(ask: Ask) -> None:
    """Image paths come as people know them."""
    found = ask(lambda services: listed(services.contents.packages(REPOSITORY)))
    assert [one.path for one in found] == ["team/app", "team/sub/tool+x"]
    assert all(one.created_ms for one in found)


@pytest.mark.parametrize("path", ["team/app", "team/sub/tool+x"])
def test_versions_tags_and_images_agree(ask: Ask, path: str) -> None:
    """Three lists of one image path tell the same digests and tags."""

    async def read(services: Services) -> tuple[Any, Any, Any]:
        contents = services.contents
        return (
            await listed(contents.versions(REPOSITORY, path)),
            await listed(contents.tags(REPOSITORY, path)),
            [one async for one in contents.docker_images(REPOSITORY) if one.path == path],
        )

    versions, tags, images = ask(read)
    assert versions
    assert {one.digest for one in versions} == {one.digest for one in images}
    by_version = {(tag, one.digest) for one in versions for tag in one.tags}
    assert by_version == {(one.tag, one.digest) for one in tags}
    assert by_version == {(tag, one.digest) for one in images for tag in one.tags}
    assert all(one.media_type and one.uploaded_ms for one in images)
    assert any(one.size_bytes for one in images)


def test_what_an_image_is_attached_to_is_told(ask: Ask) -> None:
    """The digest of the subject is in both lists that can have it."""

    async def read(services: Services) -> tuple[Any, Any]:
        contents = services.contents
        return (
            [one async for one in contents.docker_images(REPOSITORY) if one.subject],
            [one async for one in contents.versions(REPOSITORY, "team/app") if one.subject],
        )

    images, versions = ask(read)
    assert [(one.artifact_type, one.subject) for one in images] == [
        (one.artifact_type, one.subject) for one in versions
    ]
    assert images[0].artifact_type == "a/b"


def test_a_package_that_is_not_there_has_its_problem(ask: Ask) -> None:
    """The library's exception has become the same problem as a raw reply's."""
    with pytest.raises(MigrateError) as raised:
        ask(lambda services: listed(services.contents.tags(REPOSITORY, "no/such")))
    assert raised.value.problem.code == "name-unknown"
    assert raised.value.subject == f"{REPOSITORY}/packages/no%2Fsuch"
    assert raised.value.saw.startswith("404 NOT_FOUND")


def test_facts_of_a_project(ask: Ask) -> None:
    """The number is cut from the name, as version 3 has no field for it."""
    facts = ask(lambda services: services.projects.facts(DOMAIN))
    assert (facts.id, facts.number, facts.parent) == (DOMAIN, "4711", "folders/12")
    assert facts.active


def test_a_project_that_is_hidden_is_denied(ask: Ask) -> None:
    """Who may not see a project is told so, in the service's words."""
    with pytest.raises(MigrateError, match="denied"):
        ask(lambda services: services.projects.facts(DOMAIN), STRANGER)


def test_permissions_on_a_project_are_the_callers(ask: Ask) -> None:
    """The owner has them, a stranger none."""
    asked = {"artifactregistry.repositories.create", "resourcemanager.projects.get"}

    def held(services: Services) -> Awaitable[frozenset[str]]:
        return services.projects.held(DOMAIN, asked)

    assert ask(held) == asked
    assert ask(held, STRANGER) == frozenset()


def test_services_are_asked_for_thirty_at_a_time(ask: Ask, box: Sandbox) -> None:
    """The enabled ones come out by their names, however many were asked for."""
    more = {f"odd{number}.googleapis.com" for number in range(40)}
    wanted = {"artifactregistry.googleapis.com", "pubsub.googleapis.com"}
    enabled = ask(lambda services: services.projects.enabled(DOMAIN, wanted | more))
    assert "artifactregistry.googleapis.com" in enabled
    assert "pubsub.googleapis.com" not in enabled
    assert len(calls(box, "GET", "/services:batchGet")) == 2


def test_the_redirect_state_is_read_as_text(ask: Ask) -> None:
    """A state that Google's own library does not know comes out, with its share of reads."""
    found = ask(lambda services: services.projects.redirection(DOMAIN))
    assert found.state is Redirection.PARTIAL_AND_COPYING
    assert found.pull_percent == 40


def test_a_redirect_state_never_heard_of_is_unknown(ask: Ask) -> None:
    """It is never read as disabled; the service's word is kept."""
    found = ask(lambda services: services.projects.redirection("odd"))
    assert found.state is Redirection.UNKNOWN
    assert found.word == "REDIRECTION_FROM_GCR_IO_NEVER_HEARD_OF"


def test_organisation_policies(ask: Ask) -> None:
    """Lists, switches, and none at all."""

    async def read(services: Services) -> list[OrgPolicy | None]:
        names = ("gcp.resourceLocations", "iam.disableServiceAccountKeys", "gcp.restrictNonCmek")
        projects = services.projects
        return [await projects.org_policy(DOMAIN, f"constraints/{name}") for name in names]

    assert ask(read) == [
        OrgPolicy("constraints/gcp.resourceLocations", allowed=("in:us-locations",)),
        OrgPolicy("constraints/iam.disableServiceAccountKeys", enforced=True),
        None,
    ]


def test_a_bucket_and_who_may_read_it(ask: Ask) -> None:
    """Its owner sees its place; a reader of its objects only that they can be read."""
    whole = ask(lambda services: services.buckets.get(BUCKET))
    assert whole is not None
    assert (whole.location, whole.uniform_access, whole.readable) == ("US", True, True)
    seen = ask(lambda services: services.buckets.get(BUCKET), READER)
    assert seen is not None
    assert (seen.location, seen.readable) == ("", True)


def test_a_bucket_that_is_not_there_is_none(ask: Ask) -> None:
    """It is told apart from one that is hidden."""
    assert ask(lambda services: services.buckets.get("no-such-bucket")) is None


def test_a_bucket_that_is_hidden_is_denied(ask: Ask) -> None:
    """It is there, and the caller may neither see its settings nor its objects."""
    with pytest.raises(MigrateError) as raised:
        ask(lambda services: services.buckets.get(HIDDEN), STRANGER)
    assert raised.value.problem.code == "denied"
    assert raised.value.subject == f"gs://{HIDDEN}"


def test_each_side_has_its_own_login_and_leaves_no_thread(box: Sandbox, tmp_path: Path) -> None:
    """What the target may do, the source may not; with the connections the threads end."""
    path = tmp_path / "endpoints.yaml"
    box.write_endpoints(path)
    endpoints = Endpoints.load(path.read_text(), str(path))
    for name, token in (("source", READER), ("target", OWNER)):
        (tmp_path / name).write_text(token)
    asked = {"artifactregistry.repositories.uploadArtifacts"}

    async def run() -> list[frozenset[str]]:
        source, target = (Login(str(tmp_path / name)) for name in ("source", "target"))
        settings = Settings(endpoints, environ={}, tries=2, base_s=0.01)
        async with Connections(settings, source, target) as clients:
            found = [await clients.repositories(one).held(REPOSITORY, asked) for one in SIDES]
            whole = await listed(clients.contents("source").packages(REPOSITORY))
            assert len(whole) == 2
            assert await clients.projects("target").held(DOMAIN, asked) == asked
            assert await clients.buckets("source").get(BUCKET) is not None
            assert any(one.name.startswith("google-api") for one in threading.enumerate())
        return found

    assert asyncio.run(run()) == [frozenset(), asked]
    assert not any(one.name.startswith("google-api") for one in threading.enumerate())
