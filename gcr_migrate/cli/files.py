"""Files that commands write, for people and for other programs: as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, NOT_OURS, NOT_WRITABLE, MigrateError
from gcr_migrate.model.nearest import with_question
from gcr_migrate.state.replacing import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MARK: Final = "Made by gcr-migrate"


def check_files(texts: Mapping[Path, str], *, force: bool) -> None:
    """Refuse to replace what somebody else wrote.

    Args:
        texts: what is to be written, by path.
        force: replace it anyway.

    Raises:
        MigrateError: `not-ours`; `file-missing` for what cannot be read.
    """
    for path in texts:
        try:
            there = path.read_text("utf-8", errors="replace") if path.exists() else MARK
        except OSError as error:
            saw = error.strerror or ""
            raise MigrateError(FILE_MISSING, subject=str(path), saw=saw) from error
        if not force and MARK not in there[:200]:
            raise MigrateError(NOT_OURS, subject=str(path))


def write_file(path: Path, text: str, *, runs: bool) -> None:
    """Write a file, and its folder if that is missing.

    Args:
        path: where.
        text: its text.
        runs: whether it is a program.

    Raises:
        MigrateError: `not-writable`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, 0o755 if runs else None) as draft:
            draft.write_text(text, encoding="utf-8")
    except OSError as error:
        saw = error.strerror or ""
        raise MigrateError(NOT_WRITABLE, subject=str(path), saw=saw) from error


def write_parts(path: Path, parts: Iterable[str]) -> None:
    """Write a document part by part, in the place of one that is there.

    Raises:
        MigrateError: `not-writable`.
    """
    try:
        with (
            replacing(path) as draft,
            draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            file.writelines(parts)
    except OSError as error:
        saw = error.strerror or ""
        raise MigrateError(NOT_WRITABLE, subject=str(path), saw=saw) from error


def with_near_file(error: MigrateError) -> MigrateError:
    """Return the error of a missing file with the name of the file beside it that may be meant."""
    path = Path(error.subject)
    if error.problem is not FILE_MISSING or os.path.lexists(path):
        return error
    try:
        beside = sorted(one.name for one in path.parent.iterdir())
    except OSError:
        return error
    saw = with_question(error.saw, path.name, beside)
    return MigrateError(FILE_MISSING, subject=error.subject, saw=saw)


def write_new(path: Path, text: str) -> bool:
    """Write a file, and its folder if that is missing, over nothing.

    Args:
        path: where.
        text: its text.

    Returns:
        Whether it was written; False if a file was there, which stays as it is.

    Raises:
        MigrateError: `bad-usage`, no file can be made there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            try:
                stream.write(text)
                stream.flush()
            except BaseException:
                path.unlink()  # the next run would leave a part of it alone
                raise
    except FileExistsError:
        if path.is_file():
            return False
        raise MigrateError(
            BAD_USAGE, subject=str(path), saw="no folder can be made there"
        ) from None
    except OSError as error:
        raise MigrateError(BAD_USAGE, subject=str(path), saw=error.strerror or "") from error
    return True
