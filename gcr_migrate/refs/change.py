"""Rewrites one file: its bytes in, its bytes out, and what could not be done."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gcr_migrate.refs.cover import Verdict
from gcr_migrate.refs.exports import EXPORTS
from gcr_migrate.refs.files import scan_text, text_of
from gcr_migrate.refs.rewrite import Refusal, applied, edits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.files import Found
    from gcr_migrate.refs.reading import Reference
    from gcr_migrate.refs.rewrite import Edit

_NO_SOURCE: Final = "an export: what runs has to be changed where it is declared"
_UNCHANGED: Final = {
    "lock-file": "a lock file: have its own tool make it again",
    **dict.fromkeys(EXPORTS, _NO_SOURCE),
}
_CONTEXT: Final = 3


@dataclass(slots=True)
class Change:
    """What became of a file.

    Attributes:
        file: its path.
        before: its bytes, and `after` what they are to be.
        done: names that are rewritten, each with what becomes of it.
        refused: names that move and are not rewritten, each with the reason.
    """

    file: str
    before: bytes
    after: bytes
    done: list[tuple[Found, Covered]] = field(default_factory=list)
    refused: list[tuple[Found, str]] = field(default_factory=list)

    @property
    def is_any(self) -> bool:
        """Whether the file changes."""
        return self.before != self.after


def change(
    name: str,
    raw: bytes,
    judge: Callable[[Found], tuple[Reference, Covered]],
    values: Mapping[str, str],
    *,
    pin: bool = False,
) -> Change:
    """Put new names into a file.

    Args:
        name: its path.
        raw: its bytes.
        judge: tells what a name says and what becomes of it.
        values: what gaps stand for, as a person gave them.
        pin: add digests to tags.
    """
    made = Change(name, raw, raw)
    text = text_of(raw)
    if text is None:
        return made
    changes: list[Edit] = []
    for found in scan_text(name, text):
        reference, covered = judge(found)
        if covered.verdict is not Verdict.MOVES:
            continue
        known = {**found.values, **dict(reference.assumed), **values}
        wanted = edits(found.written, reference, covered, known, pin=pin)
        if found.kind in _UNCHANGED:
            wanted = Refusal(_UNCHANGED[found.kind])
        if isinstance(wanted, Refusal):
            if not wanted.follows:
                made.refused.append((found, wanted.why))
            continue
        changes += wanted
        made.done.append((found, covered))
    after = applied(text, changes).encode("utf-8", errors="surrogateescape")
    if text.encode("utf-8", errors="surrogateescape") != raw:  # it is in another encoding
        made.refused += [(found, "the file is not in UTF-8") for found, _ in made.done]
        made.done = []
    elif made.done:
        made.after = after
    return made


def patch(made: Change, path: str) -> Iterator[str]:
    """Give the lines of a unified difference, as `git apply` takes it.

    Args:
        made: what became of the file.
        path: its path in the patch.
    """
    before, after = _lines(made.before), _lines(made.after)
    for line in difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", n=_CONTEXT):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(raw: bytes) -> list[str]:
    """Part a text at its line ends only; what else looks like one stays in its line."""
    text = raw.decode("utf-8", errors="surrogateescape")
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines
