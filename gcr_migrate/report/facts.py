"""What a command found or did, as one value: the counts that add up, the outcome, the exit code.

These models are what `--json` prints; their JSON Schemas are published under `docs/reference`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gcr_migrate.errors import Exit, MigrateError, Problem
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.report.rows import Many, Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION: Final = 1
_MORE: Final = "docs/reference/errors.md#"


class Fact(BaseModel):
    """A part of a command's result; it never changes once it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def json_parts(self) -> Iterator[str]:
        """The value as one line of JSON in pieces, its schema and version first.

        Long lists are read while they are written.
        """
        long = {name: value for name, value in self if isinstance(value, Rows)}
        data = self.model_dump(mode="json", by_alias=True, exclude=set(long))
        first = {key: data.pop(key) for key in ("schema", "version") if key in data}
        yield "{" + ", ".join(f"{_json(key)}: {_json(one)}" for key, one in (first | data).items())
        for name, rows in long.items():
            yield f", {_json(name)}: ["
            for at, row in enumerate(rows):
                yield (", " if at else "") + _json(row.model_dump(mode="json", by_alias=True))
            yield "]"
        yield "}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class FindingFact(Fact):
    """What is noteworthy or wrong about one name."""

    code: str = Field(description="Stable code; `gcr-migrate explain CODE` tells more.")
    severity: Severity
    subject: str = Field(description="Full name of what it is about.")
    saw: str = Field(description="What was seen there.")
    message: str
    remedy: str

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Tell a finding."""
        return cls(
            code=finding.problem.code,
            severity=finding.severity,
            subject=finding.subject,
            saw=finding.saw,
            message=f"{finding.problem.title}. {finding.problem.meaning}",
            remedy=finding.problem.remedy,
        )


class LeftOutFact(Fact):
    """Something that the source shows and the plan does not carry."""

    code: str
    subject: str
    by_rule: bool = Field(description="A rule says so; else it could not be moved.")
    saw: str
    message: str
    remedy: str

    @classmethod
    def of(cls, left: LeftOut) -> Self:
        """Tell what is left out."""
        return cls(
            code=left.problem.code,
            subject=left.subject,
            by_rule=left.by_rule,
            saw=left.saw,
            message=f"{left.problem.title}. {left.problem.meaning}",
            remedy=left.problem.remedy,
        )


class PlanCountsFact(Fact):
    """How many of each a plan has; blobs are distinct per target registry."""

    repositories: int
    images: int
    manifests: int
    tags: int
    blobs: int


class PlanBytesFact(Fact):
    """Bytes of a plan; what is neither transferred nor mounted is at the target already."""

    total: int
    to_transfer: int
    to_mount: int


class EstimateFact(Fact):
    """What a run takes at least, apart from the bytes that it moves."""

    repository_creation_s: int = Field(
        description="Seconds to create the missing repositories at the service's own pace."
    )


class TodoFact(Fact):
    """How many items a run still has to do."""

    repositories: int
    grants: int
    manifests: int
    tags: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.repositories + self.grants + self.manifests + self.tags


class _PlanLike(Fact):
    file: str
    digest: str = Field(description="Digest of the frozen plan, for `apply --expect-digest`.")
    complete: bool = Field(description="Whether every listing is known to be whole.")
    counts: PlanCountsFact
    bytes: PlanBytesFact
    estimate: EstimateFact
    todo: TodoFact
    left_out: Many[LeftOutFact]
    findings: Many[FindingFact]

    @property
    def exit(self) -> Exit:
        """Success only if the plan is complete, and all that no rule leaves out can be moved."""
        if not self.complete:
            return Exit.REFUSED  # as `apply` will, unless it is told otherwise
        bad = any(f.severity is Severity.ERROR for f in self.findings)
        lost = any(not left.by_rule for left in self.left_out)
        return Exit.FAILED if bad or lost else Exit.OK


class PlanFacts(_PlanLike):
    """Result of `plan`."""

    schema_: Literal["gcr-migrate/plan"] = Field("gcr-migrate/plan", alias="schema")
    version: Literal[1] = VERSION


class GrantFact(Fact):
    """One role for one member on a repository."""

    role: str
    member: str
    present: bool = Field(description="The repository's policy had it when the plan was made.")


class RepositoryFact(Fact):
    """One target repository of a plan."""

    name: str
    create: bool
    grants: list[GrantFact]


class ImageFact(Fact):
    """One image path and where it goes; tags by what is done with them."""

    source: str
    target: str
    tags: list[str]
    tag_actions: dict[str, int]


class ShowFacts(_PlanLike):
    """Result of `show`: the whole plan as a difference to what is there."""

    schema_: Literal["gcr-migrate/show"] = Field("gcr-migrate/show", alias="schema")
    version: Literal[1] = VERSION
    spec: str = Field(description="Name of the spec that the plan was made from.")
    created_at: str
    repositories: list[RepositoryFact]
    images: list[ImageFact]


class ItemCountsFact(Fact):
    """Items by what became of them: planned = done + skipped + failed + pending."""

    planned: int
    done: int
    skipped: int
    failed: int
    pending: int

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.planned != self.done + self.skipped + self.failed + self.pending:
            msg = f"counts do not add up: {self!r}"
            raise ValueError(msg)
        return self


class MovedBytesFact(Fact):
    """Bytes of blobs by the way that they took to the target."""

    transferred: int
    mounted: int
    already_there: int


class FailureFact(Fact):
    """One item that failed, and why."""

    kind: str
    subject: str
    code: str
    saw: str
    message: str
    remedy: str


class RunFact(Fact):
    """One run of `apply`, as the ledger has it."""

    number: int
    started_at: str
    ended_at: str = Field(description="Empty while it runs, or when it was killed.")
    outcome: str


RunOutcome = Literal["complete", "partial", "failed", "interrupted", "pending"]


class _RunLike(Fact):
    file: str
    digest: str
    outcome: RunOutcome = Field(
        description="partial: all that is planned is there, and the source has, or may have, more."
    )
    counts: ItemCountsFact
    kinds: dict[str, ItemCountsFact] = Field(description="The same counts by kind of item.")
    skipped: dict[str, int] = Field(description="Reasons of what was skipped.")
    bytes: MovedBytesFact
    failures: list[FailureFact]
    could_not_be_moved: list[LeftOutFact] = Field(
        description="What the source shows and the plan could not carry, without a rule for it."
    )
    could_not_be_listed: list[FindingFact] = Field(
        description="Names below which the source may have more than the plan names."
    )
    complete: bool = Field(description="Whether the plan itself is complete.")


class ApplyFacts(_RunLike):
    """Result of `apply`."""

    schema_: Literal["gcr-migrate/apply"] = Field("gcr-migrate/apply", alias="schema")
    version: Literal[1] = VERSION

    @property
    def exit(self) -> Exit:
        """Success only if all that the source showed is there, or a rule leaves it out."""
        if self.outcome == "interrupted":
            return Exit.INTERRUPTED
        return Exit.OK if self.outcome == "complete" else Exit.FAILED


class StatusFacts(_RunLike):
    """Result of `status`: what the ledger adds up to, also while a run goes on."""

    schema_: Literal["gcr-migrate/status"] = Field("gcr-migrate/status", alias="schema")
    version: Literal[1] = VERSION
    runs: list[RunFact]


class LevelFact(Fact):
    """What one level of a verification found: checked = ok + wrong; unchecked got no answer."""

    checked: int
    ok: int
    wrong: int
    unchecked: int


class VerifyFacts(Fact):
    """Result of `verify`."""

    schema_: Literal["gcr-migrate/verify"] = Field("gcr-migrate/verify", alias="schema")
    version: Literal[1] = VERSION
    file: str
    digest: str
    outcome: Literal["proven", "differs", "unproven"]
    complete: bool = Field(description="Whether the plan is; else nothing is proven of the rest.")
    levels: dict[str, LevelFact]
    findings: list[FindingFact]

    @property
    def exit(self) -> Exit:
        """Success only if every planned thing was asked for and found right."""
        return {
            "proven": Exit.OK,
            "differs": Exit.FAILED,
            "unproven": Exit.OUT_OF_REACH,
        }[self.outcome]


class ReportFacts(Fact):
    """Result of `report`: the plan, and what became of it."""

    schema_: Literal["gcr-migrate/report"] = Field("gcr-migrate/report", alias="schema")
    version: Literal[1] = VERSION
    plan: ShowFacts
    status: StatusFacts


class ProblemFact(Fact):
    """One entry of the catalogue of problems."""

    code: str
    title: str
    meaning: str
    remedy: str
    exit: int
    more: str

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Tell a problem."""
        return cls(
            code=problem.code,
            title=problem.title,
            meaning=problem.meaning,
            remedy=problem.remedy,
            exit=int(problem.exit),
            more=_MORE + problem.code,
        )


class ExplainFacts(Fact):
    """Result of `explain`."""

    schema_: Literal["gcr-migrate/explain"] = Field("gcr-migrate/explain", alias="schema")
    version: Literal[1] = VERSION
    problems: list[ProblemFact]


class OneErrorFact(Fact):
    """One problem that stopped a command."""

    code: str
    title: str
    subject: str
    saw: str
    meaning: str
    remedy: str
    more: str

    @classmethod
    def of(cls, error: MigrateError) -> Self:
        """Tell an error."""
        problem = error.problem
        return cls(
            code=problem.code,
            title=problem.title,
            subject=error.subject,
            saw=error.saw,
            meaning=problem.meaning,
            remedy=problem.remedy,
            more=_MORE + problem.code,
        )


class ErrorFacts(OneErrorFact):
    """What stopped a command: the first problem, and all of them under `errors`."""

    schema_: Literal["gcr-migrate/error"] = Field("gcr-migrate/error", alias="schema")
    version: Literal[1] = VERSION
    exit: int
    errors: list[OneErrorFact]

    @classmethod
    def of_all(cls, errors: Iterable[MigrateError]) -> Self:
        """Tell the errors of one run; the highest exit code counts."""
        listed = list(errors)
        first = OneErrorFact.of(listed[0])
        return cls(
            **first.model_dump(),
            exit=max(int(e.problem.exit) for e in listed),
            errors=[OneErrorFact.of(e) for e in listed],
        )


class SandboxFacts(Fact):
    """What `sandbox` says when it is up."""

    schema_: Literal["gcr-migrate/sandbox"] = Field("gcr-migrate/sandbox", alias="schema")
    version: Literal[1] = VERSION
    control: str = Field(description="URL where requests, faults and state are found.")
    endpoints: str = Field(description="The endpoints file that was written, or empty.")
    access_token: str = Field(description="Token of its first identity; worth nothing elsewhere.")
    directory: str
    scenario: str
    registries: dict[str, str]
    certificate: str = Field(description="With --tls, the authority to trust (PEM); else empty.")


class DemoFacts(Fact):
    """Result of `demo`."""

    schema_: Literal["gcr-migrate/demo"] = Field("gcr-migrate/demo", alias="schema")
    version: Literal[1] = VERSION
    directory: str
    migration: str
    report: str
