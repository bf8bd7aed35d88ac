"""Sizes of blobs as manifests state them: who has a blob settles it where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.model.content import SCHEMA1, SCHEMA1_SIGNED, Digest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from gcr_migrate.model.content import Descriptor

_ASKED_AT_MOST: Final = 8  # places of one blob, until one of them has it
_OTHERS: Final = (
    "SELECT manifest_id, size_bytes FROM temp.stated WHERE blob_id = :id AND size_bytes <> :size"
)
_FIRST: Final = (  # what stated the same as the first one, but not what states none
    "SELECT n.manifest_id, :first FROM manifest_blob n JOIN manifest m ON m.id = n.manifest_id"
    " WHERE n.blob_id = :id AND m.media_type NOT IN (:schema1, :signed)"
    " AND n.manifest_id NOT IN (SELECT manifest_id FROM temp.stated WHERE blob_id = :id)"
)


class StatedSizes:
    """Blobs of a plan that is being written, each with the size that is stated first.

    Args:
        connection: to its file.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        # What is not as it was stated first.
        self._sql.execute(
            "CREATE TEMP TABLE stated (blob_id INTEGER, manifest_id INTEGER, size_bytes INTEGER,"
            " PRIMARY KEY (blob_id, manifest_id)) WITHOUT ROWID"
        )

    def add(self, manifest_id: int, blobs: Sequence[Descriptor]) -> None:
        """Add the blobs of a manifest, those that are known already too."""
        stated = [(str(blob.digest), blob.size, manifest_id) for blob in blobs]
        self._sql.executemany(
            "INSERT OR IGNORE INTO temp.stated SELECT id, ?3, ?2 FROM blob"
            " WHERE digest = ?1 AND size_bytes <> ?2 AND min(size_bytes, ?2) >= 0",
            stated,
        )
        self._sql.executemany(
            "INSERT INTO blob (digest, size_bytes) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE"
            " SET size_bytes = excluded.size_bytes WHERE size_bytes < 0",
            [one[:2] for one in stated],
        )

    def disputed(self) -> dict[Digest, list[tuple[int, str]]]:
        """Return blobs of which manifests state different sizes.

        Returns:
            Of each, where planned images have it, at most a few: id of a source and a path there.
        """
        found: dict[Digest, list[tuple[int, str]]] = {}
        if not self._sql.execute("SELECT 1 FROM temp.stated LIMIT 1").fetchall():
            return found
        rows = self._sql.execute(
            "SELECT b.digest, i.source_id, i.path, row_number() OVER"
            " (PARTITION BY b.id ORDER BY p.id) AS number FROM planned_blob p"
            " JOIN image i ON i.id = p.image_id JOIN blob b ON b.id = p.blob_id"
            " WHERE p.blob_id IN (SELECT blob_id FROM temp.stated) ORDER BY b.digest, number"
        )
        for text, source_id, path, number in rows:
            if number <= _ASKED_AT_MOST:
                found.setdefault(Digest.parse(text), []).append((source_id, path))
        return found

    def settle(
        self, blob: Digest, size_bytes: int | None
    ) -> Iterator[tuple[int, str, Digest, int]]:
        """Give a disputed blob its size in bytes; None: the largest one that is stated.

        Yields:
            Planned manifests that state another one: id of the source, image path, digest and the
            size that they state. Of a size that nobody knows there are none.
        """
        id_, first, largest = self._sql.execute(
            "SELECT b.id, b.size_bytes, max(b.size_bytes, (SELECT max(s.size_bytes)"
            " FROM temp.stated s WHERE s.blob_id = b.id)) FROM blob b WHERE b.digest = ?",
            (str(blob),),
        ).fetchall()[0]
        size = largest if size_bytes is None else size_bytes
        self._sql.execute("UPDATE blob SET size_bytes = ? WHERE id = ?", (size, id_))
        if size_bytes is None:
            return
        wrong = _OTHERS if first == size else f"{_OTHERS} UNION ALL {_FIRST}"
        yield from (
            (source_id, path, Digest.parse(text), stated)
            for source_id, path, text, stated in self._sql.execute(
                f"SELECT i.source_id, i.path, m.digest, w.size_bytes FROM ({wrong}) w"  # noqa: S608  # constants
                " JOIN planned_manifest p ON p.manifest_id = w.manifest_id"
                " JOIN manifest m ON m.id = p.manifest_id JOIN image i ON i.id = p.image_id"
                " ORDER BY i.id, p.id",
                {
                    "id": id_,
                    "size": size,
                    "first": first,
                    "schema1": SCHEMA1,
                    "signed": SCHEMA1_SIGNED,
                },
            )
        )
