"""The clients against the sandbox: Artifact Registry's dialect, its API, gcr.io's own hosts."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from ruamel.yaml import YAML

from gcr_migrate.connect import Connections, Settings
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.access import Grant
from gcr_migrate.model.content import Descriptor, Digest, Kind
from gcr_migrate.model.names import GCR_HOSTS, Project, gcr_host
from gcr_migrate.model.settings import RepositorySettings, Scanning, after_copy
from gcr_migrate.sandbox.app import running
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pieces import Iterated
from tests.feeds import whole
from tests.granting import Plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from gcr_migrate.interfaces import Feed
    from gcr_migrate.sandbox.app import Sandbox

HOST = "us-docker.pkg.dev"
APP = "builds/us.gcr.io/product1/dev/product1-app"
RESOURCE = "projects/builds/locations/us/repositories/product1"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox with the example of Container Registry's documentation."""
    with running("builds", tmp_path / "blobs") as sandbox:
        yield sandbox


def connections(box: Sandbox, tmp_path: Path, **environ: str) -> Connections:
    """Return clients that find the sandbox by an endpoints file."""
    path = tmp_path / "endpoints.yaml"
    box.write_endpoints(path)
    endpoints = Endpoints.load(path.read_text(), "endpoints.yaml")
    token = {"GCR_MIGRATE_ACCESS_TOKEN": box.token}
    settings = Settings(endpoints, environ={**token, **environ}, tries=2, base_s=0.01)
    return Connections(settings)


def requests(box: Sandbox) -> list[dict[str, Any]]:
    """Return what the sandbox was asked."""
    with urllib.request.urlopen(f"{box.control_url}/requests") as reply:  # noqa: S310  # loopback
        entries: list[dict[str, Any]] = json.load(reply)
    return entries


def fault(box: Sandbox, **rule: object) -> None:
    """Make the sandbox answer badly."""
    url, body = f"{box.control_url}/faults", json.dumps(rule).encode()
    with urllib.request.urlopen(url, data=body):  # noqa: S310  # loopback
        pass


def test_the_file_that_the_sandbox_writes_is_an_endpoints_file(
    box: Sandbox, tmp_path: Path
) -> None:
    """Sandbox and tool agree on the form of the file."""
    path = tmp_path / "e.yaml"
    box.write_endpoints(path)
    endpoints = Endpoints.load(path.read_text(), "e.yaml")
    written = YAML(typ="safe").load(path.read_text())
    assert endpoints.resolve(f"https://{HOST}/v2/") == f"{written['registries'][HOST]}/v2/"


def test_a_listing_tells_tags_digests_and_what_lies_below(box: Sandbox, tmp_path: Path) -> None:
    """Tags have digests, untagged digests are there, and folders name their children."""

    async def read() -> None:
        async with connections(box, tmp_path) as clients:
            source = clients.source(HOST, "artifact-registry")
            folder = await source.listing("builds/us.gcr.io")
            assert set(folder.children) == {"product1", "product2"}
            app = await source.listing(APP)
            assert app.manifests is not None
            assert app.tags == {"beta-2.0": app.manifests[0].digest}
            assert isinstance(app.manifests[0].uploaded_ms, int)
            assert not app.cut
            old = await source.listing("builds/us.gcr.io/product2/dev/product2")
            assert old.manifests is not None
            assert any(not one.tags for one in old.manifests)

    asyncio.run(read())


def test_manifests_and_blobs_are_read_by_digest_and_tag(box: Sandbox, tmp_path: Path) -> None:
    """Bytes have their digests, the redirect of a blob is followed, sizes are known before."""

    async def read() -> None:
        async with connections(box, tmp_path) as clients:
            source = clients.source(HOST, "artifact-registry")
            manifest = await source.manifest(APP, "beta-2.0")
            head = await source.manifest_head(APP, str(manifest.digest))
            assert head is not None
            assert head.digest == manifest.digest
            assert head.media_type == manifest.media_type
            for blob in manifest.blobs:
                assert await source.blob_size(APP, blob.digest) == blob.size
                async with source.open_blob(APP, blob) as feed:
                    data = await whole(feed)
                assert blob.digest.matches(data)
            index = await source.manifest("builds/us.gcr.io/product1/stable/product1", "1.0")
            assert index.kind is Kind.INDEX

    asyncio.run(read())


def test_referrers_of_a_subject_are_found(box: Sandbox, tmp_path: Path) -> None:
    """What is attached to a digest is listed with its type (OCI end-12)."""

    async def read() -> None:
        async with connections(box, tmp_path) as clients:
            source = clients.source(HOST, "artifact-registry")
            name = "builds/us.gcr.io/product2/stable/product2"
            subject = await source.manifest(name, "1.0")
            found = await source.referrers(name, subject.digest)
            assert found is not None
            assert "application/vnd.example.sbom.v1+json" in {one.artifact_type for one in found}

    asyncio.run(read())


def test_what_is_not_there_has_its_own_problem(box: Sandbox, tmp_path: Path) -> None:
    """Missing manifests and blobs are told apart, and asked-for heads give None."""
    gone = Digest.of(b"never pushed")

    async def read() -> None:
        async with connections(box, tmp_path) as clients:
            source = clients.source(HOST, "artifact-registry")
            assert await source.manifest_head(APP, "nope") is None
            assert await source.blob_size(APP, gone) is None
            with pytest.raises(MigrateError, match="manifest-unknown"):
                await source.manifest(APP, str(gone))
            with pytest.raises(MigrateError, match="blob-unknown"):
                async with source.open_blob(APP, Descriptor("x/y", gone, 5)):
                    pass

    asyncio.run(read())


def test_an_image_moves_into_a_new_repository_without_its_bytes(
    box: Sandbox, tmp_path: Path
) -> None:
    """Create, mount, put, read back: the same digest, and no blob was sent."""
    name = "builds/product1/dev/product1-app"

    async def move() -> None:
        async with connections(box, tmp_path) as clients:
            source = clients.source(HOST, "artifact-registry")
            target = clients.target(HOST, "artifact-registry")
            await clients.target_repositories().create(RESOURCE, RepositorySettings("Team 1"))
            manifest = await source.manifest(APP, "beta-2.0")
            for blob in manifest.blobs:
                assert await target.mount(name, blob.digest, APP) is None
            await target.put_manifest(name, "beta-2.0", manifest)
            head = await target.manifest_head(name, "beta-2.0")
            assert head is not None
            assert head.digest == manifest.digest

    asyncio.run(move())
    sent = [one for one in requests(box) if one["method"] == "PUT" and "uploads" in one["path"]]
    assert not sent


def test_a_mount_that_fails_leaves_a_session_that_an_upload_uses(
    box: Sandbox, tmp_path: Path
) -> None:
    """The session of a 202 takes the blob; none is opened beside it."""
    data = bytes(range(256)) * 1_000
    blob = Descriptor("application/octet-stream", Digest.of(data), len(data))
    name = "builds/product1/a"
    seen: list[int] = []

    @asynccontextmanager
    async def open_source() -> AsyncIterator[Feed]:
        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(data), 10_000):
                yield data[at : at + 10_000]

        yield Iterated(chunks())

    async def move() -> None:
        async with connections(box, tmp_path) as clients:
            await clients.target_repositories().create(RESOURCE, RepositorySettings())
            target = clients.target(HOST, "artifact-registry")
            session = await target.mount(name, blob.digest, APP)
            assert session
            await target.upload(name, blob, open_source, session=session, on_bytes=seen.append)
            # A blob counts for a name once a manifest or upload of that name has it.
            assert await target.blob_size(name, blob.digest) == len(data)

    asyncio.run(move())
    assert sum(seen) == len(data)
    opened = [
        one for one in requests(box) if one["method"] == "POST" and "/blobs/uploads" in one["path"]
    ]
    assert len(opened) == 1


def test_repositories_are_created_once_and_read_back(box: Sandbox, tmp_path: Path) -> None:
    """Settings come back as they were given, those of the end once they are written then."""
    settings = RepositorySettings(
        description="Team 1", labels=(("a", "1"), ("b", "2")), immutable_tags=True
    )

    async def create() -> None:
        async with connections(box, tmp_path) as clients:
            repositories = clients.target_repositories()
            assert await repositories.get(RESOURCE) is None
            await repositories.create(RESOURCE, settings)
            await repositories.create(RESOURCE, settings)
            made = replace(settings, immutable_tags=False, scanning=Scanning.OFF)
            assert await repositories.get(RESOURCE) == made
            kept: list[str] = []
            for expected in (True, False):
                wrote = await repositories.change(
                    RESOURCE, settings, after_copy(settings), on_previous=kept.append
                )
                assert wrote is expected
            assert await repositories.get(RESOURCE) == replace(made, immutable_tags=True)
            assert [json.loads(raw)["description"] for raw in kept] == ["Team 1"]

    asyncio.run(create())


def test_grants_are_added_and_nothing_else_is_touched(box: Sandbox, tmp_path: Path) -> None:
    """A second run writes nothing, bindings that were there stay, and what was added goes."""
    resource = "projects/builds/locations/us/repositories/us.gcr.io"
    grants = (
        Grant("roles/artifactregistry.reader", "group:a@example.com"),
        Grant("roles/artifactregistry.repoAdmin", "group:b@example.com"),
    )
    plan = Plan(tmp_path / "m", resource, *grants)

    async def grant() -> None:
        async with connections(box, tmp_path) as clients:
            repositories = clients.target_repositories()
            before = await repositories.policy(resource)
            await plan.add(repositories)
            after = await repositories.policy(resource)
            assert all(after.holds(one) for one in grants)
            assert {(b.role, m) for b in before.bindings for m in b.members} <= {
                (b.role, m) for b in after.bindings for m in b.members
            }
            await plan.add(repositories)
            assert await repositories.policy(resource) == after
            assert await plan.take_back(repositories) == {1: True, 2: True}
            assert (await repositories.policy(resource)).bindings == before.bindings

    asyncio.run(grant())


def test_a_gcr_host_says_who_answers_for_it(box: Sandbox, tmp_path: Path) -> None:
    """The header of gcr.io hosts leads to the repository in Artifact Registry."""
    host = gcr_host("us.gcr.io") or GCR_HOSTS[0]

    async def probe() -> tuple[str, str, str]:
        async with connections(box, tmp_path) as clients:
            return await clients.probe_gcr(Project.parse("builds"), host)

    assert asyncio.run(probe()) == (HOST, "builds/us.gcr.io", "artifact-registry")


def test_a_stranger_is_denied(box: Sandbox, tmp_path: Path) -> None:
    """Rights are missing: denied, without a retry and without the token in the words."""

    async def read() -> None:
        stranger = {"GCR_MIGRATE_ACCESS_TOKEN": "ya29.sandbox-stranger"}
        async with connections(box, tmp_path, **stranger) as clients:
            await clients.source(HOST, "artifact-registry").listing(APP)

    with pytest.raises(MigrateError) as raised:
        asyncio.run(read())
    assert raised.value.problem.code == "denied"
    assert "ya29" not in f"{raised.value}{raised.value.__cause__}"


def test_a_wrong_token_is_unauthorized(box: Sandbox, tmp_path: Path) -> None:
    """The registry does not know the token."""

    async def read() -> None:
        async with connections(box, tmp_path, GCR_MIGRATE_ACCESS_TOKEN="wrong") as clients:  # noqa: S106  # not a password
            await clients.source(HOST, "artifact-registry").listing(APP)

    with pytest.raises(MigrateError, match="unauthorized"):
        asyncio.run(read())


def test_one_token_is_asked_for_by_many_readers(box: Sandbox, tmp_path: Path) -> None:
    """Twenty readers at once need one challenge and one token."""

    async def read() -> None:
        async with connections(box, tmp_path) as clients:
            source = clients.source(HOST, "artifact-registry")
            await asyncio.gather(*(source.listing(APP) for _ in range(20)))

    asyncio.run(read())
    paths = [one["path"] for one in requests(box)]
    assert len([path for path in paths if path.endswith("/token")]) == 1
    assert len([path for path in paths if path.endswith("/v2/")]) == 1


@pytest.mark.parametrize(
    ("status", "code", "asked"),
    [
        (403, "denied", 1),
        (404, "name-unknown", 2),
        (429, "too-many-requests", 1),
        (500, "server-error", 2),
        (412, "not-migrated", 1),
    ],
)
def test_a_fault_becomes_its_problem(
    box: Sandbox, tmp_path: Path, status: int, code: str, asked: int
) -> None:
    """Each status gives its code; only what can get better is asked again, within its time."""
    fault(box, path="tags/list", status=status, body="plain words")

    async def read() -> None:
        async with connections(box, tmp_path, GCR_MIGRATE_QUOTA_WAIT_S="0") as clients:
            await clients.source(HOST, "artifact-registry").listing(APP)

    with pytest.raises(MigrateError) as raised:
        asyncio.run(read())
    assert raised.value.problem.code == code
    assert len([one for one in requests(box) if "tags/list" in one["path"]]) == asked


def test_a_token_that_is_refused_is_renewed_once(box: Sandbox, tmp_path: Path) -> None:
    """After one 401 the call is made again with a new token."""
    fault(box, path="tags/list", status=401, times=1)

    async def read() -> None:
        async with connections(box, tmp_path) as clients:
            assert (await clients.source(HOST, "artifact-registry").listing(APP)).tags

    asyncio.run(read())
    assert len([one for one in requests(box) if one["path"].endswith("/token")]) == 2
