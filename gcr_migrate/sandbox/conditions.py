"""Conditions of bindings, as far as the time decides about them."""

from __future__ import annotations

import operator
import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOMENT: Final = r"""timestamp\(\s*["']([^"']*)["']\s*\)"""
_TIME: Final = re.compile(rf"request\.time\s*(<=?|>=?|[=!]=)\s*{_MOMENT}")
_TURNED: Final = re.compile(rf"{_MOMENT}\s*(<=?|>=?|[=!]=)\s*request\.time")
_TOKENS: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|&&|\|\||.""", re.DOTALL)
_COMPARISONS: Final[dict[str, Callable[[datetime, datetime], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def met(expression: str, now: datetime) -> bool | None:
    """Evaluate a condition.

    Args:
        expression: comparisons, joined by `&&` and `||`, with brackets and `!(…)`.
        now: the time, with its zone.

    Returns:
        None where more than the time decides, such as the name of a resource.
    """
    text = expression.strip()
    while (inner := _unwrapped(text)) is not None:
        text = inner.strip()
    if text in {"true", "false"}:
        return text == "true"
    if ("?", 0) in _tokens(text):
        return None
    for joint, decisive in (("||", True), ("&&", False)):
        parts = list(_split(text, joint))
        if len(parts) > 1:
            return _joined([met(part, now) for part in parts], decisive=decisive)
    negated = _unwrapped(text[1:].strip()) if text.startswith("!") else None
    if negated is not None:
        found = met(negated, now)
        return None if found is None else not found
    return _compared(text, now)


def _joined(values: list[bool | None], *, decisive: bool) -> bool | None:
    """Return the decisive value where one part has it, else what all of them agree in."""
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def _compared(text: str, now: datetime) -> bool | None:
    found, turned = _TIME.fullmatch(text), _TURNED.fullmatch(text)
    sign, moment = found.groups() if found else turned.groups()[::-1] if turned else ("", "")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return _COMPARISONS[sign](now, at) if found else _COMPARISONS[sign](at, now)


def _unwrapped(text: str) -> str | None:
    """Return what is in the brackets around a whole text; None where there are none."""
    if not text.startswith("("):
        return None
    depths = [depth for _, depth in _tokens(text)]
    return text[1:-1] if 0 not in depths[:-1] and depths[-1] == 0 else None


def _split(text: str, joint: str) -> Iterator[str]:
    """Give the parts between joints that stand in no brackets."""
    part = ""
    for token, depth in _tokens(text):
        if token == joint and depth == 0:
            yield part
            part = ""
        else:
            part += token
    yield part


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Give the pieces of a text, and in how many brackets one stands after each."""
    depth = 0
    for token in _TOKENS.findall(text):
        depth += {"(": 1, ")": -1}.get(token, 0)
        yield token, depth
