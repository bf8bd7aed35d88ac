"""Make the repositories of a plan, then add the grants: only what is missing, never less."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, TypeVar

from gcr_migrate.apply.grants import Grants
from gcr_migrate.apply.journal import Outcome
from gcr_migrate.errors import BLOCKED, MigrateError
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterator, Mapping

    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.interfaces import PolicyWriter, TargetRepositories
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.state.migration import Migration

T = TypeVar("T")

_POLICIES_AT_ONCE: Final = 8
_CREATIONS_AT_ONCE: Final = 16


async def provision(
    migration: Migration,
    wanted: Collection[int],
    repositories: TargetRepositories,
    journal: Journal,
    *,
    pause_s: float,
) -> set[int]:
    """Create missing repositories and add missing grants.

    Args:
        migration: the frozen plan.
        wanted: ids of the repositories that the run is about.
        repositories: Artifact Registry.
        journal: where events go.
        pause_s: seconds between the starts of two creations.

    Returns:
        Ids of repositories that content can be written to.
    """
    states, operations = migration.repository_states(), migration.operations()
    usable: set[int] = set()
    creation = _Creation(repositories, journal, pause_s)

    async def create(item_id: int, repository: Repository) -> None:
        outcome = await creation.create(item_id, repository, operations.get(item_id, ""))
        if outcome is Outcome.DONE:
            usable.add(item_id)

    missing: dict[int, Repository] = {}
    for item_id, repository in migration.repositories().items():
        if item_id not in wanted:
            continue
        ready = not repository.resource or repository.exists
        if ready or states.get(item_id) is State.PRESENT:
            usable.add(item_id)
        else:
            missing[item_id] = repository
    virtual = {id_: one for id_, one in missing.items() if one.upstreams}
    first = (create(*one) for one in missing.items() if one[0] not in virtual)
    await a_few_of(first, _CREATIONS_AT_ONCE)
    over_all = _over_all(virtual, migration.repositories(), usable, journal)
    await a_few_of((create(*one) for one in over_all), _CREATIONS_AT_ONCE)
    await a_few_of(_grants(migration, usable, repositories, journal), _POLICIES_AT_ONCE)
    return usable


def _over_all(
    virtual: Mapping[int, Repository],
    planned: Mapping[int, Repository],
    usable: set[int],
    journal: Journal,
) -> Iterator[tuple[int, Repository]]:
    """Give the virtual repositories of which all upstreams are there; of others tell what lacks."""
    there = {planned[id_].resource for id_ in usable}
    for id_, repository in virtual.items():
        lacking = [one for one in repository.upstreams if one not in there]
        if not lacking:
            yield id_, repository
        elif not journal.stop.is_set():
            blocked = MigrateError(BLOCKED, subject=repository.shown, saw=lacking[0])
            journal.gave_up(Kind.REPOSITORY, id_, blocked)


def _grants(
    migration: Migration, usable: set[int], policies: PolicyWriter, journal: Journal
) -> Iterator[Coroutine[None, None, None]]:
    """Go through the grants of each repository, until a stop is wanted.

    A stop waits no more for them than for a creation: a later run reads what the policy holds.
    """
    for item_id, repository in migration.repositories().items():
        if journal.stop.is_set():
            return
        if item_id in usable and repository.resource and repository.grants:
            grants = Grants(migration, item_id, repository.resource, policies, journal)
            yield _added(grants, journal)


async def _added(grants: Grants, journal: Journal) -> None:
    await _unless_stopped(journal.stop, grants.add())


class _Creation:
    """Creates repositories: starts are kept apart, and what has begun is waited for together.

    Args:
        repositories: Artifact Registry.
        journal: where events go.
        pause_s: seconds between two starts, as the service takes them at a slow pace.
    """

    def __init__(self, repositories: TargetRepositories, journal: Journal, pause_s: float) -> None:
        self._repositories = repositories
        self._journal = journal
        self._pause_s = pause_s
        self._next_at = 0.0
        self._door = asyncio.Lock()

    async def create(self, item_id: int, repository: Repository, operation: str) -> Outcome:
        """Create a repository, or wait for the operation by which an earlier run began to.

        The service goes on with it whether somebody waits or not, so that a stop need not: a later
        run asks what became of it.
        """
        begun = asyncio.Event()
        async with self._door:
            if not operation:
                await self._turn()
            if self._journal.stop.is_set():
                return Outcome.PENDING
            work = self._create(item_id, repository, operation, begun)
            doing = asyncio.create_task(_unless_stopped(self._journal.stop, work))
            doing.add_done_callback(lambda _: begun.set())
            await begun.wait()
        return await doing or Outcome.PENDING

    async def _turn(self) -> None:
        left_s = self._next_at - time.monotonic()
        if left_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._journal.stop.wait(), left_s)
        self._taken()

    def _taken(self) -> None:
        """Count from now: the service has just begun one, or is about to."""
        self._next_at = time.monotonic() + self._pause_s

    async def _create(
        self, item_id: int, repository: Repository, operation: str, begun: asyncio.Event
    ) -> Outcome:
        async def keep(name: str) -> None:
            self._taken()
            await self._journal.started(Kind.REPOSITORY, item_id, operation=name)
            begun.set()

        await self._journal.started(Kind.REPOSITORY, item_id, operation=operation)
        if operation:
            begun.set()
        try:
            await self._repositories.create(
                repository.resource,
                repository.settings,
                upstreams=repository.upstreams,
                operation=operation,
                on_operation=keep,
            )
        except MigrateError as error:
            return self._journal.gave_up(Kind.REPOSITORY, item_id, error)
        return self._journal.confirmed(Kind.REPOSITORY, item_id, how="created")


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
