"""The shape of scripts and programs: what their variables are, where each is set once."""

from __future__ import annotations

import re
from typing import Final

from gcr_migrate.refs.finder import default_of, name_of
from gcr_migrate.refs.shape import Shape

_PAIRS: Final = ("()", "{}", "[]")
_SET: Final = re.compile(
    r"(?:^|(?<=[\s;{$]))([A-Za-z_]\w{0,80})[ \t]{0,20}[:?]{0,2}=(?![=~>])[ \t]{0,20}"
    r"([\"']?)([^\s\"'#;]{1,300})\2(?=[\s;})]|$)",
    re.MULTILINE,
)


def script_shape(text: str) -> Shape:
    """Return the shape of a shell's script, a makefile, a pipeline in Groovy, or a program.

    A variable that is set to several values stands for none of them.
    """
    said: dict[str, set[str]] = {}
    unknown: set[str] = set()
    for found in _SET.finditer(text):
        name, value = found[1], found[3]
        if any(value.count(opens) != value.count(closes) for opens, closes in _PAIRS):
            unknown.add(name)  # a command, of which only the first word was seen
        default = default_of(value) if name_of(value) == name else None
        said.setdefault(name, set()).add(value if default is None else default)
    return Shape(
        values={
            name: min(all_) for name, all_ in said.items() if len(all_) == 1 and name not in unknown
        }
    )
