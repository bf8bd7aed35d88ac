"""The command `refs check`: what becomes of each name, and whether it and its puller go along."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from gcr_migrate.cli.files import write_parts
from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    AccessTokenFile,
    Endpoints,
    Impersonate,
    Json,
    MaxRate,
    QuotaProject,
    chosen,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Pace, Way
from gcr_migrate.cli.scanning import (
    AllFiles,
    Judge,
    Paths,
    Plan,
    Projects,
    Revision,
    Values,
    scanned,
    with_plan,
)
from gcr_migrate.errors import BAD_USAGE, MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.cli.refs_live import Names
    from gcr_migrate.refs.files import Unread
    from gcr_migrate.report.covered import Judged
    from gcr_migrate.state.names_kept import NamesKept


def check(
    paths: Paths,
    plan: Plan = None,
    project: Projects = None,
    values: Values = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Ask for each name at the registry that it names."),
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Snapshot of before: with --live, tags have to lead where they led then, and"
            " anybody has to be able to pull what anybody could.",
        ),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="VERDICT",
            help="Fail for names of this verdict; repeat it. Default: old-name, not-in-plan, gone,"
            " tag-moved, access-lost and not-checked.",
        ),
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option("--sarif", metavar="FILE", help="Write the names that fail as SARIF 2.1.0."),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write a case for each name as JUnit XML."),
    ] = None,
    revision: Revision = None,
    all_files: AllFiles = False,
    full: Annotated[bool, typer.Option("--full", help="List every name.")] = False,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> int:
    """Tell what becomes of each name in text files, and fail for those that are not covered.

    With a plan: where each goes, and whether who pulls it, where an export of what runs tells
    that, can pull there. With --live: whether its registry has it now, as it is pinned and as
    the plan has it. With neither, names of your own projects under gcr.io fail: a gate against
    new ones.

    Exit codes: 0 all is covered, 1 something is not, or could not be read or asked, 2 bad path
    or option.
    """
    from gcr_migrate.cli.refs_live import Asking
    from gcr_migrate.refs.cover import BAD, Verdict
    from gcr_migrate.report.covered import RefsCheckFacts, check_lines, junit_text, sarif_text

    output = Output(as_json=as_json)
    fails = chosen("--fail-on", Verdict, fail_on or []) or BAD
    judge = Judge.of(values or [], project or [])
    if plan is None and not judge.ours and not live:
        saw = "one of --plan, --project and --live is needed"
        raise MigrateError(BAD_USAGE, subject="gcr-migrate refs check", saw=saw)
    if baseline and not live:
        raise MigrateError(BAD_USAGE, subject="--baseline", saw="goes with --live")
    pace = Pace.of(max_rate)
    way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=pace)
    unread: list[Unread] = []
    with ExitStack() as stack:
        ready = stack.enter_context(with_plan(judge, plan))
        found = scanned(paths, unread, all_files=all_files, revision=revision)
        names = [(one, *ready(one)) for one in found]
        if live:
            was = stack.enter_context(_kept(baseline)) if baseline else None
            names = in_a_loop(Asking(ready, was, way, output).about(names))
        told = _with_pullers(names, ready)
    facts = RefsCheckFacts.of(told, unread, fails)
    if sarif:
        write_parts(sarif, [sarif_text(facts)])
    if junit:
        write_parts(junit, [junit_text(facts)])
    output.result(facts, check_lines(facts, full=full))
    return facts.exit


def _with_pullers(names: Names, judge: Judge) -> list[Judged]:
    """Tell of each name that somebody uses whether who pulls it can pull it at its new name."""
    from gcr_migrate.refs.cover import Verdict
    from gcr_migrate.refs.pullers import Pullers
    from gcr_migrate.report.covered import Judged, Read

    pullers = Pullers(judge.migration.access_rows()) if judge.migration else None
    told = []
    for found, reference, covered in names:
        target = covered.target if covered.verdict is Verdict.MOVES else ""
        if covered.verdict is Verdict.NEW:
            target = reference.name
        if pullers is None or found.consumer is None or not target:
            told.append(Judged(found, reference, covered))
            continue
        can, why = pullers.can_read(found.consumer, target)
        lost = f"{found.consumer.identity} cannot pull it there"
        without = replace(covered, verdict=Verdict.ACCESS_LOST, why=lost)
        now = without if can is False else covered
        told.append(Judged(found, reference, now, Read.of(can), why))
    return told


@contextmanager
def _kept(path: Path) -> Iterator[NamesKept]:
    from gcr_migrate.state.names_kept import NamesKept
    from gcr_migrate.state.snapshot import open_snapshot

    with open_snapshot(path) as snapshot:
        yield NamesKept(snapshot)
