"""Levels tags, manifests and blobs: what was promised against what a registry says now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import is_fallback_tag
from gcr_migrate.model.finding import Severity
from gcr_migrate.tasks import a_few_of
from gcr_migrate.verify.checks import Check, Wrong
from gcr_migrate.verify.marks import CONTENT, Level, Marks
from gcr_migrate.verify.upkeep import NO_REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.inventory import Listing
    from gcr_migrate.verify.checks import Checks
    from gcr_migrate.verify.marks import Progress, Verification
    from gcr_migrate.verify.promise import (
        PromisedBlob,
        PromisedImage,
        PromisedTag,
        Promises,
        Readers,
    )
    from gcr_migrate.verify.upkeep import Upkeep

IMAGES_AT_ONCE: Final = 8  # small images would leave most of the requests' places empty
_NAMED_AT_MOST: Final = 20  # new tags of an image
_GONE: Final = frozenset({errors.MANIFEST_UNKNOWN, *errors.NOT_THERE})


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
            await a_few_of(map(self.image, self._promises.images()), IMAGES_AT_ONCE)

    async def image(self, image: PromisedImage, listing: Listing | None = None) -> None:
        """Check one image at every level.

        Args:
            image: what should be there.
            listing: what its name shows, if somebody has asked already.
        """
        marks = Marks(self._result, self._progress, image.root.host)
        reader = image.root.reader(self._readers, self._promises.side)
        listed = Listed(reader, image.name, listing)
        if Level.TAGS in self._levels:
            await listed.read(self._checks, marks.host)
            if listed.missing and await self._is_gone(reader, image):
                await self._tell_gone(marks, image, listed.missing)
                return
            await self._tags(marks, reader, image, listed)
        lost: set[Digest] | None = None
        if Level.MANIFESTS in self._levels:
            lost = set()
            await self._checks.all_of(marks, self._manifest_checks(reader, image, lost))
        if Level.BLOBS in self._levels:
            await self._checks.all_of(marks, blob_checks(reader, image, lost))

    async def _is_gone(self, reader: SourceRegistry, image: PromisedImage) -> bool:
        """Whether a name without a list has none of its manifests either, by the first of them."""
        first = next(image.manifests(), None)
        if first is None:
            return True

        async def ask() -> bool:
            return await reader.manifest_head(image.name, str(first)) is None

        try:
            return await self._checks.reach(image.root.host, ask)
        except MigrateError as error:
            return error.problem in _GONE

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

    async def _tags(
        self, marks: Marks, reader: SourceRegistry, image: PromisedImage, listed: Listed
    ) -> None:
        unknown = set(listed.tags)

        def checks() -> Iterator[Check]:
            for promised in image.tags():
                unknown.discard(promised.tag)
                yield self._tag_check(reader, image, promised, listed)

        await self._checks.all_of(marks, checks())
        if self._promises.knows_all:
            tell_new(marks, image.shown, unknown)

    def _tag_check(
        self, reader: SourceRegistry, image: PromisedImage, promised: PromisedTag, listed: Listed
    ) -> Check:
        async def ask() -> Wrong | None:
            found = await listed.resolve(promised.tag)
            if found == promised.digest or (found and promised.may_differ):
                return None
            if found:
                return Wrong(errors.TAG_MOVED, f"points to {found}, promised {promised.digest}")
            policy = await self._deleting(image, promised.digest)
            if policy and not await reader.manifest_head(image.name, str(promised.digest)):
                return Wrong(errors.CLEANUP_DELETED, policy)
            return Wrong(errors.TAG_GONE, f"promised {promised.digest}")

        return Check(Level.TAGS, f"{image.shown}:{promised.tag}", ask)

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
            try:
                await reader.manifest(image.name, str(digest))
            except MigrateError as error:
                if error.problem is errors.DIGEST_MISMATCH:
                    return Wrong(errors.BYTES_DIFFER, error.saw)
                if error.problem not in _GONE:
                    raise
                lost.add(digest)
                policy = await self._deleting(image, digest)
                return Wrong(errors.CLEANUP_DELETED if policy else errors.DIGEST_GONE, policy)
            return None

        return Check(Level.MANIFESTS, f"{image.shown}@{digest}", ask)


class Listed:
    """The list of one image, read once, and its tags by digest.

    Args:
        reader: the registry.
        name: the registry's name of the image.
        listing: its list, if somebody has read it already.
    """

    def __init__(self, reader: SourceRegistry, name: str, listing: Listing | None = None) -> None:
        self._reader = reader
        self._name = name
        self._error: MigrateError | None = None
        self.missing: MigrateError | None = None
        self._listing = self._taken(listing) if listing else None

    async def read(self, checks: Checks, host: str) -> None:
        """Read it; what keeps it from being read is raised where a tag is asked for."""
        if self._listing:
            return
        try:
            listing = await checks.reach(host, lambda: self._reader.listing(self._name))
            self._listing = self._taken(listing)
        except MigrateError as error:
            if error.problem in errors.NOT_THERE:
                self.missing = error
            else:
                self._error = error

    def _taken(self, listing: Listing) -> Listing:
        """Take a list in; where it is empty, only names below are left of this one."""
        if not listing.tags and not listing.manifests:
            saw = "its list is empty"
            self.missing = MigrateError(errors.NAME_UNKNOWN, subject=self._name, saw=saw)
        return listing

    @property
    def tags(self) -> Mapping[str, Digest | None]:
        """The tags that it shows."""
        return self._listing.tags if self._listing else {}

    async def resolve(self, tag: str) -> Digest | None:
        """Return what a tag points to, None if it is not there.

        Raises:
            MigrateError: the list, or the tag, could not be read.
        """
        if self._error:
            raise self._error
        found = self.tags.get(tag)
        if found is None and self._listing and (tag in self.tags or self._listing.cut):
            head = await self._reader.manifest_head(self._name, tag)
            found = head.digest if head else None
        return found


def tell_new(marks: Marks, shown: str, tags: set[str]) -> None:
    """Name tags of an image that nobody promised; one that lists referrers is the registry's."""
    new = sorted(tag for tag in tags if is_fallback_tag(tag) is None)
    for tag in new[:_NAMED_AT_MOST]:
        marks.note(errors.IMAGE_NEW, Severity.WARNING, f"{shown}:{tag}")
    if len(new) > _NAMED_AT_MOST:
        saw = f"{len(new)} new tags, of which the first {_NAMED_AT_MOST} are named"
        marks.note(errors.IMAGE_NEW, Severity.WARNING, shown, saw)


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
            left = (one for one in image.needing(blob.digest) if one not in (lost or ()))
            first = next(left, None)
            return Wrong(errors.BLOB_GONE, f"needed by {first}", is_told=first is None)
        if blob.size_bytes >= 0 and found != blob.size_bytes:
            return Wrong(errors.BYTES_DIFFER, f"{found} bytes, promised {blob.size_bytes}")
        return None

    return Check(Level.BLOBS, f"{image.shown}@{blob.digest}", ask)
