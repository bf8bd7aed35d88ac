"""Judges locations, target repositories, and what an organisation forbids."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.doctor.answers import ARTIFACT_REGISTRY, not_asked
from gcr_migrate.doctor.checks import Area, Check, Status, Step, given
from gcr_migrate.doctor.remedies import create_repository, grant_on_project
from gcr_migrate.doctor.usage import in_use
from gcr_migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.doctor.answers import Answers, PlaceAnswers
    from gcr_migrate.model.cloud import OrgPolicy

RESOURCE_LOCATIONS: Final = "constraints/gcp.resourceLocations"
KEYS: Final = "constraints/gcp.restrictNonCmekServices"
MEMBERS: Final = "constraints/iam.allowedPolicyMemberDomains"
CONSTRAINTS: Final = (RESOURCE_LOCATIONS, KEYS, MEMBERS)
_SEES_POLICIES: Final = "roles/orgpolicy.policyViewer"
_CREATES: Final = frozenset({Step.APPLY, Step.RESCUE})
_TARGETS: Final = frozenset({Step.PLAN, Step.APPLY})
# Multi-regions have other names in other services.
_CONTINENTS: Final = frozenset({"us", "europe", "eu", "asia"})
_REGION: Final = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_SAME: Final = {"europe": frozenset({"europe", "eu"})}


def target_locations(answers: Answers) -> tuple[str, ...]:
    """Return where repositories are to be: as asked for, else where the source has some."""
    case = answers.case
    if case.locations:
        return case.locations
    source = answers.source
    if source is None:
        return ()
    used = [
        location
        for location, found in source.repositories.items()
        if not isinstance(found, MigrateError) and found
    ]
    return tuple(dict.fromkeys(used))


def target_repositories(answers: Answers) -> tuple[str, ...]:
    """Return the target repositories that were named, where the source has something for them."""
    case = answers.case
    used = {host.location for host in answers.hosts if host.name in in_use(answers)}
    return tuple(
        name
        for name in case.repositories
        if not case.source or name.split("/")[3] in used.union(case.locations)
    )


def location_checks(place: PlaceAnswers, answers: Answers) -> Iterator[Check]:
    """Judge each target location: does it exist, and may resources be there."""
    steps = _CREATES & place.place.steps & answers.steps
    for location in target_locations(answers):
        if "target" not in place.place.serves:
            return
        subject = f"{location} for {place.place.project.id}"
        if isinstance(place.locations, MigrateError):
            yield not_asked(Area.LOCATION, subject, steps, place.locations)
        elif location not in place.locations:
            saw = "Artifact Registry has no such location for this project"
            remedy = f"Choose another location, such as {', '.join(place.locations[:5])}."
            verdicts = given(steps, Status.MISSING)
            yield Check(Area.LOCATION, subject, verdicts, saw, remedy)
        else:
            verdicts = given(steps, Status.OK)
            yield Check(Area.LOCATION, subject, verdicts, "repositories can be there")


def repository_checks(place: PlaceAnswers, answers: Answers) -> Iterator[Check]:
    """Judge the target repositories that were named."""
    if "target" not in place.place.serves:
        return
    steps = _TARGETS & answers.steps
    for resource in target_repositories(answers):
        found = place.repository(resource)
        ok = given(steps, Status.OK)
        if isinstance(found, MigrateError):
            yield not_asked(Area.REPOSITORY, resource, steps, found)
        elif found is None:
            saw = "not there yet: `apply` creates it"
            commands = (create_repository(resource),)
            yield Check(Area.REPOSITORY, resource, ok, saw, commands=commands)
        elif not found.has_images:
            saw = f"it is {found.format}, {found.mode}: images cannot be written to it"
            remedy = "Choose another repository."
            verdicts = given(steps, Status.MISSING)
            code = errors.REPOSITORY_DIFFERS.code
            yield Check(Area.REPOSITORY, resource, verdicts, saw, remedy, code=code)
        else:
            yield Check(Area.REPOSITORY, resource, ok, "there, and takes images")


def policy_checks(place: PlaceAnswers, answers: Answers) -> Iterator[Check]:
    """Judge the organisation policies that can refuse a repository or a grant."""
    steps = place.place.writing & answers.steps
    for constraint, policy in place.policies.items():
        subject = f"{constraint} on {place.place.project.id}"
        if isinstance(policy, MigrateError):
            grant = grant_on_project(place.place.project.id, place.member, _SEES_POLICIES)
            remedy = "Grant the role that shows organisation policies."
            yield not_asked(Area.POLICY, subject, steps, policy, grant=grant, remedy=remedy)
            continue
        status, saw, remedy = _policy(constraint, policy, place, answers)
        yield Check(Area.POLICY, subject, given(steps, status), saw, remedy)


def _policy(
    constraint: str, policy: OrgPolicy | None, place: PlaceAnswers, answers: Answers
) -> tuple[Status, str, str]:
    if policy is None:
        return Status.OK, "not set", ""
    if constraint == RESOURCE_LOCATIONS:
        return _locations(policy, _used_locations(place, answers))
    if constraint == KEYS:
        return _keys(policy, answers)
    return _members(policy, answers)


def _used_locations(place: PlaceAnswers, answers: Answers) -> tuple[str, ...]:
    """Return where this project gets repositories: as a target, or in a rescue."""
    own = [host.location for host in answers.hosts] if "source" in place.place.serves else []
    wanted = target_locations(answers) if "target" in place.place.serves else ()
    return tuple(dict.fromkeys(wanted or own))


def _locations(policy: OrgPolicy, locations: tuple[str, ...]) -> tuple[Status, str, str]:
    remedy = (
        "Have those who run the organisation policy allow the location, or set another one as "
        "`target.location`."
    )
    may = {location: may_use(policy, location) for location in locations}
    no = [location for location, allowed in may.items() if allowed is False]
    if no:
        return Status.MISSING, f"forbids {', '.join(no)}: {_told(policy)}", remedy
    open_ = [location for location, allowed in may.items() if allowed is None]
    if open_:
        return Status.WARNING, f"cannot be told for {', '.join(open_)}: {_told(policy)}", remedy
    shown = ", ".join(locations) or "nothing that is asked for here"
    return Status.OK, f"allows {shown}" if locations else f"set: {_told(policy)}", ""


def may_use(policy: OrgPolicy, location: str) -> bool | None:
    """Whether a policy of locations allows one; None if a group of values hides that."""
    if policy.deny_all or _within(policy.denied, location):
        return False
    if not policy.allowed:
        unsure = any(_within((value,), location) is None for value in policy.denied)
        return None if unsure else True
    return _within(policy.allowed, location)


def _within(values: tuple[str, ...], location: str) -> bool | None:
    """Whether a location is one of the values or in one of their groups; None: not to be told."""
    answers = {_is_in(value, location) for value in values}
    return True if True in answers else None if None in answers else False


def _is_in(value: str, location: str) -> bool | None:
    names = _SAME.get(location, frozenset({location}))
    kind, _, rest = value.rpartition(":")
    if kind != "in":
        return rest in names
    group = rest.removesuffix("-locations")
    if group in names:
        return True
    if group == "eu" and location.startswith("europe-"):
        return None  # the European Union leaves out some regions that begin like this
    if group in _CONTINENTS or _REGION.fullmatch(group):
        return location.startswith(f"{group}-")
    return None  # a country, or such as low-carbon: only Google knows what is in it


def _told(policy: OrgPolicy) -> str:
    if policy.deny_all:
        return "everything is denied"
    parts = []
    if policy.allowed:
        parts.append(f"allowed {', '.join(policy.allowed[:8])}")
    if policy.denied:
        parts.append(f"denied {', '.join(policy.denied[:8])}")
    return "; ".join(parts) or "no values"


def _keys(policy: OrgPolicy, answers: Answers) -> tuple[Status, str, str]:
    names = {ARTIFACT_REGISTRY, f"is:{ARTIFACT_REGISTRY}"}
    if not policy.deny_all and not names.intersection(policy.denied):
        return Status.OK, "Artifact Registry may keep images without a key of one's own", ""
    saw = "new repositories need an encryption key (CMEK)"
    if answers.case.has_key:
        return Status.OK, f"{saw}, and the spec gives one", ""
    remedy = "Set `settings: {kms_key: …}` on the routes; it cannot be changed afterwards."
    return Status.MISSING if answers.case.has_spec else Status.WARNING, saw, remedy


def _members(policy: OrgPolicy, answers: Answers) -> tuple[Status, str, str]:
    if not policy.allowed and not policy.deny_all:
        return Status.OK, "does not narrow who may be granted access", ""
    saw = f"grants only to members of {', '.join(policy.allowed[:8]) or 'nobody'}"
    remedy = "Leave allUsers and members of other organisations out of the grants."
    if answers.case.public_grants:
        return Status.MISSING, f"{saw}; the spec grants to everybody", remedy
    return Status.WARNING if answers.case.grants else Status.OK, saw, remedy
