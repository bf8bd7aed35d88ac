"""What is under way in a migration file, and what waits for what; read from file and ledger alone.

Each question is one statement that goes through rows and keeps a few: memory is bounded, however
large the plan is. What is seen may be some moments old while a run goes on.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.model.far import HowFar
from gcr_migrate.model.steps import State
from gcr_migrate.state.items import STATE_BY_LAST
from gcr_migrate.state.last import is_open, last_event

if TYPE_CHECKING:
    from gcr_migrate.state.migration import Migration

SHOWN_AT_MOST: Final = 5
_LOOKED_AT: Final = 20  # blobs of which those are told that hold up most
_NAMES_LOOKED_AT: Final = 400  # under which these are found
_NAMED_TAGS: Final = 3
_HAS_PROGRESS: Final = "SELECT 1 FROM sqlite_master WHERE name = 'run_progress'"
_PROGRESS: Final = """
SELECT at, bytes_done, bytes_total, bytes_per_s, requests_per_s, time_left_s
FROM run_progress WHERE run_id = ?
"""


class Moving(Struct, frozen=True):
    """A blob that is under way: its full target name, and since when it is."""

    subject: str
    size_bytes: int
    since: datetime


class Flights(Struct, frozen=True):
    """What was started and has not ended.

    Attributes:
        count: items of all kinds.
        blobs: how many of them are blobs.
        largest: the largest blobs, the oldest first of those alike.
    """

    count: int
    blobs: int
    largest: tuple[Moving, ...]


class HoldUp(Struct, frozen=True):
    """A blob and what waits for it under one name.

    Attributes:
        image: full target name of the image path.
        digest: the blob's digest, and `size_bytes` its length, -1 where unknown.
        state: where the blob is in its life.
        tags: number of tags that cannot be set before it is there, and `named` a few of them.
        chain: digests of manifests that wait, from what a tag points to down to what has the blob.
    """

    image: str
    digest: str
    size_bytes: int
    state: State
    tags: int
    named: tuple[str, ...]
    chain: tuple[str, ...]


_STARTED: Final = (
    "e.event = 'started' AND (? IS NULL OR e.run_id = ?) AND NOT EXISTS (SELECT 1 FROM event later"
    " WHERE later.kind = e.kind AND later.item_id = e.item_id AND later.id > e.id)"
)
_COUNTS: Final = f"SELECT count(*), coalesce(sum(e.kind = 'blob'), 0) FROM event e WHERE {_STARTED}"  # noqa: S608  # constants only
_LARGEST: Final = f"""
SELECT n.shown || '@' || b.digest, b.size_bytes, e.at FROM event e
CROSS JOIN planned_blob p ON p.id = e.item_id CROSS JOIN blob b ON b.id = p.blob_id
CROSS JOIN image_name n ON n.id = p.image_id
WHERE e.kind = 'blob' AND {_STARTED} ORDER BY b.size_bytes DESC, e.id LIMIT ?
"""  # noqa: S608  # constants only
_OPEN_BLOBS: Final = f"""
SELECT s.last_event, b.size_bytes, p.image_id, p.blob_id, b.digest
FROM blob_state s CROSS JOIN planned_blob p ON p.id = s.id CROSS JOIN blob b ON b.id = p.blob_id
WHERE {is_open("s.last_event", "NOT s.present")}
ORDER BY s.last_event IS 'started' DESC, s.last_event IS 'gave-up' DESC, b.size_bytes DESC, s.id
LIMIT ?
"""  # noqa: S608  # constants only
_OPEN_TAG: Final = f"""
FROM planned_tag t JOIN planned_manifest p ON p.id = t.planned_manifest_id
WHERE t.image_id = ?1
    AND {is_open(last_event("tag", "t.id"), "t.action NOT IN ('present', 'keep')")}
    AND EXISTS (
        WITH RECURSIVE below(id) AS (
            SELECT p.manifest_id
            UNION SELECT n.needed_id FROM below b JOIN manifest_need n ON n.manifest_id = b.id
        )
        SELECT 1 FROM below b JOIN manifest_blob m ON m.manifest_id = b.id
        WHERE m.blob_id = ?2
    )
"""  # noqa: S608  # constants only
_CHAIN: Final = """
WITH RECURSIVE below(id, way, depth) AS (
    SELECT ?1, '' || ?1, 0
    UNION SELECT n.needed_id, b.way || ',' || n.needed_id, b.depth + 1
    FROM below b JOIN manifest_need n ON n.manifest_id = b.id WHERE b.depth < 8
)
SELECT b.way FROM below b JOIN manifest_blob m ON m.manifest_id = b.id AND m.blob_id = ?2
ORDER BY b.depth LIMIT 1
"""
_UNTAGGED: Final = """
SELECT p.manifest_id FROM planned_manifest p
JOIN manifest_blob m ON m.manifest_id = p.manifest_id AND m.blob_id = ?
WHERE p.image_id = ? ORDER BY p.id LIMIT 1
"""


def flights(migration: Migration, run_id: int | None = None) -> Flights:
    """Return what was started and has not ended.

    Args:
        migration: the file.
        run_id: only what this run started; None: any.
    """
    count, blobs = migration.rows(_COUNTS, run_id, run_id)[0]
    rows = migration.rows(_LARGEST, run_id, run_id, SHOWN_AT_MOST)
    largest = tuple(Moving(row[0], row[1], datetime.fromisoformat(row[2])) for row in rows)
    return Flights(count, blobs, largest)


def how_far(migration: Migration, run: int) -> tuple[datetime, HowFar] | None:
    """Return what a run has noted of itself last, and when; None if it has noted nothing yet."""
    if not migration.rows(_HAS_PROGRESS):
        return None
    for at, *values in migration.rows(_PROGRESS, run):
        return datetime.fromisoformat(at), HowFar(*values)
    return None


def hold_ups(migration: Migration) -> list[HoldUp]:
    """Return the blobs that hold up most tags: those under way first, then failed, then others.

    Of each blob only one name is looked at: under the others it is mounted when it is there. Of
    blobs that hold up the same tags by the same chain only the largest is told.
    """
    seen: set[int] = set()
    found = []
    for last, size, image_id, blob_id, digest in migration.rows(_OPEN_BLOBS, _NAMES_LOOKED_AT):
        if blob_id in seen or len(seen) >= _LOOKED_AT:
            continue
        seen.add(blob_id)
        state = STATE_BY_LAST[last] if last else State.PLANNED
        found.append(_hold_up(migration, image_id, blob_id, digest, size, state))
    found.sort(key=lambda one: (-one.tags, -one.size_bytes))
    largest: dict[tuple[object, ...], HoldUp] = {}
    for one in found:
        largest.setdefault((one.image, one.tags, one.named, one.chain), one)
    return [*largest.values()][:SHOWN_AT_MOST]


def _hold_up(
    migration: Migration, image_id: int, blob_id: int, digest: str, size: int, state: State
) -> HoldUp:
    count = migration.rows(f"SELECT count(*) {_OPEN_TAG}", image_id, blob_id)[0][0]
    sql = f"SELECT t.tag, p.manifest_id {_OPEN_TAG} ORDER BY t.id LIMIT {_NAMED_TAGS}"
    tags = migration.rows(sql, image_id, blob_id)
    tops = tags[0][1:] if tags else next(iter(migration.rows(_UNTAGGED, blob_id, image_id)), ())
    return HoldUp(
        image=migration.rows("SELECT shown FROM image_name WHERE id = ?", image_id)[0][0],
        digest=digest,
        size_bytes=size,
        state=state,
        tags=count,
        named=tuple(row[0] for row in tags),
        chain=tuple(_chain(migration, tops[0], blob_id)) if tops else (),
    )


def _chain(migration: Migration, manifest_id: int, blob_id: int) -> list[str]:
    """Return the digests from a manifest down to the one that has the blob."""
    way = migration.rows(_CHAIN, manifest_id, blob_id)
    ids = way[0][0].split(",") if way else []
    sql = "SELECT digest FROM manifest WHERE id = ?"
    return [migration.rows(sql, int(one))[0][0] for one in ids]
