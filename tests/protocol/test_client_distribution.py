"""The client against a real `docker-registry`, end-point by end-point."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from msgspec.structs import replace

from gcr_migrate.connect import Connections, Settings
from gcr_migrate.errors import BAD_REPLY, MigrateError
from gcr_migrate.google.credentials import Credentials
from gcr_migrate.model.content import OCI_MANIFEST, Descriptor, Digest, Manifest
from gcr_migrate.model.dialect import DISTRIBUTION
from gcr_migrate.model.limits import Limits
from gcr_migrate.model.login import Login
from gcr_migrate.registry.client import RegistryClient
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pieces import Iterated
from gcr_migrate.wire.retry import TransientError
from gcr_migrate.wire.transport import Wire
from tests.feeds import whole
from tests.relay import Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from gcr_migrate.interfaces import Feed, TargetRegistry
    from tests.relay import Lie

pytestmark = pytest.mark.needs("docker-registry")

DATA = bytes(range(256)) * 2_000
BLOB = Descriptor("application/vnd.oci.image.layer.v1.tar", Digest.of(DATA), len(DATA))
CONFIG = Descriptor("application/vnd.oci.image.config.v1+json", Digest.of(b"{}"), 2)
DAMAGED = DATA[:-1] + b"?"
CUT = "cut"


class RealRegistry(Protocol):
    """What these tests need of the shared fixture."""

    @property
    def host(self) -> str:
        """Where it listens."""
        ...


class Source:
    """Reads of a blob: bytes as given, `CUT` for a connection that breaks half-way."""

    def __init__(self, *reads: bytes | str) -> None:
        self._left = list(reads)
        self.opened = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Feed]:
        """Give the next read; the last one again and again."""
        self.opened += 1
        read = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        yield Iterated(self._chunks(read))

    async def _chunks(self, read: bytes | str) -> AsyncIterator[bytes]:
        data = DATA if isinstance(read, str) else read
        for at in range(0, len(data), 50_000):
            if read == CUT and at > len(data) // 2:
                raise TransientError(BAD_REPLY, subject="source", saw="cut")
            yield data[at : at + 50_000]


def manifest_of(*layers: Descriptor) -> Manifest:
    """Return an image manifest with odd blanks, which must survive."""
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": CONFIG.media_type, "digest": str(CONFIG.digest), "size": 2},
        "layers": [
            {"mediaType": one.media_type, "digest": str(one.digest), "size": one.size}
            for one in layers
        ],
    }
    return Manifest.read(json.dumps(body, indent=7).encode() + b"\n\n", OCI_MANIFEST)


def at(
    registry: RealRegistry, work: Callable[[TargetRegistry], Awaitable[None]], tries: int = 4
) -> None:
    """Do the work with a client of this registry."""

    async def run() -> None:
        settings = Settings(environ={}, tries=tries, base_s=0.001)
        async with Connections(settings) as clients:
            await work(clients.target(registry.host, "distribution"))

    asyncio.run(run())


def opener(
    *reads: bytes | str,
) -> Callable[[], AbstractAsyncContextManager[Feed]]:
    """Return what `upload` opens to read."""
    return Source(*reads).open


def test_an_image_goes_in_and_comes_out_unchanged(registry: RealRegistry) -> None:
    """Blobs and manifests have the same bytes after the way through (end-2, 3, 4a, 6, 7)."""
    manifest = manifest_of(BLOB)

    async def work(client: TargetRegistry) -> None:
        await client.upload("team/app", BLOB, opener(DATA))
        await client.upload("team/app", CONFIG, opener(b"{}"))
        await client.put_manifest("team/app", "1.0", manifest)
        back = await client.manifest("team/app", "1.0")
        assert back == manifest
        assert (await client.manifest("team/app", str(manifest.digest))).raw == manifest.raw
        head = await client.manifest_head("team/app", "1.0")
        assert head is not None
        assert (head.digest, head.size_bytes) == (manifest.digest, len(manifest.raw))
        assert await client.blob_size("team/app", BLOB.digest) == BLOB.size
        async with client.open_blob("team/app", BLOB) as feed:
            assert await whole(feed) == DATA
        assert await client.referrers("team/app", manifest.digest) is None

    at(registry, work)


def test_lists_go_over_all_their_pages(registry: RealRegistry) -> None:
    """More tags than fit a page all come (end-8, Link), and the catalogue names the image."""
    manifest = manifest_of()
    tags = {f"v{number}" for number in range(11)}

    async def work(client: TargetRegistry) -> None:
        await client.upload("team/app", CONFIG, opener(b"{}"))
        await asyncio.gather(*(client.put_manifest("team/app", t, manifest) for t in tags))
        short_pages = replace(DISTRIBUTION, page_size=3)
        async with Wire(Endpoints()) as wire:
            reader = RegistryClient(
                registry.host, wire, Credentials(Login(), {}, wire), short_pages
            )
            listing = await reader.listing("team/app")
        assert set(listing.tags) == tags
        assert listing.manifests is None
        assert not listing.cut
        assert [name async for name in client.catalog()] == ["team/app"]

    at(registry, work)


def test_a_mount_moves_no_bytes_or_leaves_a_session(registry: RealRegistry) -> None:
    """What the other name has is mounted; what it lacks is uploaded in that session (end-11)."""

    async def work(client: TargetRegistry) -> None:
        await client.upload("team/app", BLOB, opener(DATA))
        assert await client.mount("other/app", BLOB.digest, "team/app") is None
        assert await client.blob_size("other/app", BLOB.digest) == BLOB.size
        session = await client.mount("other/app", CONFIG.digest, "team/app")
        assert session
        await client.upload("other/app", CONFIG, opener(b"{}"), session=session)
        assert await client.blob_size("other/app", CONFIG.digest) == 2

    at(registry, work)


def test_a_lost_session_is_replaced(registry: RealRegistry) -> None:
    """A session that the registry has forgotten costs a new one, not the blob."""

    async def work(client: TargetRegistry) -> None:
        gone = f"http://{registry.host}/v2/team/app/blobs/uploads/forgotten?_state=x"
        await client.upload("team/app", BLOB, opener(DATA), session=gone)
        assert await client.blob_size("team/app", BLOB.digest) == BLOB.size

    at(registry, work)


@pytest.mark.parametrize(("lie", "reads"), [("reset-after", 1), ("reset-within", 2)])
def test_an_upload_whose_answer_is_lost_is_not_sent_again(
    registry: RealRegistry, lie: Lie, reads: int
) -> None:
    """Whether the registry has the blob is asked first; if it has not, the blob is sent."""
    source, seen = Source(DATA), list[int]()
    port = int(registry.host.rpartition(":")[2])
    relay = Relay(port, "/blobs/uploads/", lie, times=1, method="PUT")

    async def work(client: TargetRegistry) -> None:
        await client.upload("team/app", BLOB, source.open, on_bytes=seen.append)
        assert await client.blob_size("team/app", BLOB.digest) == BLOB.size

    with relay.running():
        at(relay, work)
    assert (relay.told, source.opened, sum(seen)) == (1, reads, BLOB.size)


def test_bytes_count_once_a_cap_lets_them_pass(registry: RealRegistry) -> None:
    """What waits for its turn has not left: a blob that was read at once counts bit by bit."""
    data, seen = bytes(60_000), list[int]()
    blob = Descriptor("application/octet-stream", Digest.of(data), len(data))

    async def run() -> None:
        settings = Settings(environ={}, limits=Limits(bytes_per_s=100_000))
        async with Connections(settings) as clients:
            client = clients.target(registry.host, "distribution")
            await client.upload("team/app", blob, Source(data).open, on_bytes=seen.append)

    asyncio.run(run())
    assert (max(seen), sum(seen)) == (5_000, len(data))


@pytest.mark.parametrize("first", [CUT, DAMAGED, DATA[:-1], DATA + b"x"])
def test_a_read_that_broke_is_started_over(
    registry: RealRegistry, first: bytes | str, events: list[dict[str, Any]]
) -> None:
    """A cut, damaged, short or long read is followed by a whole one; bytes count once.

    That it was sent again is logged with its cause, and counted.
    """
    seen: list[int] = []

    async def run() -> int:
        async with Connections(Settings(environ={}, base_s=0.001)) as clients:
            client, source = clients.target(registry.host, "distribution"), Source(first, DATA)
            await client.upload("team/app", BLOB, source.open, on_bytes=seen.append)
            assert source.opened == 2
            assert await client.blob_size("team/app", BLOB.digest) == BLOB.size
            return clients.traffic.retried

    assert asyncio.run(run()) == 1
    assert sum(seen) == BLOB.size
    code = "bad-reply" if first == CUT else "digest-mismatch"
    told = [(one["event"], one["level"], one["code"], one["attempt"]) for one in events]
    assert told == [("retry", "debug", code, 1)]
    assert events[0]["saw"]


def test_wrong_bytes_are_never_completed(registry: RealRegistry) -> None:
    """Two reads that do not have the digest end it, and the registry has nothing."""

    async def work(client: TargetRegistry) -> None:
        source = Source(DAMAGED)
        with pytest.raises(MigrateError) as raised:
            await client.upload("team/app", BLOB, source.open)
        assert raised.value.problem.code == "digest-mismatch"
        assert source.opened == 2
        assert await client.blob_size("team/app", BLOB.digest) is None

    at(registry, work)


def test_a_source_that_always_breaks_ends_with_its_problem(registry: RealRegistry) -> None:
    """Four sessions are enough."""

    async def work(client: TargetRegistry) -> None:
        source = Source(CUT)
        with pytest.raises(MigrateError, match="cut"):
            await client.upload("team/app", BLOB, source.open)
        assert source.opened == 4

    at(registry, work)


def test_an_empty_blob_can_be_sent(registry: RealRegistry) -> None:
    """No bytes are bytes too."""
    empty = Descriptor("application/octet-stream", Digest.of(b""), 0)

    async def work(client: TargetRegistry) -> None:
        await client.upload("team/app", empty, opener(b""))
        assert await client.blob_size("team/app", empty.digest) == 0

    at(registry, work)


def test_a_manifest_whose_blobs_are_missing_is_refused(registry: RealRegistry) -> None:
    """The registry's own words are in the error."""

    async def work(client: TargetRegistry) -> None:
        with pytest.raises(MigrateError) as raised:
            await client.put_manifest("team/app", "1.0", manifest_of(BLOB))
        assert raised.value.problem.code == "blob-unknown"
        assert "BLOB_UNKNOWN" in raised.value.saw

    at(registry, work)


def test_unknown_names_tags_and_blobs_are_told_apart(registry: RealRegistry) -> None:
    """Each has its own problem; heads give None."""

    async def work(client: TargetRegistry) -> None:
        with pytest.raises(MigrateError, match="name-unknown"):
            await client.listing("no/such")
        with pytest.raises(MigrateError, match="manifest-unknown"):
            await client.manifest("no/such", "1.0")
        with pytest.raises(MigrateError, match="blob-unknown"):
            async with client.open_blob("no/such", BLOB):
                pass
        assert await client.manifest_head("no/such", "1.0") is None
        assert await client.blob_size("no/such", BLOB.digest) is None

    at(registry, work)
