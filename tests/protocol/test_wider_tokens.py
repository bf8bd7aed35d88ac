"""Tokens that something was written with, against a registry of a few lines."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import OCI_MANIFEST, Descriptor, Digest, RawManifest
from gcr_migrate.registry import auth
from tests.feeds import one_piece
from tests.protocol.test_auth import REALM, Fake, using
from tests.scripted import Answer, Asked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gcr_migrate.registry.client import RegistryClient

BLOB = Descriptor("x", Digest.of(b"{}"), 2)
READS, WRITES = ("to:pull",), ("to:pull,push",)
MOUNTS = (*WRITES, "from:pull")


class Registry(Fake):
    """It takes all that is written, and remembers which scopes tokens were asked for.

    Attributes:
        scopes: of each token, in the order of asking.
        refused: scopes for which there is no token.
        without: the token that is not enough to read, if any, and `lacks` is answered to it.
        mounts: what it answers to a mount, and `writes` to all else that is written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scopes: list[tuple[str, ...]] = []
        self.refused: set[tuple[str, ...]] = set()
        self.without, self.lacks = "", 401
        self.mounts = self.writes = 201

    def answer(self, request: Asked) -> Answer:
        """Answer one request."""
        if request.target.startswith("/token"):
            scopes = parse_qs(urlsplit(request.target).query)["scope"]
            names = tuple(one.removeprefix("repository:") for one in scopes)
            self.scopes.append(names)
            if names in self.refused:
                return Answer(403)
        if request.method == "POST":
            status = self.mounts if "mount=" in request.target else 202
            return Answer(status, headers={"location": "/s"})
        if request.method == "PUT":
            return Answer(self.writes)
        if self.without and request.headers.get("authorization") == f"Bearer {self.without}":
            header = f'Bearer realm="{REALM}",service="s",error="insufficient_scope"'
            return Answer(self.lacks, headers={"www-authenticate": header})
        return super().answer(request)


async def send(client: RegistryClient) -> None:
    """Send a blob; whether that is taken does not matter."""
    with suppress(MigrateError):
        await client.upload("to", BLOB, lambda: one_piece(b"{}"))


async def write(client: RegistryClient) -> None:
    """Write a manifest."""
    with suppress(MigrateError):
        await client.put_manifest("to", "1.0", RawManifest(b"{}", OCI_MANIFEST, BLOB.digest))


async def mount(client: RegistryClient) -> None:
    """Mount a blob."""
    with suppress(MigrateError):
        await client.mount("to", BLOB.digest, "from")


async def read(client: RegistryClient) -> None:
    """List what was written to."""
    await client.listing("to")


@pytest.mark.parametrize("writes", [send, write])
def test_a_token_that_has_written_reads_too(
    writes: Callable[[RegistryClient], Awaitable[None]],
) -> None:
    """What was taken from whoever holds it is his to see."""
    fake = Registry()

    async def run(client: RegistryClient) -> None:
        await writes(client)
        await read(client)

    using(fake, run)
    assert fake.scopes == [WRITES]


def test_a_token_that_has_mounted_writes_and_reads_at_its_target() -> None:
    """What it allows at the name that it was mounted from, nobody has shown."""
    fake = Registry()

    async def run(client: RegistryClient) -> None:
        for work in (mount, send, read):
            await work(client)
        await client.listing("from")

    using(fake, run)
    assert fake.scopes == [MOUNTS, ("from:pull",)]


@pytest.mark.parametrize(
    ("status", "read"), [(202, []), (403, []), (404, []), (405, []), (500, [READS])]
)
def test_a_token_that_has_not_mounted_is_good_for_nothing_else(
    status: int, read: list[tuple[str, ...]]
) -> None:
    """Nor is one with which an upload was begun: rights may be looked at when it ends.

    After a 500 the mount may be done all the same, and is looked for.
    """
    fake = Registry()
    fake.mounts = status

    async def run(client: RegistryClient) -> None:
        await mount(client)
        await send(client)

    using(fake, run)
    assert list(dict.fromkeys(fake.scopes)) == [MOUNTS, *read, WRITES]


@pytest.mark.parametrize("lacks", [401, 403, 404])
def test_a_token_that_has_not_written_does_not_read(lacks: int) -> None:
    """It may allow nothing: then what is there would be denied, or told as not there."""
    fake = Registry()
    fake.writes, fake.without, fake.lacks = 403, "t1", lacks

    async def run(client: RegistryClient) -> None:
        await send(client)
        await read(client)

    using(fake, run)
    assert fake.scopes == [WRITES, READS]


def test_where_a_token_that_has_written_does_not_read_another_is_bought_once() -> None:
    """Others that read go with it at once, and what writes goes as before."""
    fake = Registry()
    fake.without = "t1"

    async def run(client: RegistryClient) -> None:
        for _ in range(2):
            await send(client)
            await read(client)

    using(fake, run)
    assert fake.scopes == [WRITES, READS]


def test_a_token_that_was_bought_to_read_is_kept() -> None:
    """It is no worse than the other, and may live longer."""
    fake = Registry()

    async def run(client: RegistryClient) -> None:
        for work in (read, send, read):
            await work(client)

    using(fake, run)
    assert fake.scopes == [READS, WRITES]


def test_after_the_token_of_a_mount_has_ended_those_for_its_target_alone_are_bought() -> None:
    """The source may be gone by then, and nothing of the target depends on it."""
    fake = Registry()
    fake.token_reply = {"token": "t{n}", "expires_in": 0.2}

    async def run(client: RegistryClient) -> None:
        await mount(client)
        fake.refused = {MOUNTS}
        fake.token_reply["expires_in"] = 3600
        await asyncio.sleep(0.2)
        await send(client)
        await read(client)

    using(fake, run)
    assert fake.scopes == [MOUNTS, WRITES, READS]


def test_tokens_that_have_written_are_no_more_than_may_be_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that were used last are held; what was let go is bought again."""
    monkeypatch.setattr(auth, "_TOKENS_AT_MOST", 2)
    fake = Registry()

    async def run(client: RegistryClient) -> None:
        await send(client)
        for name in ("to", "a", "to", "b", "c", "to"):
            await client.listing(name)

    using(fake, run)
    assert fake.scopes == [WRITES, *((f"{name}:pull",) for name in ("a", "b", "c")), READS]
