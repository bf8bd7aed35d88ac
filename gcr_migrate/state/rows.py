"""Rows of a statement, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


def rows_of(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    """Give rows, also to who leaves them behind when the file is closed already.

    After Ctrl-C what was under way is dropped in any order. `yield from` would close the cursor
    then, which a closed file answers with an error that nobody can catch and everybody sees.
    """
    for row in cursor:  # noqa: UP028  # see above
        yield row
