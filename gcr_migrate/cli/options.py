"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcr_migrate.errors import FILE_MISSING, MigrateError

if TYPE_CHECKING:
    from gcr_migrate.connect import Connections

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
        help="File with a Google access token. Else GCR_MIGRATE_ACCESS_TOKEN, Docker's config.",
    ),
]
MigrationFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Migration file that `plan` wrote.")
]


def open_connections(endpoints: Path | None, access_token_file: Path | None) -> Connections:
    """Return the connections that these options ask for; use them in an `async with`."""
    from gcr_migrate.connect import Connections, Settings
    from gcr_migrate.wire.endpoints import Endpoints as EndpointsFile

    where = EndpointsFile()
    if endpoints:
        where = EndpointsFile.load(read_text(endpoints), str(endpoints))
    return Connections(Settings(endpoints=where, access_token_file=access_token_file))


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
