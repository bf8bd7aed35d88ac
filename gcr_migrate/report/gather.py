"""From a migration file and its ledger to facts; each thing is read once, in order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from gcr_migrate.errors import LISTING_CUT, LISTING_FAILED, Exit, named
from gcr_migrate.model.steps import Kind
from gcr_migrate.report.fact import FindingFact, LeftOutFact
from gcr_migrate.report.rows import Rows
from gcr_migrate.report.runs import (
    ApplyFacts,
    FailureFact,
    HoldUpFact,
    InFlightFact,
    ItemCountsFact,
    LeftFact,
    MovedBytesFact,
    MovingFact,
    ProgressFact,
    RunFact,
    RunOutcome,
    ServiceFact,
    StatusFacts,
)
from gcr_migrate.state.file import is_in_hand
from gcr_migrate.state.leaving import left_by_rule
from gcr_migrate.state.tally import ALREADY_THERE, tally
from gcr_migrate.state.waiting import Flights, flights, hold_ups, how_far

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.model.limits import Asked
    from gcr_migrate.state.left import Left
    from gcr_migrate.state.migration import Migration
    from gcr_migrate.state.tally import Failure, Tally
    from gcr_migrate.state.waiting import HoldUp


def apply_facts(
    migration: Migration,
    to_do: Left,
    *,
    ended: str = "finished",
    asked: Mapping[str, Asked] | None = None,
) -> ApplyFacts:
    """Tell what became of the plan, after a run.

    Args:
        migration: the file.
        to_do: what the run began with.
        ended: `finished`, or what kept the run from it: `interrupted`, `time-is-up`, `dry-run`.
        asked: what the run asked of each service.
    """
    sums = tally(migration)
    services = {
        name: ServiceFact(
            requests=one.requests,
            writes=one.writes,
            refusals=one.refusals,
            paused_s=round(one.paused_s, 3),
        )
        for name, one in (asked or {}).items()
    }
    began_with = LeftFact(
        blobs=to_do.pending[Kind.BLOB],
        manifests=to_do.pending[Kind.MANIFEST],
        tags=to_do.pending[Kind.TAG],
        bytes_to_send=to_do.bytes,
        bytes_to_mount=to_do.mount_bytes,
    )
    run = _run(migration, sums, ended=ended)
    return ApplyFacts(**run, services=services, began_with=began_with)


def status_facts(migration: Migration) -> StatusFacts:
    """Tell what the ledger adds up to."""
    sums = tally(migration)
    is_running = is_in_hand(migration.path)
    last_run = sums.runs[-1].id if sums.runs else 0
    begun = flights(migration)
    moving = flights(migration, last_run) if is_running else Flights(0, 0, ())
    return StatusFacts(
        **_run(migration, sums),
        is_running=is_running,
        progress=_progress(migration, last_run) if is_running else None,
        in_flight=InFlightFact(
            items=moving.count,
            blobs=moving.blobs,
            largest=[
                MovingFact(
                    subject=one.subject,
                    size_bytes=one.size_bytes,
                    since=one.since.isoformat(timespec="seconds"),
                )
                for one in moving.largest
            ],
        ),
        to_ask_about=begun.blobs - moving.blobs,
        hold_ups=[_hold_up(one) for one in hold_ups(migration)],
        runs=[
            RunFact(
                number=run.id,
                started_at=run.started_at.isoformat(timespec="seconds"),
                ended_at=run.ended_at.isoformat(timespec="seconds") if run.ended_at else "",
                outcome=run.outcome or "",
            )
            for run in sums.runs
        ],
    )


def _progress(migration: Migration, run: int) -> ProgressFact | None:
    noted = how_far(migration, run)
    if noted is None:
        return None
    at, far = noted
    left_s = far.time_left_s
    return ProgressFact(
        at=at.isoformat(timespec="seconds"),
        bytes_done=far.bytes_done,
        bytes_total=far.bytes_total,
        bytes_per_s=round(far.bytes_per_s, 1),
        requests_per_s=round(far.requests_per_s, 1),
        time_left_s=None if left_s is None else round(left_s, 1),
    )


def _hold_up(one: HoldUp) -> HoldUpFact:
    return HoldUpFact(
        image=one.image,
        blob=one.digest,
        size_bytes=one.size_bytes,
        state=one.state,
        tags=one.tags,
        some_tags=list(one.named),
        chain=list(one.chain),
    )


def _run(migration: Migration, sums: Tally, *, ended: str = "finished") -> dict[str, Any]:
    kinds = {
        str(kind): ItemCountsFact(
            planned=c.planned, done=c.done, skipped=c.skipped, failed=c.failed, pending=c.pending
        )
        for kind, c in sums.kinds.items()
    }
    total = ItemCountsFact(
        planned=sum(c.planned for c in kinds.values()),
        done=sum(c.done for c in kinds.values()),
        skipped=sum(c.skipped for c in kinds.values()),
        failed=sum(c.failed for c in kinds.values()),
        pending=sum(c.pending for c in kinds.values()),
    )
    lost = [LeftOutFact.of(left) for left in migration.left_outs() if not left.by_rule]
    outcome = _outcome(total, ended)
    if outcome == "complete" and (lost or not migration.complete):
        outcome = "partial"
    return {
        "file": str(migration.path),
        "digest": migration.digest,
        "outcome": outcome,
        "counts": total,
        "kinds": kinds,
        "skipped": _reasons(sums),
        "bytes": MovedBytesFact(
            transferred=sums.bytes_transferred,
            mounted=sums.bytes_mounted,
            already_there=sums.bytes_already_there,
        ),
        "failures": _failures(sums.failures()),
        "could_not_be_moved": lost,
        "could_not_be_listed": _not_listed(migration),
        "complete": migration.complete,
        "left_by_rule": _left_by_rule(migration, sums),
    }


def _left_by_rule(migration: Migration, sums: Tally) -> Rows[LeftOutFact]:
    """Tell by name what is not as the plan's source has it, by plan or by run, without blobs."""
    reasons = [sums.kinds[kind].reasons for kind in (Kind.MANIFEST, Kind.TAG)]
    count = sum(n for one in reasons for why, n in one.items() if why != ALREADY_THERE)
    return Rows(count, lambda: map(LeftOutFact.of, left_by_rule(migration)) if count else ())


def _not_listed(migration: Migration) -> list[FindingFact]:
    doubts = {LISTING_FAILED, LISTING_CUT}
    return [FindingFact.of(one) for one in migration.findings() if one.problem in doubts]


def _reasons(sums: Tally) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for kind in sums.kinds.values():
        reasons.update(kind.reasons)
    return dict(sorted(reasons.items()))


def _failures(found: Iterable[Failure]) -> list[FailureFact]:
    """Tell each cause once, with the names of all tags that failed for it."""
    told: dict[tuple[str, ...], list[Failure]] = {}
    for one in found:
        told.setdefault(_cause(one), []).append(one)
    return [_failure(cause, every) for cause, every in told.items()]


def _cause(one: Failure) -> tuple[str, ...]:
    """Return image, code and words of what befell a tag; of any other item its name comes first.

    What no answer was had for is the same for all tags of an image, but for the tag in its words.
    """
    if one.kind is not Kind.TAG:
        return one.subject, str(one.kind), one.code, one.saw
    image, _, tag = one.subject.rpartition(":")
    is_unheard = named(one.code).exit is Exit.OUT_OF_REACH
    return image, one.code, one.saw.replace(f":{tag}: ", ": ", 1) if is_unheard else one.saw


def _failure(cause: tuple[str, ...], every: list[Failure]) -> FailureFact:
    one, *others = every
    problem = named(one.code)
    return FailureFact(
        kind=str(one.kind),
        subject=one.subject,
        code=one.code,
        saw=cause[-1] if others else one.saw,
        message=f"{problem.title}. {problem.meaning}",
        remedy=problem.remedy,
        count=len(every),
        others=[other.subject for other in others],
    )


def _outcome(counts: ItemCountsFact, ended: str) -> RunOutcome:
    if ended == "interrupted" and counts.pending:
        return "interrupted"
    if counts.failed:
        return "failed"
    if not counts.pending:
        return "complete"
    return "time-is-up" if ended == "time-is-up" else "pending"
