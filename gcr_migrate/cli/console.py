"""The console that commands print to."""

from __future__ import annotations

import codecs
import io
import json
import sys
from typing import Final

from rich.console import Console

_ESCAPED: Final = "gcr-migrate-escaped"


class PatientConsole(Console):
    """A console whose reader may go away: the command's own exit code stays what it is."""

    def on_broken_pipe(self) -> None:
        """Go on without a reader."""
        self.quiet = True


def escape_what_cannot_be_written() -> None:
    """Let results go to a terminal or file that lacks characters: these are written as numbers.

    They are those of JSON, so that an object stays one.
    """
    codecs.register_error(_ESCAPED, _escape)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_ESCAPED)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
