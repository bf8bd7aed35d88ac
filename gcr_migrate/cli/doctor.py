"""What would stop a migration: asked of everything that its steps need, before any of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec.structs import replace

from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    SPEC_SUFFIXES,
    AccessTokenFile,
    Endpoints,
    Impersonate,
    Json,
    QuotaProject,
    chosen,
    read_text,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Way
from gcr_migrate.errors import MigrateError

if TYPE_CHECKING:
    from gcr_migrate.doctor.checks import Case, Step
    from gcr_migrate.model.login import Login
    from gcr_migrate.report.checks import CheckListFact

_TRIES: Final = 2  # what does not answer is a finding, not something to wait for


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(doctor)


def doctor(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="Project, any name or page of its images, or spec file; several may be given.",
        ),
    ],
    step: Annotated[
        list[str] | None,
        typer.Option(
            "--step",
            metavar="STEP",
            help="discover, plan, apply, verify, redirect or rescue; repeat it. Default: all.",
        ),
    ] = None,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    as_json: Json = False,
) -> int:
    """Tell what would stop each step of a migration, and how to mend it.

    Asks for credentials, clock, names, services, permissions, repositories, the redirect and
    policies, and pulls one image of each host. Nothing is changed anywhere.

    Exit codes: 0 nothing needed is missing, 2 bad name or spec, 4 something needed is missing.
    """
    from gcr_migrate.doctor.checks import Step
    from gcr_migrate.report.checklist import checklist_lines
    from gcr_migrate.report.checks import DoctorFacts

    output = Output(as_json=as_json)
    steps = chosen("--step", Step, step or [])
    way = Way.of(endpoints, access_token_file, impersonate, quota_project)
    cases = [_case(target) for target in targets]
    lists = [in_a_loop(_examine(case, logins, steps, way)) for case, logins in cases]
    facts = DoctorFacts.of_all(lists)
    output.result(facts, checklist_lines(facts, output.out.width))
    return facts.exit


def _case(target: str) -> tuple[Case, tuple[Login | None, Login | None]]:
    """Return what a target asks about, and how its sides log in."""
    from gcr_migrate.doctor.case import case_of_name, case_of_spec
    from gcr_migrate.spec import load_spec

    path = Path(target)
    if path.suffix not in SPEC_SUFFIXES:
        try:  # first, or a file that happens to be called like a project would hide it
            return case_of_name(target), (None, None)
        except MigrateError:
            if not path.is_file():
                raise
    spec = load_spec(read_text(path), target)
    return case_of_spec(spec, target), (spec.source_login, spec.target_login)


async def _examine(
    case: Case, logins: tuple[Login | None, Login | None], steps: frozenset[Step], way: Way
) -> CheckListFact:
    from gcr_migrate.doctor.ask import QUOTA_PATIENCE_S, examine
    from gcr_migrate.doctor.checks import Step
    from gcr_migrate.doctor.judge import judge
    from gcr_migrate.doctor.usage import pointless
    from gcr_migrate.report.checks import CheckListFact

    async with way.open(*logins, tries=_TRIES, patience_s=QUOTA_PATIENCE_S) as connections:
        answers = await examine(case, steps or frozenset(Step), connections)
    if not steps:  # nobody named any: those for which nothing is left to do are not asked for
        answers = replace(answers, steps=answers.steps - pointless(answers))
    return CheckListFact.of(case, answers.steps, judge(answers))
