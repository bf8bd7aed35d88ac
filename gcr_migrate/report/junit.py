"""A proof as JUnit XML, which systems of continuous integration show.

A suite for each host, with a case for each level and one for each finding. Readers know a case by
its class and its name, so no two have the same of both; and they take no file without end.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gcr_migrate.model.finding import Severity
from gcr_migrate.report.proof import is_unproven

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.report.fact import FindingFact
    from gcr_migrate.report.facts import LevelFact
    from gcr_migrate.report.proof import HostProof, Proof

NAME: Final = "gcr-migrate verify"
MOST_FINDINGS: Final = 5_000  # GitLab takes 30 MB and 250,000 objects of XML
_LONGEST: Final = 1_000
# What XML 1.0 has no way to write, whatever stands before it.
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTED: Final = ("tests", "failures", "errors")


def junit_text(proofs: Sequence[Proof], most_findings: int = MOST_FINDINGS) -> str:
    """Return a document for all targets of a run.

    Args:
        proofs: what was found.
        most_findings: cases for single findings at most; the rest is folded into one of each
            host, which says how many of which code they are.
    """
    root = Element("testsuites", name=NAME)
    taken = Counter(host.name for proof in proofs for host in proof.hosts)
    room = most_findings
    for proof in proofs:
        whole = [*proof.findings, *([proof.unexplained] if proof.unexplained else [])]
        if whole or not proof.hosts:
            room -= _suite(root, proof.target, proof, None, whole, room)
        for host in proof.hosts:
            name = host.name if taken[host.name] == 1 else f"{host.name} in {proof.target}"
            room -= _suite(root, name, proof, host, host.findings, room)
    root.set("time", f"{sum(proof.seconds for proof in proofs):.3f}")
    return _written(root)


def unfinished_text(targets: Iterable[str]) -> str:
    """Return the document of a run that has begun: it is red until the run has come to its end."""
    root = Element("testsuites", name=NAME)
    for target in targets:
        suite = SubElement(root, "testsuite", name=_clean(target))
        case = _case(suite, target, "verify")
        SubElement(case, "error", message="the run did not come to its end", type="unfinished")
        _count(suite)
    return _written(root)


def _suite(
    root: Element,
    name: str,
    proof: Proof,
    host: HostProof | None,
    findings: Sequence[FindingFact],
    room: int,
) -> int:
    """Add a suite; return how many findings got a case of their own."""
    suite = SubElement(root, "testsuite", name=_clean(name))
    if host is None:
        case = _case(suite, name, "verify")
        if proof.outcome != "proven":
            tag = "failure" if proof.outcome == "differs" else "error"
            SubElement(case, tag, message=f"not proven: {proof.outcome}", type=proof.outcome)
    else:
        for level, counts in host.levels.items():
            _level(_case(suite, name, level), counts)
        if host.outcome == "unproven" and not host.count("unchecked"):
            case = _case(suite, name, "verify")
            SubElement(case, "error", message="not all was looked at", type="unproven")
    # What is wrong comes before what is only noteworthy, should there be no room for all.
    first = sorted(findings, key=lambda one: one.severity is not Severity.ERROR)
    names = _Names()
    shown, folded = first[: max(room, 0)], first[max(room, 0) :]
    for one in shown:
        _finding(_case(suite, name, names.free(f"{one.code} {one.subject}")), one)
    if folded:
        _fold(_case(suite, name, "findings that are not listed"), folded)
    _count(suite)
    return len(shown)


class _Names:
    """Names of cases within one suite, each given once."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def free(self, name: str) -> str:
        name = _clean(name)
        self._taken[name] += 1
        number = self._taken[name]
        return name if number == 1 else self.free(f"{name} ({number})")


def _case(suite: Element, classname: str, name: str) -> Element:
    return SubElement(suite, "testcase", classname=_clean(classname), name=_clean(name), time="0")


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


def _count(suite: Element) -> None:
    cases = suite.findall("testcase")
    found = {"tests": len(cases)}
    for tag in ("failure", "error"):
        found[f"{tag}s"] = sum(case.find(tag) is not None for case in cases)
    suite.attrib |= {name: str(number) for name, number in found.items()} | {"skipped": "0"}


def _written(root: Element) -> str:
    for name in _COUNTED:
        root.set(name, str(sum(_numbers(root, name))))
    indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _numbers(root: Element, name: str) -> Iterator[int]:
    return (int(suite.get(name, "0")) for suite in root)


def _clean(text: str) -> str:
    """Return a text that XML can hold, shortened; a name's end tells more than its middle."""
    shown = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    if len(shown) <= _LONGEST:
        return shown
    half = _LONGEST // 2
    return f"{shown[:half]}…{shown[-half:]}"
