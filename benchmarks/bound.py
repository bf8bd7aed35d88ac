"""The fewest requests and bytes that a copy can do with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.corpus import Corpus


@dataclass(frozen=True)
class Bound:
    """The fewest requests and bytes that bring a corpus to an empty registry, paths kept.

    Attributes:
        lists: lists of tags, one each image path.
        manifest_reads: one for each tag, as lists do not tell digests, and one for each distinct
            manifest that has no tag anywhere.
        blob_reads: one for each distinct blob.
        uploads: two for each distinct blob, `POST` and `PUT`.
        mounts: one for each further repository that needs a blob.
        manifest_writes: one for each tag, which stores the manifest, too; and one for each
            manifest of a repository that has no tag in it.
        bytes_up: each distinct blob once, and the manifests as often as they are written.
    """

    lists: int
    manifest_reads: int
    blob_reads: int
    uploads: int
    mounts: int
    manifest_writes: int
    bytes_up: int

    @property
    def apply(self) -> int:
        """Requests of a copy that knows all manifests already."""
        return self.blob_reads + self.uploads + self.mounts + self.manifest_writes

    @property
    def all(self) -> int:
        """Requests of a copy that begins with nothing."""
        return self.lists + self.manifest_reads + self.apply


def bound(corpus: Corpus) -> Bound:
    """Derive the lower bound from what there is."""
    repositories = corpus.repositories.values()
    pairs = corpus.pairs()
    distinct = {digest for one in repositories for digest in one.manifests}
    tagged = {digest for one in repositories for digest in one.tags.values()}
    tags = sum(len(one.tags) for one in repositories)
    written = [
        digest
        for one in repositories
        for digest in (*one.tags.values(), *(one.manifests.keys() - one.tags.values()))
    ]
    sizes = {
        digest: len(made.body) for one in repositories for digest, made in one.manifests.items()
    }
    needed = {blob for _, blob in pairs}
    return Bound(
        lists=len(corpus.repositories),
        manifest_reads=tags + len(distinct - tagged),
        blob_reads=len(needed),
        uploads=2 * len(needed),
        mounts=len(pairs) - len(needed),
        manifest_writes=len(written),
        bytes_up=sum(corpus.blobs[one].size for one in needed) + sum(sizes[one] for one in written),
    )
