"""Samples of tables: the same everywhere, and of every row and column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.sample import covering

if TYPE_CHECKING:
    import random

_NAMES = st.sampled_from("abcdef")
_CELLS = st.lists(st.tuples(_NAMES, _NAMES, _NAMES), unique=True)


@given(_CELLS)
def test_each_name_of_a_table_is_in_its_sample(cells: list[tuple[str, ...]]) -> None:
    """Whatever stands in any place of a cell stands there in a chosen one, and no cell is made."""
    chosen = covering(cells)
    assert chosen <= set(cells)
    assert {name for one in chosen for name in enumerate(one)} == {
        name for one in cells for name in enumerate(one)
    }


@given(_CELLS, st.randoms())
def test_a_sample_does_not_depend_on_the_order(
    cells: list[tuple[str, ...]], chance: random.Random
) -> None:
    """Another order of the table chooses the same cells."""
    shuffled = list(cells)
    chance.shuffle(shuffled)
    assert covering(shuffled) == covering(cells)


@given(_CELLS)
def test_a_new_row_takes_nothing_from_the_sample_of_others(cells: list[tuple[str, ...]]) -> None:
    """Each row keeps a cell that stands for it when another row comes."""
    more = [("new", column, kind) for _, column, kind in cells]
    kept = covering(cells) & covering([*cells, *more])
    assert {row for row, _, _ in kept} == {row for row, _, _ in cells}
