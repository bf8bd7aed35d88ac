"""A snapshot against the place where it was taken: what it showed, and what is new there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.walk import ListingFailed, walk
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.inventory import Listing
from gcr_migrate.model.names import brief
from gcr_migrate.model.plan import Source
from gcr_migrate.model.settings import settings_of
from gcr_migrate.state.snapshot import SETTINGS
from gcr_migrate.tasks import a_few_of, all_of
from gcr_migrate.verify.content import IMAGES_AT_ONCE, Content
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.result import CONTENT, Level

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.verify.baseline_promises import BaselineImage, BaselinePromises
    from gcr_migrate.verify.checks import Checks
    from gcr_migrate.verify.kept import Kept
    from gcr_migrate.verify.marks import Progress
    from gcr_migrate.verify.promise import PromisedRoot, Readers
    from gcr_migrate.verify.result import Verification
    from gcr_migrate.verify.upkeep import Upkeep

_NAMED_AT_MOST: Final = 20  # new images of a root


async def verify_baseline(
    promises: BaselinePromises,
    readers: Readers,
    result: Verification,
    progress: Progress,
    checks: Checks,
    upkeep: Upkeep,
) -> None:
    """Check everything that a snapshot shows against the place where it was taken.

    Args:
        promises: the snapshot, or some of its roots.
        readers: hands out clients.
        result: says what to check; takes counts and findings.
        progress: is told of each check.
        checks: makes the checks.
        upkeep: knows how the repositories are set up.
    """
    content = Content(promises, readers, result, progress, checks, upkeep)
    met: set[int] = set()
    for root in promises.roots():
        marks = Marks(result, progress, root.host)
        result.host(root.host)  # also where it has no image
        for level in {Level.BLOBS, Level.DEEP} & result.wanted:
            if promises.baseline.schema == 1:
                marks.unproven(level, root.shown, "the snapshot tells no blobs: take a new one")
        was = promises.facts(root).get(SETTINGS)
        if CONTENT & result.wanted and was is not None:
            await upkeep.compare(marks, root, settings_of(was))
        if Level.TAGS in result.wanted and promises.baseline.schema > 1:  # it tells what was read
            reader = root.reader(readers, promises.side)
            await _Walk(promises, root, content, marks, met).down(reader)
    if CONTENT & result.wanted:
        left = (content.unlisted(one) for one in promises.images() if one.image.id not in met)
        await a_few_of(left, IMAGES_AT_ONCE)


class _KeptLists:
    """Lists of names, without those of which an earlier run found all right: only what is below.

    Args:
        registry: where the others are asked for.
        kept: what an earlier run found.
    """

    def __init__(self, registry: SourceRegistry, kept: Kept) -> None:
        self._registry = registry
        self._kept = kept

    @property
    def dialect(self) -> Dialect:
        """Habits of the registry."""
        return self._registry.dialect

    def catalog(self) -> AsyncIterator[str]:
        """Names of all repositories."""
        return self._registry.catalog()

    async def listing(self, name: str) -> Listing:
        """List a name, or say what was below it."""
        children = self._kept.children(f"{self._registry.host}/{name}")
        if children is None:
            return await self._registry.listing(name)
        return Listing(name, children, {}, None)


class _Walk:
    """A way down all names of a root: those that the snapshot has, and those that are new."""

    def __init__(
        self,
        promises: BaselinePromises,
        root: PromisedRoot,
        content: Content,
        marks: Marks,
        met: set[int],
    ) -> None:
        self._promises = promises
        self._root = root
        self._content = content
        self._marks = marks
        self._met = met
        self._new: list[str] = []
        self._count = 0

    async def down(self, reader: SourceRegistry) -> None:
        """Walk; where the root cannot be listed, its images are asked for one by one later."""
        root = self._root
        source = Source(root.shown, root.registry, root.prefix, root.dialect, root.plain_http)
        some: list[Coroutine[None, None, None]] = []
        try:
            lists = _KeptLists(reader, self._marks.result.kept)
            async for one in walk(lists, source, below=self._promises.only(root)):
                some += self._met_with(one)
                if len(some) >= IMAGES_AT_ONCE:
                    await all_of(some)
                    some = []
        except MigrateError as error:
            if error.problem is errors.TOKEN_EXPIRED:
                raise
            if error.problem not in errors.NOT_THERE:
                self._marks.unchecked(Level.TAGS, root.shown, error)
        await all_of(some)
        self._tell_new()

    def _met_with(self, one: Listing | ListingFailed) -> list[Coroutine[None, None, None]]:
        """Take in a name, and return what has to be done for it."""
        path = one.name.removeprefix(self._root.prefix).removeprefix("/")
        image = self._promises.image_at(self._root, path)
        if isinstance(one, ListingFailed) and one.error.problem is errors.NAME_REFUSED:
            if image is None:  # a snapshot has no such name; it tells those that it left out
                subject = f"{self._root.shown}/{brief(path)}"
                self._marks.note(errors.NAME_REFUSED, Severity.WARNING, subject, one.error.saw)
            return []
        if isinstance(one, ListingFailed):
            if image is None and one.error.problem not in errors.NOT_THERE:
                self._marks.unchecked(Level.TAGS, f"{self._root.shown}/{path}", one.error)
            return []
        if image:
            self._met.add(image.image.id)
            return [self._image(image, one)]
        if one.tags or one.manifests:
            self._count += 1
            self._new += [path] if len(self._new) < _NAMED_AT_MOST else []
        else:
            self._walked(one)
        return []

    async def _image(self, image: BaselineImage, listing: Listing) -> None:
        """Check an image; where all is right with its tags, its name need not be listed again."""
        if await self._content.image(image, listing):
            self._walked(listing)

    def _walked(self, listing: Listing) -> None:
        name = f"{self._root.registry}/{listing.name}"
        self._marks.result.kept.walked(name, listing.children)

    def _tell_new(self) -> None:
        for path in sorted(self._new):
            shown = f"{self._root.shown}/{path}" if path else self._root.shown
            self._marks.note(errors.IMAGE_NEW, Severity.WARNING, shown, "a new image")
        if self._count > len(self._new):
            saw = f"{self._count} new images, of which {len(self._new)} are named"
            self._marks.note(errors.IMAGE_NEW, Severity.WARNING, self._root.shown, saw)
