"""What became of several files of one command: a line for each, their sums, and the results."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, get_args

from gcr_migrate.errors import (
    ACCESS_UNSETTLED,
    LISTING_CUT,
    LISTING_FAILED,
    WORST_FIRST,
    Exit,
    worst,
)
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.report.fact import VERSION, Fact, Field, FindingFact
from gcr_migrate.report.facts import PlanFacts, ReportFacts, ShowFacts
from gcr_migrate.report.problems import ErrorFacts
from gcr_migrate.report.rows import Many
from gcr_migrate.report.runs import ApplyFacts, ItemCountsFact, StatusFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.report.access import AccessRowFact
    from gcr_migrate.report.fact import LeftOutFact
    from gcr_migrate.report.problems import OneErrorFact
    from gcr_migrate.report.runs import FailureFact

    Told = FindingFact | LeftOutFact | FailureFact | OneErrorFact

Command = Literal["plan", "show", "apply", "status", "report"]
FileState = Literal[
    "defect",
    "failed",
    "partial",
    "incomplete",
    "out-of-reach",
    "refused",
    "unsettled",
    "bad",
    "interrupted",
    "time-is-up",
    "running",
    "pending",
    "not-begun",
    "planned",
    "nothing-to-do",
    "complete",
]
STATES: Final[tuple[FileState, ...]] = get_args(FileState)
"""In this order files are told: what needs a person first."""
NEED_A_PERSON: Final = frozenset(STATES[: STATES.index("interrupted") + 1])
_STOPPED_BY: Final[dict[Exit, FileState]] = {
    Exit.DEFECT: "defect",
    Exit.FAILED: "failed",
    Exit.OUT_OF_REACH: "out-of-reach",
    Exit.REFUSED: "refused",
    Exit.BAD_INPUT: "bad",
    Exit.INTERRUPTED: "interrupted",
}
_WORST_FIRST: Final = ", ".join(str(int(one)) for one in WORST_FIRST)
_RANKS: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
_DOUBTS: Final = {LISTING_FAILED.code, LISTING_CUT.code}


class TroubleFact(Fact):
    """What was found in a file under one code."""

    severity: Severity
    code: str
    count: int
    subject: str = Field(description="The first name that it is about.")
    saw: str = Field(description="What was seen there.")
    message: str
    remedy: str


class FileFact(Fact):
    """What became of one file; null is what nobody knows or the command does not look at."""

    file: str = Field(description="Spec or migration file, as it was named or found.")
    state: FileState
    exit: int = Field(description="What the command alone would have ended with.")
    digest: str = Field(
        default="", description="Digest of the frozen plan; empty where there is none."
    )
    images: int | None = None
    items: ItemCountsFact | None = None
    to_do: int | None = Field(default=None, description="Items that are not there yet.")
    bytes_to_transfer: int | None = Field(default=None, description="What the plan found missing.")
    bytes_transferred: int | None = Field(default=None, description="By all runs so far.")
    troubles: list[TroubleFact] = Field(description="The worst first, one for each code.")

    @property
    def errors(self) -> list[TroubleFact]:
        """What went wrong, or could not be moved."""
        return [one for one in self.troubles if one.severity is Severity.ERROR]

    @property
    def needs_a_person(self) -> bool:
        """Whether it will not come right by itself."""
        return self.state in NEED_A_PERSON or bool(self.errors)


class ResultFact(Fact):
    """What the command alone prints with --json of one file."""

    file: str
    result: PlanFacts | ShowFacts | ApplyFacts | StatusFacts | ReportFacts | ErrorFacts = Field(
        discriminator="schema_"
    )


class TotalsFact(Fact):
    """Sums over all files of which they are known; null where the command looks at none."""

    files: int
    images: int | None
    items: ItemCountsFact | None
    to_do: int | None
    bytes_to_transfer: int | None
    bytes_transferred: int | None


class FleetFacts(Fact):
    """Result of `plan`, `show`, `apply`, `status` or `report` for several files."""

    schema_: Literal["gcr-migrate/fleet"] = "gcr-migrate/fleet"
    version: Literal[1] = VERSION
    command: Command
    exit: int = Field(description=f"The worst of all: {_WORST_FIRST}, in this order.")
    states: dict[FileState, int] = Field(description="How many files there are of each.")
    totals: TotalsFact
    files: list[FileFact] = Field(description="One for each, in the order in which they came.")
    results: Many[ResultFact] = Field(description="Of all files that were begun.")


def file_fact(file: str, facts: Fact) -> FileFact:
    """Tell what became of one file.

    Args:
        file: its name.
        facts: the result of the command, or its errors.
    """
    if isinstance(facts, ErrorFacts):
        troubles = _troubles((one, Severity.ERROR) for one in facts.errors)
        state = _STOPPED_BY.get(Exit(facts.exit), "failed")
        return FileFact(file=file, state=state, exit=facts.exit, troubles=troubles)
    if isinstance(facts, ApplyFacts | StatusFacts | ReportFacts):
        return _of_a_run(file, facts)
    if isinstance(facts, PlanFacts | ShowFacts):
        return _of_a_plan(file, facts)
    raise TypeError(facts)


def not_begun(file: str, ends_with: Exit) -> FileFact:
    """Tell of a file that the command did not come to, as it was ended before."""
    return FileFact(file=file, state="not-begun", exit=ends_with, troubles=[])


def in_order(files: Iterable[FileFact]) -> list[FileFact]:
    """Return files as they are told: what needs a person first."""
    return sorted(files, key=lambda one: (not one.needs_a_person, STATES.index(one.state)))


def fleet_facts(
    command: Command, files: Sequence[FileFact], results: Sequence[ResultFact]
) -> FleetFacts:
    """Tell of several files.

    Args:
        command: what was done with each.
        files: a line for each.
        results: what the command alone would have printed.
    """
    counts = Counter(one.state for one in files)
    return FleetFacts(
        command=command,
        exit=worst(Exit(one.exit) for one in files),
        states={state: counts[state] for state in STATES if counts[state]},
        totals=_totals(files),
        files=list(files),
        results=results,
    )


def _of_a_plan(file: str, facts: PlanFacts | ShowFacts) -> FileFact:
    state: FileState = "planned" if facts.todo.total else "nothing-to-do"
    unsettled = _unsettled(facts)
    if facts.exit:
        state = "partial" if facts.complete else "incomplete"
    elif unsettled:
        state = "unsettled"
    return FileFact(
        file=file,
        state=state,
        exit=facts.exit if isinstance(facts, PlanFacts) else Exit.OK,
        digest=facts.digest,
        images=facts.counts.images,
        to_do=facts.todo.total,
        bytes_to_transfer=facts.bytes.to_transfer,
        troubles=[*unsettled, *_troubles(_of_plan(facts))],
    )


def _of_a_run(file: str, facts: ApplyFacts | StatusFacts | ReportFacts) -> FileFact:
    plan = facts.plan if isinstance(facts, ReportFacts) else None
    run = facts.status if isinstance(facts, ReportFacts) else facts
    state: FileState = run.outcome
    if isinstance(run, StatusFacts):
        if run.is_running:
            state = "running"
        elif state == "pending" and not run.runs:
            state = "not-begun"
    unsettled = _unsettled(plan) if plan else []
    if unsettled and state == "not-begun":
        state = "unsettled"
    return FileFact(
        file=file,
        state=state,
        exit=run.exit if isinstance(run, ApplyFacts) else Exit.OK,
        digest=run.digest,
        images=plan.counts.images if plan else None,
        items=run.counts,
        to_do=run.counts.pending + run.counts.failed,
        bytes_to_transfer=plan.bytes.to_transfer if plan else None,
        bytes_transferred=run.bytes.transferred,
        troubles=[*unsettled, *_troubles(_of_run(run), _of_plan(plan) if plan else iter(()))],
    )


def _unsettled(facts: PlanFacts | ShowFacts) -> list[TroubleFact]:
    """Tell of changes of access that nobody consented to: `apply` refuses such a plan."""
    rows = facts.access if isinstance(facts, ShowFacts) else ()
    return _troubles((_unsettled_row(row), Severity.ERROR) for row in rows if row.needs_consent)


def _unsettled_row(row: AccessRowFact) -> FindingFact:
    saw = f"{row.principal}, {row.right}: {row.verdict}"
    return FindingFact.of(Finding(ACCESS_UNSETTLED, Severity.ERROR, row.target, saw))


def _of_plan(facts: PlanFacts | ShowFacts) -> Iterator[tuple[Told, Severity]]:
    for one in facts.findings:
        yield one, Severity.ERROR if one.code in _DOUBTS else one.severity
    for left in facts.left_out:
        if not left.by_rule:
            yield left, Severity.ERROR


def _of_run(facts: ApplyFacts | StatusFacts) -> Iterator[tuple[Told, Severity]]:
    for told in (facts.every_failure(), facts.could_not_be_moved, facts.could_not_be_listed):
        for one in told:
            yield one, Severity.ERROR


def _troubles(*told: Iterator[tuple[Told, Severity]]) -> list[TroubleFact]:
    """Sum up by code; what two lists tell of one name counts once."""
    found: dict[tuple[int, str], TroubleFact] = {}
    counts: Counter[tuple[int, str]] = Counter()
    for each in told:
        before = set(found)
        for one, severity in each:
            key = (_RANKS[severity], one.code)
            if key in before:
                continue
            counts[key] += 1
            if key not in found:
                found[key] = TroubleFact(
                    severity=severity,
                    code=one.code,
                    count=1,
                    subject=one.subject,
                    saw=one.saw,
                    message=_message(one),
                    remedy=one.remedy,
                )
    return [one.but(count=counts[key]) for key, one in sorted(found.items())]


def _message(one: Told) -> str:
    message: str | None = getattr(one, "message", None)
    return message if message is not None else f"{one.title}. {one.meaning}"  # type: ignore[union-attr]


def _totals(files: Sequence[FileFact]) -> TotalsFact:
    items = [one.items for one in files if one.items]
    names = ItemCountsFact.field_names()
    sums = {name: sum(getattr(one, name) for one in items) for name in names}
    return TotalsFact(
        files=len(files),
        images=_sum(one.images for one in files),
        items=ItemCountsFact(**sums) if items else None,
        to_do=_sum(one.to_do for one in files),
        bytes_to_transfer=_sum(one.bytes_to_transfer for one in files),
        bytes_transferred=_sum(one.bytes_transferred for one in files),
    )


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [one for one in numbers if one is not None]
    return sum(known) if known else None
