"""Blobs on their way out: one stream for the reader, in as many requests as it takes.

A blob that is longer than one answer may be comes in ranges, and one that breaks off goes on
where it stopped. Who reads checks the hash over the whole, so no range has to be trusted.
"""

from __future__ import annotations

import random
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import logs
from gcr_migrate.errors import BAD_REPLY, BLOB_UNKNOWN, MigrateError
from gcr_migrate.wire.replies import says_unknown, words_of
from gcr_migrate.wire.retry import TransientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gcr_migrate.interfaces import Feed, Take
    from gcr_migrate.model.content import Descriptor
    from gcr_migrate.registry.auth import Admission
    from gcr_migrate.wire.stream import Stream
    from gcr_migrate.wire.transport import Wire

_WHOLE, _PART, _UNAUTHORIZED, _NOT_FOUND, _NO_SUCH_RANGE = 200, 206, 401, 404, 416
_ANSWERS: Final = frozenset({_WHOLE, _PART, _UNAUTHORIZED, _NOT_FOUND, _NO_SUCH_RANGE})
_CONTENT_RANGE: Final = re.compile(r"bytes\s+(\d{1,19})-\d+/(?:\d+|\*)", re.IGNORECASE)
_BREAKS_AT_MOST: Final = 4  # in a row, with little or nothing in between
_LITTLE: Final = 1024 * 1024


class _NoRangeError(TransientError):
    """The registry does not give just these bytes: whoever reads has to start over."""

    def after(self, broke: TransientError) -> TransientError:
        """Return what broke off, which this is no cause of, with this as its end."""
        saw = f"{broke.saw}; and to go on: {self.saw}"
        return TransientError(broke.problem, subject=self.subject, saw=saw)


class Download(Struct):
    """One blob and where it comes from.

    Attributes:
        wire: connections.
        blob: what it is.
        url: its URL at the registry; each range is asked for there, and redirected by itself.
        subject: its full name, for errors.
        at_once: bytes that one answer has at most; None for no limit.
        admission: gives each request its Authorization, and hears of a 401.
    """

    wire: Wire
    blob: Descriptor
    url: str
    subject: str
    at_once: int | None
    admission: Callable[[], Admission]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Feed]:
        """Ask for the blob; its bytes can be had while the block runs.

        Raises:
            MigrateError: BLOB_UNKNOWN, and what else the registry answers instead.
            TransientError: it breaks off, and cannot be gone on with.
        """
        async with AsyncExitStack() as part:
            yield _Parts(self, part, await self.part(part, 0))

    async def parts(self, part: AsyncExitStack, stream: Stream, take: Take) -> None:
        """Give the bytes of all parts, one after the other."""
        at = breaks = 0
        opened: Stream | None = stream
        broke: TransientError | None = None  # why to go on, as long as nothing came by that

        def counted(piece: bytes) -> Awaitable[None] | None:
            nonlocal at
            at += len(piece)
            return take(piece)

        while True:
            began = at
            try:
                opened = opened or await self.part(part, at)
                await opened.into(counted)
                if opened.status == _WHOLE or at >= self.blob.size:
                    return
                if at == began:
                    raise self._no_range(f"nothing came from {at} on")
                broke = None
                if at - began >= min(_LITTLE, self.at_once or _LITTLE):
                    breaks = 0
                elif (breaks := breaks + 1) >= _BREAKS_AT_MOST:
                    raise self._no_range(f"{breaks} answers in a row had little of what was asked")
            except TransientError as error:
                breaks = breaks + 1 if at - began < _LITTLE else 1
                if isinstance(error, _NoRangeError) and broke:
                    raise error.after(broke) from error
                if not self._may_go_on(error, breaks):
                    raise
                broke = error if at > began or broke is None else broke
                logs.debug("blob.broke", subject=self.subject, at=at, saw=error.told)
                await part.aclose()
                await self._pause(breaks)
                self.wire.count_again()
            opened = None
            await part.aclose()

    def _may_go_on(self, error: TransientError, breaks: int) -> bool:
        """Whether to ask for the rest, while whoever it is sent to waits for it."""
        most = min(_BREAKS_AT_MOST, max(self.wire.backoff.tries, 2))
        hopeless = isinstance(error, _NoRangeError) or error.after_s
        return self.blob.size >= 0 and breaks < most and not hopeless

    async def part(self, part: AsyncExitStack, at: int) -> Stream:
        """Ask for the bytes from here on."""
        wanted, admission = self._range(at), self.admission()
        while True:
            login = await admission.headers()
            stream = await part.enter_async_context(
                self.wire.stream(
                    self.url, ok=_ANSWERS, headers=login | wanted, subject=self.subject
                )
            )
            if stream.status in {_WHOLE, _PART} and _begins_at(stream, at):
                admission.accepted()
                return stream
            if stream.status in {_WHOLE, _PART, _NO_SUCH_RANGE}:
                raise self._no_range(f"{stream.status} is no answer to bytes from {at} on")
            reply = await stream.reply()
            await part.aclose()
            if reply.status == _NOT_FOUND:
                # Without a reason it may be whoever stands in between, or where this led to.
                unknown = MigrateError if says_unknown(reply) else TransientError
                raise unknown(BLOB_UNKNOWN, subject=self.subject, saw=words_of(reply))
            await admission.refused(reply)

    def _range(self, at: int) -> dict[str, str]:
        if self.at_once and self.blob.size > self.at_once:
            last = min(at + self.at_once, self.blob.size) - 1
            return {"range": f"bytes={at}-{last}"}
        return {"range": f"bytes={at}-"} if at else {}

    def _no_range(self, saw: str) -> _NoRangeError:
        return _NoRangeError(BAD_REPLY, subject=self.subject, saw=saw)

    async def _pause(self, breaks: int) -> None:
        backoff = self.wire.backoff
        most = min(backoff.cap_s, backoff.base_s * 2 ** (breaks - 1))
        await self.wire.rest(random.uniform(0, most), self.subject)  # noqa: S311  # jitter


class _Parts(Struct):
    """The bytes of a download that was opened.

    Attributes:
        download: of what.
        part: what is open of it.
        first: its first answer.
    """

    download: Download
    part: AsyncExitStack
    first: Stream

    async def into(self, take: Take) -> None:
        """Give all bytes; see `Feed`."""
        await self.download.parts(self.part, self.first, take)


def _begins_at(stream: Stream, at: int) -> bool:
    if stream.status == _WHOLE:
        return at == 0
    found = _CONTENT_RANGE.fullmatch(stream.headers.get("content-range", "").strip())
    return found is not None and int(found[1]) == at
