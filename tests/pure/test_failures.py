"""What the HTTP library raises becomes a problem of ours, whatever led to it."""

from __future__ import annotations

import httpx
import pytest

from gcr_migrate.errors import UNREACHABLE, MigrateError
from gcr_migrate.wire.failures import named


def test_errors_that_lead_to_each_other_are_named_once() -> None:
    """What was raised to several who waited may lead in a ring: nobody follows it round."""
    first, second = httpx.ReadError("one"), httpx.WriteError("other")
    first.__context__, second.__context__ = second, first
    with pytest.raises(MigrateError) as caught, named("a subject"):
        raise first
    assert caught.value.problem is UNREACHABLE
