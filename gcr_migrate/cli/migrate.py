"""The commands `plan` and `show`.

Stations are imported by the command that needs them, so that `--help` stays quick.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcr_migrate.cli.fleet import MIGRATION_SUFFIXES, Full, MigrationFiles, files_named, over
from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    SPEC_SUFFIXES,
    AccessTokenFile,
    Endpoints,
    Impersonate,
    Json,
    MaxRate,
    NoCache,
    QuotaProject,
    read_text,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.pricing import PricesFile
from gcr_migrate.cli.reach import Pace, Way
from gcr_migrate.cli.showing import Only, PathPattern, Plain, Showing, Unfolded, laid_out_for
from gcr_migrate.errors import (
    BAD_USAGE,
    FILE_MISSING,
    NOT_WRITABLE,
    SAME_OUTPUT,
    Exit,
    MigrateError,
)
from gcr_migrate.model.places import read_place

if TYPE_CHECKING:
    from gcr_migrate.report.facts import PlanFacts
    from gcr_migrate.spec import Spec


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (plan, show):
        app.command()(command)


def plan(
    specs: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC...",
            help="YAML file, see `schema spec`, or a folder of them; or a project, or any name or"
            " page of its images.",
        ),
    ],
    output_file: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Default: PROJECT.migration. For several specs a folder; default: beside each.",
        ),
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Write a file beside one that has a ledger.")
    ] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 10 when there is something to do.")
    ] = False,
    check_source: Annotated[
        bool,
        typer.Option("--check-source", help="Ask for every blob, whether the source has it."),
    ] = False,
    check_target: Annotated[
        bool,
        typer.Option(
            "--check-target",
            help="Ask the target for every manifest and blob that it should have already.",
        ),
    ] = False,
    no_cache: NoCache = False,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    full: Full = False,
    as_json: Json = False,
) -> int:
    """Look at both sides and freeze a plan in a migration file.

    Nothing is written at the source or the target. Several specs, or those of a folder, are
    planned one after the other, each into a file called after it; one that fails stops no other,
    and the worst exit code counts.

    Exit codes: 0 plan made, 1 plan made but something cannot be moved, 2 bad spec or no plan can
    be made, 3 plan made but part of the source could not be listed, 4 out of reach, 10 something
    to do (with --detailed-exitcode).
    """
    from gcr_migrate.cli.keeping import cache_beside, name_of
    from gcr_migrate.report.planned import plan_facts
    from gcr_migrate.spec import load_spec
    from gcr_migrate.state.file import open_migration

    def one(output: Output, name: str) -> int:
        written = _spec_text(name)
        spec = load_spec(written[1], written[0])
        path = output_file or Path(f"{name_of(spec.source)}.migration")
        if named.several:
            path = _file_of(name, output_file)
            _make(path.parent)
        if new:
            path = _beside(path)
        pace = Pace.of(max_rate)
        refused = _make_plan(
            output,
            spec,
            written,
            (path, None if no_cache else cache_beside(path, spec.source)),
            Way.of(endpoints, access_token_file, impersonate, quota_project, pace=pace),
            check_source=check_source,
            check_target=check_target,
        )
        if refused:
            return Exit(output.errors(refused))
        with open_migration(path) as migration:
            facts = plan_facts(migration)
            if not output.told(facts):
                from gcr_migrate.report.showing import plan_lines

                output.show(laid_out_for(output.out, plan_lines(facts)))
            return _plan_exit(facts, detailed=detailed_exitcode)

    named = files_named(specs, SPEC_SUFFIXES)
    if named.several:
        named.wrong.extend(_clashes(named.names, output_file))
    return over(Output(as_json=as_json), "plan", named, one, full=full)


def _file_of(spec: str, folder: Path | None) -> Path:
    """Return the migration file of one of several specs: called after it, and beside it.

    Args:
        spec: a spec's file; or a place, whose migration file is called after its project.
        folder: where it is instead.

    Raises:
        MigrateError: what is wrong with a place.
    """
    from gcr_migrate.cli.keeping import name_of
    from gcr_migrate.spec import load_spec

    path = Path(spec)
    if not _is_file(spec):
        name, text = _spec_text(spec)
        path = Path(f"{name_of(load_spec(text, name).source)}.yaml")
    return (folder or path.parent) / f"{path.stem}.migration"


def _clashes(specs: list[str], folder: Path | None) -> list[MigrateError]:
    """Return why specs cannot be planned one after the other."""
    if folder and folder.exists() and not folder.is_dir():
        saw = "of several specs this is the folder of their migration files, and it is a file"
        return [MigrateError(BAD_USAGE, subject=f"-o {folder}", saw=saw)]
    wrong: list[MigrateError] = []
    first: dict[Path, str] = {}
    for spec in specs:
        with suppress(MigrateError):  # told when it is its turn
            path = _file_of(spec, folder)
            if before := first.get(path.resolve()):
                saw = f"{before} would write {path} too"
                wrong.append(MigrateError(SAME_OUTPUT, subject=spec, saw=saw))
            first.setdefault(path.resolve(), spec)
    return wrong


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        saw = error.strerror or ""
        raise MigrateError(NOT_WRITABLE, subject=str(folder), saw=saw) from error


def _spec_text(written: str) -> tuple[str, str]:
    """Return name and text of a spec's file; a pasted place is a spec of one line.

    That line has the place as it is named everywhere: an address may hold a signature.
    """
    if _is_file(written):
        return written, read_text(Path(written))
    try:
        place = read_place(written)
    except MigrateError as error:
        saw = f"no such file, and no name of images: {error.saw}"
        raise MigrateError(FILE_MISSING, subject=error.subject, saw=saw) from error
    return str(place), f"source: {json.dumps(str(place))}\n"


def _is_file(written: str) -> bool:
    return written.endswith(SPEC_SUFFIXES) or os.path.exists(written)  # noqa: PTH110  # any text


def _beside(path: Path) -> Path:
    number, sibling = 2, path
    while sibling.exists():
        sibling = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return sibling


def _make_plan(
    output: Output,
    spec: Spec,
    written: tuple[str, str],
    paths: tuple[Path, Path | None],
    way: Way,
    *,
    check_source: bool,
    check_target: bool,
) -> list[MigrateError]:
    """Write the migration file, with a cache or without, or return all that speaks against it."""
    from gcr_migrate.cli.keeping import keeping
    from gcr_migrate.cli.logins import announce, hosts_of_spec
    from gcr_migrate.cli.pipeline import make_plan
    from gcr_migrate.plan.refusals import Refused
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.state.file import create_draft
    from gcr_migrate.state.listings import open_shelf

    async def work() -> None:
        async with way.open(
            spec.source_login, spec.target_login, limits=spec.limits.limits
        ) as connections:
            await announce(output, connections, hosts_of_spec(spec))
            with (
                Watch(output.screen, "plan") as watch,
                keeping(output, connections, paths[1], f"plan {written[0]}") as kept,
                open_shelf() as shelf,
            ):
                made = await make_plan(
                    spec,
                    *written,
                    connections,
                    draft,
                    shelf,
                    watch.listed,
                    check_source=check_source,
                    check_target=check_target,
                )
                kept.complete = made.complete

    try:
        with create_draft(paths[0]) as draft:
            in_a_loop(work())
    except Refused as refused:
        return [MigrateError(r.problem, subject=r.subject, saw=r.saw) for r in refused.refusals]
    return []


def _plan_exit(facts: PlanFacts, *, detailed: bool) -> Exit:
    if facts.exit is Exit.OK and detailed and facts.todo.total:
        return Exit.TODO
    return facts.exit


def show(
    files: MigrationFiles,
    only: Only = None,
    path: PathPattern = None,
    full: Unfolded = False,
    plain: Plain = False,
    prices: PricesFile = None,
    as_json: Json = False,
) -> int:
    """Show a frozen plan as a difference to what the target has, and what it takes.

    What has to be looked at comes first, then repositories with their images, what is left out,
    and the sums with time and money. Reads the file only, and asks nobody. Of several files, or a
    folder of them, the sums.

    Exit codes: 0 shown, 2 not a migration file, or no such path, part or price.
    """
    from gcr_migrate.state.file import open_migration

    showing = Showing(only, path, full=full, plain=plain, prices=prices)
    showing.check(as_json=as_json)

    def one(output: Output, name: str) -> int:
        with open_migration(Path(name)) as migration:
            facts, lines = showing.told(migration, output.out)
            output.result(facts, lines)
        return Exit.OK

    named = files_named(files, MIGRATION_SUFFIXES)
    return over(Output(as_json=as_json), "show", named, one, full=full)
