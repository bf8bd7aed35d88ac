"""What a run found of one target, in the form in which it is remembered and told."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.errors import printable
from gcr_migrate.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

Key = tuple[str, str]
"""Code and subject: what makes two findings of two runs the same."""

MOST_OF_A_KIND: Final = 200
_LEAST_OF_A_KIND: Final = 5
_MOST_IN_ALL: Final = 2_000
SAW_AT_MOST: Final = 300
_NAMED: Final = 3
_DIGEST: Final = re.compile(r"\bsha\d+:[0-9a-f]{32,}")
_WEIGHT: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


class Trouble(Struct, frozen=True):
    """One thing that is not as it should be, or many of one kind at one host.

    Attributes:
        code: which problem of the catalogue.
        severity: how much it weighs.
        subject: full name of what it is about; of many, the host.
        saw: what was seen.
        host: host and project whose verification found it; empty: it is about all of them.
        levels: what was looked at when it was found.
        count: how many things it stands for.
        mark: what is news when it changes: the digests that were seen, or who the many are.
    """

    code: str
    severity: Severity
    subject: str
    saw: str = ""
    host: str = ""
    levels: frozenset[str] = frozenset()
    count: int = 1
    mark: str = ""

    @property
    def key(self) -> Key:
        """Return what makes it the same in the next run."""
        return self.code, self.subject

    @property
    def kind(self) -> Key:
        """Return host and code, of which so many are told one by one."""
        return self.host, self.code

    @property
    def is_many(self) -> bool:
        """Whether it stands for more than itself."""
        return self.count > 1

    def is_news_after(self, before: Trouble) -> bool:
        """Whether it is another matter than it was, or a graver one, or one less grave.

        Whoever was woken by an error has to hear that no more than a warning is left of it.
        """
        return self.mark != before.mark or self.severity is not before.severity

    @property
    def weight(self) -> tuple[int, str]:
        """Which of two with one key stands for both: the graver one, in each run the same."""
        return _WEIGHT[self.severity], self.mark


class Look(Struct, frozen=True):
    """What one run saw of one target.

    Attributes:
        target: as the command line names it.
        at: when.
        troubles: what it found, each key once.
        whole: by host and project, the levels at which everything was looked at.
    """

    target: str
    at: datetime
    troubles: tuple[Trouble, ...] = ()
    whole: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def was_made_for(self, trouble: Trouble) -> bool:
        """Whether this run would have found it, were it still so."""
        # A host that the run did not meet promises nothing any more, if all others were looked at:
        # it stood for a target that could not be read, or is in no baseline now.
        hosts = [trouble.host] if trouble.host in self.whole else [*self.whole]
        levels = [self.whole[host] for host in hosts]
        return bool(levels) and all(trouble.levels <= one for one in levels)


def seen(
    code: str,
    severity: Severity,
    subject: str,
    saw: str,
    *,
    host: str = "",
    levels: frozenset[str] = frozenset(),
) -> Trouble:
    """Return a finding as it is remembered.

    The words of it may differ in each run, as they tell times and tries; the digests in them do
    not: a tag that has moved once more is another matter.
    """
    mark = " ".join(_DIGEST.findall(saw))
    mark = _hash([mark]) if mark else ""
    subject, saw = printable(subject), printable(saw)
    return Trouble(code, severity, subject, _short(saw), host, levels, mark=mark)


def most_of_a_kind(targets: int) -> int:
    """Return how many of a kind are told one by one, so that many targets stay readable."""
    return max(_LEAST_OF_A_KIND, min(MOST_OF_A_KIND, _MOST_IN_ALL // max(targets, 1)))


def told_apart(troubles: Iterable[Trouble], most: int = MOST_OF_A_KIND) -> tuple[Trouble, ...]:
    """Return each key once; where a host has too many of one code, one trouble for all of them.

    Args:
        troubles: as they were found.
        most: of one code at one host are told one by one.
    """
    kinds: defaultdict[Key, dict[Key, Trouble]] = defaultdict(dict)
    for one in troubles:
        same = kinds[one.kind]
        before = same.get(one.key)
        if before is None or one.weight > before.weight:
            same[one.key] = one
    found: list[Trouble] = []
    for same in kinds.values():
        found += same.values() if len(same) <= most else [_many([*same.values()])]
    return tuple({one.key: one for one in found}.values())


def _many(same: list[Trouble]) -> Trouble:
    same.sort(key=lambda one: one.key)
    first = same[0]
    names = ", ".join(one.subject for one in [one for one in same if not one.is_many][:_NAMED])
    count = sum(one.count for one in same)
    return Trouble(
        first.code,
        max((one.severity for one in same), key=_WEIGHT.__getitem__),
        first.host,
        _short(f"{count:,} names, such as {names}"),
        first.host,
        frozenset.intersection(*(one.levels for one in same)) or first.levels,
        count,
        _hash(f"{one.subject}\0{one.mark}" for one in same),
    )


def _short(text: str) -> str:
    return text if len(text) <= SAW_AT_MOST else text[: SAW_AT_MOST - 1] + "…"


def _hash(texts: Iterable[str]) -> str:
    found = hashlib.sha256()
    for text in texts:
        found.update(text.encode() + b"\0")
    return found.hexdigest()[:32]
