"""What a verification found: counts by level and by host, and a finding for all that is not right.

A host is what people call one, such as `us.gcr.io/builds` or `us-docker.pkg.dev/builds`.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate import errors
from gcr_migrate.model.few import FewFindings
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.verify.kept import Kept, KeptNowhere

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.errors import Problem
    from gcr_migrate.verify.sample import Drawn


class Level(StrEnum):
    """What a verification looks at."""

    TAGS = "tags"  # every tag resolves to its digest
    MANIFESTS = "manifests"  # every digest is there, byte by byte
    BLOBS = "blobs"  # every blob that is needed is there with its size
    DEEP = "deep"  # every blob's bytes are downloaded and hash to its digest, or a sample's
    ACCESS = "access"  # every grant is there, and nobody lost or gained a right since the plan
    REDIRECT = "redirect"  # who answers at the gcr.io names, and that docker's own flow works
    REFERENCES = "references"  # names that files use, by a list, lead where they should


class Outcome(StrEnum):
    """How a verification came out."""

    PROVEN = "proven"
    DIFFERS = "differs"
    UNPROVEN = "unproven"


CONTENT: Final = frozenset({Level.TAGS, Level.MANIFESTS, Level.BLOBS})
ANY: Final = tuple(one for one in Level if one is not Level.REFERENCES)
"""Levels that any target may be asked for; the other one needs a list."""
UNPROVEN: Final = frozenset(
    {
        errors.BUDGET_SPENT,
        errors.LISTING_CUT,
        errors.LISTING_FAILED,
        errors.NOT_CHECKED,
        errors.NOT_MIGRATED,
        errors.UNREACHABLE,
    }
)
"""Findings which say that nobody looked, and not that something differs."""
OF_ALL_THAT_IS_LEFT: Final = frozenset({errors.BUDGET_SPENT})
"""What keeps everything alike from being looked at, so that it is told once."""
_SHOWN_AT_MOST: Final = 3  # names that one finding of a host lists
NAMED_AT_MOST: Final = 5  # that were not looked at for one cause, of each host
OF_A_WHOLE_HOST: Final = frozenset({errors.UNREACHABLE, errors.UNTRUSTED, errors.NOT_MIGRATED})
"""What meets every name of a host alike, so that it is told once."""


class LevelCount(Struct):
    """What came out at one level; checked = ok + wrong.

    Of these `earlier` were found right by a run that did not come to its end.
    """

    checked: int = 0
    ok: int = 0
    wrong: int = 0
    unchecked: int = 0
    earlier: int = 0

    def add(self, other: LevelCount) -> None:
        """Add what came out elsewhere."""
        self.checked += other.checked
        self.ok += other.ok
        self.wrong += other.wrong
        self.unchecked += other.unchecked
        self.earlier += other.earlier


class _Fold(Struct):
    """One finding that stands for many checks, by level."""

    severity: Severity
    saw: str
    counts: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)  # of which it is, as long as they are few


class DomainSeen(Struct, frozen=True):
    """Who answers the gcr.io names of a project at one host.

    Attributes:
        answered_by: who, see `Answerer`.
        evidence: by which marks that is known, in words.
        redirection: the project's redirect setting in the service's own word; empty if unknown.
    """

    answered_by: str
    evidence: tuple[str, ...]
    redirection: str


class HostResult(Struct):
    """What came out at one host.

    Attributes:
        name: what people call it.
        levels: counts of what was looked at.
        findings: what stands for one name each; all of them with `all_findings`.
        domain: who answers, where it is one of Container Registry's and that was asked.
    """

    name: str
    levels: dict[Level, LevelCount]
    findings: FewFindings = field(default_factory=FewFindings)
    domain: DomainSeen | None = None
    _folds: dict[tuple[Problem, str], _Fold] = field(default_factory=dict)
    _causes: Counter[Problem] = field(default_factory=Counter)

    def is_to_be_named(self, cause: Problem) -> bool:
        """Whether a name that was not looked at is told by itself, or counted with its like."""
        self._causes[cause] += 1
        return self._causes[cause] <= NAMED_AT_MOST

    @property
    def outcome(self) -> Outcome:
        """What is wrong counts for more than what nobody looked at."""
        found = self.all_findings()
        grave = {one.problem for one in found if one.severity is Severity.ERROR}
        if any(count.wrong for count in self.levels.values()) or grave - UNPROVEN:
            return Outcome.DIFFERS
        if any(count.unchecked for count in self.levels.values()) or grave:
            return Outcome.UNPROVEN
        return Outcome.PROVEN

    def all_findings(self) -> list[Finding]:
        """Return every finding once, by subject and code; errors first.

        Two levels that ask for the same may find the same. Of one code no more than a thousand
        are named; one finding stands for the others and tells how many.
        """
        folded = [
            Finding(problem, fold.severity, subject, _counted(fold))
            for (problem, subject), fold in self._folds.items()
        ]
        return sorted(dict.fromkeys([*self.findings.all(self.name), *folded]), key=_gravest_first)

    def fold(  # what a finding is made of
        self,
        problem: Problem,
        severity: Severity,
        subject: str,
        saw: str,
        what: str,
        count: int,
        name: str = "",
    ) -> None:
        """Add to the one finding that a problem has of a subject; `name` is what it met."""
        one = self._folds.setdefault((problem, subject), _Fold(severity, saw))
        one.counts[what] += count
        if name and len(one.names) <= _SHOWN_AT_MOST:
            one.names.add(name)

    def blame(self, subject: str, effect: Problem, cause: Problem) -> None:
        """Count with its cause what was told as a problem of its own before that was known."""
        told, known = self._folds.get((effect, subject)), self._folds.get((cause, subject))
        if told and known and effect is not cause:
            known.counts.update(self._folds.pop((effect, subject)).counts)


def _counted(fold: _Fold) -> str:
    counts = ", ".join(f"{what}: {count}" for what, count in fold.counts.items() if count)
    few = len(fold.names) <= _SHOWN_AT_MOST
    return "; ".join(filter(None, (fold.saw, counts, *(sorted(fold.names) if few else ()))))


def _gravest_first(one: Finding) -> tuple[bool, str, str]:
    return one.severity is not Severity.ERROR, one.subject, one.problem.code


class Verification(Struct):
    """Outcome of a verification; it is proven when nothing is wrong and nothing unchecked.

    Attributes:
        wanted: the levels that were asked for.
        hosts: what came out at each host, in the order in which they were met.
        kept: what an earlier run found right, and where it is kept for a later one.
        drawn: what level deep read, if it was asked for.
    """

    wanted: frozenset[Level]
    hosts: dict[str, HostResult] = field(default_factory=dict)
    kept: Kept = field(default_factory=KeptNowhere)
    drawn: Drawn | None = None

    def host(self, name: str) -> HostResult:
        """Return the result of a host, which is begun if there is none."""
        if name not in self.hosts:
            self.hosts[name] = HostResult(name, {level: LevelCount() for level in self.in_order})
        return self.hosts[name]

    @property
    def in_order(self) -> list[Level]:
        """The levels that were asked for, as they are told."""
        return [level for level in Level if level in self.wanted]

    @property
    def levels(self) -> dict[Level, LevelCount]:
        """Counts of all hosts together."""
        summed = {level: LevelCount() for level in self.in_order}
        for host in self.hosts.values():
            for level, count in host.levels.items():
                summed[level].add(count)
        return summed

    @property
    def findings(self) -> list[Finding]:
        """Findings of all hosts, by subject and code; errors first."""
        return sorted(
            (one for host in self.hosts.values() for one in host.all_findings()),
            key=_gravest_first,
        )

    @property
    def outcome(self) -> Outcome:
        """The worst that came out anywhere."""
        return worst(host.outcome for host in self.hosts.values())

    @property
    def proven(self) -> bool:
        """Whether every check was made and found right."""
        return self.outcome is Outcome.PROVEN

    @property
    def came_to_its_end(self) -> bool:
        """Whether nothing cut it short, whatever it found and whoever did not answer.

        What is out of reach tonight may be so tomorrow. If that kept a run from its end, a proof of
        every night would believe that of the night before.
        """
        return not any(one.problem in OF_ALL_THAT_IS_LEFT for one in self.findings)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return what several outcomes come to: what differs hides nothing that is unproven."""
    known = set(outcomes)
    for one in (Outcome.DIFFERS, Outcome.UNPROVEN):
        if one in known:
            return one
    return Outcome.PROVEN
