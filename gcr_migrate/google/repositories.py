"""Artifact Registry's repositories and their access policies.

Lists, creation and the caller's permissions by Google's client library. By raw calls what the
library would lose or refuse: of a repository the fields that it does not know,
and of an operation the whole answer once the repository in it has such a field.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.errors import (
    BAD_REPLY,
    OPERATION_FAILED,
    REPOSITORY_DIFFERS,
    MigrateError,
)
from gcr_migrate.google.api import (
    ARTIFACT_REGISTRY,
    PAGE,
    PERMISSIONS_AT_ONCE,
    in_parts,
)
from gcr_migrate.google.libraries import CALL
from gcr_migrate.google.policies import exact_policy, replace_policy
from gcr_migrate.google.settings import (
    body_of_new,
    body_of_virtual,
    change_of,
    check_kind,
    settings_in,
    upstreams_in,
)
from gcr_migrate.model.cloud import DOCKER, UNTOLD, RepositoryFacts
from gcr_migrate.model.settings import Difference, RepositorySettings, differences

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from enum import IntEnum

    from gcr_migrate.google.api import Api
    from gcr_migrate.google.libraries import Libraries
    from gcr_migrate.model.access import Policy
    from gcr_migrate.model.policies import ExactPolicy

T = TypeVar("T")

_OPERATION_S: Final = 300.0
_FIRST_POLL_S: Final = 0.2
_LONGEST_POLL_S: Final = 20.0
_POLL_GROWTH: Final = 1.5
_OK: Final = 200
_NOT_FOUND: Final = 404
_ALREADY_EXISTS: Final = 6  # gRPC code


class ArtifactRegistry:
    """The service; resources are `projects/P/locations/L/repositories/R`.

    Args:
        api: raw calls.
        libraries: Google's client libraries.
    """

    def __init__(self, api: Api, libraries: Libraries) -> None:
        self._api = api
        self._libraries = libraries

    async def get(self, resource: str) -> RepositorySettings | None:
        """Return the settings of a Docker repository, None when it does not exist."""
        reply = await self._api.call("GET", _url(resource), resource, ok={_OK, _NOT_FOUND})
        if reply.status == _NOT_FOUND:
            return None
        body = reply.json(resource)
        check_kind(body, resource)
        return settings_in(body)

    async def upstreams(self, resource: str) -> tuple[str, ...] | None:
        """What a virtual repository stands over, the preferred first; None when it is not there."""
        reply = await self._api.call("GET", _url(resource), resource, ok={_OK, _NOT_FOUND})
        return None if reply.status == _NOT_FOUND else upstreams_in(reply.json(resource), resource)

    async def facts(self, resource: str) -> RepositoryFacts | None:
        """Format and mode of a repository, whichever they are; None when it does not exist."""
        reply = await self._api.call("GET", _url(resource), resource, ok={_OK, _NOT_FOUND})
        if reply.status == _NOT_FOUND:
            return None
        body = reply.json(resource)
        _told(body, "name", resource)
        mode = str(body.get("mode") or "")
        return RepositoryFacts(resource, str(body.get("format") or ""), mode, None)

    async def create(
        self,
        resource: str,
        settings: RepositorySettings,
        *,
        upstreams: Sequence[str] = (),
        operation: str = "",
        on_operation: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Create a Docker repository and wait until it is there; one that is there is fine."""
        body = body_of_virtual(settings, upstreams) if upstreams else body_of_new(settings)
        started_before = _Progress(operation, done=False)
        if not (operation and await self._wait(started_before, resource)):
            begun = await self._start(resource, body)
            if begun and begun.name and on_operation:
                await on_operation(begun.name)
            if begun:
                await self._wait(begun, resource)
        if upstreams:
            await self._shown(resource, self.upstreams)
            return
        found = await self._shown(resource, self.get)
        if settings.kms_key and found.kms_key != settings.kms_key:  # fixed when it was made
            saw = f"kmsKeyName is {found.kms_key or 'not set'}, not {settings.kms_key}"
            raise MigrateError(REPOSITORY_DIFFERS, subject=resource, saw=saw)

    async def change(
        self,
        resource: str,
        settings: RepositorySettings,
        changes: Collection[str],
        *,
        on_previous: Callable[[str], None],
    ) -> bool:
        """Write some settings of a repository and read them back; return whether it had to be."""
        reply = await self._api.call("GET", _url(resource), resource)
        raw = reply.json(resource)
        check_kind(raw, resource)
        if not _to_change(raw, settings, changes):
            return False
        on_previous(reply.body.decode())
        body, mask = change_of(raw, settings, changes)
        url = _url(resource, f"?updateMask={quote(','.join(mask))}")
        await self._api.call("PATCH", url, resource, body=body)
        now = (await self._api.call("GET", _url(resource), resource)).json(resource)
        if left := _to_change(now, settings, changes):
            saw = f"after it was written: {'; '.join(map(str, left))}"
            raise MigrateError(REPOSITORY_DIFFERS, subject=resource, saw=saw)
        return True

    async def policy(self, resource: str) -> Policy:
        """Read the repository's own access policy, version 3."""
        return (await self.exact_policy(resource)).policy

    async def exact_policy(self, resource: str) -> ExactPolicy:
        """Read the repository's own access policy for who writes it back."""
        return await exact_policy(self._api, _url(resource), resource)

    async def replace_policy(self, before: ExactPolicy, after: Policy) -> bool:
        """Write a policy in the place of what was read; False if that is not there any more."""
        return await replace_policy(self._api, _url(before.resource), before, after)

    async def held(self, resource: str, permissions: Collection[str]) -> frozenset[str]:
        """Which of these permissions the caller has on a repository."""
        found: set[str] = set()
        for some in in_parts(permissions, PERMISSIONS_AT_ONCE):
            request = {"resource": resource, "permissions": some}

            def ask(request: dict[str, Any] = request) -> list[str]:
                client = self._libraries.artifact_registry()
                return list(client.test_iam_permissions(request=request, **CALL).permissions)

            found.update(await self._libraries.call(ask, resource))
        return frozenset(found)

    async def in_location(self, project: str, location: str) -> tuple[RepositoryFacts, ...]:
        """All repositories of a project in a location, of any format.

        The library has no word for a mode that it does not know, just as for one that is not
        told: such a repository is read by itself.
        """
        parent = f"projects/{project}/locations/{location}"

        def opened() -> Any:
            request = {"parent": parent, "page_size": PAGE}
            return self._libraries.artifact_registry().list_repositories(request=request, **CALL)

        found: list[RepositoryFacts] = []
        async for rows in self._libraries.pages(opened, _facts, parent):
            found += rows
        return tuple([await self._with_mode(one) for one in found])

    async def _with_mode(self, listed: RepositoryFacts) -> RepositoryFacts:
        if listed.format != DOCKER or listed.mode != UNTOLD:
            return listed
        read = await self.facts(listed.resource)
        return replace(listed, mode=read.mode) if read else listed

    async def locations(self, project: str) -> tuple[str, ...]:
        """Locations in which the project may have repositories."""
        parent = f"projects/{project}"
        found: set[str] = set()
        async for rows in self._api.pages(_url(parent, "/locations"), "locations", parent):
            found.update(str(row["locationId"]) for row in rows if row.get("locationId"))
        return tuple(sorted(found))

    async def _start(self, resource: str, body: dict[str, Any]) -> _Progress | None:
        """Ask for a repository; None if one of this name is there, or on its way."""
        parent, _, name = resource.rpartition("/repositories/")

        def start() -> _Progress | None:
            from google.api_core.exceptions import Conflict  # noqa: PLC0415  # slow to load

            client = self._libraries.artifact_registry()
            request = {"parent": parent, "repository_id": name, "repository": body}
            try:
                begun = client.create_repository(request=request, **CALL).operation
            except Conflict:
                return None
            return _Progress(begun.name, begun.done, begun.error.code, begun.error.message)

        return await self._libraries.call(start, resource)

    async def _poll(self, name: str, resource: str) -> _Progress | None:
        if not name.startswith("projects/"):
            raise MigrateError(BAD_REPLY, subject=resource, saw="operation without a name")
        reply = await self._api.call("GET", _url(name), resource, ok={_OK, _NOT_FOUND})
        if reply.status == _NOT_FOUND:
            return None
        body = reply.json(resource)
        _told(body, "name", resource)
        return _progress(body, name)

    async def _wait(self, progress: _Progress, resource: str) -> bool:
        """Wait for an operation; False if the service does not know it, or not any more."""
        until, pause_s = time.monotonic() + _OPERATION_S, _FIRST_POLL_S
        while not progress.done:
            polled = await self._poll(progress.name, resource)
            if polled is None:
                return False
            progress = polled
            if progress.done:
                break
            if time.monotonic() > until:
                saw = f"operation not done after {_OPERATION_S:.0f} s"
                raise MigrateError(OPERATION_FAILED, subject=resource, saw=saw)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * _POLL_GROWTH, _LONGEST_POLL_S)
        if progress.code and progress.code != _ALREADY_EXISTS:
            saw = f"{progress.code} {progress.message}".strip()[:200]
            raise MigrateError(OPERATION_FAILED, subject=resource, saw=saw)
        return True

    async def _shown(self, resource: str, get: Callable[[str], Awaitable[T | None]]) -> T:
        """Wait for a repository that somebody, or a killed run of ours, is still creating."""
        until, pause_s = time.monotonic() + _OPERATION_S, _FIRST_POLL_S
        while (found := await get(resource)) is None:
            if time.monotonic() > until:
                saw = "the service says that it is there, and does not show it"
                raise MigrateError(OPERATION_FAILED, subject=resource, saw=saw)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * _POLL_GROWTH, _LONGEST_POLL_S)
        return found


class _Progress(Struct, frozen=True):
    """How far a long-running operation is; `code` is 0 unless it failed."""

    name: str
    done: bool
    code: int = 0
    message: str = ""


def _progress(body: dict[str, Any], name: str) -> _Progress:
    error = body.get("error")
    if not isinstance(error, dict):
        return _Progress(name, bool(body.get("done")))
    code = error.get("code")
    known = code if isinstance(code, int) and code else -1  # an error, whatever its code is
    return _Progress(name, bool(body.get("done")), known, str(error.get("message") or ""))


def _to_change(
    raw: dict[str, Any], settings: RepositorySettings, changes: Collection[str]
) -> list[Difference]:
    """Return what a repository has otherwise of those settings that are to be written."""
    found = differences(settings_in(raw), settings)
    return [one for one in found if one.setting.partition(".")[0] in changes]


def _url(resource: str, more: str = "") -> str:
    return ARTIFACT_REGISTRY + quote(resource) + more


def _facts(page: Any) -> list[RepositoryFacts]:
    from google.cloud.artifactregistry_v1 import Repository  # noqa: PLC0415  # slow to load

    return [
        RepositoryFacts(
            resource=row.name,
            format=_word(Repository.Format, row.format_),
            mode=_word(Repository.Mode, row.mode),
            size_bytes=row.size_bytes,
        )
        for row in (Repository.pb(one) for one in page.repositories)
    ]


def _word(words: type[IntEnum], value: int) -> str:
    """Return the service's word for a number, the number where this library has no word."""
    try:
        return words(value).name
    except ValueError:
        return str(value)


def _told(body: dict[str, Any], member: str, resource: str) -> None:
    """Raise BAD_REPLY if a member is missing that such an answer always has."""
    if not body.get(member):
        raise MigrateError(BAD_REPLY, subject=resource, saw=f"no `{member}` in it")
