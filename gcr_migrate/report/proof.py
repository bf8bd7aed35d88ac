"""What `verify` found, by host and as a whole, of one target or of several."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, Self

from gcr_migrate.errors import Exit
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.pulling import Answerer
from gcr_migrate.report.fact import VERSION, Fact, Field, FindingFact
from gcr_migrate.verify.result import Outcome, Verification, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcr_migrate.errors import MigrateError
    from gcr_migrate.verify.sample import Drawn

Kind = Literal["migration", "spec", "snapshot", "live"]
_OUTCOME_EXITS: Final = {
    Outcome.PROVEN: Exit.OK,
    Outcome.DIFFERS: Exit.FAILED,
    Outcome.UNPROVEN: Exit.OUT_OF_REACH,
}


class LevelFact(Fact):
    """What one level of a verification found: checked = ok + wrong; unchecked got no answer."""

    checked: int
    ok: int
    wrong: int
    unchecked: int


class SampleFact(Fact):
    """Which blobs level deep read, and what that says of all."""

    population: int = Field(description="Blobs that are promised, each once for each registry.")
    wanted: int = Field(description="Blobs that were drawn; all of them without --sample.")
    checked: int
    bad: int
    seed: int = Field(description="By which they were drawn; --seed draws them again.")
    sentence: str


class EarlierFact(Fact):
    """Runs before, which did not end; what they found right was not asked again."""

    checks: int = Field(description="Checks that they made, and that count as right here.")
    began_at: str = Field(description="When the first of them began.")
    last_at: str = Field(description="When the last of them stopped.")


class DomainFact(Fact):
    """Who answers the gcr.io names of a project at one host."""

    answered_by: Answerer
    evidence: list[str] = Field(description="By which marks in the answers that is known.")
    redirection: str = Field(
        description="The project's redirect setting in the service's word; empty if unknown."
    )


class HostFact(Fact):
    """What was found at one host, such as `us.gcr.io/builds`."""

    outcome: Outcome
    levels: dict[str, LevelFact]
    findings: dict[str, int] = Field(description="How many findings it has of each code.")
    domain: DomainFact | None = Field(
        default=None, description="Who answers, where level redirect asked for that."
    )


class ProofFindingFact(FindingFact):
    """What is noteworthy or wrong about one name of a host."""

    host: str = Field(description="The host among whose it is counted.")
    count: int = Field(
        default=1,
        description="How many it stands for: beyond 1,000 of a code at a host none is named.",
    )

    @classmethod
    def at(cls, host: str, finding: Finding) -> Self:
        """Tell a finding of a host."""
        told = FindingFact.of(finding)
        return cls(**vars(told), host=host, count=finding.count)


class VerifyFacts(Fact):
    """Result of `verify` for one target."""

    schema_: Literal["gcr-migrate/verify"] = "gcr-migrate/verify"
    version: Literal[1] = VERSION
    target: str = Field(description="What was verified, as it was named.")
    kind: Kind = Field(
        description="What it is; live: a project or host as it is, with or without a baseline."
    )
    file: str = Field(description="Migration file or baseline that was held against; else empty.")
    digest: str = Field(description="Digest of the frozen plan; empty where there is none.")
    outcome: Outcome
    complete: bool = Field(
        description="Whether plan, baseline or listing is; else nothing is proven of the rest."
    )
    levels: dict[str, LevelFact] = Field(description="Counts of all hosts together.")
    hosts: dict[str, HostFact]
    sample: SampleFact | None = Field(description="What level deep read, if it was asked for.")
    earlier: EarlierFact | None = Field(description="Runs that this one goes on with, if any.")
    findings: list[ProofFindingFact]

    @property
    def exit(self) -> Exit:
        """Success only if everything promised was asked for and found right."""
        return _OUTCOME_EXITS[self.outcome]


class TargetErrorFact(Fact):
    """Why a target could not be verified at all."""

    target: str
    code: str
    subject: str
    saw: str
    message: str
    remedy: str


class VerifyAllFacts(Fact):
    """Result of `verify` for several targets."""

    schema_: Literal["gcr-migrate/verify-all"] = "gcr-migrate/verify-all"
    version: Literal[1] = VERSION
    outcome: Outcome = Field(description="The worst of all; what differs counts for most.")
    targets: list[VerifyFacts]
    errors: list[TargetErrorFact] = Field(
        description="Targets of which nothing could be verified, each with its reason."
    )

    @property
    def exit(self) -> Exit:
        """Success only if each target is proven."""
        return _OUTCOME_EXITS[self.outcome]


def verify_facts(
    target: str,
    kind: Kind,
    verification: Verification,
    *,
    file: str = "",
    digest: str = "",
    complete: bool = True,
) -> VerifyFacts:
    """Tell what a verification found.

    Args:
        target: what was verified, as a person named it.
        kind: what it is.
        verification: counts and findings.
        file: migration file or baseline.
        digest: of a frozen plan.
        complete: whether what was promised is all that there is.
    """
    outcome = verification.outcome
    if outcome is Outcome.PROVEN and not complete:
        outcome = Outcome.UNPROVEN
    hosts, findings = {}, []
    for name, host in verification.hosts.items():
        found = [ProofFindingFact.at(name, one) for one in host.all_findings()]
        hosts[name] = HostFact(
            outcome=host.outcome,
            levels={str(level): _level(count) for level, count in host.levels.items()},
            findings=by_code(found),
            domain=DomainFact.like(host.domain) if host.domain else None,
        )
        findings += found
    return VerifyFacts(
        target=target,
        kind=kind,
        file=file,
        digest=digest,
        outcome=outcome,
        complete=complete,
        levels={str(level): _level(count) for level, count in verification.levels.items()},
        hosts=hosts,
        sample=_sample(verification.drawn),
        earlier=_earlier(verification),
        findings=sorted(findings, key=first_problems_first),
    )


def by_code(findings: Iterable[ProofFindingFact]) -> dict[str, int]:
    """Return how many findings there are of each code, those too that are not named."""
    counts: Counter[str] = Counter()
    for one in findings:
        counts[one.code] += one.count
    return dict(sorted(counts.items()))


def _sample(drawn: Drawn | None) -> SampleFact | None:
    return SampleFact.like(drawn) if drawn else None


def _earlier(verification: Verification) -> EarlierFact | None:
    parts = verification.kept.earlier
    checks = sum(count.earlier for count in verification.levels.values())
    if not checks:
        return None
    return EarlierFact(
        checks=checks,
        began_at=_moment(min(part.began_s for part in parts)),
        last_at=_moment(max(part.last_s for part in parts)),
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _level(count: object) -> LevelFact:
    return LevelFact.like(count)


def first_problems_first(one: FindingFact) -> tuple[bool, str, str]:
    """Order findings: errors first, each by its subject and code."""
    return one.severity is not Severity.ERROR, one.subject, one.code


def all_facts(
    proofs: Sequence[VerifyFacts], failed: Sequence[tuple[str, MigrateError]]
) -> VerifyAllFacts:
    """Tell of several targets.

    Args:
        proofs: of those that could be verified.
        failed: the others, each with its reason.
    """
    outcome = worst(one.outcome for one in proofs)
    if failed and outcome is Outcome.PROVEN:
        outcome = Outcome.UNPROVEN
    return VerifyAllFacts(
        outcome=outcome,
        targets=list(proofs),
        errors=[_failed(target, error) for target, error in failed],
    )


def _failed(target: str, error: MigrateError) -> TargetErrorFact:
    told = FindingFact.of(Finding(error.problem, Severity.ERROR, error.subject, error.saw))
    said = {name: value for name, value in vars(told).items() if name != "severity"}
    return TargetErrorFact(target=target, **said)
