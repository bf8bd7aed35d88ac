"""Images of a repository by their paths, and what is under each."""

from __future__ import annotations

import json
from collections import UserDict
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from gcr_migrate.model.content import OCI_INDEX, Digest, Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence


class Stored(Struct, frozen=True):
    """A manifest as it was pushed, and when."""

    manifest: Manifest
    created_ms: int
    uploaded_ms: int

    @property
    def size_bytes(self) -> int:
        """Return the bytes of an image: its config and layers as described."""
        return sum(max(blob.size, 0) for blob in self.manifest.blobs)


class Image(Struct):
    """Everything under one image path; blobs are linked per path, as OCI asks of a name.

    Attributes:
        tags: what each tag stands for.
        manifests: tagged or not, by digest.
        blobs: those that are linked here.
        made_up: bytes of blobs that lie on no disk, as the image is made from a seed.
    """

    tags: dict[str, Digest] = field(default_factory=dict)
    manifests: dict[Digest, Stored] = field(default_factory=dict)
    blobs: set[Digest] = field(default_factory=set)
    made_up: dict[Digest, bytes] = field(default_factory=dict)

    def find(self, reference: str) -> Stored | None:
        """Return the manifest under a tag or digest."""
        digest = Digest.parse(reference) if ":" in reference else self.tags.get(reference)
        return self.manifests.get(digest) if digest else None

    def tags_by_digest(self) -> dict[Digest, list[str]]:
        """Return the tags of each manifest that has any, in order."""
        found: dict[Digest, list[str]] = {}
        for tag in sorted(self.tags):
            found.setdefault(self.tags[tag], []).append(tag)
        return found

    def referrers(self, subject: Digest) -> list[Stored]:
        """Return the manifests that are attached to a digest, oldest first."""
        return [
            stored
            for stored in self.manifests.values()
            if stored.manifest.subject and stored.manifest.subject.digest == subject
        ]


class Images(UserDict[str, Image]):
    """Images by path, which know what lies below a path without a look at all of them."""

    def __init__(self) -> None:
        self._below: dict[str, set[str]] = {}
        super().__init__()

    def __setitem__(self, path: str, image: Image) -> None:
        super().__setitem__(path, image)
        while path:
            path, _, last = path.rpartition("/")
            self._below.setdefault(path, set()).add(last)

    def __delitem__(self, path: str) -> None:
        super().__delitem__(path)
        left, self._below = self.data, {}
        self.data = {}
        self.update(left)

    def children(self, path: str) -> list[str]:
        """Return the next path components below a path that lead to images, in order."""
        return sorted(self._below.get(path, ()))

    def rows(self) -> Sequence[tuple[str, Stored]]:
        """Return the manifests of all images, each with its path, in the order of the paths."""
        return [
            (path, stored)
            for path, image in sorted(self.items())
            for stored in image.manifests.values()
        ]

    def spans(self) -> Sequence[tuple[str, int, int]]:
        """Return the paths that have manifests, in order, each with its first and last upload."""
        found = []
        for path, image in sorted(self.items()):
            times = [stored.uploaded_ms for stored in image.manifests.values()]
            if times:
                found.append((path, min(times), max(times)))
        return found

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all blobs that manifests name, each once."""
        sizes = {
            blob.digest: max(blob.size, 0)
            for image in self.values()
            for stored in image.manifests.values()
            for blob in stored.manifest.blobs
        }
        return sum(sizes.values())


def referrers_index(referrers: list[Stored], *, size: int | None = None) -> dict[str, Any]:
    """Return the OCI index that lists some referrers (OCI end-12).

    Args:
        referrers: what to list.
        size: state this size for each instead of the true one.
    """
    entries = []
    for stored in referrers:
        manifest = stored.manifest
        config = json.loads(manifest.raw).get("config", {}).get("mediaType")
        entry = {
            "mediaType": manifest.media_type,
            "digest": str(manifest.digest),
            "size": len(manifest.raw) if size is None else size,
            "artifactType": manifest.artifact_type or config,
        }
        entries.append({key: value for key, value in entry.items() if value is not None})
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
