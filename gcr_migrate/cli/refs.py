"""The commands `refs …`: who still says gcr.io, whether that is covered, and new names."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from gcr_migrate.cli.refs_check import check
from gcr_migrate.cli.scanning import (
    STDIN,
    AllFiles,
    Judge,
    Paths,
    Plan,
    Projects,
    Revision,
    SomePaths,
    Values,
    scanned,
    with_plan,
)
from gcr_migrate.errors import BAD_USAGE, NOT_WRITABLE, MigrateError
from gcr_migrate.state.replacing import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.refs.change import Change
    from gcr_migrate.refs.files import Found, Unread


class Form(StrEnum):
    """How changes are shown."""

    TEXT = "text"  # the difference, and what it leaves to be done
    PATCH = "patch"  # the difference alone, for `git apply`


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    refs = typer.Typer(
        help="Names of images in files: who still says gcr.io.", rich_markup_mode=None
    )
    for command in (scan, check, rewrite):
        refs.command()(command)
    app.add_typer(refs, name="refs")


def scan(
    paths: SomePaths = None,
    project: Projects = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Also what runs in each --project, by Cloud Asset Inventory; it is only read.",
        ),
    ] = False,
    values: Values = None,
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
    """Find every name of images in text files: gcr.io, pkg.dev, buckets and console pages.

    Files and services are only read. Names that a program completes later are told with what is
    missing in them.

    Exit codes: 0 all read, 1 something could not be read, 2 bad path or option, 4 the inventory
    is out of reach, or refuses to answer.
    """
    from gcr_migrate.report.references import RefsScanFacts, reference_lines

    output, judge = Output(as_json=as_json), Judge.of(values or [], project or [])
    if not paths and not live:
        raise MigrateError(BAD_USAGE, subject="gcr-migrate refs scan", saw="no PATH is named")
    if live and not judge.ours:
        raise MigrateError(BAD_USAGE, subject="--live", saw="--project says of which project")
    way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=Pace.of(max_rate))
    unread: list[Unread] = []
    found = list(scanned(paths or [], unread, all_files=all_files, revision=revision))
    if live:
        from gcr_migrate.cli.refs_assets import in_use

        found += in_a_loop(in_use(sorted(judge.ours), way, output, unread))
    facts = RefsScanFacts.of([(one, judge.read(one)) for one in found], unread)
    output.result(facts, reference_lines(facts, full=full))
    return facts.exit


def rewrite(
    paths: Paths,
    plan: Plan = None,
    project: Projects = None,
    values: Values = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Add the digest that the plan has for a tag.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Change the files; else only show how.")
    ] = False,
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help="text, or patch for `git apply`.")
    ] = "text",
    all_files: AllFiles = False,
    as_json: Json = False,
) -> int:
    """Put the names of a plan's targets where text files have those of its sources.

    Only the characters of names change, and nothing without --write. What moves and could not
    be rewritten is listed, and so is what else a file needs.

    Exit codes: 0 done, or there is nothing to do, 1 something is left, 2 bad path or option.
    """
    from gcr_migrate.report.rewritten import RefsRewriteFacts, patch_bytes, rewrite_lines

    shown = next(iter(chosen("--format", Form, [form])))
    if plan is None:
        raise MigrateError(BAD_USAGE, subject="gcr-migrate refs rewrite", saw="--plan is needed")
    if STDIN in paths:
        saw = "standard input cannot be rewritten; name files and folders"
        raise MigrateError(BAD_USAGE, subject="gcr-migrate refs rewrite", saw=saw)
    output, unread = Output(as_json=as_json), list["Unread"]()
    with with_plan(Judge.of(values or [], project or []), plan) as judge:
        found = list(scanned(paths, unread, all_files=all_files))
        changes = list(_changes(found, judge, unread, pin=pin))
    if write:
        for change in changes:
            _replace(change)
    facts = RefsRewriteFacts.of(changes, unread, written=write)
    if shown is Form.PATCH and not as_json:
        typer.echo(patch_bytes(changes), nl=False)
    else:
        output.result(facts, rewrite_lines(facts))
    return facts.exit


def _changes(
    found: list[Found], judge: Judge, unread: list[Unread], *, pin: bool
) -> Iterator[Change]:
    """Give what becomes of each file that has a name."""
    from gcr_migrate.refs.beside import Beside
    from gcr_migrate.refs.change import Elsewhere, change
    from gcr_migrate.refs.files import Unread

    beside, elsewhere = Beside(), Elsewhere.of(found, judge.sources)
    for name in dict.fromkeys(one.file for one in found):
        try:
            raw = Path(name).read_bytes()
        except OSError as error:
            unread.append(Unread(name, error.strerror or ""))
            continue
        said = beside.of(Path(name), raw)
        made = change(name, raw, judge, judge.values, pin=pin, said=said, elsewhere=elsewhere)
        if made.done or made.refused or made.hints:
            yield made


def _replace(change: Change) -> None:
    """Write a file anew beside the old one and put it in its place, with the same mode.

    Raises:
        MigrateError: `not-writable`; the old file is as it was.
    """
    if not change.is_any:
        return
    path = Path(change.file).resolve()  # a link goes on to lead there
    try:
        if path.read_bytes() != change.before:
            saw = "it changed while it was read; nothing was written"
            raise MigrateError(NOT_WRITABLE, subject=str(path), saw=saw)
        with replacing(path) as draft:
            draft.write_bytes(change.after)
    except OSError as error:
        saw = error.strerror or ""
        raise MigrateError(NOT_WRITABLE, subject=str(path), saw=saw) from error
