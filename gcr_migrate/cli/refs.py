"""The commands `refs …`: who still says gcr.io."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gcr_migrate.cli.options import Json
from gcr_migrate.cli.output import Output
from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.refs.files import Found, Unread

_SHARE: Final = 500  # files of one piece of work
_STDIN: Final = "-"


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    refs = typer.Typer(
        help="Names of images in files: who still says gcr.io.", rich_markup_mode=None
    )
    refs.callback()(_refs)
    refs.command()(scan)
    app.add_typer(refs, name="refs")


def _refs() -> None:
    pass


def scan(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Folders and files; `-` reads standard input."),
    ],
    project: Annotated[
        list[str] | None,
        typer.Option("--project", metavar="PROJECT", help="A project of your own; repeat it."),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="What a gap such as `$PROJECT_ID` stands for; repeat it.",
        ),
    ] = None,
    all_files: Annotated[
        bool, typer.Option("--all-files", help="Also files that `.gitignore` names.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="List every name.")] = False,
    as_json: Json = False,
) -> int:
    """Find every name of images in text files: gcr.io, pkg.dev, buckets and console pages.

    Files are only read. Names that a program completes later are told with what is missing in
    them.

    Exit codes: 0 all read, 1 something could not be read, 2 bad path or option.
    """
    from gcr_migrate.model.places import read_project
    from gcr_migrate.refs.files import Unread
    from gcr_migrate.refs.reading import read
    from gcr_migrate.report.references import RefsScanFacts, reference_lines

    given = _values(values or [])
    ours = {read_project(text).id for text in project or []}
    unread: list[Unread] = []

    def found() -> Iterator[Found]:
        for one in _scanned(paths, all_files=all_files):
            if isinstance(one, Unread):
                unread.append(one)
            else:
                yield one

    references = [(one, read(one.written, given, ours, defaults=one.values)) for one in found()]
    facts = RefsScanFacts.of(references, unread)
    Output(as_json=as_json).result(facts, reference_lines(facts, full=full))
    return facts.exit


def _values(written: Iterable[str]) -> dict[str, str]:
    values = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise MigrateError(BAD_USAGE, subject=f"--set {text}", saw="NAME=VALUE is needed")
        values[name.strip().removeprefix(".")] = value
    return values


def _scanned(paths: Iterable[str], *, all_files: bool) -> Iterator[Found | Unread]:
    """Give what files have, in their order; many of them are read by several processes."""
    from gcr_migrate.refs.files import Unread, scan_bytes, scan_files

    files: list[Path] = []
    for text in paths:
        if text == _STDIN:
            yield from scan_bytes("(standard input)", sys.stdin.buffer.read())
            continue
        for one in _files(Path(text), all_files=all_files):
            if isinstance(one, Unread):
                yield one
            else:
                files.append(one)
    shares = list(_shares(files))
    if len(shares) < 2:  # noqa: PLR2004  # starting processes takes longer than one share
        yield from scan_files(files)
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for share in pool.map(scan_files, shares):
            yield from share


def _files(path: Path, *, all_files: bool) -> Iterator[Path | Unread]:
    from gcr_migrate.refs.files import walk

    if path.is_dir():
        yield from walk(path, all_files=all_files)
    elif path.is_file():
        yield path
    else:
        raise MigrateError(FILE_MISSING, subject=str(path), saw="neither a file nor a folder")


def _shares(files: list[Path]) -> Iterator[list[Path]]:
    coming = iter(files)
    while share := list(islice(coming, _SHARE)):
        yield share
