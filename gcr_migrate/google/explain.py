"""Tells "no permission" and "no such repository" apart, which registries hide from each other.

Artifact Registry answers 403 to both on purpose. Its REST API says more to those who may see
the project, so it is asked before anything is said to a person: once for each repository.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.google.api import ARTIFACT_REGISTRY
from gcr_migrate.model.names import gcr_host, repository_resource, split_project
from gcr_migrate.wire.replies import problem_of, refusal_of

if TYPE_CHECKING:
    from gcr_migrate.errors import Problem
    from gcr_migrate.google.api import Api, Authorization
    from gcr_migrate.wire.replies import Reply

_HOST: Final = re.compile(r"([a-z0-9-]+)-docker\.pkg\.dev|docker\.([a-z0-9-]+)\.rep\.pkg\.dev")
_OK: Final = 200
_DENIED: Final = 403
_NOT_FOUND: Final = 404
# What stands in the way of all, whatever the registry made of it.
_CLEARER: Final = frozenset(
    {errors.API_DISABLED, errors.BILLING_OFF, errors.PERIMETER, errors.QUOTA_PROJECT}
)


class Explainer:
    """Asks the API what is behind a registry's refusal.

    Args:
        api: calls with the login that was refused.
        authorization: who we are; nobody is asked anonymously.
    """

    def __init__(self, api: Api, authorization: Authorization) -> None:
        self._api = api
        self._authorization = authorization
        self._asking = asyncio.Lock()
        self._answers: dict[str, Reply | None] = {}

    async def __call__(
        self,
        host: str,
        name: str,
        error: MigrateError,
        *,
        write: bool,
    ) -> MigrateError:
        """Return what to say instead of a registry's DENIED or NAME_UNKNOWN, or just that.

        Args:
            host: the registry.
            name: the name that was refused there.
            error: what it said.
            write: whether something was to be written.
        """
        resource = resource_of(host, name)
        if resource is None:
            return error
        async with self._asking:  # one asks, the others have its answer
            if resource not in self._answers:
                self._answers[resource] = await self._ask(resource)
        reply = self._answers[resource]
        return error if reply is None else _better(error, reply, resource, write=write)

    async def _ask(self, resource: str) -> Reply | None:
        """Return the API's answer, None if there is none that says anything."""
        try:
            if not await self._authorization.api_headers():
                return None
            url = ARTIFACT_REGISTRY + quote(resource)
            ok = {_OK, _DENIED, _NOT_FOUND}
            reply = await self._api.send("GET", url, resource, ok=ok)
        except MigrateError:
            return None  # the registry's refusal is told as it is; no other takes its place
        # What stands in between may know no such page: only the API itself says that it is not.
        not_found = "NOT_FOUND" in refusal_of(reply).codes
        return None if reply.status == _NOT_FOUND and not not_found else reply


def resource_of(host: str, name: str) -> str | None:
    """Return the repository in which a registry name lies; None if it is none of Google's."""
    gcr, found = gcr_host(host), _HOST.fullmatch(host)
    if gcr is None and found is None:
        return None
    try:
        project, rest = split_project(f"{host}/{name}", host, name)
    except MigrateError:
        return None
    if gcr is not None:
        return repository_resource(project, gcr.location, gcr.repository_id)
    location = (found[1] or found[2]) if found else ""
    return repository_resource(project, location, rest[0]) if rest else None


def _better(error: MigrateError, reply: Reply, resource: str, *, write: bool) -> MigrateError:
    denied = error.problem is errors.DENIED
    if reply.status == _OK:
        if not denied:
            return error  # the repository is there, the image is not
        role = "roles/artifactregistry." + ("writer" if write else "reader")
        return _like(error, errors.DENIED, f"the repository exists; grant {role} on {resource}")
    if reply.status == _NOT_FOUND:
        return _like(error, errors.REPOSITORY_MISSING, resource)
    told = problem_of(reply, resource)
    if told.problem in _CLEARER:
        return MigrateError(told.problem, subject=error.subject, saw=told.saw)
    if not denied:
        return error  # who is told that it is not there may see the project
    return _like(error, errors.DENIED, f"no permission on {resource}, or no such repository")


def _like(error: MigrateError, problem: Problem, more: str) -> MigrateError:
    return MigrateError(problem, subject=error.subject, saw=f"{error.saw}; {more}")
