"""Make the repositories of a plan, then add the grants: only what is missing, never less."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gcr_migrate.apply.journal import Outcome
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind, State

if TYPE_CHECKING:
    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.interfaces import Repositories
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.state.migration import Migration

CREATION_PAUSE_S = 2.0  # Artifact Registry creates about one repository per two seconds


async def provision(
    migration: Migration,
    repositories: Repositories,
    journal: Journal,
    *,
    pause_s: float = CREATION_PAUSE_S,
) -> set[int]:
    """Create missing repositories and add missing grants.

    Args:
        migration: the frozen plan.
        repositories: Artifact Registry.
        journal: where events go.
        pause_s: seconds between two creations.

    Returns:
        Ids of repositories that content can be written to.
    """
    states = migration.repository_states()
    usable: set[int] = set()
    created_any = False
    for item_id, repository in migration.repositories().items():
        if journal.stop.is_set():
            break
        ready = not repository.resource or repository.exists
        if not ready and states.get(item_id) is not State.PRESENT:
            if created_any:
                await asyncio.sleep(pause_s)
            created_any = True
            ready = await _create(item_id, repository, repositories, journal) is Outcome.DONE
        elif not ready:
            ready = True
        if ready:
            usable.add(item_id)
    for item_id in sorted(usable):
        repository = migration.repositories()[item_id]
        if repository.resource and not journal.stop.is_set():
            await _grant(migration, item_id, repository, repositories, journal)
    return usable


async def _create(
    item_id: int, repository: Repository, repositories: Repositories, journal: Journal
) -> Outcome:
    await journal.started(Kind.REPOSITORY, item_id)
    try:
        await repositories.create(repository.resource, repository.settings)
    except MigrateError as error:
        return journal.gave_up(Kind.REPOSITORY, item_id, error)
    return journal.confirmed(Kind.REPOSITORY, item_id, how="created")


async def _grant(
    migration: Migration,
    item_id: int,
    repository: Repository,
    repositories: Repositories,
    journal: Journal,
) -> None:
    """Add a repository's grants in one write; all of them share its outcome."""
    missing = [
        (grant_id, grant)
        for grant_id, grant, granted, state in migration.grant_items(item_id)
        if not granted and state is not State.PRESENT
    ]
    if not missing:
        return
    for grant_id, _ in missing:
        await journal.started(Kind.GRANT, grant_id)
    try:
        wrote = await repositories.add_grants(
            repository.resource, tuple(grant for _, grant in missing)
        )
    except MigrateError as error:
        for grant_id, _ in missing:
            journal.gave_up(Kind.GRANT, grant_id, error)
        return
    for grant_id, _ in missing:
        journal.confirmed(Kind.GRANT, grant_id, how="written" if wrote else "present")
