"""Samples: what they say of all holds as often as they say, and no bound is wider than it must be.

Small populations are judged by counting every draw there is.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.verify.sample import Sample, bounds, rank

ALPHA = Fraction(5, 100)
_WITH_BAD_ONES = (
    "100 of 2000 checked, 4 bad; with 90% confidence at least 1.4% and fewer than 8.8% are bad"
)


def _likely(population: int, bad: int, checked: int, found: int) -> Fraction:
    """Return how likely it is to draw just so many bad ones, by counting."""
    ways = comb(bad, found) * comb(population - bad, checked - found)
    return Fraction(ways, comb(population, checked))


@st.composite
def draws(draw: st.DrawFn) -> tuple[int, int, int]:
    """Give a population, how many of it are drawn, and how many of these are bad."""
    population = draw(st.integers(1, 60))
    checked = draw(st.integers(1, population))
    return population, checked, draw(st.integers(0, checked))


@given(st.integers(1, 40), st.data())
def test_each_bound_holds_as_often_as_it_says(population: int, data: st.DataObject) -> None:
    """However many are bad, at most one sample in twenty tells a bound that is wrong."""
    checked = data.draw(st.integers(1, population))
    told = [bounds(population, checked, found) for found in range(checked + 1)]
    for bad in range(population + 1):
        likely = [_likely(population, bad, checked, found) for found in range(checked + 1)]
        assert sum(p for p, one in zip(likely, told, strict=True) if bad > one.most) <= ALPHA
        assert sum(p for p, one in zip(likely, told, strict=True) if bad < one.least) <= ALPHA


@given(draws())
def test_no_bound_is_wider_than_it_must_be(drawn: tuple[int, int, int]) -> None:
    """One more, or one fewer, would make what was found too unlikely, or is not possible."""
    population, checked, found = drawn
    one = bounds(*drawn)
    assert found <= one.least <= one.most <= population - checked + found
    if one.most < population - checked + found:
        fewer = [_likely(population, one.most + 1, checked, n) for n in range(found + 1)]
        assert sum(fewer) < ALPHA
    if one.least > found:
        more = [_likely(population, one.least - 1, checked, n) for n in range(found, checked + 1)]
        assert sum(more) < ALPHA


@given(draws(), draws())
def test_more_that_is_checked_says_more(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    """With nothing bad, a larger sample of the same population never has a higher bound."""
    population = max(one[0], other[0])
    few, many = sorted((one[1], other[1]))
    assert bounds(population, many, 0).most <= bounds(population, few, 0).most


def test_a_million_is_no_harder_than_a_hundred() -> None:
    """Large numbers are exact enough for the rule of three, and are told at once."""
    one = bounds(10**6, 10_000, 0)
    assert one.sentence == "10000 of 1000000 checked; with 95% confidence fewer than 0.03% are bad"
    many = bounds(10**6, 10**5, 50_000)
    assert many.least < 500_000 < many.most
    assert many.most - many.least < 6_000


@pytest.mark.parametrize(
    ("drawn", "sentence"),
    [
        ((8, 3, 3), "3 of 8 checked, 3 bad; with 90% confidence at least 50% are bad"),
        ((500, 500, 0), "all 500 checked, 0 bad"),
        ((500, 500, 3), "all 500 checked, 3 bad"),
        ((2000, 100, 0), "100 of 2000 checked; with 95% confidence fewer than 2.9% are bad"),
        ((2000, 100, 4), _WITH_BAD_ONES),
    ],
)
def test_the_sentence_says_what_was_checked(drawn: tuple[int, int, int], sentence: str) -> None:
    """Nothing is called proven of what nobody looked at."""
    assert bounds(*drawn).sentence == sentence


def test_a_sample_is_a_number_or_a_part() -> None:
    """Of anything at least one is drawn, and never more than there are."""
    assert Sample.read("200").of(1_000) == 200
    assert Sample.read("200").of(7) == 7
    assert Sample.read("5%").of(1_000) == 50
    assert Sample.read("0.1%").of(3) == 1
    assert Sample.read("2.5 %").of(0) == 0
    assert str(Sample.read("2.50%")) == "2.5%"
    for wrong in ("", "0", "0%", "101%", "-3", "five", "1e3", "5 percent"):
        with pytest.raises(ValueError, match="such as 200 or 5%"):
            Sample.read(wrong)


@given(st.integers(0, 2**64 - 1), st.sets(st.text(min_size=1), min_size=2, max_size=30))
def test_a_seed_draws_the_same_again(seed: int, names: set[str]) -> None:
    """The order hangs on seed and names alone, in whichever order these come."""
    there = sorted(names, key=lambda name: rank(seed, name))
    back = sorted(sorted(names, reverse=True), key=lambda name: rank(seed, name))
    assert there == back


def test_every_name_is_drawn_as_often_as_any_other() -> None:
    """Over many seeds each of ten names comes first about as often."""
    firsts = dict.fromkeys("abcdefghij", 0)
    for seed in range(5_000):
        firsts[min(firsts, key=lambda name: rank(seed, name))] += 1
    assert all(400 < count < 600 for count in firsts.values()), firsts
