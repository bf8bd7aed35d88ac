"""Rows that somebody leaves behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from gcr_migrate.state.rows import rows_of


def test_rows_may_be_left_behind_when_the_file_is_closed() -> None:
    """As after Ctrl-C: the generator is dropped last, and nothing is raised of it."""
    with closing(sqlite3.connect(":memory:")) as file:
        rows = rows_of(file.execute("VALUES (1), (2), (3)"))
        assert next(iter(rows)) == (1,)
    rows.close()  # type: ignore[attr-defined]  # a generator
