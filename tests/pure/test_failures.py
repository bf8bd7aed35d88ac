"""What connections raise becomes a problem of ours, whatever led to it."""

from __future__ import annotations

from gcr_migrate.errors import UNREACHABLE
from gcr_migrate.wire import trouble
from gcr_migrate.wire.failures import named


def test_errors_that_lead_to_each_other_are_named_once() -> None:
    """What was raised to several who waited may lead in a ring: nobody follows it round."""
    first, second = trouble.ReadError("one"), trouble.WriteError("other")
    first.__context__, second.__context__ = second, first

    assert named(first, "a subject").problem is UNREACHABLE
