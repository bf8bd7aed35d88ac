"""Problems, and what the small commands tell, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Self

from gcr_migrate.report.fact import VERSION, Fact, Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.errors import MigrateError, Problem

_MORE: Final = "docs/reference/errors.md#"


class ProblemFact(Fact):
    """One entry of the catalogue of problems."""

    code: str
    group: str = Field(description="What it is about.")
    title: str
    meaning: str
    remedy: str
    exit: int
    more: str

    @classmethod
    def of(cls, problem: Problem, group: str) -> Self:
        """Tell a problem of a group of the catalogue."""
        return cls(
            code=problem.code,
            group=group,
            title=problem.title,
            meaning=problem.meaning,
            remedy=problem.remedy,
            exit=int(problem.exit),
            more=_MORE + problem.code,
        )


class ExplainFacts(Fact):
    """Result of `explain`."""

    schema_: Literal["gcr-migrate/explain"] = "gcr-migrate/explain"
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

    schema_: Literal["gcr-migrate/error"] = "gcr-migrate/error"
    version: Literal[1] = VERSION
    exit: int
    errors: list[OneErrorFact]

    @classmethod
    def of_all(cls, errors: Iterable[MigrateError]) -> Self:
        """Tell the errors of one run; the highest exit code counts."""
        listed = list(errors)
        first = OneErrorFact.of(listed[0])
        return cls(
            **vars(first),
            exit=max(int(e.problem.exit) for e in listed),
            errors=[OneErrorFact.of(e) for e in listed],
        )


class SandboxFacts(Fact):
    """What `sandbox` says when it is up."""

    schema_: Literal["gcr-migrate/sandbox"] = "gcr-migrate/sandbox"
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

    schema_: Literal["gcr-migrate/demo"] = "gcr-migrate/demo"
    version: Literal[1] = VERSION
    directory: str
    migration: str
    report: str
    page: str = Field(description="The report as an HTML page.")
