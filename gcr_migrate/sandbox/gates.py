"""What stands before registries and APIs alike, and asks nobody's rights in a repository.

In the order in which a request meets them: the project that calls are counted to, disabled
services, billing, the service perimeter, the quota. Where registries say such a thing they say it
with DENIED or TOOMANYREQUESTS, and with the same sentence.
"""

from __future__ import annotations

import math
import re
import secrets
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote

from msgspec import Struct

from gcr_migrate.sandbox.answers import error, error_info
from gcr_migrate.sandbox.calls import refuse
from gcr_migrate.sandbox.permissions import held
from gcr_migrate.sandbox.rest import REGISTRY_API, SERVICES, take_path
from gcr_migrate.sandbox.store import place
from gcr_migrate.sandbox.tokens import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from gcr_migrate.sandbox.scenarios import Scenario
    from gcr_migrate.sandbox.states import ProjectState
    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Tokens

QUOTA_PROJECT: Final = "x-goog-user-project"
_GOOGLE: Final = "googleapis.com"  # domain of the reasons that follow
_UNGATED: Final = frozenset({"iam", "oauth2", "sts", "iam_credentials", "metadata"})
_BILLED: Final = frozenset({REGISTRY_API, "storage.googleapis.com"})
_ON_PROJECTS: Final = frozenset(
    {"getAncestry", "getIamPolicy", "setIamPolicy", "testIamPermissions"}
    | {"analyzeIamPolicy", "searchAllResources"}
)
_NAMED: Final = re.compile(r"/v2/(.+?)/(?:manifests|blobs|tags|referrers)(?:/|$)")
_SESSION: Final = re.compile(r"/artifacts-(?:up|down)loads/namespaces/([^/]+)/repositories/([^/]+)")
_TOKEN: Final = "/v2/token"  # noqa: S105  # a path
_BUCKET: Final = re.compile(r"/storage/v1/b/([^/]+)")
_RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"
_PRECONDITION: Final = "type.googleapis.com/google.rpc.PreconditionFailure"
_METRIC: Final = "Requests per project per region"


class _Visit(Struct, frozen=True):
    """A request as the gates see it.

    Attributes:
        registry: whether it came to a registry host.
        service: the service that answers, such as `artifactregistry.googleapis.com`.
        title: what that is called.
        project: what the request is about.
        location: where in the project; `global` if it names none.
        caller: who sent it.
        quota_project: what it shall be counted to; empty for what it is about.
    """

    registry: bool
    service: str
    title: str
    project: ProjectState
    location: str
    caller: Caller
    quota_project: str

    def refusal(
        self, message: str, info: dict[str, Any], details: tuple[dict[str, Any], ...] = ()
    ) -> Response:
        """Return 403 in the words of an API or of a registry."""
        if self.registry:
            return refuse(403, "DENIED", message)
        return error(403, message, details=[info, *details])


class Gates:
    """All gates before one store.

    Args:
        store: has the projects and what surrounds them.
        tokens: tell who sent a request.
        scenario: has the perimeters, and how long a quota's minute is.
    """

    def __init__(self, store: Store, tokens: Tokens, scenario: Scenario) -> None:
        self._store = store
        self._tokens = tokens
        self._perimeters = {one.name: one for one in scenario.perimeters}
        self._windows = Windows(scenario.quota_window)
        self._gates: tuple[Callable[[_Visit], Response | None], ...] = (
            self._quota_project,
            self._disabled,
            _unbilled,
            self._guarded,
            self._exhausted,
        )

    def closed(self, host: str, request: Request) -> Response | None:
        """Return the refusal; None to let a request for a host or service pass."""
        if host in _UNGATED:
            return None
        visit = self._visit(host, request)
        if visit is None:
            return None
        return next((refusal for gate in self._gates if (refusal := gate(visit))), None)

    def _visit(self, host: str, request: Request) -> _Visit | None:
        """Return what a request is about; None where that is no project, or there is none."""
        registry = host not in SERVICES
        if registry:
            found = _at_registry(host, request)
        elif host == "storage":
            found = self._at_bucket(request)
        else:
            found = _at_api(request)
        state = self._store.find_project(found[0]) if found else None
        # Who has no good token is sent for one, or may come as anybody, before gates are asked.
        caller = self._caller(request, anybody=host == "storage" or request.url.path == _TOKEN)
        if found is None or state is None or caller is None:
            return None
        service, title = SERVICES["artifact_registry" if registry else host]
        counted_to = "" if registry else request.headers.get(QUOTA_PROJECT, "")
        return _Visit(registry, service, title, state, found[1], caller, counted_to)

    def _caller(self, request: Request, *, anybody: bool) -> Caller | None:
        header = request.headers.get("authorization", "")
        return self._tokens.caller(header) if header else Caller(None) if anybody else None

    def _at_bucket(self, request: Request) -> tuple[str, str] | None:
        asked = _BUCKET.search(_raw_path(request))
        if not asked:
            return (request.query_params.get("project", ""), "global")
        bucket = self._store.buckets.get(unquote(asked[1]))
        return (bucket.project, bucket.location.lower()) if bucket else None

    def _quota_project(self, visit: _Visit) -> Response | None:
        """Refuse a caller who may not have calls counted to the project that he names."""
        id_ = visit.quota_project
        if not id_:
            return None
        if "serviceusage.services.use" in held(self._store, visit.caller.identity, id_):
            return None
        message = (
            f"Caller does not have required permission to use project {id_}. Grant the caller "
            "the roles/serviceusage.serviceUsageConsumer role, or a custom role with the "
            "serviceusage.services.use permission, by visiting "
            f"https://console.developers.google.com/iam-admin/iam/project?project={id_} "
            "and then retry. Propagation of the new permission may take a few minutes."
        )
        facts = {"service": visit.service, "consumer": f"projects/{id_}"}
        return visit.refusal(message, error_info("USER_PROJECT_DENIED", _GOOGLE, **facts))

    def _disabled(self, visit: _Visit) -> Response | None:
        """Refuse a service that is not enabled, in what is asked about or in what pays for it."""
        payer = self._store.find_project(visit.quota_project) if visit.quota_project else None
        for state in (payer, visit.project):
            if state and visit.service in state.disabled:
                return _not_enabled(visit, state)
        return None

    def _guarded(self, visit: _Visit) -> Response | None:
        """Refuse who stands outside of the perimeter around a project."""
        perimeter = self._perimeters.get(visit.project.perimeter)
        if perimeter is None or visit.service not in perimeter.services:
            return None
        if visit.caller.identity and visit.caller.identity.member in perimeter.members:
            return None
        id_ = secrets.token_urlsafe(32)
        message = (
            "Request is prohibited by organization's policy. "
            f"vpcServiceControlsUniqueIdentifier: {id_}"
        )
        facts = {"uid": id_, "service": visit.service} | _consumer(visit.project)
        info = error_info("SECURITY_POLICY_VIOLATED", _GOOGLE, **facts)
        violation = {"type": "VPC_SERVICE_CONTROLS", "description": id_}
        return visit.refusal(message, info, ({"@type": _PRECONDITION, "violations": [violation]},))

    def _exhausted(self, visit: _Visit) -> Response | None:
        """Refuse everything in a location until its minute is over, once it had its share."""
        limit = visit.project.quotas.get(visit.location, visit.project.requests_per_minute)
        if limit is None or visit.service != REGISTRY_API:
            return None
        wait = self._windows.count((visit.project.id, visit.location), limit)
        return _too_many(visit, limit, wait) if wait else None


class Windows:
    """Requests counted in windows of time.

    Args:
        length: of a window, in seconds; it begins with its first request.
    """

    def __init__(self, length: float) -> None:
        self._length = length
        self._open: dict[tuple[str, str], tuple[float, int]] = {}

    def count(self, key: tuple[str, str], limit: int) -> float:
        """Count a request; return 0, or for how long it is one too many."""
        now = time.monotonic()
        start, seen = self._open.get(key, (now, 0))
        if now - start >= self._length:
            start, seen = now, 0
        self._open[key] = start, seen + 1
        return 0.0 if seen < limit else max(start + self._length - now, 0.001)


def _raw_path(request: Request) -> str:
    return str(request.scope["raw_path"].decode("ascii"))


def _at_registry(host: str, request: Request) -> tuple[str, str] | None:
    """Return the project and location that a name, a scope or the address of a transfer leads to.

    Such addresses authorise themselves: who comes to one without a login passes all gates.
    """
    path = unquote(_raw_path(request))
    named, session = _NAMED.match(path), _SESSION.match(path)
    if path == _TOKEN:
        scopes = parse_qs(request.url.query).get("scope", [""])
        name = scopes[0].removeprefix("repository:").rpartition(":")[0]
    elif session:
        name = f"{session[1].replace(':', '/')}/{session[2]}/transfer"
    else:
        name = named[1] if named else ""
    where = place(host, name) if name else None
    return (where.project, where.location) if where else None


def _at_api(request: Request) -> tuple[str, str] | None:
    (_, *parts), _ = take_path(request, _ON_PROJECTS)
    match parts:
        case ["projects", project, "locations", location, *_]:
            return project, location
        case ["projects", project, *_]:
            return project, "global"
        case _:
            return None


def _consumer(state: ProjectState) -> dict[str, str]:
    return {"consumer": f"projects/{state.number}"}


def _not_enabled(visit: _Visit, state: ProjectState) -> Response:
    message = (
        f"{visit.title} has not been used in project {state.number} before or it is disabled. "
        f"Enable it by visiting https://console.developers.google.com/apis/api/{visit.service}"
        f"/overview?project={state.number} then retry. If you enabled this API recently, wait a "
        "few minutes for the action to propagate to our systems and retry."
    )
    facts = {"service": visit.service, "serviceTitle": visit.title} | _consumer(state)
    return visit.refusal(message, error_info("SERVICE_DISABLED", _GOOGLE, **facts))


def _unbilled(visit: _Visit) -> Response | None:
    """Refuse what costs money in a project that has no billing account."""
    if visit.project.billing or visit.service not in _BILLED:
        return None
    number = visit.project.number
    message = (
        f"This API method requires billing to be enabled. Please enable billing on project "
        f"#{number} by visiting https://console.developers.google.com/billing/enable"
        f"?project={number} then retry."
    )
    facts = {"service": visit.service} | _consumer(visit.project)
    return visit.refusal(message, error_info("BILLING_DISABLED", _GOOGLE, **facts))


def _too_many(visit: _Visit, limit: int, wait: float) -> Response:
    number = visit.project.number
    message = (
        f"Quota exceeded for quota metric '{_METRIC}' and limit '{_METRIC} per minute per region' "
        f"of service '{visit.service}' for consumer 'project_number:{number}'."
    )
    if visit.registry:
        headers = {"Retry-After": str(math.ceil(wait))} if visit.project.retry_after else None
        return refuse(429, "TOOMANYREQUESTS", message, headers)
    facts = {
        "service": visit.service,
        "quota_metric": f"{visit.service}/project_region_requests",
        "quota_limit": "ProjectRegionRequestsPerMinutePerProjectPerRegion",
        "quota_limit_value": str(limit),
        "quota_location": visit.location,
    } | _consumer(visit.project)
    info = error_info("RATE_LIMIT_EXCEEDED", _GOOGLE, **facts)
    retry = {"@type": _RETRY_INFO, "retryDelay": f"{wait:.3f}s"}
    return error(429, message, details=[info, retry])
