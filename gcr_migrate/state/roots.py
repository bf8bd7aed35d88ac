"""What migration files and snapshots say of one root: what was there, and where it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.state.baseline import Baseline
    from gcr_migrate.state.migration import Migration
    from gcr_migrate.state.snapshot import Snapshot

_WITH_BLOBS: Final = 2  # version of the file
_PLANNED: Final = {
    "manifests": (
        "SELECT i.path, m.digest FROM image i JOIN planned_manifest p ON p.image_id = i.id"
        " JOIN manifest m ON m.id = p.manifest_id WHERE i.source_id = ?"
    ),
    "tags": (
        "SELECT i.path, t.tag FROM image i JOIN planned_tag t ON t.image_id = i.id"
        " WHERE i.source_id = ?"
    ),
    "blobs": (
        "SELECT b.digest, min(i.path) FROM image i JOIN planned_blob p ON p.image_id = i.id"
        " JOIN blob b ON b.id = p.blob_id WHERE i.source_id = ? GROUP BY b.id"
    ),
}
_KEPT: Final = {
    "manifests": (
        "SELECT i.path, m.digest FROM image i JOIN image_manifest n ON n.image_id = i.id"
        " JOIN manifest m ON m.id = n.manifest_id WHERE i.source_id = ?"
    ),
    "tags": (
        "SELECT i.path, t.tag FROM image i JOIN image_tag t ON t.image_id = i.id"
        " WHERE i.source_id = ?"
    ),
    "blobs": (
        "SELECT b.digest, min(i.path) FROM image i JOIN image_manifest n ON n.image_id = i.id"
        " JOIN manifest_blob l ON l.manifest_id = n.manifest_id JOIN blob b ON b.id = l.blob_id"
        " WHERE i.source_id = ? GROUP BY b.id"
    ),
}


class RootContent(Struct, frozen=True):
    """What a file says that a root had.

    Attributes:
        manifests: image path and digest.
        tags: image path and tag.
        blobs: digests of configs and layers, each with an image path that needs it.
    """

    manifests: frozenset[tuple[str, str]]
    tags: frozenset[tuple[str, str]]
    blobs: Mapping[str, str]


def planned_content(migration: Migration, source_id: int) -> RootContent:
    """Return what a plan lists of a root; what a rule left out is not in it."""
    found = {name: migration.stream(sql, source_id) for name, sql in _PLANNED.items()}
    return RootContent(
        frozenset((path, digest) for path, digest in found["manifests"]),
        frozenset((path, tag) for path, tag in found["tags"]),
        dict(found["blobs"]),
    )


def kept_content(baseline: Baseline, source_id: int) -> RootContent:
    """Return what a snapshot shows of a root; one of an old form has no blobs, see `has_blobs`."""
    has_all = has_blobs(baseline.snapshot)
    sql = {name: text for name, text in _KEPT.items() if name != "blobs" or has_all}
    found = {name: baseline.snapshot.stream(text, source_id) for name, text in sql.items()}
    return RootContent(
        frozenset((path, digest) for path, digest in found["manifests"]),
        frozenset((path, tag) for path, tag in found["tags"]),
        dict(found.get("blobs", ())),
    )


def has_blobs(snapshot: Snapshot) -> bool:
    """Whether a snapshot is of a form that has blobs."""
    return snapshot.version >= _WITH_BLOBS


def planned_targets(migration: Migration, source_id: int) -> dict[str, tuple[str, str, str]]:
    """Return where a plan takes the images of a root.

    Returns:
        By image path: the resource of the target repository, which is empty in any other
        registry, the name that people know it by, and the path there.
    """
    sql = (
        "SELECT i.path, r.resource, n.shown, i.target_path FROM image i"
        " JOIN repository r ON r.id = i.repository_id JOIN repository_item n ON n.id = r.id"
        " WHERE i.source_id = ?"
    )
    return {path: (*target,) for path, *target in migration.stream(sql, source_id)}
