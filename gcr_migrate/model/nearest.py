"""What somebody may have meant who wrote a name that there is not."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALIKE: Final = 0.6  # the least likeness that is worth a question
_BEGINS_AT: Final = 3  # letters that are a beginning and no accident


def nearest(written: str, known: Iterable[str]) -> str:
    """Return the known name that is most like what was written; empty if none is like it.

    Args:
        written: as a person wrote it; case does not matter.
        known: the names that there are.
    """
    names = {one.lower(): one for one in known}
    text = written.lower()
    found = difflib.get_close_matches(text, names, n=1, cutoff=_ALIKE)
    if not found and len(text) >= _BEGINS_AT:
        found = sorted((one for one in names if one.startswith(text)), key=len)[:1]
    return names[found[0]] if found else ""


def did_you_mean(written: str, known: Iterable[str]) -> str:
    """Return the question whether the nearest name was meant; empty if none is near."""
    near = nearest(written, known)
    return f"did you mean `{near}`?" if near else ""


def with_question(said: str, written: str, known: Iterable[str]) -> str:
    """Return what is said of a name, with the question whether the nearest one was meant."""
    question = did_you_mean(written, known)
    return f"{said}; {question}" if question else said
