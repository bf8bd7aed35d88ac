"""Events with keys, told on stderr as they come.

What writes them takes as long to load as all else that `status` needs, and many commands have
nothing to tell: so it is loaded at the first event.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger, Processor

_set_up: list[Callable[[], None]] = []  # what is still to be done before the first event


def set_up(*, as_json: bool) -> None:
    """Have events told for people, or for machines, from now on."""
    _set_up[:] = [lambda: _configure(as_json=as_json)]


def debug(event: str, /, **about: object) -> None:
    """Take note of what only who mends this program wants to know."""
    _logger().debug(event, **about)


def info(event: str, /, **about: object) -> None:
    """Tell of something that went as it should."""
    _logger().info(event, **about)


def warning(event: str, /, **about: object) -> None:
    """Tell of something that a person may want to look at."""
    _logger().warning(event, **about)


def error(event: str, /, **about: object) -> None:
    """Tell of something that went wrong."""
    _logger().error(event, **about)


def _logger() -> FilteringBoundLogger:
    import structlog  # noqa: PLC0415  # see above

    while _set_up:
        _set_up.pop()()
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def _configure(*, as_json: bool) -> None:
    import logging  # noqa: PLC0415  # see above

    import structlog  # noqa: PLC0415

    coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    last: Processor = structlog.dev.ConsoleRenderer(colors=coloured)
    if as_json:
        last = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
