"""A run as it is told where nobody watches: by a log line every few seconds."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gcr_migrate import logs
from gcr_migrate.model.steps import CONTENT, Kind

if TYPE_CHECKING:
    from typing import Self

    from gcr_migrate.report.course import Course

LOGGED_EVERY_S: Final = 5.0
_LOGGED_LATER_EVERY_S: Final = 30.0  # after the first minute: logs are read later, and kept
_FIRST_TICKS_S: Final = 60.0


class Lines:
    """Logs a run while it goes on.

    Args:
        course: how far the run is.
    """

    def __init__(self, course: Course) -> None:
        self._course = course
        self._begun_at = time.monotonic()

    @property
    def every_s(self) -> float:
        """Seconds between two tellings."""
        is_new = time.monotonic() - self._begun_at < _FIRST_TICKS_S
        return LOGGED_EVERY_S if is_new else _LOGGED_LATER_EVERY_S

    def __enter__(self) -> Self:
        """Begin; there is nothing to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """End; lines stay."""

    def tell(self) -> None:
        """Write a log line."""
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
    line |= {name: count for name, count in troubles(course) if count}
    line |= {"bytes_per_s": round(rate.bytes), "requests_per_s": round(rate.requests)}
    line |= {"in_flight": len(flights)}
    if flights and flights[0].size_bytes:
        line["largest_bytes"] = flights[0].size_bytes
    return line | {"time_left": time_text(course.time_left_s)}


def failures(course: Course) -> int:
    """Number of items that were given up in this run."""
    return sum(course.outcomes[kind, "failed"] for kind in Kind)


def troubles(course: Course) -> tuple[tuple[str, int], ...]:
    """What kept the run back without failing anything, by the key of a log line."""
    traffic = course.traffic
    return (("refused_by_quota", traffic.refused), ("tried_again", traffic.retried))


def time_text(seconds: float | None) -> str:
    """Tell how long something takes, in the measure of how sure one can be."""
    if seconds is None:
        return "unknown"
    step = 1 if seconds < 120 else 10 if seconds < 3600 else 60  # noqa: PLR2004  # seconds
    return str(timedelta(seconds=round(seconds / step) * step))
