"""Google's own client libraries against the sandbox, with their own transport.

What they cannot read here they could not read at Google either, and the sandbox would be wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.api_core import exceptions
from google.cloud import artifactregistry_v1 as ar
from google.oauth2.credentials import Credentials

from gcr_migrate.model.content import DOCKER_MANIFEST, OCI_INDEX
from gcr_migrate.sandbox.app import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.sandbox.app import Sandbox

LOCATION = "projects/builds/locations/us"
SOURCE = f"{LOCATION}/repositories/us.gcr.io"
SIGNED = f"{SOURCE}/packages/product2%2Fstable%2Fproduct2"
SETTINGS = "projects/builds/projectSettings"
QUICK = 20.0  # seconds; the library's own waiting has no end


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run the scenario of the documentation; each test changes only what is its own."""
    with running("builds", tmp_path_factory.mktemp("box")) as one:
        yield one


def _client(box: Sandbox, token: str) -> ar.ArtifactRegistryClient:
    return ar.ArtifactRegistryClient(
        transport="rest",
        credentials=Credentials(token),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": box.addresses["artifact_registry"]},
    )


@pytest.fixture(scope="module")
def api(box: Sandbox) -> Iterator[ar.ArtifactRegistryClient]:
    """Return a client with the owner's access token."""
    with _client(box, box.token) as one:
        yield one


def _last(names: list[str]) -> list[str]:
    return [name.rpartition("/")[2] for name in names]


def test_repositories_are_listed_and_read(api: ar.ArtifactRegistryClient) -> None:
    """Enums, times and sizes arrive as the library's types, in the list as alone."""
    listed = {one.name: one for one in api.list_repositories(parent=LOCATION, timeout=QUICK)}
    read = api.get_repository(name=SOURCE, timeout=QUICK)

    assert listed[SOURCE] == read
    assert read.format_ is ar.Repository.Format.DOCKER
    assert read.mode is ar.Repository.Mode.STANDARD_REPOSITORY
    assert read.registry_uri == "us-docker.pkg.dev/builds/us.gcr.io"
    assert read.size_bytes > 0
    assert read.create_time.year == 2024


def test_packages_are_the_image_tree(api: ar.ArtifactRegistryClient) -> None:
    """One list call names every image path, its slashes escaped."""
    names = [one.name for one in api.list_packages(parent=SOURCE, timeout=QUICK)]

    assert _last(names) == [
        "product1%2Fdev%2Fproduct1-app",
        "product1%2Fstable%2Fproduct1",
        "product2%2Fdev%2Fproduct2",
        "product2%2Fstable%2Fproduct2",
    ]
    assert api.get_package(name=names[0], timeout=QUICK).name == names[0]


def test_versions_tell_their_tags_in_the_full_view_only(api: ar.ArtifactRegistryClient) -> None:
    """FULL has the related tags and BASIC has none; both have the metadata."""
    views = {"basic": ar.VersionView.BASIC, "full": ar.VersionView.FULL}
    found = {
        word: list(api.list_versions(request={"parent": SIGNED, "view": view}, timeout=QUICK))
        for word, view in views.items()
    }

    tags = {_last([tag.name])[0] for one in found["full"] for tag in one.related_tags}
    assert "1.0" in tags
    assert not any(one.related_tags for one in found["basic"])
    subjects = [one.metadata.get("subjectDigest") for one in found["basic"] if one.metadata]
    signed = next(one.name for one in found["full"] if "1.0" in _last([_tag(one)]))
    assert signed.rpartition("/")[2] in subjects
    assert api.get_version(name=signed, timeout=QUICK).name == signed


def _tag(version: ar.Version) -> str:
    return str(version.related_tags[0].name) if version.related_tags else ""


def test_tags_are_filtered_by_version(api: ar.ArtifactRegistryClient) -> None:
    """The filter that gcloud uses finds the tags of one version."""
    tag = api.get_tag(name=f"{SIGNED}/tags/1.0", timeout=QUICK)

    request = {"parent": SIGNED, "filter": f'version="{tag.version}"'}
    found = list(api.list_tags(request=request, timeout=QUICK))

    assert [one.name for one in found] == [tag.name]


def test_docker_images_come_whole_over_pages(api: ar.ArtifactRegistryClient) -> None:
    """Pages of three hold each digest once, with the platforms of an index."""
    request = {"parent": SOURCE, "page_size": 3}
    images = list(api.list_docker_images(request=request, timeout=QUICK))

    assert len({one.uri for one in images}) == len(images) == 10
    assert {one.build_time.year for one in images if one.media_type == DOCKER_MANIFEST} == {2024}
    index = next(one for one in images if "1.0" in one.tags and one.media_type == OCI_INDEX)
    platforms = [(one.os, one.architecture) for one in index.image_manifests]
    assert platforms == [("linux", "amd64"), ("linux", "arm64")]
    children = {one.digest for one in index.image_manifests}
    assert children < {one.uri.partition("@")[2] for one in images}
    assert api.get_docker_image(name=index.name, timeout=QUICK) == index


def test_a_policy_goes_there_and_back(api: ar.ArtifactRegistryClient) -> None:
    """The etag survives the library's bytes, so that a write after a read is accepted once."""
    request = {"resource": SOURCE, "options": {"requested_policy_version": 3}}
    policy = api.get_iam_policy(request=request, timeout=QUICK)
    roles = [one.role for one in policy.bindings]

    written = api.set_iam_policy(request={"resource": SOURCE, "policy": policy}, timeout=QUICK)

    assert roles == ["roles/artifactregistry.reader", "roles/artifactregistry.writer"]
    assert [one.role for one in written.bindings] == roles
    with pytest.raises(exceptions.Conflict):
        api.set_iam_policy(request={"resource": SOURCE, "policy": policy}, timeout=QUICK)


def _create(
    api: ar.ArtifactRegistryClient, parent: str, id_: str, repository: ar.Repository
) -> ar.Repository:
    """Create a repository, and wait as the library waits."""
    operation = api.create_repository(
        parent=parent, repository_id=id_, repository=repository, timeout=QUICK
    )
    made: ar.Repository = operation.result(timeout=QUICK)  # type: ignore[no-untyped-call]
    return made


def test_a_repository_is_created_by_an_operation(api: ar.ArtifactRegistryClient) -> None:
    """The library polls to the end and reads the repository out of the operation."""
    wanted = ar.Repository(
        format_=ar.Repository.Format.DOCKER,
        labels={"team": "web"},
        docker_config=ar.Repository.DockerRepositoryConfig(immutable_tags=True),
    )

    made = _create(api, LOCATION, "made-by-google", wanted)

    assert made.name == f"{LOCATION}/repositories/made-by-google"
    assert (made.format_, dict(made.labels)) == (wanted.format_, {"team": "web"})
    assert made.docker_config.immutable_tags
    with pytest.raises(exceptions.Conflict):
        _create(api, LOCATION, "made-by-google", wanted)


def test_permissions_are_the_callers_own(box: Sandbox, api: ar.ArtifactRegistryClient) -> None:
    """Of what is asked the owner holds all, the reader only what reading needs."""
    names = [
        f"artifactregistry.repositories.{verb}"
        for verb in ("downloadArtifacts", "uploadArtifacts", "setIamPolicy")
    ]
    request = {"resource": SOURCE, "permissions": names}

    with _client(box, "ya29.sandbox-ci") as reader:
        held = reader.test_iam_permissions(request=request, timeout=QUICK)
        assert list(held.permissions) == names[:1]
        with pytest.raises(exceptions.Forbidden) as denied:
            reader.get_iam_policy(request={"resource": SOURCE}, timeout=QUICK)
    assert denied.value.reason == "IAM_PERMISSION_DENIED"
    assert list(api.test_iam_permissions(request=request, timeout=QUICK).permissions) == names


def test_a_redirect_goes_forward_and_is_read_back(api: ar.ArtifactRegistryClient) -> None:
    """States are numbers on this wire; FINALIZED has no way back."""
    states = ar.ProjectSettings.RedirectionState
    assert (
        api.get_project_settings(name=SETTINGS, timeout=QUICK).legacy_redirection_state
        is states.REDIRECTION_FROM_GCR_IO_ENABLED
    )

    done = _redirect(api, states.REDIRECTION_FROM_GCR_IO_FINALIZED)

    assert done.legacy_redirection_state is states.REDIRECTION_FROM_GCR_IO_FINALIZED
    with pytest.raises(exceptions.BadRequest):
        _redirect(api, states.REDIRECTION_FROM_GCR_IO_DISABLED)


def _redirect(api: ar.ArtifactRegistryClient, state: int) -> ar.ProjectSettings:
    settings = {"name": SETTINGS, "legacy_redirection_state": state}
    mask = {"paths": ["legacy_redirection_state"]}
    request = {"project_settings": settings, "update_mask": mask}
    return api.update_project_settings(request=request, timeout=QUICK)


def test_a_tag_is_made_and_moved(api: ar.ArtifactRegistryClient) -> None:
    """A tag takes the full name of a version, and PATCH moves it."""
    package = f"{SOURCE}/packages/product2%2Fdev%2Fproduct2"
    versions = [one.name for one in api.list_versions(parent=package, timeout=QUICK)]
    request = {"parent": package, "tag_id": "next", "tag": {"version": versions[0]}}
    made = api.create_tag(request=request, timeout=QUICK)

    mask = {"paths": ["version"]}
    tag = {"name": made.name, "version": versions[1]}
    moved = api.update_tag(request={"tag": tag, "update_mask": mask}, timeout=QUICK)

    assert (made.version, moved.version) == (versions[0], versions[1])
    assert api.get_tag(name=made.name, timeout=QUICK).version == versions[1]


def test_what_a_perimeter_and_locations_say_is_read(api: ar.ArtifactRegistryClient) -> None:
    """Locations and the rule for remote repositories have their own calls."""
    name = f"{LOCATION}/vpcscConfig"

    config = api.get_vpcsc_config(name=name, timeout=QUICK)
    places = api.list_locations({"name": "projects/builds"}, timeout=QUICK).locations

    assert config.vpcsc_policy is ar.VPCSCConfig.VPCSCPolicy.DENY
    assert {"us", "europe", "asia"} <= {one.location_id for one in places}


def test_a_domain_scoped_project_is_one_name(api: ar.ArtifactRegistryClient) -> None:
    """The library sends the colon as `%3A`, and finds the repository again."""
    parent = "projects/example.com:apps/locations/europe"
    repository = ar.Repository(format_=ar.Repository.Format.DOCKER)
    made = _create(api, parent, "web", repository)

    assert made.registry_uri == "europe-docker.pkg.dev/example.com/apps/web"
    found = [one.name for one in api.list_repositories(parent=parent, timeout=QUICK)]
    assert found == [f"{parent}/repositories/web"]
