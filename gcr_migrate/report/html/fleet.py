"""The page of several migrations: how each stands, and what is in all of them with its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.model.finding import Severity
from gcr_migrate.report.facts import ReportFacts
from gcr_migrate.report.fleet import NEED_A_PERSON, file_fact, in_order
from gcr_migrate.report.fleet_lines import codes_text, states_text
from gcr_migrate.report.html.columns import ROOM, Column, Table
from gcr_migrate.report.html.page import Cell, Grid, Notes, Page, Tone, number, size
from gcr_migrate.report.html.pictures import bar, parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.report.fact import Fact
    from gcr_migrate.report.fleet import FileFact, FileState, FleetFacts
    from gcr_migrate.report.runs import ItemCountsFact

_NAME: Final = (Column("Name", "name"),)
_WHY: Final = (Column("Code", "code"), Column("Saw"))
_FILE: Final = Column("File", "word")
_GOOD: Final = frozenset({"complete", "nothing-to-do"})


class FleetPage:
    """A page in the making: takes in one migration after the other, and holds rows alone."""

    def __init__(self) -> None:
        self._notes = Notes()
        self._images = Table(
            "images",
            "image",
            "Images",
            (
                Column("Source", "name"),
                Column("Target", "name"),
                Column("Tags", "names"),
                Column("State", "word"),
                Column("Manifests", "number"),
                Column("Bytes", "size"),
                _FILE,
            ),
        )
        what = Column("What", "word")
        self._failures = Table("failures", "failure", "Failures", (*_NAME, what, *_WHY, _FILE))
        severity = Column("Severity", "word")
        self._findings = Table("findings", "finding", "Findings", (*_NAME, *_WHY, severity, _FILE))
        why = Column("Why", "word")
        self._left = Table("left-out", "left-out", "Left out", (*_NAME, *_WHY, why, _FILE))

    def add(self, file: str, facts: Fact) -> None:
        """Take in one migration.

        Args:
            file: its name.
            facts: what `report` tells of it, or why it cannot.
        """
        if isinstance(facts, ReportFacts):
            self._add_report(file, facts)
        else:
            self._notes.add(file_fact(file, facts).errors, Severity.ERROR, "not read")

    def _add_report(self, file: str, facts: ReportFacts) -> None:
        plan = facts.plan
        self._notes.add(plan.findings)
        self._notes.add(facts.status.every_failure(), Severity.ERROR, "failed")
        lost = (one for one in plan.left_out if not one.by_rule)
        self._notes.add(lost, Severity.ERROR, "cannot be moved")
        by_rule = (one for one in plan.left_out if one.by_rule)
        self._notes.add(by_rule, Severity.INFO, "left out")
        self._images.fill(
            (
                (
                    image.source,
                    image.target,
                    " ".join(image.tags),
                    sums.state,
                    sums.manifests,
                    sums.size_bytes,
                    file,
                )
                for image, sums in zip(plan.images, facts.overview.images, strict=True)
            ),
            ROOM // 4,
        )
        self._failures.fill(
            (
                (one.subject, one.kind, one.code, one.saw, file)
                for one in facts.status.every_failure()
            ),
            ROOM // 8,
        )
        self._findings.fill(
            ((one.subject, one.code, one.saw, str(one.severity), file) for one in plan.findings),
            ROOM // 4,
        )
        words = {True: "by rule", False: "cannot be moved"}
        self._left.fill(
            ((one.subject, one.code, one.saw, words[one.by_rule], file) for one in plan.left_out),
            ROOM // 8,
        )

    def page(self, facts: FleetFacts) -> Page:
        """Return the page; `facts` sum up what was taken in."""
        columns = (
            Column("File", "name"),
            Column("State", "word"),
            Column("What went wrong"),
            *(Column(head, "number") for head in ("Images", "Items", "Done", "Failed", "Pending")),
            Column("To transfer", "size"),
            Column("Transferred", "size"),
            Column("Digest", "name"),
        )
        files = Table("files", "file", "Migrations", columns).fill(_rows(facts), ROOM // 4)
        tables = (files, self._images, self._failures, self._findings, self._left)
        return Page(
            kind="Migrations",
            subject=f"{facts.totals.files:,} migration files",
            outcome=Cell(states_text(facts), "word", _tone(facts)),
            facts=_sums(facts),
            notes=self._notes.all(),
            grids=[_states(facts), *_items(facts.totals.items)],
            tables=[one for one in tables if one.total],
        )


def _rows(facts: FleetFacts) -> Iterator[tuple[str | int, ...]]:
    for one in in_order(facts.files):
        yield (one.file, one.state, codes_text(one), *_numbers(one), one.digest)


def _numbers(one: FileFact) -> tuple[int, ...]:
    """What is known of a file in numbers; zeros where it could not be read."""
    items = one.items
    counts = (items.planned, items.done, items.failed, items.pending) if items else (0, 0, 0, 0)
    return (one.images or 0, *counts, one.bytes_to_transfer or 0, one.bytes_transferred or 0)


def _tone(facts: FleetFacts) -> Tone:
    tones = {_tone_of(state) for state in facts.states}
    return "bad" if "bad" in tones else "open" if "open" in tones else "good"


def _tone_of(state: FileState) -> Tone:
    return "good" if state in _GOOD else "bad" if state in NEED_A_PERSON else "open"


def _sums(facts: FleetFacts) -> list[tuple[str, Cell]]:
    totals = facts.totals
    return [
        ("Migration files", number(totals.files)),
        ("Images", number(totals.images or 0)),
        ("To transfer", size(totals.bytes_to_transfer or 0)),
        ("Transferred", size(totals.bytes_transferred or 0)),
    ]


def _states(facts: FleetFacts) -> Grid:
    rows = [
        (
            Cell(state, "word", _tone_of(state), bar(count, facts.totals.files)),
            number(count),
        )
        for state, count in facts.states.items()
    ]
    return Grid("How they stand", ("State", "Files"), rows)


def _items(sums: ItemCountsFact | None) -> Iterator[Grid]:
    if sums is None:
        return
    shares = [("done", sums.done), ("skipped", sums.skipped), ("failed", sums.failed)]
    drawn = parts([*shares, ("pending", sums.pending)])
    counts = (sums.planned, sums.done, sums.skipped, sums.failed, sums.pending)
    heads = ("Items", "Planned", "Done", "Skipped", "Failed", "Pending")
    note = (
        "Planned = done + skipped + failed + pending. Files that could not be read count nothing."
    )
    yield Grid("Progress", heads, [(Cell("all", picture=drawn), *map(number, counts))], note)
