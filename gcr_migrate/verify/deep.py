"""Level deep: the bytes of blobs are downloaded and hashed, of all of them or of a sample.

Each blob is read once for each registry, by the name of one image that needs it; whether it is
there under the names of the others is what level blobs asks. Every blob is as likely to be drawn
as any other, a small one as a large one: an image without its configuration is as broken as one
without its largest layer, and the number that is told counts blobs, not bytes.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Descriptor, Digest
from gcr_migrate.state.drawing import Ball, open_urn
from gcr_migrate.tasks import a_few_of
from gcr_migrate.verify.checks import Check, Wrong
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.result import Level
from gcr_migrate.verify.sample import Drawn, Sample, rank
from gcr_migrate.wire.retry import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.verify.checks import Checks
    from gcr_migrate.verify.marks import Progress
    from gcr_migrate.verify.promise import PromisedImage, Promises, Readers
    from gcr_migrate.verify.result import Verification

AT_ONCE: Final = 16  # downloads; more only adds memory
_READS_AT_MOST: Final = 3


class Room(Protocol):
    """What is left of a budget."""

    def has_room(self, size_bytes: int) -> bool:
        """Whether so many bytes may still be read."""
        ...


async def verify_deep(
    promises: Promises,
    readers: Readers,
    result: Verification,
    progress: Progress,
    checks: Checks,
    sample: Sample,
    room: Room,
) -> None:
    """Download blobs and hash them.

    Args:
        promises: what should be there.
        readers: hands out clients.
        result: takes counts and findings, and what the sample says of all.
        progress: is told of each check.
        checks: makes the checks.
        sample: how many of all blobs are read.
        room: what may still be read.
    """
    with open_urn() as urn:
        roots = promises.roots()
        numbers = {root: number for number, root in enumerate(roots)}
        is_told = Level.BLOBS in result.wanted  # what is gone is named there
        for image in promises.images():
            urn.add(_balls(numbers[image.root], image, result.kept.seed))
        population = len(urn)
        wanted = sample.of(population)
        before = result.levels[Level.DEEP]

        async def one(ball: Ball) -> None:
            root = roots[ball.root]
            reader = root.reader(readers, promises.side)
            marks = Marks(result, progress, root.host)
            subject = f"{ball.shown}@{ball.digest}"
            read = _Reading(reader, root.name(ball.path), ball, subject)
            ask = partial(_asked, read, room, is_told=is_told)
            await checks.one(marks, Check(Level.DEEP, subject, ask))

        await a_few_of(map(one, urn.drawn(wanted)), AT_ONCE)
        count = result.levels[Level.DEEP]
    checked, wrong = count.checked - before.checked, count.wrong - before.wrong
    result.drawn = Drawn(population, wanted, checked, wrong, result.kept.seed)


def _balls(root: int, image: PromisedImage, seed: int) -> Iterator[Ball]:
    registry = image.root.registry
    for blob in image.blobs():
        digest = str(blob.digest)
        place = rank(seed, f"{registry} {digest}")
        yield Ball(place, registry, digest, root, image.path, image.shown, blob.size_bytes)


async def _asked(read: _Reading, room: Room, *, is_told: bool) -> Wrong | None:
    """Say what is wrong with a blob's bytes; reads that differ from each other prove nothing."""
    if not room.has_room(max(read.ball.size_bytes, 0)):  # a request would be sent for nothing
        saw = f"its {read.ball.size_bytes} bytes do not fit into what is left"
        raise MigrateError(errors.BUDGET_SPENT, subject=read.subject, saw=saw)
    digest = Digest.parse(read.ball.digest)
    found: list[str] = []
    for _ in range(_READS_AT_MOST):
        try:
            size, hashed = await read.whole(digest)
        except MigrateError as error:
            if error.problem is errors.BLOB_UNKNOWN:
                return Wrong(errors.BLOB_GONE, is_told=is_told)
            raise
        if hashed == digest.encoded:
            return None
        saw = f"{size} bytes that hash to {digest.algorithm}:{hashed}"
        if saw in found:  # what was damaged on its way is not damaged alike twice
            return Wrong(errors.BYTES_DIFFER, saw)
        found.append(saw)
    raise MigrateError(errors.DIGEST_MISMATCH, subject=read.subject, saw="; then ".join(found))


class _Reading(Struct, frozen=True):
    """A blob to be read.

    Attributes:
        reader: the registry.
        name: the registry's name of an image that needs it.
        ball: the blob.
        subject: its full name, for errors.
    """

    reader: SourceRegistry
    name: str
    ball: Ball
    subject: str

    async def whole(self, digest: Digest) -> tuple[int, str]:
        """Read it to its end and keep nothing of it; return its size and hash.

        Raises:
            MigrateError: BLOB_UNKNOWN, or it cannot be read.
        """
        for _ in range(_READS_AT_MOST - 1):
            with suppress(TransientError):
                return await self._once(digest)
        return await self._once(digest)

    async def _once(self, digest: Digest) -> tuple[int, str]:
        hasher, size = digest.hasher(), 0
        blob = Descriptor("", digest, self.ball.size_bytes)
        async with self.reader.open_blob(self.name, blob) as pieces:

            def take(piece: bytes) -> None:
                nonlocal size
                hasher.update(piece)
                size += len(piece)

            await pieces.into(take)
        return size, hasher.hexdigest()
