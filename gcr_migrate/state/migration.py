"""Reading a sealed plan together with the state in which the ledger leaves its items.

Rows are read page by page. No statement stays open between two pages: while one is open, SQLite
shows its connection the file as it was, and what the ledger wrote since would be missed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import PLAN_DAMAGED, MigrateError, named
from gcr_migrate.model.access import Grant
from gcr_migrate.model.content import Digest, Manifest
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.model.limits import Limits
from gcr_migrate.model.login import Login
from gcr_migrate.model.plan import Image, Repository, RepositorySettings, Source, TagAction
from gcr_migrate.model.steps import NEXT, State
from gcr_migrate.state.frozen import plan_digest, read_manifest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

PAGE: Final = 256
# Every event leads to one state, whatever came before it; so the last one tells the state.
STATE_BY_LAST: Final = {event.value: state for (_, event), state in NEXT.items()}


@dataclass(frozen=True, slots=True)
class ManifestItem:
    """A manifest under a target name.

    Attributes:
        id: item id.
        image_id: image to which it belongs.
        digest: its digest.
        media_type: its type.
        size_bytes: its length.
        rank: 0 for what needs nothing else, one more than the highest that it needs.
        present: the target had it when the plan was made.
        state: what the ledger says; PLANNED if it says nothing.
        needs: item ids of what has to be there first: children and subject.
    """

    id: int
    image_id: int
    digest: Digest
    media_type: str
    size_bytes: int
    rank: int
    present: bool
    state: State
    needs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BlobItem:
    """A blob under a target name.

    Attributes:
        id: item id.
        image_id: image to which it belongs.
        blob_id: the same for each name that needs the blob.
        digest: its digest.
        size_bytes: its length, -1 where unknown.
        present: the target had it under this name when the plan was made.
        state: what the ledger says; PLANNED if it says nothing.
        shared: another name of the same target registry needs it too.
    """

    id: int
    image_id: int
    blob_id: int
    digest: Digest
    size_bytes: int
    present: bool
    state: State
    shared: bool


@dataclass(frozen=True, slots=True)
class TagItem:
    """A tag under a target name.

    Attributes:
        id: item id.
        image_id: image to which it belongs.
        tag: the tag.
        digest: what it has to point to.
        action: what is done with it.
        found: what it pointed to at the target when the plan was made.
        manifest_item_id: item of the manifest to which it points.
        state: what the ledger says; PLANNED if it says nothing.
    """

    id: int
    image_id: int
    tag: str
    digest: Digest
    action: TagAction
    found: Digest | None
    manifest_item_id: int
    state: State


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """How much a plan moves; blobs and bytes count once per target registry."""

    repositories: int
    images: int
    manifests: int
    tags: int
    left_out: int
    findings: int
    blobs: int
    bytes_total: int
    bytes_to_transfer: int
    bytes_to_mount: int


_BLOBS_COUNTED: Final = """
WITH need AS (
    SELECT p.blob_id, r.registry, count(*) AS names, sum(p.present) AS present,
        max(s.registry = r.registry AND NOT p.present) AS beside
    FROM planned_blob p CROSS JOIN image i ON i.id = p.image_id
    CROSS JOIN repository r ON r.id = i.repository_id CROSS JOIN source s ON s.id = i.source_id
    GROUP BY p.blob_id, r.registry
), sized AS (
    SELECT need.*, max(b.size_bytes, 0) AS size,
        (names > present AND present = 0 AND NOT beside) AS sent
    FROM need JOIN blob b ON b.id = need.blob_id
)
SELECT count(*), coalesce(sum(size), 0), coalesce(sum(size * sent), 0),
    coalesce(sum(size * (names - present - sent)), 0) FROM sized
"""


class Migration:
    """A migration file that is open for reading.

    Args:
        path: where it lies.
        connection: to it; closed by who opened it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._sql = connection
        about = dict(connection.execute("SELECT key, value FROM meta").fetchall())
        self.digest: str = about["digest"]
        self.complete: bool = json.loads(about["complete"])
        self.spec_name: str = about["spec_name"]
        self.spec_text: str = about["spec_text"]
        self.estimate: dict[str, int] = json.loads(about["estimate"])
        self.tool_version: str = about["tool_version"]
        self.created_at = datetime.fromisoformat(about["created_at"])
        self._logins: dict[str, dict[str, Any]] = json.loads(about.get("logins", "{}"))
        self._limits: dict[str, Any] = json.loads(about.get("limits", "{}"))

    def login(self, side: str) -> Login:
        """Return how the `source` or the `target` logs in; files made before tell nothing."""
        kept = self._logins.get(side, {})
        return Login(**kept | {"impersonate": tuple(kept.get("impersonate", ()))})

    def limits(self) -> Limits:
        """Return how fast services are asked; files made before tell nothing."""
        return Limits.read(self._limits)

    def check_seal(self) -> None:
        """Compute the plan's digest again; raise PLAN_DAMAGED if it is another one."""
        found = plan_digest(self._sql)
        if found != self.digest:
            saw = f"sealed as {self.digest}, is {found}"
            raise MigrateError(PLAN_DAMAGED, subject=str(self.path), saw=saw)

    def sources(self) -> dict[int, Source]:
        """Return the source roots by id."""
        sql = "SELECT id, shown, registry, prefix, dialect, plain_http FROM source ORDER BY id"
        return {
            row[0]: Source(row[1], row[2], row[3], row[4], _maybe_bool(row[5]))
            for row in self.rows(sql)
        }

    def repositories(self) -> dict[int, Repository]:
        """Return the target repositories by id, with settings and grants."""
        sql = (
            "SELECT id, registry, prefix, dialect, resource, present, plain_http, description,"
            " labels, immutable_tags, kms_key FROM repository ORDER BY id"
        )
        found = {}
        for row in self.rows(sql):
            grants = self.grant_items(row[0])
            labels = tuple((key, value) for key, value in json.loads(row[8]))
            found[row[0]] = Repository(
                row[1],
                row[2],
                row[3],
                row[4],
                exists=bool(row[5]),
                settings=RepositorySettings(row[7], labels, bool(row[9]), row[10]),
                grants=tuple(grant for _, grant, _, _ in grants),
                granted=tuple(grant for _, grant, granted, _ in grants if granted),
                plain_http=_maybe_bool(row[6]),
            )
        return found

    def repository_states(self) -> dict[int, State]:
        """Return what the ledger says of each repository, by its id."""
        sql = "SELECT id, last_event FROM repository_item ORDER BY id"
        return {row[0]: _state(row[1]) for row in self.rows(sql)}

    def operations(self) -> dict[int, str]:
        """Return the service's operations that create repositories and did not end, by their id."""
        sql = (
            "SELECT e.item_id, e.how FROM event e WHERE e.kind = 'repository'"
            " AND e.event = 'started' AND e.how != '' AND NOT EXISTS (SELECT 1 FROM event later"
            " WHERE later.kind = e.kind AND later.item_id = e.item_id AND later.id > e.id)"
        )
        return dict(self.rows(sql))

    def grant_items(self, repository_id: int) -> list[tuple[int, Grant, bool, State]]:
        """Return item id, grant, whether the policy had it at planning, and state."""
        sql = (
            "SELECT id, role, member, present, last_event FROM grant_item"
            " WHERE repository_id = ? ORDER BY role, member"
        )
        return [
            (row[0], Grant(row[1], row[2]), bool(row[3]), _state(row[4]))
            for row in self.rows(sql, repository_id)
        ]

    def images(self) -> Iterator[Image]:
        """Go through the images in the order of their ids."""
        sql = (
            "SELECT id, source_id, path, repository_id, target_path, existing_tags, moved_tags"
            " FROM image WHERE id > ? ORDER BY id LIMIT ?"
        )
        for row in self.paged(sql):
            yield Image(*row)

    def manifests(self, image_id: int, after_id: int = 0, limit: int = PAGE) -> list[ManifestItem]:
        """Return a page of an image's manifests in the order of writing."""
        sql = (
            "SELECT id, image_id, digest, media_type, coalesce(size_bytes, 0), rank, present,"
            " last_event, needs FROM manifest_item WHERE image_id = ? AND id > ?"
            " ORDER BY id LIMIT ?"
        )
        return [
            ManifestItem(
                row[0],
                row[1],
                Digest.parse(row[2]),
                row[3],
                row[4],
                row[5],
                present=bool(row[6]),
                state=_state(row[7]),
                needs=tuple(sorted(int(one) for one in row[8].split(","))) if row[8] else (),
            )
            for row in self.rows(sql, image_id, after_id, limit)
        ]

    def blobs_of(self, manifest_item_id: int) -> list[BlobItem]:
        """Return what one planned manifest needs, in its order."""
        sql = (
            "SELECT i.id, i.image_id, i.blob_id, i.digest, i.size_bytes, i.present, i.last_event,"
            " i.shared"
            " FROM planned_manifest p CROSS JOIN manifest_blob b ON b.manifest_id = p.manifest_id"
            " CROSS JOIN planned_blob o ON o.image_id = p.image_id AND o.blob_id = b.blob_id"
            " CROSS JOIN blob_item i ON i.id = o.id"
            " WHERE p.id = ? ORDER BY b.position"
        )
        return [_blob_item(row) for row in self.rows(sql, manifest_item_id)]

    def blobs(self, image_id: int) -> Iterator[BlobItem]:
        """Go through everything that an image's manifests need."""
        sql = (
            "SELECT id, image_id, blob_id, digest, size_bytes, present, last_event, shared"
            " FROM blob_item WHERE id > ? AND image_id = ? ORDER BY id LIMIT ?"
        )
        for row in self.paged(sql, image_id):
            yield _blob_item(row)

    def tags(self, image_id: int) -> Iterator[TagItem]:
        """Go through the tags of an image."""
        sql = (
            "SELECT id, image_id, tag, digest, action, found, planned_manifest_id, last_event"
            " FROM tag_item WHERE id > ? AND image_id = ? ORDER BY id LIMIT ?"
        )
        for row in self.paged(sql, image_id):
            yield TagItem(
                row[0],
                row[1],
                row[2],
                digest=Digest.parse(row[3]),
                action=TagAction(row[4]),
                found=Digest.parse(row[5]) if row[5] else None,
                manifest_item_id=row[6],
                state=_state(row[7]),
            )

    def manifest_raw(self, digest: Digest) -> Manifest:
        """Return a manifest, its bytes checked against the digest; KeyError if it is not here."""
        return read_manifest(self._sql, digest)

    def left_outs(self) -> Iterator[LeftOut]:
        """Go through what the plan does not carry."""
        sql = (
            "SELECT id, code, subject, by_rule, saw FROM left_out WHERE id > ? ORDER BY id LIMIT ?"
        )
        for row in self.paged(sql):
            yield LeftOut(named(row[1]), row[2], bool(row[3]), row[4])

    def findings(self) -> Iterator[Finding]:
        """Go through the findings of planning."""
        sql = (
            "SELECT id, code, severity, subject, saw FROM finding WHERE id > ? ORDER BY id LIMIT ?"
        )
        for row in self.paged(sql):
            yield Finding(named(row[1]), Severity(row[2]), row[3], row[4])

    def counts(self) -> PlanCounts:
        """Count what the plan holds and how many bytes of it have to move.

        A blob is sent once to a registry that does not have it, and mounted under its other
        names. Where source and target are one registry nothing has to be sent.
        """
        names = ("repository", "image", "planned_manifest", "planned_tag", "left_out", "finding")
        counted = [self.rows(f"SELECT count(*) FROM {name}")[0][0] for name in names]  # noqa: S608  # constants only
        return PlanCounts(*counted, *self.rows(_BLOBS_COUNTED)[0])

    def holder(self, blob_id: int, registry: str) -> Image | None:
        """Return an image of that registry under which the blob is known to be, if any."""
        known = (
            "(p.present OR EXISTS (SELECT 1 FROM event e WHERE e.kind = 'blob'"
            " AND e.item_id = p.id AND e.event = 'confirmed')) ORDER BY p.image_id LIMIT 1"
        )
        return next(iter(self._images_with(blob_id, registry, known)), None)

    def interrupted(self, blob_id: int, registry: str) -> list[Image]:
        """Return images of that registry under which the blob was started and never ended."""
        started = (
            "(SELECT last_event FROM blob_state s WHERE s.id = p.id) = 'started'"
            " ORDER BY p.image_id"
        )
        return self._images_with(blob_id, registry, started)

    def _images_with(self, blob_id: int, registry: str, condition: str) -> list[Image]:
        rows = self.rows(
            "SELECT i.id, i.source_id, i.path, i.repository_id, i.target_path, i.existing_tags,"  # noqa: S608  # constants only
            " i.moved_tags FROM planned_blob p CROSS JOIN image i ON i.id = p.image_id"
            " CROSS JOIN repository r ON r.id = i.repository_id"
            f" WHERE p.blob_id = ? AND r.registry = ? AND {condition}",
            blob_id,
            registry,
        )
        return [Image(*row) for row in rows]

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows of a statement; for this package."""
        return self._sql.execute(sql, values).fetchall()

    def stream(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Go through a statement's rows where nothing is written meanwhile; for this package."""
        yield from self._sql.execute(sql, values)

    def paged(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Go through a statement that takes the id to start after first and the limit last."""
        after = 0
        while page := self.rows(sql, after, *values, PAGE):
            yield from page
            after = page[-1][0]


def _blob_item(row: tuple[Any, ...]) -> BlobItem:
    return BlobItem(
        row[0],
        row[1],
        row[2],
        digest=Digest.parse(row[3]),
        size_bytes=row[4],
        present=bool(row[5]),
        state=_state(row[6]),
        shared=bool(row[7]),
    )


def _state(last_event: str | None) -> State:
    return STATE_BY_LAST[last_event] if last_event else State.PLANNED


def _maybe_bool(value: int | None) -> bool | None:
    return None if value is None else bool(value)
