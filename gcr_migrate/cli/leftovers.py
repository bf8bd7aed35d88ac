"""The command `leftovers`: what may go now, with the proof for it or the proof that is missing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    AccessTokenFile,
    Endpoints,
    Impersonate,
    Json,
    QuotaProject,
    read_text,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.pricing import PricesFile, prices_of
from gcr_migrate.cli.reach import Way
from gcr_migrate.errors import BAD_USAGE, MigrateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.leftovers.claims import Leftover
    from gcr_migrate.leftovers.evidence import ProjectEvidence
    from gcr_migrate.leftovers.files import Files
    from gcr_migrate.model.names import Project
    from gcr_migrate.model.prices import Prices
    from gcr_migrate.model.pulls import Pulls

_TRIES: Final = 3  # what does not answer is named, not waited for
_OBJECTS: Final = 200_000
_UNUSED_DAYS: Final = 90


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(leftovers)


def leftovers(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROJECT...", help="Project, or any name of its images; several may be given."
        ),
    ] = None,
    projects: Annotated[
        Path | None,
        typer.Option("--projects", metavar="FILE", help="More projects, one a line; # comments."),
    ] = None,
    migration: Annotated[
        list[Path] | None,
        typer.Option(
            "--migration",
            metavar="FILE",
            help="Migration file, which says where images went, or a snapshot, which says what"
            " Artifact Registry has; repeat it.",
        ),
    ] = None,
    audit_log: Annotated[
        Path | None,
        typer.Option("--audit-log", metavar="FILE", help="Exported audit log of pulls, as JSON."),
    ] = None,
    unused_days: Annotated[
        int,
        typer.Option(
            "--unused-days", metavar="N", min=1, help="For how long nobody may have pulled."
        ),
    ] = _UNUSED_DAYS,
    objects_at_most: Annotated[
        int,
        typer.Option(
            "--objects-at-most", metavar="N", min=1, help="Objects of a bucket to look at."
        ),
    ] = _OBJECTS,
    skip_blobs: Annotated[
        bool,
        typer.Option(
            "--skip-blobs",
            help="Do not ask Artifact Registry for each blob of a bucket; then none is proven.",
        ),
    ] = False,
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price",
            metavar="NAME=USD",
            help="Dollars for a GiB and month: artifact-registry=0.10, NEARLINE/US=0.015.",
        ),
    ] = None,
    prices_file: PricesFile = None,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    as_json: Json = False,
) -> int:
    """Tell which buckets and old repositories may go now, and what of the proof is missing.

    Looks at the buckets of Container Registry and at the repositories of gcr.io hosts. Nothing is
    changed or deleted anywhere: for what may go the command is printed that a person would run.

    Exit codes: 0 all was looked at, whatever came out, 2 bad name or file, 4 something could not
    be seen.
    """
    from gcr_migrate.cli.pulls import read_pulls
    from gcr_migrate.leftovers.files import Files
    from gcr_migrate.report.leftovers import LeftoversFacts, leftover_lines

    output = Output(as_json=as_json)
    wanted = _projects(targets or [], projects)
    prices = prices_of(prices_file).but(price or [])
    files = Files(migration or [])
    _check(files, wanted)
    pulls = read_pulls(audit_log) if audit_log else None
    way = Way.of(endpoints, access_token_file, impersonate, quota_project)
    found = in_a_loop(_ask(output, way, wanted, files, pulls, _Bounds(objects_at_most, skip_blobs)))
    now_ms = int(time.time() * 1000)
    judged = [
        (one.project.id, _judged(one, prices, now_ms, unused_days), one.unseen) for one in found
    ]
    facts = LeftoversFacts.of(judged, prices.as_of)
    output.result(facts, leftover_lines(facts))
    return facts.exit


def _projects(targets: list[str], listed: Path | None) -> list[Project]:
    """Return the projects that are named, each once."""
    from gcr_migrate.model.places import read_place

    if listed:
        lines = [line.partition("#")[0].strip() for line in read_text(listed).splitlines()]
        targets = [*targets, *filter(None, lines)]
    if not targets:
        saw = "name projects, or a file of them: --projects FILE"
        raise MigrateError(BAD_USAGE, subject="gcr-migrate leftovers", saw=saw)
    found = {place.project.id: place.project for place in map(read_place, targets)}
    return [found[id_] for id_ in sorted(found)]


def _check(files: Files, wanted: Sequence[Project]) -> None:
    """Refuse files that say nothing of the projects: it is a slip of the pen."""
    from gcr_migrate.leftovers.files import root_of
    from gcr_migrate.model.names import GCR_HOSTS

    asked = {root_of(project, host) for project in wanted for host in GCR_HOSTS}
    if files.roots and not files.roots & asked:
        known = ", ".join(sorted("/".join(one) for one in files.roots)[:5])
        saw = f"these files are about {known}, and about no gcr.io host of these projects"
        raise MigrateError(BAD_USAGE, subject="--migration", saw=saw)


class _Bounds(Struct, frozen=True):
    """How far it is looked."""

    objects_at_most: int
    skip_blobs: bool


async def _ask(
    output: Output,
    way: Way,
    wanted: Sequence[Project],
    files: Files,
    pulls: Pulls | None,
    bounds: _Bounds,
) -> list[ProjectEvidence]:
    import asyncio

    from gcr_migrate.leftovers.ask import AT_ONCE, Asking, Witnesses
    from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.tasks import all_of

    async with way.open(tries=_TRIES) as connections:

        def registry(host: str) -> SourceRegistry:
            return connections.source(host, ARTIFACT_REGISTRY.name)

        asking = Asking(
            Witnesses(
                projects=connections.projects("source"),
                repositories=connections.repositories("source"),
                contents=connections.contents("source"),
                buckets=connections.buckets("source"),
                files=files,
                pulls=pulls,
                objects_at_most=bounds.objects_at_most,
                registry=None if bounds.skip_blobs else registry,
            )
        )
        turns = asyncio.Semaphore(AT_ONCE)
        with Watch(output.screen, "leftovers", len(wanted)) as watch:

            async def one(project: Project) -> ProjectEvidence:
                async with turns:
                    found = await asking.project(project)
                watch.listed("projects", 1)
                return found

            return await all_of(map(one, wanted))


def _judged(
    project: ProjectEvidence, prices: Prices, now_ms: int, unused_days: int
) -> list[Leftover]:
    from gcr_migrate.leftovers.buckets import judge_bucket
    from gcr_migrate.leftovers.repositories import judge_repository

    buckets = [judge_bucket(project, one, prices, now_ms) for one in project.buckets]
    return buckets + [
        judge_repository(project, one, prices, now_ms, unused_days) for one in project.repositories
    ]
