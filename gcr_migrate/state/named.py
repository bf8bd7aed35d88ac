"""Which names of a plan are about image paths that fit some patterns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import ImagePath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.model.pattern import Pattern
    from gcr_migrate.model.plan import Image
    from gcr_migrate.state.migration import Migration

_AFTER_THE_PATH: Final = re.compile(r"[:@ ]")
_AT_TARGET: Final = "SELECT path FROM image WHERE repository_id = ? AND target_path = ?"


class Paths:
    """Chooses image paths of the source.

    Args:
        migration: the plan.
        patterns: what is wished; all if empty.
    """

    def __init__(self, migration: Migration, patterns: Sequence[Pattern]) -> None:
        self._migration = migration
        self._patterns = patterns
        self._roots = [one.shown for one in migration.sources().values()]
        self._targets = {one.shown: id_ for id_, one in migration.repositories().items()}

    def fit(self, image: Image) -> bool:
        """Whether an image is wished."""
        return not self._patterns or self._matches(image.path)

    def is_about(self, subject: str) -> bool:
        """Whether a name at the source or the target is that of a wished image, or of its parts."""
        if not self._patterns:
            return True
        return any(map(self._matches, self._paths_of(subject)))

    def _paths_of(self, subject: str) -> list[str]:
        found = [path for root in self._roots if (path := _below(subject, root))]
        for name, repository_id in self._targets.items():
            path = _below(subject, name)
            if path:
                found += [row[0] for row in self._migration.rows(_AT_TARGET, repository_id, path)]
        return found

    def _matches(self, path: str) -> bool:
        try:
            parsed = ImagePath.parse(path)
        except MigrateError:
            return False  # no pattern can name it
        return any(one.match(parsed) is not None for one in self._patterns)


def _below(subject: str, root: str) -> str:
    """Return the image path of a name below a root; empty if it has none."""
    if not subject.startswith(f"{root}/"):
        return ""
    return _AFTER_THE_PATH.split(subject[len(root) + 1 :], maxsplit=1)[0]
