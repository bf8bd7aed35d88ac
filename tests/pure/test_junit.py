"""A proof as JUnit XML: well-formed for any words, within limits, and never green by chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, fromstring

import pytest
import xmlschema
from hypothesis import given

from gcr_migrate import errors
from gcr_migrate.model.finding import Severity
from gcr_migrate.report.junit import junit_text, unfinished_text
from gcr_migrate.verify.result import Outcome
from tests.standings import HOST, STANDINGS, WORDS, finding, host, level, standing

if TYPE_CHECKING:
    from gcr_migrate.report.standing import Standing

SCHEMA = xmlschema.XMLSchema10(Path(__file__).parent.parent / "junit.xsd")


def read(text: str) -> Element:
    """Return a document that holds to the schema."""
    SCHEMA.validate(text)
    return fromstring(text)  # noqa: S314  # our own


def cases(root: Element) -> dict[str, str]:
    """Return what each case is: its name, and `failure`, `error`, or how else it came out."""
    return {
        case.get("name", ""): case[0].tag if len(case) else "passed"
        for case in root.iter("testcase")
    }


def test_each_level_and_each_finding_is_a_case() -> None:
    """What differs fails, what nobody looked at is an error, a warning passes."""
    here = host(
        finding(saw="planned sha256:1"),
        finding(errors.NOT_CHECKED, f"{HOST}/app:2"),
        finding(errors.IMAGE_NEW, f"{HOST}/app:3", severity=Severity.WARNING),
        counts=level(ok=5, wrong=1, unchecked=1),
    )
    root = read(junit_text([standing(here)]))

    assert cases(root) == {
        "tags": "failure",
        f"tag-gone {HOST}/app:1": "failure",
        f"not-checked {HOST}/app:2": "error",
        f"image-new {HOST}/app:3": "system-out",
    }
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "2", "1")
    assert root[0].get("name") == root[0][0].get("classname") == HOST


def test_beyond_a_number_findings_are_folded() -> None:
    """What has no room is one case that says how many of which code; errors come first."""
    warning = finding(errors.IMAGE_NEW, severity=Severity.WARNING)
    many = [finding(subject=f"{HOST}/app:{n}") for n in range(6)]
    root = read(junit_text([standing(host(warning, *many))], most_findings=4))

    folded = root.find(".//testcase[@name='findings that are not listed']")
    assert len(cases(root)) == 1 + 4 + 1
    assert folded is not None
    assert folded[0].get("message") == "3 more: 1 image-new, 2 tag-gone"


def test_a_run_that_has_begun_is_red() -> None:
    """Whoever reads the file of a run that was killed finds an error for each target."""
    root = read(unfinished_text(["a", "b", "a"]))

    assert [suite.get("errors") for suite in root] == ["1", "1", "1"]


@pytest.mark.slow
@given(STANDINGS)
def test_any_words_make_a_document_that_can_be_read(standings: list[Standing]) -> None:
    """Whatever strangers write: well-formed, valid, no case twice, and red when not proven."""
    root = read(junit_text(standings, most_findings=7))

    told = [found for one in standings for found in one.findings]
    told += [found for one in standings for part in one.hosts for found in part.findings]
    bad = any(found.severity is Severity.ERROR for found in told)
    bad |= any(one.outcome is not Outcome.PROVEN and not one.hosts for one in standings)
    assert not bad or int(root.get("failures", "0")) + int(root.get("errors", "0"))
    assert int(root.get("tests", "0")) == len(cases_of(root))


def cases_of(root: Element) -> list[Element]:
    """Return all cases."""
    return root.findall(".//testcase")


@given(WORDS)
def test_any_name_of_a_target_can_be_written(target: str) -> None:
    """The file that says that a run has begun is valid for each name."""
    read(unfinished_text([target, target]))
