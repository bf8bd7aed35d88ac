"""A plan's two sides as entries of a comparison: what its source had, and what its target gets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import ATTACHMENT_LEFT, MANIFEST_UNKNOWN, REFERRERS_TAG_LEFT
from gcr_migrate.model.change import entries_of
from gcr_migrate.model.content import DOCKER_LIST, OCI_INDEX, Digest
from gcr_migrate.model.plan import TagAction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.model.change import Entry
    from gcr_migrate.state.migration import Migration

# A tag that is left out by these takes the manifest to which it points with it.
_WITH_ITS_MANIFEST: Final = {one.code for one in (ATTACHMENT_LEFT, REFERRERS_TAG_LEFT)}
_DIGEST: Final = re.compile(r"[a-z0-9+._-]+:[a-zA-Z0-9=_-]{32,}")
_LEAVES_IT: Final = (TagAction.KEEP.value, TagAction.CONFLICT.value)
_HAS_BYTES: Final = "SELECT 1 FROM manifest WHERE digest = ? AND raw IS NOT NULL"
_MANIFESTS: Final = (
    "SELECT m.digest FROM planned_manifest p JOIN manifest m ON m.id = p.manifest_id"
    " WHERE p.image_id = ?"
)


def source_entries(migration: Migration, *, by_path: bool) -> Iterator[Entry]:
    """Go through what a plan's source showed, also what the plan leaves out.

    Args:
        migration: the plan.
        by_path: images by their path below the root, of which there has to be one only.
    """
    _index_left_out(migration)
    name = "s.shown || '/' || i.path"
    key = "i.path" if by_path else name
    images = (
        f"SELECT i.id, {key} AS key, {name} FROM image i JOIN source s ON s.id = i.source_id"  # noqa: S608  # constants
        " ORDER BY key"
    )
    left = "SELECT name FROM temp.left_behind WHERE image = ? AND is_tag = 0"
    left_tags = "SELECT name, digest FROM temp.left_behind WHERE image = ? AND is_tag = 1"
    manifests = f"{_MANIFESTS} UNION {left} ORDER BY 1"
    tags = (
        "SELECT tag, max(digest) FROM (SELECT tag, digest FROM tag_item WHERE image_id = ?"  # noqa: S608  # constants
        f" UNION ALL {left_tags}) GROUP BY tag ORDER BY tag"
    )
    for id_, image, shown in migration.stream(images):
        yield from entries_of(
            image,
            migration.stream(manifests, id_, shown),
            migration.stream(tags, id_, shown),
            _lists_of_referrers(migration, manifests, id_, shown),
        )


def target_entries(migration: Migration, *, by_path: bool) -> Iterator[Entry]:
    """Go through what a plan's target has of what the plan names, once it is applied.

    Args:
        migration: the plan.
        by_path: images by their path in the repository, of which there has to be one only.
    """
    name = "r.registry || '/' || iif(r.prefix = '', '', r.prefix || '/') || i.target_path"
    key = "i.target_path" if by_path else name
    images = (
        f"SELECT i.id, {key} AS key FROM image i JOIN repository r ON r.id = i.repository_id"  # noqa: S608  # constants
        " ORDER BY key"
    )
    there = f"CASE WHEN action IN ({', '.join(map(repr, _LEAVES_IT))}) THEN found ELSE digest END"
    tags = f"SELECT tag, {there} FROM tag_item WHERE image_id = ? ORDER BY tag"  # noqa: S608  # constants
    for id_, image in migration.stream(images):
        yield from entries_of(
            image,
            migration.stream(f"{_MANIFESTS} ORDER BY 1", id_),
            migration.stream(tags, id_),
            _lists_of_referrers(migration, _MANIFESTS, id_),
        )


def planned_version(
    migration: Migration, image_id: int, digest: Digest
) -> tuple[tuple[str, ...], int]:
    """Return the tags of a planned manifest, and how many of its image are written after it."""
    tags = migration.rows(
        "SELECT tag FROM tag_item WHERE image_id = ? AND digest = ? ORDER BY tag",
        image_id,
        str(digest),
    )
    newer = migration.rows(
        "SELECT count(*) FROM planned_manifest o WHERE o.image_id = ? AND o.id >"
        " (SELECT p.id FROM planned_manifest p JOIN manifest m ON m.id = p.manifest_id"
        " WHERE p.image_id = o.image_id AND m.digest = ?)",
        image_id,
        str(digest),
    )
    return tuple(row[0] for row in tags), newer[0][0]


def manifests_needing(migration: Migration, image_id: int, blob: Digest) -> Iterator[Digest]:
    """Go through the planned manifests of an image that need a blob."""
    sql = (
        "SELECT m.digest FROM planned_manifest p JOIN manifest m ON m.id = p.manifest_id"
        " JOIN manifest_blob n ON n.manifest_id = p.manifest_id JOIN blob b ON b.id = n.blob_id"
        " WHERE p.image_id = ? AND b.digest = ? ORDER BY p.id"
    )
    for (digest,) in migration.rows(sql, image_id, str(blob)):
        yield Digest.parse(digest)


def _lists_of_referrers(migration: Migration, manifests: str, *values: object) -> set[str]:
    """Return indexes that list what is attached to one manifest; see the snapshot's."""
    sql = (
        f"SELECT m.digest FROM manifest m WHERE m.digest IN ({manifests})"  # noqa: S608  # constants
        " AND m.media_type IN (?, ?) AND m.raw IS NOT NULL AND EXISTS (SELECT 1"
        " FROM manifest_need c JOIN manifest_need s ON s.manifest_id = c.needed_id"
        " WHERE c.manifest_id = m.id GROUP BY s.needed_id HAVING count(*) ="
        " (SELECT count(*) FROM manifest_need WHERE manifest_id = m.id))"
    )
    found = migration.rows(sql, *values, OCI_INDEX, DOCKER_LIST)
    return {digest for (digest,) in found if _lists_one_subject(migration, Digest.parse(digest))}


def _lists_one_subject(migration: Migration, digest: Digest) -> bool:
    """Whether all entries of an index have one subject; the rows do not tell it from a child."""
    subjects = set()
    for child in migration.manifest(digest).children:
        if not migration.rows(_HAS_BYTES, str(child.digest)):
            return False  # it could not be read
        subject = migration.manifest(child.digest).subject
        subjects.add(subject.digest if subject else None)
    return len(subjects) == 1 and None not in subjects


def _index_left_out(migration: Migration) -> None:
    """Sort what is left out by image, for this connection only."""
    run = migration.rows
    run("DROP TABLE IF EXISTS temp.left_behind")
    run(
        "CREATE TEMP TABLE left_behind (image TEXT, is_tag INTEGER, name TEXT, digest TEXT,"
        " PRIMARY KEY (image, is_tag, name)) WITHOUT ROWID"
    )
    was_read = "SELECT 1 FROM manifest WHERE digest = ? AND raw IS NOT NULL"
    put = "INSERT OR IGNORE INTO temp.left_behind VALUES (?, ?, ?, ?)"
    for code, subject, saw in migration.stream("SELECT code, subject, saw FROM left_out"):
        image, at, digest = subject.partition("@")
        if at and code != MANIFEST_UNKNOWN.code and run(was_read, digest):
            run(put, image, 0, digest, "")
        image, colon, tag = subject.rpartition(":")
        if at or not colon or "/" in tag:
            continue
        said = _DIGEST.match(saw)  # what the tag pointed to, where that is known
        run(put, image, 1, tag, said[0] if said else "")
        if said and code in _WITH_ITS_MANIFEST:
            run(put, image, 0, said[0], "")
