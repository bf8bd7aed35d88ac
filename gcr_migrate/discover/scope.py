"""Which projects there are to ask about: below a folder or organisation, or named one by one.

Two lists are joined: the projects that Resource Manager shows in each folder, and those whose
buckets a search shows, which has no need to see the folders.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct, field

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import Project
from gcr_migrate.model.places import read_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from gcr_migrate.interfaces import Assets, Projects
    from gcr_migrate.model.cloud import BucketAsset, ProjectFacts

AT_ONCE: Final = 16  # projects, or folders, that are asked about at the same time
Refused = tuple[str, MigrateError]


class ScopeClients(Protocol):
    """Who hands out the clients that are needed to find projects."""

    @property
    def found(self) -> Assets:
        """What lies below folders and organisations."""
        ...

    @property
    def known(self) -> Projects:
        """What is known about one project."""
        ...


class Scope(Struct):
    """What there is to ask about, and what of that could not be seen.

    Attributes:
        projects: by id.
        buckets: names that the search shows, each of its own project's; or why it could not be
            asked; None if nothing was searched yet.
        inactive: projects that are being deleted.
        foreign: buckets named for a project that they do not belong to, with their owner.
        unseen: what could not be listed, with the reason.
    """

    projects: dict[str, Project] = field(default_factory=dict)
    buckets: frozenset[str] | MigrateError | None = None
    inactive: list[str] = field(default_factory=list)
    foreign: list[tuple[str, str]] = field(default_factory=list)
    unseen: list[Refused] = field(default_factory=list)


async def below(parent: str, clients: ScopeClients) -> Scope:
    """Return what lies below a folder or organisation, at any depth.

    Args:
        parent: `folders/N` or `organizations/N`.
        clients: hands out clients.
    """
    scope = Scope()
    found, buckets = await asyncio.gather(
        _walk(parent, clients.found, scope), _listed(clients.found.artifacts_buckets(parent))
    )
    numbers = {one.number: one.id for one in found if one.number}
    for one in found:
        if one.active:
            _add(scope, one.id)
        else:
            scope.inactive.append(one.id)
    if isinstance(buckets, MigrateError):
        scope.buckets = buckets
        return scope
    scope.buckets = await own_buckets(buckets, clients.known, scope, numbers)
    for name in scope.buckets:
        project = read_place(f"gs://{name}").project
        if project.id not in scope.inactive:
            scope.projects.setdefault(project.id, project)
    return scope


def _add(scope: Scope, id_: str) -> None:
    try:
        scope.projects.setdefault(id_, Project.parse(id_))
    except MigrateError as error:
        scope.unseen.append((f"project {id_}", error))


async def _listed(rows: AsyncIterator[BucketAsset]) -> list[BucketAsset] | MigrateError:
    try:
        return [row async for row in rows]
    except MigrateError as error:
        return error


async def _walk(parent: str, assets: Assets, scope: Scope) -> list[ProjectFacts]:
    """Return the projects in a folder and in those below it; a folder that refuses is named."""
    found: list[ProjectFacts] = []
    waiting, seen = [parent], {parent}
    while waiting:
        some, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        answers = await asyncio.gather(*(_in_folder(one, assets, scope) for one in some))
        for projects, folders in answers:
            found += projects
            waiting += [one for one in folders if one not in seen]
            seen.update(folders)
    return found


async def _in_folder(
    parent: str, assets: Assets, scope: Scope
) -> tuple[list[ProjectFacts], list[str]]:
    projects: list[ProjectFacts] = []
    folders: list[str] = []
    try:
        async for project in assets.projects_in(parent):
            projects.append(project)  # noqa: PERF401  # what came before a refusal is kept
    except MigrateError as error:
        scope.unseen.append((f"projects in {parent}", error))
    try:
        async for folder in assets.folders_in(parent):
            folders.append(folder)  # noqa: PERF401  # as above
    except MigrateError as error:
        scope.unseen.append((f"folders in {parent}", error))
    return projects, folders


async def own_buckets(
    found: Iterable[BucketAsset], known: Projects, scope: Scope, numbers: dict[str, str]
) -> frozenset[str]:
    """Return the buckets that are named for the project that they belong to.

    Anybody could give a bucket the name that another project's would have had.

    Args:
        found: what the search shows.
        known: tells a project's number, where the search names it by that.
        scope: is told of the others.
        numbers: ids of projects by their numbers, as far as they are known.
    """
    kept = set()
    for bucket in found:
        try:
            wanted = read_place(f"gs://{bucket.name}").project.id
        except MigrateError:
            continue  # a name with the same words, which Container Registry never gave
        owner = numbers.get(bucket.project, bucket.project)
        if owner.isdigit():
            try:
                owner = wanted if (await known.facts(wanted)).number == owner else owner
            except MigrateError as error:
                scope.unseen.append((f"owner of bucket {bucket.name}", error))
                continue
        if owner == wanted:
            kept.add(bucket.name)
        else:
            scope.foreign.append((bucket.name, owner))
    return frozenset(kept)
