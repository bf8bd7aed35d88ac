"""The real gcloud looks at the services around Artifact Registry, and does what remedies say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gcr_migrate.sandbox.app import running
from tests.gcloud_runs import gcloud, gcloud_environ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.sandbox.app import Sandbox

pytestmark = pytest.mark.slow

PROJECT = "old-builds"
BUCKET = "gs://artifacts.old-builds.appspot.com"
GRANT = (
    f"projects add-iam-policy-binding {PROJECT} --member=user:stranger@example.com "
    "--role=roles/artifactregistry.reader --condition=None"
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox with a project that was never migrated, two of its services disabled."""
    with running("never-migrated", tmp_path_factory.mktemp("box")) as one:
        disabled = {"cloudasset.googleapis.com", "pubsub.googleapis.com"}
        one.store.project(PROJECT).disabled |= disabled
        yield one


@pytest.fixture(scope="module")
def environ(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what gcloud needs to come to the sandbox."""
    return gcloud_environ(box, tmp_path_factory.mktemp("gcloud"), PROJECT)


@pytest.mark.needs("gcloud")
def test_gcloud_sees_the_project(environ: dict[str, str]) -> None:
    """Its number is that of the scenario."""
    assert gcloud(environ, f"projects describe {PROJECT}")["projectNumber"] == "220000000001"


@pytest.mark.needs("gcloud")
def test_gcloud_sees_the_bucket(environ: dict[str, str]) -> None:
    """It reads where the bucket lies, that objects have access lists, and who may come."""
    bucket = gcloud(environ, f"storage buckets describe {BUCKET}")
    policy = gcloud(environ, f"storage buckets get-iam-policy {BUCKET}")

    assert (bucket["location"], bucket["uniform_bucket_level_access"]) == ("US", False)
    roles = {one["role"] for one in policy["bindings"]}
    assert "roles/storage.legacyBucketOwner" in roles


@pytest.mark.needs("gcloud")
def test_gcloud_sees_organisation_policies(environ: dict[str, str]) -> None:
    """Where none is set it is told that everything is allowed."""
    command = f"org-policies describe gcp.resourceLocations --effective --project={PROJECT}"

    assert gcloud(environ, command)["spec"] == {"rules": [{"allowAll": True}]}


@pytest.mark.needs("gcloud")
def test_gcloud_does_what_a_remedy_says(box: Sandbox, environ: dict[str, str]) -> None:
    """Enabling a service, as a person would paste it, has its effect, which a list shows."""
    gcloud(environ, "services enable cloudasset.googleapis.com")

    assert box.store.project(PROJECT).disabled == {"pubsub.googleapis.com"}
    enabled = {one["config"]["name"] for one in gcloud(environ, "services list --enabled")}
    assert "cloudasset.googleapis.com" in enabled
    assert "pubsub.googleapis.com" not in enabled


@pytest.mark.needs("gcloud")
def test_gcloud_grants_a_role(box: Sandbox, environ: dict[str, str]) -> None:
    """It reads, merges and writes the policy of a project with its etag."""
    gcloud(environ, GRANT)

    members = ["user:stranger@example.com"]
    wanted = {"role": "roles/artifactregistry.reader", "members": members}
    assert wanted in box.store.project(PROJECT).bindings
