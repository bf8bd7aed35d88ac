"""The REST API of Artifact Registry, as far as a migration calls it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from starlette.responses import JSONResponse, Response

from gcr_migrate.sandbox.store import Repository, Store, legal_repository_id
from gcr_migrate.sandbox.tokens import ADMIN, READ, WRITE, Caller, Tokens, rights

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

_COLLECTION: Final = 5  # parts of projects/P/locations/L/repositories
_RESOURCE: Final = 6  # … and of one of them
_PACKAGE_LIST: Final = 3  # packages/PKG/tags
_LARGEST_PAGE: Final = 1_000
_OPERATION_SECONDS: Final = 1.0
_CODES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
}


@dataclass(slots=True)
class _Operation:
    """A long-running operation: done after some polls, or after a second without any."""

    name: str
    repository: Repository
    polls_left: int
    started: float

    def poll(self) -> bool:
        self.polls_left -= 1
        return self.settle()

    def settle(self) -> bool:
        late = time.monotonic() - self.started > _OPERATION_SECONDS
        if self.polls_left <= 0 or late:
            self.repository.ready = True
        return self.repository.ready


@dataclass(frozen=True, slots=True)
class _Ask:
    """A REST call, its path taken apart."""

    request: Request
    caller: Caller
    parts: list[str]

    @property
    def key(self) -> tuple[str, str, str]:
        return self.parts[1], self.parts[3], self.parts[5]


class ArtifactRegistry:
    """The API over one store.

    Args:
        store: where repositories lie.
        tokens: who may ask; access tokens only.
        polls: after how many polls a creation is done.
    """

    def __init__(self, store: Store, tokens: Tokens, polls: int = 2) -> None:
        self._store = store
        self._tokens = tokens
        self._polls = polls
        self._operations: dict[str, _Operation] = {}
        self._verbs: dict[str, Callable[[_Ask, Repository], Awaitable[Response]]] = {
            "GET ": self._get,
            "PATCH ": self._patch,
            "GET getIamPolicy": self._get_policy,
            "POST setIamPolicy": self._set_policy,
            "POST testIamPermissions": self._test_permissions,
        }

    async def answer(self, request: Request) -> Response:
        """Answer a call under `/v1/`."""
        header = request.headers.get("authorization", "")
        caller = self._tokens.caller(header) if header.lower().startswith("bearer ") else None
        if caller is None or caller.scopes is not None:
            return error(401, "Request had invalid authentication credentials.")
        # The wire carries `packages/a%2Fb`, or `a%252Fb` from Google's own Python client.
        raw = request.scope["raw_path"].decode("ascii")
        parts = [unquote(unquote(part)) for part in raw.split("/")[2:]]
        shape = parts[0::2][:4]
        ask = _Ask(request, caller, parts)
        for operation in self._operations.values():
            operation.settle()
        if shape == ["projects", "projectSettings"] or parts[2:] == ["projectSettings"]:
            return self._project_settings(ask)
        if shape == ["projects", "locations", "operations"] and len(parts) == _RESOURCE:
            return self._poll(ask)
        if shape[:3] == ["projects", "locations", "repositories"]:
            return await self._repositories(ask)
        return error(404, f"Method not found: {request.url.path}")

    async def _repositories(self, ask: _Ask) -> Response:
        method, parts = ask.request.method, ask.parts
        if len(parts) == _COLLECTION:
            if method == "POST":
                return await self._create(ask)
            return self._list(ask) if method == "GET" else error(404, "Method not found.")
        id_, _, verb = parts[5].partition(":")
        parts[5] = id_
        repository = self._store.get(ask.key)
        if READ not in self._rights(ask, repository):
            return _denied("get", "/".join(parts[:6]))
        if repository is None:
            return error(404, f'Requested entity was not found: "{"/".join(parts[:6])}"')
        if len(parts) > _RESOURCE:
            return self._contents(ask, repository)
        route = self._verbs.get(f"{method} {verb}")
        return await route(ask, repository) if route else error(404, "Method not found.")

    def _rights(self, ask: _Ask, repository: Repository | None) -> frozenset[str]:
        return rights(self._store, ask.caller.identity, ask.parts[1], repository)

    def _list(self, ask: _Ask) -> Response:
        if READ not in self._rights(ask, None):
            return _denied("list", "/".join(ask.parts[:4]))
        found = [
            _plain(one)
            for one in self._store.repositories.values()
            if (one.project, one.location) == (ask.parts[1], ask.parts[3]) and one.ready
        ]
        return _page(ask.request, "repositories", sorted(found, key=lambda one: str(one["name"])))

    async def _create(self, ask: _Ask) -> Response:
        project, location = ask.parts[1], ask.parts[3]
        id_ = ask.request.query_params.get("repositoryId", "")
        if ADMIN not in self._rights(ask, None):
            return _denied("create", "/".join(ask.parts[:4]))
        if not legal_repository_id(id_, location):
            return error(400, f"repository_id {id_!r} is invalid")
        body = await _json(ask.request)
        if body is None or not body.get("format"):
            return error(400, "repository.format is required")
        if (project, location, id_) in self._store.repositories:
            return error(409, "the repository already exists")
        settings = {key: value for key, value in body.items() if key != "name"}
        repository = Repository(project, location, id_, settings, ready=self._polls <= 0)
        self._store.add(repository)
        name = f"projects/{project}/locations/{location}/operations/op-{len(self._operations) + 1}"
        operation = _Operation(name, repository, self._polls, time.monotonic())
        self._operations[name] = operation
        return _operation(operation)

    def _poll(self, ask: _Ask) -> Response:
        operation = self._operations.get("/".join(ask.parts))
        if operation is None:
            return error(404, "operation not found")
        operation.poll()
        return _operation(operation)

    async def _get(self, _ask: _Ask, repository: Repository) -> Response:
        return JSONResponse(_plain(repository))

    async def _patch(self, ask: _Ask, repository: Repository) -> Response:
        if ADMIN not in self._rights(ask, repository):
            return _denied("update", repository.name)
        body = await _json(ask.request) or {}
        for field in ask.request.query_params.get("updateMask", "").split(","):
            member = field.partition(".")[0]
            if member in {"format", "mode", "kmsKeyName"}:  # fixed at creation
                return error(400, f"{member} cannot be updated")
            if member in body:
                repository.settings[member] = body[member]
        return JSONResponse(_plain(repository))

    async def _get_policy(self, _ask: _Ask, repository: Repository) -> Response:
        return JSONResponse(_policy(repository))

    async def _set_policy(self, ask: _Ask, repository: Repository) -> Response:
        if ADMIN not in self._rights(ask, repository):
            return _denied("setIamPolicy", repository.name)
        body = await _json(ask.request)
        policy = body.get("policy") if body else None
        if not isinstance(policy, dict):
            return error(400, "policy is required")
        # The whole policy is replaced; without an etag there is no check at all.
        if policy.get("etag") not in {None, "", repository.etag}:
            text = "There were concurrent policy changes. Please retry the whole read-modify-write."
            return error(409, text, "ABORTED")
        repository.bindings = [one for one in policy.get("bindings", []) if one.get("members")]
        repository.policy_version += 1
        return JSONResponse(_policy(repository))

    async def _test_permissions(self, ask: _Ask, repository: Repository) -> Response:
        body = await _json(ask.request) or {}
        held = self._rights(ask, repository)
        asked = [str(one) for one in body.get("permissions", [])]
        granted = [one for one in asked if _needs(one) in held]
        return JSONResponse({"permissions": granted} if granted else {})

    def _project_settings(self, ask: _Ask) -> Response:
        if READ not in self._rights(ask, None) or ask.request.method != "GET":
            return _denied("projectsettings.get", ask.parts[1])
        name = f"projects/{ask.parts[1]}/projectSettings"
        state = self._store.project(ask.parts[1]).redirect_state
        body = {"name": name, "legacyRedirectionState": state}
        return JSONResponse(body)

    def _contents(self, ask: _Ask, repository: Repository) -> Response:
        """Answer the lists of what a repository holds, complete whatever its size."""
        parts, request = ask.parts[6:], ask.request
        if parts == ["dockerImages"]:
            return _page(request, "dockerImages", _docker_images(repository))
        if parts == ["packages"]:
            names = [
                f"{repository.name}/packages/{quote(p, '')}" for p in sorted(repository.images)
            ]
            return _page(request, "packages", [{"name": name} for name in names])
        if len(parts) == _PACKAGE_LIST and parts[0] == "packages" and parts[1] in repository.images:
            if parts[2] == "tags":
                return _page(request, "tags", _tags(repository, parts[1]))
            if parts[2] == "versions":
                return _page(request, "versions", _versions(repository, parts[1]))
        return error(404, "Requested entity was not found.")


def _needs(permission: str) -> str:
    """Return the right that stands for a permission."""
    verb = permission.rpartition(".")[2]
    if verb in {"get", "list", "getIamPolicy", READ}:
        return READ
    return WRITE if verb == WRITE or ".tags." in permission else ADMIN


def error(
    status: int, message: str, code: str = "", details: Sequence[dict[str, Any]] = ()
) -> Response:
    """Return an error as Google's APIs word it."""
    body: dict[str, Any] = {"code": status, "message": message, "status": code or _CODES[status]}
    if details:
        body["details"] = list(details)
    return JSONResponse({"error": body}, status)


def _denied(verb: str, resource: str) -> Response:
    permission = f"artifactregistry.repositories.{verb}"
    text = f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
    return error(403, text)


async def _json(request: Request) -> dict[str, Any] | None:
    try:
        body = await request.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _plain(repository: Repository) -> dict[str, Any]:
    uri = f"{repository.location}-docker.pkg.dev/{repository.project.replace(':', '/')}"
    stored = [one for image in repository.images.values() for one in image.manifests.values()]
    size = sum(sum(b.size for b in one.manifest.blobs if b.size > 0) for one in stored)
    fixed = {"name": repository.name, "registryUri": f"{uri}/{repository.id}"}
    defaults = {"format": "DOCKER", "mode": "STANDARD_REPOSITORY", "sizeBytes": str(size)}
    return fixed | defaults | repository.settings


def _policy(repository: Repository) -> dict[str, Any]:
    conditions = any("condition" in binding for binding in repository.bindings)
    policy: dict[str, Any] = {"version": 3 if conditions else 1, "etag": repository.etag}
    return policy | ({"bindings": repository.bindings} if repository.bindings else {})


def _operation(operation: _Operation) -> Response:
    body: dict[str, Any] = {"name": operation.name, "metadata": {}}
    if operation.repository.ready:
        body |= {"done": True, "response": _plain(operation.repository)}
    return JSONResponse(body)


def _page(request: Request, member: str, entries: list[dict[str, Any]]) -> Response:
    asked, token = (request.query_params.get(key, "") for key in ("pageSize", "pageToken"))
    size = min(int(asked), _LARGEST_PAGE) if asked.isdigit() and int(asked) else 100
    start = int(token) if token.isdigit() else 0
    body: dict[str, Any] = {member: entries[start : start + size]}
    if start + size < len(entries):
        body["nextPageToken"] = str(start + size)
    return JSONResponse(body if body[member] else {})


def _time(milliseconds: int) -> str:
    moment = time.gmtime(milliseconds / 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{milliseconds % 1000:03d}Z"


def _docker_images(repository: Repository) -> list[dict[str, Any]]:
    found = []
    for path, image in sorted(repository.images.items()):
        for digest, stored in image.manifests.items():
            tags = sorted(tag for tag, target in image.tags.items() if target == digest)
            subject = stored.manifest.subject
            entry: dict[str, Any] = {
                "name": f"{repository.name}/dockerImages/{quote(path, '')}@{digest}",
                "uri": f"{_plain(repository)['registryUri']}/{path}@{digest}",
                "tags": tags,
                "imageSizeBytes": str(image.size_of(stored)),
                "mediaType": stored.manifest.media_type,
                "uploadTime": _time(stored.uploaded_ms),
                "updateTime": _time(stored.uploaded_ms),
                "artifactType": stored.manifest.artifact_type,
                "subjectDigest": str(subject.digest) if subject else None,
            }
            found.append({key: value for key, value in entry.items() if value})
    return found


def _tags(repository: Repository, path: str) -> list[dict[str, Any]]:
    package = f"{repository.name}/packages/{quote(path, '')}"
    return [
        {"name": f"{package}/tags/{tag}", "version": f"{package}/versions/{digest}"}
        for tag, digest in sorted(repository.images[path].tags.items())
    ]


def _versions(repository: Repository, path: str) -> list[dict[str, Any]]:
    package = f"{repository.name}/packages/{quote(path, '')}"
    return [
        {"name": f"{package}/versions/{digest}", "createTime": _time(stored.uploaded_ms)}
        for digest, stored in repository.images[path].manifests.items()
    ]
