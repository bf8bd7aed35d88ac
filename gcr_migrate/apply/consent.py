"""The gate before access changes: nobody loses or gains a right that nobody consented to."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import ACCESS_UNSETTLED, MigrateError

if TYPE_CHECKING:
    from gcr_migrate.model.access import AccessRow
    from gcr_migrate.state.migration import Migration

NAMED_AT_MOST: Final = 20


def without_consent(migration: Migration) -> list[MigrateError]:
    """Return what speaks against a plan: changes of access that the spec does not consent to.

    Returns:
        An error for each, the first ones in full and the others as a number; empty if all is
        settled.
    """
    rows = (row for row in migration.access_rows() if row.needs_consent)
    named = [
        MigrateError(ACCESS_UNSETTLED, subject=_subject(row), saw=_saw(row))
        for row in islice(rows, NAMED_AT_MOST)
    ]
    more = sum(1 for _ in rows)
    if more:
        named.append(
            MigrateError(ACCESS_UNSETTLED, subject=f"{migration.path}: {more:,} more like these")
        )
    return named


def _subject(row: AccessRow) -> str:
    return f"{row.member}: {row.right} on {row.target}"


def _saw(row: AccessRow) -> str:
    by = row.before_by or row.after_by
    parts = (f"{row.verdict}, from {row.source}", f"by {by}" if by else "", row.why)
    return "; ".join(part for part in parts if part)
