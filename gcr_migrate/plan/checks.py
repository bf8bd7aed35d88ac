"""What registries do not give or take in one piece, known before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate.errors import POLICY_FULL
from gcr_migrate.model.access import Policy
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.policies import overfull

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.model.access import Grant
    from gcr_migrate.model.dialect import Dialect


def over_one_answer(size_bytes: int, source: Dialect, target: Dialect) -> str:
    """Say of a blob which sides do not give it in one answer.

    Args:
        size_bytes: of the blob; negative where unknown.
        source: where it is read.
        target: where it will be pulled from.

    Returns:
        Its size and the limits that it is over; empty if it is over none.
    """
    limits = {"source": source.read_bytes_at_most, "target": target.read_bytes_at_most}
    over = [
        f"{most} at the {side}"
        for side, most in limits.items()
        if most is not None and size_bytes > most
    ]
    return f"{size_bytes} bytes, one answer has at most {' and '.join(over)}" if over else ""


def least_answer(*dialects: Dialect) -> int | None:
    """Return the bytes above which a blob may be over one answer of some side; None for never."""
    known = [one.read_bytes_at_most for one in dialects if one.read_bytes_at_most is not None]
    return min(known, default=None)


def without_room(shown: str, policy: Policy | None, grants: Iterable[Grant]) -> list[Finding]:
    """Return a finding for each grant that a repository's policy has no room for.

    Args:
        shown: name of the repository.
        policy: what it has; None if it is yet to be made.
        grants: what is to be granted.
    """
    over = overfull(policy or Policy((), ""), grants)
    return [
        Finding(POLICY_FULL, Severity.ERROR, f"{shown} {grant.member}", f"{grant.role}; {saw}")
        for grant, saw in over.items()
    ]
