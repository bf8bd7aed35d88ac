"""What a plan and its runs leave, because a rule of the spec says so.

Of images with `existing_tags: keep` that is a tag that points elsewhere at the target, whether it
did when the plan was made or somebody set it since; with `moved_tags: skip` it is what the source
has no more, or has elsewhere. What was found after planning is the last word of the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import TAG_CONFLICT, named
from gcr_migrate.model.finding import LeftOut
from gcr_migrate.model.steps import Kind
from gcr_migrate.state.tally import LAST_SAID, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.state.migration import Migration

# Blobs go with the manifests that need them.
_LEFT: Final = LAST_SAID.format("e.event = 'skipped' AND e.kind IN ('manifest', 'tag')")
_KEPT: Final = (
    "SELECT id, found, digest FROM tag_item WHERE id > ? AND action = 'keep' AND last_event IS NULL"
    " ORDER BY id LIMIT ?"
)


def left_by_rule(migration: Migration) -> Iterator[LeftOut]:
    """Go through manifests and tags that are left, by their full target names."""
    for item_id, found, digest in migration.paged(_KEPT):
        saw = f"target has {found}, planned {digest}"
        yield LeftOut(TAG_CONFLICT, subject_of(migration, Kind.TAG, item_id), by_rule=True, saw=saw)
    for _, kind, item_id, code, saw in migration.paged(_LEFT):
        yield LeftOut(
            named(code), subject_of(migration, Kind(kind), item_id), by_rule=True, saw=saw
        )
