"""When a run gives up a name, and when all of them."""

from __future__ import annotations

import pytest

from gcr_migrate import errors
from gcr_migrate.apply.reach import Reach, SharedError
from gcr_migrate.errors import MigrateError, Problem


def fail(reach: Reach, problem: Problem, *names: int | None) -> None:
    """Let something of each of these fail, each by a cause of its own."""
    for name in names:
        reach.failed(MigrateError(problem, subject=str(name)), name)


@pytest.mark.parametrize("problem", [errors.DENIED, errors.UNREACHABLE, errors.SERVER_ERROR])
def test_a_name_that_fails_by_itself_ends_no_run(problem: Problem) -> None:
    """However much of it fails, it alone is given up, after eight in a row."""
    reach = Reach(100)
    fail(reach, problem, *[1] * 7)
    assert not reach.is_lost(1)
    fail(reach, problem, *[1] * 20)
    assert reach.is_lost(1)
    assert not reach.is_lost(2)
    assert reach.fatal is None


def test_a_service_that_answers_nobody_is_gone_after_eight_names() -> None:
    """Fewer may be bad, each by itself, however much of them fails."""
    reach = Reach(100)
    fail(reach, errors.UNREACHABLE, *[*range(7)] * 20)
    assert reach.fatal is None
    fail(reach, errors.UNREACHABLE, 7)
    assert reach.fatal is not None


@pytest.mark.parametrize("problem", [errors.DENIED, errors.REFUSED_ALONE, errors.SERVER_ERROR])
def test_a_service_that_answers_may_refuse_many_names(problem: Problem) -> None:
    """A folder that nobody may write to is no reason to copy nothing else."""
    reach = Reach(100)
    fail(reach, problem, *range(31), 0, 1, 2)
    assert reach.fatal is None
    fail(reach, problem, 31)
    assert reach.fatal is not None


@pytest.mark.parametrize("problem", [errors.UNREACHABLE, errors.SERVER_ERROR])
def test_a_service_that_fails_for_all_names_that_there_are_is_gone(problem: Problem) -> None:
    """Few are not tried on and on: eight in a row are enough, of all of them."""
    reach = Reach(3)
    fail(reach, problem, *[1, 2] * 10)
    assert reach.fatal is None
    fail(reach, problem, 3)
    assert reach.fatal is not None


def test_what_belongs_to_no_name_counts_by_itself() -> None:
    """Such as repositories that cannot be made."""
    reach = Reach(100)
    fail(reach, errors.DENIED, *[None] * 7)
    assert reach.fatal is None
    fail(reach, errors.DENIED, None)
    assert reach.fatal is not None


def test_what_is_done_in_between_starts_it_over() -> None:
    """Only what fails in a row says something: of all names, or of one."""
    reach = Reach(100)
    for _ in range(9):
        fail(reach, errors.UNREACHABLE, 1, 1, 1, 2, 2, 2, 3)
        reach.done(1)
    assert reach.fatal is None
    assert not reach.is_lost(1)


def test_what_others_do_makes_no_bad_name_good() -> None:
    """It is given up though something is done all the time."""
    reach = Reach(100)
    for _ in range(8):
        fail(reach, errors.SERVER_ERROR, 1)
        reach.done(2)
    assert reach.is_lost(1)
    assert not reach.is_lost(2)


def test_a_grant_that_fails_beside_others_is_no_service_that_is_gone() -> None:
    """Where nothing else is to be done, the run tells what became of each."""
    reach = Reach(100)
    reach.done(None)
    fail(reach, errors.DENIED, None)
    assert reach.why_not() is None
    fail(reach, errors.UNREACHABLE, 1)
    assert reach.why_not() is not None


def test_one_cause_counts_once() -> None:
    """However many items it makes fail."""
    cause = MigrateError(errors.UNREACHABLE, subject="a list")
    reach = Reach(100)
    for _ in range(50):
        reach.failed(SharedError.of(cause), 1)
        reach.failed(cause, 2)
    assert reach.fatal is None
    assert not reach.is_lost(1)


def test_without_credentials_nothing_further_is_tried() -> None:
    """The first one tells."""
    reach = Reach(100)
    fail(reach, errors.NO_CREDENTIALS, 1)
    assert reach.fatal is not None


def test_a_run_that_reached_nothing_says_why_with_the_first_cause() -> None:
    """Also where it was one name."""
    reach = Reach(100)
    fail(reach, errors.SERVER_ERROR, 1)
    fail(reach, errors.UNREACHABLE, 1)
    why = reach.why_not()
    assert why
    assert why.problem is errors.SERVER_ERROR


@pytest.mark.parametrize(("done", "is_told"), [([1], True), ([2], False), ([1, 2], False)])
def test_the_only_name_of_a_run_that_is_lost_is_why_it_ends(
    done: list[int], *, is_told: bool
) -> None:
    """With others done it is one that failed."""
    reach = Reach(100)
    for name in done:
        reach.done(name)
    fail(reach, errors.UNREACHABLE, *[1] * 8)
    assert (reach.why_not() is not None) is is_told
