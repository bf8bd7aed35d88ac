"""IAM, Pub/Sub: what roles are made of, and who listens to a project's pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.sandbox.answers import missing, no_method, page
from gcr_migrate.sandbox.permissions import ROLES, held, held_above
from gcr_migrate.sandbox.rest import need, take_path

if TYPE_CHECKING:
    from starlette.requests import Request

    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Identity

_TOPIC: Final = "gcr"  # to which registries tell of pushes and deletions


class Roles:
    """IAM, as far as its roles are read.

    Args:
        store: has the custom roles.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answer(self, identity: Identity, request: Request) -> dict[str, Any]:
        """Answer `GET /v1/roles`, `GET /v1/roles/NAME`, or that of a project or organisation.

        Predefined roles are from the table that rights are computed with, and everybody may ask
        for them; custom ones are for those who may see roles there.
        """
        parts, _ = take_path(request)
        if request.method != "GET" or parts[:1] != ["v1"]:
            raise no_method(request)
        name = "/".join(parts[1:])
        if name == "roles":
            return page(request, "roles", [_role(one, full=False) for one in sorted(ROLES)])
        if parts[1:2] in (["projects"], ["organizations"]):
            return self._custom(identity, name)
        if name not in ROLES:
            raise missing(name)
        return _role(name, full=True)

    def _custom(self, identity: Identity, name: str) -> dict[str, Any]:
        kind, id_, *_ = name.split("/")
        above = held_above(self._store, identity, f"{kind}/{id_}")
        has = held(self._store, identity, id_) if kind == "projects" else above
        need(has, "iam.roles.get", name)
        role = self._store.roles.get(name)
        if role is None:
            raise missing(name)
        plain = {"name": name, "title": name.rpartition("/")[2], "stage": role.stage}
        gone = {"deleted": True} if role.deleted else {}
        return plain | gone | {"includedPermissions": sorted(role.permissions)}


def _role(name: str, *, full: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": name, "title": name.rpartition("/")[2], "stage": "GA"}
    return plain | ({"includedPermissions": sorted(ROLES[name])} if full else {})


class PubSub:
    """The subscriptions of Pub/Sub, as far as they are read.

    Args:
        store: has the projects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answer(self, identity: Identity, request: Request) -> dict[str, Any]:
        """Answer which subscriptions the topic `gcr` has, or what one of them is."""
        parts, _ = take_path(request)
        if request.method != "GET":
            raise no_method(request)
        match parts:
            case ["v1", "projects", project, "topics", topic, "subscriptions"]:
                self._need(identity, project, "pubsub.topics.get")
                names = self._names(project, topic)
                return {"subscriptions": names} if names else {}
            case ["v1", "projects", project, "subscriptions"]:
                self._need(identity, project, "pubsub.subscriptions.list")
                own = self._store.project(project).subscriptions.items()
                return page(request, "subscriptions", [_subscription(project, *one) for one in own])
            case ["v1", "projects", project, "subscriptions", name]:
                self._need(identity, project, "pubsub.subscriptions.get")
                found = self._store.project(project).subscriptions.get(name)
                if found is None:
                    raise missing(f"projects/{project}/subscriptions/{name}")
                return _subscription(project, name, found)
            case _:
                raise no_method(request)

    def _need(self, identity: Identity, project: str, permission: str) -> None:
        need(held(self._store, identity, project), permission, f"projects/{project}")

    def _names(self, project: str, topic: str) -> list[str]:
        """Return the names of a topic's subscriptions, those of other projects too."""
        wanted = f"projects/{project}/topics/{topic}"
        found = [
            plain["name"]
            for state in self._store.projects()
            for plain in (_subscription(state.id, *one) for one in state.subscriptions.items())
            if plain["topic"] == wanted
        ]
        if not found and topic != _TOPIC:
            raise missing(wanted)
        return sorted(found)


def _subscription(project: str, name: str, stated: dict[str, Any]) -> dict[str, Any]:
    usual = {
        "name": f"projects/{project}/subscriptions/{name}",
        "topic": f"projects/{project}/topics/{_TOPIC}",
        "pushConfig": {},
        "ackDeadlineSeconds": 10,
        "messageRetentionDuration": "604800s",
        "state": "ACTIVE",
    }
    return usual | stated
