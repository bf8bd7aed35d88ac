"""Texts of files: a head that says what a file is, then what a library writes."""

from __future__ import annotations

import io
import re
import textwrap
from typing import TYPE_CHECKING, Any, Final, Self

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK: Final = "Made by gcr-migrate"
UNTRIED: Final = (
    "Tried: this file is read by parsers and its command is run in tests. Not tried: Google Cloud"
    " itself; it was made from documentation."
)
_WIDE: Final = 1_000_000
# What every version of YAML takes for a text, without quotes.
_PLAIN: Final = re.compile(r"[A-Za-z/](?:[A-Za-z0-9._/@:-]*[A-Za-z0-9._/@-])?")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def head(title: str, paragraphs: Iterable[str], version: str) -> list[str]:
    """Return the lines of a comment at the top of a file, without the comment's sign.

    Args:
        title: what the file is.
        paragraphs: how to apply it, what was tried; a line that begins with blanks stays whole.
        version: of this program.
    """
    lines = [title, f"{MARK} {version}; made again, it is replaced."]
    was_command = False
    for one in paragraphs:
        is_command = one.startswith(" ")
        lines += [] if is_command and was_command else [""]
        lines += [one] if is_command else textwrap.wrap(one, 96, break_on_hyphens=False)
        was_command = is_command
    return lines


def comment(lines: Iterable[str]) -> str:
    """Return lines as a comment of YAML, a shell or a unit file."""
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def yaml_text(lines: Iterable[str], *documents: Any) -> str:
    """Return a file of YAML.

    Args:
        lines: its head.
        documents: mappings; a `Said` key has a comment before it.
    """
    yaml = YAML()
    yaml.width = _WIDE
    yaml.indent(mapping=2, sequence=4, offset=2)
    texts = []
    for document in documents:
        out = io.StringIO()
        yaml.dump(_node(document, 0), out)
        texts.append(out.getvalue())
    return comment(lines) + "\n" + "---\n".join(texts)


class Said(str):
    """A key with a comment before it.

    Args:
        key: the key.
        why: the comment.
    """

    __slots__ = ("why",)
    why: str

    def __new__(cls, key: str, why: str) -> Self:
        """Return the key, which carries its comment."""
        made = super().__new__(cls, key)
        made.why = why
        return made


class Script(str):
    """A text of several lines that is written as it is."""

    __slots__ = ()


def _node(value: Any, depth: int) -> Any:
    """Return what the library dumps: texts in quotes, so that no reader takes one for a number."""
    if isinstance(value, dict):
        made = CommentedMap()
        for key, one in value.items():
            made[str(key)] = _node(one, depth + 2)
            if isinstance(key, Said):
                made.yaml_set_comment_before_after_key(str(key), key.why, depth)
        return made
    if isinstance(value, (list, tuple)):
        return [_node(one, depth + 2) for one in value]
    if isinstance(value, Script):
        return LiteralScalarString(value)
    if isinstance(value, str) and not _is_plain(value):
        return DoubleQuotedScalarString(value)
    return value


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS
