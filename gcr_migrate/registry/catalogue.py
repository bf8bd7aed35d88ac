"""Which names a plain registry lacks, told by one answer of its catalogue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError

if TYPE_CHECKING:
    from gcr_migrate.interfaces import SourceRegistry

_WORTH: Final = 4  # fewer names are asked for themselves: the catalogue and its test are two


class Catalogue:
    """Tells which names are not there, so that nobody has to ask for each.

    Only a catalogue that ends in its first answer is used, however long the registry is. It may
    hide names from who may not see all: the first name that it lacks is asked for itself, and if
    that one is there after all, nothing is told. What reads wrong here is found later, as a tag is
    only set where the registry itself says that there is none.

    Args:
        registry: who is asked, at most twice.
    """

    def __init__(self, registry: SourceRegistry) -> None:
        self._registry = registry
        self._names: frozenset[str] | None = None
        self._is_read = self._is_tested = False
        self._lock = asyncio.Lock()

    async def lacks(self, name: str, of: int) -> bool:
        """Whether a name is known not to be there; False where that has to be asked.

        Args:
            name: registry name, without host.
            of: how many names will be asked for in all.

        Raises:
            MigrateError: TOKEN_EXPIRED, as all that follows would fail alike.
        """
        if self._registry.dialect.lists_manifests or of < _WORTH:
            return False
        async with self._lock:
            if not self._is_read:
                self._is_read, self._names = True, await self._read()
            if self._names is None or name in self._names:
                return False
            if not self._is_tested:
                self._is_tested = True
                if not await self._is_away(name):
                    self._names = None
            return self._names is not None

    async def _read(self) -> frozenset[str] | None:
        try:
            return await self._registry.short_catalog()
        except MigrateError as error:
            if error.problem is errors.TOKEN_EXPIRED:
                raise
            return None  # names tell for themselves what is wrong

    async def _is_away(self, name: str) -> bool:
        try:
            await self._registry.listing(name)
        except MigrateError as error:
            return error.problem in errors.NOT_THERE
        return False
