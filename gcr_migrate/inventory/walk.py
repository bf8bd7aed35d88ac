"""Walk down the names of a registry."""

from __future__ import annotations

from collections import Counter, deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.collect import AT_ONCE
from gcr_migrate.model.inventory import Listing
from gcr_migrate.model.names import LONGEST_NAME, why_no_path
from gcr_migrate.tasks import results_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.model.plan import Source

_TOO_LONG_AT_MOST: Final = 8  # names below one; where there are more, there is no end of them


class ListingFailed(Struct, frozen=True):
    """A name that could not be listed: what lies below it is unknown.

    With NAME_REFUSED it is none that registries take, and was not asked for.
    """

    name: str
    error: MigrateError


class Lister(Protocol):
    """The part of a registry that a walk over its names needs."""

    @property
    def dialect(self) -> Dialect:
        """Its habits."""
        ...

    async def listing(self, name: str) -> Listing:
        """List what a name has, and what is below it."""
        ...

    def catalog(self) -> AsyncIterator[str]:
        """Names of all repositories; raises when there is no catalogue."""
        ...


async def walk(
    registry: Lister,
    source: Source,
    paths: Iterable[str] = (),
    below: Iterable[str] = (),
) -> AsyncIterator[Listing | ListingFailed]:
    """List every image path under a source root.

    Args:
        registry: where to ask.
        source: the root.
        paths: image paths to list where the registry has no catalogue; all if empty.
        below: image paths to list with all that is below them; all if empty.

    Yields:
        One listing per name, or that it failed; order as answers come. A catalogue that may be
        cut short stands as a failure of the root, after which its names follow. So does a name
        below which there is no end of names: it is walked no further.

    Raises:
        MigrateError: the root itself cannot be listed.
    """
    tops = [source.name(path) for path in below]
    first, doubt = [source.name(path) for path in paths], None
    if not first:
        first, doubt = await _tops(registry, source, tops)
    if doubt:
        yield ListingFailed(source.prefix, doubt)
    names = _Names(source, first)

    async def one(name: str) -> Listing | ListingFailed:
        return await _listed(registry, source, name)

    async with aclosing(results_of(names.waiting, one, AT_ONCE)) as listings:
        async for listing in listings:
            if isinstance(listing, Listing):
                yield listing
                names.add([] if paths else [f"{listing.name}/{one}" for one in listing.children])
            elif not names.are_given_up_at(listing.name):
                yield listing
                for failed in names.refuse(listing.name):
                    yield failed


async def _listed(registry: Lister, source: Source, name: str) -> Listing | ListingFailed:
    """List a name; raise what went wrong only for the root itself."""
    if why := _why_refused(registry, source, name):
        return ListingFailed(name, MigrateError(errors.NAME_REFUSED, subject=name, saw=why))
    try:
        return await _twice(registry, name)
    except MigrateError as error:
        if name == source.prefix:
            raise
        return ListingFailed(name, error)


async def _twice(registry: Lister, name: str) -> Listing:
    """List a name; that it is not there takes two answers, as somebody has named it."""
    try:
        return await registry.listing(name)
    except MigrateError as error:
        if not errors.says_not_there(error):
            raise
    return await registry.listing(name)


def _why_refused(registry: Lister, source: Source, name: str) -> str:
    """Say why a name is not asked for; empty if it is."""
    if source.prefix and name == source.prefix:
        return ""
    if registry.dialect.lists_manifests and len(name) > LONGEST_NAME:
        return f"{len(name)} characters; no client takes more than {LONGEST_NAME}"
    return why_no_path(source.path(name))


class _Names:
    """Names that are still to be asked for.

    A broken or hostile registry may show names below each name without end. Those that are too
    long tell of that, and with two below each there are far too many before all are too long. So
    a name just below the root is given up when too many below it are, and the root when too many
    are given up.

    Attributes:
        waiting: those whose turn has not come; depth first, or a tree without end would have grown
            wide before it shows itself.
    """

    def __init__(self, source: Source, first: list[str]) -> None:
        self._source = source
        self._first = frozenset(first)
        self._seen = set(first)
        self._refused: Counter[str] = Counter()
        self._given_up: set[str] = set()
        self.waiting = deque(first)

    def add(self, below: list[str]) -> None:
        """Take in what a list shows."""
        new = [one for one in below if one not in self._seen and not self.are_given_up_at(one)]
        self.waiting.extendleft(reversed(new))
        self._seen.update(new)

    def are_given_up_at(self, name: str) -> bool:
        """Whether nothing more is asked for where this name is."""
        return not self._given_up.isdisjoint({self._source.prefix, self._top(name)})

    def refuse(self, name: str) -> Iterator[ListingFailed]:
        """Take in a name that gave no list; give what is given up because of it."""
        if len(name) <= LONGEST_NAME or name in self._first:
            return
        for above in (self._top(name), self._source.prefix):
            self._refused[above] += 1
            if self._refused[above] <= _TOO_LONG_AT_MOST:
                break
            self._given_up.add(above)
            saw = f"names below names without end, of more than {LONGEST_NAME} characters at last"
            yield ListingFailed(above, MigrateError(errors.BAD_REPLY, subject=above, saw=saw))
        waiting = [one for one in self.waiting if not self.are_given_up_at(one)]
        self.waiting.clear()
        self.waiting.extend(waiting)

    def _top(self, name: str) -> str:
        """Return the name just below the root that leads to this one, or the root itself."""
        top = self._source.path(name).partition("/")[0]
        return self._source.name(top) if top else self._source.prefix


async def _tops(
    registry: Lister, source: Source, tops: list[str]
) -> tuple[list[str], MigrateError | None]:
    """Return the names where to begin, and the error that says why there may be more."""
    if registry.dialect.lists_manifests:
        return tops or [source.prefix], None
    names: list[str] = []
    try:
        async for name in registry.catalog():
            names += [name] if not tops or _is_in(name, tops) else []
    except MigrateError as error:
        if error.problem is not errors.LISTING_CUT:
            raise
        return names, error
    return names, None


def _is_in(name: str, tops: list[str]) -> bool:
    return any(name == top or name.startswith(f"{top}/") for top in tops)
