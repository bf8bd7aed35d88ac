"""What clean-up policies would delete of the versions that a plan writes, and when.

What is copied is new at the target: ages count from the copy, and the newest versions of an image
are those that are written last (FACTS 4.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct, field

from gcr_migrate.errors import CLEANUP_DELETES
from gcr_migrate.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.model.settings import (
        CleanupCondition,
        CleanupPolicy,
        RepositorySettings,
    )

_NAMED_AT_MOST: Final = 3
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


class CopiedVersion(Struct, frozen=True):
    """A version that the target will have.

    Attributes:
        path: its image path in the repository.
        digest: its digest.
        tags: tags that will point to it.
        is_part: whether an index that is carried too names it.
        is_there: whether the target has it already.
    """

    path: str
    digest: str
    tags: tuple[str, ...] = ()
    is_part: bool = False
    is_there: bool = False

    @property
    def shown(self) -> str:
        """Its name in the repository."""
        return f"{self.path}:{self.tags[0]}" if self.tags else f"{self.path}@{self.digest}"


class Ages(NamedTuple):
    """Ages in seconds since the copy, from the first on and before the end, where there is one."""

    first: int
    end: int | None


class Deletion(NamedTuple):
    """A policy deletes a version as soon as it has some age."""

    policy: str
    version: CopiedVersion
    age_s: int


def deletions(
    policies: Sequence[CleanupPolicy], versions: Sequence[CopiedVersion]
) -> Iterator[Deletion]:
    """Give what policies delete of one image path, if nothing else is ever pushed or pulled.

    Args:
        policies: all policies of the repository; those that keep count for more.
        versions: the versions at that path, in the order in which they are written.

    Yields:
        Each policy that deletes with each version that it deletes sooner or later.
    """
    for at, version in enumerate(versions):
        newer = len(versions) - 1 - at
        kept = [
            ages
            for policy in policies
            if not policy.deletes and (ages := _ages(policy, version, newer)) is not None
        ]
        for policy in policies:
            ages = _ages(policy, version, newer) if policy.deletes else None
            age_s = None if ages is None else _first_not_kept(ages, kept)
            if age_s is not None:
                yield Deletion(policy.id, version, age_s)


def effective(
    has: RepositorySettings | None, wants: RepositorySettings
) -> tuple[tuple[CleanupPolicy, ...], bool]:
    """Return the policies that a target will have once a plan is done, and whether they act.

    Args:
        has: the repository as it is; None where it is made.
        wants: what the spec says.
    """
    stated = {one.id: one for one in wants.cleanup} if has is None or wants.adopt else {}
    there = {one.id: one for one in has.cleanup} if has else {}
    dry_run = wants.cleanup_dry_run if stated or has is None else has.cleanup_dry_run
    return tuple(policy for _, policy in sorted((there | stated).items())), not dry_run


class _Loss(Struct):
    """What one policy deletes."""

    at_once: int = 0
    later: int = 0
    age_s: int = 0  # at which the first of the later ones goes
    parts: int = 0
    names: list[str] = field(default_factory=list)


class Losses:
    """Sums up what the policies of one repository delete, image path by image path.

    Args:
        shown: name of the repository.
        policies: its policies.
        acts: whether they delete, and do not only tell what they would.
    """

    def __init__(self, shown: str, policies: Sequence[CleanupPolicy], *, acts: bool) -> None:
        self._shown = shown
        self._policies = policies
        self._acts = acts
        self._versions = 0
        self._losses: dict[str, _Loss] = {}
        self._newest = [one for one in policies if one.keep_count is not None]
        self._crowded: dict[str, int] = {}  # by policy that keeps the newest: images

    def add(self, versions: Sequence[CopiedVersion]) -> None:
        """Count the versions of one image path, in the order in which they are written."""
        self._versions += len(versions)
        is_new = {one.is_there for one in versions} == {True, False}
        for policy in self._newest if is_new else ():
            if _begins(versions[0].path, policy.newest_prefixes):
                self._crowded[policy.id] = self._crowded.get(policy.id, 0) + 1
        for id_, version, age_s in deletions(self._policies, versions):
            loss = self._losses.setdefault(id_, _Loss())
            if age_s:
                loss.age_s = min(loss.age_s, age_s) if loss.later else age_s
                loss.later += 1
            else:
                loss.at_once += 1
            loss.parts += version.is_part
            if len(loss.names) < _NAMED_AT_MOST:
                loss.names.append(version.shown)

    def findings(self) -> Iterable[Finding]:
        """Tell what each policy deletes, at once or later."""
        for id_, loss in sorted(self._losses.items()):
            severity = Severity.WARNING if loss.at_once and self._acts else Severity.INFO
            saw = "; ".join(self._told(loss))
            yield Finding(CLEANUP_DELETES, severity, f"{self._shown} policy {id_}", saw)
        for id_, images in sorted(self._crowded.items()):
            severity = Severity.WARNING if self._acts else Severity.INFO
            some = f"{images} image{'s' if images != 1 else ''}"
            saw = f"newer versions come to {some} there, and it keeps the newest only"
            yield Finding(CLEANUP_DELETES, severity, f"{self._shown} policy {id_}", saw)

    def _told(self, loss: _Loss) -> Iterator[str]:
        if not self._acts:
            yield "a dry run, which deletes nothing"
        deletes = "deletes" if self._acts else "would delete"
        counts = []
        if loss.at_once:
            counts.append(f"{loss.at_once} at once")
        if loss.later:
            counts.append(f"{loss.later} from an age of {age_text(loss.age_s)} on")
        yield f"of {self._versions} planned versions it {deletes} {' and '.join(counts)}"
        if loss.parts:
            yield f"{loss.parts} of these belong to an index"
        yield f"first {', '.join(loss.names)}"


def age_text(age_s: int) -> str:
    """Tell an age in the largest unit that it is a whole number of."""
    size, unit = next((size, unit) for size, unit in _UNITS if age_s % size == 0)
    return f"{age_s // size}{unit}"


def _ages(policy: CleanupPolicy, version: CopiedVersion, newer: int) -> Ages | None:
    """Return at which ages a policy picks a version; None if at none.

    Args:
        policy: the policy.
        version: the version.
        newer: how many versions of the image are newer.
    """
    if policy.keep_count is not None:
        fits = newer < policy.keep_count and _begins(version.path, policy.newest_prefixes)
        return Ages(0, None) if fits else None
    condition = policy.condition
    if condition is None:
        return Ages(0, None)
    if not _fits(condition, version):
        return None
    first = max(condition.older_than_s or 0, condition.more_stale_than_s or 0)
    end = condition.newer_than_s
    return Ages(first, end) if end is None or first < end else None


def _fits(condition: CleanupCondition, version: CopiedVersion) -> bool:
    by_state = {"tagged": bool(version.tags), "untagged": not version.tags}
    tagged = not condition.tag_prefixes or any(
        _begins(tag, condition.tag_prefixes) for tag in version.tags
    )
    return (
        by_state.get(condition.tag_state, True)
        and tagged
        and _begins(version.digest, condition.version_prefixes)
        and _begins(version.path, condition.package_prefixes)
    )


def _begins(text: str, prefixes: tuple[str, ...]) -> bool:
    return not prefixes or text.startswith(prefixes)


def _first_not_kept(ages: Ages, kept: Iterable[Ages]) -> int | None:
    """Return the first age at which a version is picked and not kept; None if there is none."""
    age = ages.first
    for first, end in sorted(kept, key=lambda one: one.first):
        if first <= age:
            if end is None:
                return None
            age = max(age, end)
    return age if ages.end is None or age < ages.end else None
