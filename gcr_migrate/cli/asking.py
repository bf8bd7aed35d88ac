"""Questions of yes or no to a person, of which no is an answer and not an interruption."""

from __future__ import annotations

import sys

import typer

from gcr_migrate.errors import NOT_AGREED, MigrateError


def somebody_is_there() -> bool:
    """Whether a person can be asked: one who sees the question, and whose answer is heard."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def check_agreed(question: str, subject: str) -> None:
    """Ask a person at the terminal.

    Args:
        question: what is asked.
        subject: what it is about.

    Raises:
        MigrateError: NOT_AGREED, after a no.
        typer.Abort: nobody answered.
    """
    if not typer.confirm(question, err=True):
        raise MigrateError(NOT_AGREED, subject=subject)
