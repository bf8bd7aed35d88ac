"""Clean-up policies: from the words of the spec to those of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate.model.pattern import expand
from gcr_migrate.model.settings import CleanupCondition, CleanupPolicy
from gcr_migrate.spec.settings import read_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.spec.settings import CleanupRule


def cleanup_of(rules: Iterable[CleanupRule], parts: Mapping[str, str]) -> tuple[CleanupPolicy, ...]:
    """Return the policies that a spec writes, sorted by id.

    Args:
        rules: as they are written.
        parts: what the named parts of the route took.
    """
    return tuple(_policy(rule, parts) for rule in sorted(rules, key=lambda one: one.id))


def _policy(rule: CleanupRule, parts: Mapping[str, str]) -> CleanupPolicy:
    deletes, newest, picks = rule.action == "delete", rule.most_recent_versions, rule.condition
    if newest:
        prefixes = _expanded(newest.package_name_prefixes, parts)
        count = newest.keep_count
        return CleanupPolicy(rule.id, deletes, keep_count=count, newest_prefixes=prefixes)
    if picks is None:
        raise ValueError(rule.id)  # which the spec's own check refuses
    condition = CleanupCondition(
        tag_state=picks.tag_state,
        tag_prefixes=_expanded(picks.tag_prefixes, parts),
        version_prefixes=picks.version_name_prefixes,
        package_prefixes=_expanded(picks.package_name_prefixes, parts),
        older_than_s=_seconds(picks.older_than),
        newer_than_s=_seconds(picks.newer_than),
        more_stale_than_s=_seconds(picks.more_stale_than),
    )
    return CleanupPolicy(rule.id, deletes, condition)


def _expanded(texts: Iterable[str], parts: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(one, parts) for one in texts)


def _seconds(text: str | None) -> int | None:
    return read_duration(text) if text else None
