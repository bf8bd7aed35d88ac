"""Where the images of each gcr.io host go, how the service is asked for them, and what is missing.

The service renames nothing: what has a path below the project has it below the repository.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import Redirection
from gcr_migrate.model.copying import SAME
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.names import (
    GCR_HOSTS,
    GcrHost,
    Project,
    ar_host,
    ar_name,
    check_repository_id,
    gcr_host,
    repository_resource,
)
from gcr_migrate.model.places import artifacts_bucket, read_place
from gcr_migrate.model.settings import AS_IT_COMES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gcr_migrate.interfaces import Buckets, TargetRepositories

# Artifact Registry answers gcr.io names of projects in these states, and is asked by them.
REDIRECTED: Final = frozenset(
    {Redirection.ENABLED, Redirection.ENABLED_AND_COPYING, Redirection.FINALIZED}
)
# What keeps a bucket from being seen, and says nothing of whether it is there.
_HIDDEN: Final = frozenset(
    {errors.API_DISABLED, errors.BILLING_OFF, errors.DENIED, errors.PERIMETER, errors.QUOTA_PROJECT}
)


class Target(Struct, frozen=True):
    """One repository that gets what one gcr.io host has.

    Attributes:
        host: the gcr.io host.
        project: the project whose images they are.
        owner: the project that has the repository.
        location: its location.
        repository: its id.
        start: the name below where to begin; empty for all.
    """

    host: GcrHost
    project: Project
    owner: Project
    location: str
    repository: str
    start: str = ""

    @classmethod
    def own(cls, host: GcrHost, project: Project, start: str = "") -> Target:
        """Return the repository that serves a host's names once they are redirected."""
        return cls(host, project, project, host.location, host.repository_id, start)

    @property
    def is_own(self) -> bool:
        """Whether it is the repository behind the host itself."""
        return self == Target.own(self.host, self.project, self.start)

    @property
    def resource(self) -> str:
        """Return the repository's name in Google's API."""
        return repository_resource(self.owner, self.location, self.repository)

    @property
    def registry(self) -> str:
        """Return the host under which the repository is read, redirected or not."""
        return ar_host(self.location)

    @property
    def name(self) -> str:
        """Return its name at that host."""
        return ar_name(self.owner, self.repository)

    @property
    def source_shown(self) -> str:
        """Return the name that people know its images by."""
        return f"{self.host.name}/{self.project.path}"

    @property
    def shown(self) -> str:
        """Return the name of what is there, as it is pulled once all is done."""
        return self.source_shown if self.is_own else f"{self.registry}/{self.name}"

    def asked(self, state: Redirection) -> tuple[str, str, str]:
        """Return the host to ask, the name there, and what to say where images come from."""
        if not self.is_own:
            return self.registry, self.name, f"{self.host.name}/{self.project.id}"
        if state in REDIRECTED:
            return self.host.name, self.project.path, SAME
        return self.registry, self.name, SAME


def target_in(text: str, host: GcrHost, project: Project, start: str) -> Target:
    """Read the repository that a person wants images of a host to go to.

    Args:
        text: id of a repository in the host's own location, or LOCATION-docker.pkg.dev/PROJECT/ID.
        host: the host.
        project: the project whose images they are.
        start: the name below where to begin.

    Raises:
        MigrateError: `bad-usage`, `bad-name`, `repository-name-refused`.
    """
    owner, location, id_ = project, host.location, text
    if "/" in text:
        place = read_place(text)
        if place.kind != "artifact-registry" or not place.repository or place.path:
            saw = "no REPOSITORY and no LOCATION-docker.pkg.dev/PROJECT/REPOSITORY"
            raise MigrateError(errors.BAD_USAGE, subject=f"--to {text}", saw=saw)
        owner, location, id_ = place.project, place.location, place.repository
    found = Target(host, project, owner, location, id_, start)
    if gcr_host(id_) and not found.is_own:
        saw = f"gcr.io repositories get what their own host has; leave --to out for {host.name}"
        raise MigrateError(errors.BAD_USAGE, subject=f"--to {text}", saw=saw)
    if not gcr_host(id_):
        check_repository_id(id_)
    return found


async def hosts_in_use(
    project: Project, buckets: Buckets, tell: Callable[[Finding], None]
) -> list[GcrHost]:
    """Return the hosts that have a bucket, or one that is hidden from the caller.

    Raises:
        MigrateError: NOTHING_TO_RESCUE if none has; what keeps the buckets from being asked for.
    """
    used: list[GcrHost] = []
    for host in GCR_HOSTS:
        name = artifacts_bucket(host.name, project)
        try:
            found = await buckets.get(name) is not None
        except MigrateError as error:
            if error.problem not in _HIDDEN:
                raise
            found = True
            tell(Finding(errors.NOT_SEEN, Severity.WARNING, f"gs://{name}", error.told))
        if found:
            used.append(host)
            continue
        shown, saw = f"{host.name}/{project.path}", f"no bucket {name}"
        tell(Finding(errors.HOST_EMPTY, Severity.INFO, shown, saw))
    if not used:
        raise MigrateError(errors.NOTHING_TO_RESCUE, subject=project.id)
    return used


async def is_there(
    target: Target, repositories: TargetRepositories, tell: Callable[[Finding], None]
) -> bool:
    """Whether a target exists; what would spoil the copy is told.

    Raises:
        MigrateError: NOT_A_TARGET if nothing can be copied to what is there.
    """
    try:
        has = await repositories.get(target.resource)
    except MigrateError as error:
        if error.problem is not errors.REPOSITORY_DIFFERS:
            raise
        raise MigrateError(errors.NOT_A_TARGET, subject=target.shown, saw=error.saw) from error
    if has is None:
        return False
    deleting = [one.told for one in has.cleanup if one.deletes]
    if deleting and not has.cleanup_dry_run:
        saw = "; ".join(deleting)
        tell(Finding(errors.CLEANUP_DELETES, Severity.WARNING, target.shown, saw))
    return True


class Maker:
    """Creates the repositories that are missing, one after the other.

    Args:
        repositories: Artifact Registry.
        pause_s: seconds between the starts of two creations.
        stop: is set when nothing new shall begin.
    """

    def __init__(
        self, repositories: TargetRepositories, pause_s: float, stop: asyncio.Event
    ) -> None:
        self._repositories = repositories
        self._pause_s = pause_s
        self._stop = stop
        self._has_begun = False

    async def make(
        self, target: Target, operation: str, keep: Callable[[str], Awaitable[None]]
    ) -> bool:
        """Create a repository, or wait for an earlier run's operation; False after a stop.

        Args:
            target: which one.
            operation: by which an earlier run began; empty for none.
            keep: is told the name of the operation before anything is waited for.
        """
        if self._has_begun and not operation:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._pause_s)
        if self._stop.is_set():
            return False
        self._has_begun = True
        await self._repositories.create(
            target.resource, AS_IT_COMES, operation=operation, on_operation=keep
        )
        return True
