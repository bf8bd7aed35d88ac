"""Taking back the access that runs of one migration file have added, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.apply.grants import Grants
from gcr_migrate.errors import FILE_TROUBLES, MigrateError
from gcr_migrate.state.policies import added_grants, unsettled_grants
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.interfaces import PolicyWriter
    from gcr_migrate.model.access import Grant
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.state.migration import Migration

_POLICIES_AT_ONCE: Final = 8


class Undo(Struct):
    """What is to be taken back on one repository, and what became of it.

    Attributes:
        id: the repository's id in the migration file.
        repository: which one.
        grants: by item id, also those of a write that nobody confirmed: of these the policy
            tells whether this file added them.
        taken: item ids of what was taken back, each with whether the policy still had it.
        trouble: why nothing could be, if so.
    """

    id: int
    repository: Repository
    grants: dict[int, Grant]
    taken: dict[int, bool] = field(default_factory=dict)
    trouble: MigrateError | None = None


def to_undo(migration: Migration) -> list[Undo]:
    """Return what this file's ledger says that it added, by repository."""
    found = []
    for id_, repository in migration.repositories().items():
        ids = {item for item, _ in added_grants(migration, id_)} | unsettled_grants(migration, id_)
        items = migration.grant_items(id_) if ids else []
        grants = {item: grant for item, grant, _, _ in items if item in ids}
        if grants:
            found.append(Undo(id_, repository, grants))
    return found


async def undo_access(
    migration: Migration, wanted: list[Undo], policies: PolicyWriter, journal: Journal
) -> None:
    """Take back what a file's runs added; each step is recorded, so that a later run knows.

    Args:
        migration: the file.
        wanted: what `to_undo` gave; what became of it is put in there.
        policies: where the policies are.
        journal: where events go.

    Raises:
        MigrateError: the migration file cannot be written. What is refused at one repository
            is told there, and holds up no other.
    """

    async def one(undo: Undo) -> None:
        resource = undo.repository.resource
        grants = Grants(migration, undo.id, resource, policies, journal)
        try:
            undo.taken = await grants.take_back()
        except MigrateError as error:
            if error.problem in FILE_TROUBLES:
                raise
            undo.trouble = error

    def work() -> Iterator[Coroutine[None, None, None]]:
        yield from map(one, wanted)

    await a_few_of(work(), _POLICIES_AT_ONCE)
