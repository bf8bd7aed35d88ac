"""Facts that are read again from JSON, and the JSON Schemas of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.report.fact import Fact

F = TypeVar("F", bound="Fact")


def read(kind: type[F], text: str) -> F:
    """Return facts that were told as JSON.

    Raises:
        ValueError: the text is nothing like them; told with the place that is wrong.
    """
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        msg = f"{where}: {first['msg']}"
        raise ValueError(msg) from error


def all_read(kind: type[F], values: Iterable[Any]) -> Iterator[F]:
    """Go through facts that were told as JSON, which is parsed already."""
    return map(TypeAdapter(kind).validate_python, values)


def json_schema(kind: type[Fact]) -> dict[str, Any]:
    """Return what the JSON of such facts is like, as a JSON Schema."""
    return TypeAdapter(kind).json_schema(mode="serialization", by_alias=True)
