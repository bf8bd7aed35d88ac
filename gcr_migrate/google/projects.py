"""What Google's APIs tell about a project: itself, its services, redirect setting and policies.

All by raw calls: the libraries know fewer redirect states than the service, and take one that
they do not know for none at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from gcr_migrate.errors import BAD_REPLY, REDIRECT_CONFLICT, MigrateError
from gcr_migrate.google.api import (
    ARTIFACT_REGISTRY,
    PERMISSIONS_AT_ONCE,
    RESOURCE_MANAGER,
    in_parts,
    objects,
)
from gcr_migrate.model.cloud import OrgPolicy, ProjectFacts, Redirection, RedirectSettings
from gcr_migrate.wire.replies import words_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from gcr_migrate.google.api import Api

_SERVICE_USAGE: Final = "https://serviceusage.googleapis.com/v1/"
_ORG_POLICY: Final = "https://orgpolicy.googleapis.com/v2/"
_SERVICES_AT_ONCE: Final = 30
_DELETED: Final = frozenset({"DELETE_REQUESTED", "DELETE_IN_PROGRESS"})
_OK: Final = 200
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_WORD: Final = 200  # characters of a word that is kept
_WHOLE: Final = 100  # per cent


class GoogleProjects:
    """Projects, by id; one that a domain scopes has a colon in it.

    Args:
        api: raw calls.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def facts(self, project: str) -> ProjectFacts:
        """Number, parent and state of a project."""
        subject = _name(project)
        body = await self._get(RESOURCE_MANAGER + _path(project), subject)
        kind, _, number = str(body.get("name") or "").partition("/")
        state = body.get("state")
        if not isinstance(state, str):
            raise MigrateError(BAD_REPLY, subject=subject, saw="a project without a state")
        return ProjectFacts(
            id=str(body.get("projectId") or project),
            number=number if kind == "projects" and number.isdigit() else "",
            parent=str(body.get("parent") or ""),
            active=state not in _DELETED,
        )

    async def held(self, project: str, permissions: Collection[str]) -> frozenset[str]:
        """Which of these permissions the caller has on the project."""
        url, subject = f"{RESOURCE_MANAGER}{_path(project)}:testIamPermissions", _name(project)
        found: set[str] = set()
        for some in in_parts(permissions, PERMISSIONS_AT_ONCE):
            reply = await self._api.call("POST", url, subject, body={"permissions": some})
            given = reply.json(subject).get("permissions", [])  # left out where none is held
            if not isinstance(given, list):
                raise MigrateError(BAD_REPLY, subject=subject, saw="permissions that are no list")
            found.update(map(str, given))
        return frozenset(found & set(permissions))

    async def enabled(self, project: str, services: Collection[str]) -> frozenset[str]:
        """Which of these services are enabled."""
        parent, subject = _name(project), _name(project)
        found: set[str] = set()
        for some in in_parts(services, _SERVICES_AT_ONCE):
            query = urlencode([("names", f"{parent}/services/{one}") for one in some])
            url = f"{_SERVICE_USAGE}{_path(project)}/services:batchGet?{query}"
            rows = objects(await self._get(url, subject), "services", subject)
            # Their names have the project's number where we gave its id.
            states = {str(row.get("name")).rpartition("/")[2]: row.get("state") for row in rows}
            if lost := sorted(set(some) - states.keys()):
                raise MigrateError(BAD_REPLY, subject=subject, saw=f"nothing about {lost[0]}")
            found.update(name for name, state in states.items() if state == "ENABLED")
        return frozenset(found & set(services))

    async def redirection(self, project: str) -> RedirectSettings:
        """The redirect setting of the project's gcr.io names, read as text."""
        subject = f"{_name(project)}/projectSettings"
        url = f"{ARTIFACT_REGISTRY}{_path(project)}/projectSettings"
        body = await self._get(url, subject)
        word = str(body.get("legacyRedirectionState", Redirection.UNSPECIFIED.value))[:_WORD]
        return RedirectSettings(_state(word), word, _percent(body.get("pullPercent")))

    async def redirect(self, project: str, word: str) -> None:
        """Write the redirect setting, by a single request; whether it came through is not seen."""
        subject = f"{_name(project)}/projectSettings"
        path = f"{_path(project)}/projectSettings"
        url = f"{ARTIFACT_REGISTRY}{path}?updateMask=legacyRedirectionState"
        body = {"name": subject, "legacyRedirectionState": word}
        ok = {_OK, _CONFLICT}
        reply = await self._api.call("PATCH", url, subject, ok=ok, body=body, once=True)
        if reply.status == _CONFLICT:
            raise MigrateError(REDIRECT_CONFLICT, subject=subject, saw=words_of(reply))

    async def org_policy(self, project: str, constraint: str) -> OrgPolicy | None:
        """The effective organisation policy of a constraint; None where it restricts nothing.

        Rules with a condition are left out: whether they count depends on tags.
        """
        name = constraint.removeprefix("constraints/")
        subject = f"{_name(project)}/policies/{name}"
        url = f"{_ORG_POLICY}{_path(project)}/policies/{quote(name)}:getEffectivePolicy"
        reply = await self._api.call("GET", url, subject, ok={_OK, _NOT_FOUND})
        if reply.status == _NOT_FOUND:
            return None
        spec = reply.json(subject).get("spec")
        rules = objects(spec, "rules", subject) if isinstance(spec, dict) else []
        return _org_policy(f"constraints/{name}", rules)

    async def _get(self, url: str, subject: str) -> dict[str, Any]:
        return (await self._api.call("GET", url, subject)).json(subject)


def _name(project: str) -> str:
    return f"projects/{project}"


def _path(project: str) -> str:
    return f"projects/{quote(project, safe='')}"


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _percent(value: object) -> int | None:
    """Read a share; None where it is none that could be one."""
    return value if type(value) is int and 0 <= value <= _WHOLE else None  # true is no number


def _state(word: str) -> Redirection:
    known = {one.value: one for one in Redirection}
    return known.get(word, Redirection.UNKNOWN)


def _org_policy(constraint: str, all_rules: list[dict[str, Any]]) -> OrgPolicy | None:
    rules = [one for one in all_rules if not one.get("condition")]
    values = [one["values"] for one in rules if isinstance(one.get("values"), dict)]
    allowed = [text for one in values for text in _texts(one.get("allowedValues"))]
    denied = [text for one in values for text in _texts(one.get("deniedValues"))]
    found = OrgPolicy(
        constraint=constraint,
        enforced=any(one.get("enforce") is True for one in rules),
        allowed=tuple(dict.fromkeys(allowed)),
        denied=tuple(dict.fromkeys(denied)),
        deny_all=any(one.get("denyAll") is True for one in rules),
    )
    return None if found == OrgPolicy(constraint) else found
