"""What a plan sends, mounts and finds there: in all, by repository, by image; added up by SQL.

A blob is sent once to a registry that has it under no name, for the first image that lacks it, and
mounted under its other names. Where source and target are one registry nothing has to be sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gcr_migrate.model.amounts import Service, Stored, Stream
from gcr_migrate.state.last import is_open, is_there, last_event

if TYPE_CHECKING:
    from gcr_migrate.state.migration import Migration


class BlobSums(NamedTuple):
    """Blobs and bytes of a plan; both count once per target registry."""

    blobs: int
    total: int
    to_send: int
    to_mount: int


class Amount(NamedTuple):
    """What a repository or an image gets, in bytes, and what it has already."""

    to_send: int
    to_mount: int
    there: int


class Contents(NamedTuple):
    """Images, manifests and tags that go to a repository, and how many of them are missing."""

    images: int
    manifests: int
    manifests_to_write: int
    tags: int
    tags_to_set: int


_TABLES: Final = ("held", "need")
# Where the ledger is empty nothing is asked of it: there may be a hundred million names.
_CONFIRMED: Final = is_there(last_event("blob"), "p.present")
_SKIPPED: Final = "p.id IN (SELECT item_id FROM event WHERE kind = 'blob' AND event = 'skipped')"
# Read as it lies, and sorted then: by an index each row would be looked up.
_HELD: Final = """
CREATE TEMP TABLE held AS
SELECT p.blob_id, i.repository_id, count(*) AS names, sum(p.present) AS had, sum({there}) AS has,
    sum({skipped}) AS skipped,
    max(s.registry = r.registry AND NOT p.present) AS beside,
    min(iif(p.present, NULL, p.image_id)) AS first
FROM planned_blob p NOT INDEXED CROSS JOIN image i ON i.id = p.image_id
CROSS JOIN repository r ON r.id = i.repository_id CROSS JOIN source s ON s.id = i.source_id
GROUP BY p.blob_id, i.repository_id
"""
_NEED: Final = """
CREATE TEMP TABLE need (blob_id INTEGER, registry TEXT, size INTEGER, is_sized INTEGER,
    lacking INTEGER, missing INTEGER, sent INTEGER, sends INTEGER, first INTEGER,
    PRIMARY KEY (blob_id, registry)) WITHOUT ROWID
"""
_FILL: Final = """
INSERT INTO temp.need
SELECT h.blob_id, r.registry, max(b.size_bytes, 0), b.size_bytes >= 0,
    sum(h.names - h.had), sum(h.names - h.has - h.skipped),
    sum(h.names) > sum(h.had) AND sum(h.had) = 0 AND NOT max(h.beside),
    sum(h.names) > sum(h.has + h.skipped) AND sum(h.has) = 0 AND NOT max(h.beside), min(h.first)
FROM temp.held h CROSS JOIN repository r ON r.id = h.repository_id
CROSS JOIN blob b ON b.id = h.blob_id GROUP BY h.blob_id, r.registry
"""
_SUMS: Final = """
SELECT count(*), coalesce(sum(size), 0), coalesce(sum(size * sent), 0),
    coalesce(sum(size * (lacking - sent)), 0) FROM temp.need
"""
_STREAMS: Final = """
SELECT s.registry, n.registry, sum(n.size), count(*), sum(NOT n.is_sized)
FROM temp.need n CROSS JOIN image i ON i.id = n.first CROSS JOIN source s ON s.id = i.source_id
WHERE n.sent GROUP BY 1, 2 ORDER BY 1, 2
"""
_STORED: Final = """
SELECT r.registry, r.resource <> '', sum(max(b.size_bytes, 0)), sum(b.size_bytes < 0)
FROM temp.held h CROSS JOIN repository r ON r.id = h.repository_id
CROSS JOIN blob b ON b.id = h.blob_id WHERE h.had = 0 GROUP BY 1, 2 ORDER BY 1, 2
"""
_SENT_TO: Final = """
SELECT i.repository_id, sum(n.size) FROM temp.need n CROSS JOIN image i ON i.id = n.first
WHERE n.sent GROUP BY 1
"""
_LACKED_BY: Final = """
SELECT h.repository_id, sum(max(b.size_bytes, 0) * (h.names - h.had)),
    sum(max(b.size_bytes, 0) * h.had)
FROM temp.held h CROSS JOIN blob b ON b.id = h.blob_id GROUP BY 1
"""
_BY_IMAGE: Final = """
SELECT coalesce(sum(n.size * (NOT p.present AND n.sent AND n.first = p.image_id)), 0),
    coalesce(sum(n.size * (NOT p.present AND NOT (n.sent AND n.first = p.image_id))), 0),
    coalesce(sum(n.size * p.present), 0)
FROM planned_blob p CROSS JOIN temp.need n ON n.blob_id = p.blob_id AND n.registry = ?
WHERE p.image_id = ?
"""
_ITEMS: Final = """
SELECT i.repository_id, count(*), sum({open}) FROM {table} p
CROSS JOIN image i ON i.id = p.image_id GROUP BY 1
"""
_OPEN: Final = {
    "manifest": ("planned_manifest", "NOT p.present"),
    "tag": ("planned_tag", "p.action IN ('set', 'overwrite')"),
}


class Amounts:
    """Sums over a plan; they are taken once, and stay on the disk of this machine meanwhile.

    Args:
        migration: the plan, and the ledger that says what is left of it.

    Attributes:
        is_begun: a run has done something, or has tried.
    """

    def __init__(self, migration: Migration) -> None:
        self._rows = migration.rows
        for table in _TABLES:
            self._rows(f"DROP TABLE IF EXISTS temp.{table}")
        self.is_begun = bool(self._rows("SELECT 1 FROM event LIMIT 1"))
        there, skipped = (_CONFIRMED, _SKIPPED) if self.is_begun else ("p.present", "0")
        self._rows(_HELD.format(there=there, skipped=skipped))
        self._rows(_NEED)
        self._rows(_FILL)

    def blobs(self) -> BlobSums:
        """Return how many blobs there are and how many bytes of them have to move."""
        return BlobSums(*self._rows(_SUMS)[0])

    def streams(self) -> list[Stream]:
        """Return what goes from each registry to each other one, by the whole plan."""
        return [Stream(*row) for row in self._rows(_STREAMS)]

    def stored(self) -> list[Stored]:
        """Return what each target registry has to keep that its repositories do not have yet."""
        return [
            Stored(host, size, unsized, is_googles=bool(googles))
            for host, googles, size, unsized in self._rows(_STORED)
        ]

    def left(self) -> list[Service]:
        """Return what is still to be done at each target registry, by plan and ledger."""
        hosts = dict(self._rows("SELECT id, registry FROM repository ORDER BY id"))
        items = dict.fromkeys(hosts.values(), 0)
        for kind, (table, planned) in _OPEN.items():
            left_now = is_open(last_event(kind), planned) if self.is_begun else planned
            sql = _ITEMS.format(table=table, open=left_now)
            for repository_id, _, left in self._rows(sql):
                items[hosts[repository_id]] += left
        sql = (
            "SELECT registry, sum(sends), sum(missing - sends), sum(size * sends)"
            " FROM temp.need GROUP BY 1"
        )
        none = (0, 0, 0)
        blobs = {host: (uploads, mounts, size) for host, uploads, mounts, size in self._rows(sql)}
        found = []
        for host, count in sorted(items.items()):
            uploads, mounts, size = blobs.get(host, none)
            found.append(Service(host, uploads, mounts, size, count))
        return found

    def by_repository(self) -> dict[int, Amount]:
        """Return the bytes of each repository that gets images."""
        sent = dict(self._rows(_SENT_TO))
        return {
            id_: Amount(sent.get(id_, 0), lacking - sent.get(id_, 0), there)
            for id_, lacking, there in self._rows(_LACKED_BY)
        }

    def contents(self) -> dict[int, Contents]:
        """Return how many images, manifests and tags go to each repository, by the whole plan."""
        images = "SELECT repository_id, count(*) FROM image GROUP BY 1"
        items = {
            kind: {id_: sums for id_, *sums in self._rows(_ITEMS.format(table=table, open=planned))}
            for kind, (table, planned) in _OPEN.items()
        }
        none = [0, 0]
        return {
            id_: Contents(count, *items["manifest"].get(id_, none), *items["tag"].get(id_, none))
            for id_, count in self._rows(images)
        }

    def manifests_of(self, image_id: int) -> tuple[int, int]:
        """Return how many manifests an image has, and how many of them are to be written."""
        sql = (
            "SELECT count(*), coalesce(sum(NOT present), 0) FROM planned_manifest"
            " WHERE image_id = ?"
        )
        count, to_write = self._rows(sql, image_id)[0]
        return count, to_write

    def of_image(self, image_id: int, registry: str) -> Amount:
        """Return the bytes of an image that goes to a registry."""
        return Amount(*self._rows(_BY_IMAGE, registry, image_id)[0])
