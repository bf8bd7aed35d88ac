"""Who may do what with buckets and projects: policies, access lists of objects, roles.

All by raw calls: the libraries would drop what they do not know of a policy.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from gcr_migrate.errors import BAD_REPLY, DENIED, TOO_MANY_REQUESTS, MigrateError
from gcr_migrate.google.analysis import analysis_url, read_analysis
from gcr_migrate.google.api import RESOURCE_MANAGER, PageTokens, objects
from gcr_migrate.google.policies import policy_of
from gcr_migrate.model.access import ObjectAccess, Policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

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


class AccessOfGoogle:
    """What is read of access; resources are `gs://B`, `projects/P`, `folders/N`, `organizations/N`.

    Args:
        api: raw calls.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

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

    async def objects(self, bucket: str, project: str, most: int) -> ObjectAccess | None:
        """Read the access lists of a bucket's images; None where its policy alone decides.

        Args:
            bucket: its name.
            project: id of its project, whose owners, editors and viewers lists may name.
            most: objects to look at.
        """
        subject = f"{_BUCKET}{bucket}"
        url = _STORAGE + quote(bucket, safe="")
        counts: Counter[str] = Counter()
        seen, more = 0, False
        try:
            reply = await self._api.call("GET", f"{url}?fields=iamConfiguration", subject)
            if _is_uniform(reply.json(subject)):
                return None
            async for page, onward in self._object_pages(url, subject):
                taken = page[: most - seen]
                for one in taken:
                    counts.update(_readers(one, project, subject))
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
        self, url: str, subject: str
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
            body = (await self._api.call("GET", f"{url}/o?{urlencode(query)}", subject)).json(
                subject
            )
            token = str(body.get("nextPageToken") or "")
            yield objects(body, "items", subject), bool(token)
            if not token:
                return
            turned.check(token)
            query["pageToken"] = token


def _is_uniform(bucket: dict[str, Any]) -> bool:
    configured = bucket.get("iamConfiguration")
    uniform = configured.get("uniformBucketLevelAccess") if isinstance(configured, dict) else None
    return isinstance(uniform, dict) and uniform.get("enabled") is True


def _readers(one: dict[str, Any], project: str, subject: str) -> set[str]:
    """Return who may read an object by its own list, spelled as policies do."""
    entries = objects(one, "acl", subject)
    return {
        _member(str(entry.get("entity") or ""), project)
        for entry in entries
        if entry.get("role") in _READS
    }


def _member(entity: str, project: str) -> str:
    kind, _, name = entity.partition("-")
    if kind == "project":
        who, _, _ = name.partition("-")
        return f"{_OF_PROJECTS.get(who, who)}:{project}"
    if kind == "user" and name.endswith(_AGENTS):
        return f"serviceAccount:{name}"
    return f"{kind}:{name}" if name else kind


def _sorted(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items()))
