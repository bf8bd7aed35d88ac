"""Cloud Asset's analysis of policies: who can do what with something, and which binding says so."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from gcr_migrate.sandbox.analysis_query import Query, read_query
from gcr_migrate.sandbox.answers import RefusalError, error, error_info
from gcr_migrate.sandbox.conditions import met
from gcr_migrate.sandbox.permissions import ROLES, held, held_above
from gcr_migrate.sandbox.rest import need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from starlette.requests import Request

    from gcr_migrate.sandbox.states import ProjectState
    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Identity

SERVICE: Final = "cloudasset.googleapis.com"
MANAGER: Final = "//cloudresourcemanager.googleapis.com/"
_BUCKET: Final = "//storage.googleapis.com/"
_REPOSITORY: Final = "//artifactregistry.googleapis.com/"
_NEEDS: Final = ("analyzeIamPolicy", "searchAllIamPolicies", "searchAllResources")
_A_DAY: Final = 20  # of one organisation, without a paid tier of Security Command Center
_DENIED: Final = "PERMISSION_DENIED"


class _Attached(Struct, frozen=True):
    """A policy, and the full name of what it stands on."""

    name: str
    bindings: list[dict[str, Any]]


class Analyses:
    """Analyses of the policies in a store, twenty for each organisation.

    Args:
        store: has everything that has a policy.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: Counter[str] = Counter()

    def answer(self, identity: Identity, request: Request, scope: str) -> dict[str, Any]:
        """Answer `GET /v1/SCOPE:analyzeIamPolicy`."""
        kind, _, id_ = scope.partition("/")
        above = held_above(self._store, identity, scope)
        has = held(self._store, identity, id_) if kind == "projects" else above
        for verb in _NEEDS:
            need(has, f"cloudasset.assets.{verb}", scope, service=SERVICE)
        query = read_query(request, scope)
        self._count(scope)
        results, troubles = [], []
        for attached in self._attached(query):
            for binding in attached.bindings:
                found = self._result(identity, query, attached, binding)
                if found:
                    results.append(found[0])
                    troubles += found[1]
        whole = {} if troubles else {"fullyExplored": True}  # what is false is left out
        analysis = {
            "analysisQuery": query.plain(),
            **({"analysisResults": results} if results else {}),
            **({"nonCriticalErrors": troubles} if troubles else {}),
        }
        return {"mainAnalysis": analysis | whole} | whole

    def _count(self, scope: str) -> None:
        above = self._store.above(self._parent(scope) if scope.startswith("projects/") else scope)
        organisation = above[-1].name if above else ""
        if not organisation.startswith("organizations/"):
            return
        self._asked[organisation] += 1
        if self._asked[organisation] <= _A_DAY:
            return
        message = (
            "Quota exceeded for quota metric 'Policy analysis queries' and limit 'Policy analysis "
            f"queries per day per organization' of service '{SERVICE}' for '{organisation}'."
        )
        facts = {"service": SERVICE, "consumer": organisation, "quota_limit_value": str(_A_DAY)}
        info = error_info("RATE_LIMIT_EXCEEDED", "googleapis.com", **facts)
        raise RefusalError(error(429, message, details=[info]))

    def _parent(self, project: str) -> str:
        state = self._store.find_project(project.partition("/")[2])
        return state.parent if state else ""

    def _attached(self, query: Query) -> list[_Attached]:
        """Return the policies in the scope that reach the thing, or all where none is named."""
        if query.resource:
            return self._within(query.scope, list(self._chain(query.resource)))
        names = [
            *(MANAGER + name for name in self._store.folders),
            *(f"{MANAGER}projects/{one.id}" for one in self._store.projects()),
            *(_BUCKET + name for name in self._store.buckets),
            *(_REPOSITORY + one.name for one in self._store.repositories.values()),
        ]
        chains = (self._within(query.scope, list(self._chain(name))) for name in names)
        return [chain[0] for chain in chains if chain]

    def _within(self, scope: str, chain: list[_Attached]) -> list[_Attached]:
        """Return the part of a chain that the scope has; what is above it is not seen."""
        kind, _, id_ = scope.partition("/")
        state = self._store.find_project(id_) if kind == "projects" else None
        top = f"{MANAGER}projects/{state.id}" if state else MANAGER + scope
        names = [one.name for one in chain]
        return chain[: names.index(top) + 1] if top in names else []

    def _chain(self, resource: str) -> Iterator[_Attached]:
        """Give the policies that reach a thing, from below; none if it is not known."""
        named = resource.removeprefix(MANAGER)
        if resource.startswith(_BUCKET):
            bucket = self._store.buckets.get(resource.removeprefix(_BUCKET))
            if bucket:
                yield _Attached(resource, bucket.bindings)
                yield from self._from_project(self._store.project(bucket.project))
        elif resource.startswith(_REPOSITORY):
            by_name = {one.name: one for one in self._store.repositories.values()}
            repository = by_name.get(resource.removeprefix(_REPOSITORY))
            if repository:
                yield _Attached(resource, repository.bindings)
                yield from self._from_project(self._store.project(repository.project))
        elif named.startswith("projects/"):
            state = self._store.find_project(named.partition("/")[2])
            if state:
                yield from self._from_project(state)
        else:
            yield from self._from_above(named)

    def _from_project(self, state: ProjectState) -> Iterator[_Attached]:
        yield _Attached(f"{MANAGER}projects/{state.id}", state.bindings)
        yield from self._from_above(state.parent)

    def _from_above(self, name: str) -> Iterator[_Attached]:
        for folder in self._store.above(name):
            yield _Attached(MANAGER + folder.name, folder.bindings)

    def _result(
        self, identity: Identity, query: Query, attached: _Attached, binding: dict[str, Any]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """Return what a binding gives of what is asked, and what hinders; None for nothing."""
        wanted = [one for one in binding["members"] if query.identity in {"", one}]
        accesses = self._accesses(identity, query, str(binding["role"]))
        if not wanted or not accesses:
            return None
        identities = [_identity(one, query) for one in wanted]
        troubles = [
            one["analysisState"] for one in (*accesses, *identities) if "analysisState" in one
        ]
        resource = query.resource or attached.name
        listed: dict[str, Any] = {
            "resources": [{"fullResourceName": resource}],
            "accesses": accesses,
        }
        if "condition" in binding:
            value = _evaluated(binding["condition"], query.at)
            listed["conditionEvaluation"] = {"evaluationValue": value}
        result = {
            "attachedResourceFullName": attached.name,
            "iamBinding": binding,
            "accessControlLists": [listed],
            "identityList": {"identities": identities},
        }
        return result | ({} if troubles else {"fullyExplored": True}), troubles

    def _accesses(self, identity: Identity, query: Query, role: str) -> list[dict[str, Any]]:
        """Return what a role gives of what is asked; one that is hidden may give all of it."""
        found: list[dict[str, Any]] = [{"role": role}] if role in query.roles else []
        if not query.permissions and not query.roles and not query.expand_roles:
            return [{"role": role}]
        permissions = self._permissions(identity, role)
        if permissions is None:
            cause = f"Permission iam.roles.get is lacking on {role}."
            return found or [{"role": role, "analysisState": {"code": _DENIED, "cause": cause}}]
        anything = query.expand_roles and not query.permissions and not query.roles
        named = sorted(permissions) if anything else query.permissions
        return found + [{"permission": one} for one in named if one in permissions]

    def _permissions(self, identity: Identity, role: str) -> frozenset[str] | None:
        """Return what is in a role; None where the caller may not see it."""
        if role in ROLES:
            return ROLES[role]
        kind, _, rest = role.partition("/")
        id_ = rest.partition("/")[0]
        above = held_above(self._store, identity, f"{kind}/{id_}")
        has = held(self._store, identity, id_) if kind == "projects" else above
        if "iam.roles.get" not in has:
            return None
        custom = self._store.roles.get(role)
        return custom.permissions if custom and custom.counts else frozenset()


def _identity(member: str, query: Query) -> dict[str, Any]:
    """Return a member of a binding; who is in a group, nobody here may see."""
    if not (query.expand_groups and member.startswith("group:")):
        return {"name": member}
    cause = f"Permission to read the members of {member} is lacking."
    return {"name": member, "analysisState": {"code": _DENIED, "cause": cause}}


def _evaluated(condition: dict[str, Any], at: datetime | None) -> str:
    value = met(str(condition.get("expression", "")), at) if at else None
    return {True: "TRUE", False: "FALSE", None: "CONDITIONAL"}[value]
