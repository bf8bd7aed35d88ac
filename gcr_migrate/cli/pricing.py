"""The prices that a command counts with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcr_migrate.cli.options import read_text

if TYPE_CHECKING:
    from gcr_migrate.model.prices import Prices

PricesFile = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        help="YAML file of prices that count instead of the known ones, see `schema prices`.",
    ),
]


def prices_of(file: Path | None) -> Prices:
    """Return the prices of a file, or those that are known here.

    Raises:
        MigrateError: `file-missing`, `bad-yaml`, `bad-prices`.
    """
    from gcr_migrate.model.prices import Prices

    if file is None:
        return Prices()
    from gcr_migrate.spec.prices import load_prices

    return load_prices(read_text(file), str(file))
