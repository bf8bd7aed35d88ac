"""The nodes of YAML and JSON, each with its place in the text: read by libyaml, at its pace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml
from msgspec import Struct, field
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.refs.joined import Value

# Its events, and not its nodes: these are made here, without a call for each level of a text.
_LOADER: Final[Any] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

_QUOTES: Final = frozenset("'\"")
_BEFORE: Final = frozenset("&!")
_PROPERTIES: Final = re.compile(r"(?:[&!]\S*\s+)+")  # an anchor, a type


class Scalar(Struct, eq=False):
    """A value that has no other in it.

    Attributes:
        value: what it says, to a reader of YAML.
        start: index of its first character, and `end` of the first after it; a type or an anchor,
            and quotes, are a part of it.
        is_quoted: whether it stands in quotes.
        is_block: whether it is lines, just as they are in the text.
    """

    value: str
    start: int
    end: int
    is_quoted: bool
    is_block: bool


class Mapping(Struct, eq=False):
    """Values by their keys, in the order of the text."""

    pairs: list[tuple[Node, Node]] = field(default_factory=list)


class Sequence(Struct, eq=False):
    """Values one after another."""

    items: list[Node] = field(default_factory=list)


Node = Scalar | Mapping | Sequence


def documents(text: str, begin: int = 0) -> Iterator[Node]:
    """Give the root of each document; an alias is the node that it stands for.

    Args:
        text: YAML, or JSON.
        begin: index of its first character in a text of which it is a part.

    Raises:
        ValueError: it is neither.
    """
    made = _Made()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, ScalarEvent):
                made.add(_scalar(event, begin), event.anchor)
            elif isinstance(event, MappingStartEvent):
                made.open(Mapping(), event.anchor)
            elif isinstance(event, SequenceStartEvent):
                made.open(Sequence(), event.anchor)
            elif isinstance(event, CollectionEndEvent):
                made.close()
            elif isinstance(event, AliasEvent):
                made.again(event.anchor or "")
            elif isinstance(event, DocumentEndEvent) and made.root is not None:
                yield made.root
                made = _Made()
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def word(key: Node) -> str:
    """Return what a key says, if it is a word."""
    return key.value if isinstance(key, Scalar) else "?"


def texts(node: Mapping, text: str) -> Iterator[tuple[str, Value]]:
    """Give the values of a mapping that stand in the text just as they are, by their keys.

    Args:
        node: the mapping.
        text: the text that it was read from.
    """
    for key, value in node.pairs:
        if isinstance(value, Scalar) and isinstance(key, Scalar):
            start, end = value.start, value.end
            if text[start : start + 1] in _BEFORE and (found := _PROPERTIES.match(text, start)):
                start = found.end()
            if value.is_quoted:
                start, end = start + 1, end - 1
            yield key.value, (text[start:end], start, end)


def _scalar(event: Any, begin: int) -> Scalar:
    start, end = event.start_mark.index, event.end_mark.index
    is_quoted, is_block = event.style in _QUOTES, event.style == "|"
    return Scalar(event.value, begin + start, begin + end, is_quoted, is_block)


class _Made:
    """The nodes of a document that is being read."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._anchors: dict[str, Node] = {}
        self._open: list[Mapping | Sequence] = []
        self._keys: list[Node | None] = []  # of each that is open, a key without a value yet

    def add(self, node: Node, anchor: str | None = None) -> None:
        """Put a node where it belongs: into what is open, or at the root."""
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
        elif isinstance(above := self._open[-1], Sequence):
            above.items.append(node)
        elif (key := self._keys[-1]) is None:
            self._keys[-1] = node
        else:
            above.pairs.append((key, node))
            self._keys[-1] = None

    def open(self, node: Mapping | Sequence, anchor: str | None) -> None:
        """Put a node that others follow into."""
        self.add(node, anchor)
        self._open.append(node)
        self._keys.append(None)

    def close(self) -> None:
        """Take nothing more into the one that was opened last."""
        self._open.pop()
        self._keys.pop()

    def again(self, anchor: str) -> None:
        """Put a node a second time.

        Raises:
            ValueError: there is none of this name.
        """
        if anchor not in self._anchors:
            raise ValueError(anchor)
        self.add(self._anchors[anchor])
