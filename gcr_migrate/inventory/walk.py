"""Walk down the names of a registry."""

from __future__ import annotations

from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.collect import AT_ONCE
from gcr_migrate.model.names import why_no_path
from gcr_migrate.tasks import results_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.model.inventory import Listing
    from gcr_migrate.model.plan import Source


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
        cut short stands as a failure of the root, after which its names follow.

    Raises:
        MigrateError: the root itself cannot be listed.
    """
    tops = [source.name(path) for path in below]
    first, doubt = [source.name(path) for path in paths], None
    if not first:
        first, doubt = await _tops(registry, source, tops)
    if doubt:
        yield ListingFailed(source.prefix, doubt)

    async def one(name: str) -> Listing | ListingFailed:
        why = "" if source.prefix and name == source.prefix else why_no_path(source.path(name))
        if why:
            error = MigrateError(errors.NAME_REFUSED, subject=name, saw=why)
            return ListingFailed(name, error)
        try:
            return await registry.listing(name)
        except MigrateError as error:
            if name == source.prefix:
                raise
            return ListingFailed(name, error)

    names, seen = deque(first), set(first)
    async with aclosing(results_of(names, one, AT_ONCE)) as listings:
        async for listing in listings:
            yield listing
            if isinstance(listing, ListingFailed) or paths:
                continue
            below = [f"{listing.name}/{child}" for child in listing.children]
            names.extend(name for name in below if name not in seen)
            seen.update(below)


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
