"""Asks what of access may be read, beside projects and repositories: buckets, and what is above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate.doctor.above import policy_permission
from gcr_migrate.doctor.answers import BUCKET
from gcr_migrate.errors import NAME_UNKNOWN, MigrateError
from gcr_migrate.model.places import artifacts_bucket

if TYPE_CHECKING:
    from collections.abc import Collection

    from gcr_migrate.doctor.checks import Case, Place
    from gcr_migrate.interfaces import Access


def bucket_names(case: Case, place: Place) -> tuple[str, ...]:
    """Return the buckets that Container Registry used in a project, whether they are there or not.

    Args:
        case: what is asked about.
        place: the project; as a target it has none that matters.
    """
    if "source" not in place.serves:
        return ()
    return tuple(f"{BUCKET}{artifacts_bucket(one.name, place.project)}" for one in case.hosts)


async def held_on_bucket(
    name: str, access: Access, permissions: Collection[str]
) -> frozenset[str] | None:
    """Ask for the caller's permissions on a bucket; None where there is none."""
    try:
        return await access.held(name, permissions)
    except MigrateError as error:
        if error.problem is not NAME_UNKNOWN:
            raise
        return None


async def readable_above(project: str, access: Access) -> dict[str, bool | MigrateError]:
    """Ask which of the policies above a project may be read.

    Args:
        project: id of the project.
        access: answers.

    Returns:
        By folder and organisation, from below; an error where that was not answered.

    Raises:
        MigrateError: what the project lies in is not told.
    """
    found: dict[str, bool | MigrateError] = {}
    for name in await access.above(project):
        permission = policy_permission(name)
        try:
            found[name] = permission in await access.held(name, {permission})
        except MigrateError as error:
            found[name] = error
    return found
