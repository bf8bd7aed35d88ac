"""Time left: from what was measured in bytes and requests, and unknown where nobody can know."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcr_migrate.model.pace import UPLOAD_REQUESTS, Amount, Pace, Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATA = Path(__file__).parents[1] / "data"
MIB = 1024 * 1024
LARGE = 32 * MIB
STEP = MIB
HONEST = 0.25  # of the truth, from 20 % of the run on


@dataclass(frozen=True)
class Run:
    """A run at a constant rate.

    Attributes:
        large: bytes and requests of each large item.
        small: the same of small ones, `times` over.
        byte_s: seconds that a byte takes of the line.
        request_s: seconds that a request takes.
        slots: items that are under way at once; each takes its turn on the line.
        beside: small items go beside the large ones, not after them.
        done: share of the large items that an earlier run did.
    """

    large: tuple[Amount, ...]
    small: tuple[Amount, ...]
    times: int
    byte_s: float
    request_s: float
    slots: int
    beside: bool = True
    done: float = 0.0

    def steps(self) -> Iterator[tuple[float, Amount]]:
        """Go through what happens: the time, and what is done by then."""
        todo = self.large[int(len(self.large) * self.done) :]
        large = sorted(todo, key=lambda one: one.bytes)
        small = [*self.small] * self.times
        at_s, done = 0.0, Amount()
        slots: list[Amount | None] = [None] * self.slots
        while True:
            for number in range(self.slots):
                item = slots[number]
                if item is None:
                    first = large if number * 2 < self.slots or not self.beside else small
                    queue = first or large or small
                    slots[number] = item = queue.pop() if queue else None
                if item is None:
                    continue
                step = Amount(min(item.bytes, STEP)) if item.bytes else item
                slots[number] = item - step if item.bytes else None
                at_s += step.bytes * self.byte_s + step.requests * self.request_s
                done += step
                yield at_s, done
            if not (large or small or any(slots)):
                return

    def told(self) -> Iterator[tuple[float, float | None]]:
        """Go through the run second by second from a fifth of it on: time left, and what is told.

        The last moments are left out: nobody reads them.
        """
        steps = [*self.steps()]
        end_s, total = steps[-1]
        pace, at = Pace(), 0
        pace.sample(0.0, Amount())
        for second in range(1, int(end_s) + 1):
            while at < len(steps) and steps[at][0] <= second:
                at += 1
            done = steps[at - 1][1] if at else Amount()
            pace.sample(float(second), done)
            if end_s * 0.2 <= second < end_s * 0.95:
                yield end_s - second, pace.left_s(total - done)


def worst(told: Iterable[tuple[float, float | None]]) -> float:
    """Return the largest share of the truth by which what was told is off."""
    return max(
        (abs(is_s - says_s) / is_s for is_s, says_s in told if says_s is not None), default=0
    )


LARGE_ITEMS = st.lists(
    st.integers(LARGE, 400 * MIB).map(lambda size: Amount(size, UPLOAD_REQUESTS)), max_size=20
)
SMALL_ITEMS = st.lists(
    st.one_of(
        st.integers(1, 8 * MIB).map(lambda size: Amount(size, UPLOAD_REQUESTS)),
        st.just(Amount(0, 1)),  # mounts, manifests, tags
    ),
    min_size=1,
    max_size=12,
)


@st.composite
def runs(draw: st.DrawFn, *, beside: bool) -> Run:
    """Make runs of half a minute and more, of which small items repeat a pattern."""
    byte_s = 1 / (draw(st.integers(20, 400)) * MIB)
    request_s = draw(st.sampled_from([0.005, 0.01]))
    large, small = draw(LARGE_ITEMS), draw(SMALL_ITEMS)
    pattern_s = sum(one.bytes * byte_s + one.requests * request_s for one in small)
    times = 1 + int(draw(st.integers(40, 80)) / pattern_s)
    done, slots = draw(st.sampled_from([0.0, 0.5])), draw(st.sampled_from([4, 16]))
    return Run(tuple(large), tuple(small), times, byte_s, request_s, slots, beside, done)


@pytest.mark.slow
@settings(max_examples=40, derandomize=True)
@given(runs(beside=True))
def test_time_left_is_within_a_quarter_of_the_truth(run: Run) -> None:
    """Large blobs early and small ones beside them, mounts, a part done before: it is told.

    Where few requests came beside the large blobs it may be unknown for some moments more.
    """
    told = [*run.told()]
    assert [says_s for _, says_s in told].count(None) <= len(told) / 5
    assert worst(told) <= HONEST


def recorded(name: str, at_once: int) -> tuple[list[tuple[float, float | None]], int]:
    """Go through a real run of `apply`, recorded second by second: time left, and what is told.

    Requests bind these runs; `test_time_left.py` has those of which bytes fill the line.

    Returns:
        Both, from a fifth of the run on and without its last tenth, and how often it is unknown.
    """
    rows = json.loads((DATA / "courses.json").read_text())[name]
    pace, end_s, told = Pace(), rows[-1][0], []
    for at_s, bytes_, requests, items, *left in rows:
        pace.sample(at_s, Amount(bytes_, requests, items), at_once=at_once)
        if end_s * 0.2 <= at_s < end_s * 0.9:
            told.append((end_s - at_s, pace.left_s(Amount(*left))))
    return told, [says_s for _, says_s in told].count(None)


@pytest.mark.parametrize(
    ("name", "at_once", "off"),
    [
        ("two at once over 30 ms", 2, HONEST),
        ("many tags, at the processor's limit", 16, 0.26),  # it was slower in its first quarter
    ],
)
def test_time_left_of_real_runs_is_told_well(name: str, at_once: int, off: float) -> None:
    """Manifests and tags, which come late, do not deceive it."""
    told, unknown = recorded(name, at_once)
    assert worst(told) <= off
    assert unknown <= len(told) / 3


def test_what_a_request_costs_is_unknown_until_there_were_some() -> None:
    """While only large blobs move, thousands of requests to come make the time left unknown."""
    run = Run(
        (Amount(200 * MIB, UPLOAD_REQUESTS),) * 20,
        (Amount(0, 1),),
        times=20_000,
        byte_s=1 / (100 * MIB),
        request_s=0.005,
        slots=16,
        beside=False,
    )
    told = [*run.told()]
    assert told[0][1] is None
    assert [says_s for _, says_s in told].count(None) < len(told) / 3
    assert worst(told) <= HONEST


def test_nothing_is_told_before_anything_was_measured() -> None:
    """In the first seconds, time left is unknown; with nothing to do it is none."""
    pace = Pace()
    assert pace.left_s(Amount(1, 1)) is None
    assert pace.left_s(Amount()) == 0
    pace.sample(0.0, Amount())
    pace.sample(1.0, Amount(MIB, 1))
    assert pace.left_s(Amount(1, 1)) is None


def test_a_run_that_stands_still_has_no_time_left() -> None:
    """When nothing moved for a minute nobody knows how long it takes."""
    pace = Pace()
    for second in range(30):
        pace.sample(float(second), Amount(second * MIB, second))
    assert pace.left_s(Amount(100 * MIB, 100)) == pytest.approx(100, rel=0.05)
    for second in range(30, 95):
        pace.sample(float(second), Amount(29 * MIB, 29))
    assert pace.left_s(Amount(100 * MIB, 100)) is None


def test_a_run_does_not_stand_still_while_bytes_leave() -> None:
    """Minutes may pass until a large blob ends."""
    pace = Pace()
    for second in range(30):
        pace.sample(float(second), Amount(second * MIB, second), sent=second * MIB)
    for second in range(30, 95):
        pace.sample(float(second), Amount(29 * MIB, 29), sent=second * MIB)
    assert pace.left_s(Amount(100 * MIB, 100), [Part(29.0, 66 * MIB)]) is not None


def test_bytes_of_a_blob_belong_to_all_its_time() -> None:
    """A line of 4 MiB a second that large blobs fill, beside them small ones, now few, now many."""
    pace, done = Pace(), Amount()
    for second in range(121):
        if second and second % 10 == 0:  # each has a quarter of the line, for 40 seconds
            seconds = min(second, 40)
            done += Amount(seconds * MIB, UPLOAD_REQUESTS)
            pace.spread(Part(float(second - seconds), seconds * MIB), float(second))
        done += Amount(0, UPLOAD_REQUESTS * (second // 10 % 3))
        pace.sample(float(second), done)
    parts = [Part(120.0 - since, since * MIB) for since in (10, 20, 30)]
    assert pace.left_s(Amount(400 * MIB, 40), parts) == pytest.approx(100, rel=0.1)


def steady(*amounts: Amount, seconds: int = 60) -> Pace:
    """Return what has seen these amounts, one in each second and then again from the first."""
    pace, done = Pace(), Amount()
    pace.sample(0.0, done, at_once=16)
    for second in range(seconds):
        done += amounts[second % len(amounts)]
        pace.sample(second + 1.0, done, at_once=16)
    return pace


def test_requests_cost_nothing_on_a_full_line() -> None:
    """Two MiB a second, whether few blobs make them up or many: the bytes that are left tell."""
    pace = steady(*[Amount(2 * MIB, 8)] * 10, *[Amount(2 * MIB, 40)] * 10)
    assert pace.left_s(Amount(100 * MIB, 4000)) == pytest.approx(50, rel=0.1)


def test_bytes_cost_nothing_where_requests_bind() -> None:
    """Forty requests a second, whether for small blobs or for large ones: requests tell."""
    pace = steady(*[Amount(MIB // 4, 40)] * 10, *[Amount(2 * MIB, 40)] * 10)
    assert pace.left_s(Amount(400 * MIB, 2000)) == pytest.approx(50, rel=0.1)


def test_items_that_wait_for_the_last_blobs_come_after_them() -> None:
    """None came beside the blobs so far: a thousand then take some seconds more."""
    pace = steady(Amount(2 * MIB, 8))
    blobs_s, all_s = pace.left_s(Amount(40 * MIB, 160)), pace.left_s(Amount(40 * MIB, 160, 1000))
    assert blobs_s == pytest.approx(20, rel=0.05)
    assert all_s is not None
    assert 23 < all_s < 35


def test_items_that_come_beside_the_blobs_take_no_time_of_their_own() -> None:
    """As many as came so far, for the blobs that are left."""
    pace = steady(Amount(2 * MIB, 8, 10))
    assert pace.left_s(Amount(40 * MIB, 160, 200)) == pytest.approx(20, rel=0.05)


def test_items_alone_are_measured() -> None:
    """Once no blob is left, five a second take as long as they took, whatever was guessed."""
    pace = steady(*[Amount(2 * MIB, 8)] * 60, *[Amount(0, 0, 5)] * 30, seconds=90)
    assert pace.left_s(Amount(0, 0, 100)) == pytest.approx(20, rel=0.3)
    only_items = steady(Amount(0, 0, 5))
    assert only_items.left_s(Amount(0, 0, 100)) == pytest.approx(20, rel=0.1)


def test_the_last_items_wait_for_each_other() -> None:
    """Sixteen at once and 160 requests a second: each takes 0.1 s, and five are in a row."""
    pace = steady(*[Amount(MIB // 4, 160)] * 10, *[Amount(2 * MIB, 160)] * 10)
    blobs_s, all_s = pace.left_s(Amount(0, 1600)), pace.left_s(Amount(0, 1600, 3))
    assert blobs_s is not None
    assert all_s == pytest.approx(blobs_s + 0.5, abs=0.1)


def test_where_a_guess_decides_nothing_is_told() -> None:
    """On a full line nothing shows what items take: a few do not matter, ten thousand do."""
    pace = steady(*[Amount(2 * MIB, 8)] * 10, *[Amount(2 * MIB, 40)] * 10)
    assert pace.left_s(Amount(100 * MIB, 800, 100)) == pytest.approx(50, rel=0.1)
    assert pace.left_s(Amount(100 * MIB, 800, 10_000)) is None


def alone(*items: int) -> Pace:
    """Return what has seen blobs for a minute, and then so many items alone in each second."""
    pace = steady(*[Amount(MIB // 4, 160)] * 10, *[Amount(2 * MIB, 160)] * 10)
    done = Amount(30 * (MIB // 4) + 30 * 2 * MIB, 60 * 160)
    for second, count in enumerate(items, 61):
        done += Amount(0, 0, count)
        pace.sample(float(second), done, at_once=16)
    return pace


def test_items_that_were_under_way_already_do_not_make_it_short() -> None:
    """A hundred a second: in the first there end 32 more, which had begun before."""
    assert alone(132).left_s(Amount(0, 0, 500)) == pytest.approx(5, rel=0.25)


def test_a_few_items_that_take_longer_than_thought_tell_nothing() -> None:
    """While fewer have ended than go at once nobody knows; then they are measured."""
    assert alone(*[1] * 10).left_s(Amount(0, 0, 100)) is None
    assert alone(*[1] * 60).left_s(Amount(0, 0, 100)) == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize("blobs_s", [1, 5, 30])
def test_what_blobs_took_does_not_grow_once_there_are_none(blobs_s: int) -> None:
    """A few mounts, and then tags for minutes, at fifty a second: mounts count for their time."""
    pace = Pace()
    done = Amount()
    for second in range(300):
        if second:
            done += Amount(0, 4) if second <= blobs_s else Amount(0, 0, 50)
        pace.sample(float(second), done, at_once=16)
        if second > blobs_s + 15:
            assert pace.left_s(Amount(0, 0, 5000)) == pytest.approx(100, rel=HONEST)


def test_a_run_is_measured_from_where_first_something_ended() -> None:
    """Eight requests a second, of which the first end after five seconds."""
    pace, done = Pace(), Amount()
    for second in range(15):
        done += Amount(second % 3 * 1000, 8 if second > 5 else 0)
        pace.sample(float(second), Amount(done.bytes if second > 5 else 0, done.requests))
    assert pace.left_s(Amount(10_000, 240)) == pytest.approx(30, rel=0.05)


def test_a_pace_needs_little_memory() -> None:
    """A run of a day keeps no more marks than one of a minute."""
    pace = Pace()
    for second in range(86_400):
        pace.sample(float(second), Amount(second * MIB, second))
    assert len(pace._marks) < 100  # noqa: SLF001  # the claim is about it
    assert pace.left_s(Amount(1000 * MIB, 1000)) == pytest.approx(1000, rel=0.05)
