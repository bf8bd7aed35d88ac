"""Several migrations as Markdown that a ticket takes, however many they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import named
from gcr_migrate.report.documents import cell
from gcr_migrate.report.fleet import in_order
from gcr_migrate.report.fleet_lines import by_code, codes_text, findings_of, states_text, what_of
from gcr_migrate.report.words import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.report.fleet import FileFact, FleetFacts

_ROOM_OF_FILES: Final = 32_000
_ROOM_OF_ERRORS: Final = 24_000
_ROOM_OF_FINDINGS: Final = 6_000
_FILES_OF_ONE: Final = 5  # that are named below one code
_LONGEST: Final = 300  # characters of one name with what was seen there


def fleet_markdown(facts: FleetFacts) -> str:
    """Several migrations for a change review, in less than `MOST` characters of `documents`.

    Args:
        facts: what became of them.

    Returns:
        Markdown as GitHub and GitLab show it; where something has no room, it says how much.
    """
    return "".join(f"{line}\n" for line in _lines(facts))


def _lines(facts: FleetFacts) -> Iterator[str]:
    totals = facts.totals
    yield from (f"# {totals.files:,} migrations", "")
    yield from (f"**{states_text(facts)}**", "")
    yield "| | planned | done | skipped | failed | pending |"
    yield "|---|--:|--:|--:|--:|--:|"
    if items := totals.items:
        counts = (items.planned, items.done, items.skipped, items.failed, items.pending)
        yield f"| items | {' | '.join(map(str, counts))} |"
    sizes = (totals.bytes_to_transfer or 0, totals.bytes_transferred or 0)
    told = f"{size_text(sizes[0])} to transfer, {size_text(sizes[1])} transferred"
    yield from ("", f"{totals.images or 0:,} images; {told}.")
    yield from ("", "## Migrations", "")
    counted = "images | items | done | failed | pending | transferred"
    yield f"| file | state | {counted} | what went wrong |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|---|"
    ordered = in_order(facts.files)
    yield from _within(_ROOM_OF_FILES, map(_row, ordered), "files")
    if errors := list(_errors(facts)):
        yield from ("", "## What went wrong")
        yield from _within(_ROOM_OF_ERRORS, errors, "codes")
    if findings := list(_findings(facts)):
        yield from (
            "",
            "## Findings",
            "",
            "| severity | code | found | files |",
            "|---|---|--:|--:|",
        )
        yield from _within(_ROOM_OF_FINDINGS, findings, "codes")


def _within(room: int, texts: Iterable[str], what: str) -> Iterator[str]:
    """Give texts as long as there is room, and tell how many there are beside them."""
    left = 0
    for text in texts:
        room -= len(text) + 1
        if room < 0 or left:
            left += 1
        else:
            yield text
    if left:
        yield from ("", f"And {left:,} more {what}: `report --html` and `report --json` have all.")


def _row(one: FileFact) -> str:
    items = one.items
    counts = (items.planned, items.done, items.failed, items.pending) if items else ("",) * 4
    sent = "" if one.bytes_transferred is None else size_text(one.bytes_transferred)
    images = "" if one.images is None else one.images
    cells = (_short(one.file), one.state, images, *counts, sent, codes_text(one))
    return f"| {' | '.join(map(str, cells))} |"


def _errors(facts: FleetFacts) -> Iterator[str]:
    for code, found in by_code(facts).items():
        problem = named(code)
        lines = ["", f"**{code}**: {problem.title}. {problem.remedy}", ""]
        lines += [f"- {_short(what_of(file, one))}" for file, one in found[:_FILES_OF_ONE]]
        more = len(found) - _FILES_OF_ONE
        lines += [f"- and {more:,} more files"] if more > 0 else []
        yield "\n".join(lines)


def _findings(facts: FleetFacts) -> Iterator[str]:
    for severity, code, count, files in findings_of(facts):
        yield f"| {severity} | {code} | {count} | {files} |"


def _short(text: str) -> str:
    told = cell(text)
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"
