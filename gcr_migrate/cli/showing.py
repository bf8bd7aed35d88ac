"""How much of a plan is shown, and for what kind of reader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from gcr_migrate.cli.options import chosen
from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.model.pattern import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from rich.text import Text

    from gcr_migrate.report.facts import ShowFacts
    from gcr_migrate.report.layout import Line
    from gcr_migrate.state.migration import Migration

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="WHAT",
        help="Only findings, repositories, access, images or left-out; repeat it.",
    ),
]
PathPattern = Annotated[
    list[str] | None,
    typer.Option(
        "--path",
        metavar="PATTERN",
        help="Only image paths of the source like this, such as `team-a/**`; repeat it.",
    ),
]
Unfolded = Annotated[
    bool,
    typer.Option("--full", help="Fold no list, however long; of several files, a line for each."),
]
Plain = Annotated[
    bool, typer.Option("--plain", help="One fact a line and no drawing, for screen readers.")
]


class Showing(Struct, frozen=True):
    """What the options of `show` say.

    Attributes:
        only: parts that are shown.
        path: patterns of image paths.
        full: nothing is folded.
        plain: one fact a line.
        prices: prices file.
    """

    only: list[str] | None = None
    path: list[str] | None = None
    full: bool = False
    plain: bool = False
    prices: Path | None = None

    def check(self, *, as_json: bool) -> None:
        """Refuse what JSON does not have, before anything is read.

        Raises:
            MigrateError: `bad-usage`.
        """
        if as_json and (self.only or self.plain):
            option = "--plain" if self.plain else "--only"
            raise MigrateError(BAD_USAGE, subject=option, saw="--json tells everything")

    def told(self, migration: Migration, console: Console) -> tuple[ShowFacts, Iterator[Text]]:
        """Return what is told of a plan, and the lines that are printed of it.

        Raises:
            MigrateError: `bad-usage` for a part that there is not, or paths that no image has;
                `bad-name`, `bad-prices`.
        """
        from gcr_migrate.cli.pricing import prices_of
        from gcr_migrate.report.layout import said
        from gcr_migrate.report.planned import PlanReader
        from gcr_migrate.report.showing import Section, View, show_lines

        view = View(chosen("--only", Section, self.only or []), self.full)
        patterns = tuple(map(Pattern.parse, self.path or []))
        reader = PlanReader(migration, prices_of(self.prices), patterns)
        if patterns and not reader.has_images():
            subject = f"--path {' '.join(one.text for one in patterns)}"
            saw = f"no image path of {migration.path} is like that"
            raise MigrateError(BAD_USAGE, subject=subject, saw=saw)
        facts = reader.show()
        lines = show_lines(facts, reader.images_of, view)
        return facts, said(lines) if self.plain else laid_out_for(console, lines)


def laid_out_for(console: Console, lines: Iterable[Line]) -> Iterator[Text]:
    """Lay lines out for whoever reads: programs get each on one line, however long."""
    from gcr_migrate.report.layout import laid_out

    is_read = console.is_terminal or "COLUMNS" in os.environ
    return laid_out(lines, console.width if is_read else None)
