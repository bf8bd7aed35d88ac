"""What Artifact Registry knows of a project: locations, perimeters, who answers gcr.io names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.sandbox.answers import (
    RefusalError,
    bad,
    error,
    failed,
    mask,
    missing,
    no_method,
    page,
    read_object,
)
from gcr_migrate.sandbox.enums import FINALIZED, in_words
from gcr_migrate.sandbox.permissions import held
from gcr_migrate.sandbox.store import REGISTRY_HOSTS, Store
from gcr_migrate.sandbox.tokens import Identity

if TYPE_CHECKING:
    from gcr_migrate.sandbox.asks import Ask
    from gcr_migrate.sandbox.states import ProjectState

_REGISTRY: Final = "-docker.pkg.dev"
_COPYING: Final = "_AND_COPYING"
_AGENT_NEEDS: Final = frozenset({"storage.objects.get", "storage.objects.list"})
_ALL_READS: Final = 100


class ProjectSettings:
    """The settings of a store's projects.

    Args:
        store: where projects lie.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def settings(self, ask: Ask) -> dict[str, Any]:
        """Answer a call on who answers the gcr.io names of a project."""
        if ask.request.method == "PATCH":
            ask.need("projectsettings.update")
            body = in_words(await read_object(ask.request))
            self._redirect(self._store.project(ask.project), mask(ask.request), body)
        elif ask.request.method == "GET":
            ask.need("projectsettings.get")
        else:
            raise no_method(ask.request)
        project = self._store.project(ask.project)
        body = {"name": ask.name(), "legacyRedirectionState": project.redirect_state}
        percent = project.pull_percent
        return body | ({} if percent is None else {"pullPercent": percent})

    async def locations(self, ask: Ask) -> dict[str, Any]:
        """Answer a call on the locations in which a project may have repositories."""
        if ask.request.method != "GET":
            raise no_method(ask.request)
        one = len(ask.parts) % 2 == 0
        ask.need(f"locations.{'get' if one else 'list'}")
        found = [
            {"name": f"projects/{ask.project}/locations/{id_}", "locationId": id_}
            for id_ in self._location_ids()
        ]
        if not one:
            return page(ask.request, "locations", found, orders=())
        if ask.location not in self._location_ids():
            raise missing(ask.name())
        return next(place for place in found if place["locationId"] == ask.location)

    async def perimeter(self, ask: Ask) -> dict[str, Any]:
        """Answer a call on what remote repositories may reach from within a perimeter."""
        if ask.request.method != "GET":
            raise no_method(ask.request)
        ask.need("vpcscconfigs.get")
        return {"name": ask.name(), "vpcscPolicy": "DENY"}

    def _location_ids(self) -> list[str]:
        served = {
            host.removesuffix(_REGISTRY) for host in REGISTRY_HOSTS if host.endswith(_REGISTRY)
        }
        return sorted(served | {location for _, location, _ in self._store.repositories})

    def _redirect(self, project: ProjectState, fields: list[str], body: dict[str, Any]) -> None:
        """Change the setting, forward only from FINALIZED on.

        A share of reads may come beside the state without being in the mask, as gcloud sends it.
        """
        if set(fields) - {"legacyRedirectionState", "pullPercent", "*"}:
            raise bad("update_mask has an unknown field")
        state = body.get("legacyRedirectionState", project.redirect_state)
        if fields and not {"legacyRedirectionState", "*"} & set(fields):
            state = project.redirect_state
        percent = body.get("pullPercent")
        if percent is not None and not (isinstance(percent, int) and 0 <= percent <= _ALL_READS):
            raise bad("pull_percent is invalid")
        if project.redirect_state == FINALIZED and state != FINALIZED:
            raise failed("The redirection was finalized and cannot be changed any more.")
        if state.endswith(_COPYING):
            self._need_readable_buckets(project)
        project.set_redirect(state, percent)

    def _need_readable_buckets(self, project: ProjectState) -> None:
        """Refuse to copy on demand what the service itself cannot read."""
        agent = f"service-{project.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
        identity = Identity(f"serviceAccount:{agent}", "")
        for bucket in self._store.buckets.values():
            if bucket.project != project.id or "artifacts." not in bucket.name:
                continue
            has = held(self._store, identity, project.id, bucket.bindings)
            if not has >= _AGENT_NEEDS:
                needs = f"requires {agent} to have storage.objects.get and storage.objects.list"
                text = f"This redirection {needs} on the bucket {bucket.name}."
                raise RefusalError(error(403, text))
