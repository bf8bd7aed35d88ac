"""Lines for people: folded to the width, aligned by columns, said as facts, and never a trap."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from gcr_migrate.report.layout import Line, headed, laid_out, padded, said
from gcr_migrate.report.summing import sum_lines
from gcr_migrate.report.terminal import rows
from tests.pages import HOSTILE, report

WORDS = st.lists(st.sampled_from(["a", "image", "레지스트리", "😀😀", "x" * 30, "us.gcr.io/p/app"]))


@given(
    WORDS, st.sampled_from(["", "+ ", "  repositories  "]), st.integers(0, 4), st.integers(30, 90)
)
def test_only_a_name_is_wider_than_the_terminal(
    words: list[str], lead: str, depth: int, width: int
) -> None:
    """Words come in their order, none is broken, and what can be folded fits."""
    told = [str(one) for one in laid_out([Line(" ".join(words), lead, depth)], width)]
    assert " ".join(told).split() == [*lead.split(), *words]
    for row in told:
        assert cell_len(row) <= width or len(row.removeprefix(" " * depth * 2 + lead).split()) <= 1


def test_an_arrow_stays_with_what_it_points_to() -> None:
    """A target is never read as another source."""
    told = [str(one) for one in laid_out([Line("us.gcr.io/a/b -> us-docker.pkg.dev/a/b")], 30)]
    assert told == ["us.gcr.io/a/b", "-> us-docker.pkg.dev/a/b"]


def test_programs_get_each_line_whole() -> None:
    """Without a width nothing is folded, so that `grep` finds all of a line."""
    (told,) = laid_out([Line("word " * 100, "+ ", 2)], None)
    assert str(told).count("word") == 100


@pytest.mark.parametrize("word", ["a", "이미지", "😀", "שלום"])
def test_columns_are_counted_in_cells(word: str) -> None:
    """What takes two columns is counted so, in padded words and in tables."""
    assert cell_len(padded(word, 12)) == 12
    table = [str(one) for one in rows([(word, "end"), ("plain", "end")])]
    assert len({cell_len(row.removesuffix("end")) for row in table}) == 1


@pytest.mark.parametrize("word", HOSTILE)
def test_no_name_does_anything_to_a_terminal(word: str) -> None:
    """Escapes, characters without a shape and turned directions are shown as numbers."""
    line = Line(word, "+ ", label="error[x]", style="bold red", said=word)
    out = io.StringIO()
    console = Console(file=out, no_color=True, width=80)
    for text in (*laid_out([line], 80), *laid_out([headed(word)], None), *said([line])):
        console.print(text, soft_wrap=True, markup=False, highlight=False)
    assert all(character.isprintable() for character in out.getvalue().replace("\n", ""))


def test_who_listens_hears_facts_without_drawing() -> None:
    """No heading, mark or indentation: each line tells by itself what it is about."""
    told = [str(one) for one in said(sum_lines(report().plan))]
    assert "images: 40" in told
    assert any(line.startswith("time: 1 to 5 min; ") for line in told)
    assert not any(line.startswith((" ", "+", "~", "!", "=")) for line in told)
