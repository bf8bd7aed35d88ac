"""A reply whose body comes piece by piece."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import UNREACHABLE
from gcr_migrate.wire.failures import FAILURES, named
from gcr_migrate.wire.replies import Reply
from gcr_migrate.wire.retry import TransientError
from gcr_migrate.wire.unpacking import unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.interfaces import Take
    from gcr_migrate.wire.sender import Answer, Limits

_ERROR_BODY_AT_MOST: Final = 64 * 1024
_LEAST_BYTES_PER_S: Final = 1024  # many share a slow line, and lists have megabytes


class Stream(Struct):
    """A reply whose body is still to be read.

    Attributes:
        status: HTTP status.
        headers: header fields; names in any case.
        url: the URL, with the real host, that gave it; never to be shown.
    """

    status: int
    headers: Mapping[str, str]
    url: str
    _answer: Answer
    _subject: str
    _limits: Limits
    _secrets: tuple[str, ...]  # of the request

    async def into(self, take: Take) -> None:
        """Give the body's bytes; one that was cut short is BAD_REPLY (transient)."""
        try:
            await self._answer.into(take)
        except FAILURES as error:
            raise named(error, self._subject, limits=self._limits) from error

    async def reply(self) -> Reply:
        """Read a short body to its end, for its error."""
        return await self.whole(_ERROR_BODY_AT_MOST)

    async def whole(self, at_most: int) -> Reply:
        """Read the body up to a number of bytes, and a little beyond it.

        Raises:
            TransientError: UNREACHABLE where it comes byte by byte, which could go on for days.
        """
        pieces, size = [], 0
        clock = asyncio.timeout(self._limits["read"])
        try:
            async with clock:
                due = clock.when()
                async for piece in self._answer:
                    pieces.append(piece)
                    size += len(piece)
                    if size > at_most:
                        break
                    if due is not None:
                        clock.reschedule(due + size / _LEAST_BYTES_PER_S)
            body = _unpacked(self._answer, b"".join(pieces), at_most)
        except FAILURES as error:
            if clock.expired():
                saw = f"too slow an answer: only {size} bytes came of it"
                raise TransientError(UNREACHABLE, subject=self._subject, saw=saw) from error
            raise named(error, self._subject, limits=self._limits) from error
        return Reply(self.status, self.headers, body, self.url, self._secrets)

    async def aclose(self) -> None:
        """Give the connection back, or drop it if something is still to come."""
        await self._answer.aclose()


def _unpacked(answer: Answer, body: bytes, at_most: int) -> bytes:
    """Return a body as it was before a server packed it, though it was asked not to."""
    packed = answer.headers.get("content-encoding")
    return unpacked(body, packed, at_most) if packed else body
