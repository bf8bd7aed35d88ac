"""What a plan finds before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, DISTRIBUTION, GCR
from gcr_migrate.plan.checks import least_answer, over_one_answer
from tests.made import made

if TYPE_CHECKING:
    from gcr_migrate.model.dialect import Dialect


DIALECTS = made(
    replace,
    st.sampled_from([GCR, ARTIFACT_REGISTRY, DISTRIBUTION]),
    read_bytes_at_most=st.none() | st.integers(1, 100),
)


@given(st.integers(-1, 200), DIALECTS, DIALECTS)
def test_a_blob_is_told_where_it_is_over_one_answer_of_a_side(
    size: int, source: Dialect, target: Dialect
) -> None:
    """A side is named if and only if it gives less at once, and nothing below the least is told."""
    saw = over_one_answer(size, source, target)
    for side, one in (("source", source), ("target", target)):
        most = one.read_bytes_at_most
        assert (f"at the {side}" in saw) is (most is not None and size > most)
    least = least_answer(source, target)
    assert bool(saw) is (least is not None and size > least)


def test_google_gives_less_than_ten_gigabytes_at_once() -> None:
    """The number of its documentation, as data of the dialects; others state none."""
    assert over_one_answer(9_900_000_000, ARTIFACT_REGISTRY, ARTIFACT_REGISTRY) == ""
    assert over_one_answer(9_900_000_001, GCR, ARTIFACT_REGISTRY)
    assert not over_one_answer(10**12, DISTRIBUTION, DISTRIBUTION)
