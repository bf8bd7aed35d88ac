"""Long tables as columns of JSON: small enough to be mailed with 100,000 rows.

A column of few different words is kept as their list and a number for each row. Names are kept
as the number of characters that each begins with like the one before, and the rest of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, field

from gcr_migrate.report.words import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ColumnKind = Literal["name", "text", "word", "names", "number", "size", "code"]
Value = str | int
_NUMBERS: Final = frozenset({"number", "size"})
_WORDS: Final = frozenset({"word", "code"})
_FEW: Final = 4  # rows for each different word, at least, where a list of words is kept
_LAST_BMP: Final = "\uffff"  # what lies above is two characters to a browser and one to us
SHOWN_AT_ONCE: Final = 50
ROOM: Final = 14_000_000  # bytes of all tables: what can be mailed, with 100,000 images in it


class Column(Struct, frozen=True):
    """Head and kind of a column; `names` are several in one cell with spaces between them."""

    label: str
    kind: ColumnKind = "text"


class Table(Struct):
    """A long table.

    Attributes:
        id: its place in the page.
        key: word of links to a row by its first column, such as `#image=NAME`.
        title: what it shows.
        columns: heads and kinds.
        rows: as far as there is room.
        total: number of all.
        size_bytes: about what the rows take in the page.
    """

    id: str
    key: str
    title: str
    columns: tuple[Column, ...]
    rows: list[tuple[Value, ...]] = field(default_factory=list)
    total: int = 0
    size_bytes: int = 0

    @property
    def first(self) -> list[tuple[Value, ...]]:
        """Rows that are in the page itself: where no script runs they are all that is seen."""
        return self.rows[:SHOWN_AT_ONCE]

    def fill(self, rows: Iterable[Sequence[Value]], room: int = ROOM) -> Table:
        """Take in rows as long as there is room, count the others, and return the table.

        Args:
            rows: all of them.
            room: bytes of the page that they may take.
        """
        kinds = [column.kind for column in self.columns]
        previous: Sequence[Value] = [""] * len(kinds)
        for row in rows:
            self.total += 1
            if self.size_bytes >= room:
                continue
            told = tuple(visible(one) if isinstance(one, str) else one for one in row)
            self.size_bytes += sum(map(_cost, kinds, previous, told))
            self.rows.append(told)
            previous = told
        return self

    def data(self) -> str:
        """The table as JSON that can stand in a script element."""
        columns = [
            {"label": column.label, "kind": column.kind, **_packed(column.kind, values)}
            for column, values in zip(self.columns, self._values(), strict=True)
        ]
        told = {"key": self.key, "rows": len(self.rows), "columns": columns}
        # No name can end the element, or begin a comment in it.
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        return text.replace("<", "\\u003c")

    def _values(self) -> list[list[Value]]:
        return [[row[at] for row in self.rows] for at in range(len(self.columns))]


def filled(pairs: Iterable[tuple[Table, Iterable[Sequence[Value]]]]) -> list[Table]:
    """Fill tables with their rows, and leave out those that have none.

    Args:
        pairs: tables and rows, the most important first; each takes half of the room that is left
            at most, so that none is without any, and the last takes all.
    """
    given = list(pairs)
    room, found = ROOM, []
    for at, (table, rows) in enumerate(given):
        table.fill(rows, room if at == len(given) - 1 else room // 2)
        room -= table.size_bytes
        found += [table] if table.total else []
    return found


def _packed(kind: ColumnKind, values: list[Value]) -> dict[str, Any]:
    if kind in _NUMBERS:
        return {"n": values}
    texts = [str(one) for one in values]
    words = dict.fromkeys(texts)
    if kind in _WORDS or len(words) * _FEW <= len(texts):
        numbers = {word: at for at, word in enumerate(words)}
        return {"words": list(words), "n": [numbers[one] for one in texts]}
    alike = [_alike(before, one) for before, one in zip(["", *texts], texts, strict=False)]
    return {"alike": alike, "rest": [one[n:] for one, n in zip(texts, alike, strict=True)]}


def _alike(before: str, text: str) -> int:
    """Return with how many characters both begin, up to the first that browsers count as two."""
    number = 0
    for a, b in zip(before, text, strict=False):
        if a != b or a > _LAST_BMP:
            break
        number += 1
    return number


def _cost(kind: ColumnKind, before: Value, value: Value) -> int:
    """Return about how many bytes a value takes after the one before it."""
    if isinstance(value, int):
        return len(str(value)) + 1
    if kind in _WORDS or value == before:
        return 3
    return 6 + len(value[_alike(str(before), value) :].encode())
