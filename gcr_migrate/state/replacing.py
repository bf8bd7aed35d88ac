"""Files that are written as a whole: beside the old one first, and then in its place."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_STREAMS: Final = ("/dev/", "/proc/")  # names of what is open already, such as /dev/stdout


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Give the path of a draft, and put it in the place of `path` when nothing failed.

    Whoever reads `path`, and whatever ends this program, there is the old file or the new one,
    never a part. A link goes on to lead where it leads, and a file keeps its mode. What is no
    file, such as a pipe, has no place that could be taken: it is its own draft.

    Args:
        path: the file.
        mode: what it may be used for after that; None: as before, and as new files here.

    Raises:
        OSError: it cannot be written there; what was there is as it was.
    """
    if str(path.absolute()).startswith(_STREAMS) or (path.exists() and not path.is_file()):
        yield path
        return
    there = Path(os.path.realpath(path))
    if there.exists():
        if not os.access(there, os.W_OK):  # which moving alone would not heed
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        mode = mode or stat.S_IMODE(there.stat().st_mode)
    draft = there.with_name(f".gcr-migrate.{secrets.token_hex(4)}.draft")
    draft.touch(exist_ok=False)  # with the mode that new files have here
    try:
        yield draft
        if mode is not None:
            draft.chmod(mode)
        synced(draft)
        draft.replace(there)
    finally:
        draft.unlink(missing_ok=True)


def synced(path: Path) -> None:
    """Have a file's bytes on the disk before it is moved onto another one."""
    with path.open("rb") as written:
        os.fsync(written.fileno())
