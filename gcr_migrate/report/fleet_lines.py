"""Several files as text for a terminal: what needs a person first, and the rest as a count."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Final

from rich.text import Text

from gcr_migrate.errors import named
from gcr_migrate.model.finding import Severity
from gcr_migrate.report.fleet import in_order
from gcr_migrate.report.layout import STYLES
from gcr_migrate.report.terminal import heading, rows
from gcr_migrate.report.words import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.report.fleet import FileFact, FleetFacts, TotalsFact, TroubleFact

_FOLDED_FROM: Final = 20  # so many files, or fewer, have a line each
_NAMED_AT_MOST: Final = 10  # files that are named below one code
_UNKNOWN: Final = "-"
_PLAN_HEADS: Final = ("images", "to do", "to transfer")
_RUN_HEADS: Final = ("items", "done", "failed", "pending", "transferred")


def fleet_lines(facts: FleetFacts, *, full: bool) -> Iterator[Text]:
    """One table of all files, and below it what is wrong anywhere, with its remedy.

    Args:
        facts: what became of them.
        full: a line for each file, however many there are.
    """
    yield heading(f"{facts.command} of {_files(facts.totals.files)}: {states_text(facts)}")
    ordered = in_order(facts.files)
    lists_all = full or len(ordered) <= _FOLDED_FROM
    listed = [one for one in ordered if lists_all or one.needs_a_person]
    yield from _table(facts, listed)
    folded = Counter(one.state for one in ordered[len(listed) :])
    for state, count in folded.items():
        yield Text(f"  and {count} {state}: --full has a line for each")
    if facts.command == "apply" and {"interrupted", "time-is-up", "not-begun"} & set(facts.states):
        yield Text("The same command goes on with what is left.")
    at_most = len(facts.files) if full else _NAMED_AT_MOST
    yield from _errors(facts, at_most)
    yield from _findings(facts)


def states_text(facts: FleetFacts) -> str:
    """How many files there are of each state, what needs a person first."""
    return ", ".join(f"{count} {state}" for state, count in facts.states.items())


def by_code(facts: FleetFacts) -> dict[str, list[tuple[str, TroubleFact]]]:
    """Return what went wrong by code, each with its file; what is in most files first."""
    found: dict[str, list[tuple[str, TroubleFact]]] = {}
    for one in facts.files:
        for trouble in one.errors:
            found.setdefault(trouble.code, []).append((one.file, trouble))
    return dict(sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])))


def what_of(file: str, trouble: TroubleFact) -> str:
    """Tell what happened to which name in a file, and how many more there are."""
    saw = f" ({trouble.saw})" if trouble.saw else ""
    more = f", and {trouble.count - 1} more" if trouble.count > 1 else ""
    name = trouble.subject if trouble.subject.startswith(file) else f"{file}: {trouble.subject}"
    return f"{name}{saw}{more}"


def codes_text(one: FileFact) -> str:
    """Tell what went wrong in a file, by code with how often."""
    return ", ".join(
        f"{each.count} {each.code}" if each.count > 1 else each.code for each in one.errors
    )


def findings_of(facts: FleetFacts) -> list[tuple[Severity, str, int, int]]:
    """Return what else was found: severity, code, how often, and in how many files."""
    counts: Counter[tuple[Severity, str]] = Counter()
    files: Counter[tuple[Severity, str]] = Counter()
    for one in facts.files:
        for trouble in one.troubles:
            if trouble.severity is not Severity.ERROR:
                counts[trouble.severity, trouble.code] += trouble.count
                files[trouble.severity, trouble.code] += 1
    warnings_first = sorted(counts, key=lambda key: (key[0] is not Severity.WARNING, key[1]))
    return [(*key, counts[key], files[key]) for key in warnings_first]


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _table(facts: FleetFacts, listed: list[FileFact]) -> Iterator[Text]:
    is_plan = facts.command in {"plan", "show"}
    heads = _PLAN_HEADS if is_plan else _RUN_HEADS
    cells = _plan_cells if is_plan else _run_cells
    lines = [(one.file, one.state, *cells(one), codes_text(one)) for one in listed]
    last = ("all", "", *cells(facts.totals), "")
    yield from rows([("file", "state", *heads, "what went wrong"), *lines, last])


def _plan_cells(one: FileFact | TotalsFact) -> tuple[str, ...]:
    return (_count(one.images), _count(one.to_do), _size(one.bytes_to_transfer))


def _run_cells(one: FileFact | TotalsFact) -> tuple[str, ...]:
    items = one.items
    counts = (items.planned, items.done, items.failed, items.pending) if items else (None,) * 4
    return (*map(_count, counts), _size(one.bytes_transferred))


def _size(number: int | None) -> str:
    return _UNKNOWN if number is None else size_text(number)


def _count(number: int | None) -> str:
    return _UNKNOWN if number is None else str(number)


def _errors(facts: FleetFacts, at_most: int) -> Iterator[Text]:
    for code, found in by_code(facts).items():
        problem = named(code)
        yield Text.assemble((f"error[{code}]", STYLES[Severity.ERROR]), f": {problem.title}")
        for file, trouble in islice(found, at_most):
            yield Text(f"  in    {what_of(file, trouble)}")
        if len(found) > at_most:
            yield Text(f"  in    {len(found) - at_most} more files: --full names all")
        yield Text(f"  do    {problem.remedy}")


def _findings(facts: FleetFacts) -> Iterator[Text]:
    """What else was found, as counts: a person looks at it in each file."""
    found = findings_of(facts)
    if found:
        yield heading("Findings")
    for severity, code, count, files in found:
        label = (f"{severity}[{code}]", STYLES[severity])
        yield Text.assemble("  ", label, f" {count} in {_files(files)}")
    if found or any(one.errors for one in facts.files):
        yield Text("  `gcr-migrate explain CODE` tells what a code means and what to do")
