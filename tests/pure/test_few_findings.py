"""Findings without a bound: named up to a number, counted beyond it, sums and exits as they are."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate import errors
from gcr_migrate.model.few import NAMED_OF_A_KIND, FewFindings
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.report.alarms import look_of
from gcr_migrate.report.junit import junit_text
from gcr_migrate.report.proof import verify_facts
from gcr_migrate.report.standing import Standing
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.result import CONTENT, Level, Outcome, Verification
from tests.standings import HOST

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PROBLEMS = (errors.TAG_GONE, errors.TAG_MOVED, errors.NOT_CHECKED)


class Nobody:
    """Who listens to no check."""

    def checked(self, level: str, *, ok: bool) -> None:
        """Pass it over."""


FOUND = st.tuples(
    st.sampled_from(PROBLEMS),
    st.sampled_from([*Severity]),
    st.integers(0, 60),
    st.sampled_from("ab"),
)


@given(found=st.lists(FOUND, max_size=120), most=st.integers(1, 8), data=st.data())
def test_which_are_named_does_not_hang_on_their_order(
    found: list[tuple[errors.Problem, Severity, int, str]], most: int, data: st.DataObject
) -> None:
    """The first by name are, and together with what is counted they are all that was found."""
    once = [*dict.fromkeys(found)]

    def said(in_order: list[tuple[errors.Problem, Severity, int, str]]) -> list[Finding]:
        few = FewFindings(most)
        for problem, severity, number, what in in_order:
            few.add(Finding(problem, severity, f"{what}{number:03}"), what)
        return [*few.all(HOST)]

    told = said(once)
    assert set(told) == set(said(data.draw(st.permutations(once))))
    counts: Counter[tuple[errors.Problem, Severity]] = Counter()
    for one in told:
        counts[one.problem, one.severity] += one.count
    assert counts == Counter((problem, severity) for problem, severity, *_ in once)
    named = Counter((one.problem, one.severity) for one in told if one.subject != HOST)
    assert max(named.values(), default=0) <= most


def many(count: int) -> Verification:
    """A verification of which so many tags are gone, and some could not be looked at."""
    result = Verification(CONTENT)
    marks = Marks(result, Nobody(), HOST)
    for number in range(count):
        marks.wrong(Level.TAGS, errors.TAG_GONE, f"{HOST}/app:{number:07}")
    marks.ok(Level.TAGS, 5)
    return result


@pytest.mark.slow
def test_a_hundred_thousand_findings_take_as_much_memory_as_a_few_thousand() -> None:
    """What grows is a count; the outcome and the sums are those of all of them."""
    tracemalloc.start()
    result = many(100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000
    facts = verify_facts("builds", "live", result)
    assert (facts.outcome, facts.levels["tags"].wrong) == (Outcome.DIFFERS, 100_000)
    assert facts.hosts[HOST].findings == {"tag-gone": 100_000}
    assert len(facts.findings) == NAMED_OF_A_KIND + 1
    (more,) = (one for one in facts.findings if one.count > 1)
    assert more.saw == "99,000 more that are counted and not named; tags: 99,000"


def test_what_machines_are_told_counts_them_all() -> None:
    """JUnit, alarms and the codes of a host tell the number that there is, not that is named."""
    standing = Standing.of(verify_facts("builds", "live", many(3_000)))
    assert standing.hosts[0].codes == {"tag-gone": 3_000}
    (trouble,) = look_of(standing, NOW).troubles
    assert (trouble.count, trouble.subject) == (3_000, HOST)
    assert trouble.saw.startswith(f"3,000 names, such as {HOST}/app:0000000")
    told = junit_text([standing], 10)  # nine by name, one for those without, and the rest
    assert "2,000 more that are counted and not named" in told
    assert "991 more: 991 tag-gone" in told
