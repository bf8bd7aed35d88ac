"""Who pulls for what runs, and whether they can at the new name; and what a name should lead to."""

from __future__ import annotations

import pytest

from gcr_migrate.access.pulled import can_pull
from gcr_migrate.model.access import AccessRow, Right
from gcr_migrate.model.content import Digest
from gcr_migrate.refs.consumers import Consumer
from gcr_migrate.refs.cover import Covered, Verdict
from gcr_migrate.refs.expected import Expected, expected
from gcr_migrate.refs.finder import find
from gcr_migrate.refs.live import Answer, Question, questions
from gcr_migrate.refs.pullers import Pullers
from gcr_migrate.refs.reading import Reference, read

TARGET = "europe-docker.pkg.dev/a-project/moved"
AGENT = "serviceAccount:service-1@serverless-robot-prod.iam.gserviceaccount.com"
ONE, TWO = Digest("sha256", "1" * 64), Digest("sha256", "2" * 64)


def row(member: str, *, after: bool | None) -> AccessRow:
    """Make a row of the right to pull from the target."""
    return AccessRow("gcr.io/a-project", TARGET, member, Right.PULL, before=True, after=after)


@pytest.mark.parametrize(
    ("project", "can"), [("other-one", False), ("a-project", None), ("123", None), ("", None)]
)
def test_cloud_run_s_agent_is_no_loss_where_it_may_read_anyway(
    project: str,
    can: bool | None,  # noqa: FBT001  # as rows of access have it
) -> None:
    """In its own project, or where nobody knows which that is."""
    consumer = Consumer("run.googleapis.com/Service", "s", project, identity=AGENT)
    pullers = Pullers([row("serviceAccount:x@example.com", after=True)])
    assert pullers.can_read(consumer, f"{TARGET}/app:1")[0] is can


def test_of_several_rows_about_somebody_the_surest_counts() -> None:
    """Images of several sources go to one target, and who could pull one of them is told twice."""
    consumer = Consumer("Pod", "p", identity="serviceAccount:X@example.com")
    name = "serviceAccount:x@example.com"
    for told, can in (((False, True), True), ((None, False), None), ((False, False), False)):
        pullers = Pullers(row(name, after=after) for after in told)
        assert pullers.can_read(consumer, f"{TARGET}/app")[0] is can
    assert can_pull(name, {name: True})[0] is True


def test_a_target_of_which_the_plan_says_nothing_is_unknown() -> None:
    """Also one whose name only begins alike."""
    consumer = Consumer("Pod", "p", identity="serviceAccount:x@example.com")
    pullers = Pullers([row("serviceAccount:x@example.com", after=True)])
    assert pullers.can_read(consumer, f"{TARGET}-2/app")[0] is None


class Was:
    """A baseline of one name."""

    def tag(self, name: str, tag: str) -> Digest | None:
        """Return what a tag led to."""
        return ONE if (name, tag) == ("eu.gcr.io/a-project/team/app", "1") else None

    def public(self, domain: str) -> bool | None:
        """Nothing was seen of that."""
        return None if domain else False


def reference(text: str) -> Reference:
    """Read a name."""
    (written,) = find(text)
    return read(written, {}, {"a-project"})


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("eu.gcr.io/a-project/team/app:1", "in the baseline"),
        ("europe-docker.pkg.dev/a-project/eu.gcr.io/team/app:1", "in the baseline eu"),
        (
            "us-docker.pkg.dev/a-project/team/app:1",
            "in the baseline eu.gcr.io/a-project/team/",
        ),
        ("us-docker.pkg.dev/a-project/x/team/app:1", "in the baseline eu.gcr.io/a-project"),
        ("us-docker.pkg.dev/a-project/x/app:1", None),
        ("us-docker.pkg.dev/b-project/team/app:1", None),
        ("eu.gcr.io/a-project/team/app:2", None),
        ("eu.gcr.io/a-project/team/app", None),
    ],
)
def test_a_name_should_lead_where_it_led_under_its_older_name(name: str, by: str | None) -> None:
    """With the same path and tag in the same project; any other is another image."""
    found = expected(reference(name), Covered(Verdict.STAYS), Was(), {})
    assert (found.by if found else None) == by or (by and found and found.by.startswith(by))


def test_what_is_pinned_counts_before_the_plan_and_that_before_the_rest() -> None:
    """Who says it is told, as the reason of a tag that moved."""
    name = "eu.gcr.io/a-project/team/app:1"
    planned = Covered(Verdict.MOVES, digest=TWO)
    assert expected(reference(f"{name}@{TWO}"), planned, Was(), {}) == Expected(TWO)
    assert expected(reference(name), planned, Was(), {}) == Expected(TWO, "in the plan")
    live = {Question("gcr.io", "a-project/app", "3"): Answer(TWO)}
    new = expected(
        reference("us-docker.pkg.dev/a-project/r/app:3"), Covered(Verdict.STAYS), None, live
    )
    assert new == Expected(TWO, "gcr.io/a-project/app:3")


def test_names_of_others_are_asked_only_where_nobody_said_whose_are_ones_own() -> None:
    """A gate over one's own names must not fail for want of a right on another's."""
    others, covered = reference("gcr.io/b-project/app:1"), Covered(Verdict.STAYS)
    assert questions(others, covered, {"a-project"}) == ()
    assert questions(others, covered, ()) == (Question("gcr.io", "b-project/app", "1"),)
    assert questions(reference("gcr.io/distroless/static"), covered, ()) == ()
