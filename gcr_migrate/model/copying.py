"""What Google's server-side copy is asked for, and what it says (FACTS section 5).

Its answers are read leniently: a counter may be a number or a text or left out, and one that is
neither spoils itself alone, not the pages that follow.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from gcr_migrate.errors import MigrateError, Problem, printable
from gcr_migrate.model.content import Digest
from gcr_migrate.model.names import ImagePath, is_tag

if TYPE_CHECKING:
    from collections.abc import Mapping

SAME: Final = "same"
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_LARGEST: Final = 10**15
_EXAMPLES: Final = 10
_WORDS: Final = 300
_LONGEST_TOKEN: Final = 8_000


class CopyQuery(Struct, frozen=True):
    """One page of the copying of one name.

    Attributes:
        name: registry name at the target, without host.
        source: `same`, or `HOST/PROJECT` for a target that is no gcr.io repository.
        pull_days: only what was pulled or pushed in so many days; None for all.
        max_versions: only so many of the versions that were pushed last; None for all.
        page: what the page before said that leads to this one; empty for the first.
    """

    name: str
    source: str = SAME
    pull_days: int | None = None
    max_versions: int | None = None
    page: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """Return the query of the request."""
        fields = {"CopyFromGCR": self.source}
        if self.pull_days is not None:
            fields["PullDays"] = str(self.pull_days)
        if self.max_versions is not None:
            fields["MaxVersions"] = str(self.max_versions)
        return fields | ({"NextPage": self.page} if self.page else {})


class CopyReply(Struct, frozen=True):
    """What came back, as it came.

    Attributes:
        status: HTTP status; 0 where nothing was answered in time.
        body: the body, byte for byte.
        problem: what a status other than 200 means; None for 200.
        saw: the service's words about that, on one line.
    """

    status: int
    body: bytes = b""
    problem: Problem | None = None
    saw: str = ""


class CopyPage(Struct, frozen=True):
    """One answer that says what was done.

    Attributes:
        copied: manifests that this request copied and nobody had copied before.
        tags_copied: tags that it set.
        failed: manifests that could not be copied, those in `not_found` included.
        not_found: those of which a part is gone at the source.
        tags_failed: tags that could not be set.
        examples: what the service says of some failures.
        lost: what it says of some of those in `not_found`.
        children: next components of the names below this one.
        next_page: leads to the next page; empty on the last one.
        digests: manifests that the answer names.
        tags: tags that it names.
        told: whether it says anything that a plain list of tags does not.
        odd: what of it could not be read.
    """

    copied: int = 0
    tags_copied: int = 0
    failed: int = 0
    not_found: int = 0
    tags_failed: int = 0
    examples: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    next_page: str = ""
    digests: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    told: bool = False
    odd: tuple[str, ...] = ()


_COUNTERS: Final[Mapping[str, str]] = {
    "manifestsCopied": "copied",
    "tagsCopied": "tags_copied",
    "manifestsFailed": "failed",
    "manifestsFailedWithNotFound": "not_found",
    "tagsFailed": "tags_failed",
}
_SOME_FAILED: Final = "exampleFailures"
_SOME_LOST: Final = "exampleFailuresWithNotFound"
_OF_COPIES: Final = frozenset({*_COUNTERS, _SOME_FAILED, _SOME_LOST, "nextPage"})
_OF_LISTS: Final = frozenset({"name", "tags", "manifest", "child"})
_OF_ERRORS: Final = frozenset({"error", "errors"})


def read_page(body: bytes) -> CopyPage | None:
    """Read an answer; None if it is none, or cut off: it may be whole at the next try.

    An error that came with the status of success, and nothing of a list beside it, says nothing:
    it must not be taken for a name below which there is nothing.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    if value.keys() & _OF_ERRORS and value.keys().isdisjoint(_OF_LISTS | _OF_COPIES):
        return None
    return _Reader(value).page()


class _Reader(Struct):
    """Reads one object, and remembers what in it makes no sense."""

    body: dict[str, Any]
    odd: list[str] = field(default_factory=list)

    def page(self) -> CopyPage:
        counts = {ours: self._count(theirs) for theirs, ours in _COUNTERS.items()}
        if counts["failed"] < counts["not_found"]:  # which is a part of the former
            self.odd.append("fewer failures than failures with `not found`")
            counts["failed"] = counts["not_found"]
        following = self.body.get("nextPage") or ""
        if not _is_token(following):
            self.odd.append("`nextPage` is no text: what follows is not known")
            following = ""
        self.odd += [f"`{one}` beside a list" for one in sorted(_OF_ERRORS & self.body.keys())]
        return CopyPage(
            **counts,
            examples=tuple(self._texts(_SOME_FAILED)[:_EXAMPLES]),
            lost=tuple(self._texts(_SOME_LOST)[:_EXAMPLES]),
            children=self._children(),
            next_page=following,
            digests=self._digests(),
            tags=frozenset(one for one in self._texts("tags") if is_tag(one)),
            told=not _OF_COPIES.isdisjoint(self.body),
            odd=tuple(self.odd),
        )

    def _count(self, name: str) -> int:
        value = self.body.get(name, 0)
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = int(value)
        if value is None or (type(value) is int and 0 <= value < _LARGEST):
            return value or 0
        self.odd.append(f"`{name}` is no count")
        return 0

    def _texts(self, name: str) -> list[str]:
        value = self.body.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.odd.append(f"`{name}` is no list")
            return []
        return [printable(one)[:_WORDS] for one in value if isinstance(one, str)]

    def _children(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for child in self._texts("child"):
            if _is_component(child):
                found[child] = None
            else:
                self.odd.append(f"`child` names {child[:60]!r}, which is no part of a path")
        listed = self.body.get("child")
        if isinstance(listed, list) and not all(isinstance(one, str) for one in listed):
            self.odd.append("`child` has what is no text")
        return tuple(found)

    def _digests(self) -> frozenset[str]:
        value = self.body.get("manifest")
        if value is None:
            return frozenset()
        if not isinstance(value, dict):
            self.odd.append("`manifest` is no object")
            return frozenset()
        return frozenset(one for one in value if _is_digest(one))


def _is_component(text: str) -> bool:
    try:
        return len(ImagePath.parse(text).components) == 1
    except MigrateError:
        return False


def _is_token(value: object) -> bool:
    """Whether this can be sent back in a query."""
    try:
        return isinstance(value, str) and len(value.encode()) <= _LONGEST_TOKEN
    except UnicodeEncodeError:  # half a character
        return False


def _is_digest(text: str) -> bool:
    try:
        Digest.parse(text)
    except MigrateError:
        return False
    return True
