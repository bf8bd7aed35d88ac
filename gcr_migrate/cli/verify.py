"""The proof: what registries serve now, against what was promised.

Stations are imported when the command runs, so that `--help` stays quick.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from gcr_migrate.cli.options import (
    AccessTokenFile,
    Endpoints,
    Impersonate,
    Json,
    MaxRate,
    MigrationFile,
    Pace,
    QuotaProject,
    Way,
    chosen,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.watching import MetricsText, proof_metrics

if TYPE_CHECKING:
    from gcr_migrate.state.migration import Migration
    from gcr_migrate.verify.marks import Level, Verification


def verify(
    file: MigrationFile,
    level: Annotated[
        list[str] | None,
        typer.Option(
            "--level",
            metavar="LEVEL",
            help="tags, manifests, blobs or access; repeat it. Default: all of which it speaks.",
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
    """Prove the plan in FILE by asking both registries, and the targets' policies.

    Never reads the ledger, and writes nothing anywhere.

    Exit codes: 0 proven, 1 something differs, 4 something could not be checked, or the plan is
    incomplete.
    """
    from gcr_migrate.report.proof import verify_facts, verify_lines
    from gcr_migrate.state.file import open_migration
    from gcr_migrate.verify.marks import CONTENT, Level

    output = Output(as_json=as_json)
    levels = chosen("--level", Level, level or [])
    with open_migration(file) as migration:
        migration.check_seal()
        if not levels:
            levels = frozenset(Level) if _promises_access(migration) else CONTENT
        pace = Pace.of(max_rate)
        way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=pace)
        with proof_metrics(migration, metrics_file) as proofs:
            verification = asyncio.run(_verify(output, migration, levels, way))
            facts = verify_facts(
                str(file),
                "migration",
                verification,
                file=str(file),
                digest=migration.digest,
                complete=migration.complete,
            )
            proofs.append(facts)
    output.result(facts, verify_lines(facts))
    return facts.exit


def _promises_access(migration: Migration) -> bool:
    if all(not one.resource for one in migration.repositories().values()):
        return False  # and what is needed to prove it need not be loaded
    from gcr_migrate.verify.access import promises_access

    return promises_access(migration)


async def _verify(
    output: Output, migration: Migration, levels: frozenset[Level], way: Way
) -> Verification:
    from gcr_migrate.cli.logins import announce, hosts_of, logins
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.verify.access import verify_access
    from gcr_migrate.verify.checks import Checks
    from gcr_migrate.verify.marks import Level, Verification
    from gcr_migrate.verify.plan import verify_plan

    async with way.open(*logins(migration), limits=migration.limits()) as connections:
        await announce(output, connections, hosts_of(migration))
        with Watch(output.err, "verify", as_events=output.as_json) as watch:
            found = Verification(levels)
            await verify_plan(migration, connections, found, watch, Checks())
            if Level.ACCESS in levels:
                now_ms = int(time.time() * 1000)
                await verify_access(migration, connections, found, watch, now_ms)
            return found
