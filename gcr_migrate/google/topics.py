"""Topics of Pub/Sub and who listens to them, by raw calls; only ever read (FACTS 15.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gcr_migrate.errors import BAD_REPLY, MigrateError
from gcr_migrate.google.api import PAGE, PageTokens
from gcr_migrate.model.cloud import Subscriber

if TYPE_CHECKING:
    from gcr_migrate.google.api import Api

_PUBSUB: Final = "https://pubsub.googleapis.com/v1/"
_OK: Final = 200
_NOT_FOUND: Final = 404
# Kind of export, by the member that holds it, and the member of that which says where it goes.
_EXPORTS: Final = {
    "bigqueryConfig": ("BigQuery export", "table"),
    "cloudStorageConfig": ("Cloud Storage export", "bucket"),
    "pubsubExportConfig": ("Pub/Sub export", "topic"),
}


class GoogleTopics:
    """The service.

    Args:
        api: raw calls.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def subscribers(self, project: str, topic: str) -> tuple[str, ...]:
        """Return the names of a topic's subscriptions; none where there is no such topic."""
        subject = f"projects/{project}/topics/{topic}"
        url = f"{_PUBSUB}projects/{quote(project, safe='')}/topics/{topic}/subscriptions"
        names: list[str] = []
        token, turned = "", PageTokens(subject)
        while True:
            onward = f"&pageToken={quote(token, safe='')}" if token else ""
            asked = f"{url}?pageSize={PAGE}{onward}"
            reply = await self._api.call("GET", asked, subject, ok={_OK, _NOT_FOUND})
            if reply.status == _NOT_FOUND:
                return ()
            body = reply.json(subject)
            found = body.get("subscriptions") or []
            if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
                raise MigrateError(BAD_REPLY, subject=subject, saw="subscriptions without names")
            names += found
            token = str(body.get("nextPageToken") or "")
            if not token:
                return tuple(sorted(names))
            turned.check(token)

    async def subscriber(self, name: str) -> Subscriber | None:
        """Return one subscription by its full name; None where it is gone."""
        reply = await self._api.call("GET", _PUBSUB + quote(name), name, ok={_OK, _NOT_FOUND})
        return None if reply.status == _NOT_FOUND else _subscriber(name, reply.json(name))


def _subscriber(name: str, body: dict[str, Any]) -> Subscriber:
    kind, to = "pull", ""
    for member, (export, where) in _EXPORTS.items():
        if told := _object(body, member):
            kind, to = export, str(told.get(where) or "")
    pushed = _object(body, "pushConfig").get("pushEndpoint")
    if pushed:
        kind, to = "push", str(pushed)
    return Subscriber(
        name=name,
        kind=kind,
        to=to,
        filter=str(body.get("filter") or ""),
        state=str(body.get("state") or ""),
        detached=body.get("detached") is True,
    )


def _object(body: dict[str, Any], member: str) -> dict[str, Any]:
    found = body.get(member)
    return found if isinstance(found, dict) else {}
