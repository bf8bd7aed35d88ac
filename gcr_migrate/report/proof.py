"""What `verify` found, by host and as a whole, of one target or of several."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field
from rich.text import Text

from gcr_migrate.errors import Exit
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.report.fact import VERSION, Fact, FindingFact
from gcr_migrate.report.terminal import finding_lines, heading, rows
from gcr_migrate.verify.marks import Outcome, Verification, worst

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.errors import MigrateError

Kind = Literal["migration", "spec", "snapshot", "live"]
_OUTCOME_EXITS: Final = {
    Outcome.PROVEN: Exit.OK,
    Outcome.DIFFERS: Exit.FAILED,
    Outcome.UNPROVEN: Exit.OUT_OF_REACH,
}
_PROVEN: Final = {
    "migration": "Proven: both registries serve what the plan says",
    "spec": "Proven: both registries serve what the spec asks for",
    "snapshot": "Proven: what was there then is there now",
    "live": "Proven: all that is listed is there and whole",
}


class LevelFact(Fact):
    """What one level of a verification found: checked = ok + wrong; unchecked got no answer."""

    checked: int
    ok: int
    wrong: int
    unchecked: int


class HostFact(Fact):
    """What was found at one host, such as `us.gcr.io/builds`."""

    outcome: Outcome
    levels: dict[str, LevelFact]
    findings: dict[str, int] = Field(description="How many findings it has of each code.")


class ProofFindingFact(FindingFact):
    """What is noteworthy or wrong about one name of a host."""

    host: str = Field(description="The host among whose it is counted.")


class VerifyFacts(Fact):
    """Result of `verify` for one target."""

    schema_: Literal["gcr-migrate/verify"] = Field("gcr-migrate/verify", alias="schema")
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

    schema_: Literal["gcr-migrate/verify-all"] = Field("gcr-migrate/verify-all", alias="schema")
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
        found = host.all_findings()
        hosts[name] = HostFact(
            outcome=host.outcome,
            levels={str(level): _level(count) for level, count in host.levels.items()},
            findings=dict(sorted(Counter(one.problem.code for one in found).items())),
        )
        findings += [
            ProofFindingFact(**FindingFact.of(one).model_dump(), host=name) for one in found
        ]
    return VerifyFacts(
        target=target,
        kind=kind,
        file=file,
        digest=digest,
        outcome=outcome,
        complete=complete,
        levels={str(level): _level(count) for level, count in verification.levels.items()},
        hosts=hosts,
        findings=sorted(findings, key=_first_problems_first),
    )


def _level(count: object) -> LevelFact:
    return LevelFact.model_validate(count, from_attributes=True)


def _first_problems_first(one: FindingFact) -> tuple[bool, str, str]:
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
    return TargetErrorFact(target=target, **told.model_dump(exclude={"severity"}))


def verify_lines(facts: VerifyFacts) -> Iterator[Text]:
    """What was asked of the registries, and what they answered."""
    title = {
        Outcome.PROVEN: _PROVEN[facts.kind],
        Outcome.DIFFERS: "Differs",
        Outcome.UNPROVEN: "Not proven: something could not be checked",
    }[facts.outcome]
    yield heading(f"{facts.target}: {title}")
    yield from rows(_level_rows(facts))
    if len(facts.hosts) > 1:
        yield from rows([_HOST_TITLES, *_host_rows(facts)])
    if not facts.complete:
        what = {"snapshot": "baseline", "live": "listing"}.get(facts.kind, "plan")
        yield Text(f"The {what} is incomplete: there may be more than it names.")
    yield from finding_lines(facts.findings)


def _level_rows(facts: VerifyFacts) -> list[tuple[str, ...]]:
    table: list[tuple[str, ...]] = [("level", "checked", "ok", "wrong", "unchecked")]
    for name, level in facts.levels.items():
        numbers = (level.checked, level.ok, level.wrong, level.unchecked)
        table.append((name, *map(str, numbers)))
    return table


_HOST_TITLES: Final = ("host", "outcome", "checked", "wrong", "unchecked")


def _host_rows(facts: VerifyFacts) -> Iterator[tuple[str, ...]]:
    """One line for each host, what is not proven first."""
    ranks = {Outcome.DIFFERS: 0, Outcome.UNPROVEN: 1, Outcome.PROVEN: 2}
    for name, host in sorted(facts.hosts.items(), key=lambda one: (ranks[one[1].outcome], one[0])):
        levels = host.levels.values()
        sums = [
            sum(one.checked for one in levels),
            sum(one.wrong for one in levels),
            sum(one.unchecked for one in levels),
        ]
        yield (name, str(host.outcome), *map(str, sums))


def verify_all_lines(facts: VerifyAllFacts) -> Iterator[Text]:
    """One table of all targets, and below it what is wrong anywhere."""
    counts = Counter(one.outcome for one in facts.targets)
    told = [f"{counts[one]} {word}" for one, word in _WORDS.items() if counts[one]]
    told += [f"{len(facts.errors)} could not be begun"] if facts.errors else []
    number = len(facts.targets) + len(facts.errors)
    yield heading(f"{number} targets: {', '.join(told)}")
    table: list[tuple[str, ...]] = [_HOST_TITLES]
    for one in facts.targets:
        table += _host_rows(one)
        if not one.hosts:
            table.append((one.target, str(one.outcome), "0", "0", "0"))
    table += [(failed.target, failed.code, "-", "-", "-") for failed in facts.errors]
    yield from rows(table)
    for failed in facts.errors:
        yield Text(f"  {failed.target}: {failed.code}: {failed.message} {failed.saw}".rstrip())
        yield Text(f"    {failed.remedy}")
    found = [finding for one in facts.targets for finding in one.findings]
    yield from finding_lines(sorted(found, key=_first_problems_first))


_WORDS: Final = {
    Outcome.DIFFERS: "differ",
    Outcome.UNPROVEN: "not proven",
    Outcome.PROVEN: "proven",
}
