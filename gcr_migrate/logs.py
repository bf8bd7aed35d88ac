"""Events with keys, told on stderr as they come.

For machines each is a JSON object on a line of its own. What writes them for people takes as long
to load as all else that `status` needs, and many commands have nothing to tell: so it is loaded at
the first event.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Tell = Callable[[str, str, dict[str, object]], None]

LEVELS: Final = ("debug", "info", "warning", "error")
USUAL: Final = "info"
_DUMB: Final = frozenset({"dumb", "unknown"})  # kinds of terminals that would show colours as signs


def set_up(*, as_json: bool, least: str = USUAL) -> None:
    """Have events told for people, or for machines, from now on.

    Args:
        as_json: for machines.
        least: level of the least of them that is told, one of `LEVELS`.
    """
    told = LEVELS[LEVELS.index(least) :]
    _tell[:] = [functools.partial(_for_machines if as_json else _first_for_people, told)]


def debug(event: str, /, **about: object) -> None:
    """Tell of what is over already, to who wants to know why a run is slow."""
    _tell[0]("debug", event, about)


def info(event: str, /, **about: object) -> None:
    """Tell of something that went as it should."""
    _tell[0]("info", event, about)


def warning(event: str, /, **about: object) -> None:
    """Tell of something that a person may want to look at."""
    _tell[0]("warning", event, about)


def error(event: str, /, **about: object) -> None:
    """Tell of something that went wrong."""
    _tell[0]("error", event, about)


def _for_machines(told: tuple[str, ...], level: str, event: str, about: dict[str, object]) -> None:
    if level not in told:
        return
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = json.dumps({**about, "event": event, "level": level, "timestamp": now}, default=repr)
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _for_people(level: str, event: str, about: dict[str, object]) -> None:
    import structlog  # noqa: PLC0415  # see above

    getattr(structlog.get_logger(), level)(event, **about)


def _first_for_people(
    told: tuple[str, ...], level: str, event: str, about: dict[str, object]
) -> None:
    if level not in told:  # nothing is loaded for what is not told, such as that files ran out
        return
    try:
        import structlog  # noqa: PLC0415  # see above
    except OSError:  # no descriptor is left to load it by; the next event may have one
        _for_machines(told, level, event, about)
        return
    can_colour = os.environ.get("TERM", "").lower() not in _DUMB and "NO_COLOR" not in os.environ
    coloured = sys.stderr.isatty() and can_colour
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=coloured),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(told[0]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _tell[:] = [_for_people]
    _for_people(level, event, about)


_tell: list[Tell] = [_for_people]  # the one that is used
