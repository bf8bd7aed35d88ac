"""What would go wrong, or is not as the spec says, before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
