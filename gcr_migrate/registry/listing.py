"""Lists of tags, manifests and names, over all their pages (OCI end-8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import BAD_REPLY, MigrateError
from gcr_migrate.model.content import Digest
from gcr_migrate.model.inventory import ListedManifest, Listing
from gcr_migrate.wire.replies import joined

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.transport import Wire

_PAGES_AT_MOST: Final = 10_000
_TOO_LARGE: Final = 10**18
_LINK: Final = re.compile(r"<([^>]*)>((?:\s*;[^,]*)?)")
_NEXT: Final = re.compile(r';\s*rel\s*=\s*"?next\b', re.IGNORECASE)


def next_url(reply: Reply, wire: Wire, subject: str) -> str | None:
    """Return the URL of the next page; raise BAD_REPLY if it is at another service."""
    for link in _LINK.finditer(reply.headers.get("link", "")):
        if not _NEXT.search(link[2]):
            continue
        onward = joined(reply.url, link.group(1), subject)
        if not wire.same_origin(reply.url, onward):
            raise MigrateError(BAD_REPLY, subject=subject, saw="next page is at another host")
        return onward
    return None


async def pages(
    first: str, fetch: Callable[[str], Awaitable[Reply]], wire: Wire, subject: str
) -> AsyncIterator[Reply]:
    """Give the pages of a list; raise BAD_REPLY if they go round in a circle."""
    url: str | None = first
    seen: set[str] = set()
    while url is not None:
        if url in seen or len(seen) >= _PAGES_AT_MOST:
            raise MigrateError(BAD_REPLY, subject=subject, saw="pages of the list never end")
        seen.add(url)
        reply = await fetch(url)
        yield reply
        url = next_url(reply, wire, subject)


class ListingReader:
    """Puts the pages of one name together.

    Args:
        name: registry name that is listed.
        dialect: what the registry's lists have.
        subject: its full name, for errors.
    """

    def __init__(self, name: str, dialect: Dialect, subject: str) -> None:
        self._name = name
        self._dialect = dialect
        self._subject = subject
        self._tags: dict[str, Digest | None] = {}
        self._children: dict[str, None] = {}
        self._manifests: dict[Digest, ListedManifest] = {}
        self._has_map = False
        self._last = 0

    def add(self, body: dict[str, Any]) -> None:
        """Take in one page."""
        tags = self._texts(body, "tags")
        for tag in tags:
            self._tags.setdefault(tag, None)
        self._last = len(tags)
        if not self._dialect.lists_manifests:
            return
        self._children.update(dict.fromkeys(self._texts(body, "child")))
        entries = body.get("manifest")
        if entries is None:
            return
        if not isinstance(entries, dict):
            raise self._bad("`manifest` is not an object")
        self._has_map = True
        self._last = max(self._last, len(entries))
        for digest, entry in entries.items():
            self._add_manifest(digest, entry)

    def listing(self) -> Listing:
        """Return the whole list; it may be cut if its last page is as long as pages get."""
        limit = self._dialect.listed_at_most
        cut = ""
        if limit is not None and self._last >= limit:
            cut = f"{self._last} entries in one answer, with no mark that more follow"
        return Listing(
            name=self._name,
            children=tuple(self._children),
            tags=self._tags,
            manifests=tuple(self._manifests.values()) if self._has_map else None,
            cut=cut,
        )

    def _add_manifest(self, text: str, entry: object) -> None:
        try:
            digest = Digest.parse(text)
        except MigrateError as error:
            raise self._bad(f"digest {text[:100]}") from error
        if not isinstance(entry, dict):
            raise self._bad(f"entry of {digest}")
        tags = tuple(self._texts(entry, "tag"))
        media_type = entry.get("mediaType")
        self._manifests[digest] = ListedManifest(
            digest=digest,
            media_type=media_type if isinstance(media_type, str) else "",
            tags=tags,
            # A string in Container Registry, a number in Artifact Registry.
            uploaded_ms=_number(entry.get("timeUploadedMs")),
            size_bytes=_number(entry.get("imageSizeBytes")),
        )
        self._tags.update(dict.fromkeys(tags, digest))

    def _texts(self, body: dict[str, Any], member: str) -> list[str]:
        value = body.get(member)
        if value is None:
            return []
        if not isinstance(value, list) or not all(map(_is_name, value)):
            raise self._bad(f"`{member}` is not a list of texts")
        return value

    def _bad(self, what: str) -> MigrateError:
        return MigrateError(BAD_REPLY, subject=self._subject, saw=f"in the list: {what}")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _number(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _TOO_LARGE
    return int(value) if isinstance(value, int) and usable else None
