"""The proof: what registries serve now, against what was promised.

Stations are imported when the command runs, so that `--help` stays quick.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcr_migrate.cli import identities
from gcr_migrate.cli.apart import check_apart
from gcr_migrate.cli.effort import (
    RESUME,
    BudgetBytesOption,
    BudgetOption,
    Effort,
    ResumeOption,
    SampleOption,
    SeedOption,
)
from gcr_migrate.cli.fleet import MIGRATION_SUFFIXES, files_named
from gcr_migrate.cli.identities import Anonymous, AsTokenFile
from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    AccessTokenFile,
    Endpoints,
    Impersonate,
    Json,
    MaxRate,
    QuotaProject,
    chosen,
    read_text,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Pace, Way
from gcr_migrate.cli.telling import (
    REMIND_AFTER,
    AlarmState,
    Format,
    Junit,
    PushGateway,
    Receivers,
    RemindAfter,
    WebhookFile,
    WebhookFormat,
    telling,
)
from gcr_migrate.cli.watching import MetricsText
from gcr_migrate.errors import BAD_USAGE, Exit, MigrateError

if TYPE_CHECKING:
    from gcr_migrate.cli.found import Found
    from gcr_migrate.cli.wish import Wish
    from gcr_migrate.refs.files import Found as Name

TARGETS_AT_ONCE = 4  # of small projects each waits for its own answers most of the time


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(verify)


def verify(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET...",
            help="Migration file or a folder of them, spec, snapshot, project, HOST/PROJECT, or a"
            " place in it.",
        ),
    ] = None,
    projects: Annotated[
        Path | None,
        typer.Option(
            "--projects", metavar="FILE", help="More targets, one a line; # begins a comment."
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", metavar="FILE", help="Snapshot to hold projects and hosts against."
        ),
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(
            "--level",
            metavar="LEVEL",
            help="tags, manifests, blobs, deep, access, redirect or references; repeat it."
            " Default: all of which TARGET tells, but not deep.",
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            "--references",
            metavar="FILE",
            help="Names that files use, as `refs scan --json` lists them: each has to lead where"
            " it should, and so has what a plan makes of it.",
        ),
    ] = None,
    sample: SampleOption = None,
    seed: SeedOption = None,
    budget: BudgetOption = None,
    budget_bytes: BudgetBytesOption = None,
    resume_within: ResumeOption = RESUME,
    as_token_file: AsTokenFile = None,
    anonymous: Anonymous = None,
    junit: Junit = None,
    metrics_file: MetricsText = None,
    push_gateway: PushGateway = None,
    webhook_file: WebhookFile = None,
    webhook_format: WebhookFormat = Format.GENERIC,
    alarm_state: AlarmState = None,
    remind_after: RemindAfter = REMIND_AFTER,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> int:
    """Prove by asking the registries that all is there: what a plan says, or what was before.

    A plan, or one made afresh from a spec, is proven at both sides, and by the targets' policies.
    A snapshot is proven at the place where it was taken. Of a project or host all that it lists is
    asked for. Never reads the ledger, and writes nothing anywhere, but how far it came: a run that
    did not end goes on when the same command is given again.

    Exit codes: 0 proven, 1 something differs, 2 bad name or file, 4 something could not be
    checked, or what was promised is incomplete.
    """
    from gcr_migrate.cli.wish import Wish
    from gcr_migrate.report.proof import all_facts
    from gcr_migrate.verify.result import Level

    output = Output(as_json=as_json)
    webhook, state = (webhook_file, webhook_format), (alarm_state, remind_after)
    receivers = Receivers.of(junit, metrics_file, push_gateway, webhook, state)
    levels = chosen("--level", Level, level or [])
    effort = Effort.of(sample, seed, budget, budget_bytes, resume_within)
    if Level.DEEP not in levels and (sample is not None or seed is not None):
        saw = "goes with --level deep"
        raise MigrateError(BAD_USAGE, subject="--sample" if sample else "--seed", saw=saw)
    who, anybody = identities.identities(as_token_file or []), identities.anonymous(anonymous)
    used = _references(references) if references else None
    wish = Wish(levels, baseline, effort, who, anybody, used)
    named = files_named(
        [*dict.fromkeys([*(targets or ()), *(_names_in(projects) if projects else ())])],
        MIGRATION_SUFFIXES,
    )
    if named.wrong:
        return Exit(output.errors(named.wrong))
    names = named.names
    if not names:
        raise MigrateError(BAD_USAGE, subject="gcr-migrate verify", saw="no TARGET is named")
    keys = [one.login.access_token_file for one in who if one.login]
    read = [
        *names,
        projects,
        baseline,
        references,
        webhook_file,
        endpoints,
        access_token_file,
        *keys,
    ]
    check_apart(receivers.files, read)
    pace = Pace.of(max_rate)
    way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=pace)
    with telling(output, receivers, way, names) as told:
        found = in_a_loop(_prove(output, way, wish, names))
        told.came_out(found)
        if named.several or projects:
            all_found = all_facts(found.proofs, found.first_errors)
            if not output.told(all_found):
                from gcr_migrate.report.proof_lines import verify_all_lines

                output.show(verify_all_lines(all_found))
            return all_found.exit
        if found.failed:
            return Exit(output.errors(found.failed[names[0]]))
        proof = found.proofs[0]
        if not output.told(proof):
            from gcr_migrate.report.proof_lines import verify_lines

            output.show(verify_lines(proof))
        return proof.exit


def _references(path: Path) -> tuple[Name, ...]:
    from gcr_migrate.cli.proving_references import read_references

    return read_references(path)


def _names_in(path: Path) -> list[str]:
    text = read_text(path).removeprefix("\ufeff")  # some editors put it before all else
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return list(filter(None, lines))


async def _prove(output: Output, way: Way, wish: Wish, names: list[str]) -> Found:
    """Prove each target, a few at once; one that fails hides no other."""
    from gcr_migrate.cli.found import Found
    from gcr_migrate.cli.proving import Proving
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.tasks import a_few_of

    found = Found(names)
    async with AsyncExitStack() as stack:
        with Watch(output.screen, "verify") as watch:
            proving = Proving(output, way, wish, watch, stack)
            await a_few_of((found.add(proving, name) for name in names), TARGETS_AT_ONCE)
            found.requests = proving.requests
    return found
