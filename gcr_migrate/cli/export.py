"""The command `export`: repositories and grants of a plan as code that other programs apply."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gcr_migrate.cli.files import MARK, check_files, write_file
from gcr_migrate.cli.options import Json, MigrationFile
from gcr_migrate.cli.output import Output
from gcr_migrate.errors import (
    BAD_USAGE,
    NOTHING_TO_EXPORT,
    Exit,
    MigrateError,
)

if TYPE_CHECKING:
    from gcr_migrate.state.migration import Migration

_SUBJECT: Final = "gcr-migrate export"


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(export)


def export(
    file: MigrationFile,
    terraform: Annotated[
        Path | None,
        typer.Option("--terraform", metavar="DIR", help="Write Terraform's files there."),
    ] = None,
    gcloud: Annotated[
        Path | None,
        typer.Option("--gcloud", metavar="SCRIPT", help="Write a shell script; - for stdout."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that this command did not write.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Write the repositories and grants of the plan in FILE as code.

    Teams whose infrastructure lives in code apply it there; `apply --content-only` does the rest.
    Terraform's files have `import` blocks for what exists. Reads the file only.

    Exit codes: 0 written, 2 not a migration file, nothing to write, or files of others are there,
    3 refused: access would change without consent in the spec.
    """
    from gcr_migrate.apply.consent import without_consent
    from gcr_migrate.export.gcloud import gcloud_script
    from gcr_migrate.export.terraform import terraform_files
    from gcr_migrate.report.exported import ExportFacts, export_lines
    from gcr_migrate.state.file import open_migration

    if terraform is None and gcloud is None:
        saw = "--terraform DIR or --gcloud SCRIPT is needed"
        raise MigrateError(BAD_USAGE, subject=_SUBJECT, saw=saw)
    output = Output(as_json=as_json)
    with open_migration(file) as migration:
        migration.check_seal()
        if refused := without_consent(migration):
            return output.errors(refused)
        repositories = [one for one in migration.repositories().values() if one.resource]
        if not repositories:
            saw = "the plan has no repository in Artifact Registry"
            raise MigrateError(NOTHING_TO_EXPORT, subject=str(file), saw=saw)
        head = _head(migration)
    texts: dict[Path, str] = {}
    if terraform is not None:
        texts |= {
            terraform / name: text for name, text in terraform_files(repositories, head).items()
        }
    script = gcloud_script(repositories, head) if gcloud is not None else ""
    if gcloud is not None and str(gcloud) != "-":
        texts[gcloud] = script
    check_files(texts, force=force)
    for path, text in texts.items():
        write_file(path, text, runs=path == gcloud)
    if gcloud is not None and str(gcloud) == "-":
        typer.echo(script, nl=False)
        return Exit.OK
    facts = ExportFacts(files=[str(path) for path in texts])
    output.result(facts, export_lines(facts))
    return Exit.OK


def _head(migration: Migration) -> str:
    from importlib.metadata import version

    return f"{MARK} {version('gcr-migrate')} from plan {migration.digest}"
