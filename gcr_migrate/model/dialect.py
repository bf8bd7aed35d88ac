"""What each kind of registry does in its own way, as data.

Code asks a dialect, never which host it talks to.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Dialect(Struct, frozen=True):
    """Habits of one kind of registry.

    Attributes:
        name: as a spec writes it.
        lists_manifests: `tags/list` has a `manifest` map (untagged digests too) and `child` names.
        page_size: the `n` that a listing asks for; None asks for none.
        listed_at_most: more entries than this are never in one answer, and no mark says so.
        pages_by_link: a longer list goes on under `Link: rel="next"` (OCI end-8).
        makes_referrer_tags: the server makes and moves `sha256-<hex>` when a subject arrives.
        manifest_bytes_at_most: larger manifests are refused (OCI end-7 asks for 4 MiB).
        read_bytes_at_most: one answer has at most so many bytes of a blob; more come in ranges.
        takes_schema1: retired schema 1 manifests are accepted.
    """

    name: str
    lists_manifests: bool
    page_size: int | None
    listed_at_most: int | None
    pages_by_link: bool
    makes_referrer_tags: bool
    manifest_bytes_at_most: int = 4 * 1024 * 1024
    takes_schema1: bool = False
    read_bytes_at_most: int | None = None


_RETRIEVAL: Final = 9_900_000_000  # "largest data retrieval per request" of Google's quotas

GCR: Final = Dialect(
    name="gcr",
    lists_manifests=True,
    page_size=10_000,
    listed_at_most=10_000,  # beyond about 10,000 entries answers are cut without a mark
    pages_by_link=True,
    makes_referrer_tags=False,
    read_bytes_at_most=_RETRIEVAL,
)
ARTIFACT_REGISTRY: Final = Dialect(
    name="artifact-registry",
    lists_manifests=True,
    page_size=10_000,
    listed_at_most=10_000,
    pages_by_link=True,
    makes_referrer_tags=True,
    read_bytes_at_most=_RETRIEVAL,
)
DISTRIBUTION: Final = Dialect(
    name="distribution",
    lists_manifests=False,
    page_size=1_000,
    listed_at_most=None,
    pages_by_link=True,
    makes_referrer_tags=False,
)
BY_NAME: Final = {d.name: d for d in (GCR, ARTIFACT_REGISTRY, DISTRIBUTION)}
