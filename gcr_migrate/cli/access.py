"""The commands `access show` and `access undo`: who can do what, and taking back what was added."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcr_migrate.cli.asking import check_agreed, somebody_is_there
from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    SPEC_SUFFIXES,
    AccessTokenFile,
    AuditLog,
    Endpoints,
    Impersonate,
    Json,
    MaxRate,
    MigrationFile,
    NoCache,
    QuotaProject,
    chosen,
    read_text,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Pace, Way
from gcr_migrate.cli.streams import write
from gcr_migrate.errors import BAD_USAGE, Exit, MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.apply.undo import Undo
    from gcr_migrate.model.access import AccessRow
    from gcr_migrate.model.steps import Step
    from gcr_migrate.state.migration import Migration


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    access = typer.Typer(
        help="Who can pull, push and delete, before and after a migration.",
        rich_markup_mode=None,
    )
    access.command()(show)
    access.command()(undo)
    app.add_typer(access, name="access")


class Only(StrEnum):
    """Which rows of access are shown."""

    CHANGES = "changes"  # what is not the same before and after, or not known
    UNSETTLED = "unsettled"  # what `apply` refuses the plan for


def show(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="SPEC|FILE", help="Spec, for access as it is now; or what `plan` wrote of it."
        ),
    ],
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="NAME", help="Only this target repository; repeat it."),
    ] = None,
    member: Annotated[
        list[str] | None,
        typer.Option(
            "--member", metavar="MEMBER", help="Only this member, such as group:a@b.example."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="WHICH", help="changes, or unsettled: without consent."),
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="A line per right, for a spreadsheet.")
    ] = False,
    audit_log: AuditLog = None,
    no_cache: NoCache = False,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> int:
    """Show who can pull, push and delete at each target, before and after, and what grants it.

    Of a migration file it reads the file only, and asks nobody. Of a spec it reads names and
    policies as they are now, and plans no content. Nothing is written at any service; what may
    be asked a few times a day only is kept in SOURCE.cache, as by `plan`. With an audit log it
    tells who of those that really pulled cannot pull afterwards.

    Exit codes: 0 shown, 2 bad spec, not a migration file, or no such target, 4 out of reach.
    """
    from gcr_migrate.cli.pulled_access import losses
    from gcr_migrate.cli.pulls import read_pulls
    from gcr_migrate.report.access import AccessFacts
    from gcr_migrate.report.matrix import access_lines
    from gcr_migrate.report.sheets import access_sheet
    from gcr_migrate.state.file import open_migration

    if as_csv and as_json:
        raise MigrateError(BAD_USAGE, subject="gcr-migrate access show", saw="--csv or --json")
    wanted = _Filter(target, member, only)
    output = Output(as_json=as_json)
    pulls = read_pulls(audit_log) if audit_log else None
    with ExitStack() as stack:
        path, digest = file, ""
        if file.suffix in SPEC_SUFFIXES:
            pace = Pace.of(max_rate)
            way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=pace)
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gcr-migrate-"))
            path = Path(folder) / "access.migration"
            if refused := _read_now(output, file, path, way, no_cache=no_cache):
                return output.errors(refused)
        migration = stack.enter_context(open_migration(path))
        if path is file:
            digest = migration.digest
        wanted.check(migration)
        facts = AccessFacts.of(
            str(file),
            digest,
            migration.findings(),
            lambda: wanted.of(migration),
            losses(migration, pulls) if pulls else (),
        )
        if as_csv:
            write(access_sheet(facts.rows))
        else:
            output.result(facts, access_lines(facts, output.out.width))
    return Exit.OK


def _read_now(
    output: Output, spec: Path, path: Path, way: Way, *, no_cache: bool
) -> list[MigrateError]:
    """Read the access that a spec is about into a file, or return what speaks against it."""
    from gcr_migrate.cli.keeping import cache_beside
    from gcr_migrate.cli.logins import announce, hosts_of_spec
    from gcr_migrate.cli.pipeline import plan_access
    from gcr_migrate.plan.refusals import Refused
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.spec import load_spec
    from gcr_migrate.state.cache import open_cache
    from gcr_migrate.state.file import create_draft
    from gcr_migrate.state.listings import open_shelf

    loaded = load_spec(read_text(spec), str(spec))

    async def work() -> None:
        async with way.open(
            loaded.source_login, loaded.target_login, limits=loaded.limits.limits
        ) as connections:
            await announce(output, connections, hosts_of_spec(loaded))
            with (
                Watch(output.screen, "access") as watch,
                open_shelf() as shelf,
                ExitStack() as stack,
            ):
                if not no_cache:
                    kept = cache_beside(Path(f"{spec.stem}.migration"), loaded.source)
                    cache = stack.enter_context(open_cache(kept, f"access show {spec}"))
                    connections.keep_manifests(cache)
                await plan_access(loaded, connections, draft, shelf, watch.listed)

    try:
        with create_draft(path) as draft:
            in_a_loop(work())
    except Refused as refused:
        return [MigrateError(r.problem, subject=r.subject, saw=r.saw) for r in refused.refusals]
    return []


class _Filter:
    """Which rows of access are wanted."""

    def __init__(
        self, targets: list[str] | None, members: list[str] | None, only: list[str] | None
    ) -> None:
        from gcr_migrate.model.access import spelled

        self._targets = set(targets or [])
        self._members = {spelled(one) for one in members or []}
        self._only = chosen("--only", Only, only or [])

    def check(self, migration: Migration) -> None:
        """Refuse targets that the plan has not: it is a slip of the pen."""
        known = {one.shown for one in migration.repositories().values()}
        unknown = sorted(self._targets - known)
        if unknown:
            saw = f"targets are {', '.join(sorted(known)[:20])}"
            raise MigrateError(BAD_USAGE, subject=f"--target {unknown[0]}", saw=saw)

    def of(self, migration: Migration) -> Iterator[AccessRow]:
        """Go through the rows of a plan that are wanted."""
        return filter(self._takes, migration.access_rows())

    def _takes(self, row: AccessRow) -> bool:
        from gcr_migrate.model.access import Verdict, spelled

        if self._targets and row.target not in self._targets:
            return False
        if self._members and spelled(row.member) not in self._members:
            return False
        is_settled = Only.UNSETTLED in self._only and not row.needs_consent
        is_same = Only.CHANGES in self._only and row.verdict is Verdict.SAME
        return not is_settled and not is_same


def undo(
    file: MigrationFile,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, even on a terminal.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be taken back, and do nothing.")
    ] = False,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> int:
    """Take back the grants that runs of the plan in FILE added, and nothing else.

    What was there before, and what others added, stays; so do repositories and images. Stopped
    at any point, the same command goes on where it stopped.

    Exit codes: 0 taken back, or nothing was to be, 1 something could not be, 2 not a migration
    file, 3 refused and nothing changed, 4 out of reach, 10 something is to be taken back (with
    --dry-run).
    """
    from gcr_migrate.apply.undo import to_undo
    from gcr_migrate.report.access import undo_facts
    from gcr_migrate.report.matrix import undo_lines
    from gcr_migrate.state.file import lock, open_migration

    output = Output(as_json=as_json)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(lock(file))
        migration = stack.enter_context(open_migration(file))
        migration.check_seal()
        wanted = to_undo(migration)
        is_done = bool(wanted) and not dry_run
        if is_done:
            if not yes and not as_json and somebody_is_there():
                for line in undo_lines(undo_facts(migration, wanted, is_done=False)):
                    output.err.print(line)
                check_agreed("Take these back?", str(file))
            pace = Pace.of(max_rate)
            way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=pace)
            in_a_loop(_undo(output, migration, wanted, way))
        facts = undo_facts(migration, wanted, is_done=is_done)
    output.result(facts, undo_lines(facts))
    return facts.exit


async def _undo(output: Output, migration: Migration, wanted: list[Undo], way: Way) -> None:
    import asyncio

    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.apply.undo import undo_access
    from gcr_migrate.cli.interrupt import ended_by
    from gcr_migrate.cli.logins import announce, hosts_of, logins
    from gcr_migrate.state.ledger import Ledger

    ledger = Ledger(migration)
    outcome = ""
    try:
        async with way.open(*logins(migration), limits=migration.limits()) as connections:
            await announce(output, connections, {**hosts_of(migration), "source": set()})
            ledger.start_run()
            journal = Journal(ledger, _Nobody(), asyncio.Event())
            await undo_access(migration, wanted, connections.target_repositories(), journal)
        outcome = "access-undone"
    except BaseException as error:
        outcome = ended_by(error)
        raise
    finally:
        ledger.end_run(outcome)
        await ledger.close()


class _Nobody:
    """Listens to nothing."""

    def item(self, step: Step) -> None:
        """Take note of nothing."""

    def bytes(self, count: int) -> None:
        """Take note of nothing."""
