"""What begins early: layers that all would wait for in the end, and only few of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.apply.copy import LARGE_BYTES
from gcr_migrate.apply.run import early_from

MB = 1_000_000


def test_what_is_large_beside_the_rest_begins_early() -> None:
    """Two megabytes are, beside 24 of small ones on 16 places; beside a terabyte they are not."""
    assert early_from(26 * MB, 16) <= 2 * MB
    assert early_from(1_000_000 * MB, 16) == LARGE_BYTES
    assert early_from(0, 16) == LARGE_BYTES  # nothing is looked through for nothing


@given(st.lists(st.integers(1, 100 * MB), min_size=1), st.integers(1, 64))
def test_only_few_begin_early(sizes: list[int], at_once: int) -> None:
    """Four for each place at most, but for those that are large whatever there is beside them."""
    least = early_from(sum(sizes), at_once)
    assert sum(least <= size < LARGE_BYTES for size in sizes) <= 4 * at_once + 1
