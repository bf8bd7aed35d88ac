"""Rows of access in a plan that is sealed: for tests of what is done with them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from gcr_migrate.state.file import open_migration
from gcr_migrate.state.plandigest import plan_digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gcr_migrate.model.access import AccessRow


def put_rows(path: Path, rows: Iterable[AccessRow]) -> None:
    """Write a plan again with these rows, each at the repository that it names, and a new seal."""
    with open_migration(path) as migration:
        ids = {one.shown: id_ for id_, one in migration.repositories().items()}
    with closing(sqlite3.connect(path)) as sql:
        seals = "SELECT name, sql FROM sqlite_master WHERE name LIKE '%_frozen_%'"
        triggers = sql.execute(seals).fetchall()
        for name, _ in triggers:
            sql.execute(f"DROP TRIGGER {name}")
        sql.execute("DELETE FROM access_row")
        sql.executemany(
            "INSERT INTO access_row (repository_id, source, member, right_held, before, after,"
            " before_by, after_by, verdict, why, consent, proved_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    ids[row.target],
                    row.source,
                    row.member,
                    row.right,
                    row.before,
                    row.after,
                    row.before_by,
                    row.after_by,
                    row.verdict,
                    row.why,
                    row.consent,
                    row.proved_by,
                )
                for row in rows
            ],
        )
        digest = plan_digest(sql)
        sql.execute("UPDATE meta SET value = ? WHERE key = 'digest'", (digest,))
        for _, text in triggers:
            sql.execute(text)
        sql.commit()
