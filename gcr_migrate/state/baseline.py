"""A snapshot as what should be there: its images, read page by page and held by nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.model.content import Digest, is_fallback_tag
from gcr_migrate.model.plan import Source
from gcr_migrate.state.snapshot import PLAIN_HTTP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.state.snapshot import Snapshot


class KeptImage(Struct, frozen=True):
    """An image path that a snapshot shows.

    Attributes:
        id: of its row.
        source_id: of its root.
        path: image path below the root.
        shown: its whole name.
    """

    id: int
    source_id: int
    path: str
    shown: str


class Baseline:
    """What a snapshot says of images, one after another.

    Args:
        snapshot: the snapshot, open for reading.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.schema = snapshot.version
        self._lists: tuple[int, set[str]] = (0, set())

    @property
    def identity(self) -> str:
        """The same for the same snapshot, and for no other."""
        one = self.snapshot
        return f"snapshot {one.target} {one.began_at.isoformat()} {one.ended_at.isoformat()}"

    def sources(self) -> dict[int, Source]:
        """Return the roots under which images were read, by id."""
        sql = "SELECT id, shown, registry, prefix, dialect FROM source ORDER BY id"
        found = {row[0]: Source(*row[1:]) for row in self.snapshot.stream(sql)}
        for id_, one in found.items():
            plain_http = self.facts(id_).get(PLAIN_HTTP)
            found[id_] = replace(one, plain_http=plain_http)
        return found

    def facts(self, source_id: int) -> dict[str, Any]:
        """Return what else was seen of a root, by name; nothing in a file of version 1."""
        if self.schema == 1:
            return {}
        sql = "SELECT name, value FROM source_fact WHERE source_id = ?"
        return {name: json.loads(value) for name, value in self.snapshot.stream(sql, source_id)}

    def images(self) -> Iterator[KeptImage]:
        """Go through the images of all roots."""
        sql = "SELECT id, source_id, path, name FROM image ORDER BY source_id, path"
        for row in self.snapshot.stream(sql):
            yield KeptImage(*row)

    def image(self, source_id: int, path: str) -> KeptImage | None:
        """Return the image of a path, None if the snapshot has none."""
        sql = "SELECT id, source_id, path, name FROM image WHERE source_id = ? AND path = ?"
        return next((KeptImage(*row) for row in self.snapshot.stream(sql, source_id, path)), None)

    def tags(self, image_id: int) -> Iterator[tuple[str, Digest]]:
        """Go through the tags of an image; those by which a registry lists referrers are its own.

        What such a tag points to changes whenever something is attached, and is no difference.
        """
        sql = (
            "SELECT t.tag, m.digest FROM image_tag t JOIN manifest m ON m.id = t.manifest_id"
            " WHERE t.image_id = ? ORDER BY t.tag"
        )
        lists = self._referrer_lists(image_id)
        for tag, digest in self.snapshot.stream(sql, image_id):
            if digest not in lists or is_fallback_tag(tag) is None:
                yield tag, Digest.parse(digest)

    def manifests(self, image_id: int) -> Iterator[Digest]:
        """Go through the manifests of an image, without the registry's own lists of referrers."""
        sql = (
            "SELECT m.digest FROM image_manifest i JOIN manifest m ON m.id = i.manifest_id"
            " WHERE i.image_id = ? ORDER BY i.manifest_id"
        )
        lists = self._referrer_lists(image_id)
        for (digest,) in self.snapshot.stream(sql, image_id):
            if digest not in lists:
                yield Digest.parse(digest)

    def blobs(self, image_id: int) -> Iterator[tuple[Digest, int]]:
        """Go through what the manifests of an image need, each blob once."""
        if self.schema == 1:
            return
        sql = (
            "SELECT DISTINCT b.digest, b.size_bytes FROM image_manifest i"
            " JOIN manifest_blob n ON n.manifest_id = i.manifest_id JOIN blob b ON b.id = n.blob_id"
            " WHERE i.image_id = ? ORDER BY b.id"
        )
        for digest, size_bytes in self.snapshot.stream(sql, image_id):
            yield Digest.parse(digest), size_bytes

    def version(self, image_id: int, digest: Digest) -> tuple[tuple[str, ...], int | None, int]:
        """Return tags of a manifest, when it was uploaded, and how many of its image came later."""
        tags = self.snapshot.stream(
            "SELECT t.tag FROM image_tag t JOIN manifest m ON m.id = t.manifest_id"
            " WHERE t.image_id = ? AND m.digest = ? ORDER BY t.tag",
            image_id,
            str(digest),
        )
        row = self.snapshot.stream(
            "SELECT i.uploaded_ms, (SELECT count(*) FROM image_manifest o"
            " WHERE o.image_id = i.image_id AND o.uploaded_ms > i.uploaded_ms)"
            " FROM image_manifest i JOIN manifest m ON m.id = i.manifest_id"
            " WHERE i.image_id = ? AND m.digest = ?",
            image_id,
            str(digest),
        )
        uploaded_ms, newer = next(row, (None, 0))
        return tuple(tag for (tag,) in tags), uploaded_ms, newer

    def needing(self, image_id: int, blob: Digest) -> Iterator[Digest]:
        """Go through the manifests of an image that need a blob."""
        sql = (
            "SELECT m.digest FROM image_manifest i JOIN manifest m ON m.id = i.manifest_id"
            " JOIN manifest_blob n ON n.manifest_id = i.manifest_id JOIN blob b ON b.id = n.blob_id"
            " WHERE i.image_id = ? AND b.digest = ? ORDER BY m.id"
        )
        for (digest,) in self.snapshot.stream(sql, image_id, str(blob)):
            yield Digest.parse(digest)

    def missing_children(self, image_id: int) -> Iterator[tuple[str, str]]:
        """Give each index of an image with a manifest that it names and the image does not have.

        A child that is a blob is none of these.
        """
        sql = (
            "SELECT m.digest, c.digest FROM image_manifest i"
            " JOIN manifest_link l ON l.manifest_id = i.manifest_id AND l.kind = 'child'"
            " JOIN manifest m ON m.id = i.manifest_id JOIN manifest c ON c.id = l.linked_id"
            " WHERE i.image_id = ? AND NOT EXISTS (SELECT 1 FROM image_manifest o"
            " WHERE o.image_id = i.image_id AND o.manifest_id = l.linked_id)"
            " AND NOT EXISTS (SELECT 1 FROM manifest_blob n JOIN blob b ON b.id = n.blob_id"
            " WHERE n.manifest_id = i.manifest_id AND b.digest = c.digest)"
            " ORDER BY m.digest, c.digest"
        )
        yield from self.snapshot.stream(sql, image_id)

    def _referrer_lists(self, image_id: int) -> set[str]:
        if self._lists[0] != image_id:
            self._lists = (image_id, self.snapshot.lists_of_referrers(image_id))
        return self._lists[1]
