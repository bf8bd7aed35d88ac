"""Long lists of facts: read while they are told, and never held whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from os import SEEK_END
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO, TypeVar, overload

from pydantic import BaseModel, WrapSerializer, WrapValidator

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SerializerFunctionWrapHandler, ValidatorFunctionWrapHandler

F = TypeVar("F", bound=BaseModel)
_PIECE: Final = 1 << 16  # characters that are read at once


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

    def json_parts(self) -> Iterator[str]:
        """All of them as JSON in pieces, with what stands between them."""
        for at, row in enumerate(self):
            told = row.model_dump(mode="json", by_alias=True)
            yield (", " if at else "") + json.dumps(told, ensure_ascii=False)


class Written(Rows[F]):
    """Facts that were told as JSON before, one after the other, and are kept in a file.

    Args:
        kind: what each of them is.
        file: where they are kept; it is closed by who opened it.
    """

    def __init__(self, kind: type[F], file: TextIO) -> None:
        super().__init__(0, self._read_all)
        self._kind = kind
        self._file = file

    def add(self, parts: Iterable[str]) -> None:
        """Keep one more, which comes as JSON in pieces: all of it, or nothing."""
        end = self._file.seek(0, SEEK_END)
        try:
            if self._count:
                self._file.write(", ")
            self._file.writelines(parts)
            self._file.flush()  # a full disk is told here
        except BaseException:
            self._file.seek(end)
            self._file.truncate()
            raise
        self._count += 1

    def json_parts(self) -> Iterator[str]:
        """All of them as they were told."""
        self._file.seek(0)
        yield from iter(lambda: self._file.read(_PIECE), "")

    def _read_all(self) -> Iterator[F]:
        for one in json.loads(f"[{''.join(self.json_parts())}]"):
            yield self._kind.model_validate(one)


def _kept(rows: Any, as_list: ValidatorFunctionWrapHandler) -> Any:
    return rows if isinstance(rows, Rows) else as_list(rows)


def _written(rows: Any, as_list: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def] # noqa: ANN202  # its type would stand in the schema
    return as_list([*rows])


# A field of facts: a list, or rows that are written as one.
Many = Annotated[Sequence[F], WrapValidator(_kept), WrapSerializer(_written)]
