"""A part of a service that refuses alone waits alone; a quota that is used up is everybody's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.model.limits import Limits, Rates
from gcr_migrate.wire.pace import Turn
from gcr_migrate.wire.pilot import Pilot
from gcr_migrate.wire.refusing import Refusing, part_of
from gcr_migrate.wire.service import Service
from tests.pure.test_pilot import HOST, Clock, waited

if TYPE_CHECKING:
    from collections.abc import Callable

BAD = "POST https://us-docker.pkg.dev/v2/p/bad/blobs/uploads"
GOOD = "POST https://us-docker.pkg.dev/v2/p/good/blobs/uploads"
READ = "GET https://us-docker.pkg.dev/v2/p/good/manifests"


def seconds(_count: int, after_s: float | None) -> float:
    """Pause for ten seconds, or as long as was asked for."""
    return after_s or 10.0


@pytest.fixture
def refusing() -> Refusing:
    """Nobody has refused yet."""
    return Refusing(seconds, 150)


def taken(refusing: Refusing, part: str, at: float, subject: str = "") -> None:
    """Let a request be sent and taken."""
    refusing.took(Turn(HOST, at, part, subject))


def test_the_first_refusal_is_everybody_s(refusing: Refusing) -> None:
    """Nobody knows yet what it means."""
    assert not refusing.refused(BAD, 1, None, "429")
    assert not refusing.refused(BAD, 2, None, "429")
    assert not refusing.refused(GOOD, 3, None, "429")


def test_who_is_refused_again_while_others_are_taken_is_alone(refusing: Refusing) -> None:
    """It has a pause of its own then, and the others have none."""
    refusing.refused(BAD, 1, None, "429")
    taken(refusing, GOOD, 2)
    assert refusing.refused(BAD, 3, None, "429")
    assert refusing.left_s(BAD, 3) == 10
    assert refusing.left_s(GOOD, 3) == 0


@pytest.mark.parametrize(
    ("part", "at", "why"),
    [(GOOD, 0.5, "it was sent before"), (READ, 2, "reads and writes have quotas of their own")],
)
def test_what_tells_nothing_about_others_leaves_it_everybody_s(
    refusing: Refusing, part: str, at: float, why: str
) -> None:
    """A quota may be used up between one answer and the next."""
    refusing.refused(BAD, 1, None, "429")
    taken(refusing, part, at)
    assert not refusing.refused(BAD, 3, None, "429"), why


def test_what_a_part_takes_ends_it(refusing: Refusing) -> None:
    """Its next refusal is a first one."""
    refusing.refused(BAD, 1, None, "429")
    taken(refusing, GOOD, 2)
    refusing.refused(BAD, 3, None, "429")
    taken(refusing, BAD, 14)
    taken(refusing, GOOD, 15)
    assert not refusing.refused(BAD, 16, None, "429")


def test_after_its_pause_one_goes_first(refusing: Refusing) -> None:
    """The others of the part wait for the answer, but not for long: it may be an upload."""
    refusing.refused(BAD, 1, None, "429")
    taken(refusing, GOOD, 2)
    refusing.refused(BAD, 3, None, "429")
    assert refusing.left_s(BAD, 13) == 0
    refusing.sent(Turn(HOST, 13, BAD))
    assert 0 < refusing.left_s(BAD, 13.1) < 0.1
    assert refusing.left_s(BAD, 14) == 0


def test_those_on_their_way_do_not_make_its_pause_longer(refusing: Refusing) -> None:
    """Sixteen refusals of one moment are one pause, unless they ask for more."""
    refusing.refused(BAD, 1, None, "429")
    taken(refusing, GOOD, 2)
    for _ in range(16):
        refusing.refused(BAD, 3, None, "429")
    assert refusing.left_s(BAD, 3) == 10
    refusing.refused(BAD, 3, 60, "429")
    assert refusing.left_s(BAD, 3) == 60


def test_a_part_that_refuses_for_too_long_is_given_up_alone(refusing: Refusing) -> None:
    """By the time since it was found to be alone: an outage of all before that is not its fault."""
    refusing.refused(BAD, 0, None, "429 all")
    for at in range(1, 20):
        refusing.refused(BAD, 10 * at, None, "429 all")
    assert refusing.hopeless(BAD, 200) is None
    at = 201
    while at < 340:
        taken(refusing, GOOD, at)
        assert refusing.refused(BAD, at + 1, None, "429 mine")
        assert refusing.hopeless(BAD, at + 1) is None
        at += 11
    refusing.refused(BAD, 352, None, "429 mine")
    assert refusing.hopeless(BAD, 352) == "429 mine"
    assert refusing.hopeless(GOOD, 352) is None


def test_what_is_refused_while_its_part_is_taken_is_alone(refusing: Refusing) -> None:
    """A tag that is refused for ever is no reason for its siblings to wait, nor for others."""
    refusing.refused(BAD, 1, None, "429", "t0")
    taken(refusing, BAD, 2, "t1")
    assert refusing.refused(BAD, 3, None, "429", "t0")
    assert refusing.left_s(BAD, 3, "t0") == 10
    assert refusing.left_s(BAD, 3, "t1") == 0
    assert refusing.is_alone(BAD, "t0")
    assert not refusing.is_alone(BAD, "t1")


def test_what_siblings_have_taken_before_says_nothing(refusing: Refusing) -> None:
    """What was on its way when one was refused had its turn before the quota was used up."""
    refusing.refused(BAD, 1, None, "429", "t0")
    taken(refusing, BAD, 0.5, "t1")
    assert not refusing.refused(BAD, 3, None, "429", "t0")


def test_one_refused_for_ever_is_given_up_beside_its_siblings(refusing: Refusing) -> None:
    """By the time since it was found to be alone, whatever is taken of its part."""
    refusing.refused(BAD, 0, None, "429", "t0")
    for at in range(1, 145, 11):
        assert refusing.hopeless(BAD, at, "t0") is None
        taken(refusing, BAD, at, "t1")
        refusing.refused(BAD, at + 1, None, "429 mine", "t0")
    assert refusing.hopeless(BAD, 145, "t0") == "429 mine"
    assert refusing.hopeless(BAD, 145, "t1") is None


def test_what_was_taken_once_is_like_its_siblings(refusing: Refusing) -> None:
    """Its next refusal is a first one."""
    refusing.refused(BAD, 1, None, "429", "t0")
    taken(refusing, BAD, 2, "t1")
    refusing.refused(BAD, 3, None, "429", "t0")
    taken(refusing, BAD, 14, "t0")
    assert not refusing.refused(BAD, 16, None, "429", "t0")


def given_up(refusing: Refusing) -> float:
    """Let one thing be refused for too long while other parts are taken; return the time then."""
    for at in range(0, 165, 11):
        refusing.refused(BAD, at, None, "429 mine", "t0")
        taken(refusing, GOOD, at + 1)
    assert refusing.hopeless(BAD, 165, "t0") == "429 mine"
    assert refusing.hopeless(BAD, 165, "t1") == "429 mine"
    return 165.0


def test_one_sibling_is_tried_before_a_part_is_given_up(refusing: Refusing) -> None:
    """One tag alone may be refused, and all others of its name wait for it: one tells."""
    now = given_up(refusing)
    assert not refusing.may_try(BAD, now, "t0")
    assert not refusing.may_try(BAD, now, "")
    assert refusing.may_try(BAD, now, "t1")
    refusing.tries(BAD, now)
    assert refusing.left_s(BAD, now, "t1") == 0
    assert refusing.hopeless(BAD, now, "t2") is None
    assert not refusing.may_try(BAD, now, "t2")


def test_a_part_is_given_up_with_the_sibling_that_was_tried(refusing: Refusing) -> None:
    """No other is tried after it, however many there are."""
    now = given_up(refusing)
    refusing.tries(BAD, now)
    refusing.refused(BAD, now + 1, None, "429 mine", "t1")
    assert refusing.hopeless(BAD, now + 1, "t2") == "429 mine"
    assert not refusing.may_try(BAD, now + 1, "t2")


def test_what_takes_the_sibling_that_was_tried_is_given_up_no_more(refusing: Refusing) -> None:
    """All that is left is what was refused itself."""
    now = given_up(refusing)
    refusing.tries(BAD, now)
    taken(refusing, BAD, now + 1, "t1")
    assert refusing.left_s(BAD, now + 1, "t2") == 0
    assert refusing.hopeless(BAD, now + 1, "t2") is None


def test_after_a_pause_siblings_go_first(refusing: Refusing) -> None:
    """Or what is refused for ever would be tried for its part, and all of that would wait."""
    refusing.refused(BAD, 1, None, "429", "t0")
    refusing.lets_others_go_first(BAD, 5, 1, None, "t0")
    assert refusing.left_s(BAD, 2, "t1") < refusing.left_s(BAD, 2, "t0")


@pytest.fixture
def clock() -> Clock:
    """Stand still until somebody waits."""
    return Clock()


def _loop(pilot: Pilot, clock: Clock, part: str, answer: Callable[[str], bool]) -> None:
    """Send one request of a part and hear what becomes of it."""
    turn = asyncio.run(pilot.turn(HOST, "an image", writes=True, part=part))
    clock.now += 0.03
    took = answer(part)
    pilot.answered(turn, took=took)
    if not took:
        pilot.refused(HOST, None, "429", writes=True, part=part)


def test_one_bad_part_costs_the_others_one_pause_and_no_pace(clock: Clock) -> None:
    """However often it is asked: requests to the others are as fast as without it."""

    def spent(*parts: str) -> float:
        pilot, start = Pilot(9e9, clock, clock.sleep), clock.now
        pause = 0.0
        for number in range(400):
            for part in parts:
                before = clock.now
                _loop(pilot, clock, part, lambda part: part != BAD)
                pause += clock.now - before if part == BAD else 0.0
            if number == 50:
                assert clock.now > start
        return clock.now - start - pause

    assert spent(GOOD, BAD) <= spent(GOOD) * 1.1 + 2


def test_a_pause_of_all_is_over_a_little_earlier_for_who_was_not_refused(clock: Clock) -> None:
    """So that the others show whether it was the quota."""
    pilot = Pilot(9_999, clock, clock.sleep)
    waited(pilot, clock)
    pilot.refused(HOST, 20, writes=True, part=BAD)
    refused_at = clock.now
    _loop(pilot, clock, GOOD, lambda _: True)
    others = clock.now
    _loop(pilot, clock, BAD, lambda _: True)
    assert 19.9 < others - refused_at <= 22
    assert clock.now - others > 0.1


@pytest.mark.parametrize(
    ("method", "url", "part"),
    [
        ("HEAD", "https://h/v2/a/b/manifests/1?x=/y/z", "HEAD https://h/v2/a/b/manifests"),
        ("POST", "https://h/v2/a/b/blobs/uploads/?digest=x", "POST https://h/v2/a/b/blobs/uploads"),
        ("POST", "https://h/v2/a/uploads/?mount=x&from=b", "POST https://h/v2/a/uploads mounts"),
        ("GET", "https://h", "GET https:/"),
    ],
)
def test_a_part_is_a_method_and_the_path_above(method: str, url: str, part: str) -> None:
    """What is asked for by name, and queries, make no difference, but for a mount."""
    assert part_of(method, url) == part


def test_who_stands_in_line_and_was_not_refused_goes_before_who_was(clock: Clock) -> None:
    """Whoever came first: else nobody could see that the service takes what it is asked."""
    pilot, sent = Pilot(9_999, clock, clock.sleep), []

    async def one(part: str) -> None:
        turn = await pilot.turn(HOST, "an image", writes=True, part=part)
        sent.append(part)
        pilot.answered(turn, took=part != BAD)
        if part == BAD:
            pilot.refused(HOST, None, "429", writes=True, part=part)

    async def run() -> None:
        pilot.refused(HOST, 20, "429", writes=True, part="POST elsewhere")
        await asyncio.gather(*map(one, (BAD, BAD, BAD, GOOD)))

    asyncio.run(run())
    assert sent[:2] == [BAD, GOOD]


def test_who_waits_out_pauses_waits_out_that_of_the_part(clock: Clock) -> None:
    """What is looked at then, or held open, is not looked at or opened before a further wait."""
    pilot = Pilot(9_999, clock, clock.sleep)
    pilot.refused(HOST, 1, writes=True, part=BAD)
    _loop(pilot, clock, GOOD, lambda _: True)
    pilot.refused(HOST, 30, writes=True, part=BAD)
    before = clock.now
    asyncio.run(pilot.pause_over(HOST, "an image", BAD))
    assert clock.now - before > 29.9
    waited_for = clock.now
    asyncio.run(pilot.turn(HOST, "an image", writes=True, part=BAD))
    assert clock.now - waited_for < 1


def test_parts_of_one_request_are_forgotten_in_time(refusing: Refusing) -> None:
    """Such as addresses that are signed anew for each: there may be any number of them."""
    for number in range(1_000):
        refusing.refused(f"PUT https://h/{number}", float(number), None, "429")
    assert len(refusing._parts) <= 62  # noqa: SLF001  # nothing else shows it


def test_what_other_processes_were_slowed_by_is_given_back_to_them(clock: Clock) -> None:
    """They are told of the refusal, and later that it was a matter of this part alone."""
    pilot, other = (Pilot(9_999, clock, clock.sleep, Limits(workers=2)) for _ in range(2))
    pilot.on_refusal = lambda one: other.refused(
        one.service, one.after_s, writes=one.writes, told=True, part=one.part
    )
    pilot.on_alone = other.refused_alone
    for one in (pilot, other):
        _loop(one, clock, GOOD, lambda _: True)
    paces = [_paces(other)]
    pilot.refused(HOST, 1, writes=True, part=BAD)
    paces.append(_paces(other))
    _loop(pilot, clock, GOOD, lambda _: True)
    pilot.refused(HOST, 1, writes=True, part=BAD)
    assert paces[0] == _paces(other) != paces[1]


def test_what_a_sibling_was_refused_for_is_not_given_back() -> None:
    """One tag is refused for ever, and meanwhile a quota is used up: the pace stays slower."""
    service = Service.under(Rates(100), 150)
    service.slower(0, BAD, "a tag that met the quota", writes=True)
    assert not service.refused_alone(BAD, "the bad tag")
    service.slower(1, BAD, "the bad tag", writes=True)
    assert service.refused_alone(BAD, "the bad tag")
    assert service.all.per_s == 50
    assert service.refused_alone(BAD)  # all of the part
    assert service.all.per_s == 100


def _paces(pilot: Pilot) -> tuple[float | None, float | None]:
    one = pilot._services[HOST]  # noqa: SLF001  # nothing else shows it
    return one.all.per_s, one.writes.per_s
