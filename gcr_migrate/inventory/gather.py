"""Everything that one root of the source lists, in as many views as there are.

The API is read first and the registry after it: what is pushed while the API's pages are read is
in the registry's answers, each of which is one moment or is read until it holds still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.api_view import ApiView, read_api, read_package, read_tags
from gcr_migrate.inventory.collect import AT_ONCE
from gcr_migrate.inventory.views import Joined, contents, covers, join
from gcr_migrate.inventory.walk import ListingFailed, walk
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.names import why_no_path
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gcr_migrate.interfaces import Contents, SourceRegistry
    from gcr_migrate.inventory.views import Difference
    from gcr_migrate.model.inventory import Listing
    from gcr_migrate.model.plan import Source
    from gcr_migrate.state.listings import Listings

_READS_AT_MOST: Final = 2


class Gathered(Struct):
    """What was found under one root, besides its lists.

    Attributes:
        findings: what is in doubt, or not shown alike.
        failed: names that gave no list, by path; the root is the empty path.
        refused: names that no registry takes, by path, with what is wrong; they are not asked for.
        complete: whether no list is cut short; what failed is not counted.
    """

    findings: list[Finding] = field(default_factory=list)
    failed: dict[str, MigrateError] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    complete: bool = True


class Wanted(Struct, frozen=True):
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
    listings: Listings,
    listen: Callable[[str, int], None],
) -> Gathered:
    """List everything under a root in both views, and join them.

    Args:
        registry: the registry.
        source: the root.
        api: the API and the name of the repository in it; None where there is none.
        wanted: what the spec asks for.
        listings: get the list of everything that has tags or manifests, by image path.
        listen: is told `("rows" | "listed", count)`: rows of the API, and names.

    Raises:
        MigrateError: the root can be listed in no view, or the login has ended.
    """
    found = Gathered()

    def is_asked_for(path: str) -> bool:
        if path not in wanted:
            return False
        if why := why_no_path(path):
            found.refused[path] = why
        return not why

    view = await read_api(*api, is_asked_for, listings, listen) if api else None
    gathering = _Gathering(registry, source, view, listings, listen, found)
    await gathering.walk(wanted)
    await gathering.list_hidden()
    if api:
        await gathering.compare(*api)
    return gathering.finish(wanted)


class _Path(Struct):
    """What is known of a path, besides its list.

    Attributes:
        children: names below it, by the registry.
        holds: it has tags or manifests, in either view.
        cut: why the registry's list may be cut short; empty when it is whole.
        completed: the API has what may be cut off.
        contents: how much its list holds, in words, once its views are joined.
        differences: where its two views differ.
    """

    children: tuple[str, ...] = ()
    holds: bool = False
    cut: str = ""
    completed: bool = False
    contents: str = ""
    differences: tuple[Difference, ...] = ()


class _Pair(Struct):
    """What both views list of one path."""

    name: str
    registry: Listing | None
    api: Listing | None

    def join(self) -> Joined:
        """Join them."""
        return join(self.name, *(one if one and _holds(one) else None for one in self._sides))

    @property
    def completed(self) -> bool:
        """Whether the API has all that the registry lists of it, and so what is cut off."""
        if self.registry is None or not _holds(self.registry):
            return True  # only names below it are cut off, and the API has those
        return self.api is not None and covers(self.api, self.registry)

    @property
    def _sides(self) -> tuple[Listing | None, Listing | None]:
        return self.registry, self.api


class _Gathering:
    """Lists in the making; paths are below the root, whose own path is empty."""

    def __init__(
        self,
        registry: SourceRegistry,
        source: Source,
        view: ApiView | None,
        listings: Listings,
        listen: Callable[[str, int], None],
        found: Gathered,
    ) -> None:
        self._registry = registry
        self._source = source
        self._view = view
        self._listings = listings
        self._listen = listen
        self._shown_by_api = view.paths if view else set()
        self._paths: dict[str, _Path] = {}
        self._hidden: set[str] = set()
        self._alone: dict[str, MigrateError] = {}
        self._found = found

    async def walk(self, wanted: Wanted) -> None:
        """Walk down the registry's own lists."""
        try:
            async for one in walk(self._registry, self._source, wanted.paths, wanted.below):
                self._take(self._source.path(one.name), one)
        except MigrateError as error:
            if not self._shown_by_api or error.problem is errors.TOKEN_EXPIRED:
                raise
            self._found.failed[""] = error

    async def list_hidden(self) -> None:
        """Ask by name for the paths that only the API shows."""
        self._hidden = self._shown_by_api - self._paths.keys() - self._found.failed.keys()

        async def one(path: str) -> None:
            name = self._source.name(path)
            try:
                self._take(path, await self._registry.listing(name))
            except MigrateError as error:
                if not errors.says_not_there(error):
                    self._take(path, ListingFailed(name, error))

        await a_few_of((one(path) for path in sorted(self._hidden)), AT_ONCE)

    async def compare(self, api: Contents, resource: str) -> None:
        """Join both views; where they differ, read both again before that is said."""
        held = {path for path, one in self._paths.items() if one.holds}
        paths = sorted((self._shown_by_api | held) - {""})
        await a_few_of((self._compare(api, resource, path) for path in paths), AT_ONCE)
        # A path may have come after the list above it was read.
        above = {up for path in self._hidden for up in _above(path) if self._is_sound(up)}
        await a_few_of((self._list_above(path) for path in sorted(above)), AT_ONCE)

    async def _compare(self, api: Contents, resource: str, path: str) -> None:
        name = self._source.name(path)
        pair = _Pair(name, self._listings.get(path), self._listings.rows(path))
        try:
            await self._settle(pair, api, resource, path)
        except MigrateError as error:
            if error.problem is errors.TOKEN_EXPIRED:
                raise
            self._alone[path] = error
        joined = pair.join()
        one = self._paths.setdefault(path, _Path())
        one.cut, one.differences = joined.listing.cut, joined.differences
        one.completed, one.holds = pair.completed, _holds(joined.listing)
        if path in self._hidden:
            one.contents = contents(joined.listing)
        if one.holds:
            self._listings.put(path, joined.listing)
        else:
            self._listings.drop(path)

    async def _settle(self, pair: _Pair, api: Contents, resource: str, path: str) -> None:
        """Read both views of a path again while they differ."""
        if (self._view and self._view.error) or path in self._found.failed:
            return  # what one side lacks it may not have come to
        if pair.api is None and path in self._shown_by_api:
            pair.api = await read_package(api, resource, path)  # the list of images lacks it
        if pair.registry and pair.registry.cut and pair.api:
            # Each of its images may have more tags than the list of images tells.
            tags = await read_tags(api, resource, path)
            pair.api = replace(pair.api, tags=dict(pair.api.tags) | tags)
        for _ in range(_READS_AT_MOST):
            if not pair.join().differences:
                return
            pair.registry = await self._list_again(path)
            pair.api = await read_package(api, resource, path)

    async def _list_again(self, path: str) -> Listing | None:
        name = self._source.name(path) if path else self._source.prefix
        try:
            return await self._registry.listing(name)
        except MigrateError as error:
            if not errors.says_not_there(error):
                self._found.failed[path] = error
            return None

    async def _list_above(self, path: str) -> None:
        listing = await self._list_again(path)
        one = self._paths.setdefault(path, _Path())
        one.children = listing.children if listing else ()
        if not one.holds:
            one.cut = listing.cut if listing else ""

    def finish(self, wanted: Wanted) -> Gathered:
        """Say what was found, and what is in doubt."""
        if self._view and self._view.error:
            self._tell(errors.ONE_VIEW, Severity.WARNING, "", self._view.error.told)
        for path, error in sorted(self._alone.items()):
            self._tell(errors.ONE_VIEW, Severity.WARNING, path, error.told)
        asked = {"", *wanted.paths, *wanted.below}  # it is told elsewhere that nothing is there
        for path, one in sorted(self._paths.items()):
            self._judge(path, one)
            if not one.holds and not one.children and path not in asked:
                self._tell(errors.NAME_EMPTY, Severity.INFO, path, "")
        return self._found

    def _judge(self, path: str, one: _Path) -> None:
        """Tell where the views of a path differ, and whether its list may be cut."""
        compared = self._view is not None and not self._view.error and path not in self._alone
        if one.cut and not (compared and (one.completed or not one.holds)):
            self._found.complete = False
            self._tell(errors.LISTING_CUT, Severity.ERROR, path, one.cut)
        if not compared or path in self._found.failed:
            return
        for found in one.differences:
            self._tell(errors.VIEWS_DIFFER, Severity.WARNING, path + found.what, found.saw)
        if one.holds and path in self._hidden and not one.differences and not self._is_named(path):
            saw = f"only the API lists it ({one.contents}); the registry knows its name"
            self._tell(errors.VIEWS_DIFFER, Severity.WARNING, path, saw)

    def _is_named(self, path: str) -> bool:
        """Whether the lists above a path show it, or cannot be expected to."""
        below = path
        for up in _above(path):
            if not self._is_sound(up):
                return True
            above = self._paths.get(up)
            if above is None or below.rpartition("/")[2] not in above.children:
                return False
            below = up
        return True

    def _is_sound(self, path: str) -> bool:
        """Whether a list can be expected to show all that is below it."""
        one = self._paths.get(path)
        return path not in self._found.failed and not (one and one.cut)

    def _take(self, path: str, one: Listing | ListingFailed) -> None:
        self._listen("listed", 1)
        if isinstance(one, ListingFailed):
            if one.error.problem is errors.NAME_REFUSED:
                self._found.refused[path] = one.error.saw
            else:
                self._found.failed[path] = one.error
            return
        self._paths[path] = _Path(one.children, _holds(one), one.cut)
        if path and _holds(one):
            self._listings.put(path, one)

    def _tell(self, problem: errors.Problem, severity: Severity, path: str, saw: str) -> None:
        shown = f"{self._source.shown}/{path}" if path else self._source.shown
        self._found.findings.append(Finding(problem, severity, shown, saw))


def _holds(listing: Listing) -> bool:
    return bool(listing.tags or listing.manifests)


def _above(path: str) -> list[str]:
    """Return the paths above a path, from the nearest to the root."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, -1, -1)]
