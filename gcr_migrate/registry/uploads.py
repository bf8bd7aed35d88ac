"""Blobs on their way in: one PUT, hashed as it goes, never completed with wrong bytes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import Struct

from gcr_migrate.errors import (
    BAD_REPLY,
    BLOB_TOO_LARGE,
    DIGEST_MISMATCH,
    REQUEST_REFUSED,
    SERVER_ERROR,
    STOPPED,
    TOO_MANY,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED,
    UNREACHABLE,
    MigrateError,
)
from gcr_migrate.wire.pieces import NotTakenError, taken
from gcr_migrate.wire.replies import codes_of, joined, problem_of
from gcr_migrate.wire.retry import TransientError, log_retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from gcr_migrate.interfaces import Feed, Take
    from gcr_migrate.model.content import Descriptor, Digest
    from gcr_migrate.registry.auth import Admission
    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.transport import Wire

    OpenSource = Callable[[], AbstractAsyncContextManager[Feed]]

_SESSIONS_AT_MOST: Final = 4
_WRONG_READS_AT_MOST: Final = 2
# Something else happened to the session, or somebody sends the same blob at the same time.
_SESSION_LOST: Final = frozenset({404, 409, 412, 416})
_SESSION_CODES: Final = frozenset({"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"})
# Who raises these gives up in the end: quota is waited for, and new tokens are few.
_BOUNDED: Final = TOO_MANY | {UNAUTHORIZED}
# After these the target may have what was sent: its answer was lost, or came of a second try by
# whoever stands in between.
_MAY_HAVE_COME: Final = frozenset({BAD_REPLY, REQUEST_REFUSED, SERVER_ERROR, UNREACHABLE})


class Upload(Struct):
    """One blob and where it goes.

    Attributes:
        wire: connections.
        blob: what it is.
        subject: its full name, for errors.
        open_session: opens an upload session and returns its URL (OCI end-4a).
        is_there: asks whether the target has the blob (OCI end-2).
        admission: gives the Authorization for the PUT, and hears of a 401.
        on_bytes: is told of bytes as they leave; of as many negative ones when they were in vain.
    """

    wire: Wire
    blob: Descriptor
    subject: str
    open_session: Callable[[], Awaitable[str]]
    is_there: Callable[[], Awaitable[bool]]
    admission: Admission
    on_bytes: Callable[[int], None] | None = None
    _sent: int = 0

    async def run(self, open_source: OpenSource, session: str) -> None:
        """Send the blob; start over as a whole, under a new session, where that can help."""
        wrong = attempt = 0
        pause_s = 0.0
        sessions = min(_SESSIONS_AT_MOST, max(self.wire.backoff.tries, 2))
        lost: TransientError | None = None  # why it is not known whether the target has it
        while True:
            try:
                await self.wire.rest(pause_s, self.subject)
                pause_s = 0.0
                await self._once(open_source, session or await self.open_session())
            except TransientError as error:
                lost = error if self._may_have_come(error) else lost
                if await self._has_come(error):
                    return
                self._forget()
                session = ""  # whatever is left of it, its address is never used again
                if error.problem in _BOUNDED:
                    continue
                if self.wire.stops:  # all of it would be sent anew
                    saw = f"the target may have it: {lost.saw}" if lost else ""
                    raise MigrateError(STOPPED, subject=self.subject, saw=saw) from error
                attempt += 1
                wrong += error.problem is DIGEST_MISMATCH
                if wrong >= _WRONG_READS_AT_MOST or attempt == sessions:
                    raise
                pause_s = self._pause_s(attempt) + (error.after_s or 0.0)
                log_retry(error, attempt, pause_s)
                self.wire.count_again()
            except MigrateError as error:
                self._forget()
                if error.problem is STOPPED and lost:
                    saw = f"the target may have it: {lost.saw}"
                    raise MigrateError(STOPPED, subject=self.subject, saw=saw) from lost
                raise
            else:
                return

    async def _once(self, open_source: OpenSource, session: str) -> None:
        url = with_digest(session, str(self.blob.digest))
        length = self.blob.size if self.blob.size >= 0 else None
        # Not with the source's connection open and idle, if a new login takes a while.
        await self.admission.headers()
        await self.wire.pause_over("PUT", url, self.subject)
        async with open_source() as pieces:
            login = await self.admission.headers()  # again: the source may have kept us waiting
            headers = {**login, "content-type": "application/octet-stream"}
            # They are counted once they may leave: what waits for its turn has not left.
            paced = self.wire.paced(pieces)
            reply = await self.wire.send_stream(
                "PUT",
                url,
                headers=headers,
                content=_Checked(paced, self.blob, self._wrong, self._count),
                length=length,
                subject=self.subject,
            )
        await self._judge(reply)

    async def _judge(self, reply: Reply) -> None:
        if reply.status == 201:  # noqa: PLR2004  # created (OCI end-6)
            self.admission.accepted(wrote=True)
            stated = reply.headers.get("docker-content-digest")
            if names_another(stated, self.blob.digest):
                raise self._wrong(f"the target names it {str(stated)[:100]}")
            return
        if reply.status < 300:  # noqa: PLR2004  # some success: it may be there all the same
            if await self._shows():
                return
            saw = f"{reply.status} to the end of an upload"
            raise TransientError(BAD_REPLY, subject=self.subject, saw=saw)
        error = problem_of(reply, self.subject)
        if error.problem is TOO_MANY_REQUESTS:
            self.wire.quota_used_up(reply, self.subject, "PUT")
            raise error
        codes = codes_of(reply)
        if reply.status == 413:  # noqa: PLR2004  # too large, whichever session it is sent to
            raise MigrateError(BLOB_TOO_LARGE, subject=self.subject, saw=error.saw)
        if reply.status == 401:  # noqa: PLR2004  # token expired between session and PUT
            await self.admission.refused(reply)
            raise TransientError(error.problem, subject=self.subject, saw=error.saw)
        lost = reply.status in _SESSION_LOST and "NAME_UNKNOWN" not in codes
        if lost or codes & _SESSION_CODES:  # the session, not the name: a new one may do
            raise TransientError(REQUEST_REFUSED, subject=self.subject, saw=error.saw)
        if "DIGEST_INVALID" in codes:  # our hash was right, so the bytes were damaged on the way
            raise self._wrong(error.saw)
        raise error

    def _may_have_come(self, error: MigrateError) -> bool:
        """Whether the target may have all of it, as all was sent to it."""
        return self._sent == self.blob.size and error.problem in _MAY_HAVE_COME

    async def _has_come(self, error: TransientError) -> bool:
        """Whether the target has all of it though it did not say so; raise if nobody answers."""
        return self._may_have_come(error) and await self._shows()

    async def _shows(self) -> bool:
        """Whether the target says that it has the blob; raise if nobody answers."""
        try:
            return await self.is_there()
        except TransientError:
            raise
        except MigrateError:  # who may not ask can still send
            return False

    def _wrong(self, saw: str) -> TransientError:
        return TransientError(DIGEST_MISMATCH, subject=self.subject, saw=saw)

    def _count(self, sent: int) -> None:
        self._sent += sent
        if self.on_bytes:
            self.on_bytes(sent)

    def _forget(self) -> None:
        if self.on_bytes and self._sent:
            self.on_bytes(-self._sent)
        self._sent = 0

    def _pause_s(self, attempt: int) -> float:
        backoff = self.wire.backoff
        most = min(backoff.cap_s, backoff.base_s * 2 ** (attempt - 1))
        return random.uniform(0, most)  # noqa: S311  # jitter


class _Checked:
    """Gives a blob's bytes, the last of them only when all of them have the digest.

    Args:
        pieces: what is believed to be the blob.
        blob: what it must be.
        wrong: makes the error of what it is instead.
        count: is told of bytes as they are given.
    """

    def __init__(
        self,
        pieces: Feed,
        blob: Descriptor,
        wrong: Callable[[str], TransientError],
        count: Callable[[int], None],
    ) -> None:
        self._pieces = pieces
        self._blob = blob
        self._wrong = wrong
        self._count = count

    async def into(self, take: Take) -> None:
        """Give all bytes; see `Feed`."""
        hasher, size, blob = self._blob.digest.hasher(), 0, self._blob
        held = b""

        def checked(piece: bytes) -> Awaitable[None] | None:
            nonlocal size, held
            size += len(piece)
            if 0 <= blob.size < size:
                raise NotTakenError from self._wrong(f"more than {blob.size} bytes")
            hasher.update(piece)
            # Of a blob whose size is not known, each piece may be the last.
            now, held = (piece, held) if size < blob.size else (held, piece or held)
            if not now:
                return None
            self._count(len(now))
            return take(now)

        try:
            await self._pieces.into(checked)
        except NotTakenError as error:
            if isinstance(error.__cause__, TransientError):
                raise error.__cause__ from None
            raise
        if blob.size not in {-1, size}:
            raise self._wrong(f"{size} bytes instead of {blob.size}")
        if hasher.hexdigest() != blob.digest.encoded:
            raise self._wrong(f"{size} bytes that hash to {hasher.hexdigest()}")
        if held:
            self._count(len(held))
            await taken(take, held)


def location_of(reply: Reply, wire: Wire, subject: str) -> str:
    """Return the upload session of a 202; raise BAD_REPLY if it is none or at another host."""
    target = reply.headers.get("location")
    if not target:
        raise MigrateError(BAD_REPLY, subject=subject, saw="202 without a Location")
    url = joined(reply.url, target, subject)
    if not wire.same_origin(reply.url, url):
        led, asked = (f"{one.scheme}://{one.netloc}" for one in map(urlsplit, (url, reply.url)))
        saw = f"its upload leads to {led} instead of {asked}"
        raise MigrateError(BAD_REPLY, subject=subject, saw=saw)
    return url


def names_another(stated: str | None, digest: Digest) -> bool:
    """Whether a registry says that it got something else; another algorithm tells nothing."""
    comparable = stated is not None and stated.startswith(f"{digest.algorithm}:")
    return comparable and stated != str(digest)


def in_query(digest: str) -> str:
    """Return a digest as it stands in a query, where some of its characters mean something."""
    return digest.replace("+", "%2B").replace("=", "%3D").replace(":", "%3A")


def with_digest(session: str, digest: str) -> str:
    """Add the digest to a session's own query, which is not touched."""
    address, hash_sign, fragment = session.partition("#")
    joint = "?" if "?" not in address else "" if address.endswith("?") else "&"
    return f"{address}{joint}digest={in_query(digest)}{hash_sign}{fragment}"
