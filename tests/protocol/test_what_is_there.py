"""What a registry says about a blob or manifest that it has, in all the ways that it may."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from gcr_migrate.errors import STOPPED, MigrateError
from gcr_migrate.google.credentials import Credentials
from gcr_migrate.model.content import OCI_INDEX, Descriptor, Digest, RawManifest
from gcr_migrate.model.dialect import DISTRIBUTION
from gcr_migrate.model.login import Login
from gcr_migrate.registry.client import RegistryClient
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pilot import Pilot
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire
from tests.asking import using
from tests.feeds import one_piece
from tests.scripted import Answer, Asked, Scripted

BLOB = Descriptor("application/octet-stream", Digest.of(b"blob"), 4)
RAW = b'{"schemaVersion":2,"mediaType":"%s","manifests":[]}' % OCI_INDEX.encode()
OTHER_NAME = f"sha512:{hashlib.sha512(RAW).hexdigest()}"


@pytest.mark.parametrize(
    ("answer", "size", "there"),
    [
        (Answer(headers={"content-length": "4"}), 4, True),
        (Answer(headers={"content-length": "0"}), 4, False),
        (Answer(headers={"content-length": "0"}), -1, True),
        (Answer(headers={"content-length": "9", "content-encoding": "gzip"}), 4, True),
        (Answer(headers={"transfer-encoding": "chunked"}), 4, True),
        (Answer(404), 4, False),
    ],
)
def test_a_blob_is_there_that_is_as_long_as_it_has_to_be(
    answer: Answer, size: int, *, there: bool
) -> None:
    """An upload that broke off may have left an empty one; who says no length may have it."""

    async def ask(client: RegistryClient) -> bool:
        return await client.has_blob("app", BLOB.digest, size)

    assert using(lambda asked: answer if asked.method == "HEAD" else Answer(), ask) is there


def test_an_upload_that_left_an_empty_blob_is_sent_once_more() -> None:
    """The target answers 500, and has something under that digest from then on."""
    bodies: list[bytes] = []

    def target(asked: Asked) -> Answer:
        if asked.target == "/v2/":
            return Answer()
        if asked.method == "POST":
            return Answer(202, headers={"location": "/session"})
        if asked.method == "HEAD":
            return Answer(headers={"content-length": "0"})
        bodies.append(asked.body)
        return Answer(201 if len(bodies) > 1 else 500)

    async def send(client: RegistryClient) -> None:
        await client.upload("app", BLOB, lambda: one_piece(b"blob"))

    using(target, send)
    assert bodies == [b"blob", b"blob"]


def test_a_name_by_another_algorithm_is_no_other_content() -> None:
    """A registry may name what it got by any: nothing is sent again for that."""
    puts: list[str] = []

    def target(asked: Asked) -> Answer:
        if asked.target == "/v2/":
            return Answer()
        if asked.method == "POST":
            return Answer(202, headers={"location": "/session"})
        puts.append(asked.target)
        return Answer(201, headers={"docker-content-digest": OTHER_NAME})

    async def send(client: RegistryClient) -> None:
        await client.upload("app", BLOB, lambda: one_piece(b"blob"))
        manifest = RawManifest(RAW, OCI_INDEX, Digest.of(RAW))
        await client.put_manifest("app", "1", manifest)

    using(target, send)
    assert len(puts) == 2


def test_a_tag_is_named_as_all_registries_name_it() -> None:
    """By its bytes, where a registry names them by another algorithm; both requests agree."""

    def source(_asked: Asked) -> Answer:
        return Answer(
            body=RAW, headers={"docker-content-digest": OTHER_NAME, "content-type": OCI_INDEX}
        )

    async def ask(client: RegistryClient) -> set[Digest]:
        head = await client.manifest_head("app", "1")
        assert head is not None
        return {head.digest, (await client.manifest("app", "1")).digest}

    assert using(source, ask) == {Digest.of(RAW)}


def test_no_upload_is_begun_anew_after_a_wish_to_stop() -> None:
    """What was refused for a moment waits for the next run, with all of its bytes."""
    bodies: list[bytes] = []
    pilot = Pilot()

    def target(asked: Asked) -> Answer:
        if asked.target == "/v2/":
            return Answer()
        if asked.method == "POST":
            return Answer(202, headers={"location": "/session"})
        if asked.method == "HEAD":
            return Answer(404)
        bodies.append(asked.body)
        assert pilot.stop is not None
        pilot.stop.set()
        return Answer(503)

    async def send(host: str) -> None:
        pilot.stop = asyncio.Event()
        async with Wire(Endpoints(), Backoff(tries=3, base_s=0.001), pilot=pilot) as wire:
            client = RegistryClient(host, wire, Credentials(Login(), {}, wire), DISTRIBUTION)
            await client.upload("app", BLOB, lambda: one_piece(b"blob"))

    with Scripted(target) as server, pytest.raises(MigrateError) as caught:
        asyncio.run(send(server.url.removeprefix("http://")))

    assert caught.value.problem is STOPPED
    assert bodies == [b"blob"]
