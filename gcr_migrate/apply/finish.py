"""What a repository gets once its images are there: tags that stay, clean-up policies, scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.interfaces import TargetRepositories
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.state.migration import Migration

_AT_ONCE: Final = 8


async def finish(
    migration: Migration, repositories: TargetRepositories, journal: Journal, usable: set[int]
) -> None:
    """Write the settings that had to wait for the copy.

    A repository of which anything is missing is left as it is: a later run that brings the rest
    writes its settings.

    Args:
        migration: the frozen plan.
        repositories: Artifact Registry.
        journal: where events go.
        usable: ids of repositories that are there.
    """
    journal.settle()
    await a_few_of(_all(migration, repositories, journal, usable), _AT_ONCE)


def _all(
    migration: Migration, repositories: TargetRepositories, journal: Journal, usable: set[int]
) -> Iterator[Coroutine[None, None, None]]:
    planned = migration.repositories()
    for id_, state in migration.setting_states().items():
        if journal.stop.is_set():
            return
        if id_ in usable and state is not State.PRESENT and migration.is_filled(id_):
            yield _one(id_, planned[id_], repositories, journal)


async def _one(
    id_: int, repository: Repository, repositories: TargetRepositories, journal: Journal
) -> None:
    await journal.started(Kind.SETTING, id_)
    try:
        wrote = await repositories.change(
            repository.resource,
            repository.settings,
            repository.changes,
            on_previous=lambda raw: journal.keep_settings(id_, raw),
        )
    except MigrateError as error:
        journal.gave_up(Kind.SETTING, id_, error)
        return
    journal.confirmed(Kind.SETTING, id_, how="written" if wrote else "present")
