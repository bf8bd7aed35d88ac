"""The report as an HTML page: from a migration file, or from a result that `--json` printed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gcr_migrate.cli.files import write_parts
from gcr_migrate.cli.options import read_text
from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, MigrateError

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.model.prices import Prices
    from gcr_migrate.report.html.page import Page

_SQLITE: Final = b"SQLite format 3\0"


def draw(file: Path, page: Path, prices: Prices | None = None) -> None:
    """Write a page about a file.

    Args:
        file: a migration file or a result.
        page: where the page goes.
        prices: what Google asks; None: as far as it is known here.

    Raises:
        MigrateError: `file-missing`, `not-a-migration`, `not-a-result`, `not-writable`; `bad-usage`
            where the page would replace the file.
    """
    from gcr_migrate.report.html.migration import report_page
    from gcr_migrate.report.html.results import result_page
    from gcr_migrate.report.planned import report_facts
    from gcr_migrate.state.file import open_migration

    if page.exists() and file.exists() and page.samefile(file):
        saw = "the page would replace what it tells of"
        raise MigrateError(BAD_USAGE, subject=f"--html {page}", saw=saw)
    if not _is_database(file):
        write_page(page, result_page(read_text(file), str(file)))
        return
    with open_migration(file) as migration:
        write_page(page, report_page(report_facts(migration, prices)))


def write_page(page: Path, told: Page) -> None:
    """Write a page.

    Raises:
        MigrateError: `not-writable`.
    """
    from gcr_migrate.report.html.render import html_parts

    write_parts(page, html_parts(told, _made()))


def _made() -> str:
    from importlib.metadata import version

    now = datetime.now(UTC)
    return f"{version('gcr-migrate')} on {now:%Y-%m-%d} at {now:%H:%M} UTC"


def _is_database(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        saw = error.strerror or ""
        raise MigrateError(FILE_MISSING, subject=str(file), saw=saw) from error
