"""What a random sample says of all: exact bounds for draws without replacement.

Both bounds are one-sided at 95%, whatever was found: which of them is told must not hang on what
the sample showed, or the confidence would be less than stated. So with nothing bad the sentence is
at 95%, and with something bad, where it has two ends, at 90%.
"""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction
from math import ceil, exp, lgamma
from typing import Final

from msgspec import Struct

CONFIDENCE: Final = 0.95
_ALPHA: Final = 1 - CONFIDENCE
_SURELY_LESS: Final = 1 - 1e-9  # logarithms are not exact: what is equal to the limit stays within
_NEGLIGIBLE: Final = 1e-17
_ITEMS: Final = re.compile(r"[1-9][0-9]{0,11}")
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")


class Sample(Struct, frozen=True):
    """How many of all are drawn.

    Attributes:
        items: a number of them; None where a part is stated.
        part: a part of them, above 0 and at most 1.
    """

    items: int | None = None
    part: Fraction = Fraction(1)

    @classmethod
    def read(cls, text: str) -> Sample:
        """Read a number such as `200`, or a part such as `5%`.

        Raises:
            ValueError: it is neither.
        """
        text = text.strip()
        if _ITEMS.fullmatch(text):
            return cls(int(text))
        found = _PERCENT.fullmatch(text)
        part = Fraction(found[1]) / 100 if found else Fraction(0)
        if not 0 < part <= 1:
            raise ValueError("a number of blobs or a part of them is needed, such as 200 or 5%")
        return cls(None, part)

    def of(self, population: int) -> int:
        """Return how many are drawn from so many; of any there is at least one."""
        wanted = ceil(population * self.part) if self.items is None else self.items
        return min(wanted, population)

    def __str__(self) -> str:
        return f"{float(self.part * 100):g}%" if self.items is None else str(self.items)


def rank(seed: int, name: str) -> bytes:
    """Return the place of a name in the order in which a seed draws; the first ones are drawn.

    It hangs on the name alone: no list has to be kept, and the same seed draws the same again.
    """
    return hashlib.blake2b(name.encode(), digest_size=8, key=seed.to_bytes(8, "big")).digest()


class Bounds(Struct, frozen=True):
    """How many of all may be bad, by a sample of them.

    Attributes:
        population: how many there are.
        checked: how many were drawn and checked.
        bad: how many of these are bad.
        least: with 95% confidence no fewer of all are.
        most: with 95% confidence no more of all are.
    """

    population: int
    checked: int
    bad: int
    least: int
    most: int

    @property
    def is_all(self) -> bool:
        """Whether nothing was left to chance."""
        return self.checked == self.population

    @property
    def sentence(self) -> str:
        """What was checked, and what that says of all."""
        if self.is_all:
            return f"all {self.population} checked, {self.bad} bad"
        checked = f"{self.checked} of {self.population} checked"
        below = f"{_percent(self.most + 1, self.population, up=True)}%"
        if not self.bad:
            return f"{checked}; with 95% confidence fewer than {below} are bad"
        above = f"at least {_percent(self.least, self.population, up=False)}%"
        between = f"{above} and fewer than {below}" if self.most < self.population else above
        return f"{checked}, {self.bad} bad; with 90% confidence {between} are bad"


class Drawn(Struct, frozen=True):
    """What became of a sample.

    Attributes:
        population: how many it was drawn from.
        wanted: how many were drawn.
        checked: how many of these were looked at.
        bad: how many of these are bad.
        seed: by which it was drawn.
    """

    population: int
    wanted: int
    checked: int
    bad: int
    seed: int

    @property
    def is_all(self) -> bool:
        """Whether nothing was left to chance."""
        return self.checked == self.population

    @property
    def sentence(self) -> str:
        """What was checked, and what that says of all; nothing where some were not looked at.

        What was not looked at may be what is bad, so the rest is no random sample any more.
        """
        if self.checked == self.wanted:
            return bounds(self.population, self.checked, self.bad).sentence
        drawn = "" if self.wanted == self.population else f"{self.wanted} that were drawn of "
        return f"{self.checked} of {drawn}{self.population} checked, {self.bad} bad"


def bounds(population: int, checked: int, bad: int) -> Bounds:
    """Return what a sample says of all.

    Args:
        population: how many there are.
        checked: how many of them were drawn, each set of so many being equally likely.
        bad: how many of these are bad.
    """
    first, last = bad, population - checked + bad  # what is possible at all
    least, most = first, last
    while first < most:  # the largest number that does not make so few bad ones too unlikely
        middle = (first + most + 1) // 2
        if _at_most(bad, population, middle, checked) < _ALPHA * _SURELY_LESS:
            most = middle - 1
        else:
            first = middle
    while least < last:  # the smallest number that does not make so many too unlikely
        middle = (least + last) // 2
        if 1 - _at_most(bad - 1, population, middle, checked) < _ALPHA * _SURELY_LESS:
            least = middle + 1
        else:
            last = middle
    return Bounds(population, checked, bad, least, most)


def _at_most(found: int, population: int, bad: int, checked: int) -> float:
    """Return how likely it is to draw so many bad ones or fewer (hypergeometric)."""
    lowest = max(0, checked - (population - bad))
    highest = min(bad, checked)
    if found >= highest:
        return 1.0
    likeliest = (checked + 1) * (bad + 1) // (population + 2)
    all_draws = _log_ways(population, checked)
    total = 0.0
    for one in range(found, lowest - 1, -1):
        ways = _log_ways(bad, one) + _log_ways(population - bad, checked - one)
        term = exp(ways - all_draws)
        total += term
        if one < likeliest and term < total * _NEGLIGIBLE:
            break
    return min(total, 1.0)


def _log_ways(of: int, choose: int) -> float:
    return lgamma(of + 1) - lgamma(choose + 1) - lgamma(of - choose + 1)


def _percent(part: int, of: int, *, up: bool) -> str:
    """Return a part in percent with two digits, rounded away from what would be said too much."""
    exact = Fraction(part * 100, of)
    digits = 1 if exact >= 1 else 2
    while exact and exact * 10**digits < 10:  # noqa: PLR2004  # two digits that count
        digits += 1
    scaled = exact * 10**digits
    whole = ceil(scaled) if up else int(scaled)
    return f"{whole / 10**digits:.{digits}f}".rstrip("0").rstrip(".")
