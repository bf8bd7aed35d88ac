"""Single names in a frozen plan, looked up by what people write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.model.content import Digest
from gcr_migrate.model.cover import Moved

if TYPE_CHECKING:
    from gcr_migrate.state.migration import Migration

_NAMED: Final = """
CREATE TEMP TABLE named AS
SELECT i.id, s.shown || '/' || i.path AS shown,
    s.registry || '/' || iif(s.prefix = '', '', s.prefix || '/') || i.path AS newer,
    r.registry || '/' || iif(r.prefix = '', '', r.prefix || '/') || i.target_path AS target
FROM image i JOIN source s ON s.id = i.source_id JOIN repository r ON r.id = i.repository_id
"""


class Lookup:
    """The names of a plan; see `Planned`.

    A source that Artifact Registry serves is known by its gcr.io name and by its newer one.

    Args:
        migration: the plan.
    """

    def __init__(self, migration: Migration) -> None:
        self._migration = migration
        migration.rows("DROP TABLE IF EXISTS temp.named")
        migration.rows(_NAMED)
        for column in ("shown", "newer", "target"):
            migration.rows(f"CREATE INDEX temp.named_{column} ON named ({column})")

    def image(self, name: str) -> Moved | None:
        """Return where an image goes, by its whole name at the source."""
        sql = "SELECT id, shown, target FROM temp.named WHERE shown = ? OR newer = ? ORDER BY id"
        found = self._migration.rows(sql, name, name)
        return Moved(*found[0]) if found else None

    def at_target(self, name: str) -> Moved | None:
        """Return the image of the plan that gets this whole name."""
        sql = "SELECT id, shown, target FROM temp.named WHERE target = ? ORDER BY id"
        found = self._migration.rows(sql, name)
        return Moved(*found[0]) if found else None

    def tag(self, image: Moved, tag: str) -> Digest | None:
        """Return what a tag of an image points to."""
        sql = "SELECT digest FROM tag_item WHERE image_id = ? AND tag = ?"
        found = self._migration.rows(sql, image.id, tag)
        return Digest.parse(found[0][0]) if found else None

    def has(self, image: Moved, digest: Digest) -> bool:
        """Whether a manifest goes with an image."""
        sql = (
            "SELECT 1 FROM planned_manifest p JOIN manifest m ON m.id = p.manifest_id"
            " WHERE p.image_id = ? AND m.digest = ?"
        )
        return bool(self._migration.rows(sql, image.id, str(digest)))

    def touches(self, repository: str) -> bool:
        """Whether the plan reads or fills a repository, by its whole name."""
        host, _, prefix = repository.partition("/")
        sql = (
            "SELECT 1 FROM source WHERE shown = ? OR (registry = ? AND prefix = ?)"
            " UNION SELECT 1 FROM repository WHERE registry = ? AND prefix = ?"
        )
        return bool(self._migration.rows(sql, repository, host, prefix, host, prefix))

    def left_out(self, name: str) -> str:
        """Return the code for which a name is not carried; empty if the plan does not say it."""
        found = self._migration.rows("SELECT code FROM left_out WHERE subject = ?", name)
        return str(found[0][0]) if found else ""
