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
    """

    def __init__(
        self,
        promises: Promises,
        readers: Readers,
        result: Verification,
        progress: Progress,
        checks: Checks,
    ) -> None:
        self._promises = promises
        self._readers = readers
        self._result = result
        self._progress = progress
        self._checks = checks
        self._levels = result.wanted & CONTENT

    async def all_images(self) -> None:
        """Check every image, a few at once."""
        if self._levels:
            await a_few_of(map(self.image, self._promises.images()), IMAGES_AT_ONCE)

    async def image(self, image: PromisedImage) -> None:
        """Check one image at every level."""
        marks = Marks(self._result, self._progress, image.root.host)
        reader = image.root.reader(self._readers, self._promises.side)
        listed = Listed(reader, image.name)
        if Level.TAGS in self._levels:
            await listed.read()
            if listed.missing and await _is_gone(reader, image):
                self._tell_gone(marks, image, listed.missing)
                return
            await self._tags(marks, image, listed)
        if Level.MANIFESTS in self._levels:
            await self._checks.all_of(marks, _manifest_checks(reader, image))
        if Level.BLOBS in self._levels:
            await self._checks.all_of(marks, _blob_checks(reader, image))

    def _tell_gone(self, marks: Marks, image: PromisedImage, missing: MigrateError) -> None:
        """Tell once that a whole image is gone, or its repository with all of its images."""
        problem, subject, saw = errors.DIGEST_GONE, image.shown, "nothing is there under this name"
        if missing.problem is errors.REPOSITORY_MISSING:
            problem, subject = errors.REPOSITORY_CHANGED, image.root.shown
            saw = "the repository is not there"
        content = {
            Level.TAGS: image.tags,
            Level.MANIFESTS: image.manifests,
            Level.BLOBS: image.blobs,
        }
        for level, promised in content.items():
            if level in self._levels:
                count = sum(1 for _ in promised())
                marks.all_wrong(level, count, problem, subject, saw)

    async def _tags(self, marks: Marks, image: PromisedImage, listed: Listed) -> None:
        unknown = set(listed.tags)

        def checks() -> Iterator[Check]:
            for promised in image.tags():
                unknown.discard(promised.tag)
                yield _tag_check(image.shown, promised, listed)

        await self._checks.all_of(marks, checks())
        if self._promises.knows_all:
            tell_new(marks, image.shown, unknown)


class Listed:
    """The list of one image, read once, and its tags by digest."""

    def __init__(self, reader: SourceRegistry, name: str) -> None:
        self._reader = reader
        self._name = name
        self._listing: Listing | None = None
        self._error: MigrateError | None = None
        self.missing: MigrateError | None = None

    async def read(self) -> None:
        """Read it; what keeps it from being read is raised where a tag is asked for."""
        try:
            self._listing = await self._reader.listing(self._name)
        except MigrateError as error:
            if error.problem in errors.NOT_THERE:
                self.missing = error
            else:
                self._error = error

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


async def _is_gone(reader: SourceRegistry, image: PromisedImage) -> bool:
    """Whether a name of which there is no list has none of its manifests either, by the first."""
    first = next(image.manifests(), None)
    if first is None:
        return True
    try:
        return await reader.manifest_head(image.name, str(first)) is None
    except MigrateError as error:
        return error.problem in _GONE


def tell_new(marks: Marks, shown: str, tags: set[str]) -> None:
    """Name tags of an image that nobody promised; one that lists referrers is the registry's."""
    new = sorted(tag for tag in tags if is_fallback_tag(tag) is None)
    for tag in new[:_NAMED_AT_MOST]:
        marks.note(errors.IMAGE_NEW, Severity.WARNING, f"{shown}:{tag}")
    if len(new) > _NAMED_AT_MOST:
        saw = f"{len(new)} new tags, of which the first {_NAMED_AT_MOST} are named"
        marks.note(errors.IMAGE_NEW, Severity.WARNING, shown, saw)


def _tag_check(shown: str, promised: PromisedTag, listed: Listed) -> Check:
    async def ask() -> Wrong | None:
        found = await listed.resolve(promised.tag)
        if found is None:
            return Wrong(errors.TAG_GONE, f"promised {promised.digest}")
        if found == promised.digest or promised.may_differ:
            return None
        return Wrong(errors.TAG_MOVED, f"points to {found}, promised {promised.digest}")

    return Check(Level.TAGS, f"{shown}:{promised.tag}", ask)


def _manifest_checks(reader: SourceRegistry, image: PromisedImage) -> Iterator[Check]:
    for digest in image.manifests():
        yield _manifest_check(reader, image, digest)


def _manifest_check(reader: SourceRegistry, image: PromisedImage, digest: Digest) -> Check:
    async def ask() -> Wrong | None:
        """Read a manifest back; its hash proves each of its bytes."""
        try:
            await reader.manifest(image.name, str(digest))
        except MigrateError as error:
            if error.problem in _GONE:
                return Wrong(errors.DIGEST_GONE)
            if error.problem is errors.DIGEST_MISMATCH:
                return Wrong(errors.BYTES_DIFFER, error.saw)
            raise
        return None

    return Check(Level.MANIFESTS, f"{image.shown}@{digest}", ask)


def _blob_checks(reader: SourceRegistry, image: PromisedImage) -> Iterator[Check]:
    for blob in image.blobs():
        yield _blob_check(reader, image, blob)


def _blob_check(reader: SourceRegistry, image: PromisedImage, blob: PromisedBlob) -> Check:
    async def ask() -> Wrong | None:
        found = await reader.blob_size(image.name, blob.digest)
        if found is None:
            return Wrong(errors.BLOB_GONE)
        if blob.size_bytes >= 0 and found != blob.size_bytes:
            return Wrong(errors.BYTES_DIFFER, f"{found} bytes, promised {blob.size_bytes}")
        return None

    return Check(Level.BLOBS, f"{image.shown}@{blob.digest}", ask)
