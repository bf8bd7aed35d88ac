"""Long lists of facts: read while they are told, and never held whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from os import SEEK_END
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO, TypeVar, get_args, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    from gcr_migrate.report.fact import Fact

F = TypeVar("F", bound="Fact")
_PIECE: Final = 1 << 16  # characters that are read at once


def json_text(value: Any) -> str:
    """Return a value as one line of JSON, whatever facts and rows are in it."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Rows[Any] | Fact) -> list[Any] | dict[str, Any]:
    return [*value] if isinstance(value, Rows) else value.json_members()


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
            yield (", " if at else "") + json_text(row)


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
        from gcr_migrate.report.reading import all_read  # noqa: PLC0415  # few are read again

        return all_read(self._kind, json.loads(f"[{''.join(self.json_parts())}]"))


class _Many:
    """Where schemas are made and documents are read, rows are a list."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return the schema of a list."""
        return handler(list[get_args(source)[0]])  # type: ignore[misc]  # known when it runs


# A field of facts: a list, or rows that are written as one.
Many = Annotated[Sequence[F], _Many()]
