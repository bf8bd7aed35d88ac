"""Which permissions decide about images, and which predefined roles have them (FACTS 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.model.access import Level, Right

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

READER: Final = "roles/artifactregistry.reader"
WRITER: Final = "roles/artifactregistry.writer"
REPO_ADMIN: Final = "roles/artifactregistry.repoAdmin"

LIST_OBJECTS: Final = "storage.objects.list"  # names alone: nobody pulls with it
GET_OBJECTS: Final = "storage.objects.get"
_IN_BUCKETS: Final = {
    Right.PULL: GET_OBJECTS,
    Right.PUSH: "storage.objects.create",
    Right.DELETE: "storage.objects.delete",
}
DECISIVE: Final = frozenset({LIST_OBJECTS, *_IN_BUCKETS.values()})
_IN_REPOSITORIES: Final = {
    Right.PULL: "artifactregistry.repositories.downloadArtifacts",
    Right.PUSH: "artifactregistry.repositories.uploadArtifacts",
    Right.DELETE: "artifactregistry.repositories.deleteArtifacts",
}
_NARROWEST: Final = {Right.PULL: READER, Right.PUSH: WRITER, Right.DELETE: REPO_ADMIN}
_RANKED: Final = (Right.DELETE, Right.PUSH, Right.PULL)  # each role has the rights of those after


def _objects(*verbs: str) -> frozenset[str]:
    return frozenset(f"storage.objects.{verb}" for verb in verbs)


def _artifacts(*rights: Right) -> frozenset[str]:
    return frozenset(_IN_REPOSITORIES[right] for right in rights)


_ALL_OBJECTS: Final = _objects("get", "list", "create", "delete")
_ALL_ARTIFACTS: Final = _artifacts(*Right)

# Of each role only what decides. Basic roles reach Artifact Registry by themselves, and the objects
# of a bucket only where its policy names the owners, editors or viewers of a project as such.
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "roles/owner": _ALL_ARTIFACTS,
    "roles/editor": _ALL_ARTIFACTS,
    "roles/viewer": _artifacts(Right.PULL),
    "roles/browser": frozenset(),
    READER: _artifacts(Right.PULL),
    WRITER: _artifacts(Right.PULL, Right.PUSH),
    REPO_ADMIN: _ALL_ARTIFACTS,
    "roles/artifactregistry.admin": _ALL_ARTIFACTS,
    "roles/artifactregistry.createOnPushWriter": _artifacts(Right.PULL, Right.PUSH),
    "roles/artifactregistry.createOnPushRepoAdmin": _ALL_ARTIFACTS,
    "roles/storage.admin": _ALL_OBJECTS,
    "roles/storage.objectAdmin": _ALL_OBJECTS,
    "roles/storage.objectUser": _ALL_OBJECTS,
    "roles/storage.objectCreator": _objects("create"),
    "roles/storage.objectViewer": _objects("get", "list"),
    "roles/storage.legacyObjectOwner": _objects("get"),
    "roles/storage.legacyObjectReader": _objects("get"),
    "roles/storage.legacyBucketOwner": _objects("list", "create", "delete"),
    "roles/storage.legacyBucketReader": _objects("list"),
    "roles/storage.legacyBucketWriter": _objects("list", "create", "delete"),
}
BASIC_ROLES: Final = {
    "projectOwner": "roles/owner",
    "projectEditor": "roles/editor",
    "projectViewer": "roles/viewer",
}


def known(role: str) -> frozenset[str] | None:
    """Return those permissions of a predefined role that decide about images.

    Args:
        role: full name, such as `roles/storage.objectViewer`.

    Returns:
        The permissions; None for a role that has to be asked for.
    """
    return _KNOWN.get(role)


def permission(right: Right, level: Level) -> str:
    """Return the permission that a right is, in a bucket or in a repository."""
    return (_IN_BUCKETS if level is Level.BUCKET else _IN_REPOSITORIES)[right]


def rights_in(permissions: Collection[str], level: Level) -> frozenset[Right]:
    """Return what permissions allow with the images in a bucket or in a repository."""
    table = _IN_BUCKETS if level is Level.BUCKET else _IN_REPOSITORIES
    return frozenset(right for right, needed in table.items() if needed in permissions)


def narrowest(rights: Collection[Right]) -> str:
    """Return the role of Artifact Registry that has all of some rights, and the least beyond."""
    return _NARROWEST[next(right for right in _RANKED if right in rights)]


def included(rights: Collection[Right]) -> frozenset[Right]:
    """Return what the narrowest role for some rights allows; nothing for none."""
    return rights_in(_KNOWN[narrowest(rights)], Level.REPOSITORY) if rights else frozenset()
