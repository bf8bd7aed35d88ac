"""Turns under a quota: claims about pauses, on a clock that costs no time."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import MigrateError
from gcr_migrate.wire.pilot import Pilot

HOST = "us-docker.pkg.dev"


class Clock:
    """A clock that only sleeping moves.

    Attributes:
        now: seconds.
    """

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let this time pass, as far as nobody else did meanwhile."""
        end = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, end)


def waited(pilot: Pilot, clock: Clock, service: str = HOST) -> float:
    """Take a turn; return how long it took."""
    before = clock.now
    asyncio.run(pilot.turn(service, "an image"))
    return clock.now - before


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def pilot(clock: Clock) -> Pilot:
    """A pilot on that clock who waits for 150 seconds at most."""
    return Pilot(150, clock, clock.sleep)


def test_without_a_refusal_nobody_waits(pilot: Pilot, clock: Clock) -> None:
    """The turn costs nothing as long as quota is there."""
    assert waited(pilot, clock) == 0


@pytest.mark.parametrize("after_s", [1.0, 17.0, 120.0])
def test_the_pause_that_the_service_asks_for_is_kept(
    pilot: Pilot, clock: Clock, after_s: float
) -> None:
    """Never shorter, and longer only by a little jitter."""
    pilot.refused(HOST, after_s)
    assert after_s <= waited(pilot, clock) <= after_s + 3


def test_one_service_s_pause_is_not_another_s(pilot: Pilot, clock: Clock) -> None:
    """Each has a quota of its own."""
    pilot.refused(HOST, 60)
    assert waited(pilot, clock, "europe-docker.pkg.dev") == 0


def test_pauses_grow_from_small_to_a_minute(clock: Clock) -> None:
    """Where nothing is said, the first is short; none is longer than the quota's minute."""
    pilot, pauses = Pilot(9_999, clock, clock.sleep), []
    for _ in range(12):
        pilot.refused(HOST, None)
        pauses.append(waited(pilot, clock))
    assert 0.25 <= pauses[0] <= 0.7
    assert all(30 <= pause <= 62 for pause in pauses[-3:])
    assert sum(pauses[:8]) > 60


def test_a_pause_that_is_asked_for_does_not_grow(clock: Clock) -> None:
    """However often in a row the service asks for a second, it is a second and a little more."""
    pilot, pauses = Pilot(9_999, clock, clock.sleep), []
    for _ in range(12):
        pilot.refused(HOST, 1.0)
        pauses.append(waited(pilot, clock))
    assert all(1 <= pause <= 1.26 for pause in pauses)


def test_a_service_that_says_to_come_back_at_once_is_not_asked_at_once(clock: Clock) -> None:
    """It refuses all the same: pauses grow as where it says nothing."""
    pilot, pauses = Pilot(9_999, clock, clock.sleep), []
    for _ in range(12):
        pilot.refused(HOST, 0.0)
        pauses.append(waited(pilot, clock))
    assert pauses[0] >= 0.25
    assert pauses[-1] >= 30


def test_those_already_on_their_way_open_no_pause_of_their_own(pilot: Pilot, clock: Clock) -> None:
    """Sixty refusals of one moment are one pause, not sixty that add up."""
    for _ in range(60):
        pilot.refused(HOST, None)
    assert waited(pilot, clock) <= 0.7


def test_a_minute_without_refusals_starts_over(clock: Clock) -> None:
    """Pauses do not stay long because of what happened an hour ago."""
    pilot = Pilot(9_999, clock, clock.sleep)
    for _ in range(10):
        pilot.refused(HOST, None)
        waited(pilot, clock)
    clock.now += 61
    pilot.took(HOST)
    pilot.refused(HOST, None)
    assert waited(pilot, clock) <= 0.7


def test_who_waits_is_held_by_a_new_pause_too(pilot: Pilot, clock: Clock) -> None:
    """The first to go on is refused again: the others never fire."""

    async def run() -> float:
        pilot.refused(HOST, 10)
        waiter = asyncio.create_task(pilot.turn(HOST, "an image"))
        await asyncio.sleep(0)
        clock.now += 10.5
        pilot.refused(HOST, 30)
        await waiter
        return clock.now

    assert asyncio.run(run()) >= 1000 + 10.5 + 30


def test_a_service_that_refuses_for_too_long_is_given_up(pilot: Pilot, clock: Clock) -> None:
    """By the request that waited, and by one that has only just been refused."""
    pilot.refused(HOST, 100)
    assert not pilot.hopeless(HOST)
    clock.now += 101
    pilot.refused(HOST, 100)
    assert pilot.hopeless(HOST)


def test_what_comes_after_a_service_was_given_up_fails_at_once(pilot: Pilot, clock: Clock) -> None:
    """A long list of items does not wait out one pause each; after the pause one may try."""
    pilot.refused(HOST, 100, "429 no")
    clock.now += 101
    pilot.refused(HOST, 100, "429 no")
    with pytest.raises(MigrateError, match="an image: 429 no"):
        waited(pilot, clock)
    assert waited(pilot, clock, "europe-docker.pkg.dev") == 0
    clock.now += 101
    assert waited(pilot, clock) == 0


class Asker:
    """Who asks for things of parts of a service.

    Args:
        pilot: gives the turns.
        clock: the pilot's.
    """

    def __init__(self, pilot: Pilot, clock: Clock) -> None:
        self._pilot = pilot
        self._clock = clock

    def turn(self, part: str, subject: str) -> None:
        """Take a turn."""
        asyncio.run(self._pilot.turn(HOST, subject, part=part))

    def refused(self, part: str, subject: str) -> None:
        """Be refused."""
        self._pilot.refused(HOST, 100, "429 no", part=part, subject=subject)

    def gave_up(self, part: str, subject: str) -> float:
        """Be refused until the service is given up; return when that is."""
        for _ in range(2):
            self.refused(part, subject)
            self._clock.now += 101
        self.refused(part, subject)
        began = self._clock.now
        with pytest.raises(MigrateError, match="429 no"):
            self.turn(part, subject)
        return began


@pytest.fixture
def asker(pilot: Pilot, clock: Clock) -> Asker:
    """Who asks under that pilot."""
    return Asker(pilot, clock)


def test_what_was_not_refused_is_tried_before_its_service_is_given_up(
    asker: Asker, pilot: Pilot, clock: Clock
) -> None:
    """All others may wait for one that is refused: its word alone is none of the service's.

    In an outage a few are tried so, one after the other, and no more.
    """
    began = asker.gave_up("GET a", "an image")
    asker.turn("GET b", "an image")
    asker.refused("GET b", "an image")
    with pytest.raises(MigrateError, match="429 no"):
        asker.turn("GET b", "an image")
    tried = 1
    with pytest.raises(MigrateError, match="429 no"):  # noqa: PT012  # the last of many
        while tried < 100:
            asker.turn(f"GET c{tried}", "an image")
            asker.refused(f"GET c{tried}", "an image")
            tried += 1
    assert tried == 8
    assert clock.now - began < 30
    assert pilot.counts()[HOST].paused_s < clock.now - 1000  # what was cut short is not told


def test_one_sibling_of_what_was_refused_is_tried_before_its_service_is_given_up(
    asker: Asker, clock: Clock
) -> None:
    """Nothing else may be left to ask for than other tags of one name, and that one takes them."""
    began = asker.gave_up("PUT a", "t0")
    asker.turn("PUT a", "t1")
    asker.refused("PUT a", "t1")
    for subject in ("t1", "t2", "t3"):
        with pytest.raises(MigrateError, match="429 no"):
            asker.turn("PUT a", subject)
    assert clock.now - began < 1


def test_a_service_that_takes_something_is_not_given_up(pilot: Pilot, clock: Clock) -> None:
    """What others get through shows that there is quota; who was refused first goes on too."""
    for _ in range(20):
        pilot.refused(HOST, 20)
        clock.now += 25
        pilot.took(HOST)
    pilot.refused(HOST, 20)
    assert not pilot.hopeless(HOST)


@pytest.mark.parametrize(("refused", "taken"), [("PUT a", "HEAD a"), ("HEAD a", "PUT a")])
def test_what_takes_reads_may_be_given_up_for_writes(
    pilot: Pilot, clock: Clock, refused: str, taken: str
) -> None:
    """A tag is looked at before each write: that this is answered says nothing about the write."""
    tries = 0
    while not pilot.hopeless(HOST, refused, "t0"):
        tries += 1
        assert tries < 20
        pilot.refused(HOST, 20, part=refused, subject="t0")
        clock.now += 25
        pilot.took(HOST, part=taken)
    assert 5 < tries < 9
    assert not pilot.hopeless(HOST, taken, "t0")


@given(st.lists(st.one_of(st.none(), st.floats(0, 120)), min_size=1, max_size=30))
def test_no_service_can_make_anybody_wait_for_ever(asked: list[float | None]) -> None:
    """Whatever it asks for, a request is given up or sent within the patience and one pause."""
    clock = Clock()
    pilot = Pilot(150, clock, clock.sleep)
    began = clock.now
    for after_s in asked:
        pilot.refused(HOST, after_s)
        if pilot.hopeless(HOST):
            break
        waited(pilot, clock)
    assert clock.now - began <= 150 + 2


def test_a_refusal_after_a_long_quiet_time_is_a_first_one(pilot: Pilot, clock: Clock) -> None:
    """A service that nobody asked in between has refused nobody in between, told or seen."""
    pilot.refused(HOST, None, told=True)
    clock.now += 600
    pilot.refused(HOST, None, told=True)

    assert not pilot.hopeless(HOST)
    assert waited(pilot, clock) > 0


def test_what_was_never_refused_is_not_given_up_for_what_was(pilot: Pilot, clock: Clock) -> None:
    """Reads that are refused now and then, and taken in between, say nothing against a write."""
    for _ in range(8):
        pilot.refused(HOST, 20, part="GET a", subject="t0")
        clock.now += 25
        pilot.took(HOST, part="GET a")
    pilot.refused(HOST, 20, part="PUT a", subject="t0")
    assert not pilot.hopeless(HOST, "PUT a", "t0")
    before = clock.now
    asyncio.run(pilot.turn(HOST, "t1", part="PUT b", writes=True))
    assert clock.now - before >= 20


def test_a_service_that_takes_nothing_at_all_is_given_up_for_all(
    pilot: Pilot, clock: Clock
) -> None:
    """Whatever is asked first, after all else was refused for as long as it waits."""
    for _ in range(8):
        pilot.refused(HOST, 20, part="GET a", subject="t0")
        clock.now += 25
    pilot.refused(HOST, 20, part="PUT a", subject="t0")
    assert pilot.hopeless(HOST, "PUT a", "t0")


def test_what_was_refused_before_a_service_took_something_does_not_count(
    pilot: Pilot, clock: Clock
) -> None:
    """However long ago it was, it is refused for the first time again."""
    pilot.refused(HOST, None)
    clock.now += 300
    pilot.took(HOST)
    pilot.refused(HOST, None)
    assert not pilot.hopeless(HOST)


class Stopping:
    """A service that refused, and a run that is to end.

    Args:
        clock: the pilot's.
    """

    def __init__(self, clock: Clock) -> None:
        self.pilot = Pilot(150, clock, clock.sleep)
        self.pilot.stop = asyncio.Event()
        self.pilot.stop.set()
        self._clock = clock

    def waits_s(self, *, begins: bool) -> tuple[str, float]:
        """Ask for a turn; return what becomes of it, and after how long."""
        before = self._clock.now
        try:
            asyncio.run(self.pilot.turn(HOST, "an image", begins=begins))
        except MigrateError as error:
            return error.problem.code, self._clock.now - before
        return "sent", self._clock.now - before


def test_what_would_have_to_wait_is_not_begun_when_a_run_is_to_end(clock: Clock) -> None:
    """Nobody waits a minute for the end of it."""
    stopping = Stopping(clock)
    stopping.pilot.refused(HOST, 60)
    assert stopping.waits_s(begins=True) == ("stopped", 0)


def test_what_is_under_way_has_a_few_seconds_to_come_to_its_end(clock: Clock) -> None:
    """A short pause is waited for, a long one is not."""
    stopping = Stopping(clock)
    stopping.pilot.refused(HOST, 2)
    said, waited_s = stopping.waits_s(begins=False)
    assert (said, 2 <= waited_s < 5) == ("sent", True)
    stopping.pilot.refused(HOST, 60)
    said, waited_s = stopping.waits_s(begins=False)
    assert (said, waited_s <= 5) == ("stopped", True)


@pytest.mark.parametrize(("pause_s", "said"), [(2, "rested"), (60, "stopped")])
def test_what_is_tried_again_rests_no_longer_than_a_stop_may_take(
    clock: Clock, pause_s: float, said: str
) -> None:
    """A stop is heard in the middle of a rest, and has the few seconds of what is under way."""
    pilot = Pilot(150, clock, clock.sleep)
    stop = pilot.stop = asyncio.Event()

    async def run() -> str:
        asyncio.get_running_loop().call_soon(stop.set)
        try:
            await pilot.rest(pause_s, "an image")
        except MigrateError as error:
            return error.problem.code
        return "rested"

    before = clock.now
    assert asyncio.run(run()) == said
    assert min(pause_s, 4) <= clock.now - before < 6


def test_what_need_not_wait_is_sent_when_a_run_is_to_end(clock: Clock) -> None:
    """What is under way goes on as it did."""
    assert Stopping(clock).waits_s(begins=True) == ("sent", 0)


def test_a_wish_to_stop_is_heard_in_the_middle_of_a_pause(clock: Clock) -> None:
    """Not only by those who come later."""
    pilot = Pilot(150, clock, clock.sleep)
    stop = pilot.stop = asyncio.Event()
    pilot.refused(HOST, 100)

    async def run() -> None:
        asyncio.get_running_loop().call_soon(stop.set)
        with pytest.raises(MigrateError, match="stopped"):
            await pilot.turn(HOST, "an image", begins=True)

    before = clock.now
    asyncio.run(run())
    assert clock.now - before < 1


@pytest.mark.parametrize(("pause_s", "looks"), [(0.5, 0), (5.0, 1)])
def test_what_was_seen_before_a_long_wait_is_looked_at_again(
    pilot: Pilot, clock: Clock, pause_s: float, looks: int
) -> None:
    """Once, after the wait; then the turn is waited for anew."""
    seen: list[float] = []

    async def look() -> None:
        seen.append(clock.now)

    pilot.refused(HOST, pause_s)
    over_at = clock.now + pause_s
    asyncio.run(pilot.turn(HOST, "an image", writes=True, look=look))
    assert len(seen) == looks
    assert all(at >= over_at for at in seen)
