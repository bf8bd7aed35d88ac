"""Rows for a spreadsheet: CSV by RFC 4180, in which no name is taken for a formula."""

from __future__ import annotations

import csv
import io
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gcr_migrate.model.plan import TagAction
from gcr_migrate.report.access import AccessRowFact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.report.fact import FindingFact, LeftOutFact
    from gcr_migrate.report.facts import ImageFact, ShowFacts

    Cell = str | int | bool | None

# What spreadsheets begin a formula with; those of full width are read like the others by some.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


class Sheet(StrEnum):
    """What there is a table of."""

    IMAGES = "images"
    FINDINGS = "findings"
    ACCESS = "access"
    LEFT_OUT = "left-out"


_IMAGES: Final = (
    "source",
    "target",
    "repository",
    "manifests",
    "manifests_to_write",
    "bytes_to_send",
    "bytes_to_mount",
    "bytes_there",
    *(f"tags_{action.value}" for action in TagAction),
    "left_out",
)
_FINDINGS: Final = ("severity", "code", "subject", "saw", "message", "remedy")
_LEFT_OUT: Final = ("code", "subject", "by_rule", "saw", "message", "remedy")


def sheet_lines(sheet: Sheet, facts: ShowFacts) -> Iterator[str]:
    """Tell a table of a plan as lines of CSV, a head line first; each has its end.

    Args:
        sheet: which table.
        facts: the plan; its rows are read while they are told.
    """
    if sheet is Sheet.ACCESS:
        return access_sheet(facts.access)
    if sheet is Sheet.FINDINGS:
        return csv_lines(_FINDINGS, map(_finding, facts.findings))
    if sheet is Sheet.LEFT_OUT:
        return csv_lines(_LEFT_OUT, map(_left_out, facts.left_out))
    return csv_lines(_IMAGES, map(_image, facts.images))


def access_sheet(rows: Iterable[AccessRowFact]) -> Iterator[str]:
    """Tell who can do what as lines of CSV, a head line first; each has its end."""
    return csv_lines(AccessRowFact.field_names(), map(_access, rows))


def csv_lines(head: Iterable[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Write rows as lines of CSV; each has its end."""
    yield _line([*head])
    yield from map(_line, rows)


def _image(one: ImageFact) -> list[Cell]:
    size = one.bytes
    tags = [" ".join(one.tags_by_action.get(action, [])) for action in TagAction]
    left = " ".join(f"{code}:{count}" for code, count in one.left_out.items())
    manifests = (one.manifests, one.manifests_to_write)
    sizes = (size.to_send, size.to_mount, size.there)
    return [one.source, one.target, one.repository, *manifests, *sizes, *tags, left]


def _finding(one: FindingFact) -> list[Cell]:
    return [str(one.severity), one.code, one.subject, one.saw, one.message, one.remedy]


def _left_out(one: LeftOutFact) -> list[Cell]:
    return [one.code, one.subject, one.by_rule, one.saw, one.message, one.remedy]


def _access(row: AccessRowFact) -> list[Cell]:
    return list(vars(row).values())


def _line(cells: Sequence[Cell]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(map(_cell, cells))
    return line.getvalue()


def _cell(cell: Cell) -> str | int:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
