"""What would go wrong, or is not as the spec says, before anything moves."""

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
    from gcr_migrate.model.plan import RepositorySettings


def differences(has: RepositorySettings, wants: RepositorySettings) -> list[str]:
    """Name each setting that the spec states and an existing repository has otherwise.

    Args:
        has: settings of the repository as it is.
        wants: settings that the spec states; what it leaves empty is not compared.

    Returns:
        One text per setting, such as `immutable_tags is False, spec says True`.
    """
    pairs: list[tuple[str, object, object]] = [
        ("description", has.description, wants.description),
        ("immutable_tags", has.immutable_tags, wants.immutable_tags),
        ("kms_key", has.kms_key, wants.kms_key),
    ]
    labels = dict(has.labels)
    pairs += [(f"labels.{key}", labels.get(key, ""), value) for key, value in wants.labels]
    return [
        f"{name} is {there!r}, spec says {stated!r}"
        for name, there, stated in pairs
        if stated and there != stated
    ]


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
