"""What an analysis of policies is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from gcr_migrate.sandbox.answers import bad

if TYPE_CHECKING:
    from starlette.requests import Request

_LARGEST_ACCESS: Final = 10  # roles and permissions together
_QUERY: Final = "analysisQuery."


class Query(Struct, frozen=True):
    """What is asked.

    Attributes:
        scope: where policies are looked at, such as `organizations/7`.
        resource: full name of the thing; empty for all.
        permissions: those that matter; with `roles` empty for all.
        roles: roles that matter.
        identity: whose access; empty for everybody's.
        expand_groups: whether the members of groups are wanted.
        expand_roles: whether permissions are wanted where none are named.
        at: the time for which conditions are judged; None leaves them open.
    """

    scope: str
    resource: str
    permissions: tuple[str, ...]
    roles: tuple[str, ...]
    identity: str
    expand_groups: bool
    expand_roles: bool
    at: datetime | None

    def plain(self) -> dict[str, Any]:
        """Return the query as an answer repeats it."""
        access = {"roles": [*self.roles], "permissions": [*self.permissions]}
        stated = {
            "resourceSelector": {"fullResourceName": self.resource} if self.resource else {},
            "identitySelector": {"identity": self.identity} if self.identity else {},
            "accessSelector": {key: some for key, some in access.items() if some},
            "options": {
                key: True
                for key, said in (
                    ("expandGroups", self.expand_groups),
                    ("expandRoles", self.expand_roles),
                )
                if said
            },
        }
        return {"scope": self.scope} | {key: some for key, some in stated.items() if some}


def read_query(request: Request, scope: str) -> Query:
    """Return what is asked; refuse what cannot be."""
    asked = request.query_params
    permissions = asked.getlist(f"{_QUERY}accessSelector.permissions")
    roles = asked.getlist(f"{_QUERY}accessSelector.roles")
    at = asked.get(f"{_QUERY}conditionContext.accessTime", "")
    query = Query(
        scope=scope,
        resource=asked.get(f"{_QUERY}resourceSelector.fullResourceName", ""),
        permissions=tuple(permissions),
        roles=tuple(roles),
        identity=asked.get(f"{_QUERY}identitySelector.identity", ""),
        expand_groups=_is_true(asked.get(f"{_QUERY}options.expandGroups")),
        expand_roles=_is_true(asked.get(f"{_QUERY}options.expandRoles")),
        at=_moment(at) if at else None,
    )
    if not (query.resource or query.identity or permissions or roles):
        raise bad("analysis_query: a resource, an identity or an access selector is required")
    if len(permissions) + len(roles) > _LARGEST_ACCESS:
        raise bad(f"access_selector: at most {_LARGEST_ACCESS} roles and permissions are allowed")
    if query.expand_groups and query.identity:
        raise bad("options.expand_groups is not allowed with an identity_selector")
    return query


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise bad(f"access_time {text!r} is invalid") from None
    if at.tzinfo is None or at < datetime.now(UTC):
        raise bad("access_time must not be earlier than the current time")
    return at


def _is_true(text: str | None) -> bool:
    return (text or "").lower() == "true"
