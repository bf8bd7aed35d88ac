"""The time left of real runs whose line binds, from what their progress was told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.model.steps import Event, Kind, Step
from gcr_migrate.report.course import Course
from gcr_migrate.state.left import Left
from gcr_migrate.wire.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data/lines.json").read_text())
HONEST = 0.25  # of the truth, from 20 % of the run on


@dataclass
class Replay:
    """A recorded run: its blobs with begin, end, size and way, ends of others, and bytes sent.

    Attributes:
        run: the record.
        now_s: the time of it.
    """

    run: dict[str, Any]
    now_s: float = 0.0
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)

    def told(self) -> Iterator[tuple[float, float, float | None]]:
        """Go through it second by second: the part of it that is over, time left, what is told."""
        run, (blobs, others) = self.run, (self.run["blobs"], self.run["others"])
        pending = dict.fromkeys(Kind, 0) | {Kind.BLOB: len(blobs), Kind.TAG: len(others)}
        left = run["left"]
        first = Left(pending, pending, left["bytes"], *left.values())
        course = Course(first, Traffic(), lambda: self.now_s)
        for number, (since_s, end_s, size, how) in enumerate(blobs):
            self._at(since_s, course, Step(Kind.BLOB, number, Event.STARTED, size))
            self._at(end_s, course, Step(Kind.BLOB, number, Event.CONFIRMED, size, how))
        for number, end_s in enumerate(others):
            self._at(end_s, course, Step(Kind.TAG, number, Event.CONFIRMED))
        self.events.sort(key=lambda one: one[:2])
        end_s = self.events[-1][0]
        for at_s, sent in run["sent"]:
            while self.events and self.events[0][0] <= at_s:
                self.now_s, _, happens = self.events.pop(0)
                happens()
            self.now_s = at_s
            course.bytes(sent - course.bytes_sent)
            course.tick()
            yield at_s / end_s, end_s - at_s, course.time_left_s

    def _at(self, at_s: float, course: Course, step: Step) -> None:
        self.events.append((at_s, len(self.events), lambda: course.item(step)))


@pytest.mark.parametrize("name", RUNS)
def test_time_left_is_told_where_the_line_binds(name: str) -> None:
    """It is within a quarter of the truth; the last tenth is left out: nobody reads it."""
    told = [(is_s, says_s) for part, is_s, says_s in Replay(RUNS[name]).told() if 0.2 <= part < 0.9]
    known = [(is_s, says_s) for is_s, says_s in told if says_s is not None]
    assert len(known) >= len(told) * 0.8
    assert max(abs(says_s / is_s - 1) for is_s, says_s in known) <= HONEST
