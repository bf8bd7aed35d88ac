"""Findings of one host, of which there may be as many as it has names: named up to a number.

What is beyond that is counted, by code and by what was looked at. Which ones are named does not
hang on the order in which they come: those whose names come first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from gcr_migrate.model.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.errors import Problem
    from gcr_migrate.model.finding import Severity

NAMED_OF_A_KIND: Final = 1_000
_Kind = tuple["Problem", "Severity"]


class FewFindings:
    """Findings of one host, each once; of one code and severity no more than a number.

    Args:
        most: so many of a kind are named.
    """

    def __init__(self, most: int = NAMED_OF_A_KIND) -> None:
        self._most = most
        self._named: defaultdict[_Kind, dict[Finding, str]] = defaultdict(dict)
        self._counted: defaultdict[_Kind, Counter[str]] = defaultdict(Counter)

    def add(self, finding: Finding, what: str) -> None:
        """Take in a finding.

        Args:
            finding: what was found.
            what: what was looked at, such as a level.
        """
        kind = finding.problem, finding.severity
        named = self._named[kind]
        named.setdefault(finding, what)
        if len(named) > 2 * self._most:  # sorted so rarely, each costs next to nothing
            self._cut(kind)

    def _cut(self, kind: _Kind) -> None:
        in_order = sorted(self._named[kind].items(), key=lambda one: (one[0].subject, one[0].saw))
        self._named[kind] = dict(in_order[: self._most])
        self._counted[kind].update(what for _, what in in_order[self._most :])

    def all(self, host: str) -> Iterator[Finding]:
        """Give those that are named, and for each kind that has more one of the host for these."""
        for kind in [*self._named]:
            if len(self._named[kind]) > self._most:
                self._cut(kind)
            yield from self._named[kind]
            if more := self._counted.get(kind):
                counts = ", ".join(f"{what}: {count:,}" for what, count in sorted(more.items()))
                saw = f"{more.total():,} more that are counted and not named; {counts}"
                yield Finding(*kind, host, saw, count=more.total())
