"""The command `report`: one migration, or several, as one document."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcr_migrate.cli.apart import check_apart
from gcr_migrate.cli.drawing import draw, write_page
from gcr_migrate.cli.files import write_parts
from gcr_migrate.cli.fleet import MIGRATION_SUFFIXES, Full, files_named, over
from gcr_migrate.cli.options import Json, chosen
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.pricing import PricesFile, prices_of
from gcr_migrate.cli.streams import write
from gcr_migrate.errors import BAD_USAGE, Exit, MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.cli.fleet import Files
    from gcr_migrate.model.prices import Prices
    from gcr_migrate.report.fleet import FleetFacts


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(report)


def report(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Migration files that `plan` wrote, or a folder of them; for --html also what a"
            " command printed with --json.",
        ),
    ],
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="OUT", help="One page that can be mailed, with search."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="For a change review or a ticket.")
    ] = False,
    output_file: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="Default: stdout.")
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option(
            "--csv", metavar="WHAT", help="A table: images, findings, access or left-out."
        ),
    ] = None,
    prices: PricesFile = None,
    full: Full = False,
    as_json: Json = False,
) -> int:
    """Tell plan and progress of FILE as one document; of several files, too.

    Reads the file only. --html draws results of report, show, apply, status, verify, access show
    and compare too, as --json printed them.

    Exit codes: 0 written, 2 not a migration file or result, or no form was chosen.
    """
    wants_page = html and not (markdown or as_json or csv or output_file)
    if not wants_page and (html or sum(map(bool, (markdown, as_json, csv))) != 1):
        saw = "one of --html, --markdown, --csv and --json is needed"
        raise MigrateError(BAD_USAGE, subject="gcr-migrate report", saw=saw)
    output = Output(as_json=as_json)
    named = files_named(files, MIGRATION_SUFFIXES)
    if named.several:
        if csv or prices:
            raise MigrateError(BAD_USAGE, subject="--csv, --prices", saw="they are for one file")
        check_apart({"--html": html, "-o": output_file}, named.names)
        return _of_several(output, named, html, output_file, full=full)
    if html:
        draw(Path(files[0]), html, prices_of(prices))
    else:
        _of_one(output, Path(files[0]), output_file, csv, prices_of(prices))
    return Exit.OK


def _of_one(
    output: Output, file: Path, output_file: Path | None, csv: str | None, prices: Prices
) -> None:
    from gcr_migrate.report.documents import markdown_text
    from gcr_migrate.report.planned import report_facts, show_facts
    from gcr_migrate.report.sheets import Sheet, sheet_lines
    from gcr_migrate.state.file import open_migration

    sheet = next(iter(chosen("--csv", Sheet, [csv] if csv else [])), None)
    with open_migration(file) as migration:
        parts: Iterable[str]
        if sheet:
            parts = sheet_lines(sheet, show_facts(migration))
        elif output.as_json:
            parts = chain(report_facts(migration, prices).json_parts(), "\n")
        else:
            parts = [markdown_text(report_facts(migration, prices))]
        if output_file is None:
            write(parts)
        else:
            write_parts(output_file, parts)


def _of_several(
    output: Output, files: Files, html: Path | None, output_file: Path | None, *, full: bool
) -> int:
    """Tell of several files in one document; a table on stdout where that is not the document."""
    from gcr_migrate.report.fleet_document import fleet_markdown
    from gcr_migrate.report.fleet_lines import fleet_lines
    from gcr_migrate.report.html.fleet import FleetPage
    from gcr_migrate.report.planned import report_facts
    from gcr_migrate.state.file import open_migration

    page = FleetPage()

    def one(output: Output, name: str) -> int:
        with open_migration(Path(name)) as migration:
            output.result(report_facts(migration), ())
        return Exit.OK

    def finish(facts: FleetFacts) -> None:
        if html:
            write_page(html, page.page(facts))
        elif output_file is None:
            output.result(facts, fleet_markdown(facts).splitlines())
            return
        elif output.as_json:
            write_parts(output_file, chain(facts.json_parts(), "\n"))
        else:
            write_parts(output_file, [fleet_markdown(facts)])
        Output(as_json=False).result(facts, fleet_lines(facts, full=full))

    return over(output, "report", files, one, hear=page.add if html else None, finish=finish)
