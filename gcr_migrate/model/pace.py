"""How long the rest of a run takes: from bytes and requests that are left, not from item counts.

A run is blobs, and beside and after them manifests and tags. What binds blobs is the line, requests
or both. Which of them it is shows in what stays the same while their mixture changes: bytes in a
second, or requests. Manifests and tags cost nearly nothing beside blobs. But the last of them wait
for the last blobs, and these are told apart: they come after all else, as many at once as may be,
and the very last wait for each other.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

UPLOAD_REQUESTS: Final = 4  # the source and where it sends on to, the upload's begin and end
_REQUEST_BYTES: Final = 512 * 1024  # a unit of bytes: it costs what a request does, by first guess
_STRETCHES: Final = 24  # at most; beyond, each is twice as long
_HALF_LIFE_S: Final = 900.0  # what was measured longer ago counts for less: rates change
_STALLED_AFTER_S: Final = 60.0  # nothing moved for so long: nobody knows when it will
_NOISE: Final = 0.02  # no stretch is measured better than that
_DOUBT_AT_MOST: Final = 0.2  # of the time told; beyond it nothing is told
_FILLING_S: Final = 10.0  # so long a run may take to begin: nothing can have ended yet
_FIRST_S: Final = 3.0  # before, chance is all that there is
# How a request compares with a unit of bytes: from a 256th of its cost to 256 times as much, and
# how far the first guess may be off, as a power of e. Either cost alone is half as likely as both.
_RATIOS: Final = tuple(2.0**power for power in range(-8, 9))
_RATIO_DOUBT: Final = 3.0
# A manifest or a tag is asked for and written, 32 of them at once. At the end five requests wait
# for each other: a manifest is written, an index asked for and written, and so is a tag of it.
_ITEM_REQUESTS: Final = 2
_ITEMS_AT_ONCE: Final = 32
_REQUESTS_IN_A_ROW: Final = 5
# Where answers come at once an item takes what its server needs for it. Nothing tells that before
# some were measured, so it is a guess, off by half perhaps: where much hangs on it nothing is told.
ITEM_S: Final = 0.004
_ITEM_DOUBT: Final = 0.5


class Amount(Struct, frozen=True):
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


class Part(Struct, frozen=True):
    """What has arrived of a blob, or all of it.

    Attributes:
        since_s: when it began, on a clock of the blobs.
        bytes: how many.
    """

    since_s: float
    bytes: float


class _Mark(Struct):
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

    The bytes of a blob are spread evenly over the stretches that it was under way in: taken as
    they leave or when it ends they come in bursts. Requests and items belong to where they end.
    """

    def __init__(self) -> None:
        self._marks: list[_Mark] = []
        self._stretch_s = 1.0
        self._last = _Mark(0.0, 0.0, Amount())
        self._sent = 0
        self._moved_at_s = 0.0
        self._begun_s = 0.0
        self._at_once = 0
        # Items, and their seconds, since the last blob ended; and how far it was then.
        self._items = self._items_s = 0.0
        self._blobs_until = self._last

    def sample(
        self,
        at_s: float,
        done: Amount,
        *,
        sent: int = 0,
        each_s: float | None = None,
        at_once: int = 0,
    ) -> None:
        """Take note of how far the run is; every second or so.

        Args:
            at_s: seconds on any clock that does not go back.
            done: all that was done until then.
            sent: bytes that have left: while they do, the run does not stand still.
            each_s: the time on the clock of the blobs, where they have one.
            at_once: blobs that are under way.
        """
        mark, last = _Mark(at_s, at_s if each_s is None else each_s, done), self._last
        if not self._marks:
            self._marks.append(mark)
            last, self._begun_s = mark, at_s
        if not self._marks[1:] or (done, sent) != (last.done, self._sent):
            self._moved_at_s = at_s
        self._at_once = max(self._at_once, at_once)
        self._last, self._sent = mark, sent
        self._measure_items(done - last.done, at_s - last.at_s)
        if done == self._marks[0].done and at_s - self._begun_s <= _FILLING_S:
            self._marks = [mark]  # it is measured from where first something ended
            return
        if at_s - self._marks[-1].at_s < self._stretch_s:
            return
        self._marks.append(mark)
        if len(self._marks) > _STRETCHES:
            self._marks = self._marks[::2]
            self._stretch_s *= 2

    def _measure_items(self, moved: Amount, seconds: float) -> None:
        if moved.bytes or moved.requests:
            self._items = self._items_s = 0.0
            self._blobs_until = self._last
            return
        fades = _fading(seconds)
        self._items = self._items * fades + moved.items
        self._items_s = self._items_s * fades + seconds

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
        no_blobs = left.bytes <= 0 and left.requests <= 0
        # What blobs took tells nothing once there are none: it would grow with the clock.
        stretches = self._stretches(parts, self._blobs_until if no_blobs else self._last)
        blobs = _told(stretches, left.bytes / _REQUEST_BYTES, float(left.requests))
        if no_blobs:
            items = self._items_alone(left.items, blobs.request_s)
        elif blobs.seconds:
            items = self._items_after(left.items, blobs)
        else:
            return None
        seconds = blobs.seconds + items.seconds
        doubt_s = math.hypot(blobs.doubt_s, items.doubt_s)
        return seconds if doubt_s <= _DOUBT_AT_MOST * seconds else None

    def _items_after(self, count: int, blobs: _Told) -> _Told:
        """Return what items take after the last blob; others come beside blobs, as they did."""
        if not count:
            return _Told()
        first, last = self._marks[0], self._last
        beside = (last.done.items - first.done.items) * blobs.seconds / (last.at_s - first.at_s)
        after = max(0.0, count - beside)
        item_s, off_s = self._item_s(blobs.request_s)
        row_s = _REQUESTS_IN_A_ROW * blobs.request_s * self._at_once
        return _Told(after * item_s + row_s, after * off_s)

    def _items_alone(self, count: int, request_s: float) -> _Told:
        """Return what items take once all blobs are there, as was measured since.

        Those that end first had begun before: they have taken time that was not measured. It is
        what was guessed, but no more than if they had come all at once and for nothing.
        """
        guess_s, off_s = self._item_s(request_s)
        measured = max(self._items, _ITEMS_AT_ONCE)
        item_s = (_ITEMS_AT_ONCE * guess_s + self._items_s) / measured
        if self._items > _ITEMS_AT_ONCE:
            item_s = min(item_s, self._items_s / (self._items - _ITEMS_AT_ONCE))
        off_s *= _ITEMS_AT_ONCE / measured
        if self._items < _ITEMS_AT_ONCE and item_s > 2 * guess_s:
            off_s = item_s  # the guess was wrong, and too few have ended
        return _Told(count * item_s, count * off_s)

    def _item_s(self, request_s: float) -> tuple[float, float]:
        """Return what an item is thought to take until some were measured, and the doubt of it.

        Requests of as many blobs at once took so long: so one took as many times that.
        """
        waits_s = request_s * _ITEM_REQUESTS * min(1.0, self._at_once / _ITEMS_AT_ONCE)
        return (waits_s, 0.0) if waits_s >= ITEM_S else (ITEM_S, ITEM_S * _ITEM_DOUBT)

    def _stretches(self, parts: Sequence[Part], end: _Mark) -> list[_Stretch]:
        now = self._last
        marks = [mark for mark in self._marks if mark.at_s < end.at_s]
        marks_and_bytes = [(mark, mark.bytes(parts, now.each_s)) for mark in (*marks, end)]
        return [
            _Stretch.between(old, new, new_bytes - old_bytes, end.at_s)
            for (old, old_bytes), (new, new_bytes) in pairwise(marks_and_bytes)
        ]


class _Stretch(Struct, frozen=True):
    """A part of a run: units of bytes and requests of blobs, its seconds, how much it counts."""

    units: float
    requests: float
    seconds: float
    weight: float

    @classmethod
    def between(cls, old: _Mark, new: _Mark, arrived: float, now_s: float) -> _Stretch:
        units = max(arrived, 0.0) / _REQUEST_BYTES
        requests = float(max(new.done.requests - old.done.requests, 0))
        return cls(units, requests, new.at_s - old.at_s, _fading(now_s - new.at_s))


class _Told(NamedTuple):
    """What blobs that are left take, how far that may be off, and what a request takes at least."""

    seconds: float = 0.0
    doubt_s: float = 0.0
    request_s: float = 0.0


class _Guess(NamedTuple):
    """What follows from a ratio of costs; how likely it was, and the error that it leaves."""

    likely: float
    error: float
    seconds: float
    request_s: float


def _told(stretches: list[_Stretch], units: float, requests: float) -> _Told:
    """Return how long the rest of the blobs takes.

    Nobody knows what a request costs beside a unit of bytes. So all ratios are tried, bytes alone
    and requests alone too; by each the whole run took as long as it did. Each counts for as much
    as it was likely before, and as it explains the single stretches.
    """
    guesses = [
        guess
        for unit_cost, request_cost, likely in _COSTS
        if (guess := _guess(stretches, unit_cost, request_cost, likely, (units, requests)))
    ]
    if not guesses:
        return _Told()
    count = sum(s.weight for s in stretches)
    squares = sum(s.weight * s.seconds**2 for s in stretches)
    least = min(guess.error for guess in guesses)
    noise = max(least / max(count - 1.5, 1.0), _NOISE**2 * squares / count)
    weights = [g.likely * math.exp((least - g.error) / (2 * noise)) for g in guesses]
    seconds, doubt_s = _spread(weights, [guess.seconds for guess in guesses])
    request_s, off_s = _spread(weights, [guess.request_s for guess in guesses])
    return _Told(seconds, doubt_s, max(0.0, request_s - 2 * off_s))


def _spread(weights: list[float], values: list[float]) -> tuple[float, float]:
    """Return the mean of values that count for so much, and how far they are from it."""
    whole = sum(weights)
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / whole
    squares = sum(w * (v - mean) ** 2 for w, v in zip(weights, values, strict=True))
    return mean, math.sqrt(squares / whole)


def _guess(
    stretches: list[_Stretch],
    unit_cost: float,
    request_cost: float,
    likely: float,
    rest: tuple[float, float],
) -> _Guess | None:
    """Return what follows from a ratio; None where nothing was done that would cost anything."""
    works = [unit_cost * s.units + request_cost * s.requests for s in stretches]
    work = sum(s.weight * one for s, one in zip(stretches, works, strict=True))
    if work <= 0:
        return None
    scale_s = sum(s.weight * s.seconds for s in stretches) / work
    error = sum(
        s.weight * (s.seconds - scale_s * one) ** 2 for s, one in zip(stretches, works, strict=True)
    )
    seconds = scale_s * (unit_cost * rest[0] + request_cost * rest[1])
    return _Guess(likely, error, seconds, scale_s * request_cost)


def _costs() -> tuple[tuple[float, float, float], ...]:
    """Return costs of a unit of bytes and of a request that are tried, and how likely each is."""
    both = [(1.0, one, math.exp(-0.5 * (math.log(one) / _RATIO_DOUBT) ** 2)) for one in _RATIOS]
    alone = sum(likely for _, _, likely in both) / 2
    return (1.0, 0.0, alone), (0.0, 1.0, alone), *both


_COSTS: Final = _costs()


def _fading(seconds: float) -> float:
    return float(0.5 ** (seconds / _HALF_LIFE_S))
