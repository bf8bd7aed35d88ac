"""Everything that one root of the source lists, in as many views as there are.

The API is read first and the registry after it: what is pushed while the API's pages are read is
in the registry's answers, each of which is one moment or is read until it holds still.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.api_view import ApiView, read_api, read_package, read_tags
from gcr_migrate.inventory.collect import AT_ONCE, ListingFailed, walk
from gcr_migrate.inventory.views import Joined, contents, covers, join
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.inventory import Listing
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gcr_migrate.interfaces import Contents, SourceRegistry
    from gcr_migrate.model.plan import Source

_READS_AT_MOST: Final = 2


@dataclass(slots=True)
class Gathered:
    """What was found under one root.

    Attributes:
        listings: everything that has tags or manifests, by image path.
        findings: what is in doubt, or not shown alike.
        failed: names that gave no list, by path; the root is the empty path.
        complete: whether no list is cut short; what failed is not counted.
    """

    listings: dict[str, Listing] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    failed: dict[str, MigrateError] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which image paths the spec asks for.

    Attributes:
        paths: only these; empty for all.
        below: only what is at these or below them; empty for all.
    """

    paths: Sequence[str] = ()
    below: Sequence[str] = ()

    def __contains__(self, path: object) -> bool:
        if self.paths:
            return path in self.paths
        tops = self.below
        return not tops or any(path == top or str(path).startswith(f"{top}/") for top in tops)


async def gather(
    registry: SourceRegistry,
    source: Source,
    api: tuple[Contents, str] | None,
    wanted: Wanted,
    listen: Callable[[str, int], None],
) -> Gathered:
    """List everything under a root in both views, and join them.

    Args:
        registry: the registry.
        source: the root.
        api: the API and the name of the repository in it; None where there is none.
        wanted: what the spec asks for.
        listen: is told `("listed", 1)` for every name.

    Raises:
        MigrateError: the root can be listed in no view, or the login has ended.
    """
    view = await read_api(*api, wanted.__contains__) if api else None
    gathering = _Gathering(registry, source, view, listen)
    await gathering.walk(wanted)
    await gathering.list_hidden()
    if api and view:
        await gathering.compare(*api)
    return gathering.finish(wanted)


class _Gathering:
    """Lists in the making; paths are below the root, whose own path is empty."""

    def __init__(
        self,
        registry: SourceRegistry,
        source: Source,
        view: ApiView | None,
        listen: Callable[[str, int], None],
    ) -> None:
        self._registry = registry
        self._source = source
        self._view = view
        self._listen = listen
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._listed: dict[str, Listing] = {}
        self._hidden: set[str] = set()
        self._alone: dict[str, MigrateError] = {}
        self._joined: dict[str, Joined] = {}
        self._found = Gathered()

    async def walk(self, wanted: Wanted) -> None:
        """Walk down the registry's own lists."""
        try:
            async for one in walk(self._registry, self._source, wanted.paths, wanted.below):
                self._take(self._path(one.name), one)
        except MigrateError as error:
            if not self._shown_by_api() or error.problem is errors.TOKEN_EXPIRED:
                raise
            self._found.failed[""] = error

    async def list_hidden(self) -> None:
        """Ask by name for the paths that only the API shows."""
        known = self._listed.keys() | self._found.failed.keys()
        self._hidden = self._shown_by_api() - known

        async def one(path: str) -> None:
            name = self._source.name(path)
            try:
                async with self._slots:
                    self._take(path, await self._registry.listing(name))
            except MigrateError as error:
                if error.problem not in errors.NOT_THERE:
                    self._take(path, ListingFailed(name, error))

        await all_of(one(path) for path in sorted(self._hidden))

    async def compare(self, contents: Contents, resource: str) -> None:
        """Join both views; where they differ, read both again before that is said."""

        async def one(path: str) -> None:
            async with self._slots:
                self._joined[path] = await self._settled(contents, resource, path)

        paths = self._shown_by_api() | {path for path, one in self._listed.items() if _holds(one)}
        await all_of(one(path) for path in sorted(paths - {""}))
        # A path may have come after the list above it was read.
        above = {up for path in self._hidden for up in _above(path) if self._is_sound(up)}
        await all_of(self._list_again(path) for path in sorted(above))

    async def _settled(self, contents: Contents, resource: str, path: str) -> Joined:
        view = self._view or ApiView()
        joined = self._join(path)
        if view.error or path in self._found.failed:
            return joined  # what one side lacks it may not have come to
        listing = self._listed.get(path)
        try:
            if listing and listing.cut and path in view.listings:
                # Each of its images may have more tags than the list of images tells.
                tags = await read_tags(contents, resource, path)
                api = view.listings[path]
                view.listings[path] = replace(api, tags=dict(api.tags) | tags)
                joined = self._join(path)
            for _ in range(_READS_AT_MOST):
                if not joined.differences:
                    break
                await self._list_again(path)
                again = await read_package(contents, resource, path)
                view.listings[path] = again or Listing(path, (), {}, ())
                joined = self._join(path)
        except MigrateError as error:
            if error.problem is errors.TOKEN_EXPIRED:
                raise
            self._alone[path] = error
        return joined

    def _join(self, path: str) -> Joined:
        api = self._view.listings.get(path) if self._view else None
        sides = [one if one and _holds(one) else None for one in (self._listed.get(path), api)]
        return join(self._source.name(path), *sides)

    async def _list_again(self, path: str) -> None:
        name = self._source.name(path) if path else self._source.prefix
        try:
            self._listed[path] = await self._registry.listing(name)
        except MigrateError as error:
            if error.problem not in errors.NOT_THERE:
                self._found.failed[path] = error
            self._listed.pop(path, None)

    def finish(self, wanted: Wanted) -> Gathered:
        """Say what was found, and what is in doubt."""
        found = self._found
        if self._view and self._view.error:
            self._tell(errors.ONE_VIEW, Severity.WARNING, "", self._view.error.told)
        for path, error in sorted(self._alone.items()):
            self._tell(errors.ONE_VIEW, Severity.WARNING, path, error.told)
        asked = {*wanted.paths, *wanted.below}  # it is told elsewhere that nothing is there
        for path in sorted(self._listed.keys() | self._joined.keys()):
            listing = self._whole(path)
            if path and _holds(listing):
                found.listings[path] = listing
            elif path and not self._has_below(path) and path not in asked:
                self._tell(errors.NAME_EMPTY, Severity.INFO, path, "")
        return found

    def _whole(self, path: str) -> Listing:
        """Return the list of a path; tell where its views differ and whether it may be cut."""
        joined = self._joined.get(path)
        listing = joined.listing if joined else self._listed[path]
        compared = self._view is not None and not self._view.error and path not in self._alone
        if listing.cut and not (compared and self._completed(path)):
            self._found.complete = False
            self._tell(errors.LISTING_CUT, Severity.ERROR, path, listing.cut)
        if joined and compared and path not in self._found.failed:
            for one in joined.differences:
                self._tell(errors.VIEWS_DIFFER, Severity.WARNING, path + one.what, one.saw)
            if path in self._hidden and not joined.differences and not self._is_named(path):
                saw = f"only the API lists it ({contents(listing)}); the registry knows its name"
                self._tell(errors.VIEWS_DIFFER, Severity.WARNING, path, saw)
        return replace(listing, cut="")

    def _completed(self, path: str) -> bool:
        """Whether the API has all that the registry lists of a path, and so what is cut off."""
        listing = self._listed.get(path)
        api = self._view.listings.get(path) if self._view else None
        if listing is None or not _holds(listing):
            return True  # only names below it are cut off, and the API has those
        return api is not None and covers(api, listing)

    def _is_named(self, path: str) -> bool:
        """Whether the lists above a path show it, or cannot be expected to."""
        below = path
        for up in _above(path):
            if not self._is_sound(up):
                return True
            listing = self._listed.get(up)
            last = below.rpartition("/")[2]
            if listing is None or last not in listing.children:
                return False
            below = up
        return True

    def _is_sound(self, path: str) -> bool:
        """Whether a list can be expected to show all that is below it."""
        listing = self._listed.get(path)
        return path not in self._found.failed and not (listing and listing.cut)

    def _has_below(self, path: str) -> bool:
        listing = self._listed.get(path)
        return bool(listing and listing.children)

    def _take(self, path: str, one: Listing | ListingFailed) -> None:
        self._listen("listed", 1)
        if isinstance(one, ListingFailed):
            self._found.failed[path] = one.error
        else:
            self._listed[path] = one

    def _shown_by_api(self) -> set[str]:
        listings = self._view.listings if self._view else {}
        return {path for path, one in listings.items() if _holds(one)}

    def _path(self, name: str) -> str:
        if name == self._source.prefix:
            return ""
        return name.removeprefix(f"{self._source.prefix}/" if self._source.prefix else "")

    def _tell(self, problem: errors.Problem, severity: Severity, path: str, saw: str) -> None:
        shown = f"{self._source.shown}/{path}" if path else self._source.shown
        self._found.findings.append(Finding(problem, severity, shown, saw))


def _holds(listing: Listing) -> bool:
    return bool(listing.tags or listing.manifests)


def _above(path: str) -> list[str]:
    """Return the paths above a path, from the nearest to the root."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, -1, -1)]
