"""How fast turns come, on a clock that costs no time: evenly, and never one too many."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections import Counter
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcr_migrate.model.limits import Asked, Limits, Quota
from gcr_migrate.wire.bandwidth import Bandwidth
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pace import Pace, Turn
from gcr_migrate.wire.pieces import Iterated
from gcr_migrate.wire.pilot import Pilot, Refusal
from gcr_migrate.wire.services import service_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

US, EUROPE, PLAIN = "us-docker.pkg.dev", "europe-docker.pkg.dev", "registry.example"
STATED = Limits(at=((US, Quota(40, 10, 0.5)), (EUROPE, Quota(400, 400, 0.0))))


class Clock:
    """A clock that moves to the next moment that somebody waits for, when all wait.

    Attributes:
        now: seconds.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self._waits: dict[asyncio.Future[None], float] = {}

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until this time has passed."""
        woken = asyncio.get_running_loop().create_future()
        self._waits[woken] = self.now + seconds
        try:
            await woken
        finally:
            self._waits.pop(woken, None)

    async def run(self, *tasks: asyncio.Task[None]) -> None:
        """Let time pass until these are done."""
        while not all(task.done() for task in tasks):
            for _ in range(20):
                await asyncio.sleep(0)
            if self._waits:
                woken = min(self._waits, key=lambda one: self._waits[one])
                self.now = max(self.now, self._waits[woken])
                if not woken.done():
                    woken.set_result(None)
        for task in tasks:
            task.result()


def sent(
    limits: Limits, wanted: dict[str, tuple[int, bool]], answer_s: float = 0.0
) -> dict[str, list[float]]:
    """Send so many requests or writes to services, all at once; return when each was sent."""
    clock, times = Clock(), {service: list[float]() for service in wanted}
    pilot = Pilot(150, clock, clock.sleep, limits)

    async def one(service: str, *, writes: bool) -> None:
        turn = await pilot.turn(service, "an image", writes=writes)
        times[service].append(clock.now - 1000)
        if answer_s:
            await clock.sleep(answer_s)
        pilot.answered(turn, took=True)

    async def run() -> None:
        tasks = [
            asyncio.ensure_future(one(service, writes=writes))
            for service, (count, writes) in wanted.items()
            for _ in range(count)
        ]
        await clock.run(*tasks)

    asyncio.run(run())
    return times


def most_in_a_second(times: list[float]) -> int:
    """Return the largest number in any one second."""
    return max(bisect_left(times, at + 1) - number for number, at in enumerate(times))


def test_a_stated_quota_less_its_headroom_is_never_exceeded() -> None:
    """In any second, and yet nearly used; one location does not wait for another."""
    times = sent(STATED, {US: (100, False), EUROPE: (100, False)})
    assert 18 <= most_in_a_second(times[US]) <= 20
    assert times[US][-1] == pytest.approx(100 / 20, rel=0.15)
    assert times[EUROPE][-1] < 0.4


def test_turns_come_evenly() -> None:
    """A quota of a second is not used up in its first moment."""
    times = sent(STATED, {US: (60, False)})[US]
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) < 2 * min(gaps)


@pytest.mark.parametrize("answer_s", [0.05, 0.4, 1.5])
def test_late_answers_do_not_make_one_too_many(answer_s: float) -> None:
    """Each arrives some time before its answer, and no second may have too many of them."""
    times = sent(STATED, {US: (80, False)}, answer_s)[US]
    arrived = [math.ceil(at / answer_s) * answer_s for at in times]  # as after a standstill
    assert most_in_a_second(arrived) <= 20


def test_writes_have_a_quota_of_their_own_and_readers_do_not_wait_for_it() -> None:
    """Five of them in a second; reads go past the writes that wait."""
    clock = Clock()
    pilot = Pilot(150, clock, clock.sleep, STATED)
    times: dict[bool, list[float]] = {True: [], False: []}

    async def one(*, writes: bool) -> None:
        pilot.answered(await pilot.turn(US, "an image", writes=writes), took=True)
        times[writes].append(clock.now - 1000)

    async def run() -> None:
        writes = [asyncio.ensure_future(one(writes=True)) for _ in range(20)]
        reads = [asyncio.ensure_future(one(writes=False)) for _ in range(20)]
        await clock.run(*writes, *reads)

    asyncio.run(run())
    assert most_in_a_second(times[True]) <= 5
    assert times[False][-1] < 2
    assert most_in_a_second(sorted(times[True] + times[False])) <= 20
    assert pilot.counts()[US] == Asked(40, 20, 0, 0, 40)


def test_what_nobody_stated_is_begun_slowly_and_doubled() -> None:
    """A location's quota may be smaller than Google's default; a plain registry is not paced."""
    times = sent(Limits(), {US: (900, False), PLAIN: (900, False)})
    assert most_in_a_second(times[US][:100]) <= 150
    assert times[US][-1] < 3
    assert times[PLAIN][-1] == 0


def paced(pace: Pace, start: float, seconds: float) -> int:
    """Send as fast as may be for some time; return how many were sent."""
    now, count = start, 0
    while now < start + seconds:
        left_s = pace.left_s(now)
        if left_s > 0:
            now += left_s
            continue
        turn = Turn(US, now)
        pace.sent(turn)
        pace.answered(turn, now)
        count += 1
        now += 0.001
    return count


def test_after_a_refusal_it_is_half_as_fast_and_comes_back_slowly() -> None:
    """At once; then to a part of what was too much, and beyond only after a quiet minute."""
    pace = Pace(None)
    assert paced(pace, 0, 1) == 1000
    pace.refused(1)
    by_second = [paced(pace, second, 1) for second in range(1, 90)]
    assert by_second[0] <= 510
    assert by_second == pytest.approx(sorted(by_second), rel=0.05)
    assert 600 <= max(by_second[:60]) <= 700
    assert 700 < max(by_second) <= 800


@pytest.mark.parametrize("count", [1, 15, 100])
@pytest.mark.parametrize(("most", "first"), [(None, None), (800, 150)], ids=["plain", "google"])
def test_a_refusal_at_the_very_beginning_teaches_no_pace(
    most: float | None, first: float | None, count: int
) -> None:
    """It is begun anew at the least, and doubled, so that it is fast again in a few seconds.

    Whatever was sent until then went in a part of a second, and tells nothing of a whole one.
    """
    pace = Pace(most, first)
    for number in range(count):
        pace.sent(Turn(US, number * 0.001))
    pace.refused(0.2)
    assert paced(pace, 0.5, 1) <= 10
    paced(pace, 1.5, 3)
    assert paced(pace, 4.5, 1) >= 100


@given(st.floats(0.01, 1000), st.floats(0.001, 1))
def test_what_is_begun_anew_is_no_faster_than_before(most: float, part: float) -> None:
    """Who is to begin with less than the least does so again."""
    pace = Pace(most, most * part)
    pace.refused(0)
    assert pace.per_s is not None
    assert pace.per_s <= most * part


@pytest.mark.parametrize(("most", "first"), [(None, None), (800, 150)], ids=["plain", "google"])
def test_a_service_that_takes_two_in_a_second_is_found_out(
    most: float | None, first: float | None
) -> None:
    """It is begun anew for it a few times only: then nothing more is refused."""
    pace, seconds, refused, now = Pace(most, first), Counter[int](), list[float](), 0.0
    while now < 120:
        left_s = pace.left_s(now)
        if left_s <= 0:
            turn = Turn(US, now)
            pace.sent(turn)
            seconds[int(now)] += 1
            if seconds[int(now)] > 2:
                pace.refused(now)
                refused.append(now)
                now += 1
            pace.answered(turn, now)
        now += max(left_s, 0.001)
    assert 2 <= len([at for at in refused if at < 20]) <= 10
    assert not [at for at in refused if 20 <= at < 60]


def test_refusals_without_end_leave_a_pace() -> None:
    """It never comes to a standstill; pauses do the rest."""
    pace = Pace(800, 100)
    for second in range(50):
        pace.refused(second)
    assert paced(pace, 50, 1) >= 1


@given(st.floats(0.01, 5000))
def test_a_refusal_makes_nothing_faster_than_was_stated(most_per_s: float) -> None:
    """Who asked for very few requests gets no more of them after a 429."""
    pace = Pace(most_per_s)
    before = pace.per_s
    pace.refused(1000.0)
    assert pace.per_s is not None
    assert before is not None
    assert pace.per_s <= before


def test_one_refusal_that_goes_on_makes_it_slower_once() -> None:
    """A quota of a minute refuses whoever asks for its end, and that tells nothing new."""
    clock = Clock()
    pilot = Pilot(999, clock, clock.sleep, STATED)

    async def ask(*, took: bool) -> None:
        turn = await pilot.turn(US, "an image")
        if not took:
            pilot.refused(US, None)
        pilot.answered(turn, took=took)

    async def run(*, refusals: int) -> float:
        for _ in range(refusals):
            await clock.run(asyncio.ensure_future(ask(took=False)))
        await clock.run(asyncio.ensure_future(ask(took=True)))  # after the pause
        before = clock.now
        for _ in range(10):
            await clock.run(asyncio.ensure_future(ask(took=True)))
        return 10 / (clock.now - before)

    assert 8 < asyncio.run(run(refusals=4)) < 11
    assert asyncio.run(run(refusals=1)) < 7


def test_what_another_process_was_refused_makes_this_one_wait() -> None:
    """It is kept like a refusal of one's own, and neither counted nor told on."""
    clock, told = Clock(), list[Refusal]()
    pilot = Pilot(150, clock, clock.sleep)
    pilot.on_refusal = told.append
    pilot.refused(US, 10, told=True)

    async def turn() -> None:
        await pilot.turn(US, "an image")

    async def run() -> None:
        await clock.run(asyncio.ensure_future(turn()))

    asyncio.run(run())
    assert clock.now >= 1010
    assert (told, pilot.counts()[US].refusals) == ([], 0)
    pilot.refused(US, None)
    assert ([tuple(one) for one in told], pilot.counts()[US].refusals) == (
        [(US, None, "", False, "")],
        1,
    )


@pytest.mark.slow
@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=5), st.integers(10**4, 10**7))
def test_transfers_share_a_bandwidth(sizes: list[int], bytes_per_s: int) -> None:
    """No second has more bytes than it may, all come through, and no time is wasted."""
    clock, passed = Clock(), list[tuple[float, int]]()
    bandwidth = Bandwidth(bytes_per_s, clock, clock.sleep)

    async def source(size: int) -> AsyncIterator[bytes]:
        yield bytes(size)

    async def transfer(size: int) -> None:
        got = 0

        def take(piece: bytes) -> None:
            nonlocal got
            got += len(piece)
            passed.append((clock.now, len(piece)))

        await bandwidth.shared(Iterated(source(size))).into(take)
        assert got == size

    async def run() -> None:
        await clock.run(*(asyncio.ensure_future(transfer(size)) for size in sizes))

    asyncio.run(run())
    piece = max(size for _, size in passed)
    total = sum(sizes)
    seconds = passed[-1][0] - passed[0][0]
    assert (total - piece) / bytes_per_s - 0.03 <= seconds <= total / bytes_per_s
    assert piece <= max(bytes_per_s / 20, 1024)


def test_equal_transfers_end_together() -> None:
    """They take turns, a piece each."""
    clock, ended = Clock(), list[float]()
    bandwidth = Bandwidth(100_000, clock, clock.sleep)

    async def source() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(25_000)

    async def transfer() -> None:
        await bandwidth.shared(Iterated(source())).into(lambda _: None)
        ended.append(clock.now)

    async def run() -> None:
        await clock.run(*(asyncio.ensure_future(transfer()) for _ in range(4)))

    asyncio.run(run())
    assert max(ended) - min(ended) < 0.5  # of four seconds
    assert max(ended) == pytest.approx(1004, abs=0.2)


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("https://us-docker.pkg.dev/v2/token?scope=x", US),
        ("https://gcr.io/v2/builds/app/tags/list", US),
        ("https://artifactregistry.googleapis.com/v1/projects/p/locations/us/repositories", US),
        ("https://artifactregistry.googleapis.com/v1/projects/p/locations", None),
        ("http://127.0.0.1:81/v2/token", EUROPE),
        ("http://127.0.0.1:82/v2/token", "127.0.0.1:82"),
        ("http://127.0.0.1:80/v1/projects/p/locations/us/repositories", US),
        ("https://u:p@Registry.Example/v2/", PLAIN),
    ],
)
def test_whose_quota_a_request_counts_against(url: str, service: str | None) -> None:
    """Registry, tokens and API of a location are one, under each address that is theirs alone."""
    text = (
        "artifact_registry: http://127.0.0.1:80\n"
        f"registries: {{{EUROPE}: 'http://127.0.0.1:81', a.example: 'http://127.0.0.1:82',"
        " b.example: 'http://127.0.0.1:82'}\n"
    )
    found = service_of(url, Endpoints.load(text, "endpoints.yaml"))
    assert found == (service or "artifactregistry.googleapis.com")


class Counting:
    """A service that counts requests by the second, and refuses those above its quota.

    Args:
        quota: requests in each second; None: any number.
        answer_s: seconds until an answer is there, at least and at most.
        offset_s: when its seconds begin.
        name: its host.

    Attributes:
        refused: when each request was sent that it refused.
        known_at: when the first of these was answered, and `taken` what it took until then.
    """

    def __init__(
        self,
        quota: int | None,
        answer_s: tuple[float, float],
        offset_s: float,
        name: str = US,
    ) -> None:
        self._name = name
        self._quota = quota
        self._answer_s = answer_s
        self._offset_s = offset_s
        self._seconds = Counter[int]()
        self._random = Random(0)  # noqa: S311  # nothing is secret here
        self.clock = Clock()
        self.pilot = Pilot(150, self.clock, self.clock.sleep)
        self.refused: list[float] = []
        self.known_at = math.inf
        self.taken = 0

    def asked(self, count: int, at_once: int) -> None:
        """Ask for so much, each again until it is taken; so many at once, and others beside."""

        async def run() -> None:
            slots = asyncio.Semaphore(at_once)
            beside = asyncio.ensure_future(self._others())
            await self.clock.run(*(asyncio.ensure_future(self._one(slots)) for _ in range(count)))
            beside.cancel()

        asyncio.run(run())

    async def _one(self, slots: asyncio.Semaphore) -> None:
        async with slots:
            took = False
            while not took:
                turn = await self.pilot.turn(self._name, "an image")
                way_s = self._random.uniform(*self._answer_s) / 2
                await self.clock.sleep(way_s)
                took = self._takes()
                await self.clock.sleep(way_s)
                self.pilot.answered(turn, took=took)
                self.taken += took and not self.refused
                if not took:
                    self.known_at = min(self.known_at, self.clock.now)
                    self.refused.append(turn.sent_at)
                    self.pilot.refused(self._name, None)

    async def _others(self) -> None:
        while True:
            await self.clock.sleep(0.1)
            self._takes()

    def _takes(self) -> bool:
        second = int(self.clock.now + self._offset_s)
        self._seconds[second] += 1
        return self._quota is None or self._seconds[second] <= self._quota


ANSWERS = st.floats(0.005, 0.4).map(lambda answer_s: (answer_s * 0.7, answer_s))


@pytest.mark.slow
@pytest.mark.parametrize("answer_s", [0.01, 0.03, 0.06, 0.1, 0.2, 0.3])
def test_a_small_quota_that_nobody_stated_is_found_by_ten_refusals(answer_s: float) -> None:
    """Of 40 in a second, of which others use ten, however slow the answers are."""
    for offset_s in (0.1, 0.4, 0.8):
        service = Counting(40, (answer_s * 0.7, answer_s * 1.3), offset_s)
        service.asked(150, at_once=48)
        assert len(service.refused) <= 10


@pytest.mark.slow
@settings(max_examples=10)
@given(st.integers(20, 400), ANSWERS, st.floats(0, 1))
def test_what_is_refused_at_once_is_a_small_part_of_what_was_taken(
    quota: int, answer_s: tuple[float, float], offset_s: float
) -> None:
    """No more was on its way when the first refusal came, where nobody knows the quota."""
    service = Counting(quota, answer_s, offset_s)
    service.asked(500, at_once=48)
    at_once = sum(sent_at <= service.known_at for sent_at in service.refused)
    assert at_once <= 5 + service.taken / 12


@pytest.mark.slow
def test_a_line_of_30_ms_loses_no_more_than_a_moment() -> None:
    """As long as nothing is refused: few on their way become many as fast as the pace doubles."""
    seconds = []
    for answer_s in (0.001, 0.03):
        service = Counting(None, (answer_s, answer_s), 0)
        service.asked(1500, at_once=48)
        seconds.append(service.clock.now - 1000)
    assert seconds[1] < seconds[0] + 0.3


def test_uploads_do_not_keep_requests_of_an_unknown_quota_waiting() -> None:
    """A body that takes a minute holds the place of a request for a moment only."""
    service = Counting(None, (60, 60), 0)
    service.asked(16, at_once=16)
    assert service.clock.now - 1000 < 62


@pytest.mark.parametrize("service", [US, PLAIN])
@pytest.mark.parametrize("answer_s", [0.003, 0.1])
def test_a_first_request_that_is_refused_costs_a_few_seconds(service: str, answer_s: float) -> None:
    """A hiccup of a service before anything else was sent does not make the whole run crawl."""

    class Hiccup(Counting):
        def _takes(self) -> bool:
            asked.append(self.clock.now)
            return len(asked) > 1

    asked: list[float] = []
    one = Hiccup(None, (answer_s, answer_s), 0, service)
    one.asked(1, at_once=1)
    one.asked(325, at_once=16)
    assert len(one.refused) == 1
    assert one.clock.now - 1000 < 12
