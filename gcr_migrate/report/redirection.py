"""Who answers the gcr.io names of projects, and what a move of that is or was, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Self

from gcr_migrate.errors import (
    CATALOGUE,
    NOT_MIGRATED,
    NOT_THERE,
    Exit,
    MigrateError,
    named,
    printable,
)
from gcr_migrate.model.access import Right
from gcr_migrate.model.cloud import Redirection, RedirectSettings
from gcr_migrate.model.finding import Severity
from gcr_migrate.redirect.gates import Passing
from gcr_migrate.redirect.moves import meaning, next_move
from gcr_migrate.report.discovery import RefusalFact
from gcr_migrate.report.fact import VERSION, Fact, Field, FindingFact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcr_migrate.redirect.evidence import HostReading, Reading
    from gcr_migrate.redirect.plan import Plan

_ANSWERS: Final = NOT_THERE | {NOT_MIGRATED}  # refusals that tell how a host is


class AnsweringHostFact(Fact):
    """Who answers for a project at one host, asked as a client would."""

    host: str = Field(description="With the project, as images have it.")
    answers: Literal["artifact-registry", "other", "refused"]
    refusal: RefusalFact | None = Field(description="What came instead of an answer.")

    @classmethod
    def of(cls, reading: Reading, host: HostReading) -> Self:
        """Tell a host."""
        answer, shown = host.answer, reading.shown(host)
        if isinstance(answer, MigrateError):
            return cls(host=shown, answers="refused", refusal=RefusalFact.of(shown, answer))
        return cls(host=shown, answers=answer.value, refusal=None)


class RedirectedProjectFact(Fact):
    """The redirect of one project."""

    project: str
    state: str = Field(description="The service's own word; empty if it could not be read.")
    known: bool = Field(description="Whether this version knows that word.")
    pull_percent: int | None = Field(description="Share of pulls that is answered, where told.")
    meaning: str
    next: Literal["enable", "finalize"] | None = Field(description="The move that leads on.")
    unread: RefusalFact | None = Field(description="Why the state could not be read.")
    hosts: list[AnsweringHostFact]

    @classmethod
    def of(cls, reading: Reading) -> Self:
        """Tell a project."""
        settings, project = reading.settings, reading.project.id
        hosts = [AnsweringHostFact.of(reading, host) for host in reading.hosts]
        if isinstance(settings, MigrateError):
            what = f"redirect setting of {project}"
            return cls(
                project=project,
                state="",
                known=False,
                pull_percent=None,
                meaning="not known: it could not be read",
                next=None,
                unread=RefusalFact.of(what, settings),
                hosts=hosts,
            )
        return cls(
            project=project,
            state=printable(settings.word),
            known=settings.state is not Redirection.UNKNOWN,
            pull_percent=settings.pull_percent,
            meaning=meaning(settings),
            next=_next(settings),
            unread=None,
            hosts=hosts,
        )


def _next(settings: RedirectSettings) -> Literal["enable", "finalize"] | None:
    move = next_move(settings)
    if move is None:
        return None
    return "finalize" if move.value == "finalize" else "enable"


class RedirectStatusFacts(Fact):
    """Result of `redirect status`."""

    schema_: Literal["gcr-migrate/redirect-status"] = "gcr-migrate/redirect-status"
    version: Literal[1] = VERSION
    outcome: Literal["all-read", "partly-read", "nothing-read"]
    states: dict[str, int] = Field(description="Number of projects by state.")
    projects: list[RedirectedProjectFact]
    unseen: list[RefusalFact] = Field(
        description="What could not be listed at all, and hosts that told nothing."
    )

    @classmethod
    def of(cls, readings: Iterable[Reading], unseen: Iterable[tuple[str, MigrateError]]) -> Self:
        """Put together what was read of some projects."""
        projects = [RedirectedProjectFact.of(one) for one in readings]
        refusals = [RefusalFact.of(what, error) for what, error in unseen]
        hosts = [host.refusal for one in projects for host in one.hosts if host.refusal]
        refusals += [one for one in hosts if CATALOGUE[one.code] not in _ANSWERS]
        states: dict[str, int] = {}
        for one in projects:
            word = one.state or "unread"
            states[word] = states.get(word, 0) + 1
        read = sum(one.unread is None for one in projects)
        whole = read == len(projects) and not refusals
        some: Literal["partly-read", "nothing-read"] = "partly-read" if read else "nothing-read"
        return cls(
            outcome="all-read" if whole and projects else some,
            states=dict(sorted(states.items())),
            projects=projects,
            unseen=refusals,
        )

    @property
    def exit(self) -> Exit:
        """Refused where a state could not be read; out of reach where none could."""
        known = {"all-read": Exit.OK, "partly-read": Exit.REFUSED}
        return known.get(self.outcome, Exit.OUT_OF_REACH)


class RedirectHostFact(Fact):
    """What a move means for one host."""

    host: str
    now: str = Field(description="Who answers, or what came instead of an answer.")
    afterwards: str


class GateFact(Fact):
    """Something that has to be true before a move."""

    name: str
    passing: Passing
    evidence: list[str] = Field(description="What holds it up comes first.")


class PullerFact(Fact):
    """Somebody who is known to pull, or to push."""

    host: str
    member: str = Field(description="As policies spell it.")
    right: Right
    why: str = Field(description="How that is known.")
    can: bool | None = Field(description="At the repository; null: not known.")
    by: str = Field(description="What lets it, or why that is not known.")


class _PlanLike(Fact):
    """A move and all that it rests on."""

    project: str
    state: str = Field(description="The service's own word for the state now.")
    pull_percent: int | None
    meaning: str
    move: Literal["enable", "finalize", "disable", "partial"] | None
    target: str | None = Field(description="The state that is written; null: none.")
    why: str
    problem: str | None = Field(description="Code of why the move is refused.")
    hosts: list[RedirectHostFact]
    irreversible: list[str]
    gates: list[GateFact]
    pullers: list[PullerFact]
    troubles: list[FindingFact] = Field(
        description="Where nothing is left to write: what is wrong or was not seen all the same."
    )
    code: str = Field(description="For --i-have-read; empty where there is no move.")


class RedirectPlanFacts(_PlanLike):
    """Result of `redirect plan`."""

    schema_: Literal["gcr-migrate/redirect-plan"] = "gcr-migrate/redirect-plan"
    version: Literal[1] = VERSION
    outcome: Literal["ready", "held-up", "nothing-to-do", "not-working", "refused"] = Field(
        description="not-working: there is nothing to write, and `troubles` says what is wrong."
    )

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Tell a plan."""
        decision = plan.decision
        if decision.problem:
            outcome = "refused"
        elif decision.is_done:
            outcome = "not-working" if plan.troubles else "nothing-to-do"
        else:
            outcome = "held-up" if plan.holding else "ready"
        return cls(**_plain(plan) | {"outcome": outcome})

    @property
    def exit(self) -> Exit:
        """Refused unless the move can be made, or there is none to make."""
        if self.outcome == "not-working":
            return exit_of(self.troubles)
        return Exit.OK if self.outcome in {"ready", "nothing-to-do"} else Exit.REFUSED


class ProofFact(Fact):
    """What a verification came to."""

    checked: int
    wrong: int
    unchecked: int
    findings: list[str] = Field(description="The first ones of many.")


class RedirectMoveFacts(_PlanLike):
    """Result of `redirect enable` and `redirect finalize`."""

    schema_: Literal["gcr-migrate/redirect-move"] = "gcr-migrate/redirect-move"
    version: Literal[1] = VERSION
    outcome: Literal["moved", "moved-unproven", "held-up", "nothing-to-do", "not-working"] = Field(
        description="moved-unproven: it is written, and what was looked at afterwards is not"
        " right, or it could not be looked at or recorded; not-working: there is nothing to"
        " write, and `troubles` says what is wrong."
    )
    after: str = Field(description="The state that was read back; empty if nothing was written.")
    note: str = Field(description="What was odd about the change; empty for nothing.")
    slow: list[str] = Field(description="Hosts that do not answer as it is set yet.")
    proof: ProofFact | None = Field(description="The verification after the move.")
    recorded_in: str = Field(
        description="File in which the move is recorded; empty if it could not be, see `note`."
    )

    @classmethod
    def of(
        cls,
        plan: Plan,
        *,
        after: str = "",
        note: str = "",
        slow: Sequence[str] = (),
        proof: ProofFact | None = None,
        recorded_in: str = "",
    ) -> Self:
        """Tell a move, or what held it up."""
        if not after:
            outcome = "not-working" if plan.troubles else "nothing-to-do"
            outcome = outcome if plan.decision.is_done else "held-up"
        else:
            right = proof is None or not (proof.wrong or proof.unchecked or plan.troubles)
            outcome = "moved" if right and recorded_in and not slow else "moved-unproven"
        more = {
            "outcome": outcome,
            "after": after,
            "note": note,
            "slow": list(slow),
            "proof": proof,
            "recorded_in": recorded_in,
        }
        return cls(**_plain(plan) | more)

    @property
    def exit(self) -> Exit:
        """Success only if it is as asked for, and was seen to be."""
        if self.outcome == "not-working":
            return exit_of(self.troubles)
        if self.outcome == "moved-unproven":
            wrong = self.slow or (self.proof and self.proof.wrong)
            return Exit.FAILED if wrong else exit_of(self.troubles)
        return Exit.REFUSED if self.outcome == "held-up" else Exit.OK


def exit_of(troubles: Iterable[FindingFact]) -> Exit:
    """Return what troubles come to: out of reach only where nothing is known to be wrong."""
    wrong = [one for one in troubles if one.severity is Severity.ERROR]
    unseen = all(named(one.code).exit is Exit.OUT_OF_REACH for one in wrong)
    return Exit.OUT_OF_REACH if unseen else Exit.FAILED


def _plain(plan: Plan) -> dict[str, Any]:
    decision = plan.decision
    return {
        "project": plan.project,
        "state": printable(plan.settings.word),
        "pull_percent": plan.settings.pull_percent,
        "meaning": plan.meaning,
        "move": plan.move.value if plan.move else None,
        "target": decision.target.value if decision.target else None,
        "why": printable(decision.why),
        "problem": decision.problem.code if decision.problem else None,
        "hosts": [
            RedirectHostFact(host=h.host, now=printable(h.now), afterwards=h.afterwards)
            for h in plan.hosts
        ],
        "irreversible": list(plan.irreversible),
        "gates": [
            GateFact(name=g.name, passing=g.passing, evidence=[*map(printable, g.evidence)])
            for g in plan.gates
        ],
        "pullers": [
            PullerFact(
                host=p.host,
                member=printable(p.member),
                right=p.right,
                why=printable(p.why),
                can=p.can,
                by=printable(p.by),
            )
            for p in plan.pullers
        ],
        "troubles": [FindingFact.of(one) for one in plan.troubles],
        "code": plan.code,
    }
