"""An answer as it comes over a connection: its head, and then its body to whoever wants it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gcr_migrate.wire import trouble
from gcr_migrate.wire.heads import Fields
from gcr_migrate.wire.pieces import taken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from gcr_migrate.interfaces import Take
    from gcr_migrate.wire.connection import Connection

_HEAD_AT_MOST: Final = 256 * 1024  # Artifact Registry's Location alone may have many kilobytes
_READ_AHEAD: Final = 256 * 1024
_INTERIM: Final = 100
_SWITCHING: Final = 101
_FINAL: Final = 200
_CUT: Final = "The body was cut short."
_SURPLUS: Final = "More came than was stated."


class Incoming:
    """Reads one answer; what it says first is known when `head` is done.

    Attributes:
        status: HTTP status.
        headers: header fields; names in any case.
        reason: words beside the status.
        head: is done when the head is there, or fails with the reason why there is none.
        is_over: whether all of it has come.
        stays: whether the server keeps the connection for another request.
        found_nobody: whether the connection ended before a byte of an answer.

    Args:
        connection: it comes over this one.
        is_bare: whether it has no body, whatever its head says of one: answers to HEAD.
    """

    def __init__(self, connection: Connection, *, is_bare: bool) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self.reason = ""
        self.is_over = False
        self.stays = False
        self.found_nobody = False
        self._loop = asyncio.get_running_loop()
        self.head: asyncio.Future[None] = self._loop.create_future()
        self._connection = connection
        self._is_bare = is_bare
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._seen = 0  # bytes since the last one of a body
        self._left: int | None = None  # bytes of the body that are to come, if that is known
        self._kept: list[bytes] = []  # what came when nobody was there to take it
        self._kept_bytes = 0
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None
        self._take: Take | None = None  # who takes what comes, while that is waited for
        self._wait: asyncio.Future[None] | None = None  # until who took it wants more

    @property
    def head_bytes(self) -> int:
        """How many bytes have come while there is no whole head."""
        return self._seen

    @property
    def slow_head(self) -> str:
        """What to say of a time-out of a head of which something came; empty for any other."""
        if self.status or not self._seen:
            return ""
        return f"too slow an answer: only {self._seen} bytes came of its head"

    # From the connection.

    def came(self, data: bytes) -> None:
        """Read what came."""
        if self._parser is None:
            self._piece(data)
            return
        self._seen += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:  # its words quote nothing
            self._end(trouble.RemoteProtocolError(_SURPLUS if self.is_over else str(error)))
            return
        if self._left is not None or self.is_over:
            self._parser = None  # what is still to come need not be looked at
        else:
            self._limit(self._seen)

    def lost(self, error: Exception | None) -> None:
        """Take note that the connection is gone; that may be the end of a body."""
        self.found_nobody = not (self.status or self._seen)
        if self.status and error is None and self._left is None and self._is_open_ended:
            self._over()
        elif self.status:
            self.fail(trouble.RemoteProtocolError(_CUT))
        elif error is None:
            words = "Server disconnected without sending a response."
            self.fail(trouble.RemoteProtocolError(words))
        else:
            failure = trouble.ReadError(getattr(error, "strerror", None) or "")
            failure.__cause__ = error
            self.fail(failure)

    def fail(self, error: Exception) -> None:
        """Take note of why no more will come; what has come whole stays so."""
        if self.is_over or self._error is not None:
            return
        self._error, self._take = error, None
        if not self.head.done():
            self.head.set_exception(error)
            self.head.exception()  # it may be that nobody waits for it any more
        self._tell()

    # From the parser.

    def on_message_begin(self) -> None:
        """Begin a head; after the answer's own there may be none."""
        self.reason = ""
        if self.status:
            self._end(trouble.RemoteProtocolError(_SURPLUS))

    def on_status(self, words: bytes) -> None:
        """Read words beside the status."""
        self.reason += words.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a field of a head; those behind a body are of no use."""
        if not self.status:
            self._raw_headers.append((name, value.rstrip()))

    def on_headers_complete(self) -> None:
        """Read the end of a head; those before the last one only say that it is to come."""
        if self._parser is None or self._error is not None:
            return
        status = self._parser.get_status_code()
        if status < _INTERIM or status == _SWITCHING:
            self._end(trouble.RemoteProtocolError(f"Its status is {status}."))
            return
        if status < _FINAL:
            self._raw_headers.clear()
            return
        if self._seen > _HEAD_AT_MOST:  # a part of which may be the body's
            self._limit(sum(len(name) + len(value) for name, value in self._raw_headers))
        self.status, self.headers = status, Fields(self._raw_headers)
        self.stays = self._keeps(self._parser.get_http_version())
        length = self.headers.get("content-length")
        if self._is_bare:
            self._over()
        elif length is not None:
            self._left = int(length)
        if not self.head.done():
            self.head.set_result(None)

    def on_body(self, data: bytes) -> None:
        """Read a part of a body."""
        self._seen = 0
        self._piece(data)

    def on_message_complete(self) -> None:
        """Read the end of a message."""
        if self.status and self._error is None:
            self._over()

    def _limit(self, size_bytes: int) -> None:
        if size_bytes > _HEAD_AT_MOST:
            self._end(trouble.RemoteProtocolError("The head is too long."))

    def _keeps(self, version: str) -> bool:
        said = self.headers.get("connection", "").lower()
        if version == "1.0":
            return "keep-alive" in said
        return "close" not in said

    @property
    def _is_open_ended(self) -> bool:
        return "chunked" not in self.headers.get("transfer-encoding", "").lower()

    # The body.

    def _piece(self, data: bytes) -> None:
        if self._error is not None:
            return
        if self._left is not None:
            self._left -= len(data)
        if self.is_over or (self._left is not None and self._left < 0):
            self._end(trouble.RemoteProtocolError(_SURPLUS))
            return
        if self._take is None:
            self._keep(data)
        else:
            try:
                wait = self._take(data)
            except Exception as error:  # noqa: BLE001  # it goes to who waits for the end
                self._end(error)
                return
            if wait is not None:
                self._wait_before_more(wait)
        if self._left == 0:
            self._over()

    def _wait_before_more(self, wait: Awaitable[None]) -> None:
        """Read no more until who took a piece wants the next one."""
        self._take, self._wait = None, asyncio.ensure_future(wait)
        self._connection.pause()
        self._tell()

    def _keep(self, data: bytes) -> None:
        """Keep a piece for who comes for it; if there are many, read no more."""
        self._kept.append(data)
        self._kept_bytes += len(data)
        if self._kept_bytes >= _READ_AHEAD:
            self._connection.pause()
        self._tell()

    def _kept_until_now(self) -> bytes:
        data = self._kept[0] if len(self._kept) == 1 else b"".join(self._kept)
        self._kept.clear()
        self._kept_bytes = 0
        return data

    def _over(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._connection.answered(stays=self.stays)
            self._tell()

    def _end(self, error: Exception) -> None:
        """End the answer and its connection, even if all had come that was stated."""
        self.is_over = False
        self.fail(error)
        self._connection.fail(error)

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _wait_for_news(self) -> None:
        self._news = self._loop.create_future()
        try:
            await self._news
        finally:
            self._news = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._kept:
            if self._error is not None:
                raise self._error
            if self.is_over:
                raise StopAsyncIteration
            await self._wait_for_news()
        data = self._kept_until_now()
        self._read_on()
        return data

    async def into(self, take: Take) -> None:
        """Give the whole body, of which nothing was read; see `Feed`."""
        try:
            while True:
                if self._wait is not None:
                    await self._wait
                    self._wait = None
                elif self._kept:
                    await taken(take, self._kept_until_now())
                elif self._error is not None:
                    raise self._error
                elif self.is_over:
                    return
                else:
                    self._take = take
                    self._read_on()
                    await self._wait_for_news()
        finally:
            self._take = None
            if self._wait is not None:
                self._wait.cancel()
                await asyncio.gather(self._wait, return_exceptions=True)

    def _read_on(self) -> None:
        if not self.is_over and self._error is None:
            self._connection.resume()
