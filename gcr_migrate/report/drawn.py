"""A run as a person follows it on a terminal: bars, and what is in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gcr_migrate.model.steps import CONTENT, Kind
from gcr_migrate.report.running import failures, time_text, troubles
from gcr_migrate.report.words import size_text

if TYPE_CHECKING:
    from typing import Self

    from rich.console import Console, RenderableType

    from gcr_migrate.report.course import Course, Flight
    from gcr_migrate.report.places import Places

_DRAWN_EVERY_S: Final = 0.5
_PLACES: Final = 4  # repositories, and
_FLIGHTS: Final = 3  # blobs that are named: the rest of the terminal is the person's
_PROVISIONED: Final = (Kind.REPOSITORY, Kind.GRANT, Kind.SETTING)


class Bars:
    """Draws a run while it goes on.

    Args:
        console: where it is drawn: stderr.
        course: how far the run is.
        places: how far its repositories are.

    Attributes:
        every_s: seconds between two tellings.
    """

    every_s = _DRAWN_EVERY_S

    def __init__(self, console: Console, course: Course, places: Places) -> None:
        self._course = course
        self._places = places
        self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        """Begin to show."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bars away; results follow on stdout."""
        self._live.stop()

    def tell(self) -> None:
        """Draw it as it is now."""
        self._places.tick()
        self._live.update(_drawn(self._course, self._places), refresh=True)


def _drawn(course: Course, places: Places) -> Group:
    first = course.left_at_first
    planned = sum(first.planned[kind] for kind in CONTENT)
    done = planned - sum(course.pending(kind) for kind in CONTENT)
    by_bytes = course.bytes_total > 0
    shares = (course.bytes_done, course.bytes_total) if by_bytes else (done, planned)
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    moved = f"{size_text(course.bytes_done)} of {size_text(course.bytes_total)}"
    left = time_text(course.time_left_s)
    bar = ProgressBar(completed=shares[0], total=max(1, shares[1]))
    grid.add_row("apply", bar, f"{moved}, time left {left}")
    lines: list[RenderableType] = [_line(_second_line(course))]
    if sum(places.counts) > 1:
        lines += _place_lines(places)
    return Group(grid, *lines, *_flight_lines(course, places))


def _line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _place_lines(places: Places) -> list[RenderableType]:
    """Draw the repositories that move, and count the others."""
    shown = places.busiest(_PLACES)
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_column(ratio=1, min_width=8)
    grid.add_column(no_wrap=True, justify="right")
    for one in shown:
        bar = ProgressBar(completed=one.ended, total=one.planned)
        grid.add_row(f"  {one.name}", bar, f"{one.ended} of {one.planned} items")
    ended, begun, untouched = places.counts
    rest = {"done": ended, "under way": begun - len(shown), "not begun": untouched}
    told = ", ".join(f"{count} {word}" for word, count in rest.items() if count > 0)
    more = [_line(f"  repositories: {told}")] if told else []
    return [grid, *more] if shown else [*more]


def _flight_lines(course: Course, places: Places) -> list[RenderableType]:
    """Name the largest blobs that are in flight."""
    largest = [one for one in course.in_flight if one.kind is Kind.BLOB][:_FLIGHTS]
    return [
        _line(f"  {size_text(one.size_bytes):>10} for {_age(course, one)}  {places.name_of(one)}")
        for one in largest
    ]


def _age(course: Course, flight: Flight) -> str:
    return time_text(course.age_s(flight))


def _second_line(course: Course) -> str:
    first, rate, flights = course.left_at_first, course.rate, course.in_flight
    parts = []
    for kind in (*_PROVISIONED, *CONTENT):
        pending, planned = course.pending(kind), first.planned[kind]
        if first.pending[kind] and (kind in CONTENT or pending):
            words = "repositories" if kind is Kind.REPOSITORY else f"{kind.value}s"
            parts.append(f"{planned - pending} of {planned} {words}")
    if failed := failures(course):
        parts.append(f"{failed} failed")
    for name, count in troubles(course):
        if count:
            parts.append(f"{count} {name.replace('_', ' ')}")
    parts.append(f"{size_text(round(rate.bytes))}/s, {rate.requests:.0f} requests/s")
    if flights:
        parts.append(f"{len(flights)} in flight")
    return ", ".join(parts)
