"""Reading a sealed plan together with the state in which the ledger leaves its items.

Rows are read page by page. No statement stays open between two pages: while one is open, SQLite
shows its connection the file as it was, and what the ledger wrote since would be missed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import PLAN_DAMAGED, MigrateError, named
from gcr_migrate.model.access import AccessRow, Condition, Grant, Right, Verdict
from gcr_migrate.model.content import Digest
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.model.limits import Limits
from gcr_migrate.model.login import Login
from gcr_migrate.model.plan import Image, Repository, Source, TagAction
from gcr_migrate.model.settings import settings_of
from gcr_migrate.state.frozen import read_manifest, read_raw_manifest
from gcr_migrate.state.items import (
    BlobItem,
    ManifestItem,
    PlanCounts,
    TagItem,
    blob_item,
    state_of,
    tag_item,
)
from gcr_migrate.state.last import is_open, is_there, last_event
from gcr_migrate.state.plandigest import plan_digest
from gcr_migrate.state.rows import rows_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.errors import Problem
    from gcr_migrate.model.content import Manifest, RawManifest
    from gcr_migrate.model.steps import Kind, State

PAGE: Final = 256

_IMAGES: Final = (
    "SELECT id, source_id, path, repository_id, target_path, existing_tags, moved_tags FROM image"
)
_BLOBS: Final = (
    "SELECT id, image_id, blob_id, digest, size_bytes, present, last_event, shared FROM blob_item"
)
_TAGS: Final = (
    "SELECT id, image_id, tag, digest, action, found, planned_manifest_id, last_event FROM tag_item"
)
_CONTENT: Final = ("blob", "manifest", "tag")
_GAVE_UP: Final = (
    "SELECT 1 FROM planned_{0} p WHERE p.image_id = ?"  # noqa: S608  # constants only
    f" AND {last_event('{0}')} = 'gave-up' LIMIT 1"
)
_OPEN: Final = (
    "SELECT 1 FROM {0} p JOIN image i ON i.id = p.image_id WHERE i.repository_id = ?"  # noqa: S608  # constants only
    f" AND {is_open(last_event('{2}'), '{1}')} LIMIT 1"
)
_FILLS: Final = (
    ("planned_manifest", "NOT p.present", "manifest"),
    ("planned_tag", "p.action NOT IN ('present', 'keep')", "tag"),
)
_FAILED_REPOSITORIES: Final = (
    "SELECT id FROM repository_item WHERE last_event = 'gave-up'"
    " UNION SELECT repository_id FROM grant_item WHERE last_event = 'gave-up'"
    " UNION SELECT id FROM setting_item WHERE last_event = 'gave-up'"
)
_LARGE_PAGE: Final = 10_000
_BLOB_IS_OPEN: Final = is_open(last_event("blob"), "NOT p.present")


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
            "SELECT id, registry, prefix, dialect, resource, present, plain_http, settings,"
            " changes, upstreams FROM repository ORDER BY id"
        )
        found = {}
        for row in self.rows(sql):
            grants = self.grant_items(row[0])
            found[row[0]] = Repository(
                row[1],
                row[2],
                row[3],
                row[4],
                exists=bool(row[5]),
                settings=settings_of(json.loads(row[7])),
                grants=tuple(grant for _, grant, _, _ in grants),
                granted=tuple(grant for _, grant, granted, _ in grants if granted),
                plain_http=_maybe_bool(row[6]),
                changes=tuple(json.loads(row[8])),
                upstreams=tuple(json.loads(row[9])),
            )
        return found

    def repository_states(self) -> dict[int, State]:
        """Return what the ledger says of each repository, by its id."""
        sql = "SELECT id, last_event FROM repository_item ORDER BY id"
        return {row[0]: state_of(row[1]) for row in self.rows(sql)}

    def setting_states(self) -> dict[int, State]:
        """Return what the ledger says of settings that are written in the end, by repository."""
        sql = "SELECT id, last_event FROM setting_item ORDER BY id"
        return {row[0]: state_of(row[1]) for row in self.rows(sql)}

    def is_filled(self, repository_id: int) -> bool:
        """Whether everything that goes into a repository is there, or left as it is by a rule."""
        return not any(self.rows(_OPEN.format(*one), repository_id) for one in _FILLS)

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
            "SELECT id, role, member, title, expression, description, present, last_event"
            " FROM grant_item WHERE repository_id = ?"
            " ORDER BY role, member, expression, title, description"
        )
        return [
            (row[0], Grant(row[1], row[2], _condition(*row[3:6])), bool(row[6]), state_of(row[7]))
            for row in self.rows(sql, repository_id)
        ]

    def access_rows(self) -> Iterator[AccessRow]:
        """Go through who could do what at a source, and can at a target."""
        sql = (
            "SELECT a.id, a.source, r.shown, a.member, a.right_held, a.before, a.after,"
            " a.before_by, a.after_by, a.verdict, a.why, a.consent, a.proved_by"
            " FROM access_row a JOIN repository_item r ON r.id = a.repository_id"
            " WHERE a.id > ? ORDER BY a.id LIMIT ?"
        )
        for _, source, target, member, right, before, after, *more in self.paged(sql):
            before_by, after_by, verdict, why, consent, proved_by = more
            yield AccessRow(
                source,
                target,
                member,
                Right(right),
                _maybe_bool(before),
                _maybe_bool(after),
                before_by,
                after_by,
                Verdict(verdict),
                why,
                consent,
                proved_by,
            )

    def images(self) -> Iterator[Image]:
        """Go through the images in the order of their ids."""
        sql = f"{_IMAGES} WHERE id > ? ORDER BY id LIMIT ?"
        for row in self.paged(sql):
            yield Image(*row)

    def images_of(self, repository_id: int) -> Iterator[Image]:
        """Go through the images that go to a repository, by their names there."""
        sql = f"{_IMAGES} WHERE repository_id = ? AND target_path > ? ORDER BY target_path LIMIT ?"
        after = ""
        while page := self.rows(sql, repository_id, after, PAGE):
            yield from (Image(*row) for row in page)
            after = page[-1][4]

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
                present=bool(row[6]) and row[7] is None,
                state=state_of(row[7]),
                needs=tuple(sorted(int(one) for one in row[8].split(","))) if row[8] else (),
            )
            for row in self.rows(sql, image_id, after_id, limit)
        ]

    def manifest_item(self, image_id: int, item_id: int) -> ManifestItem:
        """Return one of an image's manifests by its number."""
        return self.manifests(image_id, after_id=item_id - 1, limit=1)[0]

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
        return [blob_item(row) for row in self.rows(sql, manifest_item_id)]

    def manifests_with(self, blob: BlobItem) -> list[int]:
        """Return by number the manifests of a blob's image that need it, but those skipped."""
        sql = (
            "SELECT p.id FROM planned_manifest p CROSS JOIN manifest_blob b"  # noqa: S608  # constants only
            " ON b.manifest_id = p.manifest_id WHERE p.image_id = ? AND b.blob_id = ?"
            f" AND {last_event('manifest')} IS NOT 'skipped'"
        )
        return [row[0] for row in self.rows(sql, blob.image_id, blob.blob_id)]

    def blobs(self, image_id: int) -> Iterator[BlobItem]:
        """Go through everything that an image's manifests need."""
        sql = f"{_BLOBS} WHERE id > ? AND image_id = ? ORDER BY id LIMIT ?"
        for row in self.paged(sql, image_id):
            yield blob_item(row)

    def tags(self, image_id: int) -> Iterator[TagItem]:
        """Go through the tags of an image."""
        sql = f"{_TAGS} WHERE id > ? AND image_id = ? ORDER BY id LIMIT ?"
        for row in self.paged(sql, image_id):
            yield tag_item(row)

    def tags_of(self, image_id: int, manifest_item_id: int) -> list[TagItem]:
        """Return the tags of an image that point to one planned manifest."""
        sql = f"{_TAGS} WHERE image_id = ? AND planned_manifest_id = ? ORDER BY id"
        return [tag_item(row) for row in self.rows(sql, image_id, manifest_item_id)]

    def open_referrers(self, item: ManifestItem) -> bool:
        """Whether something that is attached to this manifest is still to be written beside it."""
        sql = (
            "SELECT m.digest FROM planned_manifest p"  # noqa: S608  # constants only
            " CROSS JOIN manifest_need n ON n.needed_id = p.manifest_id"
            " CROSS JOIN planned_manifest o ON o.image_id = p.image_id"
            " AND o.manifest_id = n.manifest_id"
            " CROSS JOIN manifest m ON m.id = o.manifest_id"
            f" WHERE p.id = ? AND NOT {is_there(last_event('manifest', 'o.id'), 'o.present')}"
        )
        waiting = (self.manifest(Digest.parse(row[0])) for row in self.rows(sql, item.id))
        return any(one.subject and one.subject.digest == item.digest for one in waiting)

    def has_failed(self, image_id: int) -> bool:
        """Whether something of an image path is given up at the moment."""
        return any(self.rows(_GAVE_UP.format(kind), image_id) for kind in _CONTENT)

    def last_code(self, kind: Kind, item_id: int) -> str:
        """Return the code of what happened last to an item; empty where that has none."""
        sql = "SELECT code FROM event WHERE kind = ? AND item_id = ? ORDER BY id DESC LIMIT 1"
        return next((str(row[0]) for row in self.rows(sql, str(kind), item_id)), "")

    def was_there(self, tag: TagItem) -> bool:
        """Whether the target has ever had a tag as planned, by the plan or by any run."""
        sql = "SELECT 1 FROM event WHERE kind = 'tag' AND item_id = ? AND event = 'confirmed'"
        return tag.action is TagAction.PRESENT or bool(self.rows(sql, tag.id))

    def failed_repositories(self) -> set[int]:
        """Return the repositories of which something is given up, beside their images."""
        return {row[0] for row in self.rows(_FAILED_REPOSITORIES)}

    def image(self, image_id: int) -> Image:
        """Return an image path by its id."""
        return Image(*self.rows(f"{_IMAGES} WHERE id = ?", image_id)[0])

    def large_blobs(self, at_least: int) -> Iterator[BlobItem]:
        """Go through blobs of that size that are not there, the largest first.

        Each comes once for a target registry.
        """
        sql = (
            "SELECT min(p.id), b.size_bytes, b.id FROM blob b"  # noqa: S608  # constants only
            " CROSS JOIN planned_blob p ON p.blob_id = b.id CROSS JOIN image i ON i.id = p.image_id"
            " CROSS JOIN repository r ON r.id = i.repository_id"
            " WHERE b.size_bytes >= ? AND (b.size_bytes, b.id) < (?, ?)"
            f" AND {_BLOB_IS_OPEN} GROUP BY b.id, r.registry"
            " ORDER BY b.size_bytes DESC, b.id DESC LIMIT ?"
        )
        last: tuple[int, int] = (2**62, 0)
        while page := self.rows(sql, at_least, *last, _LARGE_PAGE):
            if len(page) == _LARGE_PAGE:  # the blob at the end comes again with all its registries
                page = [row for row in page if row[1:] != page[-1][1:]] or page
            last = page[-1][1:]
            for item_id, _, _ in page:
                yield self.blob_item(item_id)

    def blob_item(self, item_id: int) -> BlobItem:
        """Return a blob under a name, as it is now."""
        return blob_item(self.rows(f"{_BLOBS} WHERE id = ?", item_id)[0])

    def manifest(self, digest: Digest) -> Manifest:
        """Return a manifest, its bytes checked; PLAN_DAMAGED if it is not here or not whole."""
        return read_manifest(self._sql, digest)

    def raw_manifest(self, digest: Digest) -> RawManifest:
        """Return the bytes of a manifest, likewise."""
        return read_raw_manifest(self._sql, digest)

    def left_outs(self) -> Iterator[LeftOut]:
        """Go through what the plan does not carry."""
        sql = (
            "SELECT id, code, subject, by_rule, saw FROM left_out WHERE id > ? ORDER BY id LIMIT ?"
        )
        for row in self.paged(sql):
            yield LeftOut(named(row[1]), row[2], bool(row[3]), row[4])

    def left_out_codes(self, name: str) -> dict[str, int]:
        """Return how much of an image is not carried, by its full name at the source, by reason."""
        found: dict[str, int] = {}
        sql = "SELECT code, count(*) FROM left_out WHERE subject >= ? AND subject < ? GROUP BY 1"
        for mark in ":@":
            for code, count in self.rows(sql, f"{name}{mark}", f"{name}{chr(ord(mark) + 1)}"):
                found[code] = found.get(code, 0) + count
        return found

    def left_out_tags(self, name: str) -> dict[str, Problem]:
        """Return the tags of an image that are not carried, each with its reason.

        Args:
            name: full name of the image at the source, without a tag.
        """
        begins, ends = f"{name}:", f"{name};"  # the character that follows
        sql = "SELECT subject, code FROM left_out WHERE subject >= ? AND subject < ? ORDER BY id"
        found = self.rows(sql, begins, ends)
        return {subject.removeprefix(begins): named(code) for subject, code in found}

    def findings(self) -> Iterator[Finding]:
        """Go through the findings of planning, the worst first."""
        sql = (
            "SELECT id, code, severity, subject, saw FROM finding WHERE id > ? AND severity = ?"
            " ORDER BY id LIMIT ?"
        )
        for severity in reversed(Severity):
            for row in self.paged(sql, severity.value):
                yield Finding(named(row[1]), severity, row[3], row[4])

    def counts(self) -> PlanCounts:
        """Count what the plan holds; `Amounts` tells blobs and bytes."""
        names = ("repository", "image", "planned_manifest", "planned_tag", "left_out", "finding")
        rows = (*names, "planned_tag WHERE action = 'overwrite'")
        counted = [self.rows(f"SELECT count(*) FROM {one}")[0][0] for one in rows]  # noqa: S608  # constants only
        return PlanCounts(*counted)

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
        yield from rows_of(self._sql.execute(sql, values))

    def paged(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Go through a statement that takes the id to start after first and the limit last."""
        after = 0
        while page := self.rows(sql, after, *values, PAGE):
            yield from page
            after = page[-1][0]


def _condition(title: str, expression: str, description: str) -> Condition | None:
    return Condition(title, expression, description) if expression else None


def _maybe_bool(value: int | None) -> bool | None:
    return None if value is None else bool(value)
