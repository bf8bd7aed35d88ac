"""Level deep: the bytes of blobs are downloaded and hashed, of all of them or of a sample.

Each blob is read once for each registry, by the name of one image that needs it; whether it is
there under the names of the others is what level blobs asks. Every blob is as likely to be drawn
as any other, a small one as a large one: an image without its configuration is as broken as one
without its largest layer, and the number that is told counts blobs, not bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Descriptor, Digest
from gcr_migrate.state.drawing import Ball, open_urn
from gcr_migrate.tasks import a_few_of
from gcr_migrate.verify.checks import Check, Wrong
from gcr_migrate.verify.marks import Level, Marks
from gcr_migrate.verify.sample import Drawn, Sample, rank
from gcr_migrate.wire.retry import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.verify.checks import Ask, Checks
    from gcr_migrate.verify.marks import Progress, Verification
    from gcr_migrate.verify.promise import PromisedImage, Promises, Readers

AT_ONCE: Final = 16  # downloads; more only adds memory
_READS_AT_MOST: Final = 3
_SETTLED_BY: Final = 2  # reads that give the same wrong bytes


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
        for image in promises.images():
            urn.add(_balls(roots.index(image.root), image, result.kept.seed))
        population = len(urn)
        wanted = sample.of(population)
        before = result.levels[Level.DEEP]

        async def one(ball: Ball) -> None:
            root = roots[ball.root]
            reader = root.reader(readers, promises.side)
            marks = Marks(result, progress, root.host)
            subject = f"{root.registry}/{root.name(ball.path)}@{ball.digest}"
            ask = _asking(reader, root.name(ball.path), ball, subject, room)
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
        yield Ball(place, registry, digest, root, image.path, blob.size_bytes)


def _asking(reader: SourceRegistry, name: str, ball: Ball, subject: str, room: Room) -> Ask:
    """Return the question whether the bytes of a blob are those that its digest says."""
    digest = Digest.parse(ball.digest)
    blob = Descriptor("", digest, ball.size_bytes)

    async def ask() -> Wrong | None:
        if not room.has_room(max(ball.size_bytes, 0)):  # a request would be sent for nothing
            saw = f"its {ball.size_bytes} bytes do not fit into what is left"
            raise MigrateError(errors.BUDGET_SPENT, subject=subject, saw=saw)
        found: list[str] = []
        for last in range(1, _READS_AT_MOST + 1):
            try:
                size, hashed = await _read(reader, name, blob)
            except TransientError:
                if last == _READS_AT_MOST:
                    raise
                continue
            except MigrateError as error:
                if error.problem is errors.BLOB_UNKNOWN:
                    return Wrong(errors.BLOB_GONE)
                raise
            if hashed == digest.encoded:
                return None
            saw = f"{size} bytes that hash to {digest.algorithm}:{hashed}"
            if saw in found:  # what was damaged on its way is not damaged alike twice
                return Wrong(errors.BYTES_DIFFER, saw)
            found.append(saw)
        raise MigrateError(errors.DIGEST_MISMATCH, subject=subject, saw="; then ".join(found))

    return ask


async def _read(reader: SourceRegistry, name: str, blob: Descriptor) -> tuple[int, str]:
    """Read a blob to its end and keep nothing of it; return its size and hash."""
    hasher, size = blob.digest.hasher(), 0
    async with reader.open_blob(name, blob) as pieces:
        async for piece in pieces:
            hasher.update(piece)
            size += len(piece)
    return size, hasher.hexdigest()
