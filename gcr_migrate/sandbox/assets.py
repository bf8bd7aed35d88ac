"""Cloud Asset Inventory: the search for buckets below something, and the analysis of policies."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gcr_migrate.sandbox.answers import RefusalError, bad, error, no_method, page
from gcr_migrate.sandbox.permissions import held, held_above, permissions_of
from gcr_migrate.sandbox.rest import need, take_path

if TYPE_CHECKING:
    from starlette.requests import Request

    from gcr_migrate.sandbox.states import BucketState
    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Identity

_SEARCH: Final = "searchAllResources"
_ANALYZE: Final = "analyzeIamPolicy"
_RIGHT: Final = "cloudasset.assets"
_STORAGE: Final = "//storage.googleapis.com/"
_MANAGER: Final = "//cloudresourcemanager.googleapis.com/"
_DAILY: Final = 20  # analyses of one organisation
_MOST_PERMISSIONS: Final = 10
_BUCKET: Final = "storage.googleapis.com/Bucket"
_LARGEST_PAGE: Final = 500
_SCOPE: Final = 3  # parts of v1/folders/N
_FIELDS: Final = frozenset({"name", "assetType", "displayName", "location"}) | {
    "parentFullResourceName",
    "project",
}


class CloudAsset:
    """The search over a store's buckets, and who can do what with one; there is nothing else here.

    Args:
        store: has the buckets, and what they lie below.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._analyses: Counter[str] = Counter()

    async def answer(self, identity: Identity, request: Request) -> dict[str, Any]:
        """Answer `GET /v1/SCOPE:searchAllResources` and `GET /v1/SCOPE:analyzeIamPolicy`."""
        parts, verb = take_path(request, {_SEARCH, _ANALYZE})
        collections = {"projects", "folders", "organizations"}
        known = len(parts) == _SCOPE and parts[0] == "v1" and parts[1] in collections
        if not known or not verb or request.method != "GET":
            raise no_method(request)
        scope = "/".join(parts[1:])
        above = held_above(self._store, identity, scope)
        has = held(self._store, identity, parts[2]) if parts[1] == "projects" else above
        need(has, f"{_RIGHT}.{verb}", scope, service="cloudasset.googleapis.com")
        if verb == _ANALYZE:
            return self._analyzed(scope, request)
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

    def _analyzed(self, scope: str, request: Request) -> dict[str, Any]:
        """Answer who has some permissions on a bucket, by which binding of what it lies below.

        Groups stay as they are named. A day of an organisation never ends here.
        """
        asked = request.query_params
        name = asked.get("analysisQuery.resourceSelector.fullResourceName", "")
        wanted = set(asked.getlist("analysisQuery.accessSelector.permissions"))
        bucket = self._store.buckets.get(name.removeprefix(_STORAGE))
        if bucket is None or not name.startswith(_STORAGE):
            raise bad(f"{name!r} is no bucket, and nothing else is analysed by the sandbox")
        if not 0 < len(wanted) <= _MOST_PERMISSIONS:
            raise bad(f"1 to {_MOST_PERMISSIONS} permissions can be asked for")
        state = self._store.project(bucket.project)
        above = self._store.above(state.parent)
        organization = above[-1].name if above else f"projects/{state.id}"
        self._analyses[organization] += 1
        if self._analyses[organization] > _DAILY:
            text = "Quota exceeded for quota metric 'AnalyzeIamPolicy' and limit 'per day'."
            raise RefusalError(error(429, text))
        own = f"projects/{state.id}"
        levels = [(name, bucket.bindings), (f"{_MANAGER}{own}", state.bindings)]
        levels += [(f"{_MANAGER}{one.name}", one.bindings) for one in above]
        inside = {own: 2} | {one.name: 3 + at for at, one in enumerate(above)}
        seen = levels[: inside.get(scope, 0)]
        results = [
            found
            for attached, bindings in seen
            for binding in bindings
            if (found := self._result(attached, binding, wanted, name))
        ]
        whole = len(seen) == len(levels)
        analysis = {"analysisResults": results, "fullyExplored": whole}
        if not whole:
            cause = f"{scope} does not show what is above it"
            analysis["nonCriticalErrors"] = [{"code": "PERMISSION_DENIED", "cause": cause}]
        return {"mainAnalysis": analysis, "fullyExplored": whole}

    def _result(
        self, attached: str, binding: dict[str, Any], wanted: set[str], name: str
    ) -> dict[str, Any] | None:
        """Return what a binding gives of some permissions; None if it gives nothing of them."""
        given = sorted(permissions_of([str(binding.get("role"))], self._store.roles) & wanted)
        if not given:
            return None
        access: dict[str, Any] = {
            "resources": [{"fullResourceName": name}],
            "accesses": [{"permission": one} for one in given],
        }
        if "condition" in binding:
            access["conditionEvaluation"] = {"evaluationValue": "CONDITIONAL"}
        return {
            "attachedResourceFullName": attached,
            "iamBinding": binding,
            "accessControlLists": [access],
            "identityList": {"identities": [{"name": one} for one in binding.get("members", [])]},
            "fullyExplored": True,
        }

    def _is_below(self, bucket: BucketState, scope: str) -> bool:
        state = self._store.project(bucket.project)
        own = {f"projects/{state.id}", f"projects/{state.number}", state.parent}
        return scope in own | {one.name for one in self._store.above(state.parent)}

    def _described(self, bucket: BucketState) -> dict[str, Any]:
        state = self._store.project(bucket.project)
        manager = "//cloudresourcemanager.googleapis.com"
        return {
            "name": f"//storage.googleapis.com/{bucket.name}",
            "assetType": _BUCKET,
            "project": f"projects/{state.number}",
            "displayName": bucket.name,
            "location": bucket.location.lower(),
            "parentFullResourceName": f"{manager}/projects/{quote(state.id, safe=':')}",
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
