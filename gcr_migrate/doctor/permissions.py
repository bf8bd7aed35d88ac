"""Which permissions each step needs or uses, and the least role that gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gcr_migrate.doctor.checks import Side, Step

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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
LIST_OBJECTS: Final = "storage.objects.list"
LIST_PATHS: Final = "artifactregistry.packages.list"
LIST_IMAGES: Final = "artifactregistry.dockerimages.list"


@dataclass(frozen=True, slots=True)
class Need:
    """One permission of one step.

    Attributes:
        permission: the permission.
        side: on whose project or repositories.
        by_repository: a grant on each repository does as well, if all of them are there.
        only_there: asked of repositories that are there, and of no others.
        needed: the step cannot do without; else it only knows less.
        for_grants: only where access is granted on repositories.
    """

    permission: str
    side: Side
    by_repository: bool = False
    only_there: bool = False
    needed: bool = True
    for_grants: bool = False


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

_READER: Final = frozenset({DOWNLOAD, LIST, GET, GET_SETTINGS, LIST_PATHS, LIST_IMAGES})
_WRITER: Final = _READER | {UPLOAD}
_MIGRATION: Final = _WRITER | {CREATE, GET_POLICY, SET_POLICY, UPDATE_SETTINGS}
# From the least upward: each holds all that the ones of its service before it hold.
ROLES: Final[Mapping[str, frozenset[str]]] = {
    "roles/artifactregistry.reader": _READER,
    "roles/artifactregistry.writer": _WRITER,
    "roles/artifactregistry.containerRegistryMigrationAdmin": _MIGRATION,
    "roles/browser": frozenset({SEE_PROJECT}),
    "roles/cloudasset.viewer": frozenset({SEARCH_ASSETS}),
    "roles/storage.objectViewer": frozenset({LIST_OBJECTS}),
}
# On a single repository the migrator's role cannot be given; the administrator's can.
_ON_REPOSITORY: Final[Mapping[str, frozenset[str]]] = {
    "roles/artifactregistry.reader": _READER,
    "roles/artifactregistry.writer": _WRITER,
    "roles/artifactregistry.admin": _MIGRATION,
}


def needs_of(step: Step, *, grants: bool) -> tuple[Need, ...]:
    """Return what a step needs or uses, with or without grants on repositories."""
    return tuple(need for need in NEEDS[step] if grants or not need.for_grants)


def permissions_for(sides: Collection[Side], steps: Collection[Step]) -> frozenset[str]:
    """Return every permission of these steps on a project that is these sides."""
    return frozenset(
        need.permission for step in steps for need in NEEDS[step] if need.side in sides
    )


def on_repositories(sides: Collection[Side], steps: Collection[Step]) -> frozenset[str]:
    """Return the permissions of these steps that a repository's own policy can give."""
    return frozenset(
        need.permission
        for step in steps
        for need in NEEDS[step]
        if need.side in sides and need.by_repository
    )


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
    return tuple(
        next(role for role, gives in roles.items() if wanted <= gives)
        for wanted in by_service.values()
    )
