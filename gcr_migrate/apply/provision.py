"""Make the repositories of a plan, then add the grants: only what is missing, never less."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, TypeVar

from gcr_migrate.apply.journal import Outcome
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind, State

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.interfaces import TargetRepositories
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.state.migration import Migration

T = TypeVar("T")


async def provision(
    migration: Migration, repositories: TargetRepositories, journal: Journal, *, pause_s: float
) -> set[int]:
    """Create missing repositories and add missing grants.

    Args:
        migration: the frozen plan.
        repositories: Artifact Registry.
        journal: where events go.
        pause_s: seconds between the starts of two creations.

    Returns:
        Ids of repositories that content can be written to.
    """
    states, operations = migration.repository_states(), migration.operations()
    usable: set[int] = set()
    turn = _Turn(journal.stop, pause_s)
    for item_id, repository in migration.repositories().items():
        ready = not repository.resource or repository.exists
        if not ready and states.get(item_id) is not State.PRESENT:
            operation = operations.get(item_id, "")
            if not operation:
                await turn.wait()
            if journal.stop.is_set():
                break
            created = await _create(item_id, repository, repositories, journal, turn, operation)
            ready = created is Outcome.DONE
        else:
            ready = True
        if ready:
            usable.add(item_id)
    for item_id in sorted(usable):
        repository = migration.repositories()[item_id]
        if repository.resource and not journal.stop.is_set():
            await _grant(migration, item_id, repository, repositories, journal)
    return usable


class _Turn:
    """Keeps creations apart, as the service takes them at a slow pace.

    Args:
        stop: ends a wait early.
        pause_s: seconds between two of them.
    """

    def __init__(self, stop: asyncio.Event, pause_s: float) -> None:
        self._stop = stop
        self._pause_s = pause_s
        self._next_at = 0.0

    async def wait(self) -> None:
        left_s = self._next_at - time.monotonic()
        if left_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), left_s)
        self.taken()

    def taken(self) -> None:
        """Count from now: the service has just begun one, or is about to."""
        self._next_at = time.monotonic() + self._pause_s


async def _create(
    item_id: int,
    repository: Repository,
    repositories: TargetRepositories,
    journal: Journal,
    turn: _Turn,
    operation: str,
) -> Outcome:
    """Create a repository, or wait for the operation by which an earlier run began to.

    The service goes on with it whether somebody waits or not, so that a stop need not: a later
    run asks what became of it.
    """

    async def keep(name: str) -> None:
        turn.taken()
        await journal.started(Kind.REPOSITORY, item_id, operation=name)

    await journal.started(Kind.REPOSITORY, item_id, operation=operation)

    async def create() -> Outcome:
        try:
            await repositories.create(
                repository.resource, repository.settings, operation=operation, on_operation=keep
            )
        except MigrateError as error:
            return journal.gave_up(Kind.REPOSITORY, item_id, error)
        return journal.confirmed(Kind.REPOSITORY, item_id, how="created")

    return await _unless_stopped(journal.stop, create()) or Outcome.PENDING


async def _unless_stopped(stop: asyncio.Event, work: Coroutine[None, None, T]) -> T | None:
    """Do something, and drop it if a stop is wanted before its end; return what came of it."""
    doing, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        doing.cancel()  # which changes nothing about what is done
    await asyncio.wait({doing})
    return None if doing.cancelled() else doing.result()


async def _grant(
    migration: Migration,
    item_id: int,
    repository: Repository,
    repositories: TargetRepositories,
    journal: Journal,
) -> None:
    """Add a repository's grants in one write; all of them share its outcome.

    A stop waits no more for it than for a creation: a later run reads what the policy holds.
    """
    missing = [
        (grant_id, grant)
        for grant_id, grant, granted, state in migration.grant_items(item_id)
        if not granted and state is not State.PRESENT
    ]
    if not missing:
        return
    for grant_id, _ in missing:
        await journal.started(Kind.GRANT, grant_id)
    grants = tuple(grant for _, grant in missing)
    try:
        wrote = await _unless_stopped(
            journal.stop, repositories.add_grants(repository.resource, grants)
        )
    except MigrateError as error:
        for grant_id, _ in missing:
            journal.gave_up(Kind.GRANT, grant_id, error)
        return
    if wrote is None:
        return
    for grant_id, _ in missing:
        journal.confirmed(Kind.GRANT, grant_id, how="written" if wrote else "present")
