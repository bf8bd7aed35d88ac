"""What has no place in code of others, and is named in it instead of being changed silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.model.plan import Repository
    from gcr_migrate.model.settings import CleanupPolicy


def kept_policies(repository: Repository) -> tuple[CleanupPolicy, ...]:
    """Return the clean-up policies that can be said whole.

    What was not pulled for a time is asked by neither Terraform's provider nor gcloud's file: a
    policy without that part would delete more.
    """
    return tuple(one for one in repository.settings.cleanup if not _asks_for_pulls(one))


def policies_left_out(repositories: Iterable[Repository]) -> Iterator[str]:
    """Name the other ones, a line each."""
    for one in repositories:
        for policy in one.settings.cleanup:
            if _asks_for_pulls(policy):
                yield f"Not here: clean-up policy {policy.id} of {one.shown}: {policy.told}"


def _asks_for_pulls(policy: CleanupPolicy) -> bool:
    return policy.condition is not None and policy.condition.more_stale_than_s is not None
