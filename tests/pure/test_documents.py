"""Markdown for a comment of a pull request, and CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.report.documents import MOST, code, markdown_text
from gcr_migrate.report.sheets import Sheet, csv_lines, sheet_lines
from tests.pages import HOSTILE, report

TEXTS = st.text(alphabet=st.sampled_from("ab|`\\ <>&\n\r\t=+-@\u202e\x1b'\",😀이"), max_size=30)


@given(TEXTS)
def test_a_name_in_a_cell_is_text_and_nothing_else(name: str) -> None:
    """It ends no cell, no line and no code span, so that no markup of its own can begin."""
    told = code(name)
    assert "\n" not in told
    assert not re.search(r"(?<!\\)\|", told)
    if told:
        fence = re.match("`+", told)
        assert fence
        assert told.endswith(fence[0])
        inner = told[len(fence[0]) : -len(fence[0])]
        assert fence[0] not in re.findall("`+", inner)


def test_a_large_report_fits_into_a_comment_and_says_what_it_leaves_out() -> None:
    """Of 3,000 images some are listed; how many are not, and what tells them, is named."""
    text = markdown_text(report(3_000))
    assert MOST * 0.8 < len(text) <= MOST
    listed = text.count("\n| `us.gcr.io/builds/")
    (more,) = re.findall(r"([\d,]+) more are not listed: `(.*) --only images`", text)
    assert more[1] == "gcr-migrate show builds.migration --full"
    assert text.count("<details>") == text.count("</details>") > 2
    assert 100 < listed < 3_000


@pytest.mark.parametrize("images", [0, 1, 40, 500])
def test_no_report_is_longer_than_a_comment_may_be(images: int) -> None:
    """Whatever its names are, each line of a table has as many cells as its head."""
    text = markdown_text(report(images or 1, *HOSTILE))
    assert len(text) <= MOST
    for above, below in pairwise(text.splitlines()):
        if above.startswith("|") and below.startswith("|"):
            assert _cells(above) == _cells(below), below


def _cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", row))


def test_hostile_names_are_code_in_markdown() -> None:
    """Neither HTML nor a mention nor a link is left outside of code spans."""
    names = ("<img src=x onerror=alert(1)>", "@everyone", "[x](https://evil.example)", "a`b|c")
    text = markdown_text(report(3, *names))
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    for word in ("<img", "@everyone", "://", "b|c"):
        assert word not in outside


def test_findings_that_stop_come_before_all_lists() -> None:
    """Who reads only the beginning has read what is wrong."""
    text = markdown_text(report(40))
    assert text.index("## Look at this first") < text.index("## Repositories")
    assert text.index("| error ") < text.index("| warning ") < text.index("<details>")


@given(st.lists(st.lists(TEXTS, min_size=3, max_size=3)))
def test_a_spreadsheet_reads_what_was_written_and_runs_nothing(rows: list[list[str]]) -> None:
    """Python's reader gives back each cell; what looks like a formula has a mark."""
    text = "".join(csv_lines(["a", "b", "c"], rows))
    assert text.endswith("\r\n")
    head, *read = csv.reader(io.StringIO(text, newline=""))
    assert head == ["a", "b", "c"]
    assert len(read) == len(rows)
    for cells, written in zip(read, rows, strict=True):
        for cell, name in zip(cells, written, strict=True):
            assert cell in {name, f"'{name}"}
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("sheet", Sheet)
def test_each_sheet_has_a_row_for_each_fact(sheet: Sheet) -> None:
    """With hostile names, too, each row has as many cells as the head."""
    plan = report(5, "=cmd|'/c calc'!A0", "+1", "\tx", 'a,b"c\r\nd').plan
    table = list(csv.reader(io.StringIO("".join(sheet_lines(sheet, plan)), newline="")))
    facts = {"images": plan.images, "findings": plan.findings, "access": plan.access}
    assert len(table) == 1 + len(facts.get(sheet, plan.left_out))
    assert {len(row) for row in table} == {len(table[0])}
