"""Computes conditions of policies, as far as these tests speak their language."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def is_met(expression: str, when: datetime, thing: dict[str, str]) -> bool:
    """Say whether a condition is met at a moment for something with a name and a type."""
    return _computed(expression, when, thing["name"], thing["type"])


@lru_cache(maxsize=100_000)
def _computed(expression: str, when: datetime, name: str, kind: str) -> bool:
    return bool(_Reader(expression, when, {"name": name, "type": kind}).whole())


_TOKEN: Final = re.compile(r'\s*("[^"]*"|\d+|&&|\|\||[<>=!]=|[<>!().,]|\w+)')


class _Reader:
    """Reads and computes the little of the language of conditions that these tests speak."""

    def __init__(self, text: str, when: datetime, thing: dict[str, str]) -> None:
        self._tokens = _TOKEN.findall(text)
        assert "".join(self._tokens) == re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", text)
        self._when, self._thing = when, thing

    def whole(self) -> Any:
        value = self._either()
        assert not self._tokens, self._tokens
        return value

    def _next(self, *wanted: str) -> str:
        if self._tokens and (not wanted or self._tokens[0] in wanted):
            return str(self._tokens.pop(0))
        return ""

    def _joined(self, sign: str, part: Callable[[], Any]) -> Iterator[Any]:
        yield part()
        while self._next(sign):
            yield part()

    def _either(self) -> Any:
        parts = list(self._joined("||", self._both))
        return parts[0] if len(parts) == 1 else any(parts)

    def _both(self) -> Any:
        parts = list(self._joined("&&", self._compared))
        return parts[0] if len(parts) == 1 else all(parts)

    def _compared(self) -> Any:
        left = self._single()
        sign = self._next("<", "<=", ">", ">=", "==", "!=")
        if not sign:
            return left
        right = self._single()
        return {
            "<": lambda: left < right,
            "<=": lambda: left <= right,
            ">": lambda: left > right,
            ">=": lambda: left >= right,
            "==": lambda: left == right,
            "!=": lambda: left != right,
        }[sign]()

    def _single(self) -> Any:
        if self._next("!"):
            return not self._single()
        if self._next("("):
            value = self._either()
            assert self._next(")")
            return value
        word = self._next()
        if word[0] == '"':
            return word[1:-1]
        if word.isdigit():
            return int(word)
        if word == "timestamp":
            return datetime.fromisoformat(self._arguments()[0])
        return self._named(word)

    def _named(self, word: str) -> Any:
        """Read `request.time` or something about what is asked for, and what is called on it."""
        assert self._next(".")
        name = self._next()
        found: Any = self._when if word == "request" else self._thing[name]
        return self._called(found) if self._next(".") else found

    def _called(self, value: Any) -> Any:
        method = self._next()
        arguments = self._arguments()
        if method in {"startsWith", "endsWith"}:
            return getattr(value, method.lower())(arguments[0])
        local = value.astimezone(ZoneInfo(arguments[0] if arguments else "UTC"))
        return {
            "getFullYear": local.year,
            "getHours": local.hour,
            "getDayOfWeek": local.isoweekday() % 7,
        }[method]

    def _arguments(self) -> list[str]:
        assert self._next("(")
        found = []
        while not self._next(")"):
            found.append(self._next()[1:-1])
        return found
