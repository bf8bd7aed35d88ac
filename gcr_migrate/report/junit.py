"""A proof as JUnit XML, which systems of continuous integration show.

A suite for each host, with a case for each level and one for each finding; and no file without
end, which readers would not take.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

from gcr_migrate.model.finding import Severity
from gcr_migrate.report.junit_document import Document, cleaned, say, tell
from gcr_migrate.report.proof import by_code
from gcr_migrate.report.standing import is_unproven
from gcr_migrate.verify.result import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from xml.etree.ElementTree import Element

    from gcr_migrate.report.junit_document import Suite
    from gcr_migrate.report.proof import LevelFact, ProofFindingFact
    from gcr_migrate.report.standing import Standing

NAME: Final = "gcr-migrate verify"
MOST_FINDINGS: Final = 5_000  # GitLab takes 30 MB and 250,000 objects of XML
Tag = Literal["failure", "error"]


def junit_text(standings: Sequence[Standing], most_findings: int = MOST_FINDINGS) -> str:
    """Return a document for all targets of a run.

    Args:
        standings: what was found.
        most_findings: cases for single findings at most; the rest is folded into one of each
            host, which says how many of which code they are.
    """
    document, room = Document(NAME), most_findings
    taken = Counter(host.name for standing in standings for host in standing.hosts)
    for standing in standings:
        if standing.findings or not standing.hosts:
            suite = document.suite(standing.target)
            _outcome(suite, standing.outcome)
            room = _findings(suite, standing.findings, room)
        for host in standing.hosts:
            alone = taken[host.name] == 1
            suite = document.suite(host.name if alone else f"{host.name} in {standing.target}")
            for level, counts in host.levels.items():
                _level(suite.case(level), counts)
            room = _findings(suite, host.findings, room)
    return document.written(sum(standing.seconds or 0 for standing in standings))


def unfinished_text(targets: Iterable[str]) -> str:
    """Return the document of a run that has begun: it is red until the run has come to its end."""
    document = Document(NAME)
    for target in targets:
        case = document.suite(target).case("verify")
        tell(case, "error", "the run did not come to its end", "unfinished")
    return document.written(0)


def _outcome(suite: Suite, outcome: Outcome) -> None:
    case = suite.case("verify")
    if outcome is not Outcome.PROVEN:
        tag: Tag = "failure" if outcome is Outcome.DIFFERS else "error"
        tell(case, tag, f"not proven: {outcome}", outcome)


def _findings(suite: Suite, findings: Iterable[ProofFindingFact], room: int) -> int:
    """Add a case for each finding, as far as there is room; return what is left of it."""
    # What is wrong comes before what is only noteworthy, should there be no room for all.
    first = sorted(findings, key=lambda one: one.severity is not Severity.ERROR)
    for one in first[:room]:
        _finding(suite.case(f"{one.code} {one.subject}"), one)
    if first[room:]:
        _fold(suite.case("findings that are not listed"), first[room:])
    return max(0, room - len(first))


def _level(case: Element, counts: LevelFact) -> None:
    told = f"{counts.checked} checked: {counts.ok} ok, {counts.wrong} wrong"
    told += f"; {counts.unchecked} got no answer" if counts.unchecked else ""
    if counts.wrong:
        tell(case, "failure", told, "differs")
    elif counts.unchecked:
        tell(case, "error", told, "unproven")
    else:
        say(case, told)


def _finding(case: Element, one: ProofFindingFact) -> None:
    text = "\n".join(part for part in (one.saw, one.message, one.remedy) if part)
    if one.severity is not Severity.ERROR:
        say(case, text)
        return
    tag: Tag = "error" if is_unproven(one.code) else "failure"
    tell(case, tag, f"{one.subject}: {one.saw or one.message}", one.code).text = cleaned(text)


def _fold(case: Element, folded: Sequence[ProofFindingFact]) -> None:
    codes = by_code(folded)
    counts = ", ".join(f"{number:,} {code}" for code, number in codes.items())
    text = f"{sum(codes.values()):,} more: {counts}"
    errors = [one for one in folded if one.severity is Severity.ERROR]
    if not errors:
        say(case, text)
        return
    tag: Tag = "error" if all(is_unproven(one.code) for one in errors) else "failure"
    tell(case, tag, text, "folded")
