"""Several coroutines at once, of which the first failure stops the others and is the one raised."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

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
