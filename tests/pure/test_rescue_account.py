"""What is told of one name: each kind of failure, and the service's words on just that kind."""

from __future__ import annotations

import pytest

from gcr_migrate.model.copying import CopyPage
from gcr_migrate.rescue.account import Row, findings_of
from gcr_migrate.rescue.folder import Failures


def _told(page: CopyPage) -> dict[str, str]:
    """Return what is told of a name with this one page, by code."""
    failures = Failures()
    failures.add(page)
    row = Row(
        target=0,
        path="app",
        name="gcr.io/builds/app",
        copied=page.copied,
        tags_copied=page.tags_copied,
        failed=failures.failed,
        not_found=failures.not_found,
        tags_failed=failures.tags_failed,
        before=0,
        found=None,
        new=None,
        examples=tuple(failures.examples),
        lost=tuple(failures.lost),
        problem=None,
        saw="",
        blocked=False,
        timeouts=0,
    )
    return {one.problem.code: one.saw for one in findings_of(row)}


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (
            CopyPage(failed=3, not_found=2, examples=("app@a: slow",), lost=("app@b: gone",)),
            {"copy-damaged": "2, such as app@b: gone", "copy-failed": "1, such as app@a: slow"},
        ),
        (
            CopyPage(failed=2, not_found=1, examples=("b", "a"), lost=("b",)),
            {"copy-damaged": "1, such as b", "copy-failed": "1, such as a"},
        ),
        (
            CopyPage(failed=2, not_found=1, lost=("b",)),
            {"copy-damaged": "1, such as b", "copy-failed": "1"},
        ),
        (CopyPage(failed=2, not_found=2, examples=("a",)), {"copy-damaged": "2, such as a"}),
        (
            CopyPage(failed=2, not_found=1, examples=("a",)),
            {"copy-damaged": "1", "copy-failed": "1, such as a"},
        ),
    ],
)
def test_an_example_is_of_the_failure_that_it_stands_with(
    page: CopyPage, told: dict[str, str]
) -> None:
    """What nobody can repair is never named as what the next run may copy, nor the other way."""
    assert _told(page) == told
