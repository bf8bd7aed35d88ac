"""Who pulled by a log and cannot from the target: a loss, or nobody knows."""

from __future__ import annotations

import pytest

from gcr_migrate.access.pulled import pulled_findings
from gcr_migrate.model.access import AccessRow, Right
from gcr_migrate.model.pulls import Use

TARGET = "us-docker.pkg.dev/builds/team"
BOB = "user:bob@example.com"
USED = Use(pulls=3, last_ms=1_763_596_800_000)


def row(member: str, after: bool | None, right: Right = Right.PULL) -> AccessRow:  # noqa: FBT001  # three values
    """A row of the plan."""
    return AccessRow("us.gcr.io/builds", TARGET, member, right, True, after)  # noqa: FBT003  # before


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([row(BOB, after=True)], None),
        ([row("user:Bob@Example.com", after=True)], None),
        ([row("domain:example.com", after=True)], None),
        ([row("allUsers", after=True)], None),
        ([row("user:ada@example.com", after=True)], "access-lost"),
        ([row(BOB, after=False)], "access-lost"),
        ([row(BOB, after=True, right=Right.PUSH), row("x:y", after=True)], "access-lost"),
        ([row(BOB, after=None)], "access-unknown"),
        ([row("group:devs@example.com", after=True)], "access-unknown"),
        ([row("group:devs@example.com", after=False)], "access-lost"),
        ([], "access-unknown"),
    ],
)
def test_each_puller_can_cannot_or_nobody_knows(rows: list[AccessRow], code: str | None) -> None:
    """By name, domain or everybody; a group, or a plan without access, leaves it unknown."""
    found = list(pulled_findings(TARGET, {BOB: USED}, rows))
    assert [one.problem.code for one in found] == ([code] if code else [])
    assert all(one.subject == f"{TARGET} {BOB}" for one in found)
    assert all("audit log: 3 pulls" in one.saw for one in found)


def test_who_only_pushed_is_no_puller() -> None:
    """A log of pushes says nothing of who needs to read."""
    assert not list(pulled_findings(TARGET, {BOB: Use(pushes=2)}, [row("x:y", after=True)]))
