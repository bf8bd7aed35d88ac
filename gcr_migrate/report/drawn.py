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
    from collections.abc import Iterable
    from typing import Self

    from rich.console import Console, RenderableType

    from gcr_migrate.report.course import Course, Flight
    from gcr_migrate.report.places import Places

_DRAWN_EVERY_S: Final = 0.5
_PLACES: Final = 4  # repositories, and
_FLIGHTS: Final = 3  # blobs that are named: the rest of the terminal is the person's
_LINES: Final = 2  # of sums, where one is not enough
_WHAT: Final = "apply"
_BAR: Final = 8  # columns that a bar has at least
_WIDE: Final = 60  # columns of a terminal in which names have room beside bars
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
        width = self._live.console.width
        self._live.update(_drawn(self._course, self._places, width), refresh=True)


def _drawn(course: Course, places: Places, width: int) -> Group:
    """Draw a run so wide that no number is cut: what matters least is left out."""
    moved = f"{size_text(course.bytes_done)} of {size_text(course.bytes_total)}"
    left = time_text(course.time_left_s)
    both, alone = f"{moved}, time left {left}", f"time left {left}"
    told = _fitting((both, alone), width - len(_WHAT) - _BAR - 2)
    head = _bar(course, told) if told else _line(_fitting((alone, left), width))
    failed = failures(course)
    parts = [f"{failed} failed"] if failed else []
    parts += [*([] if told == both else [moved]), *_parts(course)]
    lines: list[RenderableType] = [head, *map(_line, _flowed(parts, width))]
    if sum(places.counts) > 1:
        lines += _place_lines(places, width)
    return Group(*lines, *_flight_lines(course, places, width))


def _bar(course: Course, told: str) -> Table:
    first = course.left_at_first
    planned = sum(first.planned[kind] for kind in CONTENT)
    done = planned - sum(course.pending(kind) for kind in CONTENT)
    by_bytes = course.bytes_total > 0
    shares = (course.bytes_done, course.bytes_total) if by_bytes else (done, planned)
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_row(_WHAT, ProgressBar(completed=shares[0], total=max(1, shares[1])), told)
    return grid


def _fitting(texts: Iterable[str], width: int) -> str:
    """Return the first of these texts that is no wider, or nothing."""
    return next((text for text in texts if len(text) <= width), "")


def _flowed(parts: Iterable[str], width: int) -> list[str]:
    """Lay parts out on a few lines, the first ones first; those that find no room are left out."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}, {part}" if lines else part
        if len(joined) <= width:
            lines[-1:] = [joined]
        elif len(lines) < _LINES and len(part) <= width:
            lines.append(part)
    return lines


def _line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _place_lines(places: Places, width: int) -> list[RenderableType]:
    """Draw the repositories that move, and count the others."""
    shown = places.busiest(_PLACES)
    with_bar = width >= _WIDE
    word = " items" if with_bar else ""
    counts = [f"{one.ended} of {one.planned}{word}" for one in shown]
    beside = max(map(len, counts), default=0) + 1 + (_BAR + 1 if with_bar else 0)
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=max(1, width - beside))
    if with_bar:
        grid.add_column(ratio=1, min_width=_BAR)
    grid.add_column(no_wrap=True, justify="right")
    for one, count in zip(shown, counts, strict=True):
        bar = [ProgressBar(completed=one.ended, total=one.planned)] if with_bar else []
        grid.add_row(f"  {one.name}", *bar, count)
    ended, begun, untouched = places.counts
    rest = {"done": ended, "under way": begun - len(shown), "not begun": untouched}
    told = ", ".join(f"{count} {word}" for word, count in rest.items() if count > 0)
    more = _fitting((f"  repositories: {told}", f"  {told}"), width) if told else ""
    return [*([grid] if shown else []), *([_line(more)] if more else [])]


def _flight_lines(course: Course, places: Places, width: int) -> list[RenderableType]:
    """Name the largest blobs that are in flight."""
    largest = [one for one in course.in_flight if one.kind is Kind.BLOB][:_FLIGHTS]
    lines = []
    for one in largest:
        size = f"  {size_text(one.size_bytes):>10}"
        head = _fitting((f"{size} for {_age(course, one)}", size), width)
        # A name is the one thing that tells something when it is cut.
        named = f"{head}  {places.name_of(one)}"
        lines.append(_line(named if len(head) + _BAR <= width else head))
    return [*lines]


def _age(course: Course, flight: Flight) -> str:
    return time_text(course.age_s(flight))


def _parts(course: Course) -> list[str]:
    """Tell what else there is to tell of a run, what matters most first."""
    first, rate, flights = course.left_at_first, course.rate, course.in_flight
    parts = []
    for kind in (*_PROVISIONED, *CONTENT):
        pending, planned = course.pending(kind), first.planned[kind]
        if first.pending[kind] and (kind in CONTENT or pending):
            words = "repositories" if kind is Kind.REPOSITORY else f"{kind.value}s"
            parts.append(f"{planned - pending} of {planned} {words}")
    parts += [f"{size_text(round(rate.bytes))}/s", f"{rate.requests:.0f} requests/s"]
    parts += [f"{count} {name.replace('_', ' ')}" for name, count in troubles(course) if count]
    if flights:
        parts.append(f"{len(flights)} in flight")
    return parts
