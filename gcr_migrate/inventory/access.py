"""Who has access: reads all policies that count for a bucket or repository into a picture."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec.structs import replace

from gcr_migrate.access import DECISIVE, known
from gcr_migrate.errors import (
    API_DISABLED,
    DENIED,
    NAME_UNKNOWN,
    PERIMETER,
    TOO_MANY_REQUESTS,
    MigrateError,
)
from gcr_migrate.model.access import Level, ObjectAccess, Picture, PolicyOn
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator

    from gcr_migrate.interfaces import Access, AnswerStore, Repositories
    from gcr_migrate.model.access import Policy

T = TypeVar("T")
OBJECTS_AT_MOST: Final = 10_000
_UNSEEN: Final = frozenset({DENIED, API_DISABLED, NAME_UNKNOWN, PERIMETER})
_ABOVE: Final = frozenset({Level.PROJECT, Level.FOLDER, Level.ORGANIZATION})
_LEVELS: Final = {"folders": Level.FOLDER, "organizations": Level.ORGANIZATION}


class AccessReader:
    """Reads pictures with the login of one side; each policy and role is read once.

    Args:
        access: policies of buckets, projects and what is above them; roles.
        repositories: Artifact Registry's repositories.
        answers: keeps policy analyses, of which there are few a day; None keeps none.
    """

    def __init__(
        self, access: Access, repositories: Repositories, answers: AnswerStore | None = None
    ) -> None:
        self._access = access
        self._repositories = repositories
        self._answers = answers
        self._policies: dict[str, asyncio.Task[PolicyOn]] = {}
        self._inherited: dict[str, asyncio.Task[tuple[PolicyOn, ...]]] = {}
        self._roles: dict[str, asyncio.Task[frozenset[str] | None]] = {}

    async def bucket(self, shown: str, name: str, project: str) -> Picture:
        """Read who can do what with a bucket.

        Args:
            shown: what is kept in it, such as `us.gcr.io/builds`.
            name: its name.
            project: id of its project.

        Returns:
            The picture; its first policy could not be read where `policy` is None.
        """
        resource = f"gs://{name}"
        own, inherited = await all_of(
            [self._own(Level.BUCKET, resource), self._all_inherited(project)]
        )
        policies, told = await self._analysed(name, (*own, *inherited))
        lists, never_public = (
            await self._beside_policies(name, project) if own[0].policy else (None, False)
        )
        opened = dict(await self._opened(policies))
        roles = tuple(
            (role, told.get(role) if found is None else found) for role, found in opened.items()
        )
        return Picture(
            shown, Level.BUCKET, project, policies, roles, lists, never_public=never_public
        )

    async def repository(
        self, shown: str, resource: str, project: str, *, exists: bool = True
    ) -> Picture:
        """Read who can do what with a repository; one that is yet to be made has no own policy.

        Args:
            shown: the name that people know.
            resource: `projects/P/locations/L/repositories/R`.
            project: id of its project.
            exists: whether it is there.
        """
        own: tuple[PolicyOn, ...] = ()
        if exists:
            own = await self._own(Level.REPOSITORY, resource)
        policies = (*own, *await self._all_inherited(project))
        roles = await self._opened(policies)
        return Picture(shown, Level.REPOSITORY, project, policies, roles, exists=exists)

    async def _beside_policies(self, bucket: str, project: str) -> tuple[ObjectAccess | None, bool]:
        """Read the access lists of objects, and whether public access is prevented.

        Returns:
            None where the bucket's policy alone decides.
        """
        try:
            rules = await self._access.rules(bucket, project)
        except MigrateError as error:
            if error.problem is not DENIED:
                raise
            return ObjectAccess(complete=False, why=error.told), False
        if rules.uniform:
            return None, rules.never_public
        lists = await self._access.objects(bucket, project, rules.project_number, OBJECTS_AT_MOST)
        return lists, rules.never_public

    async def _analysed(
        self, bucket: str, policies: tuple[PolicyOn, ...]
    ) -> tuple[tuple[PolicyOn, ...], dict[str, frozenset[str]]]:
        """Ask a policy analysis for what was hidden above a project, if anything was.

        The widest scope that answers counts, for itself and for what lies in it; one that did not
        see everything proves nothing.

        Returns:
            The policies with what it found, and what it said of roles.
        """
        hidden = [on for on in policies if on.level in _ABOVE and on.policy is None]
        if not hidden or policies[0].policy is None:
            return policies, {}
        names = [on.resource for on in policies if _is_name(on.resource)]
        why = ""
        for scope in reversed(names):
            within = names[: names.index(scope) + 1]  # it looks at nothing above itself
            if not any(on.resource in within for on in hidden):
                break
            try:
                found = self._access.analysed(await self._answer(scope, bucket), bucket)
            except MigrateError as error:
                if error.problem not in {*_UNSEEN, TOO_MANY_REQUESTS}:
                    raise
                why = f"; policy analysis: {error.told}"
                if error.problem is TOO_MANY_REQUESTS:
                    break
                continue
            if found.complete:
                seen = {on.resource for on in policies if on.policy}
                more = [on for on in found.policies if on.resource not in seen]
                left = [on for on in policies if on not in hidden or on.resource not in within]
                return (*_told(left, hidden, why), *more), dict(found.roles)
            why = f"; a policy analysis of {scope} did not see everything"
            break  # and a narrower one would see less
        return tuple(_told(policies, hidden, why)), {}

    async def _answer(self, scope: str, bucket: str) -> str:
        question = f"{scope} {bucket}"
        raw = self._answers.answer(question) if self._answers else None
        if raw is None:
            raw = await self._access.analysis(scope, bucket, DECISIVE)
            if self._answers:
                self._answers.keep_answer(question, raw)
        return raw

    async def _own(self, level: Level, resource: str) -> tuple[PolicyOn, ...]:
        read = self._access if level is Level.BUCKET else self._repositories
        return (await _once(self._policies, resource, lambda: _seen(level, resource, read)),)

    async def _all_inherited(self, project: str) -> tuple[PolicyOn, ...]:
        """Return the policies of a project and of everything above it."""
        return await _once(self._inherited, project, lambda: self._read_inherited(project))

    async def _read_inherited(self, project: str) -> tuple[PolicyOn, ...]:
        own = _seen(Level.PROJECT, f"projects/{project}", self._access)
        return (await own, *await self._above(project))

    async def _above(self, project: str) -> list[PolicyOn]:
        try:
            names = await self._access.above(project)
        except MigrateError as error:
            if error.problem not in _UNSEEN:
                raise
            what = f"what projects/{project} lies in"
            return [PolicyOn(Level.ORGANIZATION, what, None, error.told)]

        def read(name: str) -> Callable[[], Coroutine[None, None, PolicyOn]]:
            level = _LEVELS[name.partition("/")[0]]
            return lambda: _seen(level, name, self._access)

        return await all_of(_once(self._policies, name, read(name)) for name in names)

    async def _opened(
        self, policies: Iterable[PolicyOn]
    ) -> tuple[tuple[str, frozenset[str] | None], ...]:
        """Open the roles of some policies that nobody knows beforehand."""
        names = {
            binding.role
            for on in policies
            for binding in (on.policy.bindings if on.policy else ())
            if known(binding.role) is None
        }

        def read(name: str) -> Callable[[], Coroutine[None, None, frozenset[str] | None]]:
            return lambda: self._access.role(name)

        ordered = sorted(names)
        found = await all_of(_once(self._roles, name, read(name)) for name in ordered)
        return tuple(zip(ordered, found, strict=True))


def _is_name(resource: str) -> bool:
    """Whether this names what an analysis can be asked about."""
    return resource.partition("/")[0] in {"projects", *_LEVELS} and " " not in resource


def _told(
    policies: Iterable[PolicyOn], hidden: Collection[PolicyOn], why: str
) -> Iterator[PolicyOn]:
    """Give policies; to those that are hidden add why no analysis shows them either."""
    for on in policies:
        yield replace(on, why=on.why + why) if on in hidden else on


async def _seen(level: Level, resource: str, read: Access | Repositories) -> PolicyOn:
    """Read a policy; that it is hidden or not there is what is known about it then."""
    try:
        policy: Policy = await read.policy(resource)
    except MigrateError as error:
        if error.problem not in _UNSEEN:
            raise
        return PolicyOn(level, resource, None, error.told)
    return PolicyOn(level, resource, policy)


async def _once(
    tasks: dict[str, asyncio.Task[T]], key: str, work: Callable[[], Coroutine[None, None, T]]
) -> T:
    """Do something once for each key, whoever asks for it meanwhile."""
    if key not in tasks:
        tasks[key] = asyncio.create_task(work())
    return await tasks[key]
