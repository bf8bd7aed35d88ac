"""What one image shows: its list, read once, and where that is cut short the tags by the API.

Artifact Registry's own list of a name ends at some thousand tags, and says nothing of the others.
To ask for each by itself would take a request for each; its API tells them a thousand at a time.
They are kept on the disk, so that an image with a million tags takes no more memory than another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import is_fallback_tag
from gcr_migrate.model.finding import Severity
from gcr_migrate.state.tagshelf import TagShelf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.interfaces import Contents, SourceRegistry
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.inventory import Listing
    from gcr_migrate.verify.checks import Checks
    from gcr_migrate.verify.marks import Marks
    from gcr_migrate.verify.promise import PromisedRoot, Side

GONE: Final = frozenset({errors.MANIFEST_UNKNOWN, *errors.NOT_THERE})
_NAMED_AT_MOST: Final = 20  # new tags of an image
_AT_ONCE: Final = 1_000  # rows


class Lookouts(Protocol):
    """Who hands out a client that reads what repositories hold."""

    def contents(self, side: Side) -> Contents:
        """Return the lists of Artifact Registry's API."""
        ...


class ByApi:
    """The tags of one image by Artifact Registry's API.

    Args:
        contents: the API.
        resource: the repository.
        path: image path in it.
    """

    def __init__(self, contents: Contents, resource: str, path: str) -> None:
        self._contents = contents
        self._resource = resource
        self._path = path

    @classmethod
    def of(cls, lookouts: Lookouts, side: Side, root: PromisedRoot, path: str) -> ByApi | None:
        """Return them for an image below a root; None where the root is in no API."""
        return cls(lookouts.contents(side), root.resource, path) if root.resource else None

    async def read(self) -> TagShelf | None:
        """Read them all; None where the API does not tell, so that each tag has to be asked for.

        Raises:
            MigrateError: TOKEN_EXPIRED or BUDGET_SPENT, after which no tag can be asked for either.
        """
        shelf, rows = TagShelf(), []
        try:
            async for row in self._contents.tags(self._resource, self._path):
                rows.append((row.tag, row.digest))
                if len(rows) >= _AT_ONCE:
                    shelf.add(rows)
                    rows.clear()
            shelf.add(rows)
        except MigrateError as error:
            shelf.close()
            if error.problem in {errors.TOKEN_EXPIRED, errors.BUDGET_SPENT}:
                raise
            return None
        return shelf


class Listed:
    """The list of one image, read once, and its tags by digest.

    Args:
        reader: the registry.
        name: the registry's name of the image.
        listing: its list, if somebody has read it already.
        by_api: gives the tags where the list is cut short.

    Attributes:
        reader: the registry.
        missing: the registry does not know the name.
        is_gone: nor has it any of its manifests.
        error: what keeps its tags from being looked at.
    """

    def __init__(
        self,
        reader: SourceRegistry,
        name: str,
        listing: Listing | None = None,
        by_api: ByApi | None = None,
    ) -> None:
        self.reader = reader
        self._name = name
        self._by_api = by_api
        self._shelf: TagShelf | None = None
        self._expected: set[str] = set()
        self.error: MigrateError | None = None
        self.is_gone = False
        self.missing: MigrateError | None = None
        self._listing = self._taken(listing) if listing else None

    def close(self) -> None:
        """Let go of what is on the disk."""
        if self._shelf:
            self._shelf.close()

    async def read(self, checks: Checks, host: str) -> None:
        """Read it; what keeps it from being read is raised where a tag is asked for."""
        try:
            if not self._listing:
                listing = await checks.reach(host, lambda: self.reader.listing(self._name))
                self._listing = self._taken(listing)
            if self._listing.cut and self._by_api and not self._shelf:
                self._shelf = await self._by_api.read()
        except MigrateError as error:
            if error.problem in errors.NOT_THERE:
                self.missing = error
            else:
                self.error = error

    def _taken(self, listing: Listing) -> Listing:
        """Take a list in; where it is empty, only names below are left of this one."""
        if not listing.tags and not listing.manifests:
            saw = "its list is empty"
            self.missing = MigrateError(errors.NAME_UNKNOWN, subject=self._name, saw=saw)
        return listing

    @property
    def tags(self) -> Mapping[str, Digest | None]:
        """The tags that its own list shows."""
        return self._listing.tags if self._listing else {}

    def has(self, tag: str) -> bool:
        """Whether a tag is in a list."""
        return tag in self.tags or (self._shelf is not None and self._shelf.get(tag) is not None)

    async def resolve(self, tag: str) -> Digest | None:
        """Return what a tag points to, None if it is not there.

        Raises:
            MigrateError: the list, or the tag, could not be read.
        """
        if self.error:
            raise self.error
        found = self.tags.get(tag)
        if found is None and self._shelf:
            found = self._shelf.get(tag)
        return found or await self.asked(tag)  # what a list lacks may be there all the same

    async def asked(self, reference: str) -> Digest | None:
        """Return what a tag or digest is asked to resolve to, None if it is not there.

        It is read where a HEAD finds nothing, which could not say why.
        """
        try:
            head = await self.reader.manifest_head(self._name, reference)
            return (head or await self.reader.manifest(self._name, reference)).digest
        except MigrateError as error:
            if error.problem not in GONE:
                raise
            return None

    def expect(self, tag: str) -> None:
        """Take note that a tag is no news."""
        if tag in self.tags:
            self._expected.add(tag)
        if self._shelf:
            self._shelf.expect(tag)

    def tell_new(self, marks: Marks, shown: str) -> None:
        """Name tags that nobody expected; one that lists referrers is the registry's own."""
        _tell_new(marks, shown, self._shelf.others() if self._shelf else self._unexpected())

    def _unexpected(self) -> list[str]:
        return sorted(self.tags.keys() - self._expected)


def _tell_new(marks: Marks, shown: str, tags: Iterable[str]) -> None:
    count = 0
    for tag in tags:
        if is_fallback_tag(tag) is None:
            count += 1
            if count <= _NAMED_AT_MOST:
                marks.note(errors.IMAGE_NEW, Severity.WARNING, f"{shown}:{tag}")
    if count > _NAMED_AT_MOST:
        saw = f"{count} new tags, of which the first {_NAMED_AT_MOST} are named"
        marks.note(errors.IMAGE_NEW, Severity.WARNING, shown, saw)
