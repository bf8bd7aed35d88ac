"""Where the memory of alarms lies, and how two runs at once do not overwrite each other."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from typing import TYPE_CHECKING, Final

from gcr_migrate.alarm.memory import LARGEST, Memory
from gcr_migrate.errors import ALARM_STATE_BUSY, BAD_ALARM_STATE, FILE_MISSING, MigrateError
from gcr_migrate.state.replacing import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gcr_migrate.interfaces import Kept

_TRIES: Final = 5


class LocalFile:
    """A file of this machine (`interfaces.Kept`).

    Args:
        path: where it lies.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    async def read(self) -> tuple[bytes, str] | None:
        """Return its bytes and a hash of them; see `Kept`."""
        data = self._read()
        return None if data is None else (data, _version(data))

    async def write(self, data: bytes, version: str) -> bool:
        """Replace it in one move; see `Kept`."""
        with self._translated(), self._alone():
            now = self._read()
            if (_version(now) if now is not None else "") != version:
                return False
            with replacing(self._path) as draft:
                draft.write_bytes(data)
        return True

    def _read(self) -> bytes | None:
        with self._translated():
            try:
                with self._path.open("rb") as file:
                    data = file.read(LARGEST + 1)
            except FileNotFoundError:
                if not self._path.parent.is_dir():
                    raise
                return None
        if len(data) > LARGEST:
            saw = f"more than {LARGEST} bytes"
            raise MigrateError(BAD_ALARM_STATE, subject=self.name, saw=saw)
        return data

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder: a lock of the file itself would be lost with the file it replaces."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            saw = error.strerror or type(error).__name__
            raise MigrateError(FILE_MISSING, subject=self.name, saw=saw) from error


async def recall(place: Kept) -> tuple[Memory, str]:
    """Read the memory and its version; an empty one where there is none yet.

    Raises:
        MigrateError: `bad-alarm-state`; or it cannot be read.
    """
    found = await place.read()
    if found is None:
        return Memory.empty(), ""
    return Memory.read(found[0], place.name), found[1]


async def keep(place: Kept, learned: Callable[[Memory], Memory]) -> None:
    """Write what was learned; over what somebody else wrote meanwhile it is learned anew.

    Args:
        place: where the memory lies.
        learned: makes the new memory of the present one.

    Raises:
        MigrateError: `alarm-state-busy`, somebody else kept writing; or it cannot be read or
            written. The memory is as it was then.
    """
    for _ in range(_TRIES):
        memory, version = await recall(place)
        after = learned(memory)
        if after.targets == memory.targets or await place.write(after.written(), version):
            return
    saw = f"it changed {_TRIES} times while it was to be written"
    raise MigrateError(ALARM_STATE_BUSY, subject=place.name, saw=saw)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
