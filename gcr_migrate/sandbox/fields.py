"""Answers in part, as Cloud Storage gives them to who names `fields`."""

from __future__ import annotations

import re
from typing import Any, Final

Fields = dict[str, "Fields"]  # what is wanted of each member; nothing in it stands for all
_PIECES: Final = re.compile(r"[A-Za-z0-9_-]+|.", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+|\*")
_EVERY: Final = "*"


def read_fields(text: str) -> Fields:
    """Return what a selection such as `items(name,acl),nextPageToken` wants; empty for all.

    Raises:
        ValueError: it is no selection.
    """
    pieces = _PIECES.findall(text)
    wanted = _selection(pieces) if pieces else {}
    if pieces:
        raise ValueError(f"Invalid field selection {text}")
    return wanted


def pick(body: Any, wanted: Fields) -> Any:
    """Return those parts of an answer that are wanted; names that it does not have add nothing."""
    if not wanted:
        return body
    if isinstance(body, list):
        return [pick(one, wanted) for one in body]
    if not isinstance(body, dict):
        return body
    every = wanted.get(_EVERY)
    parts = {name: wanted.get(name, every) for name in body}
    return {name: pick(body[name], part) for name, part in parts.items() if part is not None}


def _selection(pieces: list[str]) -> Fields:
    """Take names, parted by commas, from the front of the pieces."""
    found: Fields = {}
    while True:
        inner = found.setdefault(_name(pieces), {})
        while _took(pieces, "/"):
            inner = inner.setdefault(_name(pieces), {})
        if _took(pieces, "("):
            inner |= _selection(pieces)
            if not _took(pieces, ")"):
                raise ValueError("Invalid field selection: ) is missing")
        if not _took(pieces, ","):
            return found


def _name(pieces: list[str]) -> str:
    if not pieces or not _NAME.fullmatch(pieces[0]):
        raise ValueError("Invalid field selection: a name is missing")
    return pieces.pop(0)


def _took(pieces: list[str], sign: str) -> bool:
    """Take a sign from the front if it is there."""
    there = pieces[:1] == [sign]
    if there:
        del pieces[0]
    return there
