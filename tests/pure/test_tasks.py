"""Several coroutines at once: never too many, and none left behind."""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.tasks import a_few_of, results_of, shared

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator


@pytest.mark.parametrize("at_once", [1, 3, 20])
def test_so_many_run_at_once_and_no_more_are_made(at_once: int) -> None:
    """All are run; who makes them is asked for one only when there is room for it."""
    running, most, made, done = 0, 0, 0, 0

    async def one() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done += 1

    def all_ten() -> Iterator[Coroutine[None, None, None]]:
        nonlocal made
        for _ in range(10):
            made += 1
            assert made - done <= at_once
            yield one()

    asyncio.run(a_few_of(all_ten(), at_once))
    assert (done, most) == (10, min(at_once, 10))


def test_a_failure_ends_the_others_and_is_raised_itself() -> None:
    """Nothing goes on in the background, and nothing more is begun."""
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("waits")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("this one")

    async def never() -> None:
        ended.append("never")

    with pytest.raises(ValueError, match="this one"):
        asyncio.run(a_few_of((make() for make in (waits, fails, never)), 2))
    assert ended == ["waits"]


def test_a_queue_that_grows_is_worked_through_a_few_at_once() -> None:
    """What is added while results are taken is worked on too, and never more than agreed."""
    running, most = 0, 0

    async def half(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number // 2

    async def all_of_them() -> list[int]:
        queue, found = deque([40, 41, 42, 43]), []
        async for one in results_of(queue, half, 3):
            found.append(one)
            if one:
                queue.append(one)
        return found

    found = asyncio.run(all_of_them())
    assert sorted(found) == sorted([20, 20, 21, 21] + [10, 5, 2, 1, 0] * 4)
    assert most == 3


def test_a_queue_ends_with_who_takes_from_it() -> None:
    """Nothing runs on in the background after a failure or a taker who leaves."""
    ended: list[str] = []

    async def work(name: str) -> str:
        try:
            await asyncio.sleep(60 if name == "slow" else 0)
        finally:
            ended.append(name)
        if name == "bad":
            raise ValueError(name)
        return name

    async def take(names: list[str]) -> None:
        async with aclosing(results_of(deque(names), work, 2)) as results:
            async for _ in results:
                break

    asyncio.run(take(["slow", "quick"]))
    with pytest.raises(ValueError, match="bad"):
        asyncio.run(take(["slow", "bad"]))
    assert sorted(ended) == ["bad", "quick", "slow", "slow"]


def test_what_nobody_waits_for_any_more_fails_without_a_word() -> None:
    """Who waits is told; if it fails after the last one has gone, the loop complains of nothing."""
    told: list[str] = []

    async def failing() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("late")

    async def waiting() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(str(about)))
        with pytest.raises(ValueError, match="late"):
            await asyncio.shield(shared(failing()))
        left = shared(failing())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(left), 0.001)
        await asyncio.sleep(0.03)
        del left
        gc.collect()

    asyncio.run(waiting())
    assert told == []
