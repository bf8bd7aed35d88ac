"""Cloud Asset Inventory: the search for buckets below something, and the analysis of policies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gcr_migrate.sandbox.analysis import MANAGER, SERVICE, Analyses
from gcr_migrate.sandbox.answers import bad, no_method, page
from gcr_migrate.sandbox.permissions import held, held_above
from gcr_migrate.sandbox.rest import need, take_path

if TYPE_CHECKING:
    from starlette.requests import Request

    from gcr_migrate.sandbox.states import BucketState
    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Identity

_SEARCH: Final = "searchAllResources"
_ANALYZE: Final = "analyzeIamPolicy"
_RIGHT: Final = f"cloudasset.assets.{_SEARCH}"
_BUCKET: Final = "storage.googleapis.com/Bucket"
_LARGEST_PAGE: Final = 500
_SCOPE: Final = 3  # parts of v1/folders/N
_FIELDS: Final = frozenset({"name", "assetType", "displayName", "location"}) | {
    "parentFullResourceName",
    "project",
}


class CloudAsset:
    """The search over a store's buckets, and what its policies say.

    Args:
        store: has the buckets and policies, and what they lie below.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._analyses = Analyses(store)

    async def answer(self, identity: Identity, request: Request) -> dict[str, Any]:
        """Answer `GET /v1/SCOPE:searchAllResources`, `:analyzeIamPolicy`, or a project's assets."""
        parts, verb = take_path(request, {_SEARCH, _ANALYZE})
        match parts:
            case ["v1", "projects", project, "assets"] if request.method == "GET":
                return self._list(identity, request, project)
        collections = {"projects", "folders", "organizations"}
        known = len(parts) == _SCOPE and parts[0] == "v1" and parts[1] in collections
        if not known or not verb or request.method != "GET":
            raise no_method(request)
        scope = "/".join(parts[1:])
        if verb == _ANALYZE:
            return self._analyses.answer(identity, request, scope)
        return self._search(identity, request, parts, scope)

    def _list(self, identity: Identity, request: Request, project: str) -> dict[str, Any]:
        """Answer a page of resources whose types begin as one of those that are asked for."""
        has = held(self._store, identity, project)
        need(has, "cloudasset.assets.listResource", f"projects/{project}", service=SERVICE)
        if request.query_params.get("contentType") != "RESOURCE":
            raise bad("content_type: only RESOURCE is understood by the sandbox")
        kinds = [re.compile(one) for one in request.query_params.getlist("assetTypes")]
        found = [
            one
            for one in self._store.project(project).assets
            if not kinds or any(kind.fullmatch(str(one.get("assetType"))) for kind in kinds)
        ]
        return page(request, "assets", found)

    def _search(
        self, identity: Identity, request: Request, parts: list[str], scope: str
    ) -> dict[str, Any]:
        """Answer a page of buckets; there is no other kind of asset here."""
        above = held_above(self._store, identity, scope)
        has = held(self._store, identity, parts[2]) if parts[1] == "projects" else above
        need(has, _RIGHT, scope, service=SERVICE)
        kinds = request.query_params.getlist("assetTypes")
        found = [
            self._described(one)
            for _, one in sorted(self._store.buckets.items())
            if self._is_below(one, scope) and (not kinds or _BUCKET in kinds)
        ]
        words = _words(request.query_params.get("query", ""))
        matching = [one for one in found if words <= _tokens(one["displayName"])]
        mask = _mask(request.query_params.get("readMask", ""))
        shown = [{key: one[key] for key in one if not mask or key in mask} for one in matching]
        return page(request, "results", shown, largest=_LARGEST_PAGE)

    def _is_below(self, bucket: BucketState, scope: str) -> bool:
        state = self._store.project(bucket.project)
        own = {f"projects/{state.id}", f"projects/{state.number}", state.parent}
        return scope in own | {one.name for one in self._store.above(state.parent)}

    def _described(self, bucket: BucketState) -> dict[str, Any]:
        state = self._store.project(bucket.project)
        return {
            "name": f"//storage.googleapis.com/{bucket.name}",
            "assetType": _BUCKET,
            "project": f"projects/{state.number}",
            "displayName": bucket.name,
            "location": bucket.location.lower(),
            "parentFullResourceName": f"{MANAGER}projects/{quote(state.id, safe=':')}",
        }


def _words(query: str) -> frozenset[str]:
    """Return the words that a query for a name wants to be in it, in any order."""
    field, colon, wanted = query.partition(":")
    if not query:
        return frozenset()
    if field != "name" or not colon:
        raise bad(f"query {query!r} is not understood by the sandbox")
    return _tokens(wanted)


def _tokens(text: str) -> frozenset[str]:
    """Return the words of a text; whatever is no letter or digit parts them."""
    return frozenset("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _mask(text: str) -> frozenset[str]:
    fields = frozenset(one.strip() for one in text.split(",") if one.strip()) - {"*"}
    if unknown := sorted(fields - _FIELDS):
        raise bad(f"read_mask {unknown[0]!r} is invalid")
    return fields
