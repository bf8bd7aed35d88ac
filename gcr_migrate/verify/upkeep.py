"""How repositories are set up now: against what was promised of them, and what they delete."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.settings import differences
from gcr_migrate.plan.deletions import CopiedVersion, deletions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.interfaces import Repositories
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.model.settings import CleanupPolicy, RepositorySettings
    from gcr_migrate.verify.marks import Marks
    from gcr_migrate.verify.promise import PromisedRoot, PromisedVersion, Side

NO_REPOSITORY: Final = "the repository is not there"


class Lookouts(Protocol):
    """Who hands out a client that only reads repositories."""

    def repositories(self, side: Side) -> Repositories:
        """Return Artifact Registry's repositories."""
        ...


class Upkeep:
    """Repositories as they are set up now, each asked for once.

    Args:
        lookouts: hands out the client.
        side: under whose login it asks.
        now_ms: milliseconds since 1970, for the ages of what is gone.
    """

    def __init__(self, lookouts: Lookouts, side: Side, now_ms: int) -> None:
        self._lookouts = lookouts
        self._side: Side = side
        self._now_ms = now_ms
        self._asking = asyncio.Lock()
        self._answers: dict[str, RepositorySettings | MigrateError | None] = {}

    async def compare(self, marks: Marks, root: PromisedRoot, was: RepositorySettings) -> None:
        """Tell what of a repository is not as it was."""
        now = await self._seen(marks, root)
        if now:
            self._tell(marks, root, changes(now, was))

    async def hold(self, marks: Marks, root: PromisedRoot, planned: Repository) -> None:
        """Tell what of a repository is not as a plan makes it; what it leaves may be otherwise."""
        if planned.upstreams:
            return  # each tag is resolved through it
        now = await self._seen(marks, root)
        if now and (not planned.exists or planned.settings.adopt):
            wrong = (
                f"{one.setting} is {one.has}, planned {one.wants}"
                for one in differences(now, planned.settings)
            )
            self._tell(marks, root, wrong)

    async def deleting(
        self, root: PromisedRoot, path: str, digest: str, version: PromisedVersion
    ) -> str:
        """Return the clean-up policy that may have deleted a version; empty if none can."""
        if not root.resource:
            return ""
        settings = await self._settings(root)
        if settings is None or isinstance(settings, MigrateError) or settings.cleanup_dry_run:
            return ""
        policy = deleting_policy(settings.cleanup, path, digest, version, self._now_ms)
        return f"policy {policy.id}: {policy.told}" if policy else ""

    async def _seen(self, marks: Marks, root: PromisedRoot) -> RepositorySettings | None:
        """Return how a repository is set up; else tell why nobody knows, or that it is gone."""
        if not root.resource:
            return None
        found = await self._settings(root)
        if not isinstance(found, MigrateError):
            if found is None:
                marks.gone(errors.REPOSITORY_CHANGED, root.shown, NO_REPOSITORY)
            return found
        if found.problem is errors.TOKEN_EXPIRED:
            raise found
        if found.problem is errors.REPOSITORY_DIFFERS:
            marks.note(errors.REPOSITORY_CHANGED, Severity.ERROR, root.shown, found.saw)
        else:
            saw = f"its settings: {found.told}"
            marks.note(errors.NOT_CHECKED, Severity.ERROR, root.shown, saw)
        return None

    @staticmethod
    def _tell(marks: Marks, root: PromisedRoot, changes: Iterator[str]) -> None:
        for saw in changes:
            marks.note(errors.REPOSITORY_CHANGED, Severity.ERROR, root.shown, saw)

    async def _settings(self, root: PromisedRoot) -> RepositorySettings | MigrateError | None:
        async with self._asking:
            if root.resource not in self._answers:
                try:
                    repositories = self._lookouts.repositories(self._side)
                    self._answers[root.resource] = await repositories.get(root.resource)
                except MigrateError as error:
                    self._answers[root.resource] = error
            return self._answers[root.resource]


def changes(now: RepositorySettings, was: RepositorySettings) -> Iterator[str]:
    """Tell each setting that decides about images and is not what it was."""
    if now.immutable_tags != was.immutable_tags:
        is_now, before = _switch(now.immutable_tags), _switch(was.immutable_tags)
        yield f"immutable tags are {is_now}, were {before}"
    if now.kms_key != was.kms_key:
        yield f"key is {now.kms_key or 'none of its own'}, was {was.kms_key or 'none of its own'}"
    if now.cleanup_dry_run != was.cleanup_dry_run and (now.cleanup or was.cleanup):
        now_dry, was_dry = _switch(now.cleanup_dry_run), _switch(was.cleanup_dry_run)
        yield f"dry run of clean-up policies is {now_dry}, was {was_dry}"
    old = {one.id: one for one in was.cleanup}
    new = {one.id: one for one in now.cleanup}
    for id_ in sorted(old.keys() | new.keys()):
        if old.get(id_) != new.get(id_):
            told = [one.told if one else "not there" for one in (new.get(id_), old.get(id_))]
            yield f"clean-up policy {id_} is: {told[0]}; was: {told[1]}"


def _switch(is_on: bool) -> str:  # noqa: FBT001  # the value itself
    return "on" if is_on else "off"


def deleting_policy(
    policies: Sequence[CleanupPolicy],
    path: str,
    digest: str,
    version: PromisedVersion,
    now_ms: int,
) -> CleanupPolicy | None:
    """Return the first policy that deletes such a version at an age that it can have reached."""
    most = max((one.keep_count or 0 for one in policies), default=0)
    gone = CopiedVersion(path, digest, version.tags)
    newer = [CopiedVersion(path, f"newer {at}") for at in range(min(version.newer, most))]
    by_id = {one.id: one for one in policies}
    age_s = None
    if version.uploaded_ms is not None:
        age_s = max(0, now_ms - version.uploaded_ms) // 1000
    for found in deletions(policies, [gone, *newer]):
        if found.version is gone and (age_s is None or found.age_s <= age_s):
            return by_id[found.policy]
    return None
