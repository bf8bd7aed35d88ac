"""Text of Terraform's language, in the form in which `terraform fmt` leaves it (FACTS 15.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SPACES: Final = re.compile(r"\s")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WORDS: Final = frozenset({"for", "if", "in", "null", "true", "false"})
_OPENERS: Final = re.compile(r"([$%])\{")


def quoted(text: str) -> str:
    """Return a string that stands for the text as it is: nothing in it is looked up."""
    escaped = "".join(_escaped(one) for one in text)
    bare = _OPENERS.sub(r"\1\1{", escaped)
    return f'"{bare}"'


def _escaped(one: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    if one.isprintable():
        return one
    code = ord(one)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  # four digits


def key(text: str) -> str:
    """Return the key of a map: bare where that is allowed."""
    bare = _IDENTIFIER.fullmatch(text) and text not in _WORDS
    return text if bare else quoted(text)


def label(text: str) -> str:
    """Return a name for a block, of what may stand in one."""
    found = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return found if _IDENTIFIER.fullmatch(found) else f"_{found}"


class Raw(Struct, frozen=True):
    """An expression that is written as it is, such as `each.value.role`."""

    text: str


Value = str | bool | int | Raw | dict[str, "Value"] | list["Value"]


class Block(Struct, frozen=True):
    """A block such as `resource "TYPE" "NAME" { … }`.

    Attributes:
        kind: its first word.
        labels: what follows in quotes.
        attributes: arguments in their order; neighbours of one line are aligned.
        blocks: blocks inside, each after an empty line.
    """

    kind: str
    labels: tuple[str, ...] = ()
    attributes: Mapping[str, Value] | None = None
    blocks: tuple[Block, ...] = ()

    def lines(self, indent: str = "") -> Iterator[str]:
        """Return its text line by line."""
        named = "".join(f" {quoted(one)}" for one in self.labels)
        yield f"{indent}{self.kind}{named} {{"
        inner = f"{indent}  "
        yield from _assignments((self.attributes or {}).items(), inner)
        empty = not self.attributes
        for block in self.blocks:
            if not empty:
                yield ""
            yield from block.lines(inner)
            empty = False
        yield f"{indent}}}"


def _assignments(pairs: Iterable[tuple[str, Value]], indent: str) -> Iterator[str]:
    """Return `name = value`, the signs of neighbours aligned; what takes lines stands alone."""
    run: list[tuple[str, str]] = []

    def flushed() -> Iterator[str]:
        width = max((len(name) for name, _ in run), default=0)
        yield from (f"{indent}{name:{width}} = {text}" for name, text in run)
        run.clear()

    for name, value in pairs:
        first, *rest = _value(value, indent)
        if rest:
            yield from flushed()
            yield f"{indent}{name} = {first}"
            yield from rest
        else:
            run.append((name, first))
    yield from flushed()


def _value(value: Value, indent: str) -> list[str]:
    """Return the lines of a value; all but the first are indented."""
    if isinstance(value, list):
        return [f"[{', '.join(' '.join(_value(one, indent)) for one in value)}]"]
    if not isinstance(value, dict):
        return [_scalar(value)]
    if not value:
        return ["{}"]
    pairs = [(key(name), one) for name, one in value.items()]
    return ["{", *_assignments(pairs, f"{indent}  "), f"{indent}}}"]


def _scalar(value: str | bool | int | Raw) -> str:  # noqa: FBT001  # any of Terraform's
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else str(value)


def text_of(comment: Iterable[str], blocks: Iterable[Block]) -> str:
    """Return a file: a comment, then blocks with empty lines between them."""
    parts = ["\n".join(f"# {_SPACES.sub(' ', line)}".rstrip() for line in comment)]
    parts += ["\n".join(block.lines()) for block in blocks]
    return "\n\n".join(part for part in parts if part) + "\n"
