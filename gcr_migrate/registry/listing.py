"""Lists of tags, manifests and names, over all their pages (OCI end-8)."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from urllib.parse import quote

from gcr_migrate.errors import BAD_REPLY, LISTING_CUT, NOT_THERE, MigrateError
from gcr_migrate.model.content import Digest
from gcr_migrate.model.inventory import ListedManifest, Listing
from gcr_migrate.registry.links import is_whole, next_in
from gcr_migrate.wire.replies import joined

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable

    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.transport import Wire

_PAGES_AT_MOST: Final = 10_000
_READS_AT_MOST: Final = 5
_ROUNDS_AT_MOST: Final = 1_000
_ENDLESS: Final = "pages of the list never end"
_CATALOG_PAGE: Final = 1_000
_ROUND: Final = 1_000  # lists were seen to end at such numbers with more to tell
_TOO_LARGE: Final = 10**18
# A list has one of them.
_MEMBERS: Final = frozenset({"tags"})
_GOOGLE_MEMBERS: Final = frozenset({"child", "manifest", "tags"})


def next_url(reply: Reply, wire: Wire, subject: str) -> str | None:
    """Return the URL of the next page; raise BAD_REPLY if it is at another service."""
    target = next_in(reply.headers.get("link", ""))
    if target is None:
        return None
    onward = joined(reply.url, target, subject)
    if not wire.same_origin(reply.url, onward):
        raise MigrateError(BAD_REPLY, subject=subject, saw="next page is at another host")
    return onward


def hidden_next(reply: Reply) -> str:
    """Say why a page that names no next one may not be the last; empty if it is."""
    link = reply.headers.get("link", "")
    whole = is_whole(link) or next_in(link) is not None
    return "" if whole else "its Link header cannot be read, and may name a next page"


async def pages(
    first: str, fetch: Callable[[str], Awaitable[Reply]], wire: Wire, subject: str
) -> AsyncIterator[Reply]:
    """Give the pages of a list; raise BAD_REPLY if they go round in a circle."""
    url: str | None = first
    seen: set[str] = set()
    while url is not None:
        if url in seen or len(seen) >= _PAGES_AT_MOST:
            raise MigrateError(BAD_REPLY, subject=subject, saw=_ENDLESS)
        seen.add(url)
        reply = await fetch(url)
        yield reply
        url = next_url(reply, wire, subject)


class _Reader(Protocol):
    """Takes in the pages of a list.

    Attributes:
        counts: how many entries of each kind the last page has; empty before the first one.
        last: the last name in it, after which one can ask for more.
    """

    counts: tuple[int, ...]
    last: str

    @property
    def size(self) -> int:
        """How many names there are up to now."""
        ...

    @property
    def seen(self) -> tuple[int, ...]:
        """What two reads of an unchanged list have in common, and others do not."""
        ...

    def add(self, body: dict[str, Any]) -> None:
        """Take in one page."""
        ...


R = TypeVar("R", bound=_Reader)


class Lists:
    """Reads the lists of one registry so that nothing in them is missed, or it is said.

    Args:
        fetch: sends the request of a page.
        wire: connections.
        dialect: habits of the registry.
        subject: full name of what is listed, for errors.
    """

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[Reply]],
        wire: Wire,
        dialect: Dialect,
        subject: str,
    ) -> None:
        self._fetch = fetch
        self._wire = wire
        self._dialect = dialect
        self._subject = subject

    async def listing(self, url: str, name: str) -> Listing:
        """Read the list of a name; `cut` says why there may be more of it."""
        size = self._dialect.page_size
        first = f"{url}?n={size}" if size else url
        reader, doubt = await self._twice(
            first, lambda: ListingReader(name, self._dialect, self._subject)
        )
        return reader.listing(doubt)

    async def catalog(self, url: str) -> AsyncIterator[str]:
        """Give all names of a catalogue; raise LISTING_CUT at its end if there may be more."""
        first = f"{url}?n={_CATALOG_PAGE}"
        names, doubt = await self._twice(first, lambda: _Names(self._subject))
        for name in names.found:
            yield name
        if doubt:
            raise MigrateError(LISTING_CUT, subject=self._subject, saw=doubt)

    async def short_catalog(self, url: str) -> frozenset[str] | None:
        """Return all names of a catalogue that ends with its first page; None if it goes on."""
        page = await self._fetch(f"{url}?n={_CATALOG_PAGE}")
        names = _Names(self._subject)
        names.add(page.json(self._subject))
        goes_on = next_url(page, self._wire, self._subject) or self._doubt(names, page)
        return None if goes_on else frozenset(names.found)

    async def _twice(self, first: str, make: Callable[[], R]) -> tuple[R, str]:
        """Read a list, one of several pages until two reads agree, and say what is in doubt.

        A push between two pages moves what follows, or adds to a page that was read before; each
        page by itself looks right.
        """
        union, before = make(), None
        for _ in range(_READS_AT_MOST):
            reader = make()
            count, doubt = await self._once(first, reader, union)
            if count == 1 or (seen := reader.seen) == before:
                return reader, doubt
            before = seen
        return union, f"it was another one each of the {_READS_AT_MOST} times that it was read"

    async def _once(self, first: str, reader: R, union: R) -> tuple[int, str]:
        """Read all pages; return how many there are, and why more may follow the last one."""
        (count, doubt), rounds = await self._pages(first, reader, union), 0
        while doubt and not self._dialect.lists_manifests and reader.last:
            # A plain registry lists in order: whether anything follows can be asked for.
            known, rounds = reader.size, rounds + 1
            if rounds > _ROUNDS_AT_MOST:
                raise MigrateError(BAD_REPLY, subject=self._subject, saw=_ENDLESS)
            onward = f"{first}{'&' if '?' in first else '?'}last={quote(reader.last, safe='')}"
            more, further = await self._pages(onward, reader, union)
            if not any(reader.counts) and more == 1:
                return count, further
            count += more
            if reader.size == known:
                return count, doubt  # it does not go on where it is asked to
            doubt = further
        return count, doubt

    async def _pages(self, first: str, reader: _Reader, union: _Reader) -> tuple[int, str]:
        """Take in pages, each of which is let go at once.

        Returns:
            How many there are, and why the last one may not be the end.

        Raises:
            MigrateError: BAD_REPLY if a page was read before, and now there is no such name.
        """

        async def fetch(url: str) -> Reply:
            try:
                return await self._fetch(url)
            except MigrateError as error:
                # Of a name that has a page, no answer can say that there is none.
                if not union.counts or error.problem not in NOT_THERE:
                    raise
                saw = f"a page was read, and then the list was not there: {error.saw}"
                raise MigrateError(BAD_REPLY, subject=self._subject, saw=saw) from error

        count, doubt = 0, ""
        async for page in pages(first, fetch, self._wire, self._subject):
            body = page.json(self._subject)
            union.add(body)
            reader.add(body)
            count += 1
            doubt = self._doubt(reader, page)
        return count, doubt

    def _doubt(self, reader: _Reader, page: Reply) -> str:
        """Say why a last page may not be the end: it is as long as pages get, or looks cut."""
        limit = self._dialect.listed_at_most
        for count in reader.counts:
            if (limit is not None and count >= limit) or (count and count % _ROUND == 0):
                return f"{count} entries in one answer, with no mark that more follow"
        return hidden_next(page)


class _Names:
    """The names of a catalogue, over its pages."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self.found: dict[str, None] = {}
        self.counts: tuple[int, ...] = ()
        self.last = ""

    @property
    def size(self) -> int:
        """How many names there are up to now."""
        return len(self.found)

    @property
    def seen(self) -> tuple[int, ...]:
        """All names, as a number."""
        return _mark_of(self.found)

    def add(self, body: dict[str, Any]) -> None:
        """Take in one page."""
        names = body.get("repositories")
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise MigrateError(BAD_REPLY, subject=self._subject, saw="no list `repositories`")
        self.found.update(dict.fromkeys(names))
        self.counts, self.last = (len(names),), names[-1] if names else ""


class ListingReader:
    """Puts the pages of one name together.

    Args:
        name: registry name that is listed.
        dialect: what the registry's lists have.
        subject: its full name, for errors.

    Attributes:
        counts: how many tags, children and manifests the last page has.
        last: the last tag in it.
    """

    def __init__(self, name: str, dialect: Dialect, subject: str) -> None:
        self._name = name
        self._dialect = dialect
        self._subject = subject
        self._tags: dict[str, Digest | None] = {}
        self._disputed: set[str] = set()
        self._children: dict[str, None] = {}
        self._manifests: dict[Digest, ListedManifest] = {}
        self._has_map = False
        self._members = _GOOGLE_MEMBERS if dialect.lists_manifests else _MEMBERS
        self.counts: tuple[int, ...] = ()
        self.last = ""

    @property
    def size(self) -> int:
        """How many tags there are up to now."""
        return len(self._tags)

    @property
    def seen(self) -> tuple[int, ...]:
        """Tags with their digests, children and manifests, as numbers."""
        parts = (self._tags.items(), self._children, self._manifests)
        return tuple(number for part in parts for number in _mark_of(part))

    def add(self, body: dict[str, Any]) -> None:
        """Take in one page; raise BAD_REPLY if it is no list."""
        # One of nothing has `"tags": null` in docker's registry, but it has the member.
        if body.keys().isdisjoint(self._members):
            raise self._bad("no `tags`")
        tags = self._texts(body, "tags")
        for tag in tags:
            self._tags.setdefault(tag, None)
        self.counts, self.last = (len(tags),), tags[-1] if tags else ""
        if not self._dialect.lists_manifests:
            return
        children, entries = self._texts(body, "child"), body.get("manifest")
        self._children.update(dict.fromkeys(children))
        if entries is not None and not isinstance(entries, dict):
            raise self._bad("`manifest` is not an object")
        self._has_map = self._has_map or entries is not None
        self.counts = (len(tags), len(children), len(entries or {}))
        for digest, entry in (entries or {}).items():
            self._add_manifest(digest, entry)

    def listing(self, doubt: str = "") -> Listing:
        """Return the whole list, with what makes one doubt that it is whole."""
        return Listing(
            name=self._name,
            children=tuple(self._children),
            tags=self._tags,
            manifests=tuple(self._manifests.values()) if self._has_map else None,
            cut=doubt,
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
            media_type=sys.intern(media_type) if isinstance(media_type, str) else "",
            tags=tags,
            # A string in Container Registry, a number in Artifact Registry.
            uploaded_ms=_number(entry.get("timeUploadedMs")),
            size_bytes=_number(entry.get("imageSizeBytes")),
        )
        for tag in tags:
            known = self._tags.get(tag)
            # A list that puts a tag at two digests is stale in one of them, and tells not which.
            at_two = tag in self._disputed or (known is not None and known != digest)
            self._tags[tag] = None if at_two else digest
            self._disputed |= {tag} if at_two else set()

    def _texts(self, body: dict[str, Any], member: str) -> list[str]:
        value = body.get(member)
        if value is None:
            return []
        if not isinstance(value, list) or not all(map(_is_name, value)):
            raise self._bad(f"`{member}` is not a list of texts")
        return value

    def _bad(self, what: str) -> MigrateError:
        return MigrateError(BAD_REPLY, subject=self._subject, saw=f"in the list: {what}")


def _mark_of(entries: Collection[Hashable]) -> tuple[int, int]:
    """Return numbers that equal entries have in any order: two lists are never held at once."""
    return len(entries), sum(map(hash, entries))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _number(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _TOO_LARGE
    return int(value) if isinstance(value, int) and usable else None
