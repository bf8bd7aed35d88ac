"""How long a run to several target services takes: each goes its own way, beside the others.

Each is measured by itself, and the last one to end tells the time. What binds one may bind another
as well, as a line does that all go over: then each is held up by the others, and goes faster once
these have come to their end. Nothing shows which it is as long as they go equally fast.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from gcr_migrate.model.limits import Rates
from gcr_migrate.model.steps import CONTENT
from gcr_migrate.model.turns import Sent, Turns
from gcr_migrate.report.course import Course
from gcr_migrate.wire.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from gcr_migrate.model.brakes import Brakes
    from gcr_migrate.model.steps import Kind, Step
    from gcr_migrate.state.left import Left

_GONE_AFTER_S: Final = 60.0  # nothing of it has begun for so long: it has no repository, perhaps
_OFF: Final = 1.15  # times, that what is told may be off
# So many bytes with each request fill a line, which is rather one for all; what few do not fill is
# rather slots and answers of one alone.
_LARGE_BYTES: Final = 128 * 1024
_ANEW_S: Final = 10.0  # so long after it may go faster nothing is told of it
_FADES: Final = 0.95  # in half a second; what was seen half a minute ago no longer counts


class Services:
    """Measures what goes to each target service.

    Which of them an item goes to is asked for all items of half a second at once, so that nothing
    of the plan is held here. Then a course of each service is told of them, at the times when they
    happened.

    Args:
        left: what there is to do at each when the run begins, by its host.
        brakes: what the run is held back by.
        where: tells the services of items.
        clock: tells the time in seconds, and never goes back.
    """

    def __init__(
        self,
        left: Mapping[str, Left],
        brakes: Brakes,
        where: Callable[[Kind, Collection[int]], Mapping[int, str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._where = where
        self._clock = clock
        self._now_s = self._begun_s = clock()
        self._news: list[tuple[float, Step]] = []
        self._courses = {
            host: Course(one, Traffic(), lambda: self._now_s) for host, one in left.items()
        }
        self._turns = {
            host: Turns(brakes.by_service.get(host, Rates()), one.looks)
            for host, one in left.items()
        }
        self._anew_at_s = dict.fromkeys(left, -_ANEW_S)
        self._refused = 0
        self._begun: set[str] = set()
        self._over = {host for host, one in self._courses.items() if one.is_over}
        # How often one was seen to go clearly faster than another, of how often both were seen.
        self._faster: dict[tuple[str, str], float] = defaultdict(float)
        self._seen: dict[tuple[str, str], float] = defaultdict(float)

    def item(self, step: Step) -> None:
        """Take note that something happened to one item of content."""
        if step.kind in CONTENT:
            self._news.append((self._clock(), step))

    def tick(self, sent: int, traffic: Traffic) -> None:
        """Measure; every second or so.

        Args:
            sent: bytes that have left for all of them.
            traffic: requests of all connections.
        """
        self._tell_news()
        self._now_s = self._clock()
        self._share_out(sent)
        self._refused = traffic.refused
        for host, one in self._courses.items():
            one.tick()
            if host in self._begun:
                self._turns[host].sample(
                    self._now_s, one.passed, Sent(traffic.asked[host], traffic.written[host])
                )
        self._compare()

    def _tell_news(self) -> None:
        news, self._news = self._news, []
        ids: dict[Kind, set[int]] = defaultdict(set)
        for _, step in news:
            ids[step.kind].add(step.item_id)
        hosts = {kind: self._where(kind, item_ids) for kind, item_ids in ids.items()}
        for at_s, step in news:
            host = hosts[step.kind].get(step.item_id, "")
            if one := self._courses.get(host):
                self._now_s = at_s
                self._begun.add(host)
                one.item(step)

    def _share_out(self, sent: int) -> None:
        """Give each its part of the bytes of unfinished blobs: nobody tells whose they are."""
        courses = self._courses.values()
        sizes = [sum(flight.size_bytes for flight in one.in_flight) for one in courses]
        unended = max(0, sent - sum(one.bytes_ended for one in courses))
        part = min(1.0, unended / sum(sizes)) if any(sizes) else 0.0
        for one, size in zip(courses, sizes, strict=True):
            one.bytes_sent = one.bytes_ended + round(size * part)

    def _compare(self) -> None:
        """See who goes faster than whom, and measure anew whom an end may have given room."""
        over = {host for host, one in self._courses.items() if one.is_over}
        for ended in over - self._over:
            for host, one in self._courses.items():
                if host not in over and self._is_alike(host, ended):
                    one.measure_anew()
                    self._anew_at_s[host] = self._now_s
        self._over = over
        going = {host: one.lately for host, one in self._courses.items() if host not in over}
        for host, speed in going.items():
            for other, its in going.items():
                pair = host, other
                self._seen[pair] = self._seen[pair] * _FADES + 1
                self._faster[pair] = self._faster[pair] * _FADES + speed.is_above(its)

    def _is_alike(self, host: str, other: str) -> bool:
        """Whether neither was faster for most of the time: the same may bind both."""
        return not self._is_faster(host, other) and not self._is_faster(other, host)

    def left_s(self, by_bytes_s: float | None) -> float | None:
        """Return the seconds until all have come to their end; None where nobody can know.

        Args:
            by_bytes_s: the seconds that the rest takes by what the tool lets pass of the bytes of
                all together; None where that does not bind.
        """
        going = {host: one for host, one in self._courses.items() if self._is_awaited(host)}
        held = {host for host, one in going.items() if self._is_held(host, one)}
        if not going:
            return 0.0 if self._over == set(self._courses) else None
        known = dict[str, float]()
        for host, one in going.items():
            if by_bytes_s is not None and host not in held:
                continue
            left_s = self._left_s(host, one, is_held=host in held)
            if left_s is None:
                return None
            known[host] = max(left_s, self._turns[host].least_s(one.to_pass))
        return max(by_bytes_s or 0.0, *(self._told(host, known, held) for host in known), 0.0)

    def _told(self, host: str, known: Mapping[str, float], held: set[str]) -> float:
        """Return the seconds until one has come to its end, as others may share what binds it."""
        alone_s = known[host]
        others = set() if host in held else known.keys() - held - {host}
        alike = [known[one] for one in others if self._is_alike(host, one)]
        shared_s = (alone_s + sum(alike)) / (1 + len(alike))
        seconds = _between(alone_s, shared_s)
        speed = self._courses[host].lately
        if speed.bytes > _LARGE_BYTES * speed.requests:
            return min(seconds, shared_s * _OFF)
        return max(seconds, alone_s / _OFF)

    def _is_held(self, host: str, course: Course) -> bool:
        """Whether requests are what binds it."""
        was_refused = self._refused > 0 and not self._is_fast(host)
        return self._turns[host].bind(course.to_pass, was_refused=was_refused)

    def _left_s(self, host: str, course: Course, *, is_held: bool) -> float | None:
        if is_held:
            return self._turns[host].left_s(course.to_pass)
        is_new = self._now_s - self._anew_at_s[host] < _ANEW_S
        return None if is_new else course.time_left_s

    def _is_fast(self, host: str) -> bool:
        """Whether it was clearly faster than another one."""
        return any(self._is_faster(host, other) for other in self._courses)

    def _is_faster(self, host: str, other: str) -> bool:
        return self._faster[host, other] > self._seen[host, other] / 2

    def _is_awaited(self, host: str) -> bool:
        is_late = self._now_s - self._begun_s > _GONE_AFTER_S
        return host not in self._over and (host in self._begun or not is_late)


def _between(one_s: float, other_s: float) -> float:
    """Return what is as far off whichever of both is true, as a part of it."""
    return 2 * one_s * other_s / (one_s + other_s) if one_s + other_s else 0.0
