"""A budget of requests and bytes is never exceeded, whatever comes at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcr_migrate.errors import BUDGET_SPENT, MigrateError
from gcr_migrate.tasks import all_of
from gcr_migrate.wire.pilot import Pilot
from gcr_migrate.wire.retry import Backoff, TransientError
from gcr_migrate.wire.transport import Wire
from tests.scripted import Answer, Scripted

if TYPE_CHECKING:
    from tests.scripted import Asked

SIZE = 1_000


def _sized(asked: Asked) -> Answer:
    """Answer with as many bytes as the path says, by way of a redirect where it says so."""
    size = asked.target.rpartition("/")[2]
    if asked.target.startswith("/there/"):
        return Answer(307, b"elsewhere", {"location": f"/here/{size}"})
    return Answer(200, b"x" * int(size))


async def _ask(server: Scripted, paths: list[str], pilot: Pilot) -> tuple[int, int]:
    """Ask for everything at once; return bytes that were read and answers that were whole."""
    read, whole = 0, 0

    def count(piece: bytes) -> None:
        nonlocal read
        read += len(piece)

    async def one(wire: Wire, path: str) -> None:
        nonlocal whole
        try:
            async with wire.stream(f"{server.url}{path}", ok={200}) as stream:
                await stream.into(count)
        except TransientError:
            raise
        except MigrateError as error:
            assert error.problem is BUDGET_SPENT  # noqa: PT017  # of many at once
            return
        whole += 1

    async with Wire(server.endpoints, Backoff(tries=1), pilot=pilot) as wire:
        await all_of(one(wire, path) for path in paths)
    return read, whole


@pytest.mark.slow
@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from(["here", "there"]), st.sampled_from([0, 1, 999, 1_000, 70_000])),
        min_size=1,
        max_size=12,
    ),
    st.none() | st.integers(0, 15),
    st.none() | st.integers(0, 150_000),
)
def test_neither_requests_nor_bytes_exceed_their_budget(
    wanted: list[tuple[str, int]], requests: int | None, bytes_: int | None
) -> None:
    """All that is sent counts, redirects too; what fits is answered whole."""
    pilot = Pilot()
    pilot.budget.limit(requests, bytes_)
    with Scripted(_sized) as server:
        paths = [f"/{way}/{size}" for way, size in wanted]
        read, whole = asyncio.run(_ask(server, paths, pilot))
        sent = len(server.asked)
    assert requests is None or sent <= requests
    assert bytes_ is None or read <= bytes_
    if requests is None and bytes_ is None:
        assert whole == len(wanted)


def test_after_something_did_not_fit_nothing_more_is_sent() -> None:
    """Small answers do not go on trickling when a run is over."""
    pilot = Pilot()
    pilot.budget.limit(None, SIZE)
    with Scripted(_sized) as server:
        for path in (f"/here/{SIZE + 1}", "/here/1", "/here/1"):
            assert asyncio.run(_ask(server, [path], pilot)) == (0, 0)
        assert len(server.asked) == 1


def test_what_was_not_read_is_given_back() -> None:
    """An answer that is given up costs what was read of it, and no more."""

    async def run() -> int | None:
        pilot = Pilot()
        pilot.budget.limit(None, 10 * SIZE)
        async with Wire(server.endpoints, pilot=pilot) as wire:
            async with wire.stream(f"{server.url}/here/{9 * SIZE}", ok={200}):
                pass
            assert (await wire.request("HEAD", f"{server.url}/here/1", ok={200, 501})).status
        return pilot.budget.bytes_left

    with Scripted(_sized) as server:
        assert asyncio.run(run()) == 10 * SIZE
