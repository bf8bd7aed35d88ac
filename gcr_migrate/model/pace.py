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
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

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
class Part:
    """What has arrived of a blob, or all of it.

    Attributes:
        since_s: when it began, on a clock of the blobs.
        bytes: how many.
    """

    since_s: float
    bytes: float


@dataclass(slots=True)
class _Mark:
    """How far a run was at a time.

    Attributes:
        at_s: the time.
        each_s: the same on the clock of the blobs.
        done: what had ended.
        under_way: bytes that had arrived by then of blobs that ended later.
    """

    at_s: float
    each_s: float
    done: Amount
    under_way: float = 0.0

    def part(self, whole: Part, until_s: float) -> float:
        """Return how much of a blob had arrived, if it came evenly until then."""
        if self.each_s <= whole.since_s or until_s <= whole.since_s:
            return 0.0
        return whole.bytes * min(1.0, (self.each_s - whole.since_s) / (until_s - whole.since_s))

    def bytes(self, parts: Sequence[Part], until_s: float) -> float:
        """Return all bytes that had arrived, those of blobs that are still under way too."""
        return self.done.bytes + self.under_way + sum(self.part(one, until_s) for one in parts)


class Pace:
    """Measures a run and tells in seconds what is left of it; knows no clock.

    What a byte, a request and an item cost is a least-squares fit over stretches of the run, none
    of them below nothing. The bytes of a blob are spread evenly over the stretches that it was
    under way in: taken as they leave or when it ends they come in bursts, and the fit gives their
    time to requests. Requests and items belong to where they end, so stretches grow with the run,
    and what that falsifies shrinks. Where stretches do not tell the costs apart, because all came
    in one mixture, or some not yet, costs are assumed.
    """

    def __init__(self) -> None:
        self._marks: list[_Mark] = []
        self._stretch_s = 1.0
        self._last = _Mark(0.0, 0.0, Amount())
        self._sent = 0
        self._moved_at_s = 0.0

    def sample(
        self, at_s: float, done: Amount, *, sent: int = 0, each_s: float | None = None
    ) -> None:
        """Take note of how far the run is; every second or so.

        Args:
            at_s: seconds on any clock that does not go back.
            done: all that was done until then.
            sent: bytes that have left: while they do, the run does not stand still.
            each_s: the time on the clock of the blobs, where they have one.
        """
        mark = _Mark(at_s, at_s if each_s is None else each_s, done)
        if not self._marks:
            self._marks.append(mark)
        if not self._marks[1:] or (done, sent) != (self._last.done, self._sent):
            self._moved_at_s = at_s
        self._last, self._sent = mark, sent
        if at_s - self._marks[-1].at_s < self._stretch_s:
            return
        self._marks.append(mark)
        if len(self._marks) > _STRETCHES:
            self._marks = self._marks[::2]
            self._stretch_s *= 2

    def spread(self, blob: Part, each_s: float) -> None:
        """Take note that a blob ended just now, all of which arrived since it began."""
        is_marked = self._marks[-1:] == [self._last]
        for mark in reversed(self._marks if is_marked else [*self._marks, self._last]):
            if mark.each_s <= blob.since_s:
                break
            mark.under_way += mark.part(blob, each_s)

    def left_s(self, left: Amount, parts: Sequence[Part] = ()) -> float | None:
        """Return the seconds that the rest takes at this pace; None where nobody can know.

        Args:
            left: the rest.
            parts: what has arrived of blobs that are under way, and is not left.
        """
        if left.bytes <= 0 and left.requests <= 0 and left.items <= 0:
            return 0.0
        if not self._marks or self._last.at_s - self._marks[0].at_s < _FIRST_S:
            return None
        if self._last.at_s - self._moved_at_s >= _STALLED_AFTER_S:
            return None
        rest = (left.bytes / _REQUEST_BYTES, float(left.requests), float(left.items))
        told_s, doubt_s = _told(self._stretches(parts), rest)
        return told_s if told_s > 0 and doubt_s <= _DOUBT_AT_MOST * told_s else None

    def _stretches(self, parts: Sequence[Part]) -> list[_Stretch]:
        now = self._last
        marks = [(mark, mark.bytes(parts, now.each_s)) for mark in (*self._marks, now)]
        return [
            _Stretch.between(old, new, new_bytes - old_bytes, now.at_s)
            for (old, old_bytes), (new, new_bytes) in pairwise(marks)
            if new.at_s > old.at_s
        ]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a run: units of bytes, requests and items, its seconds, how much it counts."""

    work: _Costs
    seconds: float
    weight: float

    @classmethod
    def between(cls, old: _Mark, new: _Mark, arrived: float, now_s: float) -> _Stretch:
        moved = new.done - old.done
        units = max(arrived, 0.0) / _REQUEST_BYTES
        work = (units, float(max(moved.requests, 0)), float(max(moved.items, 0)))
        return cls(work, new.at_s - old.at_s, 0.5 ** ((now_s - new.at_s) / _HALF_LIFE_S))


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
