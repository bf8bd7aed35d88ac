"""The report as an HTML page: what is in it, and that a stranger's words stay words."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.report.access import AccessFacts
from gcr_migrate.report.html.columns import Column, Table
from gcr_migrate.report.html.folders import CHILDREN_SHOWN, folders
from gcr_migrate.report.html.migration import report_page
from gcr_migrate.report.html.proof import proof_page
from gcr_migrate.report.html.render import html_parts
from gcr_migrate.report.html.results import result_page
from gcr_migrate.report.words import size_text, visible
from gcr_migrate.verify.result import Outcome
from tests.pages import HOSTILE, report
from tests.standings import WORDS, facts, finding

if TYPE_CHECKING:
    from gcr_migrate.report.fact import Fact
    from gcr_migrate.report.html.page import Page

STYLE = Path(__file__).resolve().parents[2] / "gcr_migrate/report/templates/report.css"
OURS: Final = {"application/json", ""}
ADDRESS = re.compile(r"(?:https?:)?//[\w.]+|url\(|@import", re.IGNORECASE)


def drawn(page: Page) -> tuple[str, Element]:
    """Return a page as its text and as a parser sees it that bears with nothing."""
    text = "".join(html_parts(page))
    text.encode()
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    root: Element = parser.parse(text)
    return text, root


def words_of(element: Element) -> str:
    """Return the text of an element with single spaces."""
    return " ".join("".join(element.itertext()).split())


def summary_of(root: Element) -> dict[str, str]:
    """Return the summary by its words."""
    return {
        words_of(one[0]): words_of(one[1]) for one in root.iterfind(".//section[@id='summary']/dl/")
    }


def data_of(root: Element, table: str) -> dict[str, Any]:
    """Return the columns of a long table."""
    found = root.find(f".//script[@id='{table}-data']")
    assert found is not None
    data: dict[str, Any] = json.loads(found.text or "")
    return data


def unpacked(column: dict[str, Any]) -> list[Any]:
    """Return a column's values as a browser reads them, of which a character has two bytes."""
    if "words" in column:
        return [column["words"][at] for at in column["n"]]
    if "n" in column:
        return list(column["n"])
    last, values = b"", []
    for alike, rest in zip(column["alike"], column["rest"], strict=True):
        last = last[: 2 * alike] + rest.encode("utf-16-le")
        values.append(last.decode("utf-16-le"))
    return values


@example([("a😀b", "", 1), ("a😀c", "", 2), ("a😃c", "", 3)])
@given(st.lists(st.tuples(WORDS, WORDS, st.integers(0, 2**60)), max_size=30))
def test_columns_hold_every_value(rows: list[tuple[str, str, int]]) -> None:
    """What a browser reads out of packed columns is what was packed, and ends no element."""
    columns = (Column("A", "name"), Column("B", "word"), Column("C", "size"))
    data = Table("t", "t", "T", columns).fill(rows).data()

    assert "<" not in data
    read = [unpacked(one) for one in json.loads(data)["columns"]]
    wanted = [(visible(a), visible(b), c) for a, b, c in rows]
    assert list(zip(*read, strict=True)) == wanted


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_what_cannot_be_shown_becomes_a_number(one: str, other: str) -> None:
    """No character is left that turns, hides or ends what follows."""
    assert visible(one + other).isprintable()


def test_no_word_of_a_stranger_is_markup() -> None:
    """With hostile words everywhere the page is valid, and its elements are those without them."""
    text, root = drawn(report_page(report(40, *HOSTILE)))

    scripts = [one.get("type", "") for one in root.iter("script")]
    assert set(scripts) == OURS
    assert scripts.count("") == 1
    assert not list(root.iter("img"))
    handlers = [name for one in root.iter() for name in one.attrib if str(name).startswith("on")]
    assert handlers == []
    assert "\u202e" not in text
    assert "{{ 7 * 7 }}" in text
    assert max(len(one.text or "") for one in root.iter("bdi")) < 1_100
    names = unpacked(data_of(root, "images")["columns"][0])
    assert names[40:] == [visible(one) for one in HOSTILE]


def test_a_page_asks_for_nothing() -> None:
    """It names no address, and its policy lets nothing run or apply but what is in it."""
    text, root = drawn(report_page(report()))

    links = [one.get("href", "") for one in root.iter("a")]
    assert all(one.startswith("#") for one in links)
    ids = {one.get("id") for one in root.iter()}
    assert {one[1:] for one in links} <= ids
    assert not [one.tag for one in root.iter() if one.get("src") or one.get("style")]
    assert not ADDRESS.search(STYLE.read_text(encoding="utf-8"))
    assert not ADDRESS.search(text.partition("</style>")[2])
    policy = next(one.get("content", "") for one in root.iter("meta") if "content" in one.attrib)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        ours = [one.text or "" for one in root.iter(tag) if not one.get("type")]
        digest = hashlib.sha256(ours[0].encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_numbers_are_those_of_the_json() -> None:
    """Counts, bytes and rows of the page are the facts that `--json` tells."""
    told = report(300)
    _, root = drawn(report_page(told))

    summary = summary_of(root)
    assert summary["Images"] == f"{told.plan.counts.images:,}"
    assert summary["Digest"] == told.plan.digest
    assert summary["To transfer"] == size_text(told.plan.bytes.to_transfer)
    assert summary["Left out by rule"] == str(len(told.plan.left_out))
    columns = {one["label"]: unpacked(one) for one in data_of(root, "images")["columns"]}
    assert columns["Source"] == [one.source for one in told.plan.images]
    assert columns["Tags"] == [" ".join(one.tags) for one in told.plan.images]
    assert columns["Bytes"] == [one.size_bytes for one in told.overview.images]
    assert columns["State"] == [one.state for one in told.overview.images]
    cells = [words_of(one) for one in root.iterfind(".//section[@id='grid-1']//tr[2]/")]
    assert cells == ["all", "100", "70", "10", "5", "15"]
    assert len(data_of(root, "left-out")["columns"][0]["rest"]) == len(told.plan.left_out)


def test_the_worst_stands_first_with_its_remedy() -> None:
    """Findings are told by code, errors first and open, each with what to do and some names."""
    page = report_page(report())
    _, root = drawn(page)

    found = [one for one in root.iter("details") if "note" in (one.get("class") or "")]
    assert [one.get("class") for one in found] == [f"note {one.tone}" for one in page.notes]
    tones = [one.tone for one in page.notes]
    assert tones == sorted(tones, key=["bad", "open", "plain"].index)
    assert all(
        ("open" in one.attrib) == (tone != "plain") for one, tone in zip(found, tones, strict=True)
    )
    gone = next(words_of(one) for one in found if one.get("id") == "error-tag-gone")
    assert errors.TAG_GONE.remedy in gone
    many = next(one for one in page.notes if one.code == "not-checked")
    assert (many.count, len(many.subjects)) == (9, 5)


def test_a_table_without_room_says_so() -> None:
    """Rows that have no room are counted, and the page says how many it has."""
    page = report_page(report(300))
    names = ((f"image-{at}",) for at in range(1000))
    page.tables[0] = Table("images", "image", "Images", (Column("Name", "name"),)).fill(names, 500)
    _, root = drawn(page)

    kept = data_of(root, "images")["rows"]
    assert 10 < kept < 100
    said = words_of(root.find(".//section[@id='images']") or Element("none"))
    assert f"first {kept} of 1,000" in said


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)


@given(st.dictionaries(PATHS, st.sampled_from(["r/1", "r/2"]), max_size=20))
def test_a_map_folds_what_goes_one_way(images: dict[str, str]) -> None:
    """Every folder counts its images, and is folded exactly where they go to one repository."""
    found = folders((f"gcr.io/p/{path}", target, 1) for path, target in images.items())

    assert sum(one.images for one in found) == len(images)
    seen = list(found)
    while seen:
        one = seen.pop()
        assert bool(one.below) == (len(one.targets) > 1)
        assert one.images == one.size_bytes
        assert sum(each.images for each in one.below.values()) in {0, one.images}
        seen += one.below.values()


def test_a_map_is_cut_where_it_is_too_long() -> None:
    """Of a folder with very many ways the largest are shown, and the others counted."""
    made = folders((f"gcr.io/p/{at}", f"r/{at}", 1) for at in range(1000))
    assert len(made[0].below) == CHILDREN_SHOWN
    assert made[0].more == 1000 - CHILDREN_SHOWN


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_proof_says_how_it_came_out(outcome: Outcome) -> None:
    """The heading tells the outcome in words, with a sign; the title too."""
    _, root = drawn(proof_page(facts(outcome, finding(saw="<b>"))))
    said = next(words_of(one) for one in root.iter("p") if "outcome" in (one.get("class") or ""))
    word = {"proven": "Proven", "differs": "Different", "unproven": "Not proven"}[outcome]
    assert said[0] in "✓✗!"
    assert word in said
    assert word in words_of(next(root.iter("title")))


def _json(told: Fact) -> str:
    return "".join(told.json_parts())


def test_a_result_is_drawn_from_its_json() -> None:
    """What `--json` printed makes the same page as the facts; of a plan alone too."""
    told = report(20)
    whole = "".join(html_parts(result_page(_json(told), "r.json")))
    assert whole == "".join(html_parts(report_page(told)))
    plan = told.plan.but(findings=[])
    _, root = drawn(result_page(_json(plan), "p.json"))
    assert "7 rights need consent" in words_of(next(root.iter("title")))
    access = AccessFacts(
        file="f", digest="", counts={}, unsettled=1, findings=[], rows=told.plan.access
    )
    _, root = drawn(result_page(_json(access), "a.json"))
    verdicts = next(c for c in data_of(root, "access")["columns"] if c["label"] == "Verdict")
    assert set(unpacked(verdicts)) == {"same", "lost, needs consent"}


def test_sums_of_another_plan_are_refused() -> None:
    """A report whose overview has other images than its plan is none."""
    told = json.loads(_json(report(2)))
    told["overview"]["images"].pop()
    with pytest.raises(MigrateError) as caught:
        result_page(json.dumps(told), "x.json")
    assert caught.value.problem is errors.NOT_A_RESULT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[" * 100_000,
        '{"schema": []}',
        '{"schema": "gcr-migrate/demo"}',
        '{"schema": "gcr-migrate/verify"}',
        '{"schema": "gcr-migrate/verify", "hosts": {"\\ud800": 1}}',
    ],
)
def test_no_result_is_an_error(text: str) -> None:
    """What is no result, or none that can be drawn, is told as such."""
    with pytest.raises(MigrateError) as caught:
        result_page(text, "x.json")
    assert caught.value.problem is errors.NOT_A_RESULT


@given(st.integers(10, 40), st.integers(-(2**9), 2**9))
def test_no_number_of_bytes_is_told_as_1024_of_a_unit(power: int, beside: int) -> None:
    """What is rounded up to the next unit is told in that one."""
    assert not size_text(2**power + beside).startswith("1024.")
