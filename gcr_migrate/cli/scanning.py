"""What the commands of `refs` have in common: options, and going through files."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, MigrateError
from gcr_migrate.model.places import read_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gcr_migrate.model.cover import Planned
    from gcr_migrate.model.places import Place
    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.files import Found, Unread
    from gcr_migrate.refs.reading import Reference
    from gcr_migrate.state.migration import Migration

Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH...", help="Folders and files; `-` reads standard input."),
]
SomePaths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH...", help="Folders and files; `-` reads standard input."),
]
Projects = Annotated[
    list[str] | None,
    typer.Option("--project", metavar="PROJECT", help="A project of your own; repeat it."),
]
Values = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="What a gap such as `$PROJECT_ID` stands for; repeat it.",
    ),
]
AllFiles = Annotated[bool, typer.Option("--all-files", help="Also files that `.gitignore` names.")]
Plan = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="Migration file that says where images go."),
]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision", metavar="REV", help="Read a git repository as it is at this commit or branch."
    ),
]
STDIN: Final = "-"
STDIN_NAME: Final = "(standard input)"
_OURS: Final = b'"gcr-migrate/refs-'
_HEAD: Final = 200  # bytes in which a list says what it is
_SHARE: Final = 500  # files of one piece of work


class Judge(Struct, frozen=True):
    """Tells what names say, and what becomes of them.

    Attributes:
        values: what gaps stand for, as a person gave them.
        ours: ids of one's own projects.
        planned: the plan, if there is one, by single names; `migration` is its file.
        sources: hosts of its sources.
    """

    values: Mapping[str, str]
    ours: frozenset[str]
    planned: Planned | None = None
    migration: Migration | None = None
    sources: frozenset[str] = frozenset()

    @classmethod
    def of(cls, values: Iterable[str], projects: Iterable[str]) -> Judge:
        """Return what the shared options tell.

        Raises:
            MigrateError: `bad-usage`, `bad-name`.
        """
        from gcr_migrate.model.places import read_project

        ours = frozenset(read_project(text).id for text in projects)
        return cls(_values(values), ours)

    def with_migration(self, migration: Migration) -> Judge:
        """Return one that asks a plan; the projects of its sources are one's own too."""
        from gcr_migrate.state.lookup import Lookup

        places = list(places_at_google(one.shown for one in migration.sources().values()))
        return replace(
            self,
            ours=self.ours.union(place.project.id for place in places),
            planned=Lookup(migration),
            migration=migration,
            sources=frozenset(place.host for place in places),
        )

    def read(self, found: Found) -> Reference:
        """Return what a name says."""
        from gcr_migrate.refs.reading import read

        return read(found.written, self.values, self.ours, defaults=found.values)

    def __call__(self, found: Found) -> tuple[Reference, Covered]:
        """Return what a name says, and what becomes of it."""
        from gcr_migrate.refs.cover import cover

        reference = self.read(found)
        return reference, cover(reference, self.planned)


def places_at_google(names: Iterable[str]) -> Iterator[Place]:
    """Give the places of some names; a registry that is not Google's has no projects."""
    for name in names:
        try:
            place = read_place(name)
        except MigrateError:
            continue
        yield place


@contextmanager
def with_plan(judge: Judge, plan: Path | None) -> Iterator[Judge]:
    """Have a plan to ask; the projects of its sources are one's own.

    Raises:
        MigrateError: `file-missing`, `not-a-migration`, and what else is wrong with the file.
    """
    from gcr_migrate.state.file import open_migration

    with ExitStack() as stack:
        if plan is None:
            yield judge
            return
        migration = stack.enter_context(open_migration(plan))
        yield judge.with_migration(migration)


def _values(written: Iterable[str]) -> dict[str, str]:
    values = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise MigrateError(BAD_USAGE, subject=f"--set {text}", saw="NAME=VALUE is needed")
        values[name.strip().removeprefix(".")] = value
    return values


def scanned(
    paths: Iterable[str],
    unread: list[Unread],
    *,
    all_files: bool,
    revision: str | None = None,
) -> Iterator[Found]:
    """Give what files have, in their order; many of them are read by several processes.

    Args:
        paths: files and folders.
        unread: gets what could not be read.
        all_files: also those that `.gitignore` names.
        revision: at which they are read out of git.

    Raises:
        MigrateError: `file-missing`, `bad-usage`.
    """
    from gcr_migrate.refs.files import Unread

    given = _at(paths, revision) if revision else _scanned(paths, all_files=all_files)
    for one in given:
        if isinstance(one, Unread):
            unread.append(one)
        else:
            yield one


def _at(paths: Iterable[str], revision: str) -> Iterator[Found | Unread]:
    from gcr_migrate.refs.files import Unread, scan_bytes
    from gcr_migrate.refs.revisions import at_revision

    for text in paths:
        if not Path(text).exists():
            raise MigrateError(FILE_MISSING, subject=text, saw="neither a file nor a folder")
        for one in at_revision(Path(text), revision):
            if isinstance(one, Unread):
                yield one
            else:
                yield from scan_bytes(*one)


def _scanned(paths: Iterable[str], *, all_files: bool) -> Iterator[Found | Unread]:
    from gcr_migrate.refs.files import Unread, scan_bytes, scan_files

    files: dict[str, Path] = {}  # by where they are: each is read once, however it is named
    for text in paths:
        if text == STDIN:
            raw = sys.stdin.buffer.read()
            again = _listed(STDIN_NAME, raw)
            yield from scan_bytes(STDIN_NAME, raw) if again is None else again
            continue
        if (again := _from_list(Path(text))) is not None:
            yield from again
            continue
        real = Path(text).resolve()
        for one in _files(Path(text), all_files=all_files):
            if isinstance(one, Unread):
                yield one
            else:
                files.setdefault(str(real / one.relative_to(text)), one)
    shares = list(_shares(files.values()))
    if len(shares) < 2:  # noqa: PLR2004  # starting processes takes longer than one share
        yield from scan_files(files.values())
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for share in pool.map(scan_files, shares):
            yield from share


def _from_list(path: Path) -> list[Found | Unread] | None:
    """Return the names that a file lists, if an earlier scan wrote it."""
    try:
        with path.open("rb") as file:
            is_list = _OURS in file.read(_HEAD)
        return _listed(str(path), path.read_bytes()) if is_list else None
    except OSError:
        return None  # a folder; or it is read like any other file, and told


def _listed(name: str, raw: bytes) -> list[Found | Unread] | None:
    from gcr_migrate.refs.files import Unread
    from gcr_migrate.report.references import found_again, listed

    try:
        facts = listed(raw.decode("utf-8", errors="replace"))
    except ValueError:
        return [Unread(name, "a list of names that is cut off, or of another version")]
    if facts is None:
        return None
    unread = [Unread(one.file, one.why) for one in facts.unread]
    return [*map(found_again, facts.references), *unread]


def _files(path: Path, *, all_files: bool) -> Iterator[Path | Unread]:
    from gcr_migrate.refs.files import walk

    if path.is_dir():
        yield from walk(path, all_files=all_files)
    elif path.is_file():
        yield path
    else:
        raise MigrateError(FILE_MISSING, subject=str(path), saw="neither a file nor a folder")


def _shares(files: Iterable[Path]) -> Iterator[list[Path]]:
    coming = iter(files)
    while share := list(islice(coming, _SHARE)):
        yield share
