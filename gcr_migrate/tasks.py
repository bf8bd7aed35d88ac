"""Several coroutines at once, of which the first failure counts, and work outside the loop."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable

A = TypeVar("A")
T = TypeVar("T")


def first_cause(error: BaseException) -> BaseException:
    """Return the first exception in a group of any depth, or the exception itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def all_of(coroutines: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """Run coroutines at once and return their results in the order given.

    A task group wraps what it raises into a group; who calls this wants the first cause itself.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in coroutines]
    except BaseExceptionGroup as group_error:
        raise first_cause(group_error) from None
    return [task.result() for task in tasks]


async def a_few_of(coroutines: Iterable[Coroutine[None, None, None]], at_once: int) -> None:
    """Run coroutines, so many at once; each is only taken when there is room for it.

    What fails ends the others, and is raised as itself.
    """
    waiting = iter(coroutines)

    async def run() -> None:
        for one in waiting:
            await one

    await all_of(run() for _ in range(at_once))


async def results_of(
    queue: deque[A], work: Callable[[A], Coroutine[None, None, T]], at_once: int
) -> AsyncGenerator[T, None]:
    """Work through a queue, so many at once, and give the results as they come.

    Who takes them may add to the queue meanwhile. What fails is raised and ends the others.
    """
    running: set[asyncio.Task[T]] = set()
    try:
        while queue or running:
            while queue and len(running) < at_once:
                running.add(asyncio.create_task(work(queue.popleft())))
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def shared(work: Coroutine[None, None, T]) -> asyncio.Task[T]:
    """Begin something that several wait for, each behind a shield.

    Whoever waits gets what it raises. If all of them are gone by then, nobody is to be told.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(_is_seen)
    return task


def _is_seen(task: asyncio.Task[T]) -> None:
    if not task.cancelled():
        task.exception()


async def in_a_thread(work: Callable[[], T]) -> T:
    """Do something in a thread of its own, which does not keep the program from its end.

    Threads of a pool do: an interrupted program would wait for what hangs in them.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if done.done():  # nobody waits any more
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # it is what `work` returned

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001  # it is raised where it is waited for
            error = raised
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, name="work outside the loop", daemon=True).start()
    return await done
