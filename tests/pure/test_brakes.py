"""The time left of runs that the tool itself holds back, by bytes or requests in a second."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from gcr_migrate.model.brakes import Braked, Brakes
from gcr_migrate.model.limits import Limits, Quota, Rates
from gcr_migrate.model.pace import Amount
from gcr_migrate.model.steps import Event, Kind, Step
from gcr_migrate.report.course import Course
from gcr_migrate.state.left import Left
from gcr_migrate.wire.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

HONEST = 0.25  # of the truth, from 20 % of the run on
KB, MB = 1000, 1_000_000
ASKED_S = 0.01  # a request, where nothing holds it back
AT_ONCE = 16
PIECES_PER_S = 20
HOST = "target.example"


def by_requests(per_s: float, bytes_per_s: float | None = None) -> Brakes:
    """Return what lets so many requests pass in a second."""
    return Brakes(bytes_per_s, {HOST: Rates(per_s)})


@dataclass
class Held:
    """A run that is held back evenly: each byte and each request to the target has its turn.

    Attributes:
        sizes: of blobs that are sent, in this order, 16 at once.
        brakes: what holds it back.
        mounts: blobs that are mounted, after the others.
        images: for each, a manifest and a tag, beside the blobs or after them.
        tags: further tags.
        beside: blobs after which the next image is written; None: all.
    """

    sizes: list[int]
    brakes: Brakes
    mounts: int = 0
    images: int = 1
    tags: int = 0
    beside: int | None = None
    now_s: float = 0.0
    traffic: Traffic = field(default_factory=Traffic)
    free_s: dict[str, float] = field(default_factory=lambda: {"bytes": 0.0, "requests": 0.0})

    def told(self) -> Iterator[tuple[float, float, float | None]]:
        """Go through it by half seconds: the part that is over, time left, and what is told."""
        self.course = self._course()
        told, tick_s, serial = list[tuple[float, float | None]](), 0.0, 0
        blobs = iter([*enumerate(self.sizes), *((-n, -1) for n in range(1, self.mounts + 1))])
        ready = [(0.0, n, self._slot(blobs)) for n in range(AT_ONCE)]
        self.items = iter(range(self.images + self.tags))
        while ready or not self._is_over:
            if not ready:
                serial += AT_ONCE
                ready = [(self.now_s, serial + n, self._items()) for n in range(AT_ONCE)]
            at_s, order, work = heapq.heappop(ready)
            while tick_s <= at_s:
                self.now_s, tick_s = tick_s, tick_s + 0.5
                self.course.tick()
                told.append((self.now_s, self.course.time_left_s))
            self.now_s = at_s
            turn = next(work, None)
            if turn is not None:
                heapq.heappush(ready, (self._turn(*turn), order, work))
        for is_s, says_s in told:
            yield is_s / self.now_s, self.now_s - is_s, says_s

    def _course(self) -> Course:
        blobs = len(self.sizes) + self.mounts
        pending = dict.fromkeys(Kind, 0) | {
            Kind.BLOB: blobs,
            Kind.MANIFEST: self.images,
            Kind.TAG: self.images + self.tags,
        }
        first = Left(pending, pending, sum(self.sizes), sum(self.sizes), 0, len(self.sizes))
        first = replace(first, by_service={HOST: first})
        return Course(first, self.traffic, lambda: self.now_s, self.brakes)

    @property
    def _is_over(self) -> bool:
        return not any(map(self.course.pending, (Kind.BLOB, Kind.MANIFEST, Kind.TAG)))

    def _turn(self, what: str, count: float) -> float:
        if what == "requests":
            self.traffic.sent(HOST, writes=True)
        cap = self.brakes.bytes_per_s if what == "bytes" else self.brakes.writes_per_s
        if cap is None:
            return self.now_s + (ASKED_S if what == "requests" else 0.0)
        self.free_s[what] = max(self.now_s, self.free_s[what]) + count / cap
        return self.free_s[what]

    def _slot(self, blobs: Iterator[tuple[int, int]]) -> Generator[tuple[str, float]]:
        for number, size in blobs:
            item = Step(Kind.BLOB, number, Event.STARTED, max(size, 0))
            self.course.item(item)
            yield "requests", 1
            for start in range(0, size, self._piece):
                piece = min(self._piece, size - start)
                yield "bytes", piece
                self.course.bytes(piece)
            if size >= 0:
                yield "requests", 1
            how = "mounted" if size < 0 else "uploaded"
            self.course.item(Step(Kind.BLOB, number, Event.CONFIRMED, max(size, 0), how))
            if self.beside and self.course.ended(Kind.BLOB) % self.beside == 0:
                yield from self._item()

    @property
    def _piece(self) -> int:
        return max(1024, min(256 * 1024, int((self.brakes.bytes_per_s or 1e9) / PIECES_PER_S)))

    def _items(self) -> Generator[tuple[str, float]]:
        while not self._is_over:
            before = self.course.pending(Kind.TAG)
            yield from self._item()
            if self.course.pending(Kind.TAG) == before:
                return

    def _item(self) -> Generator[tuple[str, float]]:
        number = next(self.items, None)
        if number is None:
            return
        yield "requests", 1
        if number < self.images:
            self.course.item(Step(Kind.MANIFEST, number, Event.CONFIRMED))
        self.course.item(Step(Kind.TAG, number, Event.CONFIRMED))


RUNS = {
    "one large blob": Held([200, 30 * MB], Brakes(1 * MB)),
    "eight of them": Held([200] * 4 + [5 * MB] * 8, Brakes(1 * MB), images=4),
    "few large beside many small": Held(
        [*[6 * MB] * 3, *[9 * KB] * 720], Brakes(600 * KB), images=180, beside=4
    ),
    "many small, then large": Held(
        [*[15 * KB] * 300, *[4 * MB] * 2], Brakes(400 * KB), images=100, beside=3
    ),
    "many small": Held([15 * KB] * 720, Brakes(300 * KB), images=240, beside=3),
    "few blobs, then manifests": Held([5 * KB] * 2, by_requests(60), 6, 800, 2400),
    "mounts, then manifests": Held([800] * 310, by_requests(50), 1490, 150),
    "small blobs by requests": Held([3 * KB] * 720, by_requests(40), images=180, beside=4),
    "large blobs, then tags by requests": Held(
        [*[200] * 3, *[5 * MB] * 3], by_requests(60, 600 * KB), images=3, tags=1200
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_time_left_is_told_where_the_tool_itself_holds_back(name: str) -> None:
    """Within a quarter of the truth, or a second: it is as exact as it is told."""
    told = [(is_s, says_s) for part, is_s, says_s in RUNS[name].told() if 0.2 <= part < 0.9]
    known = [(is_s, says_s) for is_s, says_s in told if says_s is not None]
    assert len(known) >= len(told) * 0.95
    assert [one for one in known if abs(one[1] - one[0]) > max(HONEST * one[0], 1.0)] == []


def braked(brakes: Brakes, *amounts: Amount) -> Braked:
    """Return what has seen these amounts pass, one in each second."""
    run, passed = Braked(brakes), Amount()
    run.sample(0.0, passed)
    for second, amount in enumerate(amounts, 1):
        passed += amount
        run.sample(float(second), passed)
    return run


def test_what_does_not_bind_tells_nothing() -> None:
    """At half of what is allowed something else holds the run back; it has to be measured."""
    run = braked(by_requests(100, 2 * MB), *[Amount(1 * MB, 20)] * 10)
    assert run.by_bytes(Amount(10 * MB, 100)) is None
    assert run.least_s(Amount(10 * MB, 100)) == 5
    assert run.least_s(Amount(10 * MB, 1000, 200)) == 12
    assert Braked(Brakes()).least_s(Amount(10 * MB, 1000)) == 0


def test_what_binds_tells_nothing_of_a_rest_that_needs_something_else() -> None:
    """Bytes do not tell how long thousands of mounts take."""
    by_bytes = braked(Brakes(1 * MB), *[Amount(1 * MB, 10)] * 10)
    assert by_bytes.by_bytes(Amount(100 * MB, 1000)) == pytest.approx(100, abs=1)
    assert by_bytes.by_bytes(Amount(100 * MB, 2000)) is None
    assert by_bytes.by_bytes(Amount(10 * MB, 100, 10_000)) is None


def test_nothing_is_told_of_a_run_that_has_just_begun() -> None:
    """In the first seconds chance is all that there is."""
    assert braked(Brakes(1 * MB), Amount(1 * MB, 1), Amount(1 * MB)).by_bytes(Amount(MB, 1)) is None


def test_no_rest_takes_less_than_the_tool_lets_pass() -> None:
    """Where something else is measured, it is more, or the caps tell."""
    now = [0.0]
    pending = dict.fromkeys(Kind, 0) | {Kind.BLOB: 1000}
    first = Left(pending, pending, 1000 * MB, 1000 * MB, 0, 1000)
    course = Course(first, Traffic(), lambda: now[0], Brakes(50 * MB))
    for number in range(100):
        course.item(Step(Kind.BLOB, number, Event.STARTED, KB))
        now[0] += 0.1
        course.bytes(KB)
        course.item(Step(Kind.BLOB, number, Event.CONFIRMED, KB, "uploaded"))
        course.tick()
    told_s = course.time_left_s
    assert told_s is None or told_s >= course.bytes_left / (50 * MB)


def test_targets_take_writes_together() -> None:
    """Each service under a quota of its own; one without any makes all of them boundless."""
    limits = Limits(at=(("a.example", Quota(100, 30, 0.0)), ("b.example", Quota(20, None, 0.0))))

    def together(limits: Limits, *hosts: str) -> float | None:
        return Brakes(None, {host: limits.rates(host) for host in hosts}).writes_per_s

    assert together(limits, "a.example") == 30
    assert together(limits, "a.example", "b.example") == 50
    assert together(limits, "a.example", "c.example") is None
    assert together(limits) is None
    assert together(limits.but(max_rate=10), "a.example", "c.example") == 20
