"""What libraries log, told as events: for machines each line on stderr is an object."""

from __future__ import annotations

import logging

from gcr_migrate import logs


class Told(logging.Handler):
    """Tells records of the standard library's logs as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one; see `logging.Handler`."""
        about: dict[str, object] = {"logger": record.name, "saw": record.getMessage()}
        if record.exc_info:
            about["trace"] = logging.Formatter().formatException(record.exc_info)
        tell = logs.error if record.levelno >= logging.ERROR else logs.warning
        tell("library", **about)
