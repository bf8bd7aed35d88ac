"""The proof: what registries serve now, against what was promised.

Stations are imported when the command runs, so that `--help` stays quick.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcr_migrate.cli.options import (
    AccessTokenFile,
    Endpoints,
    Impersonate,
    Json,
    MaxRate,
    Pace,
    QuotaProject,
    Way,
    chosen,
    read_text,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.watching import MetricsText, proof_metrics
from gcr_migrate.errors import BAD_USAGE, Exit, MigrateError

if TYPE_CHECKING:
    from gcr_migrate.cli.proving import Proving, Wish
    from gcr_migrate.plan.routes import Refused
    from gcr_migrate.report.proof import VerifyFacts

TARGETS_AT_ONCE = 4  # of small projects each waits for its own answers most of the time


def verify(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET...",
            help="Migration file, spec, snapshot, project, HOST/PROJECT, or a place in it.",
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
            help="tags, manifests, blobs or access; repeat it. Default: all of which TARGET tells.",
        ),
    ] = None,
    metrics_file: MetricsText = None,
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
    asked for. Never reads the ledger, and writes nothing anywhere.

    Exit codes: 0 proven, 1 something differs, 2 bad name or file, 4 something could not be
    checked, or what was promised is incomplete.
    """
    from gcr_migrate.cli.proving import Wish
    from gcr_migrate.plan.routes import Refused
    from gcr_migrate.report.proof import all_facts
    from gcr_migrate.report.proof_lines import verify_all_lines, verify_lines
    from gcr_migrate.verify.marks import Level

    output = Output(as_json=as_json)
    wish = Wish(chosen("--level", Level, level or []), baseline)
    names = [*(targets or ()), *(_names_in(projects) if projects else ())]
    if not names:
        raise MigrateError(BAD_USAGE, subject="gcr-migrate verify", saw="no TARGET is named")
    pace = Pace.of(max_rate)
    way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=pace)
    if len(names) > 1 or projects:
        if metrics_file:
            saw = "goes with one target only"
            raise MigrateError(BAD_USAGE, subject="--metrics-file", saw=saw)
        facts = all_facts(*asyncio.run(_prove_all(output, way, wish, names)))
        output.result(facts, verify_all_lines(facts))
        return facts.exit
    with proof_metrics(names[0], metrics_file) as proofs:
        try:
            proof = asyncio.run(_prove(output, way, wish, names[0]))
        except Refused as refused:
            return Exit(output.errors(_errors_of(refused)))
        proofs.append(proof)
    output.result(proof, verify_lines(proof))
    return proof.exit


def _names_in(path: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in read_text(path).splitlines())
    return list(dict.fromkeys(filter(None, lines)))


def _errors_of(refused: Refused) -> list[MigrateError]:
    return [MigrateError(r.problem, subject=r.subject, saw=r.saw) for r in refused.refusals]


async def _prove(output: Output, way: Way, wish: Wish, name: str) -> VerifyFacts:
    from gcr_migrate.cli.proving import Proving
    from gcr_migrate.report.progress import Watch

    async with AsyncExitStack() as stack:
        with Watch(output.err, "verify", as_events=output.as_json) as watch:
            return await Proving(output, way, wish, watch, stack).prove(name)


async def _prove_all(
    output: Output, way: Way, wish: Wish, names: list[str]
) -> tuple[list[VerifyFacts], list[tuple[str, MigrateError]]]:
    """Prove each target, a few at once; one that fails hides no other."""
    from gcr_migrate.cli.proving import Proving
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.tasks import a_few_of

    proofs: dict[str, VerifyFacts] = {}
    failed: dict[str, MigrateError] = {}
    async with AsyncExitStack() as stack:
        with Watch(output.err, "verify", as_events=output.as_json) as watch:
            proving = Proving(output, way, wish, watch, stack)
            work = (_prove_one(proving, name, proofs, failed) for name in names)
            await a_few_of(work, TARGETS_AT_ONCE)
    told = [(name, failed[name]) for name in names if name in failed]
    return [proofs[name] for name in names if name in proofs], told


async def _prove_one(
    proving: Proving,
    name: str,
    proofs: dict[str, VerifyFacts],
    failed: dict[str, MigrateError],
) -> None:
    from gcr_migrate.plan.routes import Refused

    try:
        proofs[name] = await proving.prove(name)
    except Refused as refused:
        failed[name] = _errors_of(refused)[0]
    except MigrateError as error:
        failed[name] = error
