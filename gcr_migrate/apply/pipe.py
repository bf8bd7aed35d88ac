"""What a run and its worker processes say to each other, and how it goes through a pipe.

Both ends are this program, of this version: what goes through are its own values, pickled.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from gcr_migrate.errors import MigrateError
    from gcr_migrate.model.limits import Asked
    from gcr_migrate.model.work import Work
    from gcr_migrate.wire.traffic import Traffic

ALIVE_EVERY_S: Final = 2.0
_LENGTH: Final = struct.Struct("!I")


class Task(Struct, frozen=True):
    """To a worker: work to do, and the number under which its end is told."""

    number: int
    work: Work[Any]


class Done(Struct, frozen=True):
    """From a worker: the work of that number gave this, or failed."""

    number: int
    gave: object = None
    error: MigrateError | None = None


class Moved(Struct, frozen=True):
    """From a worker: what has moved since it told this last.

    Attributes:
        count: bytes that left for the target.
        traffic: requests that it sent.
    """

    count: int
    traffic: Traffic


class Alive(Struct, frozen=True):
    """From a worker, every `ALIVE_EVERY_S`: it goes on, though it may have nothing to tell."""


class Refused(Struct, frozen=True):
    """From a worker and on to all others: a quota is used up.

    Attributes:
        service: whose it is.
        after_s: seconds that the service asked to wait, None if it did not say.
        part: which part of the service refused.
        writes: whether it refused a write.
        subject: what the request was about.
    """

    service: str
    after_s: float | None
    part: str = ""
    writes: bool = False
    subject: str = ""


class Alone(Struct, frozen=True):
    """From a worker and on to all others: what was refused before is a matter of this part alone.

    Attributes:
        service: whose it is.
        part: which part of the service refused.
        subject: what alone of it was refused; empty: all of it.
    """

    service: str
    part: str
    subject: str = ""


class Stop(Struct, frozen=True):
    """To a worker: what has to wait for its turn is not begun any more."""


class Ended(Struct, frozen=True):
    """From a worker, as its last word: what it asked of each service."""

    asked: dict[str, Asked]


class Broken(Struct, frozen=True):
    """From a worker: a defect stopped it; the text says where, without values."""

    where: str


async def receive(reader: asyncio.StreamReader) -> Any:
    """Return the next value; None when the other end is gone."""
    try:
        head = await reader.readexactly(_LENGTH.size)
        return pickle.loads(await reader.readexactly(_LENGTH.unpack(head)[0]))  # noqa: S301  # ours
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def send(writer: asyncio.StreamWriter, value: object) -> None:
    """Put a value into the pipe; nothing happens when the other end is gone."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    if not writer.is_closing():
        writer.write(_LENGTH.pack(len(body)) + body)
