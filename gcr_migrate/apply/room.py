"""Room for so much at once, of which no single name has all."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_AT_FIRST: Final = 4  # a quarter of what other names leave of which nothing is known either
_LEFT_TO_OTHERS: Final = 8  # an eighth
_REMEMBERED: Final = 10_000


class Room:
    """Room for so many, a part of which is left to others, whoever comes first.

    What one name has begun may wait for a long time, as where its repository refuses all. Only if
    others get on beside it can anybody see that it is alone with that. So a name has little until
    something of it came to a good end, less the more such names there are, and never all. Else who
    comes first goes first, but names after all others of which something failed last.

    Args:
        most: how many there may be at once.
        several: there are other names than one.
    """

    def __init__(self, most: int, *, several: bool = True) -> None:
        self._free = self._most = most
        self._several = several
        self._unknown = 0  # held by names of which nothing came to a good end
        self._of_one = max(1, most - max(1, most // _LEFT_TO_OTHERS)) if several else most
        self._held: Counter[int] = Counter()
        self._waiting: dict[int, deque[tuple[int, asyncio.Future[None]]]] = {}
        self._came = 0
        self._proved: set[int] = set()
        self._failed: set[int] = set()

    @asynccontextmanager
    async def of(self, name: int) -> AsyncIterator[None]:
        """Have room for one more of a name, which is the number of an image path."""
        if self._free and self._may_have_more(name):  # then nobody waits who could have it
            self._take(name)
        else:
            await self._turn(name)
        try:
            yield
        finally:
            self._give_back(name)

    def proved(self, name: int) -> None:
        """Note that something of a name came to a good end: from now on it has its full share."""
        if name in self._proved:
            return
        if len(self._proved) >= _REMEMBERED:  # the next thing that is done proves them again
            self._proved.clear()
            self._unknown = sum(self._held.values())
        self._proved.add(name)
        self._failed.discard(name)
        self._unknown -= self._held[name]
        self._hand_out()

    def failed(self, name: int) -> None:
        """Note that something of a name failed: it has little again, after all others."""
        if name in self._proved:
            self._proved.remove(name)
            self._unknown += self._held[name]
        if len(self._failed) >= _REMEMBERED:
            self._failed.clear()
        self._failed.add(name)

    def _may_have_more(self, name: int) -> bool:
        held = self._held[name]
        if name in self._proved or not self._several:
            return held < self._of_one
        others = self._unknown - held
        return held < max(1, (self._most - others) // _AT_FIRST)

    def _take(self, name: int) -> None:
        self._free -= 1
        self._held[name] += 1
        self._unknown += name not in self._proved

    def _give_back(self, name: int) -> None:
        self._free += 1
        self._held[name] -= 1
        self._unknown -= name not in self._proved
        if not self._held[name]:
            del self._held[name]
        self._hand_out()

    async def _turn(self, name: int) -> None:
        """Wait until there is room, which is taken then."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._came += 1
        self._waiting.setdefault(name, deque()).append((self._came, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(name)
            raise

    def _hand_out(self) -> None:
        """Give what is free to those who came first, of those who may have more."""
        while self._free and self._waiting:
            names = (name for name in self._waiting if self._may_have_more(name))
            name = min(names, key=self._place_in_line, default=None)
            if name is None:
                return
            line = self._waiting[name]
            _, turn = line.popleft()
            if not line:
                del self._waiting[name]
            if not turn.done():
                self._take(name)
                turn.set_result(None)

    def _place_in_line(self, name: int) -> tuple[bool, int]:
        return name in self._failed, self._waiting[name][0][0]
