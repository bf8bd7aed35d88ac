"""Repositories and access that others look after: they are looked at, and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.settings import differences
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.interfaces import Repositories
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.state.migration import Migration

_NAMED_AT_MOST: Final = 10
_log = structlog.get_logger()


async def look_for_repositories(
    migration: Migration, repositories: Repositories, journal: Journal
) -> set[int]:
    """Confirm what is there of repositories and grants; the rest stays to be done.

    Returns:
        Ids of all repositories: content can be written to them.

    Raises:
        MigrateError: REPOSITORY_MISSING, naming those that are not there; nothing was written.
    """
    planned = migration.repositories()
    asked = {id_: one for id_, one in planned.items() if one.resource}
    found = await all_of(repositories.get(one.resource) for one in asked.values())
    missing = [one.shown for one, has in zip(asked.values(), found, strict=True) if has is None]
    if missing:
        more = len(missing) - _NAMED_AT_MOST
        saw = ", ".join(missing[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
        raise MigrateError(errors.REPOSITORY_MISSING, subject="--content-only", saw=saw)
    states = migration.repository_states()
    for id_, one in asked.items():
        if not one.exists and states[id_] is not State.PRESENT:
            journal.confirmed(Kind.REPOSITORY, id_, how="present")
    await all_of(
        _look_for_grants(migration, id_, one, repositories, journal) for id_, one in asked.items()
    )
    return set(planned)


async def _look_for_grants(
    migration: Migration,
    repository_id: int,
    repository: Repository,
    repositories: Repositories,
    journal: Journal,
) -> None:
    items = [
        (id_, grant)
        for id_, grant, granted, state in migration.grant_items(repository_id)
        if not granted and state is not State.PRESENT
    ]
    if not items:
        return
    policy = await repositories.policy(repository.resource)
    for id_, grant in items:
        if policy.holds(grant):
            journal.confirmed(Kind.GRANT, id_, how="present")
        else:
            told = f"{grant.role} for {grant.member}"
            _log.warning("grant.left_to_others", repository=repository.shown, grant=told)


async def look_for_settings(
    migration: Migration, repositories: Repositories, journal: Journal
) -> None:
    """Confirm the settings that repositories were to get once their images are there."""
    planned = migration.repositories()
    for id_, state in migration.setting_states().items():
        if state is State.PRESENT:
            continue
        one = planned[id_]
        has = await repositories.get(one.resource)
        found = differences(has, one.settings) if has else None
        left = [each.setting for each in found or [] if each.setting.split(".")[0] in one.changes]
        if found is not None and not left:
            journal.confirmed(Kind.SETTING, id_, how="present")
        else:
            told = ", ".join(left)
            _log.warning("settings.left_to_others", repository=one.shown, settings=told)
