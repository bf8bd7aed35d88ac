"""Google's client library for Cloud Storage against the sandbox, with its own transport."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from google.api_core import exceptions
from google.cloud import storage
from google.oauth2.credentials import Credentials

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.sandbox.app import Sandbox

BUCKET = "us.artifacts.builds.appspot.com"
PUBLIC = "eu.artifacts.builds.appspot.com"
READER, STRANGER = "ya29.reader", "ya29.stranger"
_READS = {"role": "roles/storage.objectViewer", "members": ["user:reader@example.com"]}
_OWNS = {"role": "roles/storage.admin", "members": ["projectOwner:builds"]}
_PUBLIC = {"role": "roles/storage.objectViewer", "members": ["allUsers"]}
SCENARIO = Scenario.model_validate(
    {
        "identities": [
            {},
            {"member": "user:reader@example.com", "token": READER, "roles": []},
            {"member": "user:stranger@example.com", "token": STRANGER, "roles": []},
        ],
        "projects": [
            {
                "id": "builds",
                "number": "123456789012",
                "buckets": [
                    {
                        "name": BUCKET,
                        "bindings": [_OWNS, _READS],
                        "images": [{"path": "a", "layers": [{"name": "one", "size": 70_000}]}],
                    },
                    {"name": "artifacts.builds.appspot.com", "uniform": False},
                    {
                        "name": PUBLIC,
                        "bindings": [_OWNS, _PUBLIC],
                        "objects": {"hello.txt": "hello"},
                    },
                ],
            }
        ],
    }
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox with three buckets; no test changes anything."""
    with running(SCENARIO, tmp_path_factory.mktemp("box")) as one:
        yield one


def _client(box: Sandbox, token: str) -> storage.Client:
    return storage.Client(
        project="builds",
        credentials=Credentials(token),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": box.addresses["storage"]},
    )


@pytest.fixture(scope="module")
def owner(box: Sandbox) -> Iterator[storage.Client]:
    """Return a client with the owner's access token."""
    one = _client(box, box.token)
    yield one
    one.close()


def test_buckets_are_listed_and_read(owner: storage.Client) -> None:
    """All buckets are in the list, with their place and who decides about access."""
    listed = {one.name: one for one in owner.list_buckets()}
    read = owner.get_bucket(BUCKET)

    assert set(listed) == {BUCKET, PUBLIC, "artifacts.builds.appspot.com"}
    assert (read.location, read.location_type) == ("US", "multi-region")
    assert str(read.project_number) == "123456789012"
    uniform = {
        name: one.iam_configuration.uniform_bucket_level_access_enabled
        for name, one in listed.items()
    }
    assert uniform == {BUCKET: True, PUBLIC: True, "artifacts.builds.appspot.com": False}


def test_blobs_are_listed_and_whole(owner: storage.Client) -> None:
    """The blobs of an image lie under their digests; the library checks their checksum."""
    listed = list(owner.list_blobs(BUCKET, prefix="containers/images/", page_size=1))

    assert len(listed) == 2
    assert max(one.size for one in listed) > 70_000
    for one in listed:
        digest = hashlib.sha256(one.download_as_bytes(checksum="crc32c")).hexdigest()
        assert one.name == f"containers/images/sha256:{digest}"


def test_a_part_of_a_blob_is_read(owner: storage.Client) -> None:
    """A range is answered with these bytes only."""
    blob = next(iter(owner.list_blobs(BUCKET, prefix="containers/images/")))
    whole = blob.download_as_bytes()

    assert blob.download_as_bytes(start=2, end=4, checksum=None) == whole[2:5]


def test_a_buckets_policy_is_read(owner: storage.Client) -> None:
    """Version 3 is asked for, and the grants are there."""
    policy = owner.bucket(BUCKET).get_iam_policy(requested_policy_version=3)

    found = {(one["role"], member) for one in policy.bindings for member in one["members"]}
    assert ("roles/storage.objectViewer", "user:reader@example.com") in found


def test_permissions_are_the_callers_own(box: Sandbox) -> None:
    """Who may read objects holds that, and not the bucket's policy."""
    asked = ["storage.objects.get", "storage.objects.list", "storage.buckets.getIamPolicy"]
    reader = _client(box, READER)

    held = reader.bucket(BUCKET).test_iam_permissions(asked)

    assert set(held) == set(asked[:2])
    with pytest.raises(exceptions.Forbidden):
        reader.bucket(BUCKET).get_iam_policy(requested_policy_version=3)
    reader.close()


def test_hidden_and_missing_buckets_differ(box: Sandbox, owner: storage.Client) -> None:
    """A stranger is denied what is there; what is not there is not there for the owner."""
    stranger = _client(box, STRANGER)

    with pytest.raises(exceptions.Forbidden):
        stranger.get_bucket(BUCKET)
    stranger.close()
    assert owner.lookup_bucket("nothing.artifacts.builds.appspot.com") is None
    assert not owner.bucket(BUCKET).blob("containers/images/nothing").exists()


def test_the_emulators_variable_leads_here(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """With STORAGE_EMULATOR_HOST the library finds the sandbox by itself, and reads as anybody."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", box.addresses["storage"])
    nobody = storage.Client()

    found = {one.name: one.download_as_text() for one in nobody.list_blobs(PUBLIC)}

    nobody.close()
    assert found == {"hello.txt": "hello"}
