"""Plans that tests write by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcr_migrate.state.frozen import Draft


def seal(draft: Draft) -> None:
    """End a whole plan of which nothing is told but what is in it."""
    draft.seal(
        complete=True,
        spec_name="spec.yaml",
        spec_text="",
        estimate={},
        tool_version="1",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
