"""The standard streams, which may be closed, on a full disk, or left by who read them."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO

from gcr_migrate.errors import OUTPUT_LOST, MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed import ReadableBuffer

_IN: Final = 0
_OUT: Final = 1
_ERR: Final = 2
_ESCAPED: Final = "gcr-migrate-escaped"


class ReaderGoneError(BrokenPipeError):
    """Who read the results went away: nobody need go on telling."""


class _Patient(io.FileIO):
    """Takes all that is written, also what cannot be: what runs goes on to its end.

    Attributes:
        trouble: what was met first.
    """

    trouble: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes, or drop them after a trouble.

        Raises:
            ReaderGoneError: once, and for results only.
        """
        try:
            if self.trouble is None:
                return super().write(data)
        except OSError as error:
            self.trouble = error
            if isinstance(error, BrokenPipeError) and self.fileno() == _OUT:
                raise ReaderGoneError from error
        return memoryview(data).nbytes


def set_up_streams() -> None:
    """Let no stream be missing, nor any trouble with it stop what runs."""
    if sys.stdin is None:
        _to_nowhere(_IN, os.O_RDONLY)
        sys.stdin = open(_IN, closefd=False)  # noqa: SIM115  # the stream has no path
    sys.stdout = _patient(sys.stdout, _OUT)
    sys.stderr = _patient(sys.stderr, _ERR)


def escape_what_cannot_be_written() -> None:
    """Let results go to a terminal or file that lacks characters: these are written as numbers.

    They are those of JSON, so that an object stays one.
    """
    codecs.register_error(_ESCAPED, _escape)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_ESCAPED)


def write(parts: Iterable[str]) -> None:
    """Write parts of a text to stdout as they come, and nothing between them.

    Who reads it may leave: the command's own exit code stays what it is.
    """
    escape_what_cannot_be_written()
    with suppress(BrokenPipeError):
        for part in parts:
            sys.stdout.write(part)
        sys.stdout.flush()


def check_output() -> None:
    """See to it that all results are where they should be; a reader may leave when it likes.

    Raises:
        ReaderGoneError, MigrateError: `output-lost`.
    """
    sys.stdout.flush()
    raw = sys.stdout.buffer.raw if isinstance(sys.stdout, io.TextIOWrapper) else None
    trouble = raw.trouble if isinstance(raw, _Patient) else None
    if trouble and not isinstance(trouble, BrokenPipeError):
        saw = trouble.strerror or ""
        raise MigrateError(OUTPUT_LOST, subject="standard output", saw=saw)


def _patient(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        _to_nowhere(number, os.O_WRONLY)
    buffer = io.BufferedWriter(_Patient(number, "wb", closefd=False))
    if not isinstance(stream, io.TextIOWrapper):
        return io.TextIOWrapper(buffer, "utf-8", "backslashreplace")
    return io.TextIOWrapper(
        buffer,
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _to_nowhere(number: int, way: int) -> None:
    """Open what was closed: the next file that is opened must not be taken for it."""
    nowhere = os.open(os.devnull, way)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
