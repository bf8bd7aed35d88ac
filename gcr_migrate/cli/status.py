"""The command `status`: how far plans are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gcr_migrate.cli.fleet import MIGRATION_SUFFIXES, Full, MigrationFiles, files_named, over
from gcr_migrate.cli.options import Json
from gcr_migrate.cli.output import Output
from gcr_migrate.errors import Exit

if TYPE_CHECKING:
    import typer


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(status)


def status(files: MigrationFiles, full: Full = False, as_json: Json = False) -> int:
    """Tell how far the plan in FILE is, also while it is applied.

    Reads the file only; `verify` asks the registries. Of several files, or a folder of them, a
    line each.

    Exit codes: 0 told, 2 not a migration file.
    """
    from gcr_migrate.report.gather import status_facts
    from gcr_migrate.state.file import open_migration

    def one(output: Output, name: str) -> int:
        with open_migration(Path(name)) as migration:
            facts = status_facts(migration)
            if not output.told(facts):
                from gcr_migrate.report.terminal import status_lines

                output.show(status_lines(facts))
        return Exit.OK

    named = files_named(files, MIGRATION_SUFFIXES)
    return over(Output(as_json=as_json), "status", named, one, full=full)
