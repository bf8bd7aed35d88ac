"""What commands tell as JSON, held against the types of the facts that it is made of."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from gcr_migrate.report.published import PUBLISHED

if TYPE_CHECKING:
    from gcr_migrate.report.fact import Fact


def check_told(text: str) -> None:
    """Refuse a result of which not the very same is told when it is read as facts.

    No fact looks at the values that it is given: one of another type, such as 1 for true, or 5 for
    5.0, would be told as it is.
    """
    try:
        told = json.loads(text)
    except ValueError:
        return  # no result, or one of which the end is missing
    name = str(told.get("schema")) if isinstance(told, dict) else ""
    kind = name.removeprefix("gcr-migrate/")
    if kind in PUBLISHED:
        again: Fact = _reader(kind).validate_python(told)
        assert _spelled(json.loads("".join(again.json_parts()))) == _spelled(told)


def _spelled(told: Any) -> str:
    """Return what tells 1 from true and 5 from 5.0, and says nothing of the order of names."""
    return json.dumps(told, sort_keys=True)


@cache
def _reader(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(PUBLISHED[kind])
