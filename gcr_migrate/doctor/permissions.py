"""Which permissions each step needs or uses, and the least role that gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.doctor.checks import STEPS_OF, Side, Step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_AR: Final = "artifactregistry.repositories."
DOWNLOAD: Final = f"{_AR}downloadArtifacts"
UPLOAD: Final = f"{_AR}uploadArtifacts"
LIST: Final = f"{_AR}list"
GET: Final = f"{_AR}get"
CREATE: Final = f"{_AR}create"
GET_POLICY: Final = f"{_AR}getIamPolicy"
SET_POLICY: Final = f"{_AR}setIamPolicy"
GET_SETTINGS: Final = "artifactregistry.projectsettings.get"
UPDATE_SETTINGS: Final = "artifactregistry.projectsettings.update"
SEE_PROJECT: Final = "resourcemanager.projects.get"
SEARCH_ASSETS: Final = "cloudasset.assets.searchAllResources"
GET_PROJECT_POLICY: Final = "resourcemanager.projects.getIamPolicy"
OPEN_ROLES: Final = "iam.roles.get"
SEE_BUCKET: Final = "storage.buckets.get"
GET_BUCKET_POLICY: Final = "storage.buckets.getIamPolicy"
LIST_OBJECTS: Final = "storage.objects.list"
GET_OBJECT_LISTS: Final = "storage.objects.getIamPolicy"
LIST_PATHS: Final = "artifactregistry.packages.list"
LIST_IMAGES: Final = "artifactregistry.dockerimages.list"
SEE_TOPIC: Final = "pubsub.topics.get"
SEE_SUBSCRIPTION: Final = "pubsub.subscriptions.get"
SEE_SERVICE: Final = "serviceusage.services.get"
ANALYSE: Final = "cloudasset.assets.analyzeIamPolicy"


class Need(Struct, frozen=True):
    """One permission of one step.

    Attributes:
        permission: the permission.
        side: on whose project or repositories.
        by_repository: a grant on each repository does as well, if all of them are there.
        by_bucket: a grant on each of Container Registry's buckets does as well.
        only_there: asked of repositories that are there, and of no others.
        needed: the step cannot do without; else it only knows less.
        for_grants: only where access is granted on repositories.
        bases: only where access is carried over from one of these; empty: anyway.
        tells: what is not told without it, where it is not needed.
    """

    permission: str
    side: Side
    by_repository: bool = False
    by_bucket: bool = False
    only_there: bool = False
    needed: bool = True
    for_grants: bool = False
    bases: frozenset[str] = frozenset()
    tells: str = ""


_SERVED: Final = frozenset({"auto", "repository"})  # what serves the host today decides
_BUCKET: Final = frozenset({"bucket"})
BASES: Final = _SERVED | _BUCKET
# What is granted in a project and above it, and what is in the roles; else it is not seen.
_INHERITED: Final = tuple(
    Need(permission, side, needed=False, bases=BASES)
    for side in STEPS_OF
    for permission in (SEE_PROJECT, GET_PROJECT_POLICY, OPEN_ROLES)
)
_SOURCES_ACCESS: Final = (
    Need(GET_POLICY, "source", by_repository=True, bases=_SERVED),
    # Where a repository decides, the bucket's policy is history, which is told if it is seen.
    Need(GET_BUCKET_POLICY, "source", by_bucket=True, needed=False, bases=_SERVED),
    Need(GET_BUCKET_POLICY, "source", by_bucket=True, bases=_BUCKET),
    *(
        Need(permission, "source", by_bucket=True, needed=False, bases=BASES)
        for permission in (SEE_BUCKET, LIST_OBJECTS, GET_OBJECT_LISTS)
    ),
)
# What happens around the target once images come: told, never changed.
_SURROUNDINGS: Final = tuple(
    Need(permission, "target", needed=False, tells=tells)
    for permission, tells in (
        (SEE_SERVICE, "whether each pushed image is scanned, and what that costs"),
        (SEE_TOPIC, "who is told of each push, and may deploy it"),
        (SEE_SUBSCRIPTION, "who is told of each push, and may deploy it"),
    )
)
_ANALYSIS: Final = Need(
    ANALYSE,
    "source",
    needed=False,
    bases=BASES,
    tells="who has access by grants above the project that are hidden otherwise",
)
_PULL: Final = Need(DOWNLOAD, "source", by_repository=True)
NEEDS: Final[Mapping[Step, tuple[Need, ...]]] = {
    Step.DISCOVER: (
        Need(LIST, "source"),
        Need(GET_SETTINGS, "source"),
        Need(SEE_PROJECT, "source", needed=False),
        Need(SEARCH_ASSETS, "source", needed=False),
    ),
    Step.PLAN: (
        _PULL,
        # Without them there is one view of what is there, not two.
        Need(LIST_PATHS, "source", by_repository=True, needed=False),
        Need(LIST_IMAGES, "source", by_repository=True, needed=False),
        Need(GET, "target", by_repository=True),
        Need(DOWNLOAD, "target", by_repository=True),
        Need(GET_POLICY, "target", by_repository=True, only_there=True, for_grants=True),
        *_SOURCES_ACCESS,
        *_INHERITED,
        *_SURROUNDINGS,
        _ANALYSIS,
    ),
    Step.APPLY: (
        _PULL,
        Need(CREATE, "target"),
        Need(GET, "target", by_repository=True),
        Need(DOWNLOAD, "target", by_repository=True),
        Need(UPLOAD, "target", by_repository=True),
        Need(GET_POLICY, "target", by_repository=True, for_grants=True),
        Need(SET_POLICY, "target", by_repository=True, for_grants=True),
    ),
    Step.VERIFY: (_PULL, Need(DOWNLOAD, "target", by_repository=True)),
    Step.REDIRECT: (
        Need(LIST, "source"),
        Need(GET_SETTINGS, "source"),
        Need(UPDATE_SETTINGS, "source"),
        _PULL,
    ),
    Step.RESCUE: (
        Need(LIST, "source"),
        Need(CREATE, "source"),
        Need(UPLOAD, "source", by_repository=True),
        Need(GET_SETTINGS, "source"),
        Need(UPDATE_SETTINGS, "source"),
        Need(GET_POLICY, "source", by_repository=True, needed=False),
        Need(SET_POLICY, "source", by_repository=True, needed=False),
    ),
}

REVIEWER: Final = "roles/iam.securityReviewer"
_READER: Final = frozenset({DOWNLOAD, LIST, GET, GET_SETTINGS, LIST_PATHS, LIST_IMAGES})
_WRITER: Final = _READER | {UPLOAD}
_MIGRATION: Final = _WRITER | {CREATE, GET_POLICY, SET_POLICY, UPDATE_SETTINGS}
# From the least upward: each holds all that the ones of its service before it hold.
ROLES: Final[Mapping[str, frozenset[str]]] = {
    "roles/artifactregistry.reader": _READER,
    "roles/artifactregistry.writer": _WRITER,
    "roles/artifactregistry.containerRegistryMigrationAdmin": _MIGRATION,
    "roles/browser": frozenset({SEE_PROJECT, GET_PROJECT_POLICY}),
    "roles/cloudasset.viewer": frozenset({SEARCH_ASSETS, ANALYSE}),
    "roles/iam.roleViewer": frozenset({OPEN_ROLES}),
    "roles/pubsub.viewer": frozenset({SEE_TOPIC, SEE_SUBSCRIPTION}),
    "roles/serviceusage.serviceUsageViewer": frozenset({SEE_SERVICE}),
    "roles/storage.objectViewer": frozenset({LIST_OBJECTS}),
    "roles/storage.bucketViewer": frozenset({SEE_BUCKET}),
    REVIEWER: frozenset({GET_BUCKET_POLICY, LIST_OBJECTS, GET_OBJECT_LISTS}),
}
# On a single repository the migrator's role cannot be given; the administrator's can.
_ON_REPOSITORY: Final[Mapping[str, frozenset[str]]] = {
    "roles/artifactregistry.reader": _READER,
    "roles/artifactregistry.writer": _WRITER,
    "roles/artifactregistry.admin": _MIGRATION,
}


def needs_of(step: Step, *, grants: bool, bases: frozenset[str] = frozenset()) -> tuple[Need, ...]:
    """Return what a step needs or uses.

    Args:
        step: the step.
        grants: whether access is granted on repositories.
        bases: whose access is carried over.
    """
    return tuple(
        need
        for need in NEEDS[step]
        if (grants or not need.for_grants) and (not need.bases or need.bases & bases)
    )


def roles_to_verify(levels: Collection[str]) -> tuple[str, ...]:
    """Return what somebody who only verifies needs on a project: no role in it writes.

    Args:
        levels: of `verify`, by name; none: all of them.
    """
    everything = not levels
    wanted = {need.permission for need in NEEDS[Step.VERIFY]}
    if everything or "redirect" in levels:
        wanted |= {LIST, GET_SETTINGS}
    roles = [*least_roles(wanted)]
    if everything or "access" in levels:  # policies of repositories too are in the reviewer's role
        roles += [*least_roles({one.permission for one in _INHERITED}), REVIEWER]
    return tuple(roles)


def permissions_for(
    sides: Collection[Side], steps: Collection[Step], bases: frozenset[str] = BASES
) -> frozenset[str]:
    """Return every permission of these steps on a project that is these sides."""
    return frozenset(need.permission for need in _needs(sides, steps, bases))


def on_repositories(
    sides: Collection[Side], steps: Collection[Step], bases: frozenset[str] = BASES
) -> frozenset[str]:
    """Return the permissions of these steps that a repository's own policy can give."""
    return frozenset(one.permission for one in _needs(sides, steps, bases) if one.by_repository)


def on_buckets(
    sides: Collection[Side], steps: Collection[Step], bases: frozenset[str]
) -> frozenset[str]:
    """Return the permissions of these steps that a bucket's own policy can give."""
    return frozenset(one.permission for one in _needs(sides, steps, bases) if one.by_bucket)


def _needs(
    sides: Collection[Side], steps: Collection[Step], bases: frozenset[str]
) -> Iterator[Need]:
    for step in steps:
        for need in needs_of(step, grants=True, bases=bases):
            if need.side in sides:
                yield need


def least_roles(permissions: Collection[str], *, repository: bool = False) -> tuple[str, ...]:
    """Return the least roles that together give all of these permissions.

    Args:
        permissions: permissions of the table above.
        repository: for a grant on one repository instead of the project.
    """
    roles = _ON_REPOSITORY if repository else ROLES
    by_service: dict[str, set[str]] = {}
    for permission in sorted(permissions):
        by_service.setdefault(permission.partition(".")[0], set()).add(permission)
    found = (role for wanted in by_service.values() for role in _least(wanted, roles))
    return tuple(dict.fromkeys(found))


def _least(wanted: set[str], roles: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Give the least role that has all of some permissions, or several that have them together."""
    whole = next((role for role, gives in roles.items() if wanted <= gives), None)
    if whole:
        yield whole
        return
    left = set(wanted)
    while left:
        most = max(roles, key=lambda role: len(roles[role] & left))
        yield most
        left -= roles[most]
