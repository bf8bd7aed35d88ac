"""What an HTML page is made of, as values; nothing here knows where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct, field

from gcr_migrate.model.finding import Severity
from gcr_migrate.report.words import size_text, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markupsafe import Markup

    from gcr_migrate.report.fact import Fact
    from gcr_migrate.report.html.columns import Table
    from gcr_migrate.report.html.folders import Folder

CellKind = Literal["text", "name", "number", "word"]
Tone = Literal["good", "bad", "open", "plain"]
_LONGEST: Final = 1000  # characters of one text beside the tables
_NAMED_AT_MOST: Final = 5
_ORDER: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
_TONES: Final[dict[Severity, Tone]] = {
    Severity.ERROR: "bad",
    Severity.WARNING: "open",
    Severity.INFO: "plain",
}


class Cell(Struct, frozen=True):
    """A value of a small table; `picture` stands beside its text."""

    text: str
    kind: CellKind = "text"
    tone: Tone = "plain"
    picture: Markup | None = None


def name(text: str) -> Cell:
    """Return a name as it can be pasted."""
    return Cell(text, "name")


def number(value: int) -> Cell:
    """Return a count."""
    return Cell(f"{value:,}", "number")


def size(value: int) -> Cell:
    """Return a number of bytes; unknown where it is negative."""
    return Cell(size_text(value) if value >= 0 else "unknown", "number")


def moment(text: str) -> Cell:
    """Return a time in UTC as people write it."""
    return Cell(text.replace("T", " ").replace("+00:00", " UTC"))


def short(text: str) -> str:
    """Return a text as it can be shown, with its length where it is cut."""
    told = visible(text)
    if len(told) <= _LONGEST:
        return told
    return f"{told[:_LONGEST]}… ({len(told):,} characters)"


class Grid(Struct, frozen=True):
    """A small table with all its rows in the page.

    Attributes:
        title: what it shows.
        heads: of its columns.
        rows: each as long as the heads; the first cell names the row.
        note: what a reader has to know of it.
    """

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""


class Note(Struct, frozen=True):
    """What was found of one kind.

    Attributes:
        code: stable code.
        word: how much it weighs.
        tone: the same as a colour and a sign.
        message: what it means.
        remedy: what to do.
        subjects: a few of the names that it is about, each with what was seen there.
        count: number of all of them.
    """

    code: str
    word: str
    tone: Tone
    message: str
    remedy: str
    subjects: list[tuple[str, str]]
    count: int

    @property
    def title(self) -> str:
        """Its first sentence."""
        return self.message.partition(". ")[0].removesuffix(".")

    @property
    def rest(self) -> str:
        """What its message says after that."""
        return self.message.partition(". ")[2]

    @property
    def more(self) -> int:
        """How many are not named here."""
        return self.count - len(self.subjects)


class Page(Struct, frozen=True):
    """A whole page.

    Attributes:
        kind: what it tells, such as `Migration`.
        subject: of what, a file or target.
        outcome: how it stands, in a sentence, with its tone.
        facts: the summary, each value with its word.
        notes: findings, the worst first.
        grids: small tables and pictures.
        folders: where the source's paths go.
        tables: long tables with search.
    """

    kind: str
    subject: str
    outcome: Cell
    facts: list[tuple[str, Cell]]
    notes: list[Note] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


class Notes:
    """Findings by code: each message and remedy stands once, with a few names.

    What is given is read once, and only counts and a few names of it are held.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[int, str, str], Note] = {}
        self._counts: dict[tuple[int, str, str], int] = {}

    def add(self, facts: Iterable[Fact], severity: Severity | None = None, word: str = "") -> None:
        """Take in findings.

        Args:
            facts: each with code, subject, saw, message and remedy.
            severity: how much each weighs; None: as it says itself.
            word: how that is called; empty: the severity.
        """
        for one in facts:
            weight = severity or one.severity  # type: ignore[attr-defined]
            self._add(one, weight, word or str(weight))

    def _add(self, one: Fact, severity: Severity, word: str) -> None:
        said = vars(one)
        key = (_ORDER[severity], word, said["code"])
        if key not in self._found:
            words = (said["message"], said["remedy"])
            self._found[key] = Note(said["code"], word, _TONES[severity], *words, [], 0)
            self._counts[key] = 0
        self._counts[key] += 1
        if len(self._found[key].subjects) < _NAMED_AT_MOST:
            self._found[key].subjects.append((said["subject"], said["saw"]))

    def all(self) -> list[Note]:
        """Return what was found, the worst first."""
        return [
            Note(n.code, n.word, n.tone, n.message, n.remedy, n.subjects, self._counts[key])
            for key, n in sorted(self._found.items())
        ]
