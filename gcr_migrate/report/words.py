"""Words of strangers, and numbers, as they can be shown."""

from __future__ import annotations

from typing import Final
from unicodedata import category

_STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # kinds of characters, by Unicode


def visible(text: str) -> str:
    """Return a stranger's words with each character that cannot be shown as its number.

    Two names that differ look different, and none turns the direction of what follows it.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _number(c) for c in text)


def harmless(text: str) -> str:
    """Return a text of lines without what steers a terminal or turns the direction of writing."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or category(c) not in _STEERING else _number(c) for c in text)


def _number(character: str) -> str:
    return " " if character in "\n\t" else f"\\u{{{ord(character):x}}}"


def size_text(size_bytes: int) -> str:
    """Tell a number of bytes, exactly below 1 KiB, else with one decimal."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if round(value, 1) < 1024 or unit == "TiB":  # noqa: PLR2004  # the step between units
            return f"{size_bytes} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError


def counted(count: int, one: str, many: str = "") -> str:
    """Tell a number of things: `1 tag`, `2 tags`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
