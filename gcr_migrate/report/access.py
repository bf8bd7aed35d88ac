"""Who can pull, push and delete before and after a migration, as facts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, Self

from gcr_migrate import errors
from gcr_migrate.errors import Exit, named
from gcr_migrate.model.access import Right, Verdict
from gcr_migrate.report.fact import VERSION, Fact, Field, FindingFact
from gcr_migrate.report.rows import Many, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gcr_migrate.apply.undo import Undo
    from gcr_migrate.model.access import AccessRow
    from gcr_migrate.model.finding import Finding
    from gcr_migrate.state.migration import Migration

UndoOutcome = Literal["to-do", "taken-back", "gone-already", "not-ours", "failed"]
_ABOUT_ACCESS: Final = frozenset(
    {
        errors.ACCESS_NOT_CARRIED,
        errors.NAMES_ONLY,
        errors.OBJECTS_NOT_SEEN,
        errors.POLICY_NOT_SEEN,
        errors.PULLED_BEFORE,
        errors.PULLED_THROUGH,
    }
)
_SAYS: Final = {True: "yes", False: "no", None: "?"}


class AccessRowFact(Fact):
    """One right of one member, before at a source and after at a target."""

    target: str = Field(description="The repository that images go to.")
    source: str = Field(description="The host or repository that they come from.")
    principal: str = Field(description="The member as policies spell it.")
    right: Right
    before: bool | None = Field(description="Whether it is held now; null: not known.")
    after: bool | None = Field(description="Whether it is held in the end; null: not known.")
    before_by: str = Field(description="What gives it at the source.")
    after_by: str = Field(description="What will give it at the target.")
    verdict: Verdict = Field(
        description="implied: comes with the narrowest role that gives a right which was held;"
        " excused: no loss, for the reason that is told."
    )
    why: str
    consent: str = Field(description="Why the spec accepts it; empty if it says nothing.")
    needs_consent: bool = Field(description="Whether `apply` refuses the plan for it.")
    proved_by: str = Field(description="How it was found out.")

    @classmethod
    def of(cls, row: AccessRow) -> Self:
        """Tell a row."""
        return cls(
            target=row.target,
            source=row.source,
            principal=row.member,
            right=row.right,
            before=row.before,
            after=row.after,
            before_by=row.before_by,
            after_by=row.after_by,
            verdict=row.verdict,
            why=row.why,
            consent=row.consent,
            needs_consent=row.needs_consent,
            proved_by=row.proved_by,
        )

    @property
    def change(self) -> str:
        """Before and after in words."""
        before, after = _SAYS[self.before], _SAYS[self.after]
        return before if before == after else f"{before} -> {after}"


def access_rows(read: Callable[[], Iterable[AccessRow]]) -> Rows[AccessRowFact]:
    """Tell rows of access, which are read each time that they are gone through."""
    return Rows(sum(1 for _ in read()), lambda: map(AccessRowFact.of, read()))


class AccessFacts(Fact):
    """Result of `access show`."""

    schema_: Literal["gcr-migrate/access-show"] = "gcr-migrate/access-show"
    version: Literal[1] = VERSION
    file: str = Field(description="Migration file or spec.")
    digest: str = Field(description="Digest of the plan; empty where access was read just now.")
    counts: dict[Verdict, int] = Field(description="Number of the rows that are shown by verdict.")
    unsettled: int = Field(description="How many of them need consent and have none.")
    findings: list[FindingFact] = Field(
        description="What could not be seen of policies, and what they say beside the rows."
    )
    rows: Many[AccessRowFact]

    @classmethod
    def of(
        cls,
        file: str,
        digest: str,
        findings: Iterable[Finding],
        read: Callable[[], Iterable[AccessRow]],
        pulled: Iterable[Finding] = (),
    ) -> Self:
        """Tell rows of access.

        Args:
            file: where they are from.
            digest: of the plan.
            findings: of the plan; only those about access are told, and none that a row tells.
            read: goes through the rows that are to be shown, each time from the beginning.
            pulled: who of a log's pullers cannot pull afterwards, or may not.
        """
        counts: Counter[Verdict] = Counter()
        unsettled = 0
        for row in read():
            counts[row.verdict] += 1
            unsettled += row.needs_consent
        return cls(
            file=file,
            digest=digest,
            counts={verdict: counts[verdict] for verdict in Verdict},
            unsettled=unsettled,
            findings=[
                *map(FindingFact.of, pulled),
                *(FindingFact.of(one) for one in findings if one.problem in _ABOUT_ACCESS),
            ],
            rows=Rows(counts.total(), lambda: map(AccessRowFact.of, read())),
        )


class UndoneGrantFact(Fact):
    """A grant that this file added, and what became of it."""

    repository: str
    role: str
    member: str
    condition: str = Field(description="Expression of its condition; empty: none.")
    outcome: UndoOutcome = Field(
        description="not-ours: a write that nobody confirmed turned out to be somebody else's."
    )


class UndoTroubleFact(Fact):
    """A repository of which the policy could not be changed."""

    repository: str
    code: str
    saw: str
    message: str
    remedy: str


class UndoFacts(Fact):
    """Result of `access undo`."""

    schema_: Literal["gcr-migrate/access-undo"] = "gcr-migrate/access-undo"
    version: Literal[1] = VERSION
    file: str
    digest: str
    outcome: Literal["done", "nothing-to-do", "to-do", "failed"]
    grants: list[UndoneGrantFact]
    failures: list[UndoTroubleFact]

    @property
    def exit(self) -> Exit:
        """Success only if all that this file added is gone."""
        if self.failures and all(
            named(one.code).exit is Exit.OUT_OF_REACH for one in self.failures
        ):
            return Exit.OUT_OF_REACH
        return {"failed": Exit.FAILED, "to-do": Exit.TODO}.get(self.outcome, Exit.OK)


def undo_facts(migration: Migration, undone: Sequence[Undo], *, is_done: bool) -> UndoFacts:
    """Tell what is to be taken back, or what became of it.

    Args:
        migration: the file.
        undone: what its ledger says that it added, by repository.
        is_done: whether that was tried.
    """
    grants = [
        UndoneGrantFact(
            repository=undo.repository.shown,
            role=grant.role,
            member=grant.member,
            condition=grant.condition.expression if grant.condition else "",
            outcome=_undo_outcome(undo, id_) if is_done else "to-do",
        )
        for undo in undone
        for id_, grant in undo.grants.items()
    ]
    failures = [
        UndoTroubleFact(
            repository=undo.repository.shown,
            code=undo.trouble.problem.code,
            saw=undo.trouble.saw,
            message=f"{undo.trouble.problem.title}. {undo.trouble.problem.meaning}",
            remedy=undo.trouble.problem.remedy,
        )
        for undo in undone
        if undo.trouble
    ]
    return UndoFacts(
        file=str(migration.path),
        digest=migration.digest,
        outcome=_outcome(grants, failures, is_done=is_done),
        grants=grants,
        failures=failures,
    )


def _undo_outcome(undo: Undo, id_: int) -> UndoOutcome:
    if undo.trouble:
        return "failed"
    if id_ not in undo.taken:
        return "not-ours"
    return "taken-back" if undo.taken[id_] else "gone-already"


def _outcome(
    grants: list[UndoneGrantFact], failures: list[UndoTroubleFact], *, is_done: bool
) -> Literal["done", "nothing-to-do", "to-do", "failed"]:
    if failures:
        return "failed"
    if not grants:
        return "nothing-to-do"
    return "done" if is_done else "to-do"
