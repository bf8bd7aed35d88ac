"""Lines for people: laid out for the width of a terminal, or said one fact a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from rich.cells import cell_len
from rich.text import Text

from gcr_migrate.model.finding import Severity
from gcr_migrate.report.words import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_MARKS: Final = {"+": "green", "~": "yellow", "!": "bold red"}
_ROOM: Final = 24  # columns that a text has at least beside what stands before it
_INDENT: Final = 2


class Line(Struct, frozen=True):
    """A line of a result.

    Attributes:
        text: what is told; it is folded between words, and a name stays whole.
        lead: what stands before it on the first line, such as `+ ` or the word of a sum.
        depth: how far it is moved in.
        label: a first word with a style.
        style: of that word, or of the whole text where there is none.
        said: the same as one fact, without drawing; empty where that is told elsewhere.
    """

    text: str
    lead: str = ""
    depth: int = 0
    label: str = ""
    style: str = ""
    said: str = ""


def headed(text: str) -> Line:
    """Return a line that begins a part, which those who listen do not need."""
    return Line(text, style="bold")


def laid_out(lines: Iterable[Line], width: int | None) -> Iterator[Text]:
    """Lay lines out.

    Args:
        lines: what is told.
        width: columns of the terminal; None: lines are never folded.
    """
    for line in lines:
        yield from _folded(line, width)


def said(lines: Iterable[Line]) -> Iterator[Text]:
    """Tell lines as facts, each on a line of its own: for those who listen, and for `grep`."""
    for line in lines:
        if line.said:
            yield Text(visible(line.said))


def padded(text: str, width: int) -> str:
    """Return a text with spaces up to a number of columns; some characters take two."""
    return text + " " * (width - cell_len(text))


def _folded(line: Line, width: int | None) -> Iterator[Text]:
    lead = f"{' ' * (_INDENT * line.depth)}{line.lead}"
    hang = cell_len(lead) + (_INDENT if line.label else 0)
    if width is not None and width - hang < _ROOM:
        hang = _INDENT * (line.depth + 1)
    text = f"{line.label} {visible(line.text)}" if line.label else visible(line.text)
    # An arrow stays with what it points to.
    words = [word.replace("\n", " ") for word in text.replace(" -> ", " ->\n").split(" ")]
    rows = list(_rows(words, width, cell_len(lead), hang))
    for at, row in enumerate(rows):
        told = Text(lead if at == 0 else " " * hang)
        if at == 0 and line.lead.strip() in _MARKS:
            told.stylize(_MARKS[line.lead.strip()])
        body = Text(row)
        if line.label and at == 0:
            body.stylize(line.style, 0, len(line.label))
        elif line.style and not line.label:
            body.stylize(line.style)
        yield told + body


def _rows(words: list[str], width: int | None, first: int, hang: int) -> Iterator[str]:
    if width is None:
        yield " ".join(words)
        return
    row, used = words[:1], first + cell_len(words[0])
    for word in words[1:]:
        size = cell_len(word)
        if used + 1 + size > width:
            yield " ".join(row)
            row, used = [word], hang + size
        else:
            row.append(word)
            used += 1 + size
    yield " ".join(row)
