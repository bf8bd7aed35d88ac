"""Repositories and access that others look after: they are looked at, and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate import errors, logs
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.settings import differences
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.interfaces import TargetRepositories
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.state.migration import Migration

_NAMED_AT_MOST: Final = 10
_PRESENT: Final = "present"


async def look_for_repositories(
    migration: Migration,
    wanted: Collection[int],
    repositories: TargetRepositories,
    journal: Journal,
) -> set[int]:
    """Confirm what is there of repositories and grants; the rest stays to be done, and is told.

    Args:
        migration: the frozen plan.
        wanted: ids of the repositories that the run is about.
        repositories: Artifact Registry.
        journal: where events go.

    Returns:
        Ids of all these repositories: content can be written to them.

    Raises:
        MigrateError: REPOSITORY_MISSING or REPOSITORY_DIFFERS, naming those that are not there or
            have another key; nothing was written.
    """
    planned = {id_: one for id_, one in migration.repositories().items() if id_ in wanted}
    asked = {id_: one for id_, one in planned.items() if one.resource and not one.upstreams}
    answers = await all_of(repositories.get(one.resource) for one in asked.values())
    found = dict(zip(asked, answers, strict=True))
    if missing := [asked[id_].shown for id_, has in found.items() if has is None]:
        raise _refusal(errors.REPOSITORY_MISSING, missing)
    differs = {id_: differences(has, asked[id_].settings) for id_, has in found.items() if has}
    fixed = [
        f"{asked[id_].shown}: {each}"
        for id_, some in differs.items()
        for each in some
        if each.fixed and not asked[id_].exists  # of those that exist, the plan has told it
    ]
    if fixed:
        raise _refusal(errors.REPOSITORY_DIFFERS, fixed)
    asked |= await _virtual_ones(planned, repositories)
    states = migration.repository_states()
    for id_, one in asked.items():
        for each in differs.get(id_, ()):
            if each.setting.partition(".")[0] not in one.changes:  # those have their time later
                logs.warning("repository.differs", repository=one.shown, saw=str(each))
        if not one.exists and states[id_] is not State.PRESENT:
            journal.confirmed(Kind.REPOSITORY, id_, how=_PRESENT)
    await all_of(
        _look_for_grants(migration, id_, one, repositories, journal) for id_, one in asked.items()
    )
    return set(planned)


async def _virtual_ones(
    planned: Mapping[int, Repository], repositories: TargetRepositories
) -> dict[int, Repository]:
    """Return the virtual repositories that are there; content needs none of the others."""
    asked = {id_: one for id_, one in planned.items() if one.upstreams}
    answers = await all_of(repositories.upstreams(one.resource) for one in asked.values())
    found = {}
    for (id_, one), has in zip(asked.items(), answers, strict=True):
        if has is None:
            logs.warning("repository.left_to_others", repository=one.shown)
        else:
            found[id_] = one
    return found


def _refusal(problem: errors.Problem, named: Sequence[str]) -> MigrateError:
    more = len(named) - _NAMED_AT_MOST
    saw = ", ".join(named[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
    return MigrateError(problem, subject="apply --content-only", saw=saw)


async def _look_for_grants(
    migration: Migration,
    repository_id: int,
    repository: Repository,
    repositories: TargetRepositories,
    journal: Journal,
) -> None:
    items = {
        id_: grant
        for id_, grant, granted, state in migration.grant_items(repository_id)
        if not granted and state is not State.PRESENT
    }
    if not items:
        return
    try:
        policy = await repositories.policy(repository.resource)
    except MigrateError as error:
        if error.problem is not errors.DENIED:  # whoever copies need not be allowed to read it
            raise
        logs.warning("policy.unseen", repository=repository.shown, grants=len(items))
        return
    for id_, grant in items.items():
        if policy.holds(grant):
            journal.confirmed(Kind.GRANT, id_, how=_PRESENT)
        else:
            told = f"{grant.role} for {grant.member}"
            logs.warning("grant.left_to_others", repository=repository.shown, grant=told)


async def look_for_settings(
    migration: Migration, repositories: TargetRepositories, journal: Journal
) -> None:
    """Confirm the settings that repositories were to get once their images are there."""
    planned = migration.repositories()
    for id_, state in migration.setting_states().items():
        one = planned[id_]
        has = None if state is State.PRESENT else await repositories.get(one.resource)
        if has is None:
            continue
        differs = differences(has, one.settings)
        left = [each for each in differs if each.setting.partition(".")[0] in one.changes]
        if not left:
            journal.confirmed(Kind.SETTING, id_, how=_PRESENT)
        for each in left:
            logs.warning("setting.left_to_others", repository=one.shown, saw=str(each))
