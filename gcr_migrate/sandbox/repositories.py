"""Repositories of Artifact Registry, their creation in the background, and their policies."""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from gcr_migrate.model.names import gcr_host
from gcr_migrate.sandbox.answers import (
    RefusalError,
    bad,
    error,
    mask,
    missing,
    moment,
    no_method,
    now_ms,
    page,
    read_object,
)
from gcr_migrate.sandbox.enums import in_words
from gcr_migrate.sandbox.org_rules import allow_members, allow_repository
from gcr_migrate.sandbox.policies import read_policy, show_policy
from gcr_migrate.sandbox.store import Repository, Store, legal_repository_id
from gcr_migrate.sandbox.virtual import check_upstreams

if TYPE_CHECKING:
    from gcr_migrate.sandbox.asks import Ask

_ANY: Final = "type.googleapis.com/google.devtools.artifactregistry.v1."
_OPERATION_SECONDS: Final = 1.0
_FIXED: Final = frozenset({"format", "mode", "kmsKeyName"})
_SETTABLE: Final = _FIXED | {
    "cleanupPolicies",
    "cleanupPolicyDryRun",
    "description",
    "disallowUnspecifiedMode",
    "dockerConfig",
    "labels",
    "mavenConfig",
    "networkConfig",
    "remoteRepositoryConfig",
    "sbomConfig",
    "virtualRepositoryConfig",
    "vulnerabilityScanningConfig",
}
_OUTPUT_ONLY: Final = frozenset(
    {"name", "createTime", "updateTime", "sizeBytes", "registryUri", "satisfiesPzs", "satisfiesPzi"}
)
_LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")
_MOST_LABELS: Final = 64
_MADE_MS: Final = 1_704_067_200_000  # when what was there from the start was made: 2024-01-01


class _Operation(Struct):
    """A long-running operation: done after some polls, or after a second without any."""

    name: str
    repository: Repository
    polls_left: int
    started: float

    def settle(self, polls: int = 0) -> None:
        self.polls_left -= polls
        late = time.monotonic() - self.started > _OPERATION_SECONDS
        if self.polls_left <= 0 or late:
            self.repository.ready = True


class Repositories:
    """The repositories of a store.

    Args:
        store: where they lie.
        polls: after how many polls a creation is done.
    """

    def __init__(self, store: Store, polls: int) -> None:
        self._store = store
        self._polls = polls
        self._operations: dict[str, _Operation] = {}
        self._times: dict[str, tuple[int, int]] = {}

    def settle(self) -> None:
        """End the operations whose time has come."""
        for operation in self._operations.values():
            operation.settle()

    async def operation(self, ask: Ask) -> dict[str, Any]:
        """Answer a poll."""
        operation = self._operations.get(ask.name())
        if operation is None:
            raise missing(ask.name())
        operation.settle(polls=1)
        return self._state(operation)

    async def collection(self, ask: Ask) -> dict[str, Any]:
        """Answer a call on all repositories of a location."""
        if ask.request.method == "POST":
            return await self._create(ask)
        if ask.request.method != "GET":
            raise no_method(ask.request)
        ask.need("repositories.list")
        found = [
            self._plain(one)
            for one in self._store.repositories.values()
            if (one.project, one.location) == (ask.project, ask.location) and one.ready
        ]
        found.sort(key=lambda one: str(one["name"]))
        orders = ("name", "createTime", "updateTime", "description")
        return page(ask.request, "repositories", found, orders=orders)

    async def one(self, ask: Ask) -> dict[str, Any]:
        """Answer a call on one repository."""
        what = f"{ask.request.method} {ask.verb}"
        permission = {
            "GET ": "get",
            "PATCH ": "update",
            "GET getIamPolicy": "getIamPolicy",
            "POST setIamPolicy": "setIamPolicy",
            "POST testIamPermissions": "",
        }.get(what)
        if permission is None:
            raise no_method(ask.request)
        repository = self._store.get(ask.key)
        if permission:
            ask.need(f"repositories.{permission}", repository)
        if repository is None:
            raise missing(ask.name())
        body = await read_object(ask.request) if ask.request.method != "GET" else {}
        if permission == "":
            return _tested(ask, repository, body)
        if permission == "update":
            return self._update(ask, repository, in_words(body))
        if permission == "setIamPolicy":
            return _set_policy(ask, repository, body)
        if permission == "get":
            return self._plain(repository)
        version = ask.parameter("options.requestedPolicyVersion")
        return show_policy(repository.bindings, version, repository.etag)

    async def _create(self, ask: Ask) -> dict[str, Any]:
        ask.need("repositories.create")
        id_ = ask.parameter("repositoryId")
        if not legal_repository_id(id_, ask.location):
            raise bad(f"repository_id {id_!r} is invalid")
        settings = _settings(in_words(await read_object(ask.request)))
        if settings.get("format", "FORMAT_UNSPECIFIED") == "FORMAT_UNSPECIFIED":
            raise bad("repository.format is required")
        if gcr_host(id_) and settings["format"] != "DOCKER":
            raise bad(f"repository_id {id_!r} is for the format DOCKER only")
        check_upstreams(self._store, settings, ask.location)
        if (ask.project, ask.location, id_) in self._store.repositories:
            raise RefusalError(error(409, "the repository already exists"))
        has_key = bool(settings.get("kmsKeyName"))
        allow_repository(self._store.project(ask.project), ask.location, has_key=has_key)
        ready = self._polls <= 0
        repository = Repository(ask.project, ask.location, id_, settings, ready=ready)
        self._store.add(repository)
        self._times[repository.name] = now_ms(), now_ms()
        name = f"{ask.name(4)}/operations/{uuid.uuid4()}"
        operation = _Operation(name, repository, self._polls, time.monotonic())
        self._operations[name] = operation
        return self._state(operation)

    def _state(self, operation: _Operation) -> dict[str, Any]:
        body: dict[str, Any] = {
            "name": operation.name,
            "metadata": {"@type": f"{_ANY}OperationMetadata"},
        }
        if operation.repository.ready:
            typed = {"@type": f"{_ANY}Repository"} | self._plain(operation.repository)
            body |= {"done": True, "response": typed}
        return body

    def _update(self, ask: Ask, repository: Repository, body: dict[str, Any]) -> dict[str, Any]:
        settings = _settings(body)
        fields = [one.partition(".")[0] for one in mask(ask.request)]
        for field in fields if fields and fields != ["*"] else settings:
            if field not in _SETTABLE:
                raise bad(f"update_mask: {field!r} is no field that can be set")
            if field in _FIXED and settings.get(field) != repository.settings.get(field):
                raise bad(f"{field} cannot be updated")
            if field in settings:
                repository.settings[field] = settings[field]
            else:
                repository.settings.pop(field, None)  # named and not sent: back to its default
        check_upstreams(self._store, repository.settings, repository.location)
        made, _ = self._times.get(repository.name, (_MADE_MS, _MADE_MS))
        self._times[repository.name] = made, now_ms()
        return self._plain(repository)

    def _plain(self, repository: Repository) -> dict[str, Any]:
        made, changed = self._times.get(repository.name, (_MADE_MS, _MADE_MS))
        return {
            "name": repository.name,
            "registryUri": registry_uri(repository),
            "mode": "STANDARD_REPOSITORY",
            "createTime": moment(made),
            "updateTime": moment(changed),
            "sizeBytes": str(repository.images.size_bytes),
        } | repository.settings


def registry_uri(repository: Repository) -> str:
    """Return the name of a repository as clients of the registry spell it."""
    project = repository.project.replace(":", "/")
    return f"{repository.location}-docker.pkg.dev/{project}/{repository.id}"


def _settings(body: dict[str, Any]) -> dict[str, Any]:
    """Return what can be set; refuse what is no field, or a label that is none."""
    for field in body.keys() - _SETTABLE - _OUTPUT_ONLY:
        saw = f"Unknown name {field!r} at 'repository': Cannot find field."
        raise bad(f"Invalid JSON payload received. {saw}")
    labels = body.get("labels", {})
    fine = len(labels) <= _MOST_LABELS and all(
        _LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(str(value))
        for key, value in labels.items()
    )
    if not fine:
        raise bad("repository.labels is invalid")
    unstated = {"mode": "MODE_UNSPECIFIED"}.items()  # as gcloud sends it: a standard one is meant
    return {
        key: one for key, one in body.items() if key in _SETTABLE and (key, one) not in unstated
    }


def _set_policy(ask: Ask, repository: Repository, body: dict[str, Any]) -> dict[str, Any]:
    bindings = read_policy(body, repository.etag)
    members = {str(member) for one in bindings for member in one["members"]}
    allow_members(ask.store.project(ask.project), members)
    repository.bindings = bindings
    repository.policy_version += 1
    return show_policy(bindings, 3, repository.etag)


def _tested(ask: Ask, repository: Repository, body: dict[str, Any]) -> dict[str, Any]:
    held = ask.held(repository.bindings)
    granted = [one for one in body.get("permissions", []) if one in held]
    return {"permissions": granted} if granted else {}
