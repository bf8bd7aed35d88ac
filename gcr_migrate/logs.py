"""Events with keys, told on stderr as they come.

For machines each is a JSON object on a line of its own. What writes them for people takes as long
to load as all else that `status` needs, and many commands have nothing to tell: so it is loaded at
the first event.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Tell = Callable[[str, str, dict[str, object]], None]


def set_up(*, as_json: bool) -> None:
    """Have events told for people, or for machines, from now on."""
    _tell[:] = [_for_machines if as_json else _first_for_people]


def debug(event: str, /, **about: object) -> None:
    """Take note of what only who mends this program wants to know."""
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


def _for_machines(level: str, event: str, about: dict[str, object]) -> None:
    if level == "debug":
        return
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = json.dumps({**about, "event": event, "level": level, "timestamp": now}, default=repr)
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _for_people(level: str, event: str, about: dict[str, object]) -> None:
    import structlog  # noqa: PLC0415  # see above

    getattr(structlog.get_logger(), level)(event, **about)


def _first_for_people(level: str, event: str, about: dict[str, object]) -> None:
    if level == "debug":  # nothing is loaded for what is not told, such as that files ran out
        return
    import logging  # noqa: PLC0415  # see above

    import structlog  # noqa: PLC0415

    coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=coloured),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _tell[:] = [_for_people]
    _for_people(level, event, about)


_tell: list[Tell] = [_for_people]  # the one that is used
