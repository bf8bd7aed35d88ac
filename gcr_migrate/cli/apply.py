"""The command `apply`: do what a frozen plan says, all of it or a part, until it is done."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.cli.apart import check_apart
from gcr_migrate.cli.asking import check_agreed, somebody_is_there
from gcr_migrate.cli.fleet import MIGRATION_SUFFIXES, Full, MigrationFiles, files_named, over
from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    AccessTokenFile,
    Concurrency,
    Endpoints,
    Impersonate,
    Json,
    MaxBandwidth,
    MaxRate,
    QuotaProject,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Pace, Way
from gcr_migrate.cli.watching import (
    LOOPBACK,
    MetricsAddress,
    MetricsPort,
    MetricsText,
    Watchers,
    watching,
)
from gcr_migrate.errors import BAD_USAGE, Exit, MigrateError
from gcr_migrate.model.limits import summed
from gcr_migrate.model.names import ImagePath
from gcr_migrate.model.until import until_of, window_text

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from gcr_migrate.apply.hand import Hands
    from gcr_migrate.apply.run import Choice
    from gcr_migrate.cli.watching import Ears, Watched
    from gcr_migrate.connect import Connections
    from gcr_migrate.model.brakes import Brakes
    from gcr_migrate.report.runs import ApplyFacts
    from gcr_migrate.state.migration import Migration

WORKERS_AT_MOST: Final = 64


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(apply)


def apply(
    files: MigrationFiles,
    expect_digest: Annotated[
        list[str] | None,
        typer.Option(
            "--expect-digest",
            metavar="D",
            help="Refuse any plan but this one; repeat it for several.",
        ),
    ] = None,
    allow_incomplete: Annotated[
        bool, typer.Option("--allow-incomplete", help="Apply a plan that may miss images.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, even on a terminal.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what is left to be done, and do nothing.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="PATTERN",
            help="Only image paths of the source like this, such as `team-a/**`; repeat it.",
        ),
    ] = None,
    content_only: Annotated[
        bool,
        typer.Option(
            "--content-only",
            help="Copy images, and leave repositories and access to others: see `export`.",
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Only image paths of which something failed before."),
    ] = False,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="TIME",
            help="Begin nothing new after HH:MM or an ISO 8601 time: the end of a window.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            max=WORKERS_AT_MOST,
            help="Processes that copy. Default: one for every 4 GiB to move, at most the cores.",
        ),
    ] = None,
    metrics_port: MetricsPort = None,
    metrics_address: MetricsAddress = LOOPBACK,
    metrics_file: MetricsText = None,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    max_bandwidth: MaxBandwidth = None,
    concurrency: Concurrency = None,
    full: Full = False,
    as_json: Json = False,
) -> int:
    """Do what the frozen plan in FILE says, and nothing else.

    Stopped at any point, the same command goes on where it stopped. Several files, or those of a
    folder, come one after the other; one that fails stops no other, and the worst exit code counts.

    Exit codes: 0 all is there, 1 something failed or could not be moved, or the plan is
    incomplete, 3 refused and nothing changed, 4 out of reach, 10 a part of the plan is still to
    be done (with --only, --content-only, --retry-failed, --until, --dry-run), 130 interrupted.
    """
    from gcr_migrate.apply.run import Choice
    from gcr_migrate.model.pattern import Pattern

    output = Output(as_json=as_json)
    pace = Pace.of(max_rate, max_bandwidth, concurrency)
    patterns = tuple(map(Pattern.parse, only or []))
    named = files_named(files, MIGRATION_SUFFIXES)
    asks = not (yes or dry_run or as_json) and somebody_is_there()
    if named.several and metrics_file:
        saw = "goes with one FILE: each run would replace what the one before told"
        raise MigrateError(BAD_USAGE, subject=f"--metrics-file {metrics_file}", saw=saw)
    check_apart({"--metrics-file": metrics_file}, named.names)
    if named.several and asks and not named.wrong:
        check_agreed(f"Apply the plans of {len(named.names)} files?", "gcr-migrate apply")
    order = _Order(
        choice=Choice(patterns, failed=retry_failed, content_only=content_only),
        expected=frozenset(expect_digest or []),
        allow_incomplete=allow_incomplete,
        dry_run=dry_run,
        asks=asks and not named.several,
        is_alone=not named.several,
        ends_at=None if until is None else until_of(until, datetime.now().astimezone()),
        workers=workers,
        watchers=Watchers(metrics_port, metrics_address, metrics_file),
        way=lambda: Way.of(endpoints, access_token_file, impersonate, quota_project, pace=pace),
    )

    def one(output: Output, name: str) -> int:
        return _apply_file(output, Path(name), order)

    return over(output, "apply", named, one, full=full)


class _Order(Struct, frozen=True):
    """What the options say of each file."""

    choice: Choice
    expected: frozenset[str]
    allow_incomplete: bool
    dry_run: bool
    asks: bool
    is_alone: bool
    ends_at: datetime | None
    workers: int | None
    watchers: Watchers
    way: Callable[[], Way]


def _apply_file(output: Output, file: Path, order: _Order) -> int:
    """Apply the plan of one file, and tell what became of it; return the exit code."""
    from gcr_migrate.apply.consent import without_consent
    from gcr_migrate.apply.run import check_gates
    from gcr_migrate.cli.descriptors import allow_many
    from gcr_migrate.report.gather import apply_facts
    from gcr_migrate.state.file import lock, open_migration
    from gcr_migrate.state.left import left

    with ExitStack() as stack:
        if not order.dry_run:
            stack.enter_context(lock(file))  # first: another plan may take this one's place
        migration = stack.enter_context(open_migration(file))
        check_gates(migration, expected=order.expected, allow_incomplete=order.allow_incomplete)
        _check_choice(migration, order.choice, every=order.is_alone)
        if refused := without_consent(migration):
            return output.errors(refused)
        if order.dry_run:
            to_do = left(migration, order.choice.part(migration).image_ids)
            facts = apply_facts(migration, to_do, ended="dry-run")
        else:
            if order.ends_at:
                _tell_window(output, order.ends_at)
            if order.asks:
                check_agreed(f"Apply {migration.digest} of {file}?", str(file))
            way = order.way()
            allow_many()
            watched = stack.enter_context(watching(output, migration, order.watchers))
            facts = in_a_loop(_apply(output, migration, way, order, watched))
            watched.came_out(facts)
        if not output.told(facts):
            from gcr_migrate.report.terminal import run_lines

            output.show(run_lines(facts))
    return facts.exit


def _tell_window(output: Output, ends_at: datetime) -> None:
    """Say when new work ends: a time that has just gone by is meant for tomorrow."""
    now = datetime.now().astimezone()
    if not output.is_news(ends_at):
        return
    output.say(
        f"Nothing new begins after {window_text(ends_at, now)}.",
        "apply.until",
        ends_at=ends_at.isoformat(timespec="seconds"),
        left_s=max(0, round((ends_at - now).total_seconds())),
    )


def _check_choice(migration: Migration, choice: Choice, *, every: bool) -> None:
    """Refuse what takes nothing: it is a slip of the pen, not a success.

    Args:
        migration: the file.
        choice: which part of it is wanted.
        every: each pattern has to take something; else one of them is enough, as of several files
            each may have what another pattern is about.

    Raises:
        MigrateError: BAD_USAGE, with the patterns that take nothing.
    """
    vain = set(choice.only)
    for image in migration.images() if vain else ():
        path = ImagePath.parse(image.path)
        vain = {one for one in vain if one.match(path) is None}
        if not vain or (not every and len(vain) < len(set(choice.only))):
            return
    if not vain:
        return
    patterns = " ".join(one.text for one in choice.only if one in vain)
    saw = f"no image path of {migration.path} is like that"
    raise MigrateError(BAD_USAGE, subject=f"--only {patterns}", saw=saw)


async def _apply(
    output: Output,
    migration: Migration,
    way: Way,
    order: _Order,
    watched: Watched,
) -> ApplyFacts:
    import asyncio

    from gcr_migrate.apply.run import apply_migration, workers_for
    from gcr_migrate.cli.interrupt import ended_by, stopping
    from gcr_migrate.cli.litter import keep_memory, keep_what_is_loaded
    from gcr_migrate.cli.logins import announce, hosts_of, logins
    from gcr_migrate.report.gather import apply_facts
    from gcr_migrate.state.ledger import Ledger
    from gcr_migrate.state.left import left

    keep_memory()
    stop = asyncio.Event()
    ended = "finished"

    def tell(text: str) -> None:
        nonlocal ended
        ended = "interrupted"
        output.ends_with = Exit.INTERRUPTED
        output.say(text, "apply.stopping")

    def time_is_up() -> None:
        nonlocal ended
        if not stop.is_set():
            ended = "time-is-up"
            output.ends_with = Exit.TODO
            output.say("The time is up: what is in flight is finished.", "apply.time-is-up")
            stop.set()

    part = order.choice.part(migration)
    to_do = left(migration, part.image_ids)
    ledger = Ledger(migration)
    outcome = ""
    try:
        async with way.open(*logins(migration), limits=migration.limits()) as connections:
            await announce(output, connections, hosts_of(migration))
            keep_what_is_loaded()
            connections.pilot.stop = stop
            ledger.start_run()  # with a login: without one nothing has begun
            with stopping(stop, tell):
                if order.ends_at:
                    left_s = order.ends_at.timestamp() - datetime.now().astimezone().timestamp()
                    asyncio.get_running_loop().call_later(left_s, time_is_up)
                async with (
                    watched.run(
                        connections.traffic, to_do, ledger, _brakes(migration, way)
                    ) as ears,
                    AsyncExitStack() as stack,
                ):
                    count = order.workers or workers_for(to_do.bytes, _cores())
                    hands = await _hands(
                        count,
                        migration,
                        connections,
                        way,
                        ears,
                        stack,
                        stop,
                        as_json=output.as_json,
                    )
                    await apply_migration(
                        migration,
                        ledger,
                        connections,
                        hands,
                        ears,
                        stop=stop,
                        part=replace(part, to_send=to_do.bytes),
                    )
            asked = summed([connections.pilot.counts(), *hands.asked()])
        outcome = ended
    except BaseException as error:
        outcome = ended_by(error)
        raise
    finally:
        ledger.end_run(outcome)
        await ledger.close()
    return apply_facts(migration, to_do, ended=ended, asked=asked)


async def _hands(
    count: int,
    migration: Migration,
    connections: Connections,
    way: Way,
    ears: Ears,
    stack: AsyncExitStack,
    stop: asyncio.Event,
    *,
    as_json: bool,
) -> Hands:
    """Return who does the work: this process alone, or so many others at most."""
    from gcr_migrate.apply.hand import Hand

    limits = way.pace.over(migration.limits())
    count = limits.workers_of(count)
    if count == 1:
        return Hand(connections, migration.raw_manifest, ears.bytes)
    from gcr_migrate.apply.workers import working
    from gcr_migrate.cli.worker import Setup, starter

    way = replace(way, pace=Pace())  # it is in the share
    start = starter(Setup(way, migration.path, limits.share(count), as_json=as_json))
    return await stack.enter_async_context(working(count, start, ears.moved, stop))


def _brakes(migration: Migration, way: Way) -> Brakes:
    """Return what holds a run back of the tool's own accord."""
    from gcr_migrate.cli.logins import hosts_of
    from gcr_migrate.model.brakes import Brakes
    from gcr_migrate.model.limits import quota_host

    limits = way.pace.over(migration.limits())
    services = set(map(quota_host, hosts_of(migration)["target"]))
    return Brakes(limits.bytes_per_s, {one: limits.rates(one) for one in services})


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
