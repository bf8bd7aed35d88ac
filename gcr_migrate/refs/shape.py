"""What a text is made of, as far as names of images need it: fields, parts, values of gaps."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.refs.finder import Written

_SETS: Final = re.compile(
    r"(?<![\w./])([A-Za-z_][\w.-]*)[\"']?\s*[?+]?[:=]+>?(?!//)\s*(?:[\[(][^\[\]()]*)?(?:[A-Za-z$@]{0,2}[\"'`])?[^\s\"'`]*$"
)

LONE_RETURN: Final = re.compile(r"[\r\f](?!\n)")  # ends a line for some readers
_NEAR: Final = 200  # characters before a name in which its line says what it is


class Field(Struct, frozen=True):
    """Where one value stands.

    Attributes:
        start: index of its first character, and `end` of the first after it.
        path: what it is the value of, such as `spec.containers.0.image`.
    """

    start: int
    end: int
    path: str


class Shape(Struct):
    """What is known of a text.

    Attributes:
        fields: its values, in their order.
        parted: names in parts, each with what it is the value of.
        values: what gaps stand for, as far as the text itself says so; others may say otherwise.
    """

    fields: list[Field] = field(default_factory=list)
    parted: list[tuple[Written, str]] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)

    def field_at(self, text: str, index: int) -> str:
        """Return what a name is the value of; empty where nothing says it.

        Args:
            text: the whole text.
            index: where the name begins.
        """
        at = bisect_right(self.fields, index, key=lambda one: one.start) - 1
        if at >= 0 and index < self.fields[at].end:
            return self.fields[at].path
        line = text[max(text.rfind("\n", 0, index) + 1, index - _NEAR) : index]
        found = _SETS.search(line)
        return found[1] if found else ""


def offsets(text: str) -> Sequence[int]:
    """Return the index at which each line begins."""
    starts = [0]
    while (end := text.find("\n", starts[-1])) >= 0:
        starts.append(end + 1)
    return starts
