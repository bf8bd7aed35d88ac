"""The check-list of `doctor` as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from gcr_migrate.doctor.checks import Area, Status, Step, worst
from gcr_migrate.errors import Exit, printable
from gcr_migrate.report.fact import VERSION, Fact, Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.doctor.checks import Case, Check


class CheckFact(Fact):
    """One line of the check-list: something that an asked step needs or uses."""

    area: Area = Field(description="What it is about.")
    subject: str = Field(description="Full name of what was looked at.")
    status: Status = Field(description="What it means for the step that is hit worst.")
    steps: dict[Step, Status] = Field(description="What it means for each asked step.")
    code: str = Field(description="Code of the catalogue where a refusal is the finding, or empty.")
    saw: str
    remedy: str = Field(description="What to do, in words; empty if nothing is to be done.")
    commands: list[str] = Field(description="What can be pasted for that.")

    @classmethod
    def of(cls, check: Check) -> Self:
        """Tell a check; words of services lose what cannot be shown."""
        return cls(
            area=check.area,
            subject=printable(check.subject),
            status=check.status,
            steps=dict(check.verdicts),
            code=check.code,
            saw=printable(check.saw),
            remedy=check.remedy,
            commands=list(check.commands),
        )


class CheckListFact(Fact):
    """The check-list of one project, pasted name or spec."""

    name: str = Field(description="As it was written on the command line.")
    source: str = Field(description="Project or registry that is read.")
    target: str = Field(description="Project or registry that is written to.")
    steps: dict[Step, Status] = Field(
        description="For each asked step the status that weighs most; missing stops it."
    )
    checks: list[CheckFact]

    @classmethod
    def of(cls, case: Case, steps: Iterable[Step], checks: Iterable[Check]) -> Self:
        """Tell the check-list of a case."""
        listed = list(checks)
        plain = case.plain_source, case.plain_target
        source, target = (one.host if one else "" for one in plain)
        return cls(
            name=case.name,
            source=source or str(case.source or ""),
            target=target or str(case.target or ""),
            steps={
                step: worst(c.verdicts[step] for c in listed if step in c.verdicts)
                for step in Step
                if step in set(steps)
            },
            checks=[CheckFact.of(check) for check in listed],
        )


class DoctorFacts(Fact):
    """Result of `doctor`."""

    schema_: Literal["gcr-migrate/doctor"] = "gcr-migrate/doctor"
    version: Literal[1] = VERSION
    outcome: Status = Field(description="The status that weighs most in all check-lists.")
    counts: dict[Status, int] = Field(description="Number of checks by status.")
    lists: list[CheckListFact]

    @classmethod
    def of_all(cls, lists: list[CheckListFact]) -> Self:
        """Add up the check-lists of one run."""
        statuses = [check.status for one in lists for check in one.checks]
        counts = {status: statuses.count(status) for status in Status}
        return cls(outcome=worst(statuses), counts=counts, lists=lists)

    @property
    def exit(self) -> Exit:
        """Out of reach only if something is missing that an asked step needs."""
        return Exit.OUT_OF_REACH if self.outcome is Status.MISSING else Exit.OK
