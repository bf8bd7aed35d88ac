"""JUnit XML, which systems of continuous integration show: suites, cases, what speaks against them.

Readers know a case by its class and its name, so no two have the same of both.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Final, Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

_LONGEST: Final = 1_000
# What XML 1.0 has no way to write, whatever stands before it.
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Document:
    """All suites of a run.

    Args:
        name: of the run.
    """

    def __init__(self, name: str) -> None:
        self.names: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._root = Element("testsuites", name=name)

    def suite(self, name: str) -> Suite:
        """Add a suite."""
        return Suite(self, SubElement(self._root, "testsuite", name=cleaned(name)))

    def written(self, seconds: float) -> str:
        """Return the whole text, with all counts.

        Args:
            seconds: that the run took.
        """
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


class Suite:
    """Cases that belong together.

    Args:
        document: in which no two cases have the same class and name.
        element: of the suite.
    """

    def __init__(self, document: Document, element: Element) -> None:
        self._document = document
        self._element = element
        self._class = element.get("name", "")

    def case(self, name: str) -> Element:
        """Add a case under a name that its class has not yet."""
        taken, name = self._document.names[self._class], cleaned(name)
        free = name
        while free in taken:
            taken[name] += 1
            free = f"{name} ({taken[name]})"
        taken[free] += 1
        return SubElement(self._element, "testcase", classname=self._class, name=free, time="0")


def tell(case: Element, tag: Literal["failure", "error"], message: str, kind: str) -> Element:
    """Say what speaks against a case; return where more may be said."""
    return SubElement(case, tag, message=cleaned(message), type=cleaned(kind))


def say(case: Element, text: str) -> None:
    """Say what does not speak against a case."""
    SubElement(case, "system-out").text = cleaned(text)


def cleaned(text: str) -> str:
    """Return a text that XML can hold, shortened; a name's end tells more than its middle."""
    shown = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    if len(shown) <= _LONGEST:
        return shown
    half = _LONGEST // 2
    return f"{shown[:half]}…{shown[-half:]}"
