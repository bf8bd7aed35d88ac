"""Writing a plan, and the seal that freezes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from msgspec.structs import asdict

from gcr_migrate.errors import DISK_FULL, FILE_BUSY, PLAN_DAMAGED, MigrateError
from gcr_migrate.model.content import Digest, Manifest, RawManifest, checked
from gcr_migrate.model.settings import plain
from gcr_migrate.state.plandigest import plan_digest
from gcr_migrate.state.stated import StatedSizes
from gcr_migrate.state.totals import Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from gcr_migrate.model.access import AccessRow, Grant
    from gcr_migrate.model.content import Descriptor
    from gcr_migrate.model.finding import Finding, LeftOut
    from gcr_migrate.model.limits import Limits
    from gcr_migrate.model.login import Login
    from gcr_migrate.model.plan import PlannedManifest, PlannedTag, Repository, Source

# What SQLite says where another program keeps a lock.
BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")
_FROZEN: Final = (
    "meta",
    "source",
    "repository",
    "repository_grant",
    "access_row",
    "manifest",
    "blob",
    "manifest_need",
    "manifest_blob",
    "image",
    "planned_manifest",
    "planned_blob",
    "planned_tag",
    "left_out",
    "finding",
)


class Draft:
    """A plan that is being written; it becomes a migration file when it is sealed.

    Args:
        connection: to a file that has the schema and no rows.

    Attributes:
        sizes: of blobs, as manifests state them.
        sealed: nothing can be added any more.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self.sizes = StatedSizes(connection)
        self.sealed = False

    def add_source(self, source: Source) -> int:
        """Add a source root and return its id."""
        return self._insert(
            "INSERT INTO source (shown, registry, prefix, dialect, plain_http)"
            " VALUES (?, ?, ?, ?, ?)",
            (source.shown, source.registry, source.prefix, source.dialect, source.plain_http),
        )

    def add_repository(self, repository: Repository) -> int:
        """Add a target repository with its grants and return its id."""
        id_ = self._insert(
            "INSERT INTO repository (registry, prefix, dialect, resource, present, settings,"
            " changes, plain_http, upstreams) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                repository.registry,
                repository.prefix,
                repository.dialect,
                repository.resource,
                repository.exists,
                json.dumps(plain(repository.settings), sort_keys=True),
                json.dumps(repository.changes),
                repository.plain_http,
                json.dumps(repository.upstreams),
            ),
        )
        self._sql.executemany(
            "INSERT INTO repository_grant (repository_id, role, member, title, expression,"
            " description, present) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (id_, grant.role, grant.member, *_condition(grant), grant in repository.granted)
                for grant in sorted(set(repository.grants))
            ],
        )
        return id_

    def add_access_rows(self, repository_id: int, rows: Iterable[AccessRow]) -> None:
        """Add who could do what at the source, and can at this repository, in their order."""
        self._sql.executemany(
            "INSERT INTO access_row (repository_id, source, member, right_held, before, after,"
            " before_by, after_by, verdict, why, consent, proved_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    repository_id,
                    row.source,
                    row.member,
                    row.right.value,
                    row.before,
                    row.after,
                    row.before_by,
                    row.after_by,
                    row.verdict.value,
                    row.why,
                    row.consent,
                    row.proved_by,
                )
                for row in rows
            ),
        )

    def has_manifest(self, digest: Digest) -> bool:
        """Whether the bytes of this manifest are in the plan."""
        sql = "SELECT 1 FROM manifest WHERE digest = ? AND raw IS NOT NULL"
        return bool(self._sql.execute(sql, (str(digest),)).fetchall())

    def add_manifest(
        self,
        manifest: Manifest,
        *,
        extra_blobs: tuple[Descriptor, ...] = (),
        foreign_present: frozenset[Digest] = frozenset(),
    ) -> None:
        """Keep a manifest once, whichever images have it.

        Args:
            manifest: bytes and what they need.
            extra_blobs: what it needs besides its own layers.
            foreign_present: layers with outside addresses that the source has all the same; other
                layers of that kind are not copied.
        """
        id_ = self._manifest_id(manifest.digest)
        self._sql.execute(
            "UPDATE manifest SET media_type = ?, raw = ? WHERE id = ? AND raw IS NULL",
            (manifest.media_type, manifest.raw, id_),
        )
        needed = [child.digest for child in manifest.children]
        if manifest.subject:
            needed.append(manifest.subject.digest)
        self._sql.executemany(
            "INSERT OR IGNORE INTO manifest_need (manifest_id, needed_id) VALUES (?, ?)",
            [(id_, self._manifest_id(digest)) for digest in needed],
        )
        carried = [b for b in manifest.blobs if not b.urls or b.digest in foreign_present]
        blobs = (*carried, *extra_blobs)
        self.sizes.add(id_, blobs)
        self._sql.executemany(
            "INSERT OR IGNORE INTO manifest_blob (manifest_id, blob_id, position)"
            " SELECT ?, id, ? FROM blob WHERE digest = ?",
            [(id_, at, str(blob.digest)) for at, blob in enumerate(blobs)],
        )

    def blobs_of(self, digest: Digest) -> dict[Digest, int]:
        """Return the blobs that a manifest takes along, with their lengths, -1 where unknown.

        There are none where it was not added before.
        """
        sql = (
            "SELECT b.digest, b.size_bytes FROM manifest m"
            " JOIN manifest_blob n ON n.manifest_id = m.id"
            " JOIN blob b ON b.id = n.blob_id WHERE m.digest = ?"
        )
        rows = self._sql.execute(sql, (str(digest),))
        return {Digest.parse(blob): size for blob, size in rows}

    def manifest(self, digest: Digest) -> Manifest:
        """Return a manifest that was added before; raise PLAN_DAMAGED if it was not."""
        return read_manifest(self._sql, digest)

    def add_image(  # the columns of one row
        self,
        source_id: int,
        path: str,
        repository_id: int,
        target_path: str,
        existing_tags: str,
        moved_tags: str,
    ) -> int:
        """Add an image path with the name that it gets, and return its id."""
        return self._insert(
            "INSERT INTO image (source_id, path, repository_id, target_path, existing_tags,"
            " moved_tags) VALUES (?, ?, ?, ?, ?, ?)",
            (source_id, path, repository_id, target_path, existing_tags, moved_tags),
        )

    def drop_image(self, image_id: int) -> None:
        """Take an image back of which nothing is carried."""
        self._sql.execute("DELETE FROM image WHERE id = ?", (image_id,))

    def drop_empty_repositories(self) -> int:
        """Take back repositories into which nothing goes; return how many are to be created."""
        unused = "repository_id NOT IN (SELECT repository_id FROM image)"
        for table in ("repository_grant", "access_row"):
            self._sql.execute(f"DELETE FROM {table} WHERE {unused}")  # noqa: S608  # constants
        self._sql.execute(
            "DELETE FROM repository WHERE id NOT IN (SELECT repository_id FROM image)"
        )
        sql = "SELECT count(*) FROM repository WHERE resource <> '' AND NOT present"
        return int(self._sql.execute(sql).fetchall()[0][0])

    def add_manifests(self, image_id: int, manifests: Iterable[PlannedManifest]) -> None:
        """Add what belongs under the image's target name, in the order of writing."""
        self._sql.executemany(
            "INSERT INTO planned_manifest (image_id, manifest_id, rank, present, uploaded_ms)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                (image_id, self._manifest_id(m.digest), m.rank, m.present, m.uploaded_ms)
                for m in manifests
            ),
        )

    def add_blobs(
        self, image_id: int, absent: Iterable[Digest] = (), there: Iterable[Digest] = ()
    ) -> None:
        """Add every blob that the image's planned manifests need, once, but not what is absent.

        Args:
            image_id: which image.
            absent: layers with outside addresses that the source does not have under its name;
                under another it may have them.
            there: what the target has beside what the planned manifests that are there need.
        """
        self._sql.execute(
            "INSERT INTO planned_blob (image_id, blob_id, present)"
            " SELECT p.image_id, b.blob_id, max(p.present) OR b.blob_id IN"
            " (SELECT o.id FROM json_each(?) j JOIN blob o ON o.digest = j.value)"
            " FROM planned_manifest p"
            " JOIN manifest_blob b ON b.manifest_id = p.manifest_id WHERE p.image_id = ?"
            " AND b.blob_id NOT IN"
            " (SELECT o.id FROM json_each(?) j JOIN blob o ON o.digest = j.value)"
            " GROUP BY b.blob_id ORDER BY min(p.id), min(b.position)",
            (_json(there), image_id, _json(absent)),
        )

    def blobs_over(self, size_bytes: int) -> Iterator[tuple[int, str, int, str, int]]:
        """Give larger blobs: source id, image path, repository id, digest and size."""
        yield from self._sql.execute(
            "SELECT i.source_id, i.path, i.repository_id, b.digest, b.size_bytes FROM blob b"
            " JOIN planned_blob p ON p.blob_id = b.id JOIN image i ON i.id = p.image_id"
            " WHERE b.size_bytes > ? ORDER BY i.id, b.digest",
            (size_bytes,),
        ).fetchall()

    def add_tags(self, image_id: int, tags: Iterable[PlannedTag]) -> None:
        """Add tags; what they point to has been added by `add_manifests`."""
        for tag in tags:
            found = self._manifest_id(tag.found) if tag.found else None
            self._insert(
                "INSERT INTO planned_tag (image_id, tag, planned_manifest_id, action, found_id)"
                " VALUES (?, ?, (SELECT p.id FROM planned_manifest p JOIN manifest m"
                " ON m.id = p.manifest_id WHERE p.image_id = ? AND m.digest = ?), ?, ?)",
                (image_id, tag.tag, image_id, str(tag.digest), tag.action.value, found),
            )

    def add_left_out(self, left_out: LeftOut) -> None:
        """Add something that is not carried."""
        self._insert(
            "INSERT INTO left_out (code, subject, by_rule, saw) VALUES (?, ?, ?, ?)",
            (left_out.problem.code, left_out.subject, left_out.by_rule, left_out.saw),
        )

    def add_finding(self, finding: Finding) -> None:
        """Add a finding of planning."""
        self._insert(
            "INSERT INTO finding (code, severity, subject, saw) VALUES (?, ?, ?, ?)",
            (finding.problem.code, finding.severity.value, finding.subject, finding.saw),
        )

    def totals(self) -> Totals:
        """Return sums over what was added so far."""
        return Totals(self._sql)

    def add_limits(self, limits: Limits) -> None:
        """Keep how fast services are asked, which is no part of the digest."""
        put = "INSERT INTO meta (key, value) VALUES ('limits', ?)"
        self._insert(put, (json.dumps(limits.kept()),))

    def seal(  # what a plan says about itself
        self,
        *,
        complete: bool,
        spec_name: str,
        spec_text: str,
        estimate: dict[str, int],
        tool_version: str,
        created_at: datetime,
        logins: Mapping[str, Login] | None = None,
    ) -> str:
        """Freeze the plan and return its digest; nothing can be added any more.

        How each side logs in is kept with it and is no part of the digest.
        """
        about = {
            "complete": json.dumps(complete),
            "spec_name": spec_name,
            "spec_text": spec_text,
            "estimate": json.dumps(estimate, sort_keys=True),
            "tool_version": tool_version,
            "created_at": created_at.isoformat(),
            "logins": json.dumps({side: asdict(one) for side, one in (logins or {}).items()}),
        }
        put = "INSERT INTO meta (key, value) VALUES (?, ?)"
        self._sql.executemany(put, about.items())
        # Only now: an index is built faster at once than row by row.
        self._sql.execute("CREATE INDEX planned_blob_by_blob ON planned_blob (blob_id, image_id)")
        self._sql.execute("CREATE INDEX left_out_by_subject ON left_out (subject)")
        for table in ("planned_manifest", "planned_blob", "planned_tag"):
            # Pages of one image come by id without sorting.
            self._sql.execute(f"CREATE INDEX {table}_by_image ON {table} (image_id)")
        self._sql.execute(
            "CREATE INDEX planned_tag_by_manifest ON planned_tag (image_id, planned_manifest_id)"
        )
        self._sql.execute("CREATE INDEX manifest_need_by_needed ON manifest_need (needed_id)")
        digest = plan_digest(self._sql)
        self._insert(put, ("digest", digest))
        for table in _FROZEN:
            for verb in ("INSERT", "UPDATE", "DELETE"):
                self._sql.execute(
                    f"CREATE TRIGGER {table}_frozen_{verb.lower()} BEFORE {verb} ON {table}"
                    " BEGIN SELECT RAISE(ABORT, 'the plan is sealed'); END"
                )
        self._sql.commit()
        self.sealed = True
        return digest

    def _insert(self, sql: str, values: tuple[object, ...]) -> int:
        return self._sql.execute(sql, values).lastrowid or 0

    def _manifest_id(self, digest: Digest) -> int:
        text = str(digest)
        rows = self._sql.execute("SELECT id FROM manifest WHERE digest = ?", (text,)).fetchall()
        if rows:
            return int(rows[0][0])
        return self._insert("INSERT INTO manifest (digest) VALUES (?)", (text,))


def read_manifest(connection: sqlite3.Connection, digest: Digest) -> Manifest:
    """Return a manifest from the file, checked against its digest.

    Raises:
        MigrateError: PLAN_DAMAGED, if the file does not have it, or not as it was.
    """
    raw, media_type = _raw_and_type(connection, digest)
    return Manifest.read(raw, media_type, digest)


def read_raw_manifest(connection: sqlite3.Connection, digest: Digest) -> RawManifest:
    """Return the bytes of a manifest; as `read_manifest`, but what it needs is not looked at."""
    raw, media_type = _raw_and_type(connection, digest)
    return RawManifest(raw, media_type, digest)


def _raw_and_type(connection: sqlite3.Connection, digest: Digest) -> tuple[bytes, str]:
    sql = "SELECT raw, media_type FROM manifest WHERE digest = ? AND raw IS NOT NULL"
    rows = connection.execute(sql, (str(digest),)).fetchall()
    if not rows:
        saw = "the file does not have the manifest's bytes"
        raise MigrateError(PLAN_DAMAGED, subject=str(digest), saw=saw)
    raw, media_type = rows[0]
    try:
        checked(raw, digest)
    except MigrateError as error:  # it is the file that is damaged: no registry was asked
        saw = f"the manifest in the file: {error.saw}"
        raise MigrateError(PLAN_DAMAGED, subject=str(digest), saw=saw) from error
    return raw, media_type


def _json(digests: Iterable[Digest]) -> str:
    return json.dumps([str(one) for one in digests])


def _condition(grant: Grant) -> tuple[str, str, str]:
    said = grant.condition
    return (said.title, said.expression, said.description) if said else ("", "", "")


def disk_trouble(name: str, error: Exception) -> MigrateError:
    """Return the problem that stands for a file that cannot be written, or read."""
    is_busy = getattr(error, "sqlite_errorname", "").startswith(BUSY)
    return MigrateError(FILE_BUSY if is_busy else DISK_FULL, subject=name, saw=str(error))
