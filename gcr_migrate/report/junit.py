"""A proof as JUnit XML, which systems of continuous integration show.

A suite for each host, with a case for each level and one for each finding. Readers know a case by
its class and its name, so no two have the same of both; and they take no file without end.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gcr_migrate.model.finding import Severity
from gcr_migrate.report.standing import is_unproven
from gcr_migrate.verify.marks import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcr_migrate.report.fact import FindingFact
    from gcr_migrate.report.proof import LevelFact
    from gcr_migrate.report.standing import Standing

NAME: Final = "gcr-migrate verify"
MOST_FINDINGS: Final = 5_000  # GitLab takes 30 MB and 250,000 objects of XML
_LONGEST: Final = 1_000
# What XML 1.0 has no way to write, whatever stands before it.
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


def junit_text(standings: Sequence[Standing], most_findings: int = MOST_FINDINGS) -> str:
    """Return a document for all targets of a run.

    Args:
        standings: what was found.
        most_findings: cases for single findings at most; the rest is folded into one of each
            host, which says how many of which code they are.
    """
    document = _Document(most_findings)
    taken = Counter(host.name for standing in standings for host in standing.hosts)
    for standing in standings:
        if standing.findings or not standing.hosts:
            suite = document.suite(standing.target)
            suite.outcome(standing.outcome)
            suite.findings(standing.findings)
        for host in standing.hosts:
            alone = taken[host.name] == 1
            suite = document.suite(host.name if alone else f"{host.name} in {standing.target}")
            for level, counts in host.levels.items():
                _level(suite.case(level), counts)
            suite.findings(host.findings)
    return document.written(sum(standing.seconds or 0 for standing in standings))


def unfinished_text(targets: Iterable[str]) -> str:
    """Return the document of a run that has begun: it is red until the run has come to its end."""
    document = _Document(0)
    for target in targets:
        case = document.suite(target).case("verify")
        SubElement(case, "error", message="the run did not come to its end", type="unfinished")
    return document.written(0)


class _Document:
    """All suites of a run.

    Args:
        room: cases for single findings that it may still have.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.names: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._root = Element("testsuites", name=NAME)

    def suite(self, name: str) -> _Suite:
        return _Suite(self, SubElement(self._root, "testsuite", name=_clean(name)))

    def written(self, seconds: float) -> str:
        sums = Counter[str]()
        for suite in self._root:
            cases = suite.findall("testcase")
            found = {"tests": len(cases)}
            for tag in ("failure", "error"):
                found[f"{tag}s"] = sum(case.find(tag) is not None for case in cases)
            sums.update(found)
            suite.attrib |= {name: str(number) for name, number in found.items()}
            suite.set("skipped", "0")
        self._root.attrib |= {name: str(sums[name]) for name in ("tests", "failures", "errors")}
        self._root.set("time", f"{seconds:.3f}")
        indent(self._root, " ")
        return f"{_HEAD}{tostring(self._root, encoding='unicode')}\n"


class _Suite:
    """The cases of one host, or of a target as a whole."""

    def __init__(self, document: _Document, element: Element) -> None:
        self._document = document
        self._element = element
        self._class = element.get("name", "")

    def case(self, name: str) -> Element:
        """Add a case under a name that its class has not yet."""
        taken, name = self._document.names[self._class], _clean(name)
        free = name
        while free in taken:
            taken[name] += 1
            free = f"{name} ({taken[name]})"
        taken[free] += 1
        return SubElement(self._element, "testcase", classname=self._class, name=free, time="0")

    def outcome(self, outcome: Outcome) -> None:
        case = self.case("verify")
        if outcome is not Outcome.PROVEN:
            tag = "failure" if outcome is Outcome.DIFFERS else "error"
            SubElement(case, tag, message=f"not proven: {outcome}", type=outcome)

    def findings(self, findings: Iterable[FindingFact]) -> None:
        # What is wrong comes before what is only noteworthy, should there be no room for all.
        first = sorted(findings, key=lambda one: one.severity is not Severity.ERROR)
        room = self._document.room
        for one in first[:room]:
            _finding(self.case(f"{one.code} {one.subject}"), one)
        if first[room:]:
            _fold(self.case("findings that are not listed"), first[room:])
        self._document.room = max(0, room - len(first))


def _level(case: Element, counts: LevelFact) -> None:
    told = f"{counts.checked} checked: {counts.ok} ok, {counts.wrong} wrong"
    told += f"; {counts.unchecked} got no answer" if counts.unchecked else ""
    if counts.wrong:
        SubElement(case, "failure", message=told, type="differs")
    elif counts.unchecked:
        SubElement(case, "error", message=told, type="unproven")
    else:
        SubElement(case, "system-out").text = told


def _finding(case: Element, one: FindingFact) -> None:
    text = "\n".join(part for part in (one.saw, one.message, one.remedy) if part)
    if one.severity is not Severity.ERROR:
        SubElement(case, "system-out").text = _clean(text)
        return
    tag = "error" if is_unproven(one.code) else "failure"
    message = _clean(f"{one.subject}: {one.saw or one.message}")
    SubElement(case, tag, message=message, type=_clean(one.code)).text = _clean(text)


def _fold(case: Element, folded: Sequence[FindingFact]) -> None:
    codes = sorted(Counter(one.code for one in folded).items())
    text = f"{len(folded):,} more: " + ", ".join(f"{number:,} {code}" for code, number in codes)
    errors = [one for one in folded if one.severity is Severity.ERROR]
    if not errors:
        SubElement(case, "system-out").text = _clean(text)
        return
    tag = "error" if all(is_unproven(one.code) for one in errors) else "failure"
    SubElement(case, tag, message=_clean(text), type="folded")


def _clean(text: str) -> str:
    """Return a text that XML can hold, shortened; a name's end tells more than its middle."""
    shown = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    if len(shown) <= _LONGEST:
        return shown
    half = _LONGEST // 2
    return f"{shown[:half]}…{shown[-half:]}"
