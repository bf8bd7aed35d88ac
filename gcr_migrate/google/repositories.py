"""Artifact Registry's repositories and their access policies, by its REST API v1."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gcr_migrate.errors import (
    BAD_REPLY,
    OPERATION_FAILED,
    POLICY_CONFLICT,
    REPOSITORY_DIFFERS,
    MigrateError,
)
from gcr_migrate.model.access import Binding, Condition, Policy
from gcr_migrate.model.plan import RepositorySettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from gcr_migrate.model.access import Grant
    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.secret import Secret
    from gcr_migrate.wire.transport import Wire

_BASE: Final = "https://artifactregistry.googleapis.com/v1/"
_OPERATION_S: Final = 300.0
_FIRST_POLL_S: Final = 0.2
_LONGEST_POLL_S: Final = 20.0
_POLL_GROWTH: Final = 1.5
_POLICY_TRIES: Final = 5
_OK: Final = 200
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_ALREADY_EXISTS: Final = 6  # gRPC code
_CONDITIONS_VERSION: Final = 3


class ArtifactRegistry:
    """The service; resources are `projects/P/locations/L/repositories/R`.

    Args:
        wire: connections.
        token: gives the access token; None goes without.
    """

    def __init__(self, wire: Wire, token: Callable[[], Awaitable[Secret | None]]) -> None:
        self._wire = wire
        self._token = token

    async def get(self, resource: str) -> RepositorySettings | None:
        """Return the settings of a Docker repository, None when it does not exist."""
        reply = await self._call("GET", quote(resource), resource, ok={_OK, _NOT_FOUND})
        if reply.status == _NOT_FOUND:
            return None
        return _settings(reply.json(resource), resource)

    async def create(self, resource: str, settings: RepositorySettings) -> None:
        """Create a Docker repository and wait until it is there; one that is there is fine."""
        parent, _, name = resource.rpartition("/")
        path = f"{quote(parent)}?repositoryId={quote(name, safe='')}"
        body = _body(settings)
        reply = await self._call("POST", path, resource, ok={_OK, _CONFLICT}, body=body)
        if reply.status == _OK:
            await self._wait(reply.json(resource), resource)
        await self._wait_until_shown(resource)

    async def _wait_until_shown(self, resource: str) -> None:
        """Wait for a repository that somebody, or a killed run of ours, is still creating."""
        until, pause_s = time.monotonic() + _OPERATION_S, _FIRST_POLL_S
        while await self.get(resource) is None:
            if time.monotonic() > until:
                saw = "the service says that it is there, and does not show it"
                raise MigrateError(OPERATION_FAILED, subject=resource, saw=saw)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * _POLL_GROWTH, _LONGEST_POLL_S)

    async def policy(self, resource: str) -> Policy:
        """Read the repository's own access policy, version 3."""
        path = f"{quote(resource)}:getIamPolicy?options.requestedPolicyVersion=3"
        reply = await self._call("GET", path, resource, ok={_OK})
        return _policy(reply.json(resource), resource)

    async def add_grants(self, resource: str, grants: tuple[Grant, ...]) -> bool:
        """Add what is missing, and nothing else; return whether anything had to be written."""
        path = f"{quote(resource)}:setIamPolicy"
        for attempt in range(_POLICY_TRIES):
            before = await self.policy(resource)
            after = before.added(grants)
            if after == before:
                return False
            body = {"policy": _policy_body(after)}
            reply = await self._call("POST", path, resource, ok={_OK, _CONFLICT}, body=body)
            if reply.status == _OK:
                return True
            await asyncio.sleep(_FIRST_POLL_S * attempt)
        raise MigrateError(POLICY_CONFLICT, subject=resource, saw=f"{_POLICY_TRIES} tries")

    async def _wait(self, operation: dict[str, Any], resource: str) -> None:
        until, pause_s = time.monotonic() + _OPERATION_S, _FIRST_POLL_S
        while not operation.get("done"):
            name = operation.get("name")
            if not isinstance(name, str) or not name.startswith("projects/"):
                raise MigrateError(BAD_REPLY, subject=resource, saw="operation without a name")
            if time.monotonic() > until:
                saw = f"operation not done after {_OPERATION_S:.0f} s"
                raise MigrateError(OPERATION_FAILED, subject=resource, saw=saw)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * _POLL_GROWTH, _LONGEST_POLL_S)
            operation = (await self._call("GET", quote(name), resource, ok={_OK})).json(resource)
        error = operation.get("error")
        if isinstance(error, dict) and error.get("code") != _ALREADY_EXISTS:
            saw = f"{error.get('code', '')} {error.get('message', '')}".strip()[:200]
            raise MigrateError(OPERATION_FAILED, subject=resource, saw=saw)

    async def _call(
        self,
        method: str,
        path: str,
        subject: str,
        *,
        ok: Collection[int],
        body: dict[str, Any] | None = None,
    ) -> Reply:
        token = await self._token()
        headers = {"authorization": f"Bearer {token.reveal()}"} if token else {}
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = json.dumps(body).encode()
        return await self._wire.request(
            method, _BASE + path, ok=ok, headers=headers, body=content, subject=subject
        )


def _settings(body: dict[str, Any], resource: str) -> RepositorySettings:
    for member, wanted in (("format", "DOCKER"), ("mode", "STANDARD_REPOSITORY")):
        value = body.get(member) or wanted
        if value not in {wanted, wanted.upper(), f"{member.upper()}_UNSPECIFIED"}:
            saw = f"{member} is {value}, not {wanted}"[:200]
            raise MigrateError(REPOSITORY_DIFFERS, subject=resource, saw=saw)
    docker = body.get("dockerConfig")
    labels = body.get("labels")
    return RepositorySettings(
        description=str(body.get("description") or ""),
        labels=tuple(sorted(labels.items())) if isinstance(labels, dict) else (),
        immutable_tags=bool(isinstance(docker, dict) and docker.get("immutableTags")),
        kms_key=str(body.get("kmsKeyName") or ""),
    )


def _body(settings: RepositorySettings) -> dict[str, Any]:
    body: dict[str, Any] = {"format": "DOCKER", "mode": "STANDARD_REPOSITORY"}
    if settings.description:
        body["description"] = settings.description
    if settings.labels:
        body["labels"] = dict(settings.labels)
    if settings.immutable_tags:
        body["dockerConfig"] = {"immutableTags": True}
    if settings.kms_key:
        body["kmsKeyName"] = settings.kms_key
    return body


def _policy(body: dict[str, Any], resource: str) -> Policy:
    bindings = body.get("bindings") or []
    if not isinstance(bindings, list) or not all(isinstance(one, dict) for one in bindings):
        raise MigrateError(BAD_REPLY, subject=resource, saw="policy without a list `bindings`")
    return Policy(tuple(_binding(one) for one in bindings), str(body.get("etag") or ""))


def _binding(body: dict[str, Any]) -> Binding:
    condition = body.get("condition")
    kept = None
    if isinstance(condition, dict):
        kept = Condition(
            title=str(condition.get("title") or ""),
            expression=str(condition.get("expression") or ""),
            description=str(condition.get("description") or ""),
        )
    members = body.get("members") or []
    return Binding(str(body.get("role") or ""), tuple(str(one) for one in members), kept)


def _policy_body(policy: Policy) -> dict[str, Any]:
    bindings = [_binding_body(one) for one in policy.bindings]
    body: dict[str, Any] = {"bindings": bindings, "etag": policy.etag}
    if any(one.condition for one in policy.bindings):
        body["version"] = _CONDITIONS_VERSION  # any lower version would drop the conditions
    return body


def _binding_body(binding: Binding) -> dict[str, Any]:
    body: dict[str, Any] = {"role": binding.role, "members": list(binding.members)}
    if binding.condition:
        one = binding.condition
        body["condition"] = {"title": one.title, "expression": one.expression}
        if one.description:
            body["condition"]["description"] = one.description
    return body
