"""Long lists of facts: read while they are told, and never held whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, overload

from pydantic import BaseModel, WrapSerializer, WrapValidator

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SerializerFunctionWrapHandler, ValidatorFunctionWrapHandler

F = TypeVar("F", bound=BaseModel)


class Rows(Sequence[F]):
    """Facts that are read anew each time they are gone through: a plan may have a million.

    Args:
        count: how many there are.
        read: goes through all of them.
    """

    def __init__(self, count: int, read: Callable[[], Iterable[F]]) -> None:
        self._count = count
        self._read = read

    def __len__(self) -> int:
        """How many there are; nothing is read for that."""
        return self._count

    def __iter__(self) -> Iterator[F]:
        """Go through all of them."""
        return iter(self._read())

    @overload
    def __getitem__(self, at: int) -> F: ...

    @overload
    def __getitem__(self, at: slice) -> list[F]: ...

    def __getitem__(self, at: int | slice) -> F | list[F]:
        """Return one, or those of a slice; what stands before them is read too."""
        if isinstance(at, slice):
            first, end, step = at.indices(self._count)
            return list(islice(self, first, end, step))
        return next(islice(self, range(self._count)[at], None))


def _kept(rows: Any, as_list: ValidatorFunctionWrapHandler) -> Any:
    return rows if isinstance(rows, Rows) else as_list(rows)


def _written(rows: Any, as_list: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def] # noqa: ANN202  # its type would stand in the schema
    return as_list([*rows])


# A field of facts: a list, or rows that are written as one.
Many = Annotated[Sequence[F], WrapValidator(_kept), WrapSerializer(_written)]
