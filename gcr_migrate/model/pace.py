"""How long the rest of a run takes: from bytes and requests that are left, not from item counts.

Two things take time: bytes on the line, and requests that carry none. A run is measured in both,
and what a byte and a request cost is fitted to what was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

UPLOAD_REQUESTS: Final = 4  # the source and where it sends on to, the upload's begin and end
# Until a run has shown what a request costs, it costs as much as so many bytes.
_REQUEST_BYTES: Final = 512 * 1024
_STRETCHES: Final = 32  # that a run is divided into at most; each is twice as long then
_HALF_LIFE_S: Final = 900.0  # what was measured longer ago counts for less: rates change
_STALLED_AFTER_S: Final = 60.0  # nothing moved for so long: nobody knows when it will
_NOISE: Final = 0.02  # no stretch is measured better than that
_DOUBT_AT_MOST: Final = 0.2  # of the time told; beyond it nothing is told
_FIRST_S: Final = 3.0  # before, chance is all that there is


@dataclass(frozen=True, slots=True)
class Amount:
    """Work of a run in its two measures."""

    bytes: int = 0
    requests: int = 0

    def __add__(self, other: Amount) -> Amount:
        """Return both together."""
        return Amount(self.bytes + other.bytes, self.requests + other.requests)

    def __sub__(self, other: Amount) -> Amount:
        """Return what is more than the other."""
        return Amount(self.bytes - other.bytes, self.requests - other.requests)


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far a run was at a time."""

    at_s: float
    done: Amount


class Pace:
    """Measures a run and tells in seconds what is left of it; knows no clock.

    What a byte costs and what a request costs is a least-squares fit over stretches of the run,
    neither of them below nothing. An item that is under way at the end of a stretch belongs to two
    of them, so stretches grow with the run, and what that falsifies shrinks. Where they do not
    tell the two costs apart, because both came in one mixture, the cost of a request is assumed.
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
        if left.bytes <= 0 and left.requests <= 0:
            return 0.0
        if not self._marks or self._last.at_s - self._marks[0].at_s < _FIRST_S:
            return None
        if self._last.at_s - self._moved_at_s >= _STALLED_AFTER_S:
            return None
        told_s, doubt_s = _told(self._stretches(), left.bytes / _REQUEST_BYTES, left.requests)
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
    """A part of a run: units of bytes, requests and seconds, and how much it counts."""

    units: float
    requests: float
    seconds: float
    weight: float

    @classmethod
    def between(cls, old: _Mark, new: _Mark, weight: float) -> _Stretch:
        moved = new.done - old.done
        units, requests = max(moved.bytes, 0) / _REQUEST_BYTES, max(moved.requests, 0)
        return cls(units, requests, new.at_s - old.at_s, weight)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Weighted sums of products over stretches: b units of bytes, r requests, t seconds."""

    bb: float
    br: float
    rr: float
    bt: float
    rt: float
    tt: float
    weight: float

    @classmethod
    def of(cls, stretches: list[_Stretch]) -> _Sums:
        return cls(
            bb=sum(s.weight * s.units * s.units for s in stretches),
            br=sum(s.weight * s.units * s.requests for s in stretches),
            rr=sum(s.weight * s.requests * s.requests for s in stretches),
            bt=sum(s.weight * s.units * s.seconds for s in stretches),
            rt=sum(s.weight * s.requests * s.seconds for s in stretches),
            tt=sum(s.weight * s.seconds * s.seconds for s in stretches),
            weight=sum(s.weight for s in stretches),
        )

    @property
    def determinant(self) -> float:
        """How far the stretches tell bytes and requests apart."""
        return self.bb * self.rr - self.br * self.br

    def error(self, x: float, y: float) -> float:
        """Return the sum of squares of t - x·b - y·r."""
        fitted = x * x * self.bb + 2 * x * y * self.br + y * y * self.rr
        return self.tt - 2 * (x * self.bt + y * self.rt) + fitted

    def pulled(self, pull: float) -> _Sums:
        """Return the sums with one more stretch that says x = y."""
        return _Sums(
            self.bb + pull,
            self.br - pull,
            self.rr + pull,
            self.bt,
            self.rt,
            self.tt,
            self.weight,
        )


def _told(stretches: list[_Stretch], units: float, requests: float) -> tuple[float, float]:
    """Fit t = x·b + y·r and return what it says of the rest, and how far that may be off.

    The fit is pulled towards x = y, a guess that may be wrong by all of itself, as far as chance
    may explain what speaks against it.
    """
    sums = _Sums.of(stretches)
    both = sums.bb + 2 * sums.br + sums.rr
    if both <= 0:
        return 0.0, 0.0
    same = (sums.bt + sums.rt) / both
    spread = sums.error(*_least_squares(sums)) / max(sums.weight - 2.0, 1.0)
    noise = max(spread, _NOISE * _NOISE * sums.tt / sums.weight)
    pulled = sums.pulled(noise / (same * same))
    x, y = _least_squares(pulled)
    variance = units * units * pulled.rr - 2 * units * requests * pulled.br
    variance = (variance + requests * requests * pulled.bb) / pulled.determinant * noise
    return x * units + y * requests, math.sqrt(max(variance, 0.0))


def _least_squares(sums: _Sums) -> tuple[float, float]:
    """Return the x and y, neither below nothing, that leave the least error."""
    if sums.determinant > 1e-12 * sums.bb * sums.rr:
        x = (sums.bt * sums.rr - sums.rt * sums.br) / sums.determinant
        y = (sums.rt * sums.bb - sums.bt * sums.br) / sums.determinant
        if x >= 0 and y >= 0:
            return x, y
    only_x = sums.bt / sums.bb if sums.bb > 0 else 0.0
    only_y = sums.rt / sums.rr if sums.rr > 0 else 0.0
    return min((only_x, 0.0), (0.0, only_y), key=lambda pair: sums.error(*pair))
