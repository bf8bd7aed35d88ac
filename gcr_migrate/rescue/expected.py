"""Names that somebody expects to be there: out of snapshots, audit logs, and any text."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Digest
from gcr_migrate.model.names import is_tag
from gcr_migrate.model.places import read_place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from gcr_migrate.model.names import Project
    from gcr_migrate.model.pulls import Pulls

_NAME: Final = re.compile(
    r"(?<![\w.-])((?:(?:us|eu|asia)\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev)"
    r"(/[a-z0-9][a-z0-9._/-]*)"
    r"(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127})?"
    r"(@sha256:[a-f0-9]{64})?"
)


class Verdict(StrEnum):
    """What became of an expected name."""

    SAME = "same"  # with the digest that was expected
    THERE = "there"  # where no digest was expected
    OTHER = "other-digest"
    MISSING = "missing"
    NOT_SEEN = "not-seen"  # in an inventory that lacks a part


MET: Final = frozenset({Verdict.SAME, Verdict.THERE})


class Expected(Struct, frozen=True, order=True):
    """One name.

    Attributes:
        host: gcr.io host under which it is known.
        path: its path below the project.
        tag: its tag; empty for none.
        digest: its digest; empty where none is known.
    """

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    def shown(self, project: Project) -> str:
        """Return the whole name."""
        name = f"{self.host}/{project.path}/{self.path}"
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" * bool(self.digest))


class Wanted(Struct):
    """All names that are expected of one project at some hosts.

    Args:
        project: the project.
        hosts: the hosts whose images are rescued.
        start: the name at each host at or below which they are; empty for all.

    Attributes:
        names: each once.
        elsewhere: how many names were of other projects or hosts.
    """

    project: Project
    hosts: Collection[str]
    start: str = ""
    names: set[Expected] = field(default_factory=set)
    elsewhere: int = 0

    def add(self, name: str, tag: str = "", digest: str = "") -> bool:
        """Take in a name without tag and digest; return whether it is one of these."""
        try:
            place = read_place(name)
        except MigrateError:
            self.elsewhere += 1
            return False
        host = place.gcr_host
        known = place.project == self.project and host and host.name in self.hosts
        if not known or host is None or place.path is None or not self._is_below(str(place.path)):
            self.elsewhere += 1
            return False
        self.names.add(Expected(host.name, str(place.path), tag, digest))
        return True

    def _is_below(self, path: str) -> bool:
        return not self.start or f"{path}/".startswith(f"{self.start}/")

    def add_image(self, name: str, digests: Iterable[str], tags: Mapping[str, str]) -> None:
        """Take in all that a snapshot has of one image."""
        for tag, digest in tags.items():
            self.add(name, tag, digest)
        for digest in set(digests) - set(tags.values()):
            self.add(name, "", digest)

    def add_pulls(self, pulls: Pulls) -> None:
        """Take in all that was pulled."""
        for name, last in pulls.last_ms.items():
            for reference in last:
                known = _is_digest(reference)
                tag = reference if not known and is_tag(reference) else ""
                self.add(name, tag, reference if known else "")

    def add_text(self, lines: Iterable[str]) -> None:
        """Take in every full name in a text, wherever it stands."""
        for line in lines:
            for host, path, tag, digest in _NAME.findall(line):
                name = f"{host}{path}".rstrip("./-_")
                self.add(name, tag.removeprefix(":").rstrip("."), digest.removeprefix("@"))


def judge(
    expected: Collection[Expected],
    found: Mapping[tuple[str, str], tuple[Collection[str], Mapping[str, str]]],
    *,
    complete: bool = True,
    unseen: Collection[tuple[str, str]] = (),
) -> Iterator[tuple[Expected, Verdict, str]]:
    """Tell what became of each expected name, in order.

    Args:
        expected: the names.
        found: digests and tags of images, by host and path, as an inventory shows them.
        complete: whether the inventory has everything, so that what it lacks is missing.
        unseen: host and path of images that could not be asked for by themselves.

    Yields:
        The name, the verdict, and the digest that is there instead, if one is.
    """
    for one in sorted(expected):
        is_known = complete and (one.host, one.path) not in unseen
        missing = Verdict.MISSING if is_known else Verdict.NOT_SEEN
        digests, tags = found.get((one.host, one.path), ((), {}))
        if one.tag:
            there = tags.get(one.tag)
            if there is None:
                yield one, missing, one.digest if one.digest in digests else ""
            elif not one.digest:
                yield one, Verdict.THERE, there
            else:
                yield one, Verdict.SAME if there == one.digest else Verdict.OTHER, there
        elif one.digest:
            is_there = one.digest in digests
            yield one, Verdict.SAME if is_there else missing, ""
        else:
            yield one, Verdict.THERE if digests else missing, ""


def _is_digest(text: str) -> bool:
    try:
        Digest.parse(text)
    except MigrateError:
        return False
    return True
