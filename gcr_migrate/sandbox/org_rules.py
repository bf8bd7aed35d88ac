"""Organisation policies, where they forbid what Artifact Registry is asked to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.sandbox.answers import RefusalError, error, error_info
from gcr_migrate.sandbox.rest import REGISTRY_API

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.sandbox.states import ProjectState

_LOCATIONS: Final = "gcp.resourceLocations"
_KEYS: Final = "gcp.restrictNonCmekServices"
_MEMBERS: Final = "iam.allowedPolicyMemberDomains"
PUBLIC_ACCESS_PREVENTION: Final = "storage.publicAccessPrevention"
PUBLIC: Final = frozenset({"allUsers", "allAuthenticatedUsers"})
_GROUPS: Final = {"us": "us", "eu": "europe", "asia": "asia"}


def allow_repository(project: ProjectState, location: str, *, has_key: bool) -> None:
    """Refuse a repository in a place that is not allowed, or without a key where one is due."""
    names = {location, f"in:{location}-locations"}
    for group, first in _GROUPS.items():
        if location == first or location.startswith(f"{first}-"):
            names.add(f"in:{group}-locations")
    if _forbids(project.org_policies.get(_LOCATIONS, {}), names):
        raise _violated(_LOCATIONS, project, f"location {location} is not allowed")
    # This constraint lists the services that may do nothing without a key of the customer's.
    if not has_key and _forbids(project.org_policies.get(_KEYS, {}), {REGISTRY_API}):
        raise _violated(_KEYS, project, "a repository needs a customer-managed key")


def allow_members(project: ProjectState, members: Iterable[str]) -> None:
    """Refuse to let everybody in where only named customers may be.

    Which domain belongs to which customer only Google knows: any other member passes.
    """
    if _forbids(project.org_policies.get(_MEMBERS, {}), PUBLIC & set(members)):
        raise _violated(_MEMBERS, project, "a member is not of a permitted customer")


def _forbids(rule: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether a rule leaves none of the names of a thing, of which there is one at least."""
    given = set(names)
    values = rule.get("values", {})
    allowed, denied = (set(values.get(key, ())) for key in ("allowedValues", "deniedValues"))
    if not given:
        return False
    if rule.get("denyAll") or given & denied:
        return True
    return bool(allowed) and not given & allowed


def _violated(constraint: str, project: ProjectState, why: str) -> RefusalError:
    full = f"constraints/{constraint}"
    text = f"Constraint {full} violated for projects/{project.id}: {why}."
    info = error_info("ORG_POLICY_VIOLATED", "orgpolicy.googleapis.com", constraint=full)
    return RefusalError(error(400, text, "FAILED_PRECONDITION", [info]))
