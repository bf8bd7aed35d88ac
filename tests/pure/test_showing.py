"""What `show` tells of a plan: what is wrong first, then what changes, folded where it is long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.model.plan import TagAction
from gcr_migrate.report.documents import markdown_text
from gcr_migrate.report.html.migration import plan_page
from gcr_migrate.report.layout import laid_out, said
from gcr_migrate.report.rows import Rows
from gcr_migrate.report.showing import Section, View, plan_lines, show_lines
from tests.pages import report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.report.facts import ImageFact, ShowFacts

PLAN = report(400).plan


def _images(repository: str, plan: ShowFacts = PLAN) -> Sequence[ImageFact]:
    return [one for one in plan.images if one.repository == repository]


def _told(view: View, plan: ShowFacts = PLAN) -> list[str]:
    lines = show_lines(plan, lambda name: _images(name, plan), view)
    return [str(one) for one in laid_out(lines, None)]


def _at(told: list[str], word: str) -> int:
    return next(at for at, line in enumerate(told) if line.strip().startswith(word))


def test_what_is_wrong_comes_first() -> None:
    """Errors, then warnings, then what is without consent, before anything that is as wished."""
    told = _told(View())
    places = [_at(told, word) for word in ("Look at this", "error[", "warning[", "Repositories:")]
    assert places == sorted(places)
    assert _at(told, "info[") > _at(told, "Left out")
    assert any("without consent" in line for line in told[: places[-1]])
    assert told[-1].startswith("  money ")


@pytest.mark.parametrize("begun", [True, False])
def test_a_plan_that_is_begun_is_told_apart_from_what_is_left(begun: bool) -> None:  # noqa: FBT001  # drawn
    """The difference is that of the frozen plan, and sums say where they are of what is left."""
    plan = PLAN.but(begun=begun)
    told = _told(View(), plan)
    assert any("runs have begun since" in line for line in told) == begun
    assert any(line.endswith(" 8 still to create") for line in told) == begun
    assert any(" in all: by the plan " in line for line in told) == begun
    document = markdown_text(report(400).but(plan=plan))
    assert ("8 still to create" in document) == begun
    good = plan.but(findings=[], left_out=[], access=[])
    assert ("begun" in plan_page(good).outcome.text) == begun


def test_a_summary_of_plan_has_the_same_parts_in_the_same_order() -> None:
    """It lists no repository, and says what does."""
    told = [str(one) for one in laid_out(plan_lines(PLAN), None)]
    places = [_at(told, word) for word in ("Look at this", "Left out", "To know", "Sums", "time")]
    assert places == sorted(places)
    assert not any(line.startswith("  + ") for line in told)
    assert told[-1] == "  `gcr-migrate show builds.migration` tells all of it"


def test_long_lists_are_folded_and_full_unfolds_them() -> None:
    """Of 50 images of a repository 20 are told, and how many more; with --full all 400 are."""
    told, full = _told(View()), _told(View(is_full=True))
    assert sum(" -> us-docker" in line for line in told) == 8 * 20
    assert told.count("    and 30 more: --full") == 8
    assert sum(" -> us-docker" in line for line in full) == 400
    assert not any("--full" in line for line in full)


def test_a_folded_list_is_not_read_to_its_end() -> None:
    """Of 100,000 images as many are read as are told, so that it is quick."""
    read: list[str] = []

    def some(repository: str) -> Sequence[ImageFact]:
        def each() -> Iterator[ImageFact]:
            for _ in range(100_000):
                read.append(repository)
                yield PLAN.images[0]

        return Rows(100_000, each)

    told = list(laid_out(show_lines(PLAN, some, View()), 80))
    assert len(read) == 8 * 20
    assert len(told) < 1_500


@pytest.mark.slow
@given(st.frozensets(st.sampled_from(Section), min_size=1))
def test_only_what_is_asked_for_is_told(only: frozenset[Section]) -> None:
    """Each part by itself, and without sums; nothing else is there."""
    told = _told(View(only))
    assert any(line.startswith("Look at") for line in told) == (Section.FINDINGS in only)
    assert any(line.startswith("Left out") for line in told) == (Section.LEFT_OUT in only)
    assert any(line.startswith("Access:") for line in told) == (Section.ACCESS in only)
    assert any(" -> us-docker" in line for line in told) == (Section.IMAGES in only)
    assert any("+ roles/" in line for line in told) == (Section.REPOSITORIES in only)
    assert not any(line.startswith("Sums") for line in told)


@pytest.mark.parametrize(
    ("action", "mark", "word"),
    [
        (TagAction.SET, "+ ", "to be set"),
        (TagAction.OVERWRITE, "~ ", "moved"),
        (TagAction.CONFLICT, "! ", "conflict"),
        (TagAction.PRESENT, "= ", "is there"),
        (TagAction.KEEP, "= ", "is kept"),
    ],
)
def test_each_tag_says_what_becomes_of_it(action: TagAction, mark: str, word: str) -> None:
    """By a mark for those who see it, and in words for those who listen."""
    image = PLAN.images[0].but(tags_by_action={action: ["1.0"]})
    lines = list(show_lines(PLAN, lambda _: [image], View(frozenset({Section.IMAGES}))))
    assert any(str(one).startswith(f"      {mark}1.0") for one in laid_out(lines, 80))
    assert any(f"tag of {image.source}, " in str(one) and word in str(one) for one in said(lines))


def test_many_tags_are_folded_on_one_line() -> None:
    """Eight are named, and how many more there are."""
    tags = {TagAction.SET: [f"v{at}" for at in range(420)]}
    image = PLAN.images[0].but(tags_by_action=tags)
    view = View(frozenset({Section.IMAGES}))
    told = [str(one) for one in laid_out(show_lines(PLAN, lambda _: [image], view), None)]
    assert "      + v0 v1 v2 v3 v4 v5 v6 v7 and 412 more: --full" in told


def test_who_listens_is_told_each_image_by_its_name() -> None:
    """No fact stands on a line before it: each names what it is about."""
    told = [str(one) for one in said(show_lines(PLAN, _images, View()))]
    image = PLAN.images[0]
    assert f"image {image.source}: goes to {image.target}" in told
    assert sum(image.source in line for line in told) >= 3
    assert not any(line.startswith(" ") for line in told)
