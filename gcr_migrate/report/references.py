"""Names of images in people's files, as facts and as lines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, Self

from msgspec.structs import asdict
from rich.text import Text

from gcr_migrate.errors import Exit, printable
from gcr_migrate.refs.consumers import Consumer
from gcr_migrate.refs.exports import SCANNED, export_kind
from gcr_migrate.refs.files import Found
from gcr_migrate.refs.finder import Written, find
from gcr_migrate.refs.reading import Whose
from gcr_migrate.report.fact import VERSION, Fact, Field
from gcr_migrate.report.terminal import LISTED_AT_MOST, rows
from gcr_migrate.report.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.refs.files import Unread
    from gcr_migrate.refs.reading import Reference

_TITLES: Final = {
    Whose.OURS: "names of your projects",
    Whose.SOMEBODYS: "names of projects that --project does not name",
    Whose.OPEN: "names with gaps that no --set fills",
    Whose.UNREADABLE: "no names, though they look like it",
    Whose.TOPIC: "subscriptions of the topic that hears of each image",
    Whose.HOST: "hosts alone, as in logins and allow-lists",
    Whose.RETIRED: "names that are served no more",
    Whose.GOOGLES: "images of Google's own: leave them alone",
}


class ConsumerFact(Fact):
    """Something that runs with images, as an export of what runs tells."""

    kind: str = Field(description="Such as CronJob or run.googleapis.com/Service.")
    name: str = Field(description="In a cluster after its namespace.")
    project: str = Field(description="Id or number; empty where it is not told.")
    location: str
    runs_as: str = Field(description="Account that its programs have.")
    identity: str = Field(description="Who pulls its images; empty where that is not known.")
    why: str = Field(description="How the identity is known, or why it is not.")

    @classmethod
    def of(cls, consumer: Consumer) -> Self:
        """Tell of a consumer."""
        return cls(**{name: printable(text) for name, text in asdict(consumer).items()})

    @property
    def shown(self) -> str:
        """What it is called among people."""
        return f"{self.kind} {self.name}"


class ReferenceFact(Fact):
    """One name where it stands."""

    file: str
    line: int
    column: int = Field(description="Of its first character, from 1.")
    file_kind: str
    field: str = Field(description="What it is the value of there; empty where nothing says it.")
    text: str = Field(description="As it is written.")
    whose: Whose
    name: str = Field(description="In its plain form; empty where it cannot be read.")
    host: str
    project: str
    gaps: list[str] = Field(description="What a program fills in later, and --set may.")
    assumed: dict[str, str] = Field(
        description="Values of gaps that the file has itself; elsewhere they may be others."
    )
    why: str = Field(description="Why it cannot be read; for a retired name, its successor.")
    consumer: ConsumerFact | None = Field(description="Who uses it, where an export says so.")

    @classmethod
    def of(cls, found: Found, reference: Reference) -> Self:
        """Tell what was found."""
        return cls(
            file=printable(found.file),
            line=found.line,
            column=found.column,
            file_kind=found.kind,
            field=printable(found.field),
            text=printable(found.written.text),
            whose=reference.whose,
            name=reference.name,
            host=printable(reference.host),
            project=reference.place.project.id if reference.place else "",
            gaps=[printable(gap) for gap in reference.gaps],
            assumed={printable(name): printable(value) for name, value in reference.assumed},
            why=printable(reference.why),
            consumer=ConsumerFact.of(found.consumer) if found.consumer else None,
        )


def listed(text: str) -> RefsScanFacts | None:
    """Return what an earlier scan wrote; None for any other text.

    Raises:
        ValueError: it is cut off, or of another version.
    """
    if export_kind(text) != SCANNED:
        return None
    from gcr_migrate.report.reading import read  # noqa: PLC0415  # few scans are read again

    return read(RefsScanFacts, text)


def found_again(one: ReferenceFact) -> Found:
    """Return a name of an earlier scan as it was found where it stands."""
    kind = "topic" if one.whose is Whose.TOPIC else next((w.kind for w in find(one.text)), "name")
    written = Written(one.text, 0, len(one.text), kind)
    consumer = consumer_of(one)
    return Found(
        one.file, one.line, one.column, one.file_kind, one.field, written, one.assumed, consumer
    )


def consumer_of(one: ReferenceFact) -> Consumer | None:
    """Return who pulls a name of an earlier scan, where that was found."""
    return Consumer(**vars(one.consumer)) if one.consumer else None


class UnreadFact(Fact):
    """A file that was not read."""

    file: str
    why: str


class RefsScanFacts(Fact):
    """Result of `refs scan`."""

    schema_: Literal["gcr-migrate/refs-scan"] = "gcr-migrate/refs-scan"
    version: Literal[1] = VERSION
    files: int = Field(description="Files that have a name.")
    counts: dict[Whose, int]
    references: list[ReferenceFact]
    unread: list[UnreadFact]

    @classmethod
    def of(
        cls, references: Iterable[tuple[Found, Reference]], unread: Iterable[Unread]
    ) -> RefsScanFacts:
        """Put together what one run found."""
        told = [ReferenceFact.of(*one) for one in references]
        counts = Counter(one.whose for one in told)
        return cls(
            files=len({one.file for one in told}),
            counts={whose: counts[whose] for whose in Whose if counts[whose]},
            references=told,
            unread=[UnreadFact(file=printable(one.file), why=one.why) for one in unread],
        )

    @property
    def exit(self) -> Exit:
        """Failed where something was not read: it may have names too."""
        return Exit.FAILED if self.unread else Exit.OK


def reference_lines(facts: RefsScanFacts, *, full: bool) -> Iterator[Text]:
    """Tell names by whose they are, each with its place as editors open it."""
    total = sum(facts.counts.values())
    yield Text(f"{counted(total, 'name')} in {counted(facts.files, 'file')}", style="bold")
    for whose, title in _TITLES.items():
        chosen = [one for one in facts.references if one.whose is whose]
        if not chosen:
            continue
        yield Text(f"{len(chosen)} {title}", style="bold")
        shown = chosen if full else chosen[:LISTED_AT_MOST]
        yield from rows([(f"{one.file}:{one.line}:{one.column}", _told(one)) for one in shown])
        if len(shown) < len(chosen):
            yield Text(f"  … and {len(chosen) - len(shown)} more; --full or --json lists them")
    if facts.unread:
        yield Text(f"{len(facts.unread)} could not be read", style="bold red")
        yield from rows([(one.file, one.why) for one in facts.unread])


def _told(one: ReferenceFact) -> str:
    return f"{_said(one)}{used_by(one)}"


def used_by(one: ReferenceFact) -> str:
    """Return who uses a name, to stand behind it; empty where nobody is known."""
    if one.consumer is None:
        return ""
    pulled = f", pulled by {one.consumer.identity}" if one.consumer.identity else ""
    return f"  [{one.consumer.shown}{pulled}]"


def _said(one: ReferenceFact) -> str:
    if one.whose is Whose.OPEN:
        return f"{one.text}  ({', '.join(one.gaps)})"
    if one.whose is Whose.RETIRED:
        return f"{one.text}  → {one.why}"
    if one.assumed:
        return f"{one.text}  = {one.name} ({', '.join(map('='.join, one.assumed.items()))})"
    return f"{one.text}  ({one.why})" if one.why else one.text
