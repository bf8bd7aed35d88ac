"""The account of a rescue made into facts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from gcr_migrate.report.fact import FindingFact
from gcr_migrate.report.rescues import (
    CheckedFact,
    ClaimsFact,
    ExpectedFact,
    ExpectedNameFact,
    RescuedImageFact,
    RescueFacts,
    RescueTargetFact,
    outcome_of,
)
from gcr_migrate.rescue.expected import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcr_migrate.model.cloud import Redirection
    from gcr_migrate.model.finding import Finding
    from gcr_migrate.model.names import Project
    from gcr_migrate.rescue.account import Account, Row
    from gcr_migrate.rescue.targets import Target


class RunOfRescue(Struct, frozen=True):
    """What is told of a run beside its account.

    Attributes:
        file: where replies are kept.
        project: the project.
        state: its redirect state.
        filters: which part was asked for.
        targets: by their numbers.
        existed: numbers of those that were there before.
        made: numbers of those that are there.
        ended: `finished`, `interrupted` or `dry-run`.
        runs: how many there were.
        inventory: the snapshot; empty for none.
        findings: what was noteworthy on the way.
        expected_files: lists of expected names.
        elsewhere: names in them that were passed over.
    """

    file: str
    project: Project
    state: Redirection
    filters: str
    targets: Sequence[Target]
    existed: set[int]
    made: set[int]
    ended: str
    runs: int
    inventory: str
    findings: Sequence[Finding]
    expected_files: Sequence[str] = ()
    elsewhere: int = 0


def rescue_facts(run: RunOfRescue, account: Account | None) -> RescueFacts:
    """Tell what became of a rescue; what to do next is added by who knows the commands."""
    rows = account.rows if account else []
    found = [*run.findings, *(account.findings if account else ())]
    findings = [FindingFact.of(one) for one in dict.fromkeys(found)]
    return RescueFacts(
        file=run.file,
        project=run.project.id,
        redirect_state=run.state.value,
        outcome=outcome_of(findings, ended=run.ended),
        runs=run.runs,
        filters=run.filters,
        targets=[_target(run, at, rows) for at in range(len(run.targets))],
        claimed=_claims(rows),
        checked=_checked(rows),
        inventory=run.inventory,
        images=[_image(row) for row in rows if row.is_image],
        expected=_expected(run, account),
        findings=findings,
        next_steps=[],
    )


def _target(run: RunOfRescue, at: int, rows: Iterable[Row]) -> RescueTargetFact:
    target, own = run.targets[at], [row for row in rows if row.target == at]
    host, name, _ = target.asked(run.state)
    repository: Literal["exists", "created", "to-create", "not-made"] = "exists"
    if at not in run.existed:
        made: Literal["created", "not-made"] = "created" if at in run.made else "not-made"
        repository = "to-create" if run.ended == "dry-run" else made
    return RescueTargetFact(
        source="/".join(filter(None, (target.source_shown, target.start))),
        target=target.shown,
        resource=target.resource,
        repository=repository,
        asked=f"{host}/{name}",
        claimed=_claims(own),
        checked=_checked(own),
        names=len(own),
        names_open=sum(row.problem is not None for row in own),
        timeouts=sum(row.timeouts for row in own),
    )


def _claims(rows: Iterable[Row]) -> ClaimsFact:
    rows = [*rows]
    return ClaimsFact(
        manifests_copied=sum(row.copied for row in rows),
        tags_copied=sum(row.tags_copied for row in rows),
        manifests_failed=sum(row.failed for row in rows),
        manifests_not_found=sum(row.not_found for row in rows),
        tags_failed=sum(row.tags_failed for row in rows),
    )


def _checked(rows: Iterable[Row]) -> CheckedFact:
    rows = [*rows]
    return CheckedFact(
        before=_sum(row.before for row in rows), found=_sum(row.found for row in rows)
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [*counts]
    some = [one for one in known if one is not None]
    return sum(some) if known and len(some) == len(known) else None


def _image(row: Row) -> RescuedImageFact:
    return RescuedImageFact(
        name=row.name,
        claimed=_claims([row]),
        checked=_checked([row]),
        code=row.problem.code if row.problem else "",
        saw=row.saw,
        examples=[*dict.fromkeys((*row.examples, *row.lost))],
    )


def _expected(run: RunOfRescue, account: Account | None) -> ExpectedFact | None:
    if account is None or account.verdicts is None:
        return None
    counts = Counter(verdict for _, verdict, _ in account.verdicts)
    return ExpectedFact(
        files=[*run.expected_files],
        same=counts[Verdict.SAME],
        there=counts[Verdict.THERE],
        other_digest=counts[Verdict.OTHER],
        missing=counts[Verdict.MISSING],
        not_seen=counts[Verdict.NOT_SEEN],
        elsewhere=run.elsewhere,
        names=[
            ExpectedNameFact(name=one.shown(run.project), verdict=verdict.value, there=there)
            for one, verdict, there in account.verdicts
        ],
    )
