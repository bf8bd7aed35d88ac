"""How long the rest of a run takes: from bytes and requests that are left, not from item counts.

Three things take time: bytes on the line, requests for blobs, and manifests and tags. These last
go beside the blobs, more of them at once: where answers are slow they cost nearly nothing, and
where requests are counted as much as any. A run is measured in all three, and what each costs is
fitted to what was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

UPLOAD_REQUESTS: Final = 4  # the source and where it sends on to, the upload's begin and end
# Until a run has shown what a request costs, it costs as much as so many bytes.
_REQUEST_BYTES: Final = 512 * 1024
# A run is divided into so many at most; each is twice as long then. In more of them work comes in
# bursts, which make the fit too low.
_STRETCHES: Final = 12
_HALF_LIFE_S: Final = 900.0  # what was measured longer ago counts for less: rates change
_STALLED_AFTER_S: Final = 60.0  # nothing moved for so long: nobody knows when it will
_NOISE: Final = 0.02  # no stretch is measured better than that
_DOUBT_AT_MOST: Final = 0.2  # of the time told; beyond it nothing is told
_FIRST_S: Final = 3.0  # before, chance is all that there is
_ITEM_COST: Final = 0.5  # of a request, until some were measured; and how far that may be off
_ITEM_DOUBT: Final = 0.5
_SINGULAR: Final = 1e-12
_MEASURES: Final = (0, 1, 2)  # bytes, requests, items
_SOME: Final = ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))

_Costs = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Amount:
    """Work of a run in its measures.

    Attributes:
        bytes: of blobs.
        requests: for blobs, or of any kind where they are not told apart.
        items: manifests and tags, a request each.
    """

    bytes: int = 0
    requests: int = 0
    items: int = 0

    def __add__(self, other: Amount) -> Amount:
        """Return both together."""
        return Amount(
            self.bytes + other.bytes, self.requests + other.requests, self.items + other.items
        )

    def __sub__(self, other: Amount) -> Amount:
        """Return what is more than the other."""
        return Amount(
            self.bytes - other.bytes, self.requests - other.requests, self.items - other.items
        )


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far a run was at a time."""

    at_s: float
    done: Amount


class Pace:
    """Measures a run and tells in seconds what is left of it; knows no clock.

    What a byte, a request and an item cost is a least-squares fit over stretches of the run, none
    of them below nothing. An item that is under way at the end of a stretch belongs to two
    of them, so stretches grow with the run, and what that falsifies shrinks. Where they do not
    tell the costs apart, because all came in one mixture, or some not yet, costs are assumed.
    """

    def __init__(self) -> None:
        self._marks: list[_Mark] = []
        self._stretch_s = 1.0
        self._last = _Mark(0.0, Amount())
        self._moved_at_s = 0.0

    def sample(self, at_s: float, done: Amount) -> None:
        """Take note of how far the run is; every second or so.

        Args:
            at_s: seconds on any clock that does not go back.
            done: all that was done until then.
        """
        mark = _Mark(at_s, done)
        if not self._marks:
            self._marks.append(mark)
        if not self._marks[1:] or done != self._last.done:
            self._moved_at_s = at_s
        self._last = mark
        if at_s - self._marks[-1].at_s < self._stretch_s:
            return
        self._marks.append(mark)
        if len(self._marks) > _STRETCHES:
            self._marks = self._marks[::2]
            self._stretch_s *= 2

    def left_s(self, left: Amount) -> float | None:
        """Return the seconds that the rest takes at this pace; None where nobody can know."""
        if left.bytes <= 0 and left.requests <= 0 and left.items <= 0:
            return 0.0
        if not self._marks or self._last.at_s - self._marks[0].at_s < _FIRST_S:
            return None
        if self._last.at_s - self._moved_at_s >= _STALLED_AFTER_S:
            return None
        rest = (left.bytes / _REQUEST_BYTES, float(left.requests), float(left.items))
        told_s, doubt_s = _told(self._stretches(), rest)
        return told_s if told_s > 0 and doubt_s <= _DOUBT_AT_MOST * told_s else None

    def _stretches(self) -> list[_Stretch]:
        marks = [*self._marks, self._last]
        return [
            _Stretch.between(old, new, 0.5 ** ((self._last.at_s - new.at_s) / _HALF_LIFE_S))
            for old, new in pairwise(marks)
            if new.at_s > old.at_s
        ]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a run: units of bytes, requests and items, its seconds, how much it counts."""

    work: _Costs
    seconds: float
    weight: float

    @classmethod
    def between(cls, old: _Mark, new: _Mark, weight: float) -> _Stretch:
        moved = new.done - old.done
        units = max(moved.bytes, 0) / _REQUEST_BYTES
        work = (units, float(max(moved.requests, 0)), float(max(moved.items, 0)))
        return cls(work, new.at_s - old.at_s, weight)


class _Fit:
    """Least squares of t = x·b + y·r + z·i over stretches: weighted sums of their products."""

    def __init__(self, stretches: list[_Stretch]) -> None:
        self.products = [
            [sum(s.weight * s.work[i] * s.work[k] for s in stretches) for k in _MEASURES]
            for i in _MEASURES
        ]
        self.times = [sum(s.weight * s.work[i] * s.seconds for s in stretches) for i in _MEASURES]
        self.squares = sum(s.weight * s.seconds * s.seconds for s in stretches)
        self.weight = sum(s.weight for s in stretches)

    def pull(self, row: _Costs, strength: float) -> None:
        """Add a stretch of no time: what is assumed of the costs, and how firmly."""
        for i in _MEASURES:
            for k in _MEASURES:
                self.products[i][k] += strength * row[i] * row[k]

    def error(self, costs: _Costs) -> float:
        """Return the sum of squares that these costs leave."""
        crossed = sum(
            costs[i] * costs[k] * self.products[i][k] for i in _MEASURES for k in _MEASURES
        )
        return self.squares - 2 * sum(costs[i] * self.times[i] for i in _MEASURES) + crossed

    def best(self) -> _Costs:
        """Return the costs, none below nothing, that leave the least error."""
        found = [(0.0, 0.0, 0.0)]
        for which in _SOME:
            solved = _solved(self.products, self.times, which)
            if solved and min(solved) >= 0:
                found.append(solved)
        return min(found, key=self.error)


def _told(stretches: list[_Stretch], rest: _Costs) -> tuple[float, float]:
    """Return how long the rest takes by the best fit, and how far that may be off.

    The fit is pulled towards what is assumed: a unit of bytes costs what a request does, a guess
    that may be wrong by all of itself, and an item half as much, or nothing, or the same. It is
    pulled as far as chance may explain what speaks against it.
    """
    fit = _Fit(stretches)
    both = sum(map(sum, fit.products))
    if both <= 0:
        return 0.0, 0.0
    same = sum(fit.times) / both
    spread = fit.error(fit.best()) / max(fit.weight - 2.0, 1.0)
    noise = max(spread, _NOISE * _NOISE * fit.squares / fit.weight)
    strength = noise / (same * same)
    fit.pull((1.0, -1.0, 0.0), strength)
    fit.pull((0.0, _ITEM_COST, -1.0), strength / _ITEM_DOUBT**2)
    costs = fit.best()
    # Work comes in bursts, and that makes the costs of a fit too low: together they are not.
    fitted_s = sum(s.weight * _product(costs, s.work) for s in stretches)
    spent_s = sum(s.weight * s.seconds for s in stretches)
    told_s = _product(costs, rest) * (spent_s / fitted_s if fitted_s > 0 else 1.0)
    spent = _solved(fit.products, list(rest), _MEASURES)
    variance = _product(spent, rest) * noise if spent else math.inf
    return told_s, math.sqrt(max(variance, 0.0))


def _product(costs: _Costs, work: _Costs) -> float:
    return sum(cost * part for cost, part in zip(costs, work, strict=True))


def _solved(matrix: list[list[float]], right: list[float], which: tuple[int, ...]) -> _Costs | None:
    """Solve the equations of some measures, with zero for the others; None if nobody can."""
    rows = [[*(matrix[i][k] for k in which), right[i]] for i in which]
    for at in range(len(which)):  # positive definite, or not to be solved: no rows are exchanged
        scale = matrix[which[at]][which[at]]
        if rows[at][at] <= _SINGULAR * scale:
            return None
        for other in range(len(which)):
            if other != at:
                part = rows[other][at] / rows[at][at]
                rows[other] = [a - part * b for a, b in zip(rows[other], rows[at], strict=True)]
    solved = [0.0, 0.0, 0.0]
    for at, measure in enumerate(which):
        solved[measure] = rows[at][-1] / rows[at][at]
    return solved[0], solved[1], solved[2]
