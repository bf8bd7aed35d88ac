"""Room for so much at once, of which no single name has all."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_AT_FIRST: Final = 4  # names that nothing is known of fill all the room
_LEFT_TO_OTHERS: Final = 2
_REMEMBERED: Final = 10_000


class Room:
    """Room for so many, a part of which is left to others, whoever comes first.

    What one name has begun may wait for a long time, as where its repository refuses all. Only if
    others get on beside it can anybody see that it is alone with that. So a name has little until
    something of it came to a good end, and never all.

    Args:
        most: how many there may be at once.
        several: there are other names than one.
    """

    def __init__(self, most: int, *, several: bool = True) -> None:
        self._all = asyncio.Semaphore(most)
        self._of_one = max(1, most - _LEFT_TO_OTHERS) if several else most
        self._at_first = max(1, most // _AT_FIRST) if several else most
        self._mine: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()
        self._proved: set[int] = set()

    @asynccontextmanager
    async def of(self, name: int) -> AsyncIterator[None]:
        """Have room for one more of a name, which is the number of an image path."""
        mine = self._mine.get(name)
        if mine is None:
            most = self._of_one if name in self._proved else self._at_first
            mine = self._mine[name] = asyncio.Semaphore(most)
        async with mine, self._all:
            yield

    def proved(self, name: int) -> None:
        """Note that something of a name came to a good end: from now on it has its full share."""
        if name in self._proved:
            return
        if len(self._proved) >= _REMEMBERED:  # those that are begun have theirs
            self._proved.clear()
        self._proved.add(name)
        if mine := self._mine.get(name):
            for _ in range(self._of_one - self._at_first):
                mine.release()
