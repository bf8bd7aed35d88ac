"""Reading what people and programs left for us: tokens, key files, configurations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gcr_migrate.errors import BAD_CREDENTIALS, MigrateError
from gcr_migrate.wire.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path


def token_of(text: str, subject: str) -> Secret:
    """Return the one token that a text holds; raise BAD_CREDENTIALS for any other text."""
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise MigrateError(BAD_CREDENTIALS, subject=subject, saw="not one line with a token")
    return Secret(token)


def text_of(path: Path) -> str:
    """Return the text of a file; raise BAD_CREDENTIALS with its path."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise MigrateError(BAD_CREDENTIALS, subject=str(path), saw="not UTF-8") from error
    except OSError as error:
        saw = error.strerror or type(error).__name__
        raise MigrateError(BAD_CREDENTIALS, subject=str(path), saw=saw) from error


def object_of(text: str, subject: str) -> dict[str, Any]:
    """Return the JSON object that a text is; the text may be secret, so no error shows it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise MigrateError(BAD_CREDENTIALS, subject=subject, saw="not a JSON object")
    return value
