"""Whether the repository of a gcr.io host may go, once its images are elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import MigrateError
from gcr_migrate.leftovers.claims import Claim, ClaimName, Leftover, Standing, Verdict, verdict_of
from gcr_migrate.leftovers.costs import repository_cost
from gcr_migrate.leftovers.evidence import Compared
from gcr_migrate.leftovers.shared import READER, date, named, redirected, unseen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.leftovers.evidence import LoggedPulls, ProjectEvidence, RepositoryEvidence
    from gcr_migrate.model.prices import Prices

_DAY_MS: Final = 86_400_000
_NAMED: Final = 5
FRESH_DAYS: Final = 7  # a log that ends before that says nothing of today


def judge_repository(
    project: ProjectEvidence,
    repository: RepositoryEvidence,
    prices: Prices,
    now_ms: int,
    unused_days: int,
) -> Leftover:
    """Judge a repository.

    Args:
        project: its project.
        repository: what was seen of it.
        prices: what storage costs.
        now_ms: milliseconds since 1970.
        unused_days: for how long nobody may have pulled from it.
    """
    host, id_ = repository.host, project.project.id
    claims = (
        redirected(project),
        _moved(project, repository),
        _not_pulled(repository.pulls, now_ms, unused_days),
        _not_an_upstream(repository),
    )
    command = (
        f"gcloud artifacts repositories delete {host.repository_id}"
        f" --location={host.location} --project={id_}"
    )
    may_go = verdict_of(claims) is Verdict.MAY_GO
    return Leftover(
        kind="repository",
        name=f"{host.location}-docker.pkg.dev/{project.project.path}/{host.repository_id}",
        host=host.name,
        claims=claims,
        cost=repository_cost(prices, repository.facts.size_bytes),
        command=command if may_go else "",
        notes=tuple(_notes(project, repository)),
    )


def _moved(project: ProjectEvidence, repository: RepositoryEvidence) -> Claim:
    name, compared, moves = ClaimName.MOVED, repository.compared, repository.moves
    if isinstance(compared, MigrateError):
        return unseen(name, compared, READER)
    if compared and not compared.manifests:
        return Claim(name, Standing.PROVEN, "it is empty")
    if moves is None or compared is None or moves.is_round:
        root = f"{repository.host.name}/{project.project.path}"
        saw = "no migration file was given that says where its images went"
        remedy = f"Give the file of a migration whose source is {root}: --migration FILE."
        if moves and moves.is_round:
            saw = f"by {', '.join(moves.files)} images went from here to where others came from"
            remedy = "Let one of these repositories stay, and leave its migration file out."
        return Claim(name, Standing.OPEN, saw, remedy)
    all_of_it = f"{compared.manifests:,} manifests and {compared.tags:,} tags"
    if not compared.lacking:
        saw = f"all {all_of_it}, by {', '.join(moves.files)} and lists of today"
        return Claim(name, Standing.PROVEN, saw)
    saw = (
        f"of {all_of_it} {compared.lacking:,} are at no target:"
        f" {named(compared.lacking, compared.examples)}"
    )
    if moves.elsewhere:
        saw += f"; {', '.join(moves.elsewhere)} cannot be listed here"
        remedy = "Prove these targets by `verify FILE`, and keep the repository until then."
        return Claim(name, Standing.OPEN, saw, remedy)
    remedy = "Plan and apply again: what came since, and what a rule left out, is only here."
    return Claim(name, Standing.REFUTED, saw, remedy)


def _not_pulled(pulls: LoggedPulls | None, now_ms: int, unused_days: int) -> Claim:
    name, since_ms = ClaimName.NOT_PULLED, now_ms - unused_days * _DAY_MS
    remedy = (
        f"Export the Data Access log of the last {unused_days} days, and give it: --audit-log FILE."
    )
    if pulls is None:
        return Claim(name, Standing.OPEN, "no audit log was given", remedy)
    pulled = (pulls.last_ms, f"{pulls.last_name} was pulled")
    pushed = (pulls.pushed_ms, f"{pulls.pushed_name} was pushed")
    for last_ms, what in (pulled, pushed):
        if last_ms is not None and last_ms >= since_ms:
            remedy = "Change whoever still names the host; `refs scan` finds the names."
            return Claim(name, Standing.REFUTED, f"{what} on {date(last_ms)}", remedy)
    if pulls.begins_ms is None or pulls.ends_ms is None:
        return Claim(name, Standing.OPEN, "the log tells nothing of the project", remedy)
    told = f"the log is of {date(pulls.begins_ms)} to {date(pulls.ends_ms)}"
    if lacks := _untold(pulls, pulls.begins_ms, pulls.ends_ms, now_ms, unused_days):
        return Claim(name, Standing.OPEN, f"{told}: {lacks}", remedy)
    last = f", the last on {date(pulls.last_ms)}" if pulls.last_ms is not None else ""
    return Claim(name, Standing.PROVEN, f"{told}: no pull in {unused_days} days{last}")


def _untold(pulls: LoggedPulls, begins_ms: int, ends_ms: int, now_ms: int, unused_days: int) -> str:
    """Say which part of the days until now a log does not tell of; empty for none."""
    since_ms = now_ms - unused_days * _DAY_MS
    if begins_ms > since_ms:
        return f"it does not tell of {unused_days} days"
    if ends_ms < now_ms - FRESH_DAYS * _DAY_MS:
        return "nothing tells of the days since"
    if ends_ms > now_ms + _DAY_MS:
        return "that is to come; a clock is wrong"
    since = datetime.fromtimestamp(since_ms / 1000, UTC).date()
    silent = [one.told for one in pulls.silences if one.last >= since]
    return f"it tells nothing of {', '.join(silent[:_NAMED])}" if silent else ""


def _not_an_upstream(repository: RepositoryEvidence) -> Claim:
    name, virtual = ClaimName.NOT_AN_UPSTREAM, repository.virtual
    if isinstance(virtual, MigrateError):
        return unseen(name, virtual, READER)
    if virtual:
        remedy = "Take it out of the virtual repository, or delete that first."
        return Claim(name, Standing.REFUTED, ", ".join(virtual), remedy)
    return Claim(name, Standing.PROVEN, "none of the project in its location")


def _notes(project: ProjectEvidence, repository: RepositoryEvidence) -> Iterator[str]:
    yield f"without it every name below {repository.host.name}/{project.project.path} is gone"
    if isinstance(repository.compared, Compared):
        for origin, count in repository.compared.origins.items():
            yield f"{count:,} of its image paths: {origin.title}; {origin.advice}"
    if repository.facts.size_bytes:
        yield "layers that other repositories have too may be billed there"
