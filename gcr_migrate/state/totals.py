"""What a plan in the making amounts to: what is pushed to each target, and what is streamed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

_TO_TARGETS: Final = (
    " JOIN image i ON i.id = p.image_id JOIN repository r ON r.id = i.repository_id"
    " WHERE r.resource IN (SELECT value FROM json_each(?))"
)
_MANIFESTS: Final = (
    "FROM planned_manifest p JOIN manifest m ON m.id = p.manifest_id"
    f"{_TO_TARGETS} AND NOT p.present"
)
_TAGS: Final = f"FROM planned_tag p{_TO_TARGETS} AND p.action IN ('set', 'overwrite')"
_IS_INDEX: Final = "(m.media_type LIKE '%index%' OR m.media_type LIKE '%manifest.list%')"


class Pushes(NamedTuple):
    """What is written to some repositories.

    Attributes:
        manifests: manifests that are not there yet.
        tags: tags that are set or moved.
        images: digests of images among the manifests, each once.
    """

    manifests: int
    tags: int
    images: int


class Streams(NamedTuple):
    """Blobs that no name of the target's registry has; bytes as far as they are known."""

    blobs: int
    size_bytes: int
    unknown: int


class VersionRow(NamedTuple):
    """A manifest that a target will have, in the order of writing within its image path."""

    path: str
    digest: str
    tags: tuple[str, ...]
    is_part: bool
    is_there: bool


class Totals:
    """Sums over the rows of a draft.

    Args:
        connection: to the draft.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def targets(self) -> frozenset[str]:
        """Return the resources of the repositories into which images go."""
        sql = "SELECT DISTINCT r.resource FROM image i JOIN repository r ON r.id = i.repository_id"
        return frozenset(row[0] for row in self._rows(sql))

    def pushes(self, resources: Collection[str]) -> Pushes:
        """Count what is written to repositories."""
        counted = (
            f"SELECT count(*) {_MANIFESTS}",
            f"SELECT count(*) {_TAGS}",
            f"SELECT count(DISTINCT p.manifest_id) {_MANIFESTS} AND NOT {_IS_INDEX}",
        )
        return Pushes(*(self._rows(sql, _list(resources))[0][0] for sql in counted))

    def streams(self, sources: Collection[str], resources: Collection[str]) -> Streams:
        """Count what goes from some sources, by the names that people know, to some targets."""
        sql = (
            "SELECT count(*), coalesce(sum(max(size, 0)), 0), coalesce(sum(size < 0), 0) FROM ("
            "SELECT b.size_bytes AS size FROM planned_blob p JOIN blob b ON b.id = p.blob_id"
            " JOIN image i ON i.id = p.image_id JOIN repository r ON r.id = i.repository_id"
            " JOIN source s ON s.id = i.source_id"
            " WHERE s.shown IN (SELECT value FROM json_each(?))"
            " AND r.resource IN (SELECT value FROM json_each(?))"
            " GROUP BY b.id, r.registry HAVING NOT max(p.present))"
        )
        return Streams(*self._rows(sql, _list(sources), _list(resources))[0])

    def versions(self, resource: str) -> Iterator[list[VersionRow]]:
        """Give the versions that a target will have, path by path; what is there comes first."""
        sql = (
            "SELECT i.id, i.target_path FROM image i JOIN repository r ON r.id = i.repository_id"
            " WHERE r.resource = ? ORDER BY i.target_path"
        )
        for image_id, path in self._rows(sql, resource):
            yield self._versions(image_id, path)

    def _versions(self, image_id: int, path: str) -> list[VersionRow]:
        tags: dict[int, list[str]] = {}
        pointing = (
            "SELECT planned_manifest_id, tag FROM planned_tag"
            " WHERE image_id = ? AND action IN ('set', 'overwrite', 'present') ORDER BY tag"
        )
        for planned_id, tag in self._rows(pointing, image_id):
            tags.setdefault(planned_id, []).append(tag)
        children = (
            "SELECT DISTINCT n.needed_id FROM planned_manifest p"
            " JOIN manifest m ON m.id = p.manifest_id"
            " JOIN manifest_need n ON n.manifest_id = p.manifest_id WHERE p.image_id = ? AND "
        )
        parts = {row[0] for row in self._rows(children + _IS_INDEX, image_id)}
        planned = (
            "SELECT p.id, p.manifest_id, m.digest, p.present FROM planned_manifest p"
            " JOIN manifest m ON m.id = p.manifest_id WHERE p.image_id = ?"
            " ORDER BY p.present DESC, p.id"
        )
        return [
            VersionRow(path, digest, tuple(tags.get(id_, ())), manifest_id in parts, bool(there))
            for id_, manifest_id, digest, there in self._rows(planned, image_id)
        ]

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._sql.execute(sql, values).fetchall()


def _list(values: Collection[str]) -> str:
    return json.dumps(sorted(values))
