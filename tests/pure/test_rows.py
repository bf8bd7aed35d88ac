"""Long lists of facts: written as lists, and never held."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.report.fact import VERSION, Fact
from gcr_migrate.report.published import PUBLISHED
from gcr_migrate.report.reading import read
from gcr_migrate.report.rows import Many, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator


class Line(Fact):
    """A row."""

    text: str


class Page(Fact):
    """What a command might tell."""

    before: int = 1
    lines: Many[Line]
    after: str = "é"
    schema_: Literal["page"] = "page"
    version: Literal[1] = VERSION


class Book(Fact):
    """Facts in facts."""

    page: Page


def _rows(texts: list[str]) -> Rows[Line]:
    return Rows(len(texts), lambda: (Line(text=text) for text in texts))


@given(st.lists(st.text(), max_size=5))
def test_rows_and_a_list_are_written_alike(texts: list[str]) -> None:
    """Whoever reads the JSON cannot tell them apart, at any depth; it is one line."""
    held = Page(lines=[Line(text=text) for text in texts])
    lazy = Page(lines=_rows(texts))
    told = "".join(lazy.json_parts())
    assert json.loads(told) == json.loads("".join(held.json_parts()))
    assert json.loads(told)["lines"] == [{"text": text} for text in texts]
    assert told.startswith('{"schema": "page", "version": 1, ')
    assert len(told.splitlines()) == len(json.dumps(texts, ensure_ascii=False).splitlines())
    assert json.loads("".join(Book(page=lazy).json_parts()))["page"] == json.loads(told)


@given(st.lists(st.text(), max_size=5), st.integers(-6, 6), st.integers(-6, 6))
def test_rows_are_taken_as_from_a_list(texts: list[str], first: int, end: int) -> None:
    """By number and by slice; what is not there is an IndexError."""
    rows = _rows(texts)
    assert [row.text for row in rows[first:end]] == texts[first:end]
    assert len(rows) == len(texts)
    if -len(texts) <= first < len(texts):
        assert rows[first].text == texts[first]
    else:
        with pytest.raises(IndexError):
            rows[first]


def test_rows_are_read_one_by_one_while_they_are_written() -> None:
    """No row is made before the one ahead of it is told."""
    made = 0

    def read() -> Iterator[Line]:
        nonlocal made
        for number in range(1_000):
            made += 1
            yield Line(text=str(number))

    parts = Page(lines=Rows(1_000, read)).json_parts()
    for _ in range(12):
        next(parts)
    assert made <= 12


@pytest.mark.parametrize("kind", PUBLISHED.values())
def test_a_field_hides_no_method(kind: type[Fact]) -> None:
    """No field has the name of a method of all facts, which would be its value by default."""
    assert not {*kind.field_names()} & {*vars(Fact)}


def test_what_is_read_again_is_what_was_told() -> None:
    """Rows come back as a list; a name too many is refused with the place where it stands."""
    told = Page(lines=_rows(["a", "b"]))
    text = "".join(told.json_parts())
    assert read(Page, text) == Page(lines=[Line(text="a"), Line(text="b")])
    with pytest.raises(ValueError, match=r"^lines\.0\.more: "):
        read(Page, text.replace('{"text": "a"', '{"more": 1, "text": "a"'))
    with pytest.raises(ValueError, match=r"^schema: "):
        read(Page, text.replace('"schema": "page"', '"schema": "book"'))
