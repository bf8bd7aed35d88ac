"""Files that a run writes: each one its own, and none of those that it reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import BAD_USAGE, MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DATABASE: Final = b"SQLite format 3\0"


def check_apart(written: Mapping[str, Path | None], read: Iterable[str | Path | None]) -> None:
    """Refuse to write over what is read, over a database, or over a device.

    A baseline that is overwritten by a report of the night is lost.

    Args:
        written: by option, the file that it names; None where it is not given.
        read: names of files, and perhaps of other things.

    Raises:
        MigrateError: `bad-usage`.
    """
    taken = {_place(one): f"{one} is read" for one in read if one}
    for option, path in written.items():
        if path is None:
            continue
        place = _place(path)
        saw = taken.get(place) or _unfit(path)
        if saw:
            raise MigrateError(BAD_USAGE, subject=f"{option} {path}", saw=saw)
        taken[place] = f"{option} writes it too"


def _place(path: str | Path) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # no name of a file
        return str(path)


def _unfit(path: Path) -> str:
    """Return why a file is not replaced; empty if it may be, or whoever writes it tells why not."""
    try:
        if path.is_dir() or not path.exists():
            return ""
        if not path.is_file():
            return "it is a device, and no file that could be replaced"
        with path.open("rb") as file:
            is_database = file.read(len(_DATABASE)) == _DATABASE
    except OSError:
        return ""
    return "it is a database, which would be lost" if is_database else ""
