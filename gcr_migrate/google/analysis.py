"""Policy analyses of Cloud Asset: who can do what with a bucket, wherever granted (FACTS 6.5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlencode

from gcr_migrate.errors import BAD_REPLY, MigrateError
from gcr_migrate.google.api import objects
from gcr_migrate.google.policies import policy_of
from gcr_migrate.model.access import Analysis, Binding, Level, Policy, PolicyOn

if TYPE_CHECKING:
    from collections.abc import Collection

_CLOUD_ASSET: Final = "https://cloudasset.googleapis.com/v1/"
_STORAGE: Final = "//storage.googleapis.com/"
_MANAGER: Final = "//cloudresourcemanager.googleapis.com/"
_READ_BY: Final = "policy analysis"
_LEVELS: Final = {
    "projects": Level.PROJECT,
    "folders": Level.FOLDER,
    "organizations": Level.ORGANIZATION,
}


def analysis_url(scope: str, bucket: str, permissions: Collection[str]) -> str:
    """Return where to ask who has some of these permissions on a bucket; ten at most."""
    query = [
        ("analysisQuery.resourceSelector.fullResourceName", f"{_STORAGE}{bucket}"),
        *(("analysisQuery.accessSelector.permissions", one) for one in sorted(permissions)),
    ]
    return f"{_CLOUD_ASSET}{scope}:analyzeIamPolicy?{urlencode(query)}"


def read_analysis(raw: str, bucket: str) -> Analysis:
    """Read an answer.

    Args:
        raw: JSON of the service.
        bucket: what it is about.

    Raises:
        MigrateError: BAD_REPLY.
    """
    subject = f"gs://{bucket}"
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise MigrateError(BAD_REPLY, subject=subject, saw="no JSON") from error
    main = body.get("mainAnalysis") if isinstance(body, dict) else None
    if not isinstance(main, dict):
        raise MigrateError(BAD_REPLY, subject=subject, saw="no `mainAnalysis` in it")
    results = objects(main, "analysisResults", subject)
    whole = all(
        one.get("fullyExplored") is True for one in (body, main, *results)
    )  # what is false is left out of some answers
    bindings: dict[str, list[Binding]] = {}
    roles: dict[str, frozenset[str]] = {}
    for one in results:
        attached = unquote(str(one.get("attachedResourceFullName") or ""))
        found = policy_of({"bindings": [one.get("iamBinding") or {}]}, subject).bindings[0]
        bindings.setdefault(attached, []).append(found)
        roles[found.role] = roles.get(found.role, frozenset()) | _permissions(one, subject)
    policies = tuple(_on(name, some, subject) for name, some in bindings.items())
    return Analysis(policies, tuple(sorted(roles.items())), whole)


def _permissions(result: dict[str, Any], subject: str) -> frozenset[str]:
    return frozenset(
        str(access["permission"])
        for listed in objects(result, "accessControlLists", subject)
        for access in objects(listed, "accesses", subject)
        if access.get("permission")
    )


def _on(attached: str, bindings: list[Binding], subject: str) -> PolicyOn:
    policy = Policy(tuple(bindings), "")
    if attached.startswith(_STORAGE):
        resource = f"gs://{attached.removeprefix(_STORAGE)}"
        return PolicyOn(Level.BUCKET, resource, policy, read_by=_READ_BY)
    resource = attached.removeprefix(_MANAGER)
    level = _LEVELS.get(resource.partition("/")[0])
    if level is None or resource == attached:
        saw = f"a binding on {attached[:200]}, which is above no bucket"
        raise MigrateError(BAD_REPLY, subject=subject, saw=saw)
    return PolicyOn(level, resource, policy, read_by=_READ_BY)
