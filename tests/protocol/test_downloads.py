"""Blobs that come in several answers: whatever breaks, the reader gets its bytes or an error."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcr_migrate.errors import MigrateError
from gcr_migrate.google.credentials import Credentials
from gcr_migrate.model.content import Descriptor, Digest
from gcr_migrate.model.dialect import DISTRIBUTION, Dialect
from gcr_migrate.model.login import Login
from gcr_migrate.registry.client import RegistryClient
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pilot import Pilot
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import IDLE_S, Wire
from tests.asking import using
from tests.feeds import whole
from tests.scripted import Answer, Asked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DATA = bytes(range(251)) * 12_000  # 3 MB
BLOB = Descriptor("application/octet-stream", Digest.of(DATA), len(DATA))
_RANGE = re.compile(r"(?im)^range: bytes=(\d+)-(\d*)")
_PIECE = 1 << 16


@dataclass
class Giver:
    """A registry with one blob, which redirects to itself under another name.

    Attributes:
        breaks: after how many bytes each answer breaks off; None or the end of the list: never.
        ranges: how a range is answered: `right`, `none` (all of it, with 200), `wrong` (another
            range), `refused` (416), or `unstated` (206 without a Content-Range); `right twice`:
            two are, and the others `none`.
        stalls: what breaks off does so by sending nothing more.
        statuses: of the next answers instead of bytes; 0 for bytes.
        own: of the next answers of the registry instead of a redirect; 0 for one.
        asked: the range of each request, as first and last byte; an empty text for none.
        redirected: how many requests came to the registry itself.
    """

    breaks: list[int | None] = field(default_factory=list)
    ranges: str = "right"
    stalls: bool = False
    statuses: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    redirected: int = 0
    url: str = ""
    _handlers: list[asyncio.Task[object]] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Giver]:
        """Listen while the block runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            self.url = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self
        await asyncio.gather(*self._handlers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.append(task)
        with suppress(OSError, EOFError):
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await self._answer(head, writer)
                if self.stalls:
                    await reader.read()  # until who asked has enough of it
            finally:
                writer.close()
                await writer.wait_closed()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        target = head.split(" ", 2)[1]
        if target.startswith("/v2/"):
            self.redirected += "/blobs/" in target
            other = self.url.replace("127.0.0.1", "localhost")  # another origin
            fields = (
                f"Location: http://{other}/there?signature=1\r\n" if "/blobs/" in target else ""
            )
            status = 302 if fields else 200
            if fields and self.own:
                status = self.own.pop(0) or status
            writer.write(_head(status, 0, fields))
            return
        found = _RANGE.search(head)
        self.asked.append(f"{found[1]}-{found[2]}" if found else "")
        status = self.statuses.pop(0) if self.statuses else 0
        if status:
            writer.write(_head(status, 0))
            return
        await self._give(found, writer)

    async def _give(self, found: re.Match[str] | None, writer: asyncio.StreamWriter) -> None:
        if found and self.ranges == "refused":
            writer.write(_head(416, 0))
            return
        first, last = 0, len(DATA) - 1
        fields, status = "", 200
        is_late = self.ranges == "right twice" and len(self.asked) > 2
        if found and self.ranges != "none" and not is_late:
            first = int(found[1]) - (self.ranges == "wrong")
            last, status = min(int(found[2] or last), last), 206
            fields = f"Content-Range: bytes {first}-{last}/{len(DATA)}\r\n"
            fields = "" if self.ranges == "unstated" else fields
            if self.ranges == "endless":
                fields = fields.replace(f"bytes {first}", f"bytes {'9' * 5000}")
        body = DATA[first : last + 1]
        if found and self.ranges == "tiny":
            body = body[:1]
        writer.write(_head(status, len(body), fields))
        broken_at = self.breaks.pop(0) if self.breaks else None
        for at in range(0, len(body) if broken_at is None else broken_at, _PIECE):
            writer.write(body[at : min(at + _PIECE, len(body) if broken_at is None else broken_at)])
            await writer.drain()


def _head(status: int, length: int, fields: str = "") -> bytes:
    lines = f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{fields}\r\n"
    return lines.encode()


def read(
    giver: Giver,
    *,
    at_once: int | None = None,
    tries: int = 4,
    idle_s: float = IDLE_S,
    pilot: Pilot | None = None,
) -> bytes:
    """Read the blob through the client."""

    async def work() -> bytes:
        backoff = Backoff(tries, base_s=0.001)
        wire = Wire(Endpoints(), backoff, pilot=pilot, idle_s=idle_s)
        async with giver.running(), wire:
            wire.allow_plain(giver.url.replace("127.0.0.1", "localhost"))
            dialect = Dialect("x", True, None, None, True, False, read_bytes_at_most=at_once)  # noqa: FBT003
            client = RegistryClient(giver.url, wire, Credentials(Login(), {}, wire), dialect)
            async with client.open_blob("app", BLOB) as feed:
                return await whole(feed)

    return asyncio.run(work())


def failure(giver: Giver, **more: Any) -> MigrateError:
    """Return the error that a reading ends with."""
    with pytest.raises(MigrateError) as raised:
        read(giver, **more)
    assert "signature" not in str(raised.value)
    return raised.value


def test_a_reading_that_breaks_goes_on_where_it_stopped() -> None:
    """Only the rest is asked for, at the registry itself, whose redirect may lead elsewhere now."""
    giver = Giver(breaks=[1_500_000, 1_000])
    assert read(giver) == DATA
    assert giver.asked[0] == ""
    assert [one.endswith("-") for one in giver.asked[1:]] == [True, True]
    stopped = int(giver.asked[1].rstrip("-"))
    assert 0 < stopped <= 1_500_000
    assert giver.redirected == 3


def test_a_blob_over_one_answer_is_asked_for_in_ranges_from_the_start() -> None:
    """Each is as long as it may be, the last one shorter, and all of them make the blob."""
    giver = Giver()
    assert read(giver, at_once=1_000_000) == DATA
    ends = [(at, min(at + 1_000_000, len(DATA)) - 1) for at in range(0, len(DATA), 1_000_000)]
    assert giver.asked == [f"{first}-{last}" for first, last in ends]


def test_a_blob_that_one_answer_holds_is_asked_for_without_a_range() -> None:
    """Whether a registry honours ranges does not matter then."""
    giver = Giver(ranges="refused")
    assert read(giver, at_once=len(DATA)) == DATA
    assert giver.asked == [""]


@pytest.mark.parametrize("ranges", ["none", "wrong", "refused", "unstated"])
def test_what_is_no_answer_to_the_rest_is_not_joined_on(ranges: str) -> None:
    """The reader has to start over: other bytes than those asked for are of no use to it."""
    giver = Giver(breaks=[1_500_000], ranges=ranges)
    error = failure(giver)
    assert len(giver.asked) == 2
    assert error.problem.code == "bad-reply"  # an answer shorter than it had said
    assert re.fullmatch(r".+; and to go on: (200|206|416) is no answer to bytes .+", error.saw)


@pytest.mark.parametrize("statuses", [[], [0, 503]], ids=["at once", "after an error"])
def test_a_source_that_stalls_and_ignores_ranges_is_told_as_one_that_stalls(
    statuses: list[int],
) -> None:
    """That the rest cannot be had is what came of it; the cause is why it was asked for."""
    giver = Giver(breaks=[1_500_000], stalls=True, ranges="none", statuses=statuses)
    error = failure(giver, idle_s=0.3)
    assert error.problem.code == "unreachable"
    assert re.match(r"no byte for 0.3 s; and to go on: 200 is no answer to bytes", error.saw)


def test_what_came_after_a_break_makes_it_no_cause_of_the_next_one() -> None:
    """The rest that begins well, and is followed by no answer to what follows, is told as that."""
    giver = Giver(breaks=[500_000], ranges="right twice")
    error = failure(giver, at_once=1_000_000)
    assert (error.problem.code, len(giver.asked)) == ("bad-reply", 3)
    assert error.saw.startswith("200 is no answer to bytes")


@pytest.mark.parametrize(("breaks", "count"), [([], 0), ([1_500_000], 1), ([1_500_000, 1_000], 2)])
def test_each_going_on_is_counted_and_logged(
    breaks: list[int | None], count: int, events: list[dict[str, Any]]
) -> None:
    """What is told of a run as tried again has each of them, and its log the cause."""
    pilot = Pilot()
    read(Giver(breaks=breaks), pilot=pilot)
    assert pilot.traffic.retried == count
    assert [one["event"] for one in events] == ["blob.broke"] * count


def test_a_registry_without_ranges_gives_a_long_blob_whole() -> None:
    """The dialect's limit is what its documentation says; who gives more is not refused."""
    assert read(Giver(ranges="none"), at_once=1_000_000) == DATA


def test_a_reading_that_brings_nothing_more_ends() -> None:
    """Answers that break at once are tried a few times in a row, and no more."""
    giver = Giver(breaks=[5_000, *([0] * 50)])
    assert failure(giver).problem.code in {"bad-reply", "unreachable"}
    assert len(giver.asked) == 4


def test_a_length_of_thousands_of_digits_is_no_answer() -> None:
    """A registry that says that its part begins there is not believed, nor anything worse."""
    assert failure(Giver(breaks=[1_500_000], ranges="endless")).problem.code == "bad-reply"


def test_answers_of_a_byte_each_are_not_followed_without_end() -> None:
    """Who gives next to nothing of what is asked for is given up after a few answers."""
    giver = Giver(ranges="tiny")
    assert "had little of what was asked" in failure(giver, at_once=1_000_000).saw
    assert len(giver.asked) < 10


def test_a_server_that_fails_in_between_is_asked_again_and_one_that_refuses_is_not() -> None:
    """A 503 may pass; a 403 of the registry does not."""
    assert read(Giver(breaks=[1_500_000], statuses=[0, 503, 0])) == DATA
    refusing = Giver(breaks=[1_500_000], own=[0, 403, 0])
    assert failure(refusing).problem.code == "denied"
    assert refusing.redirected == 2


@pytest.mark.parametrize("status", [400, 403])
def test_a_redirect_that_ran_out_is_asked_for_again(status: int) -> None:
    """A refusal of who holds the bytes is none of the registry, whose next redirect is good."""
    giver = Giver(breaks=[1_500_000], statuses=[0, status, status, 0])
    assert read(giver) == DATA
    assert giver.redirected == 4


@pytest.mark.parametrize("status", [400, 403])
def test_a_host_that_refuses_every_redirect_is_named(status: int) -> None:
    """It is asked as often as one that breaks, and no role at the registry is advised."""
    giver = Giver(breaks=[1_500_000], statuses=[0, *[status] * 50])
    error = failure(giver)
    assert error.problem.code == "bad-reply"
    assert f"localhost, which answered {status}" in error.saw
    assert giver.redirected == 4


@pytest.mark.parametrize(("refusals", "code"), [(1, ""), (50, "bad-reply")])
def test_a_copy_begins_again_where_its_first_redirect_ran_out(refusals: int, code: str) -> None:
    """Before any byte has come it starts over as a whole, as often as it may be tried."""
    giver = Giver(statuses=[403] * refusals)
    assert using(_taking, lambda target: _copy(giver, target)) == code
    assert giver.redirected == 2


async def _copy(giver: Giver, target: RegistryClient) -> str:
    """Copy the blob to a target; return the code of the problem, if there is one."""
    async with giver.running(), Wire(Endpoints(), Backoff(4, base_s=0.001)) as wire:
        wire.allow_plain(giver.url.replace("127.0.0.1", "localhost"))
        source = RegistryClient(giver.url, wire, Credentials(Login(), {}, wire), DISTRIBUTION)
        try:
            await target.upload("app", BLOB, lambda: source.open_blob("app", BLOB))
        except MigrateError as error:
            return error.problem.code
        return ""


def _taking(asked: Asked) -> Answer:
    if asked.method == "POST":
        return Answer(202, headers={"location": "/session"})
    return Answer(201 if asked.method == "PUT" else 200)


@pytest.mark.slow
@settings(max_examples=25)
@given(
    st.lists(st.none() | st.integers(0, len(DATA)), max_size=3),
    st.none() | st.integers(400_000, len(DATA) + 1),
)
def test_wherever_it_breaks_the_bytes_are_those_of_the_blob(
    breaks: list[int | None], at_once: int | None
) -> None:
    """Three breaks at most, anywhere, in parts of any length."""
    assert read(Giver(breaks=breaks), at_once=at_once, tries=6) == DATA
