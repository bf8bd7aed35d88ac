"""Room on the line, of which one name never has all."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from gcr_migrate.apply.room import Room


async def _taken(room: Room, stack: AsyncExitStack, name: int) -> int:
    """Take as much room as a name can have; return how much that is."""
    count = 0
    while True:
        try:
            async with asyncio.timeout(0.01):
                await stack.enter_async_context(room.of(name))
        except TimeoutError:
            return count
        count += 1


@pytest.mark.parametrize(("most", "first", "full"), [(16, 4, 14), (4, 1, 3), (1, 1, 1), (2, 1, 1)])
def test_a_name_has_little_at_first_and_never_all(most: int, first: int, full: int) -> None:
    """With the first thing that comes to a good end it has more, at once and later."""

    async def run() -> None:
        room = Room(most)
        async with AsyncExitStack() as stack:
            assert await _taken(room, stack, 1) == first
            room.proved(1)
            room.proved(1)
            assert first + await _taken(room, stack, 1) == full
        async with AsyncExitStack() as stack:
            assert await _taken(room, stack, 1) == full

    asyncio.run(run())


def test_several_names_have_all_of_it() -> None:
    """Each a quarter of what others leave: many must refuse all until nobody else gets on."""

    async def run() -> None:
        room = Room(16)
        async with AsyncExitStack() as stack:
            taken = [await _taken(room, stack, name) for name in range(11)]
            assert taken == [4, 3, 2, 1, 1, 1, 1, 1, 1, 1, 0]

    asyncio.run(run())


def test_a_name_that_is_the_only_one_has_all_of_it() -> None:
    """There is nobody else for whom to leave something."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            assert await _taken(Room(16, several=False), stack, 1) == 16

    asyncio.run(run())


def test_who_comes_first_goes_first_where_both_may() -> None:
    """Images are brought one after the other, and not a little of each at a time."""

    async def run() -> None:
        room, order = Room(4), []
        for name in (1, 2):
            room.proved(name)

        async def one(name: int, number: int) -> None:
            async with room.of(name):
                await asyncio.sleep(0)
                order.append((name, number))

        work = [one(name, number) for name in (1, 2) for number in range(6)]
        await asyncio.gather(*work)
        assert order[:4] == [(1, 0), (1, 1), (1, 2), (2, 0)]
        assert [one for one in order if one[0] == 1] == [(1, number) for number in range(6)]
        assert order.index((1, 5)) < order.index((2, 3))

    asyncio.run(run())


def test_a_name_of_which_something_failed_comes_after_all_others() -> None:
    """And has little again, until something of it comes to a good end."""

    async def run() -> None:
        room, order = Room(1), []
        room.failed(1)

        async def one(name: int) -> None:
            async with room.of(name):
                order.append(name)

        async with asyncio.TaskGroup() as group, room.of(2):
            for name in (1, 1, 3, 3):
                group.create_task(one(name))
            await asyncio.sleep(0)
        assert order == [3, 3, 1, 1]
        room = Room(16)
        async with AsyncExitStack() as stack:
            room.proved(1)
            room.failed(1)
            assert await _taken(room, stack, 1) == 4
            room.proved(1)
            assert 4 + await _taken(room, stack, 1) == 14

    asyncio.run(run())


def test_who_gives_up_waiting_takes_nothing_away() -> None:
    """Be it before its turn or in the moment of it."""

    async def run() -> None:
        room = Room(1)
        for _ in range(3):
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(room.of(1))
                waiting = [asyncio.create_task(_taken(room, stack, name)) for name in (1, 2)]
                await asyncio.sleep(0)
                waiting[0].cancel()
            waiting[1].cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        async with asyncio.timeout(1), room.of(3):
            pass

    asyncio.run(run())
