"""What of a plan is written as code, and what is named in it because it has no place there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gcr_migrate.model.settings import AS_IT_COMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.model.access import Grant
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.model.settings import CleanupPolicy, RepositorySettings


def wanted(repository: Repository) -> RepositorySettings:
    """Return the settings that code of others shall bring about.

    One that exists is changed only where the spec says `adopt`; its clean-up policies are not:
    code replaces all of them, and the plan does not know those of others.
    """
    settings = repository.settings
    if not repository.exists:
        return settings
    if not settings.adopt:
        return AS_IT_COMES
    return replace(settings, kms_key="", cleanup=(), cleanup_dry_run=False)


def policies_left_out(repositories: Iterable[Repository]) -> Iterator[str]:
    """Name clean-up policies that `wanted` leaves out, a line each."""
    for one in repositories:
        left = one.settings.cleanup if one.exists and one.settings.adopt else ()
        for policy in left:
            yield f"Not here, as it would replace those of others: {named(one, policy)}"


def named(repository: Repository, policy: CleanupPolicy) -> str:
    """Return a clean-up policy as people read it."""
    return f"clean-up policy {policy.id} of {repository.shown}: {policy.told}"


def sayable(repository: Repository) -> tuple[Grant, ...]:
    """Return the grants that always count.

    Others may lose their condition: both Terraform's provider and gcloud read a policy and
    write it back without asking for the version that has conditions (FACTS 15.2, 6.3).
    """
    return tuple(one for one in repository.grants if one.condition is None)


def grants_left_out(repositories: Iterable[Repository]) -> Iterator[str]:
    """Name grants under a condition, a line each, after a warning."""
    left = [(one, grant) for one in repositories for grant in one.grants if grant.condition]
    if left:
        yield "Not here, as their conditions may be lost. `gcr-migrate apply` adds them; let it,"
        yield "once all the rest is there: code should not change grants beside these any more."
    for one, grant in left:
        condition = grant.condition.expression if grant.condition else ""
        yield f"  {grant.role} for {grant.member} on {one.shown} if {' '.join(condition.split())}"
