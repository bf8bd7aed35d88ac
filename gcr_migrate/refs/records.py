"""The records of exported JSON, and where in the text their strings stand: pure.

An export may be long, and few of its records have a name: only those are read with positions.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

_BETWEEN: Final = re.compile(r"[ \t\r\n,:\ufeff]*")
_OTHER: Final = re.compile(r"[^,\]}\s]+")  # a number, true, false, null
_LISTS: Final = ("assets", "items", "results")  # in which an object of an API keeps what it lists
_DECODER: Final = json.JSONDecoder(strict=False)


class Record(Struct, frozen=True):
    """One object of an export.

    Attributes:
        value: the object.
        start: index of its first character, and `end` of the first after it.
    """

    value: dict[str, Any]
    start: int
    end: int


class Said(Struct, frozen=True):
    """A string in a record.

    Attributes:
        path: what it is the value of, from the record's own members down.
        text: what it says.
        start: index of the first character after its opening quote, and `end` of its closing one.
    """

    path: tuple[str, ...]
    text: str
    start: int
    end: int


def records(text: str) -> Iterator[Record]:
    """Give the objects of an array, of JSON lines, or of the list that one object holds.

    Args:
        text: the whole text.

    Raises:
        ValueError: it is no JSON, or is cut off.
    """
    at = _next(text, 0)
    while at < len(text):
        value, end = _DECODER.raw_decode(text, at)
        if isinstance(value, list):
            yield from _elements(text, at)
        elif isinstance(value, dict):
            held = next((key for key in _LISTS if isinstance(value.get(key), list)), "")
            if held:
                yield from _elements(text, _member(text, at, held))
            else:
                yield Record(value, at, end)
        at = _next(text, end)


def _elements(text: str, at: int) -> Iterator[Record]:
    at = _next(text, at + 1)
    while text[at] != "]":
        value, end = _DECODER.raw_decode(text, at)
        if isinstance(value, dict):
            yield Record(value, at, end)
        at = _next(text, end)


def _member(text: str, at: int, wanted: str) -> int:
    """Return where the value of a member begins that an object has; of several, the last."""
    at, found = _next(text, at + 1), at
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _next(text, at)
        if key == wanted:
            found = at
        at = _next(text, _DECODER.raw_decode(text, at)[1])
    return found


def strings(text: str, start: int) -> Iterator[Said]:
    """Give each string value of a JSON value that was read before, in its order.

    Args:
        text: the whole text.
        start: index of the value's first character.
    """
    yield from _Strings(text, start).of_value(())


class _Strings:
    """Goes through a value from its first to its last character."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self._at = at

    def of_value(self, path: tuple[str, ...]) -> Iterator[Said]:
        """Give the strings of the value that begins here, and go to what follows it."""
        first = self._text[self._at]
        if first == '"':
            start = self._at + 1
            said, end = _DECODER.raw_decode(self._text, self._at)
            self._go(end)
            yield Said(path, said, start, end - 1)
        elif first in "{[":
            self._go(self._at + 1)
            number = 0
            while (here := self._text[self._at]) not in "}]":
                name = str(number)
                if first == "{" and here == '"':
                    name, end = _DECODER.raw_decode(self._text, self._at)
                    self._go(end)
                yield from self.of_value((*path, name))
                number += 1
            self._go(self._at + 1)
        else:
            found = _OTHER.match(self._text, self._at)
            self._go(found.end() if found else self._at + 1)

    def _go(self, at: int) -> None:
        self._at = _next(self._text, at)


def _next(text: str, at: int) -> int:
    """Return where the next value, key or end of something is."""
    found = _BETWEEN.match(text, at)
    return found.end() if found else at
