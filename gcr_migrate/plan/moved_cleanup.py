"""Clean-up policies of a source, and how they would read at the targets of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gcr_migrate.errors import CLEANUP_STAYS
from gcr_migrate.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.model.settings import CleanupPolicy, RepositorySettings

_NAMED_AT_MOST: Final = 5


class MovedPath(NamedTuple):
    """An image path of a source, the target that it goes to, and its path there."""

    path: str
    target: str
    target_path: str


def stays_behind(
    source: str, has: RepositorySettings, moved: Sequence[MovedPath]
) -> Iterator[Finding]:
    """Tell each clean-up policy of a source repository, with its prefixes at the targets.

    Args:
        source: name of the source.
        has: settings of its repository.
        moved: where its image paths go.
    """
    for policy in has.cleanup:
        prefixes = policy.newest_prefixes
        if policy.condition:
            prefixes = policy.condition.package_prefixes
        told = [_what(policy, acts=not has.cleanup_dry_run), *_rewritten(prefixes, moved)]
        subject = f"{source} policy {policy.id}"
        yield Finding(CLEANUP_STAYS, Severity.INFO, subject, "; ".join(told))


def prefix_at(prefix: str, moved: Iterable[MovedPath]) -> dict[str, set[str | None]]:
    """Return what a prefix of image paths is at each target.

    Args:
        prefix: beginning of paths at the source, which may end within a component.
        moved: where paths go.

    Returns:
        By target the beginnings there of what begins so at the source; empty text for all of it,
        None where a path changed in what follows the prefix.
    """
    found: dict[str, set[str | None]] = {}
    for path, target, target_path in moved:
        if path.startswith(prefix):
            rest = path[len(prefix) :]
            kept = target_path.removesuffix(rest) if target_path.endswith(rest) else None
            found.setdefault(target, set()).add(kept)
    return found


def _what(policy: CleanupPolicy, *, acts: bool) -> str:
    does = "deletes" if policy.deletes else "keeps"
    if policy.keep_count is not None:
        does = f"keeps the newest {policy.keep_count}"
    return does if acts else f"{does}, in a dry run"


def _rewritten(prefixes: Iterable[str], moved: Sequence[MovedPath]) -> Iterator[str]:
    said = [
        f"{prefix!r} is {_spelled(kept)} in {target}"
        for prefix in prefixes
        for target, some in sorted(prefix_at(prefix, moved).items())
        for kept in sorted(some, key=lambda one: one or "")
    ]
    yield from said[:_NAMED_AT_MOST]
    if len(said) > _NAMED_AT_MOST:
        yield f"and {len(said) - _NAMED_AT_MOST} more"


def _spelled(kept: str | None) -> str:
    if kept is None:
        return "no common beginning"
    return repr(kept) if kept else "all of it"
