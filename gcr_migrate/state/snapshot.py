"""A snapshot of registries: a file that says what they showed at one time."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from gcr_migrate.errors import (
    BAD_USAGE,
    FILE_MISSING,
    NOT_A_SNAPSHOT,
    MigrateError,
    named,
)
from gcr_migrate.model.change import entries_of
from gcr_migrate.model.content import DOCKER_LIST, OCI_INDEX, Digest
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.state.file import beside, check_kind, connect, mark_of
from gcr_migrate.state.replacing import synced
from gcr_migrate.state.rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.model.change import Entry
    from gcr_migrate.model.content import Descriptor, Manifest
    from gcr_migrate.model.inventory import ImageContent
    from gcr_migrate.model.plan import Source

APPLICATION_ID: Final = 0x67637273  # "gcrs"
VERSION: Final = 2
OLDEST: Final = 1  # it has neither blobs nor facts of roots
# Names of facts about a root.
PLAIN_HTTP: Final = "plain-http"
ONLY: Final = "only"  # image paths at and below which it was read; none: all
SETTINGS: Final = "settings"  # of its repository
_DISPUTED: Final = -2  # size of a blob of which manifests state different ones
_LINKS: Final = "INSERT OR IGNORE INTO manifest_link (manifest_id, linked_id, kind) VALUES (?,?,?)"


class SnapshotCounts(Struct, frozen=True):
    """How much a snapshot shows; a manifest counts once for each image that has it."""

    images: int
    manifests: int
    tags: int
    untagged: int
    children: int
    attached: int
    left_out: int
    findings: int


class SnapshotDraft:
    """A snapshot that is being written; rows come in any order.

    Args:
        connection: to a file that has the schema and no rows.
        with_manifests: keep the bytes of manifests too.
    """

    def __init__(self, connection: sqlite3.Connection, *, with_manifests: bool) -> None:
        self._sql = connection
        self._with_manifests = with_manifests
        self.sealed = False

    def add_source(self, source: Source) -> int:
        """Add a root and return its id."""
        id_ = self._insert(
            "INSERT INTO source (shown, registry, prefix, dialect) VALUES (?, ?, ?, ?)",
            (source.shown, source.registry, source.prefix, source.dialect),
        )
        if source.plain_http is not None:
            self.add_fact(id_, PLAIN_HTTP, source.plain_http)
        return id_

    def add_fact(self, source_id: int, name: str, value: object) -> None:
        """Add what else was seen of a root, as plain data under a name."""
        sql = "INSERT INTO source_fact (source_id, name, value) VALUES (?, ?, ?)"
        self._insert(sql, (source_id, name, json.dumps(value, sort_keys=True)))

    def add_manifest(
        self,
        manifest: Manifest,
        *,
        extra_blobs: tuple[Descriptor, ...] = (),
        foreign_present: frozenset[Digest] = frozenset(),
    ) -> None:
        """Add a manifest with what it names; the images that have it come by `add_image`.

        Args:
            manifest: bytes and what they need.
            extra_blobs: what it needs besides its own layers.
            foreign_present: layers with outside addresses that the registry has all the same.
        """
        id_ = self._manifest_id(manifest.digest)
        raw = manifest.raw if self._with_manifests else None
        self._sql.execute(
            "UPDATE manifest SET media_type = ?, size_bytes = ?, raw = ? WHERE id = ?",
            (manifest.media_type, len(manifest.raw), raw, id_),
        )
        links = [(one.digest, "child") for one in manifest.children]
        if manifest.subject:
            links.append((manifest.subject.digest, "subject"))
        rows = [(id_, self._manifest_id(digest), kind) for digest, kind in links]
        self._sql.executemany(_LINKS, rows)
        own = [one for one in manifest.blobs if not one.urls or one.digest in foreign_present]
        self._sql.executemany(
            "INSERT OR IGNORE INTO manifest_blob (manifest_id, blob_id) VALUES (?, ?)",
            [(id_, self._blob_id(one)) for one in (*own, *extra_blobs)],
        )

    def add_image(self, source_id: int, path: str, content: ImageContent) -> None:
        """Add all that an image path shows, and what of it could not be read."""
        id_ = self._insert(
            "INSERT INTO image (source_id, path, name) VALUES (?, ?, ?)",
            (source_id, path, content.shown),
        )
        self._sql.executemany(
            "INSERT INTO image_manifest (image_id, manifest_id, uploaded_ms) VALUES (?, ?, ?)",
            [(id_, self._manifest_id(n.digest), n.uploaded_ms) for n in content.nodes.values()],
        )
        unread = {
            left.subject.removeprefix(f"{content.shown}:"): None
            for left in content.left_out
            if left.subject.startswith(f"{content.shown}:")
        }
        tags = {tag: self._manifest_id(digest) for tag, digest in content.tags.items()}
        self._sql.executemany(
            "INSERT INTO image_tag (image_id, tag, manifest_id) VALUES (?, ?, ?)",
            [(id_, tag, manifest_id) for tag, manifest_id in (unread | tags).items()],
        )
        for left_out in content.left_out:
            self.add_left_out(left_out)
        for finding in content.findings:
            self.add_finding(finding)
        for digest, damage in content.damaged.items():
            subject = f"{content.shown}@{digest}"
            self.add_finding(Finding(damage.problem, Severity.ERROR, subject, damage.saw))

    def add_left_out(self, left_out: LeftOut) -> None:
        """Add something that is shown and could not be read."""
        self._insert(
            "INSERT INTO left_out (code, subject, saw) VALUES (?, ?, ?)",
            (left_out.problem.code, left_out.subject, left_out.saw),
        )

    def add_finding(self, finding: Finding) -> None:
        """Add what is noteworthy."""
        self._insert(
            "INSERT INTO finding (code, severity, subject, saw) VALUES (?, ?, ?, ?)",
            (finding.problem.code, finding.severity.value, finding.subject, finding.saw),
        )

    def seal(
        self, *, target: str, complete: bool, tool_version: str, taken_at: tuple[datetime, datetime]
    ) -> None:
        """End the writing.

        Args:
            target: what was asked for.
            complete: everything that it has could be listed and read or named.
            tool_version: who wrote it.
            taken_at: when reading began and when it ended.
        """
        about = {
            "target": target,
            "complete": json.dumps(complete),
            "tool_version": tool_version,
            "began_at": taken_at[0].isoformat(timespec="seconds"),
            "ended_at": taken_at[1].isoformat(timespec="seconds"),
        }
        self._sql.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", about.items())
        # Only now: an index is built faster at once than row by row.
        self._sql.execute("CREATE INDEX image_by_path ON image (path, id)")
        self._sql.commit()
        self.sealed = True

    def _insert(self, sql: str, values: tuple[object, ...]) -> int:
        return self._sql.execute(sql, values).lastrowid or 0

    def _blob_id(self, blob: Descriptor) -> int:
        text = str(blob.digest)
        rows = self._sql.execute("SELECT id FROM blob WHERE digest = ?", (text,)).fetchall()
        if not rows:
            values = (text, blob.size)
            return self._insert("INSERT INTO blob (digest, size_bytes) VALUES (?, ?)", values)
        if blob.size >= 0:  # one manifest may say what another did not, or says otherwise
            known = (
                "UPDATE blob SET size_bytes = iif(size_bytes = -1, ?1, ?3) WHERE id = ?2"
                " AND size_bytes NOT IN (?1, ?3)"
            )
            self._sql.execute(known, (blob.size, rows[0][0], _DISPUTED))
        return int(rows[0][0])

    def _manifest_id(self, digest: Digest) -> int:
        text = str(digest)
        rows = self._sql.execute("SELECT id FROM manifest WHERE digest = ?", (text,)).fetchall()
        return (
            rows[0][0]
            if rows
            else self._insert("INSERT INTO manifest (digest) VALUES (?)", (text,))
        )


class Snapshot:
    """A snapshot that is open for reading.

    Args:
        path: where it lies.
        connection: to it; closed by who opened it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._sql = connection
        self.version: int = connection.execute("PRAGMA user_version").fetchall()[0][0]
        about = dict(connection.execute("SELECT key, value FROM meta").fetchall())
        self.target: str = about["target"]
        self.complete: bool = json.loads(about["complete"])
        self.began_at = datetime.fromisoformat(about["began_at"])
        self.ended_at = datetime.fromisoformat(about["ended_at"])

    def roots(self) -> tuple[str, ...]:
        """Names of the roots under which images were read, such as `us.gcr.io/builds`."""
        rows = self._sql.execute("SELECT shown FROM source ORDER BY shown").fetchall()
        return tuple(row[0] for row in rows)

    def entries(self, *, by_path: bool) -> Iterator[Entry]:
        """Go through all that it shows, in the order that a comparison needs.

        Args:
            by_path: images by their path below the root, of which there has to be one only; else
                by their whole names.
        """
        column = "path" if by_path else "name"
        images = f"SELECT id, {column} FROM image ORDER BY {column}"  # noqa: S608  # constants
        for id_, image in self._sql.execute(images):
            manifests = self._sql.execute(
                "SELECT m.digest FROM image_manifest i JOIN manifest m ON m.id = i.manifest_id"
                " WHERE i.image_id = ? ORDER BY m.digest",
                (id_,),
            )
            tags = self._sql.execute(
                "SELECT t.tag, coalesce(m.digest, '') FROM image_tag t"
                " LEFT JOIN manifest m ON m.id = t.manifest_id WHERE t.image_id = ? ORDER BY t.tag",
                (id_,),
            )
            yield from entries_of(image, manifests, tags, self.lists_of_referrers(id_))

    def stream(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Go through a statement's rows; for this package."""
        yield from rows_of(self._sql.execute(sql, values))

    def lists_of_referrers(self, image_id: int) -> set[str]:
        """Return indexes that list what is attached to one manifest (OCI end-12).

        A registry makes these lists itself, a new one whenever something is attached, and keeps
        the old ones. What they list is compared, one by one; that another registry has it under
        a list of other bytes is no difference.
        """
        sql = (
            "SELECT m.digest FROM image_manifest i JOIN manifest m ON m.id = i.manifest_id"
            " WHERE i.image_id = ? AND m.media_type IN (?, ?) AND EXISTS ("
            " SELECT 1 FROM manifest_link c JOIN manifest_link s ON s.manifest_id = c.linked_id"
            " WHERE c.manifest_id = m.id AND c.kind = 'child' AND s.kind = 'subject'"
            " GROUP BY s.linked_id HAVING count(*) = (SELECT count(*) FROM manifest_link"
            " WHERE manifest_id = m.id AND kind = 'child'))"
        )
        rows = self._sql.execute(sql, (image_id, OCI_INDEX, DOCKER_LIST)).fetchall()
        return {row[0] for row in rows}

    def images(self) -> Iterator[tuple[str, frozenset[str], dict[str, str]]]:
        """Go through all images: whole name, digests, and tags with their digests.

        The digest of a tag that could not be read is empty.
        """
        for id_, name in self._sql.execute("SELECT id, name FROM image ORDER BY name"):
            digests = self._sql.execute(
                "SELECT m.digest FROM image_manifest i JOIN manifest m ON m.id = i.manifest_id"
                " WHERE i.image_id = ?",
                (id_,),
            )
            tags = self._sql.execute(
                "SELECT t.tag, coalesce(m.digest, '') FROM image_tag t"
                " LEFT JOIN manifest m ON m.id = t.manifest_id WHERE t.image_id = ?",
                (id_,),
            )
            yield name, frozenset(row[0] for row in digests), dict(tags.fetchall())

    def counts(self) -> SnapshotCounts:
        """Count what it shows."""
        untagged = (
            "SELECT count(*) FROM image_manifest i WHERE NOT EXISTS (SELECT 1 FROM image_tag t"
            " WHERE t.image_id = i.image_id AND t.manifest_id = i.manifest_id)"
        )
        linked = "SELECT count(*) FROM manifest_link WHERE kind = "
        return SnapshotCounts(
            images=self._count("SELECT count(*) FROM image"),
            manifests=self._count("SELECT count(*) FROM image_manifest"),
            tags=self._count("SELECT count(*) FROM image_tag"),
            untagged=self._count(untagged),
            children=self._count(f"{linked}'child'"),
            attached=self._count(f"{linked}'subject'"),
            left_out=self._count("SELECT count(*) FROM left_out"),
            findings=self._count("SELECT count(*) FROM finding"),
        )

    def _count(self, sql: str) -> int:
        return int(self._sql.execute(sql).fetchall()[0][0])

    def left_outs(self) -> Iterator[LeftOut]:
        """Go through what was shown and could not be read."""
        for code, subject, saw in self._sql.execute(
            "SELECT code, subject, saw FROM left_out ORDER BY subject, code"
        ):
            yield LeftOut(named(code), subject, by_rule=False, saw=saw)

    def findings(self) -> Iterator[Finding]:
        """Go through what is noteworthy."""
        for code, severity, subject, saw in self._sql.execute(
            "SELECT code, severity, subject, saw FROM finding ORDER BY subject, code"
        ):
            yield Finding(named(code), Severity(severity), subject, saw)


def is_snapshot(path: Path) -> bool:
    """Whether a file carries the mark of a snapshot in its header."""
    try:
        return mark_of(path) == APPLICATION_ID
    except OSError as error:
        raise MigrateError(FILE_MISSING, subject=str(path), saw=error.strerror or "") from error


def check_replaceable(path: Path, *, force: bool) -> None:
    """Refuse to write over a file, unless it is a snapshot and that is wished.

    Raises:
        MigrateError: BAD_USAGE, FILE_MISSING.
    """
    if not path.exists():
        return
    if path.is_dir() or not is_snapshot(path):
        saw = "something else than a snapshot is there, and it is not written over"
        raise MigrateError(BAD_USAGE, subject=str(path), saw=saw)
    if not force:
        raise MigrateError(BAD_USAGE, subject=str(path), saw="it is there; --force replaces it")


@contextmanager
def create_snapshot(
    path: Path, *, force: bool = False, with_manifests: bool = False
) -> Iterator[SnapshotDraft]:
    """Write a snapshot beside `path`, and move it there when it is sealed and nothing failed.

    Raises:
        MigrateError: BAD_USAGE if something is there; NOT_WRITABLE; DISK_FULL.
    """
    check_replaceable(path, force=force)
    with beside(path) as temporary:
        with closing(sqlite3.connect(temporary)) as connection:
            _prepare(connection)
            draft = SnapshotDraft(connection, with_manifests=with_manifests)
            yield draft
        if draft.sealed:
            synced(temporary)
            check_replaceable(path, force=force)  # reading takes long enough for one to appear
            temporary.replace(path)


def _prepare(connection: sqlite3.Connection) -> None:
    # A draft that is not finished is thrown away, so it needs no protection against a crash.
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    name = f"snapshot-{VERSION:04}.sql"
    schema = resources.files("gcr_migrate.state").joinpath("schema", name)
    connection.executescript(schema.read_text(encoding="utf-8"))


@contextmanager
def open_snapshot(path: Path) -> Iterator[Snapshot]:
    """Open a snapshot for reading.

    Raises:
        MigrateError: FILE_MISSING, NOT_A_SNAPSHOT, SCHEMA_UNKNOWN.
    """
    if not path.is_file():
        raise MigrateError(FILE_MISSING, subject=str(path), saw="no such file")
    try:
        with closing(connect(path)) as connection:
            check_kind(path, connection, APPLICATION_ID, VERSION, NOT_A_SNAPSHOT, oldest=OLDEST)
            yield Snapshot(path, connection)
    except sqlite3.DatabaseError as error:
        raise MigrateError(NOT_A_SNAPSHOT, subject=str(path), saw=str(error)) from error
