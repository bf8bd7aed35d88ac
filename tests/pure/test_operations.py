"""What the ledger keeps of operations that create repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gcr_migrate.model.steps import Event, Kind
from gcr_migrate.state.file import open_migration
from tests.pure.test_ledger import record, write_plan

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "projects/p/locations/us/operations/1", "projects/p/locations/us/operations/2"
STARTED, CONFIRMED, GAVE_UP = Event.STARTED, Event.CONFIRMED, Event.GAVE_UP
LIVES: list[tuple[list[tuple[Event, str]], dict[int, str]]] = [
    ([], {}),
    ([(STARTED, "")], {}),
    ([(STARTED, ""), (STARTED, FIRST)], {1: FIRST}),
    ([(STARTED, ""), (STARTED, FIRST), (STARTED, FIRST), (STARTED, SECOND)], {1: SECOND}),
    ([(STARTED, ""), (STARTED, FIRST), (CONFIRMED, "created")], {}),
    ([(STARTED, ""), (STARTED, FIRST), (GAVE_UP, "")], {}),
]


@pytest.mark.parametrize(("life", "kept"), LIVES, ids=[str(n) for n in range(len(LIVES))])
def test_the_operation_of_a_creation_under_way_is_kept(
    tmp_path: Path, life: list[tuple[Event, str]], kept: dict[int, str]
) -> None:
    """The last name counts, until the creation came to an end, good or bad."""
    path = tmp_path / "a.migration"
    write_plan(path)
    record(path, [(Kind.REPOSITORY, 1, event, how) for event, how in life])
    with open_migration(path) as migration:
        assert migration.operations() == kept


def test_other_kinds_have_no_operations(tmp_path: Path) -> None:
    """How a blob came is no name of an operation."""
    path = tmp_path / "a.migration"
    write_plan(path)
    record(path, [(Kind.BLOB, 1, STARTED, "x")])
    with open_migration(path) as migration:
        assert migration.operations() == {}
