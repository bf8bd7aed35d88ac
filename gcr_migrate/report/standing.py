"""How each target and each of its hosts stands: what machines are told is made of this."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct, field

from gcr_migrate.errors import NOT_CHECKED, Exit, named, printable
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.report.proof import ProofFindingFact, by_code
from gcr_migrate.verify.result import UNPROVEN, Level, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.errors import MigrateError
    from gcr_migrate.report.proof import LevelFact, VerifyFacts

SAMPLED: Final = "deep: what was drawn"
_FROZEN: Final = frozenset({"migration", "spec"})


class HostStanding(Struct, frozen=True):
    """What was found at one host of a project.

    Attributes:
        name: such as `us.gcr.io/builds`.
        outcome: what it comes to.
        levels: counts by level.
        findings: what is noteworthy or wrong there; where the outcome is bad, at least one error.
        whole: the levels at which everything was looked at; with `SAMPLED` where everything that
            level deep drew was.
    """

    name: str
    outcome: Outcome
    levels: Mapping[str, LevelFact] = field(default_factory=dict)
    findings: tuple[ProofFindingFact, ...] = ()
    whole: frozenset[str] = frozenset()

    @property
    def codes(self) -> dict[str, int]:
        """Number of findings by code, information left out."""
        return by_code(one for one in self.findings if one.severity is not Severity.INFO)

    def count(self, what: Literal["checked", "ok", "wrong", "unchecked"]) -> int:
        """Return the sum of one count over all levels."""
        return sum(int(getattr(level, what)) for level in self.levels.values())


class Standing(Struct, frozen=True):
    """What was found of one target of `verify`.

    Attributes:
        target: as the command line names it.
        outcome: what it comes to.
        hosts: what was found, host by host.
        findings: what is about no single host; where nothing else explains a bad outcome, this.
        seconds: how long it took; None: nobody knows.
    """

    target: str
    outcome: Outcome
    hosts: tuple[HostStanding, ...] = ()
    findings: tuple[ProofFindingFact, ...] = ()
    seconds: float | None = None

    @classmethod
    def of(cls, facts: VerifyFacts, seconds: float | None = None) -> Standing:
        """Return how a target stands that was verified."""
        found = defaultdict(list)
        for one in facts.findings:
            found[one.host].append(one)
        whole = _whole_levels(facts)
        hosts = tuple(
            HostStanding(
                printable(name),
                host.outcome,
                host.levels,
                _explained(found.pop(name, ()), host.outcome, name),
                frozenset(
                    name for name, level in whole.items() if not host.levels[level].unchecked
                ),
            )
            for name, host in facts.hosts.items()
        )
        told_by_hosts = any(host.outcome is not Outcome.PROVEN for host in hosts)
        rest = _explained(
            (one for many in found.values() for one in many),
            Outcome.PROVEN if told_by_hosts else facts.outcome,
            facts.target,
        )
        target = printable(facts.target)
        return cls(target, facts.outcome, hosts, rest, seconds)

    @classmethod
    def failed(
        cls, target: str, error: MigrateError | None, seconds: float | None = None
    ) -> Standing:
        """Return how a target stands whose verification was stopped, by an error of ours or not."""
        found = []
        if error is not None:
            finding = Finding(error.problem, Severity.ERROR, error.subject, error.saw)
            found.append(ProofFindingFact.at("", finding))
        told = _explained(found, Outcome.UNPROVEN, target)
        return cls(printable(target), Outcome.UNPROVEN, findings=told, seconds=seconds)


def is_unproven(code: str) -> bool:
    """Whether a finding of this code says that something was not looked at."""
    problem = named(code)
    return problem in UNPROVEN or problem.exit is Exit.OUT_OF_REACH


def _whole_levels(facts: VerifyFacts) -> dict[str, str]:
    """Return the levels at which a run looks at everything, if it gets an answer to all of it.

    Each has the level at which that answer is counted.
    """
    if not facts.complete and facts.kind not in _FROZEN:
        return {}  # who reads a list that is not whole has not looked for what it lacks
    whole = {name: name for name in facts.levels}
    if Level.DEEP in whole:
        whole[SAMPLED] = str(Level.DEEP)
        if facts.sample is not None and facts.sample.wanted < facts.sample.population:
            del whole[Level.DEEP]
    return whole


def _explained(
    findings: Iterable[ProofFindingFact], outcome: Outcome, subject: str
) -> tuple[ProofFindingFact, ...]:
    """Return the findings, with one more where none says why the outcome is bad.

    What is not proven for a reason that nobody names is told all the same, and never kept back.
    """
    found = tuple(findings)
    if outcome is Outcome.PROVEN or any(one.severity is Severity.ERROR for one in found):
        return found
    saw = "the verification did not come to its end, or may not have seen all"
    return (*found, ProofFindingFact.at("", Finding(NOT_CHECKED, Severity.ERROR, subject, saw)))
