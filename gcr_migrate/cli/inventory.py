"""What is in registries: kept in a file, and compared with what was or is elsewhere."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from msgspec import Struct

from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    SNAPSHOT_SUFFIX,
    SPEC_SUFFIXES,
    AccessTokenFile,
    Endpoints,
    Impersonate,
    Json,
    MaxRate,
    NoCache,
    QuotaProject,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Pace, Way
from gcr_migrate.errors import BAD_USAGE, MigrateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gcr_migrate.cli.keeping import Kept
    from gcr_migrate.cli.target import Target
    from gcr_migrate.model.change import Change, Entry
    from gcr_migrate.model.finding import Finding
    from gcr_migrate.report.inventories import CompareFacts, SideFact
    from gcr_migrate.state.snapshot import SnapshotDraft

_WHAT = "Project, any name or page of its images, HOST[:PORT] of any registry, or spec file."
_SIDE = "Snapshot, migration file, or what `inventory` takes, which is read now."


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (inventory, compare):
        app.command()(command)


def inventory(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=_WHAT)],
    output_file: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: SOURCE.snapshot."),
    ] = None,
    with_manifests: Annotated[
        bool, typer.Option("--with-manifests", help="Keep the bytes of every manifest too.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a snapshot that is there.")
    ] = False,
    no_cache: NoCache = False,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> int:
    """Read everything that registries show, and keep it in a snapshot: an SQLite file.

    Nothing is written at any registry.

    Exit codes: 0 snapshot taken, 1 taken but something could not be read, 2 bad name or file, 3
    taken but part of it could not be listed, 4 out of reach.
    """
    from gcr_migrate.cli.keeping import cache_beside, name_of
    from gcr_migrate.cli.target import read_target
    from gcr_migrate.report.inventories import inventory_facts, inventory_lines
    from gcr_migrate.state.snapshot import create_snapshot, open_snapshot

    output = Output(as_json=as_json)
    wanted = read_target(target)
    path = output_file or Path(f"{name_of(wanted.source)}{SNAPSHOT_SUFFIX}")
    pace = Pace.of(max_rate)
    way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=pace)
    cache = None if no_cache else cache_beside(path, wanted.source)
    with create_snapshot(path, force=force, with_manifests=with_manifests) as draft:
        kept = in_a_loop(_take(output, wanted, way, draft, cache, for_later=True))
    with open_snapshot(path) as snapshot:
        facts = inventory_facts(snapshot, kept.found, kept.fetched)
        output.result(facts, inventory_lines(facts))
        return facts.exit


async def _take(
    output: Output,
    target: Target,
    way: Way,
    draft: SnapshotDraft,
    cache: Path | None,
    *,
    for_later: bool = False,
) -> Kept:
    from gcr_migrate.cli.keeping import keeping
    from gcr_migrate.cli.logins import announce, host_of
    from gcr_migrate.cli.taking import take
    from gcr_migrate.inventory.domains import DomainReader
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.state.listings import open_shelf

    async with way.open(target.login, limits=target.limits) as connections:
        source = host_of(target.source)
        await announce(output, connections, {"source": source, "target": set()})
        with (
            Watch(output.screen, "inventory") as watch,
            keeping(output, connections, cache, f"inventory {target.name}") as kept,
            open_shelf() as shelf,
        ):
            domains = DomainReader(connections) if for_later else None
            kept.complete = await take(target, connections, draft, shelf, watch.listed, domains)
    return kept


def compare(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help=_SIDE)],
    after: Annotated[str, typer.Argument(metavar="AFTER", help=_SIDE)],
    side: Annotated[
        bool, typer.Option("--target", help="Of a migration file, what its target gets.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="List every difference.")] = False,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    as_json: Json = False,
) -> int:
    """Tell what was added, removed and retagged between two views of registries.

    Images are the same by their whole names; where each side has one root and these differ, by
    their paths below it. Nothing is written anywhere.

    Exit codes: 0 equal, 1 different, 2 bad name or file, 3 a side is incomplete, so that nobody
    knows, 4 out of reach.
    """
    from gcr_migrate.report.inventories import compare_lines

    output = Output(as_json=as_json)
    way = Way.of(endpoints, access_token_file, impersonate, quota_project)
    with ExitStack() as stack:
        opener = _Opener(output, way, use_target=side)
        sides = [stack.enter_context(opener.open(text)) for text in (before, after)]
        if side and not any(one.kind == "migration" for one in sides):
            saw = "neither side is a migration file"
            raise MigrateError(BAD_USAGE, subject="--target", saw=saw)
        facts = _compared(*sides, keep_all=full or as_json)
        output.result(facts, compare_lines(facts))
        return facts.exit


class _Side(Struct, frozen=True):
    """One view, ready to be gone through."""

    name: str
    kind: Literal["snapshot", "migration", "live"]
    roots: tuple[str, ...]
    complete: bool
    read_at: datetime
    entries: Callable[..., Iterator[Entry]]
    findings: list[Finding]

    def fact(self) -> SideFact:
        """Tell it, with what makes it doubtful."""
        from gcr_migrate.model.finding import Severity
        from gcr_migrate.report.fact import FindingFact
        from gcr_migrate.report.inventories import SideFact

        doubts = [] if self.complete else self.findings
        return SideFact(
            name=self.name,
            kind=self.kind,
            roots=list(self.roots),
            complete=self.complete,
            read_at=self.read_at.isoformat(timespec="seconds"),
            findings=[FindingFact.of(one) for one in doubts if one.severity is Severity.ERROR],
        )


def _compared(before: _Side, after: _Side, *, keep_all: bool) -> CompareFacts:
    from gcr_migrate.model.change import changes
    from gcr_migrate.report.inventories import CompareFacts, Differences

    one_each = len(before.roots) == len(after.roots) == 1
    by_path = one_each and before.roots != after.roots

    def read() -> Iterator[Change]:
        return changes(before.entries(by_path=by_path), after.entries(by_path=by_path))

    found = Differences(read, keep_all=keep_all)
    outcome: Any = "differs" if len(found.images) else "equal"
    if not (before.complete and after.complete):
        outcome = "incomplete"
    return CompareFacts(
        outcome=outcome,
        compared_by="path" if by_path else "name",
        before=before.fact(),
        after=after.fact(),
        counts=found.counts(),
        images=found.images,
        images_not_shown=found.images_not_shown,
    )


class _Opener:
    """Opens sides of a comparison: files as they are, all else by reading it now."""

    def __init__(self, output: Output, way: Way, *, use_target: bool) -> None:
        self._output = output
        self._way = way
        self._use_target = use_target

    @contextmanager
    def open(self, text: str) -> Iterator[_Side]:
        """Open what a person named."""
        from gcr_migrate.state.snapshot import is_snapshot

        path = Path(text)
        if not path.is_file() or path.suffix in SPEC_SUFFIXES:
            with self._live(text) as side:
                yield side
        elif is_snapshot(path):
            with self._snapshot(path, text, "snapshot") as side:
                yield side
        else:
            with self._migration(path) as side:
                yield side

    @contextmanager
    def _snapshot(
        self, path: Path, name: str, kind: Literal["snapshot", "live"]
    ) -> Iterator[_Side]:
        from gcr_migrate.state.snapshot import open_snapshot

        with open_snapshot(path) as one:
            findings = list(one.findings())
            whole = one.complete
            yield _Side(name, kind, one.roots(), whole, one.ended_at, one.entries, findings)

    @contextmanager
    def _migration(self, path: Path) -> Iterator[_Side]:
        from functools import partial

        from gcr_migrate.state.file import open_migration
        from gcr_migrate.state.planned import source_entries, target_entries

        with open_migration(path) as one:
            shown = [row.shown for row in one.sources().values()]
            entries = partial(source_entries, one)
            if self._use_target:
                shown = [row.shown for row in one.repositories().values()]
                entries = partial(target_entries, one)
            yield _Side(
                str(path),
                "migration",
                tuple(sorted(shown)),
                one.complete,
                one.created_at,
                entries,
                list(one.findings()),
            )

    @contextmanager
    def _live(self, text: str) -> Iterator[_Side]:
        """Read into a snapshot that nobody keeps: the order then costs no memory."""
        from gcr_migrate.cli.target import read_target
        from gcr_migrate.state.snapshot import create_snapshot

        target = read_target(text)
        with tempfile.TemporaryDirectory(prefix="gcr-migrate-") as folder:
            path = Path(folder) / "live.snapshot"
            with create_snapshot(path) as draft:
                in_a_loop(_take(self._output, target, self._way, draft, None))
            with self._snapshot(path, target.name, "live") as side:
                yield side
