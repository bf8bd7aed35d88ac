"""What is told about projects: Resource Manager, Service Usage, organisation policies.

A project that does not exist is denied to everybody, which tells nobody that it does not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.sandbox.answers import (
    bad,
    missing,
    no_method,
    page,
    read_object,
)
from gcr_migrate.sandbox.permissions import held, held_above
from gcr_migrate.sandbox.policies import etag_of, read_policy, show_policy
from gcr_migrate.sandbox.rest import SERVICES, need, take_path

if TYPE_CHECKING:
    from starlette.requests import Request

    from gcr_migrate.sandbox.states import ProjectState
    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Identity

_VERBS: Final = frozenset({"getIamPolicy", "setIamPolicy", "testIamPermissions", "getAncestry"}) | {
    "search"
}
_VERSIONS: Final = frozenset({"v1", "v2", "v3"})
_THING: Final = 3  # parts of v3/projects/P
_MADE: Final = "2016-01-01T00:00:00Z"
_KINDS: Final = {"folders": "folder", "organizations": "organization"}
_TITLES: Final = dict(SERVICES.values())
_LARGEST_BATCH: Final = 30
_LARGEST_LIST: Final = 100
_SERVICE: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


class ResourceManager:
    """Cloud Resource Manager, versions 1 and 3, and of folders 2, as far as it is read.

    Args:
        store: has the projects and the folders above them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answer(self, identity: Identity, request: Request) -> dict[str, Any]:
        """Answer a call such as `GET /v3/projects/builds`."""
        (version, *parts), verb = take_path(request, _VERBS)
        if version not in _VERSIONS or not parts or (version == "v2" and parts[0] != "folders"):
            raise no_method(request)
        collection = parts[0]
        if len(parts) == 1 and request.method == "GET" and version == "v3":
            return self._listed(identity, request, collection, verb)
        if collection == "projects" and len(parts) == 1 and request.method == "GET":
            return self._list(identity, version)
        if len(parts) + 1 != _THING:
            raise no_method(request)
        if collection == "projects":
            return await self._project(identity, request, version, parts[1], verb)
        if collection in _KINDS and (version != "v1" or collection == "organizations"):
            return await self._folder(identity, request, "/".join(parts), verb)
        raise no_method(request)

    async def _project(
        self, identity: Identity, request: Request, version: str, id_: str, verb: str
    ) -> dict[str, Any]:
        has, resource = held(self._store, identity, id_), f"projects/{id_}"
        state = self._store.find_project(id_)
        call = f"{request.method} {verb}"
        if state is None:
            need((), f"resourcemanager.projects.{verb or 'get'}", resource)
            raise missing(resource)
        if call == "POST testIamPermissions":
            return await _tested(request, has)
        if call == "POST getIamPolicy":
            need(has, "resourcemanager.projects.getIamPolicy", resource)
            return show_policy(state.bindings, await _asked_version(request))
        if call == "POST setIamPolicy":
            need(has, "resourcemanager.projects.setIamPolicy", resource)
            bindings = read_policy(await read_object(request), etag_of(state.bindings))
            state.bindings = bindings
            return show_policy(bindings, 3)
        need(has, "resourcemanager.projects.get", resource)
        if call == "GET ":
            return _project_v1(state) if version == "v1" else _project_v3(state)
        if call == "POST getAncestry" and version == "v1":
            return self._ancestry(state)
        raise no_method(request)

    def _listed(self, identity: Identity, request: Request, kind: str, verb: str) -> dict[str, Any]:
        """Answer a page of what lies directly in a folder or organisation, or of all one may see.

        Without a `parent` this is more than the service does, which wants one.
        """
        asked = request.query_params
        parent = asked.get("parent") or asked.get("query", "").removeprefix("parent:")
        if kind not in {"projects", "folders"} or (kind == "folders" and not parent):
            raise no_method(request)
        if parent and verb != "search":
            has = held_above(self._store, identity, parent)
            known = parent in self._store.folders
            need(has if known else (), f"resourcemanager.{kind}.list", parent)
        if kind == "folders":
            folders = self._store.folders.values()
            rows = [_folder_v3(one.name, one.parent) for one in folders if one.parent == parent]
            return page(request, kind, rows, largest=_LARGEST_LIST)
        seen = self._list(identity, "v3").get("projects", [])
        rows = [one for one in seen if not parent or one.get("parent") == parent]
        return page(request, kind, rows, largest=_LARGEST_LIST)

    def _list(self, identity: Identity, version: str) -> dict[str, Any]:
        """Answer which projects somebody may see; filters and pages are passed over."""
        word = _project_v1 if version == "v1" else _project_v3
        found = [
            word(state)
            for state in self._store.projects()
            if "resourcemanager.projects.get" in held(self._store, identity, state.id)
        ]
        return {"projects": found} if found else {}

    def _ancestry(self, state: ProjectState) -> dict[str, Any]:
        names = [one.name for one in self._store.above(state.parent)] or [state.parent]
        above = [_resource_id(name) for name in names if name]
        ids = [{"type": "project", "id": state.id}, *above]
        return {"ancestor": [{"resourceId": one} for one in ids]}

    async def _folder(
        self, identity: Identity, request: Request, name: str, verb: str
    ) -> dict[str, Any]:
        kind, has = name.partition("/")[0], held_above(self._store, identity, name)
        folder = self._store.folders.get(name)
        call = f"{request.method} {verb}"
        if folder and call == "POST testIamPermissions":
            return await _tested(request, has)
        need(has if folder else (), f"resourcemanager.{kind}.{verb or 'get'}", name)
        if folder and call == "POST getIamPolicy":
            return show_policy(folder.bindings, await _asked_version(request))
        if folder and call == "GET ":
            return _folder_v3(name, folder.parent)
        raise no_method(request)


async def _tested(request: Request, has: frozenset[str]) -> dict[str, Any]:
    asked = (await read_object(request)).get("permissions", [])
    granted = [one for one in asked if one in has]
    return {"permissions": granted} if granted else {}


async def _asked_version(request: Request) -> object:
    """Return which version of a policy is asked for; without a word it is the first."""
    options = (await read_object(request)).get("options")
    return options.get("requestedPolicyVersion") if isinstance(options, dict) else None


def _project_v1(state: ProjectState) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "projectNumber": state.number,
        "projectId": state.id,
        "lifecycleState": "ACTIVE",
        "name": state.id.rpartition(":")[2],  # the display name
        "createTime": _MADE,
    }
    return plain | ({"parent": _resource_id(state.parent)} if state.parent else {})


def _project_v3(state: ProjectState) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "name": f"projects/{state.number}",
        "projectId": state.id,
        "state": "ACTIVE",
        "displayName": state.id.rpartition(":")[2],
        "createTime": _MADE,
    }
    return plain | ({"parent": state.parent} if state.parent else {})


def _folder_v3(name: str, parent: str) -> dict[str, Any]:
    plain = {"name": name, "displayName": name, "state": "ACTIVE"}
    return plain | ({"parent": parent} if parent else {})


def _resource_id(name: str) -> dict[str, str]:
    collection, _, id_ = name.partition("/")
    return {"type": _KINDS.get(collection, collection), "id": id_}


class ServiceUsage:
    """Service Usage: which services a project has enabled.

    Args:
        store: has the projects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answer(self, identity: Identity, request: Request) -> dict[str, Any]:
        """Answer a call such as `GET /v1/projects/builds/services/pubsub.googleapis.com`."""
        parts, verb = take_path(request, {"batchGet", "enable"})
        if parts[:2] != ["v1", "projects"] or parts[3:4] != ["services"]:
            raise no_method(request)
        has, named, call = held(self._store, identity, parts[2]), parts[4:], request.method
        right = "get" if named or verb else "list"
        right = "enable" if verb == "enable" else right
        need(has, f"serviceusage.services.{right}", f"projects/{parts[2]}")
        state = self._store.project(parts[2])
        if call == "GET" and verb == "batchGet" and not named:
            return {"services": _batch(state, request)}
        if call == "GET" and not verb and not named:
            return {"services": _listed(state, request)}
        if call == "GET" and not verb and len(named) == 1:
            return _service(state, named[0])
        if call == "POST" and verb == "enable" and len(named) == 1:
            service = _service(state, named[0])
            state.disabled.discard(named[0])
            done = service | {"state": "ENABLED"}
            return {"name": "operations/acat.sandbox", "done": True, "response": {"service": done}}
        raise no_method(request)


def _listed(state: ProjectState, request: Request) -> list[dict[str, Any]]:
    """Return the services of the sandbox, and further ones that are known to be disabled."""
    found = [_service(state, one) for one in sorted(_TITLES.keys() | state.disabled)]
    wanted = request.query_params.get("filter", "").removeprefix("state:")
    return [one for one in found if wanted in {"", one["state"]}]


def _batch(state: ProjectState, request: Request) -> list[dict[str, Any]]:
    names = request.query_params.getlist("names")
    if not 0 < len(names) <= _LARGEST_BATCH:
        raise bad(f"names: 1 to {_LARGEST_BATCH} are allowed")
    found = []
    for name in names:
        parent, _, service = name.rpartition("/services/")
        if parent not in {f"projects/{state.id}", f"projects/{state.number}"}:
            raise bad(f"{name} is not of the parent projects/{state.id}")
        found.append(_service(state, service))
    return found


def _service(state: ProjectState, service: str) -> dict[str, Any]:
    if not _SERVICE.fullmatch(service):
        raise missing(service)
    return {
        "name": f"projects/{state.number}/services/{service}",  # with the number, never the id
        "config": {"name": service, "title": _TITLES.get(service, service)},
        "state": "DISABLED" if service in state.disabled else "ENABLED",
        "parent": f"projects/{state.number}",
    }


class OrgPolicy:
    """Organisation policies, as they are in force for a project.

    Args:
        store: has the projects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answer(self, identity: Identity, request: Request) -> dict[str, Any]:
        """Answer `GET /v2/projects/P/policies/CONSTRAINT:getEffectivePolicy`."""
        parts, verb = take_path(request, {"getEffectivePolicy"})
        match parts:
            case ["v2", "projects", project, "policies", constraint] if verb:
                has = held(self._store, identity, project)
            case _:
                raise no_method(request)
        if request.method != "GET":
            raise no_method(request)
        need(has, "orgpolicy.policy.get", f"projects/{project}")
        state = self._store.project(project)
        # Where nothing is set the answer is what the constraint does by itself: it allows.
        rule = state.org_policies.get(constraint, {"allowAll": True})
        return {
            "name": f"projects/{state.number}/policies/{constraint}",
            "spec": {"rules": [rule]},
        }
