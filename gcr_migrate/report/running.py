"""A run as a person follows it: bars and what is in flight, or log lines without a terminal."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gcr_migrate import logs
from gcr_migrate.model.steps import CONTENT, Kind
from gcr_migrate.report.words import size_text

if TYPE_CHECKING:
    from typing import Self

    from rich.console import Console, RenderableType

    from gcr_migrate.report.course import Course, Flight
    from gcr_migrate.report.places import Places

LOGGED_EVERY_S: Final = 5.0
_LOGGED_LATER_EVERY_S: Final = 30.0  # after the first minute: logs are read later, and kept
_FIRST_TICKS_S: Final = 60.0
_DRAWN_EVERY_S: Final = 0.5
_PLACES: Final = 4  # repositories, and
_FLIGHTS: Final = 3  # blobs that are named: the rest of the terminal is the person's
_PROVISIONED: Final = (Kind.REPOSITORY, Kind.GRANT, Kind.SETTING)


class Display:
    """Shows a run while it goes on.

    Args:
        console: where progress goes: stderr.
        course: how far the run is.
        places: how far its repositories are; asked only where it is drawn.
        as_events: log lines instead of bars even on a terminal.
    """

    def __init__(
        self, console: Console, course: Course, places: Places | None = None, *, as_events: bool
    ) -> None:
        self._course = course
        self._places = places
        self._begun_at = time.monotonic()
        self._live: Live | None = None
        if console.is_terminal and not as_events:
            self._live = Live(console=console, transient=True, auto_refresh=False)

    @property
    def every_s(self) -> float:
        """Seconds between two tellings."""
        if self._live:
            return _DRAWN_EVERY_S
        is_new = time.monotonic() - self._begun_at < _FIRST_TICKS_S
        return LOGGED_EVERY_S if is_new else _LOGGED_LATER_EVERY_S

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away; results follow on stdout."""
        if self._live:
            self._live.stop()

    def tell(self) -> None:
        """Draw, or write a log line."""
        if self._live:
            if self._places:
                self._places.tick()
            self._live.update(_drawn(self._course, self._places), refresh=True)
        else:
            logs.info("apply.progress", **told(self._course))


def told(course: Course) -> dict[str, int | str]:
    """Tell how far a run is, as the keys of a log line."""
    rate, flights = course.rate, course.in_flight
    line: dict[str, int | str] = {"bytes": course.bytes_done, "of_bytes": course.bytes_total}
    for kind in Kind:
        planned, pending = course.left_at_first.planned[kind], course.pending(kind)
        if kind in CONTENT or course.left_at_first.pending[kind]:
            line |= {f"{kind.value}s".replace("ys", "ies"): planned - pending}
            line |= {f"of_{kind.value}s".replace("ys", "ies"): planned}
    if failed := failures(course):
        line["failed"] = failed
    line |= {name: count for name, count in _troubles(course) if count}
    line |= {"bytes_per_s": round(rate.bytes), "requests_per_s": round(rate.requests)}
    line |= {"in_flight": len(flights)}
    if flights and flights[0].size_bytes:
        line["largest_bytes"] = flights[0].size_bytes
    return line | {"time_left": time_text(course.time_left_s)}


def failures(course: Course) -> int:
    """Number of items that were given up in this run."""
    return sum(course.outcomes[kind, "failed"] for kind in Kind)


def _troubles(course: Course) -> tuple[tuple[str, int], ...]:
    """What kept the run back without failing anything, by the key of a log line."""
    traffic = course.traffic
    return (("refused_by_quota", traffic.refused), ("tried_again", traffic.retried))


def time_text(seconds: float | None) -> str:
    """Tell how long something takes, in the measure of how sure one can be."""
    if seconds is None:
        return "unknown"
    step = 1 if seconds < 120 else 10 if seconds < 3600 else 60  # noqa: PLR2004  # seconds
    return str(timedelta(seconds=round(seconds / step) * step))


def _drawn(course: Course, places: Places | None) -> Group:
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
    lines: list[RenderableType] = [_line(_second_line(course, are_named=places is not None))]
    if places and sum(places.counts) > 1:
        lines += _place_lines(places)
    if places:
        lines += _flight_lines(course, places)
    return Group(grid, *lines)


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


def _second_line(course: Course, *, are_named: bool) -> str:
    first, rate, flights = course.left_at_first, course.rate, course.in_flight
    parts = []
    for kind in (*_PROVISIONED, *CONTENT):
        pending, planned = course.pending(kind), first.planned[kind]
        if first.pending[kind] and (kind in CONTENT or pending):
            words = "repositories" if kind is Kind.REPOSITORY else f"{kind.value}s"
            parts.append(f"{planned - pending} of {planned} {words}")
    if failed := failures(course):
        parts.append(f"{failed} failed")
    for name, count in _troubles(course):
        if count:
            parts.append(f"{count} {name.replace('_', ' ')}")
    parts.append(f"{size_text(round(rate.bytes))}/s, {rate.requests:.0f} requests/s")
    if flights and are_named:
        parts.append(f"{len(flights)} in flight")
    elif flights:
        largest = f", the largest {size_text(flights[0].size_bytes)}"
        share = f" ({_share(course)} of what is left)" if flights[0].size_bytes else ""
        parts.append(f"{len(flights)} in flight{largest if flights[0].size_bytes else ''}{share}")
    return ", ".join(parts)


def _share(course: Course) -> str:
    largest, left = course.in_flight[0].size_bytes, course.bytes_left
    return f"{min(1.0, largest / left):.0%}" if left else "all"
