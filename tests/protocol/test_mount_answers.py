"""Mounts that come to nothing: the blob is sent, and what ails more than mounts is told then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Descriptor, Digest
from tests.asking import using
from tests.feeds import one_piece
from tests.scripted import Answer, Asked

if TYPE_CHECKING:
    from gcr_migrate.registry.client import RegistryClient

BLOB = Descriptor("application/octet-stream", Digest.of(b"blob"), 4)
LACKS_SCOPE = {"www-authenticate": 'Bearer realm="{realm}",error="insufficient_scope"'}


class Target:
    """A registry that takes blobs, for tokens.

    Args:
        mount: its answer to a mount.
        others: to any other request but that of a token; None: as a good registry.

    Attributes:
        mounts: how many were asked for.
        blobs: what was sent.
    """

    def __init__(self, mount: Answer, others: Answer | None = None) -> None:
        self._mount = mount
        self._others = others
        self.mounts = 0
        self.blobs: list[bytes] = []

    def answer(self, asked: Asked) -> Answer:
        """Answer a request."""
        realm = f"http://{asked.headers['host']}/token"
        if asked.target.startswith("/token"):
            return Answer(body={"token": "good"})
        if "mount=" in asked.target:
            self.mounts += 1
            fields = {name: text.format(realm=realm) for name, text in self._mount.headers.items()}
            return Answer(self._mount.status, headers=fields)
        if asked.target == "/v2/" or "authorization" not in asked.headers:
            return Answer(401, headers={"www-authenticate": f'Bearer realm="{realm}"'})
        if self._others:
            return self._others
        if asked.method == "PUT":
            self.blobs.append(asked.body)
        answers = {"HEAD": 404, "POST": 202, "PUT": 201}
        return Answer(answers[asked.method], headers={"location": "/session"})

    async def take(self, client: RegistryClient) -> None:
        """Bring the blob as a copy does: by a mount, else in the session that it opened."""
        session = await client.mount("new", BLOB.digest, "old")
        assert session is not None
        await client.upload("new", BLOB, lambda: one_piece(b"blob"), session=session)


@pytest.mark.parametrize(
    "mount",
    [
        Answer(401, headers=LACKS_SCOPE),
        Answer(403),
        Answer(405),
        Answer(500),
        Answer(202),
        Answer(202, headers={"location": "https://elsewhere.example/session"}),
        Answer(307, headers={"location": "/elsewhere"}),
    ],
    ids=["401", "403", "405", "500", "no session", "foreign session", "redirect"],
)
def test_a_blob_that_cannot_be_mounted_is_sent(mount: Answer) -> None:
    """Whatever a registry has against mounts alone, bytes still get there."""
    target = Target(mount)
    using(target.answer, target.take)
    assert (target.blobs, 0 < target.mounts <= 2) == ([b"blob"], True)


def test_a_login_that_is_gone_is_told_by_the_upload() -> None:
    """A mount does not hide that nothing is accepted any more."""
    target = Target(Answer(401, headers=LACKS_SCOPE), Answer(401))
    with pytest.raises(MigrateError, match="unauthorized"):
        using(target.answer, target.take)


def test_a_shorter_file_is_no_mount_that_was_done_without_an_answer() -> None:
    """Where an upload broke off, a registry may have kept an empty file under its digest."""

    def answer(asked: Asked) -> Answer:
        return Answer(500) if "mount=" in asked.target else Answer(body="")

    async def mounted(client: RegistryClient) -> None:
        assert not await client.has_blob("new", BLOB.digest, BLOB.size)
        assert await client.mount("new", BLOB.digest, "old", BLOB.size) == ""

    using(answer, mounted)


@pytest.mark.parametrize("size", [BLOB.size, -1])
def test_a_blob_that_shows_after_a_204_is_sent_once(size: int) -> None:
    """Also one whose length no manifest tells."""
    sent: list[bytes] = []

    def answer(asked: Asked) -> Answer:
        if asked.method == "PUT":
            sent.append(asked.body)
            return Answer(204, body="")
        if asked.method == "POST":
            return Answer(202, headers={"location": "/session"})
        return Answer(200, body=b"blob") if sent else Answer(404)

    async def send(client: RegistryClient) -> None:
        blob = Descriptor("application/octet-stream", BLOB.digest, size)
        await client.upload("new", blob, lambda: one_piece(b"blob"))

    using(answer, send)
    assert sent == [b"blob"]
