"""The time left of runs to several target services, whose rates differ or that share a line."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.model.brakes import Brakes
from gcr_migrate.model.limits import Rates
from gcr_migrate.model.pace import Amount
from gcr_migrate.model.plan import PlannedManifest, PlannedTag, Repository, Source, TagAction
from gcr_migrate.model.steps import CONTENT, Event, Kind, Step
from gcr_migrate.model.turns import Sent, Turns
from gcr_migrate.report.course import Course
from gcr_migrate.report.services import Services
from gcr_migrate.state.file import create_draft, open_migration
from gcr_migrate.state.left import Left, Whereabouts, left
from gcr_migrate.wire.traffic import Traffic
from tests.drafts import seal
from tests.pure.test_ledger import AMD

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator
    from pathlib import Path

HONEST = 0.25  # of the truth, from 20 % of the run on
KB, MB = 1000, 1_000_000
AT_ONCE = 16
PIECE = 64 * 1024


@dataclass
class Service:
    """What goes to a service, and how it takes that.

    Attributes:
        sizes: of its blobs, in this order, 16 at once; each has an image of its own, and a tag.
        requests_per_s: how many it takes in a second; None: each waits for its answer instead.
        answer_s: how long an answer takes.
        bytes_per_s: the same of bytes, where it has a line of its own.
        mounts: blobs that are mounted before the others.
        cap: what the tool knows of requests in a second.
    """

    sizes: list[int]
    requests_per_s: float | None = None
    answer_s: float = 0.01
    bytes_per_s: float | None = None
    mounts: int = 0
    cap: float | None = None


@dataclass
class Several:
    """A run to several services.

    Attributes:
        services: these.
        line: bytes in a second that all share.
        was_refused: requests were refused by then.
    """

    services: dict[str, Service]
    line: float | None = None
    was_refused: bool = False
    now_s: float = 0.0
    free_s: dict[str, float] = field(default_factory=dict)
    host_of: dict[tuple[Kind, int], str] = field(default_factory=dict)

    def told(self) -> Iterator[tuple[float, float, float | None]]:
        """Go through it by half seconds: the part that is over, time left, and what is told."""
        self.course, self.numbers = self._course(), count(1)
        told, tick_s, order = list[tuple[float, float | None]](), 0.0, count()
        ready = [
            (0.0, next(order), work)
            for host, one in self.services.items()
            for blobs in [iter([*[-1] * one.mounts, *one.sizes])]
            for work in [self._slot(host, blobs) for _ in range(AT_ONCE)]
        ]
        while ready:
            at_s, _, work = heapq.heappop(ready)
            while tick_s <= at_s:
                self.now_s, tick_s = tick_s, tick_s + 0.5
                self.course.tick()
                told.append((self.now_s, self.course.time_left_s))
            self.now_s = at_s
            turn_s = next(work, None)
            if turn_s is not None:
                heapq.heappush(ready, (turn_s, next(order), work))
        assert not any(map(self.course.pending, CONTENT))
        for is_s, says_s in told:
            yield is_s / self.now_s, self.now_s - is_s, says_s

    def _course(self) -> Course:
        parts = {host: left_of(one) for host, one in self.services.items()}
        brakes = Brakes(None, {host: Rates(one.cap) for host, one in self.services.items()})
        services = Services(parts, brakes, self._where, lambda: self.now_s)
        whole = left_of(*self.services.values())
        self.traffic = Traffic(0, int(self.was_refused), 0)
        return Course(whole, self.traffic, lambda: self.now_s, brakes, services)

    def _where(self, kind: Kind, item_ids: Collection[int]) -> dict[int, str]:
        return {one: self.host_of[kind, one] for one in item_ids}

    def _turn(self, what: str, cost_s: float) -> float:
        self.free_s[what] = max(self.now_s, self.free_s.get(what, 0.0)) + cost_s
        return self.free_s[what]

    def _request(self, host: str) -> float:
        one = self.services[host]
        self.traffic.sent(host, writes=True)
        if one.requests_per_s is None:
            return self.now_s + one.answer_s
        return self._turn(host, 1 / one.requests_per_s)

    def _bytes(self, host: str, count: int) -> float:
        if own := self.services[host].bytes_per_s:
            return self._turn(f"{host} line", count / own)
        return self._turn("line", count / self.line) if self.line else self.now_s

    def _slot(self, host: str, blobs: Iterator[int]) -> Generator[float]:
        for size in blobs:
            number = self._new(Kind.BLOB, host)
            self.course.item(Step(Kind.BLOB, number, Event.STARTED, max(size, 0)))
            yield self._request(host)
            for start in range(0, size, PIECE):
                piece = min(PIECE, size - start)
                yield self._bytes(host, piece)
                self.course.bytes(piece)
            if size >= 0:
                yield self._request(host)
            how = "mounted" if size < 0 else "uploaded"
            self.course.item(Step(Kind.BLOB, number, Event.CONFIRMED, max(size, 0), how))
            if size >= 0:
                yield self._request(host)
                for kind in (Kind.MANIFEST, Kind.TAG):
                    self.course.item(
                        Step(kind, self._new(kind, host), Event.CONFIRMED, how="written")
                    )

    def _new(self, kind: Kind, host: str) -> int:
        number = next(self.numbers)
        self.host_of[kind, number] = host
        return number


def left_of(*services: Service) -> Left:
    """Return what there is to do."""
    sizes = [size for one in services for size in one.sizes]
    mounts = sum(one.mounts for one in services)
    pending = dict.fromkeys(Kind, 0) | {
        Kind.BLOB: len(sizes) + mounts,
        Kind.MANIFEST: len(sizes),
        Kind.TAG: len(sizes),
    }
    return Left(pending, dict(pending), sum(sizes), sum(sizes), 0, len(sizes))


SMALL = [3 * KB] * 400
LARGE = [(3 + number * 7 % 11) * MB // 8 for number in range(240)]  # a megabyte, more or less
RUNS = {
    "one limited, one free": Several(
        {"us": Service(SMALL, 20, mounts=200, cap=20), "eu": Service(SMALL)}
    ),
    "limit unknown": Several(
        {"us": Service(SMALL, 20, mounts=200), "eu": Service(SMALL, 200)}, was_refused=True
    ),
    "two limits": Several(
        {"us": Service(SMALL, 20, cap=20), "eu": Service(SMALL, 40, mounts=400, cap=40)}
    ),
    "answers far and near": Several(
        {"us": Service(SMALL, answer_s=0.1), "au": Service(SMALL, answer_s=0.8)}
    ),
    "two lines": Several(
        {
            "us": Service(LARGE[:120], bytes_per_s=8 * MB),
            "eu": Service(LARGE[:120], bytes_per_s=2 * MB),
        }
    ),
    "one line, one has more": Several(
        {"us": Service(LARGE[:160]), "eu": Service(LARGE[:60])}, line=4 * MB
    ),
    "one line, one has much more": Several(
        {"us": Service(LARGE[:160]), "eu": Service(LARGE[:20])}, line=4 * MB
    ),
    "equally far, one has more": Several(
        {"us": Service(SMALL, answer_s=0.9), "eu": Service(SMALL[:150], answer_s=0.9)}
    ),
    "small ones limited, large ones on a line": Several(
        {"us": Service(SMALL, 20, cap=20), "eu": Service(LARGE[:120])}, line=2 * MB
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_time_left_is_told_of_the_last_service(name: str) -> None:
    """Within a quarter of the truth, or a second; some of the time it may be unknown.

    It is so while nobody can know whether one goes faster now that another has come to its end.
    """
    told = [(is_s, says_s) for part, is_s, says_s in RUNS[name].told() if 0.2 <= part < 0.9]
    known = [(is_s, says_s) for is_s, says_s in told if says_s is not None]
    assert [one for one in known if abs(one[1] - one[0]) > max(HONEST * one[0], 1.0)] == []
    assert len(known) >= len(told) * 0.6


def test_a_service_of_which_nothing_begins_is_not_waited_for() -> None:
    """Its repositories could not be made, perhaps: after a minute the others tell the time."""
    now = [0.0]
    parts = {"us": left_of(Service([KB] * 2000)), "eu": left_of(Service([KB]))}
    services = Services(parts, Brakes(), lambda _, ids: dict.fromkeys(ids, "us"), lambda: now[0])
    told = list[float | None]()
    for number in range(1500):
        services.item(Step(Kind.BLOB, number, Event.STARTED, KB))
        now[0] += 0.1
        services.item(Step(Kind.BLOB, number, Event.CONFIRMED, KB, "uploaded"))
        for kind in (Kind.MANIFEST, Kind.TAG):
            services.item(Step(kind, number, Event.CONFIRMED, how="written"))
        if number % 5 == 4:
            services.tick((number + 1) * KB, Traffic())
            told.append(services.left_s(None))
    assert told[100] is None
    assert told[-1] == pytest.approx(50, rel=0.1)


def test_services_of_items_are_asked_for_once_in_a_tick() -> None:
    """For all items of a kind at once, and not where nothing happened."""
    asked = list[tuple[Kind, set[int]]]()

    def where(kind: Kind, item_ids: Collection[int]) -> dict[int, str]:
        asked.append((kind, set(item_ids)))
        return dict.fromkeys(item_ids, "us")

    parts = {"us": left_of(Service([KB] * 3)), "eu": left_of(Service([KB]))}
    services = Services(parts, Brakes(), where, lambda: 0.0)
    for number in (1, 2):
        services.item(Step(Kind.BLOB, number, Event.STARTED, KB))
        services.item(Step(Kind.BLOB, number, Event.CONFIRMED, KB, "uploaded"))
    services.item(Step(Kind.REPOSITORY, 1, Event.CONFIRMED))
    for _ in range(3):
        services.tick(2 * KB, Traffic())
    assert asked == [(Kind.BLOB, {1, 2})]


def turns_of(rates: Rates, *counts: int, beside: int = 0, looks: int = 0) -> Turns:
    """Return what has seen so many requests pass, one count in each second, and some beside."""
    turns, passed, asked = Turns(rates, looks), Amount(), 0
    turns.sample(0.0, passed, Sent(0, 0))
    for second, one in enumerate(counts, 1):
        passed += Amount(KB * one, one)
        asked += one + beside
        turns.sample(float(second), passed, Sent(asked, passed.requests))
    return turns


REST = Amount(10 * KB, 90, 10)


def test_requests_bind_only_near_a_limit_or_once_some_were_refused() -> None:
    """Those that write have a limit of their own; large blobs, of which none passed, do not."""
    even = [20] * 10
    assert turns_of(Rates(20), *even).bind(REST)
    assert turns_of(Rates(1000, 20), *even).bind(REST)
    assert not turns_of(Rates(40), *even).bind(REST)
    assert not turns_of(Rates(), *even).bind(REST)
    assert turns_of(Rates(), *even).bind(REST, was_refused=True)
    assert not turns_of(Rates(20), *even).bind(Amount(100 * MB, 90))
    assert turns_of(Rates(20), 20, 20).bind(REST)
    assert not turns_of(Rates(20)).bind(REST)


def test_requests_for_no_item_and_to_the_source_have_turns_too() -> None:
    """They count for what binds; the rest is thought to come with as many of them."""
    turns = turns_of(Rates(60), *[20] * 10, beside=40)
    assert turns.bind(REST)
    assert turns.left_s(REST) == 5


def test_what_a_run_begins_with_is_over_then() -> None:
    """It asks for tokens and lists at first, and little else passes."""
    assert turns_of(Rates(20), *[20] * 10).left_s(REST) == 5
    assert turns_of(Rates(20), *[5] * 5, *[20] * 5).left_s(REST) == 5


def test_looks_that_are_still_to_come_have_their_turns() -> None:
    """Those that came have passed like all else."""
    even, rest = [20] * 10, Amount(10 * KB, 90, 10)
    assert turns_of(Rates(20), *even, looks=100).left_s(rest) == 10
    assert turns_of(Rates(60), *even, beside=40, looks=400).left_s(rest) == 100 / 60
    assert turns_of(Rates(60), *even, beside=40, looks=460).left_s(rest) == 160 / 60


def test_once_a_part_of_the_items_has_ended_looks_count_no_more() -> None:
    """What these took tells what the rest takes, whoever expected what."""
    turns = Turns(Rates(20), looks=1000)
    for second in range(11):
        turns.sample(float(second), Amount(0, 0, 20 * second), Sent(20 * second, 20 * second))
    assert turns.left_s(Amount(0, 0, 601)) == pytest.approx((601 + 1000) / 20)
    assert turns.left_s(Amount(0, 0, 600)) == pytest.approx(600 / 20)


def test_turns_tell_nothing_while_ever_fewer_are_for_items() -> None:
    """Nor before there were some seconds of them."""
    assert turns_of(Rates(20), *[20] * 5, *[5] * 5).left_s(REST) is None
    assert turns_of(Rates(20), 20, 20).left_s(REST) is None


def write_two(path: Path) -> None:
    """Write a plan of two images of the same blobs, each to a service of its own."""
    with create_draft(path) as draft:
        source = draft.add_source(Source("127.0.0.1:5000", "127.0.0.1:5000", "", "plain"))
        for host in ("us-docker.pkg.dev", "europe-docker.pkg.dev"):
            repository = draft.add_repository(
                Repository(host, f"builds/{host[:2]}", "ar", "r", exists=True)
            )
            image = draft.add_image(source, host[:2], repository, "app", "fail", "fail")
            draft.add_manifest(AMD)
            planned = PlannedManifest(AMD.digest, None, present=False, rank=0)
            draft.add_manifests(image, [planned])
            draft.add_blobs(image)
            draft.add_tags(image, [PlannedTag("1.0", AMD.digest, TagAction.SET)])
        seal(draft)


def test_what_is_left_is_told_by_service(tmp_path: Path) -> None:
    """It adds up to all of it; items are found where they go; where one has all it is alone."""
    path = tmp_path / "a.migration"
    write_two(path)
    with open_migration(path) as migration:
        whole = left(migration)
        of_one = left(migration, [1])
        blobs = Whereabouts(migration)(Kind.BLOB, range(1, whole.pending[Kind.BLOB] + 1))
    us, europe = (whole.by_service[f"{one}-docker.pkg.dev"] for one in ("us", "europe"))
    assert us.bytes == europe.bytes == whole.bytes // 2 > 0
    assert us.uploads + europe.uploads == whole.uploads
    assert us.looks == europe.looks == 2  # a token and a list
    assert {kind: us.pending[kind] + europe.pending[kind] for kind in CONTENT} == {
        kind: whole.pending[kind] for kind in CONTENT
    }
    assert Counter(blobs.values()) == {
        "us-docker.pkg.dev": us.pending[Kind.BLOB],
        "europe-docker.pkg.dev": europe.pending[Kind.BLOB],
    }
    assert set(of_one.by_service) == {"us-docker.pkg.dev"}


@pytest.mark.parametrize(
    ("paths", "moved_tags", "looks"),
    [(1, "fail", 4), (1, "pin", 2), (32, "skip", 32 * 4), (33, "fail", 0)],
)
def test_looks_are_told_where_one_service_has_both_sides(
    tmp_path: Path, paths: int, moved_tags: str, looks: int
) -> None:
    """The gcr.io hosts are counted where their repositories lie; what has its tags needs none.

    Nor are they told where there are more paths than begin at once.
    """
    path = tmp_path / "a.migration"
    with create_draft(path) as draft:
        source = draft.add_source(Source("us.gcr.io/builds", "us.gcr.io", "builds", "ar"))
        repository = draft.add_repository(
            Repository("us-docker.pkg.dev", "builds/us", "ar", "r", exists=True)
        )
        draft.add_manifest(AMD)
        for number in range(paths + 1):
            name, action = f"app{number}", TagAction.SET if number else TagAction.PRESENT
            image = draft.add_image(source, name, repository, name, "fail", moved_tags)
            planned = PlannedManifest(AMD.digest, None, present=False, rank=0)
            draft.add_manifests(image, [planned])
            draft.add_tags(image, [PlannedTag("1.0", AMD.digest, action)])
        seal(draft)
    with open_migration(path) as migration:
        assert left(migration).by_service["us-docker.pkg.dev"].looks == looks
