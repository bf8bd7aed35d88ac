"""The digest over all that a plan decides."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


def plan_digest(connection: sqlite3.Connection) -> str:
    """Return the digest over all that a plan decides.

    Rows go in by their natural keys. Ids, times and estimates stay out, so that planning twice
    over unchanged registries gives the same digest.
    """
    hasher = hashlib.sha256()
    for row in _canonical(connection):
        line = json.dumps(row, ensure_ascii=True, separators=(",", ":"))
        hasher.update(line.encode() + b"\n")
    return f"sha256:{hasher.hexdigest()}"


_WHOLE: Final = (
    ("complete", "SELECT value FROM meta WHERE key = 'complete'"),
    (
        "source",
        (
            "SELECT registry, prefix, shown, dialect, plain_http FROM source"
            " ORDER BY registry, prefix, shown"
        ),
    ),
    (
        "repository",
        (
            "SELECT registry, prefix, dialect, resource, present, settings, changes,"
            " plain_http, upstreams FROM repository ORDER BY registry, prefix"
        ),
    ),
    (
        "grant",
        (
            "SELECT r.registry, r.prefix, g.role, g.member, g.expression, g.title, g.description,"
            " g.present FROM repository_grant g JOIN repository r ON r.id = g.repository_id"
            " ORDER BY r.registry, r.prefix, g.role, g.member, g.expression, g.title, g.description"
        ),
    ),
    (
        "access",
        (
            "SELECT r.registry, r.prefix, a.source, a.member, a.right_held, a.before, a.after,"
            " a.before_by, a.after_by, a.verdict, a.why, a.consent, a.proved_by FROM access_row a"
            " JOIN repository r ON r.id = a.repository_id"
            " ORDER BY r.registry, r.prefix, a.source, a.member, a.right_held"
        ),
    ),
    (
        "left-out",
        "SELECT subject, code, by_rule, saw FROM left_out ORDER BY subject, code, by_rule, saw",
    ),
    (
        "finding",
        "SELECT subject, code, severity, saw FROM finding ORDER BY subject, code, severity, saw",
    ),
)
_IMAGES: Final = (
    "SELECT i.id, r.registry, r.prefix, i.target_path, s.registry, s.prefix, s.shown, i.path,"
    " i.existing_tags, i.moved_tags FROM image i JOIN repository r ON r.id = i.repository_id"
    " JOIN source s ON s.id = i.source_id ORDER BY r.registry, r.prefix, i.target_path"
)
_PER_IMAGE: Final = (
    (
        "manifest",
        (
            "SELECT m.digest, m.media_type, p.rank, p.present FROM planned_manifest p"
            " JOIN manifest m ON m.id = p.manifest_id WHERE p.image_id = ? ORDER BY p.id"
        ),
    ),
    (
        "blob",
        (
            "SELECT b.digest, b.size_bytes, p.present FROM planned_blob p"
            " JOIN blob b ON b.id = p.blob_id WHERE p.image_id = ? ORDER BY b.digest"
        ),
    ),
    (
        "tag",
        "SELECT tag, digest, action, found FROM tag_item WHERE image_id = ? ORDER BY tag",
    ),
)


def _canonical(connection: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    for kind, sql in _WHOLE:
        for row in connection.execute(sql):
            yield kind, *row
    for image_id, *row in connection.execute(_IMAGES):
        yield "image", *row
        for kind, sql in _PER_IMAGE:
            for part in connection.execute(sql, (image_id,)):
                yield kind, *part
