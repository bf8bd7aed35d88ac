"""The prices file: what a person knows of prices, with the date of that."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from gcr_migrate.errors import BAD_PRICES
from gcr_migrate.model.prices import Prices
from gcr_migrate.spec.fields import Part
from gcr_migrate.spec.load import line_of, not_fitting, read_fields

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Usd = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False, strict=True)]
_Stored = Annotated[str, StringConstraints(pattern=r"^(artifact-registry|[A-Z_]+/[A-Z0-9-]+)$")]
_Place = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z0-9.:-]{1,255})$")]
_AsOf = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}(-[0-9]{2}){0,2}$")]


class TransferPrice(Part):
    """What it costs to send data from one place to another."""

    model_config = ConfigDict(populate_by_name=True)

    from_: _Place = Field(
        alias="from", description="A location such as `us`, a registry's host, or `*` for any."
    )
    to: _Place = Field(description="The same, or `internet`.")
    usd: Usd = Field(description="Dollars for a GiB.")


class PriceRules(Part):
    """Prices that count instead of those that gcr-migrate knows; what is left out stays so."""

    version: Literal[1] = 1
    as_of: _AsOf = Field(description='Year, month or day of these prices, such as "2026-11".')
    storage: dict[_Stored, Usd] = Field(
        default_factory=dict,
        description="Dollars for a GiB and month: `artifact-registry`, or a bucket's storage class"
        " and location, such as `NEARLINE/US`.",
    )
    transfer: list[TransferPrice] = Field(
        default_factory=list, description="What is sent; the first that fits best counts."
    )
    scan: Usd | None = Field(
        None, description="Dollars for each image digest that is scanned on its first push."
    )


def load_prices(text: str, filename: str) -> Prices:
    """Read a prices file.

    Args:
        text: the YAML.
        filename: the name that errors, and sums that stand on it, show.

    Raises:
        MigrateError: BAD_YAML, or BAD_PRICES with every field that does not fit.
    """
    data = read_fields(text, filename, BAD_PRICES)
    try:
        rules = PriceRules.model_validate(data)
    except ValidationError as error:
        found = [_told(data, one) for one in error.errors(include_url=False)]
        raise not_fitting(BAD_PRICES, filename, found) from error
    return Prices(
        f"{PurePath(filename).name} of {rules.as_of}",
        rules.storage,
        {(one.from_, one.to): one.usd for one in reversed(rules.transfer)},
        rules.scan,
    )


def prices_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **PriceRules.model_json_schema(),
        "title": "gcr-migrate prices",
    }


def _told(data: dict[str, Any], error: ErrorDetails) -> tuple[int, str]:
    steps = [step for step in error["loc"] if step != "[key]"]
    name = ".".join(map(str, steps))
    said = "unknown field" if error["type"] == "extra_forbidden" else error["msg"]
    return line_of(data, steps), f"{name}: {said}"
