"""What runs left of a plan, because a rule of the spec says so; by the last word of the ledger.

Of images with `moved_tags: skip` that is what the source has no more, or has elsewhere, and with
`existing_tags: keep` a tag that somebody set at the target after the plan was made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import named
from gcr_migrate.model.finding import LeftOut
from gcr_migrate.model.steps import Kind
from gcr_migrate.state.tally import LAST_SAID, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.state.migration import Migration

# Blobs go with the manifests that need them.
_LEFT: Final = LAST_SAID.format("e.event = 'skipped' AND e.kind IN ('manifest', 'tag')")


def left_by_rule(migration: Migration) -> Iterator[LeftOut]:
    """Go through manifests and tags that runs left, by their full target names."""
    for _, kind, item_id, code, saw in migration.paged(_LEFT):
        yield LeftOut(
            named(code), subject_of(migration, Kind(kind), item_id), by_rule=True, saw=saw
        )
