"""What a run of `verify` proved, host by host: what machines are told is made of this."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from gcr_migrate.errors import NOT_CHECKED, Exit, named
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.report.fact import FindingFact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gcr_migrate.errors import MigrateError
    from gcr_migrate.report.facts import LevelFact, VerifyFacts

Outcome = Literal["proven", "differs", "unproven"]


@dataclass(frozen=True, slots=True)
class HostProof:
    """What was found at one host of a project.

    Attributes:
        name: such as `us.gcr.io/builds`.
        outcome: what it comes to.
        levels: counts by level.
        findings: what is noteworthy or wrong there.
        whole: the levels at which everything was looked at.
    """

    name: str
    outcome: Outcome
    levels: Mapping[str, LevelFact] = field(default_factory=dict)
    findings: Sequence[FindingFact] = ()
    whole: frozenset[str] = frozenset()

    @property
    def codes(self) -> dict[str, int]:
        """Number of findings by code, information left out."""
        told = (one.code for one in self.findings if one.severity is not Severity.INFO)
        return dict(sorted(Counter(told).items()))

    def count(self, what: Literal["checked", "ok", "wrong", "unchecked"]) -> int:
        """Return the sum of one count over all levels."""
        return sum(int(getattr(level, what)) for level in self.levels.values())


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found of one target of `verify`.

    Attributes:
        target: as the command line names it.
        outcome: what it comes to.
        hosts: what was found, host by host.
        findings: what is about no single host.
        seconds: how long it took.
        requests: sent to all services for it.
    """

    target: str
    outcome: Outcome
    hosts: tuple[HostProof, ...] = ()
    findings: Sequence[FindingFact] = ()
    seconds: float = 0.0
    requests: int = 0

    @classmethod
    def failed(cls, target: str, error: MigrateError, seconds: float = 0.0) -> Proof:
        """Return what a target comes to whose verification was stopped by an error."""
        finding = Finding(error.problem, Severity.ERROR, error.subject, error.saw)
        return cls(target, "unproven", findings=[FindingFact.of(finding)], seconds=seconds)

    @classmethod
    def of(cls, facts: VerifyFacts, seconds: float = 0.0, requests: int = 0) -> Proof:
        """Return what `verify` tells of a target."""
        whole = frozenset(name for name, one in facts.levels.items() if not one.unchecked)
        host = HostProof(facts.file, facts.outcome, facts.levels, facts.findings, whole)
        return cls(facts.file, facts.outcome, (host,), (), seconds, requests)

    @property
    def unexplained(self) -> FindingFact | None:
        """Return a finding for a target that is not proven though nothing says why.

        What cannot be told by its own name is told by that of the target, and never kept back.
        """
        found = (*self.findings, *(one for host in self.hosts for one in host.findings))
        if self.outcome == "proven" or any(one.severity is Severity.ERROR for one in found):
            return None
        saw = "the verification did not come to its end, or may not have seen all"
        return FindingFact.of(Finding(NOT_CHECKED, Severity.ERROR, self.target, saw))


def is_unproven(code: str) -> bool:
    """Whether a finding of this code says that something was not looked at."""
    return named(code).exit is Exit.OUT_OF_REACH
