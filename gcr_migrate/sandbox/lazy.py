"""Long lists of which only a page is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Lazy(Sequence[T]):
    """A sequence of a known length whose items are made when they are asked for.

    Args:
        length: how many there are.
        make: makes one.
    """

    def __init__(self, length: int, make: Callable[[int], T]) -> None:
        self._length, self._make = length, make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> T: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...

    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        places = range(self._length)[at]
        return self._make(places) if isinstance(places, int) else [*map(self._make, places)]
