"""Who may do what with buckets and projects: policies, access lists of objects, roles.

All by raw calls: the libraries would drop what they do not know of a policy.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from gcr_migrate.errors import (
    API_DISABLED,
    BAD_REPLY,
    DENIED,
    PERIMETER,
    TOO_MANY_REQUESTS,
    MigrateError,
)
from gcr_migrate.google.analysis import analysis_url, read_analysis
from gcr_migrate.google.api import RESOURCE_MANAGER, PageTokens, objects
from gcr_migrate.google.policies import policy_of
from gcr_migrate.google.projects import GoogleProjects
from gcr_migrate.model.access import BucketRules, ObjectAccess, Policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from gcr_migrate.google.api import Api
    from gcr_migrate.model.access import Analysis

_STORAGE: Final = "https://storage.googleapis.com/storage/v1/b/"
_ANCESTRY: Final = "https://cloudresourcemanager.googleapis.com/v1/projects/"
_ROLES: Final = "https://iam.googleapis.com/v1/"
_BUCKET: Final = "gs://"
_OK: Final = 200
_FORBIDDEN: Final = 403
_TOO_MANY: Final = 429
_NOT_FOUND: Final = 404
_IMAGES: Final = "containers/images/"
_OBJECTS_AT_ONCE: Final = 1_000
_ABOVE: Final = {"folder": "folders", "organization": "organizations"}
_OF_PROJECTS: Final = {
    "owners": "projectOwner",
    "editors": "projectEditor",
    "viewers": "projectViewer",
}
_AGENTS: Final = ".gserviceaccount.com"
_READS: Final = frozenset({"READER", "OWNER"})
_PUBLIC_ACCESS_PREVENTION: Final = "constraints/storage.publicAccessPrevention"
_HIDDEN: Final = frozenset({API_DISABLED, DENIED, PERIMETER})


class AccessOfGoogle:
    """What is read of access; resources are `gs://B`, `projects/P`, `folders/N`, `organizations/N`.

    Args:
        api: raw calls.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._projects = GoogleProjects(api)

    async def policy(self, resource: str) -> Policy:
        """Read a policy, version 3."""
        if resource.startswith(_BUCKET):
            url = _STORAGE + quote(resource.removeprefix(_BUCKET), safe="")
            reply = await self._api.call(
                "GET", f"{url}/iam?optionsRequestedPolicyVersion=3", resource
            )
        else:
            url = f"{RESOURCE_MANAGER}{quote(resource)}:getIamPolicy"
            body = {"options": {"requestedPolicyVersion": 3}}
            reply = await self._api.call("POST", url, resource, body=body)
        return policy_of(reply.json(resource), resource)

    async def above(self, project: str) -> tuple[str, ...]:
        """Return the folders that a project lies in and its organisation, from below."""
        subject = f"projects/{project}"
        url = f"{_ANCESTRY}{quote(project, safe='')}:getAncestry"
        body = (await self._api.call("POST", url, subject, body={})).json(subject)
        ids = [one.get("resourceId") for one in objects(body, "ancestor", subject)]
        found = [one for one in ids if isinstance(one, dict)]
        if not found:
            raise MigrateError(BAD_REPLY, subject=subject, saw="a project without itself above it")
        return tuple(
            f"{_ABOVE[str(one.get('type'))]}/{one.get('id')}"
            for one in found
            if one.get("type") in _ABOVE
        )

    async def role(self, name: str) -> frozenset[str] | None:
        """Return the permissions of a role; None where it cannot be opened.

        A role that was deleted or is disabled gives nothing.
        """
        ok = {_OK, _FORBIDDEN, _NOT_FOUND}
        reply = await self._api.call("GET", _ROLES + quote(name), name, ok=ok)
        if reply.status != _OK:
            return None
        body = reply.json(name)
        if body.get("deleted") is True or body.get("stage") == "DISABLED":
            return frozenset()
        permissions = body.get("includedPermissions") or []
        if not isinstance(permissions, list):
            raise MigrateError(BAD_REPLY, subject=name, saw="permissions that are no list")
        return frozenset(map(str, permissions))

    async def analysis(self, scope: str, bucket: str, permissions: Collection[str]) -> str:
        """Ask who has permissions on a bucket, as far as a scope shows."""
        url, subject = analysis_url(scope, bucket, permissions), f"{_BUCKET}{bucket}"
        reply = await self._api.call("GET", url, subject, ok={_OK, _TOO_MANY})
        if reply.status == _TOO_MANY:  # for the day: to wait would not help
            saw = f"policy analyses of {scope} are used up"
            raise MigrateError(TOO_MANY_REQUESTS, subject=subject, saw=saw)
        return reply.body.decode()

    def analysed(self, raw: str, bucket: str) -> Analysis:
        """Read such an answer."""
        return read_analysis(raw, bucket)

    async def held(self, resource: str, permissions: Collection[str]) -> frozenset[str]:
        """Return those of some permissions that the caller has on a bucket or above a project."""
        wanted = sorted(permissions)
        if resource.startswith(_BUCKET):
            url = _STORAGE + quote(resource.removeprefix(_BUCKET), safe="")
            query = urlencode([("permissions", one) for one in wanted])
            reply = await self._api.call("GET", f"{url}/iam/testPermissions?{query}", resource)
        else:
            url = f"{RESOURCE_MANAGER}{quote(resource)}:testIamPermissions"
            reply = await self._api.call("POST", url, resource, body={"permissions": wanted})
        found = reply.json(resource).get("permissions") or []
        if not isinstance(found, list):
            raise MigrateError(BAD_REPLY, subject=resource, saw="permissions that are no list")
        return frozenset(map(str, found)) & frozenset(wanted)

    async def rules(self, bucket: str, project: str) -> BucketRules:
        """Read what decides about access to a bucket, beside policies.

        Whether an organisation policy prevents public access is told as far as it can be seen.
        """
        subject = f"{_BUCKET}{bucket}"
        url = f"{_STORAGE}{quote(bucket, safe='')}?fields=iamConfiguration,projectNumber"
        body = (await self._api.call("GET", url, subject)).json(subject)
        found = body.get("iamConfiguration")
        configured = found if isinstance(found, dict) else {}
        uniform = configured.get("uniformBucketLevelAccess")
        enforced = configured.get("publicAccessPrevention") == "enforced"
        return BucketRules(
            uniform=isinstance(uniform, dict) and uniform.get("enabled") is True,
            never_public=enforced or await self._prevents_public_access(project),
            project_number=str(body.get("projectNumber") or ""),
        )

    async def _prevents_public_access(self, project: str) -> bool:
        try:
            rule = await self._projects.org_policy(project, _PUBLIC_ACCESS_PREVENTION)
        except MigrateError as error:
            if error.problem not in _HIDDEN:
                raise
            return False
        return rule is not None and rule.enforced

    async def objects(self, bucket: str, project: str, number: str, most: int) -> ObjectAccess:
        """Read the access lists of the images in a bucket that has them.

        Args:
            bucket: its name.
            project: id of its project, whose owners, editors and viewers lists may name.
            number: of its project, by which lists name them.
            most: objects to look at.
        """
        subject = f"{_BUCKET}{bucket}"
        counts: Counter[str] = Counter()
        seen, more = 0, False
        try:
            async for page, onward in self._object_pages(bucket, subject):
                taken = page[: most - seen]
                for one in taken:
                    counts.update(_readers(one, {number: project}, subject))
                seen += len(taken)
                more = onward or len(page) > len(taken)
                if seen >= most:
                    break
        except MigrateError as error:
            if error.problem is not DENIED:
                raise
            return ObjectAccess(_sorted(counts), seen, complete=False, why=error.told)
        why = f"the first {seen:,} objects were looked at" if more else ""
        return ObjectAccess(_sorted(counts), seen, complete=not more, why=why)

    async def _object_pages(
        self, bucket: str, subject: str
    ) -> AsyncIterator[tuple[list[dict[str, Any]], bool]]:
        """Give objects page by page, and whether more follow."""
        query = {
            "projection": "full",
            "prefix": _IMAGES,
            "maxResults": _OBJECTS_AT_ONCE,
            "fields": "items(name,acl),nextPageToken",
        }
        turned = PageTokens(subject)
        while True:
            url = f"{_STORAGE}{quote(bucket, safe='')}/o?{urlencode(query)}"
            body = (await self._api.call("GET", url, subject)).json(subject)
            token = str(body.get("nextPageToken") or "")
            yield objects(body, "items", subject), bool(token)
            if not token:
                return
            turned.check(token)
            query["pageToken"] = token


def _readers(one: dict[str, Any], projects: Mapping[str, str], subject: str) -> set[str]:
    """Return who may read an object by its own list, spelled as policies do."""
    entries = objects(one, "acl", subject)
    return {
        _member(str(entry.get("entity") or ""), projects)
        for entry in entries
        if entry.get("role") in _READS
    }


def _member(entity: str, projects: Mapping[str, str]) -> str:
    """Return an entity as policies name it; a project by its id, where that is known."""
    kind, _, name = entity.partition("-")
    if kind == "project":
        who, _, number = name.partition("-")
        return f"{_OF_PROJECTS.get(who, who)}:{projects.get(number, number)}"
    if kind == "user" and name.endswith(_AGENTS):
        return f"serviceAccount:{name}"
    return f"{kind}:{name}" if name else kind


def _sorted(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items()))
