"""What is different between two views of registries, and nothing about where they come from.

A view is a sequence of entries in order. Two of them are gone through side by side, so that the
largest ones take no more memory than the smallest.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from gcr_migrate.model.content import is_fallback_tag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator


class What(StrEnum):
    """What an entry is; an image comes before its manifests, and they before its tags."""

    IMAGE = "image"
    MANIFEST = "manifest"
    TAG = "tag"


class How(StrEnum):
    """What became of an entry."""

    ADDED = "added"
    REMOVED = "removed"
    RETAGGED = "retagged"


class Entry(Struct, frozen=True):
    """One thing that a view shows.

    Attributes:
        image: image path, or full name; the same on both sides where the image is the same.
        what: what it is.
        name: the tag, or the digest of a manifest; empty for the image itself.
        digest: what a tag points to; empty where it is not known, and for all but tags.
    """

    image: str
    what: What
    name: str = ""
    digest: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """By what entries are in order, and which of two views are the same."""
        return self.image, self.what.value, self.name


class Change(Struct, frozen=True):
    """One difference.

    Attributes:
        how: what became of it.
        image: as in an entry.
        what: as in an entry.
        name: as in an entry.
        old: what the tag pointed to before; empty where it was not there, or it is not known.
        new: what it points to now; empty likewise.
    """

    how: How
    image: str
    what: What
    name: str = ""
    old: str = ""
    new: str = ""


def entries_of(
    image: str,
    manifests: Iterable[tuple[str, ...]],
    tags: Iterable[tuple[str, ...]],
    referrer_lists: Collection[str],
) -> Iterator[Entry]:
    """Return the entries of one image.

    Args:
        image: its name.
        manifests: digests, in order.
        tags: each with the digest that it points to, in order.
        referrer_lists: digests of lists that the registry itself makes of what is attached: what
            they list is compared, and neither their bytes nor the tags that lead to them.
    """
    yield Entry(image, What.IMAGE)
    for (digest,) in manifests:
        if digest not in referrer_lists:
            yield Entry(image, What.MANIFEST, digest)
    for tag, digest in tags:
        if digest not in referrer_lists or is_fallback_tag(tag) is None:
            yield Entry(image, What.TAG, tag, digest)


def changes(before: Iterable[Entry], after: Iterable[Entry]) -> Iterator[Change]:
    """Tell what makes `after` out of `before`, in order.

    A tag whose digest is unknown on a side is not called retagged.

    Args:
        before: entries, ascending by their keys, none twice.
        after: likewise.

    Raises:
        ValueError: a sequence is not in order, so that nothing true could be told.
    """
    olds, news = _ascending(before), _ascending(after)
    old, new = next(olds, None), next(news, None)
    while old or new:
        if new is None or (old and old.key < new.key):
            if old:
                yield Change(How.REMOVED, old.image, old.what, old.name, old=old.digest)
            old = next(olds, None)
        elif old is None or new.key < old.key:
            yield Change(How.ADDED, new.image, new.what, new.name, new=new.digest)
            new = next(news, None)
        else:
            if old.digest and new.digest and old.digest != new.digest:
                yield Change(
                    How.RETAGGED, new.image, new.what, new.name, old=old.digest, new=new.digest
                )
            old, new = next(olds, None), next(news, None)


def _ascending(entries: Iterable[Entry]) -> Iterator[Entry]:
    last: Entry | None = None
    for entry in entries:
        if last and not last.key < entry.key:
            msg = f"{entry.key} after {last.key}"
            raise ValueError(msg)
        yield entry
        last = entry
