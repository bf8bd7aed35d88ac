"""A few cells of a large table, the same ones on every machine and in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def covering(cells: Iterable[Sequence[str]]) -> set[tuple[str, ...]]:
    """Choose cells so that each row, each column and whatever else they name is in one of them.

    Which one it is follows from the cell's names, so that another row of the table, or another
    order of its rows, hardly changes what is chosen of the rest.

    Args:
        cells: names of a row, of a column, and so on; the same number each.
    """
    chosen: dict[tuple[int, str], tuple[str, ...]] = {}
    for cell in sorted(map(tuple, cells), key=_lot):
        for name in enumerate(cell):
            chosen.setdefault(name, cell)
    return set(chosen.values())


def _lot(cell: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    return crc32("-in-".join(cell).encode()), cell
