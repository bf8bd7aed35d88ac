"""Names of the target registries that have a blob, from which it can be mounted under others."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from gcr_migrate.model.work import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.apply.copy import Place
    from gcr_migrate.model.plan import Image
    from gcr_migrate.model.work import End
    from gcr_migrate.state.items import BlobItem
    from gcr_migrate.state.migration import Migration

_REMEMBERED: Final = 10_000


class Holders:
    """Knows of each blob that several names need one name that has it.

    A key is a registry and the number of a blob.

    Args:
        migration: the frozen plan, which knows those that are not remembered.
    """

    def __init__(self, migration: Migration) -> None:
        self._migration = migration
        self._repositories = migration.repositories()
        self._found: OrderedDict[tuple[str, int], Origin] = OrderedDict()
        self._unheld: dict[tuple[str, int], list[Image]] = {}  # and what a killed run began with
        self._lossy: set[str] = set()  # registries of which not all is believed any more

    def __contains__(self, key: tuple[str, int]) -> bool:
        """Whether it is remembered who has a blob."""
        return key in self._found

    def add(self, place: Place, item: BlobItem) -> None:
        """Note that a name has a blob, for the others that need it."""
        if not item.shared:
            return
        key = place.repository.registry, item.blob_id
        self._unheld.pop(key, None)
        self._found[key] = _origin(place.target)
        if len(self._found) > _REMEMBERED:  # the file knows the others
            self._found.popitem(last=False)

    def doubt(self, registry: str) -> None:
        """Note that a registry has lost something: what a name had before this run may be, too."""
        self._lossy.add(registry)

    def origins(self, place: Place, item: BlobItem) -> Iterator[Origin]:
        """Give names at the target from which a blob can be mounted, the best one first."""
        row = place.repository
        if place.root.registry == row.registry:
            yield _origin(place.source)
        if not item.shared:
            return
        key = row.registry, item.blob_id
        if found := self._found.get(key):
            yield found
            return
        if key not in self._unheld:
            if holder := self._migration.holder(item.blob_id, row.registry):
                yield self._of(holder, is_sure=row.registry not in self._lossy)
                return
            # Asked once: each question goes through all the names that need it.
            self._unheld[key] = self._migration.interrupted(item.blob_id, row.registry)
        # A killed run may have brought it under another name without living to write that down.
        for other in self._unheld[key]:
            if other.id != place.image.id:
                yield self._of(other, is_sure=False)

    def _of(self, image: Image, *, is_sure: bool) -> Origin:
        row = self._repositories[image.repository_id]
        name = row.name(image.target_path)
        return Origin(name, row.prefix if row.resource else name, is_sure)


def _origin(end: End) -> Origin:
    return Origin(end.name, end.scope)
