"""The commands `redirect …`: who answers the gcr.io names of a project, led forward only.

Stations are imported when a command runs, so that `--help` stays quick.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    AccessTokenFile,
    AuditLog,
    Endpoints,
    Impersonate,
    Json,
    MaxRate,
    QuotaProject,
    read_text,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Pace, Way
from gcr_migrate.errors import MigrateError

if TYPE_CHECKING:
    from gcr_migrate.cli.redirecting import Evidence
    from gcr_migrate.model.names import Project
    from gcr_migrate.redirect.evidence import Reading
    from gcr_migrate.redirect.moves import Move
    from gcr_migrate.redirect.read import Lookouts
    from gcr_migrate.report.redirection import RedirectMoveFacts

_TRIES: Final = 3  # what does not answer is named, not waited for
_AT_ONCE: Final = 16  # projects
_WAIT_S: Final = 300.0

OneProject = Annotated[
    str, typer.Argument(metavar="PROJECT", help="Project, or any name or page of its images.")
]
BaselineFile = Annotated[
    Path | None,
    typer.Option(
        "--baseline", metavar="FILE", help="Snapshot by `inventory -o`: all of it has to be there."
    ),
]
RescueState = Annotated[
    Path | None,
    typer.Option(
        "--rescue",
        metavar="FILE",
        help="File of `rescue`: what Google's copy answered, and what it could not copy.",
    ),
]
PullersFile = Annotated[
    Path | None,
    typer.Option(
        "--pullers",
        metavar="FILE",
        help="Further members who pull, one on each line; # begins a comment. Or what `refs scan"
        " --json` wrote of an export of what runs.",
    ),
]
Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="WHAT=REASON",
        help="Why something need not hold the move up: a member that cannot pull, copied, copy, "
        "log, pulled or unseen; repeat it.",
    ),
]
Record = Annotated[
    Path | None,
    typer.Option(
        "--migration",
        metavar="FILE",
        help="Migration file in which the move is recorded. Default: PROJECT.redirect.log.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; --i-have-read is needed too.")]
HaveRead = Annotated[
    str | None,
    typer.Option("--i-have-read", metavar="CODE", help="Code of the plan, as `plan` prints it."),
]
Wait = Annotated[
    float,
    typer.Option("--wait", metavar="SECONDS", min=0, help="How long hosts may take to follow."),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    redirect = typer.Typer(
        help="Who answers the gcr.io names of a project; led forward only, through gates.",
        rich_markup_mode=None,
    )
    for command in (status, plan, enable, finalize, disable, partial):
        redirect.command()(command)
    app.add_typer(redirect, name="redirect")


def status(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="PROJECT...", help="Several may be given.")
    ] = None,
    projects: Annotated[
        Path | None,
        typer.Option("--projects", metavar="FILE", help="Projects, one on each line; # comments."),
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--folder", metavar="N", help="All projects below a folder.")
    ] = None,
    organization: Annotated[
        str | None,
        typer.Option("--organization", metavar="N", help="All projects of an organisation."),
    ] = None,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> int:
    """Tell the redirect's state of each project, and who really answers at its four hosts.

    Asks the API for the state and each host as a client would. Nothing is changed anywhere.

    Exit codes: 0 all read, 2 bad name, 3 a state could not be read, 4 none could.
    """
    from gcr_migrate.cli.discover import where_of
    from gcr_migrate.cli.pullers import lines_in
    from gcr_migrate.model.places import read_place
    from gcr_migrate.report.redirection import RedirectStatusFacts
    from gcr_migrate.report.redirectlines import status_lines

    output = Output(as_json=as_json)
    names = [*(targets or []), *(lines_in(read_text(projects)) if projects else [])]
    where = where_of("redirect status", names, folder, organization)
    wanted = {one.id: one for one in (read_place(name).project for name in names)}
    way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=Pace.of(max_rate))
    readings, unseen = in_a_loop(_status(where, wanted, way, output))
    facts = RedirectStatusFacts.of(readings, unseen)
    output.result(facts, status_lines(facts))
    return facts.exit


async def _status(
    where: str, wanted: dict[str, Project], way: Way, output: Output
) -> tuple[list[Reading], list[tuple[str, MigrateError]]]:
    import asyncio

    from gcr_migrate.cli.discover import witnesses_of
    from gcr_migrate.discover.scope import Scope, below
    from gcr_migrate.redirect.read import look
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.tasks import all_of

    async with way.open(tries=_TRIES) as connections:
        scope = await below(where, witnesses_of(connections)) if where else Scope(wanted)
        lookouts: Lookouts = connections
        turns = asyncio.Semaphore(_AT_ONCE)
        with Watch(output.screen, "redirect", len(scope.projects)) as watch:

            async def one(project: Project) -> Reading:
                async with turns:
                    found = await look(project, lookouts)
                watch.listed("projects", 1)
                return found

            readings = await all_of(one(scope.projects[id_]) for id_ in sorted(scope.projects))
    unseen = list(scope.unseen)
    if isinstance(scope.buckets, MigrateError) and not readings:
        unseen.append((f"buckets below {where}", scope.buckets))
    return readings, unseen


def plan(
    project: OneProject,
    baseline: BaselineFile = None,
    rescue: RescueState = None,
    audit_log: AuditLog = None,
    pullers: PullersFile = None,
    accept: Accept = None,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> int:
    """Show the move that leads a project on, what it means, and every gate before it.

    Nothing is changed anywhere. The code that it prints stands for what it says, and confirms the
    move where nobody can be asked.

    Exit codes: 0 the move can be made, or there is none, 1 there is none and a host does not
    answer as it is set, 2 bad name or file, 3 a gate holds it up or it is refused, 4 out of reach.
    """
    from gcr_migrate.cli.redirect_evidence import evidence_of
    from gcr_migrate.report.redirection import RedirectPlanFacts
    from gcr_migrate.report.redirectlines import code_lines

    output = Output(as_json=as_json)
    wanted = _project(project)
    way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=Pace.of(max_rate))
    with ExitStack() as stack:
        evidence = evidence_of(stack, wanted, baseline, rescue, audit_log, pullers, accept)

        async def work() -> RedirectPlanFacts:
            from gcr_migrate.cli.redirecting import Redirecting
            from gcr_migrate.report.progress import Watch

            async with way.open() as connections:
                with Watch(output.screen, "redirect") as watch:
                    redirecting = Redirecting(wanted, connections, evidence, watch)
                    return RedirectPlanFacts.of((await redirecting.plan(None))[1])

        facts = in_a_loop(work())
    output.result(facts, code_lines(facts))
    return facts.exit


def enable(
    project: OneProject,
    baseline: BaselineFile = None,
    rescue: RescueState = None,
    audit_log: AuditLog = None,
    pullers: PullersFile = None,
    accept: Accept = None,
    migration: Record = None,
    wait: Wait = _WAIT_S,
    yes: Yes = False,
    i_have_read: HaveRead = None,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> int:
    """Have Artifact Registry answer the gcr.io names: copying on demand first, then for all.

    Verifies all that the repositories serve, asks for the project's id, writes the setting, reads
    it back, and verifies again by the gcr.io names. There is no way back.

    Exit codes: 0 done and seen, or nothing to do, 1 done, or done long ago, and something is
    wrong, 2 bad name or file, 3 refused and nothing changed, 4 out of reach.
    """
    from gcr_migrate.cli.redirect_evidence import evidence_of
    from gcr_migrate.redirect.moves import Move

    way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=Pace.of(max_rate))
    with ExitStack() as stack:
        wanted = _project(project)
        evidence = evidence_of(stack, wanted, baseline, rescue, audit_log, pullers, accept)
        confirmation = (yes, i_have_read)
        output = Output(as_json=as_json)
        return _moved(output, wanted, Move.ENABLE, way, evidence, confirmation, migration, wait)


def finalize(
    project: OneProject,
    baseline: BaselineFile = None,
    rescue: RescueState = None,
    audit_log: AuditLog = None,
    pullers: PullersFile = None,
    accept: Accept = None,
    migration: Record = None,
    wait: Wait = _WAIT_S,
    yes: Yes = False,
    i_have_read: HaveRead = None,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> int:
    """Make an enabled redirect final: it can never be changed again, by anybody.

    Goes through the same gates as `enable`, and is confirmed in the same way.

    Exit codes: 0 done and seen, or nothing to do, 1 done, or done long ago, and something is
    wrong, 2 bad name or file, 3 refused and nothing changed, 4 out of reach.
    """
    from gcr_migrate.cli.redirect_evidence import evidence_of
    from gcr_migrate.redirect.moves import Move

    way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=Pace.of(max_rate))
    with ExitStack() as stack:
        wanted = _project(project)
        evidence = evidence_of(stack, wanted, baseline, rescue, audit_log, pullers, accept)
        confirmation = (yes, i_have_read)
        output = Output(as_json=as_json)
        return _moved(output, wanted, Move.FINALIZE, way, evidence, confirmation, migration, wait)


def disable(project: OneProject, as_json: Json = False) -> int:
    """Refused, with the reason: it would be an outage of every gcr.io name of the project.

    Exit codes: 3 refused and nothing changed.
    """
    from gcr_migrate.redirect.moves import Move

    return Output(as_json=as_json).errors([_never(project, Move.DISABLE)])


def partial(project: OneProject, as_json: Json = False) -> int:
    """Refused, with the reason: all pushes and a share of the pulls would fail.

    Exit codes: 3 refused and nothing changed.
    """
    from gcr_migrate.redirect.moves import Move

    return Output(as_json=as_json).errors([_never(project, Move.PARTIAL)])


def _never(project: str, move: Move) -> MigrateError:
    from gcr_migrate.model.cloud import Redirection, RedirectSettings
    from gcr_migrate.redirect.moves import decide

    known = _project(project).id
    anything = RedirectSettings(Redirection.ENABLED, "")  # it is refused in every state alike
    decision = decide(move, anything, is_copied=None)
    assert decision.problem is not None  # noqa: S101  # the table says so, and a test of it
    return MigrateError(decision.problem, subject=f"redirect {move} {known}", saw=decision.why)


def _moved(
    output: Output,
    project: Project,
    move: Move,
    way: Way,
    evidence: Evidence,
    confirmation: tuple[bool, str | None],
    migration: Path | None,
    wait_s: float,
) -> int:

    from gcr_migrate.cli.redirecting import Consent, Redirecting
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.report.redirectlines import move_lines

    yes, code = confirmation
    consent = Consent.of(code, yes=yes, as_json=output.as_json)

    async def work() -> RedirectMoveFacts:
        async with way.open() as connections:
            with Watch(output.screen, "redirect") as watch:
                redirecting = Redirecting(project, connections, evidence, watch)
                return await redirecting.move(move, consent, output, migration, wait_s)

    facts = in_a_loop(work())
    output.result(facts, move_lines(facts))
    return facts.exit


def _project(text: str) -> Project:
    from gcr_migrate.model.places import read_place

    return read_place(text).project
