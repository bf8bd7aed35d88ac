"""Levels tags, manifests and blobs: what was promised against what a registry says now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Descriptor
from gcr_migrate.tasks import a_few_of
from gcr_migrate.verify.checks import Check, Wrong
from gcr_migrate.verify.listed import GONE, ByApi, Listed
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.result import CONTENT, Level
from gcr_migrate.verify.upkeep import NO_REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.inventory import Listing
    from gcr_migrate.verify.checks import Checks
    from gcr_migrate.verify.marks import Progress
    from gcr_migrate.verify.promise import (
        PromisedBlob,
        PromisedImage,
        PromisedTag,
        Promises,
        Readers,
    )
    from gcr_migrate.verify.result import Verification
    from gcr_migrate.verify.upkeep import Upkeep

IMAGES_AT_ONCE: Final = 8  # small images would leave most of the requests' places empty
_THERE: Final = "there"  # no level: what is kept of an image that is not gone as a whole


class Content:
    """A verification of content under way.

    Args:
        promises: what should be there.
        readers: hands out clients.
        result: takes counts and findings.
        progress: is told of each check.
        checks: makes the checks.
        upkeep: knows what repositories delete.
    """

    def __init__(
        self,
        promises: Promises,
        readers: Readers,
        result: Verification,
        progress: Progress,
        checks: Checks,
        upkeep: Upkeep,
    ) -> None:
        self._promises = promises
        self._readers = readers
        self._result = result
        self._progress = progress
        self._checks = checks
        self._upkeep = upkeep
        self._levels = result.wanted & CONTENT

    async def all_images(self) -> None:
        """Check every image, a few at once."""
        if self._levels:
            await a_few_of(map(self.unlisted, self._promises.images()), IMAGES_AT_ONCE)

    async def unlisted(self, image: PromisedImage) -> None:
        """Check one image whose name nobody has listed yet."""
        await self.image(image)

    async def image(self, image: PromisedImage, listing: Listing | None = None) -> bool:
        """Check one image at every level.

        Args:
            image: what should be there.
            listing: what its name shows, if somebody has asked already.

        Returns:
            Whether all is right with its tags, by this run or an earlier one.
        """
        tags_are_right = False
        marks = Marks(self._result, self._progress, image.root.host)
        reader = image.root.reader(self._readers, self._promises.side)
        by_api = ByApi.of(self._readers, self._promises.side, image.root, image.path)
        listed = Listed(reader, image.name, listing, by_api)
        if Level.TAGS in self._levels:
            about = f"{image.shown} {self._promises.identity}"
            tags = Marks(self._result, self._progress, marks.host)
            tags_are_right = await self._checks.whole(
                tags, Level.TAGS, about, lambda: self._listed_tags(tags, image, listed)
            )
            if listed.is_gone:
                return False
        elif await self._seems_gone(listed, image):
            await listed.read(self._checks, marks.host)
            if listed.missing:
                await self._tell_gone(marks, image, listed.missing)
                return False
        lost: set[Digest] | None = None
        if Level.MANIFESTS in self._levels:
            lost = set()
            await self._checks.all_of(marks, self._manifest_checks(reader, image, lost))
        if Level.BLOBS in self._levels:
            await self._checks.all_of(marks, blob_checks(reader, image, lost))
        return tags_are_right

    async def _listed_tags(self, marks: Marks, image: PromisedImage, listed: Listed) -> None:
        """Read a list and check the tags by it; where all is gone, that is told at all levels."""
        await listed.read(self._checks, marks.host)
        if listed.missing:
            listed.is_gone = await self._is_gone(listed, image)
        if listed.missing and listed.is_gone:
            await self._tell_gone(marks, image, listed.missing)
        else:
            await self._tags(marks, image, listed)
        listed.close()

    async def _seems_gone(self, listed: Listed, image: PromisedImage) -> bool:
        """Whether an image of which nobody read a list has nothing; an earlier run may know."""
        kept = self._result.kept
        if kept.done(_THERE, image.shown) is not None:
            return False
        seems_gone = await self._is_gone(listed, image)
        if not seems_gone and not listed.error:
            kept.right(_THERE, image.shown, 0)
        return seems_gone

    async def _is_gone(self, listed: Listed, image: PromisedImage) -> bool:
        """Whether a name without a list has none of its manifests either, by the first of them."""
        first = next(image.manifests(), None)
        if first is None:
            return True

        async def ask() -> bool:
            return await listed.asked(str(first)) is None

        try:
            return await self._checks.reach(image.root.host, ask)
        except MigrateError as error:
            if error.problem is not errors.DIGEST_MISMATCH:  # of which something is there
                listed.error = error  # then nobody knows, of any tag
            return False

    async def _tell_gone(self, marks: Marks, image: PromisedImage, missing: MigrateError) -> None:
        """Tell once that a whole image is gone, or its repository with all of its images."""
        problem, subject, saw = errors.DIGEST_GONE, image.shown, "nothing is there under this name"
        images = 0
        if missing.problem is errors.REPOSITORY_MISSING:
            problem, subject = errors.REPOSITORY_CHANGED, image.root.shown
            saw, images = NO_REPOSITORY, 1
        elif policy := await self._deleting_all(image):
            problem, saw = errors.CLEANUP_DELETED, policy
        content = {
            Level.TAGS: image.tags,
            Level.MANIFESTS: image.manifests,
            Level.BLOBS: image.blobs,
        }
        marks.gone(problem, subject, saw, images)
        for level, promised in content.items():
            if level in self._levels:
                count = sum(1 for _ in promised())
                marks.all_wrong(level, count, problem, subject, saw)

    async def _deleting_all(self, image: PromisedImage) -> str:
        """Return the clean-up policy that may have deleted the first manifest, if each was by one.

        Empty where one of them is covered by none.
        """
        first = ""
        for digest in image.manifests():
            policy = await self._deleting(image, digest)
            if not policy:
                return ""
            first = first or policy
        return first

    async def _deleting(self, image: PromisedImage, digest: Digest) -> str:
        version = image.version(digest)
        return await self._upkeep.deleting(image.root, image.path, str(digest), version)

    async def _tags(self, marks: Marks, image: PromisedImage, listed: Listed) -> None:
        def checks() -> Iterator[Check]:
            for promised in image.tags():
                listed.expect(promised.tag)
                yield self._tag_check(image, promised, listed)

        await self._checks.all_of(marks, checks())
        if self._promises.knows_all:
            listed.tell_new(marks, image.shown)

    def _tag_check(self, image: PromisedImage, promised: PromisedTag, listed: Listed) -> Check:
        async def ask() -> Wrong | None:
            found = await listed.resolve(promised.tag)
            if found == promised.digest or (found and promised.may_differ):
                return None
            if found:
                return Wrong(errors.TAG_MOVED, f"points to {found}, promised {promised.digest}")
            policy = await self._deleting(image, promised.digest)
            if policy and not await listed.reader.manifest_head(image.name, str(promised.digest)):
                return Wrong(errors.CLEANUP_DELETED, policy)
            return Wrong(errors.TAG_GONE, f"promised {promised.digest}")

        subject = f"{image.shown}:{promised.tag}"
        return Check(Level.TAGS, subject, ask, str(promised.digest))

    def _manifest_checks(
        self, reader: SourceRegistry, image: PromisedImage, lost: set[Digest]
    ) -> Iterator[Check]:
        for digest in image.manifests():
            yield self._manifest_check(reader, image, digest, lost)

    def _manifest_check(
        self, reader: SourceRegistry, image: PromisedImage, digest: Digest, lost: set[Digest]
    ) -> Check:
        async def ask() -> Wrong | None:
            """Read a manifest back; its hash proves each of its bytes."""
            lost.discard(digest)
            try:
                await reader.manifest(image.name, str(digest))
            except MigrateError as error:
                if error.problem is errors.DIGEST_MISMATCH:
                    return Wrong(errors.BYTES_DIFFER, error.saw)
                if error.problem not in GONE:
                    raise
                lost.add(digest)
                policy = await self._deleting(image, digest)
                return Wrong(errors.CLEANUP_DELETED if policy else errors.DIGEST_GONE, policy)
            return None

        return Check(Level.MANIFESTS, f"{image.shown}@{digest}", ask)


def blob_checks(
    reader: SourceRegistry, image: PromisedImage, lost: set[Digest] | None = None
) -> Iterator[Check]:
    """Give a check for each blob that the manifests of an image need.

    Args:
        reader: the registry.
        image: the image.
        lost: manifests that are not there, where that was looked at: what only they need may go.
    """
    for blob in image.blobs():
        yield _blob_check(reader, image, blob, lost)


def _blob_check(
    reader: SourceRegistry, image: PromisedImage, blob: PromisedBlob, lost: set[Digest] | None
) -> Check:
    async def ask() -> Wrong | None:
        found = await reader.blob_size(image.name, blob.digest)
        if found is None:
            if await _is_read(reader, image.name, blob):
                return None
            left = (one for one in image.needing(blob.digest) if one not in (lost or ()))
            first = next(left, None)
            return Wrong(errors.BLOB_GONE, f"needed by {first}", is_told=first is None)
        if blob.size_bytes >= 0 and found != blob.size_bytes:
            return Wrong(errors.BYTES_DIFFER, f"{found} bytes, promised {blob.size_bytes}")
        return None

    return Check(Level.BLOBS, f"{image.shown}@{blob.digest}", ask)


async def _is_read(reader: SourceRegistry, name: str, blob: PromisedBlob) -> bool:
    """Whether a blob that a HEAD does not show can be read: a HEAD cannot say why not.

    How long it is, is told by who reads it to its end, at level deep.
    """
    try:
        async with reader.open_blob(name, Descriptor("", blob.digest, blob.size_bytes)):
            return True
    except MigrateError as error:
        if error.problem is not errors.BLOB_UNKNOWN:
            raise
        return False
