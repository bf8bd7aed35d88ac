"""Files that are written as a whole: beside the old one first, and then in its place."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLOSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_STREAMS: Final = ("/dev/", "/proc/")  # names of what is open already, such as /dev/stdout


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Give the path of a draft, and put it in the place of `path` when nothing failed.

    Whoever reads `path`, and whatever ends this program, there is the old file or the new one,
    never a part. A link goes on to lead where it leads, and a file keeps its mode. What has no
    place that could be taken is written as it is: a pipe, a file in a folder where nobody may make
    another one, and one that is mounted by itself, as containers have them.

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
    try:
        draft.touch(exist_ok=False)  # with the mode that new files have here
    except OSError as error:
        if error.errno not in _CLOSED or not there.exists():
            raise
        yield there
        return
    try:
        yield draft
        if mode is not None:
            draft.chmod(mode)
        synced(draft)
        _move(draft, there)
    finally:
        draft.unlink(missing_ok=True)


def _move(draft: Path, there: Path) -> None:
    try:
        draft.replace(there)
    except OSError as error:
        if error.errno != errno.EBUSY:  # something is mounted there
            raise
        shutil.copyfile(draft, there)


def synced(path: Path) -> None:
    """Have a file's bytes on the disk before it is moved onto another one."""
    with path.open("rb") as written:
        os.fsync(written.fileno())
