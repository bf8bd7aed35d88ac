"""Options and arguments that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, MigrateError
from gcr_migrate.model.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


E = TypeVar("E", bound=StrEnum)

Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object on stdout; log lines on stderr are JSON too."),
]
Endpoints = Annotated[
    Path | None,
    typer.Option(
        "--endpoints",
        envvar="GCR_MIGRATE_ENDPOINTS",
        metavar="FILE",
        help="YAML file that maps hosts and services to other addresses, such as a sandbox.",
    ),
]
AccessTokenFile = Annotated[
    Path | None,
    typer.Option(
        "--access-token-file",
        metavar="FILE",
        help="File with a Google access token, for a side for which the spec names no login.",
    ),
]
Impersonate = Annotated[
    str | None,
    typer.Option(
        "--impersonate-service-account",
        metavar="ACCOUNT",
        help="Service account to act as; of several with commas the last, by way of the others.",
    ),
]
QuotaProject = Annotated[
    str | None,
    typer.Option(
        "--quota-project",
        metavar="PROJECT",
        help="Project that calls of Google's APIs are counted for and billed to.",
    ),
]
MaxRate = Annotated[
    float | None,
    typer.Option(
        "--max-rate",
        metavar="N",
        help="Requests per second to each service at most, instead of what the spec says.",
    ),
]
MaxBandwidth = Annotated[
    str | None,
    typer.Option(
        "--max-bandwidth",
        metavar="BYTES",
        help="Bytes of blobs sent per second at most, such as 100MB, instead of the spec's.",
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        help="Blobs on their way at once to each target host, instead of the spec's.",
    ),
]
NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        help="Fetch every manifest anew, and keep none in SOURCE.cache beside the file.",
    ),
]
AuditLog = Annotated[
    Path | None,
    typer.Option(
        "--audit-log",
        metavar="FILE",
        help="Data Access entries of Artifact Registry, exported as JSON: who really pulls what.",
    ),
]
MigrationFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Migration file that `plan` wrote.")
]


SPEC_SUFFIXES: Final = (".yaml", ".yml")
SNAPSHOT_SUFFIX: Final = ".snapshot"


def chosen(option: str, kind: type[E], named: list[str]) -> frozenset[E]:
    """Return the values of an option that may be repeated.

    Args:
        option: its name, such as `--level`.
        kind: the values that it may have.
        named: those that were written.

    Raises:
        MigrateError: `bad-usage` with the values that there are.
    """
    check_known(option, [str(value) for value in kind], named)
    return frozenset(map(kind, named))


def check_known(option: str, known: Sequence[str], named: Iterable[str]) -> None:
    """Refuse what is none of the values that there are, with the one that is nearest.

    Args:
        option: what the value was written for, such as `--level`.
        known: the values that there are.
        named: those that were written.

    Raises:
        MigrateError: `bad-usage`.
    """
    unknown = sorted(set(named) - set(known))
    if unknown:
        question = did_you_mean(unknown[0], known)
        saw = f"{question} It is one of {', '.join(known)}".strip()
        raise MigrateError(BAD_USAGE, subject=f"{option} {unknown[0]}", saw=saw)


def read_text(path: Path) -> str:
    """Return the text of a file that a person named.

    Raises:
        MigrateError: `file-missing`.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        saw = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise MigrateError(FILE_MISSING, subject=str(path), saw=saw or "") from error


def is_file(text: str) -> bool:
    """Whether a person named a file that is there; a name that no system takes is none."""
    try:
        return Path(text).is_file()
    except OSError:
        return False


def is_folder(text: str) -> bool:
    """Whether a person named a folder that is there; a name that no system takes is none."""
    try:
        return Path(text).is_dir()
    except OSError:
        return False
