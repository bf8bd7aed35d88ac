"""A service whose quota is used up, over real sockets: everybody waits, nobody fires on."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pilot import Pilot
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire
from tests.answers import google
from tests.feeds import whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.slow

ONCE = Backoff(tries=1)
PAUSE_S = 0.5


class Service:
    """Refuses everything until a moment, and then takes everything.

    Attributes:
        arrived: when each request came, and whether it was refused.
        refused: is released by each refusal.
        url: where it listens.
    """

    def __init__(self, refusing_s: float = PAUSE_S) -> None:
        self._refusing_s = refusing_s
        self._until: float | None = None
        self.arrived: list[tuple[float, bool]] = []
        self.refused = asyncio.Semaphore(0)
        self.url = ""

    @property
    def refusals(self) -> int:
        """How many requests were refused."""
        return sum(refused for _, refused in self.arrived)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        now = time.monotonic()
        self._until = self._until or now + self._refusing_s
        left_s = self._until - now
        self.arrived.append((now, left_s > 0))
        if left_s > 0:
            self.refused.release()
        body = google("RESOURCE_EXHAUSTED", delay=f"{max(left_s, 0):.3f}s").encode()
        status = b"429 Too Many Requests" if left_s > 0 else b"200 OK"
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        writer.write(head % (status, len(body)) + body)
        writer.close()
        await writer.wait_closed()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Service]:
        """Listen while the block runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            yield self


async def ask(wire: Wire, service: Service, count: int) -> None:
    """Send so many requests at once, and wait for their answers."""
    await asyncio.gather(*(wire.request("GET", service.url, ok={200}) for _ in range(count)))


async def refused(service: Service, count: int) -> None:
    """Return a moment after so many more requests were refused."""
    for _ in range(count):
        await service.refused.acquire()
    await asyncio.sleep(0.05)


def test_one_refusal_makes_all_wait() -> None:
    """Requests that start during the pause are not sent before it is over."""

    async def run() -> Service:
        async with Service().running() as service, Wire(Endpoints(), ONCE) as wire:
            first = asyncio.create_task(ask(wire, service, 4))
            await refused(service, 4)
            await ask(wire, service, 16)
            await first
        return service

    service = asyncio.run(run())
    assert service.refusals == 4
    assert len(service.arrived) == 4 + 4 + 16


def test_refusals_use_up_no_tries() -> None:
    """With one try only, a request outlives any number of refusals within its time."""

    async def run() -> Service:
        async with Service(0.05).running() as service, Wire(Endpoints(), ONCE) as wire:
            await ask(wire, service, 1)
        return service

    assert asyncio.run(run()).refusals == 1


def test_a_pause_is_told_once(events: list[dict[str, Any]]) -> None:
    """One line for a pause, however many requests it holds; with whose quota it is."""

    async def run() -> str:
        async with Service(0.05).running() as service, Wire(Endpoints(), ONCE) as wire:
            await ask(wire, service, 10)
        return service.url

    url = asyncio.run(run())
    told = [one for one in events if one["event"] == "quota pause"]
    assert len(told) == 1
    assert told[0]["service"] in url


def test_two_pools_share_a_pilot() -> None:
    """What one side of a migration hears, the other side keeps too."""

    async def run() -> Service:
        pilot = Pilot()
        async with (
            Service().running() as service,
            Wire(Endpoints(), ONCE, pilot=pilot) as source,
            Wire(Endpoints(), ONCE, pilot=pilot) as target,
        ):
            first = asyncio.create_task(ask(source, service, 1))
            await refused(service, 1)
            await ask(target, service, 5)
            await first
        return service

    assert asyncio.run(run()).refusals == 1


def test_a_stream_waits_too() -> None:
    """A blob is asked for again, as its reader has seen nothing of it yet."""

    async def run() -> Service:
        async with (
            Service(0.05).running() as service,
            Wire(Endpoints(), ONCE) as wire,
            wire.stream(service.url, ok={200}) as stream,
        ):
            assert await whole(stream)
        return service

    assert asyncio.run(run()).refusals == 1


def test_in_the_end_it_is_given_up() -> None:
    """A quota that does not come back has a code that says what to do."""

    async def run() -> None:
        pilot = Pilot(patience_s=0.05)
        async with Service(30).running() as service, Wire(Endpoints(), ONCE, pilot=pilot) as wire:
            await ask(wire, service, 3)

    with pytest.raises(MigrateError) as raised:
        asyncio.run(run())
    assert raised.value.problem.code == "too-many-requests"
    assert "RESOURCE_EXHAUSTED" in raised.value.saw
