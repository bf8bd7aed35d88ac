"""What the service says that it did, held against what an inventory of the target shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from gcr_migrate.errors import (
    BAD_REPLY,
    COPY_DAMAGED,
    COPY_FAILED,
    COPY_SHORT,
    COPY_TAGS,
    COPY_UNPROVEN,
    EXPECTED_MISSING,
    EXPECTED_OTHER,
    SOURCE_UNLISTED,
    Problem,
)
from gcr_migrate.model.copying import read_page
from gcr_migrate.model.few import FewFindings
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.rescue.expected import MET, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gcr_migrate.model.names import Project
    from gcr_migrate.rescue.expected import Expected, Wanted
    from gcr_migrate.rescue.folder import Folder
    from gcr_migrate.rescue.run import Rescue
    from gcr_migrate.rescue.targets import Target
    from gcr_migrate.state.rescued import RescueFile


class Row(Struct, frozen=True):
    """One name of a target.

    Attributes:
        target: number of the target.
        path: the name below it.
        name: its whole name, as it is pulled once all is done.
        copied: manifests that were copied, by the service's word.
        tags_copied: tags that were set, likewise.
        failed: manifests that could not be copied, those of `not_found` included, likewise.
        not_found: those of which a part is gone at the source, likewise.
        tags_failed: tags that could not be set, likewise.
        before: manifests that were there before; None where that is not known.
        found: manifests that the inventory shows; None where none was taken.
        new: those of them that were not there before; None where not all of it is known.
        examples: the service's words on some failures.
        lost: its words on some of those of `not_found`.
        problem: why not all of it could be gone through; None if it could.
        saw: what was seen then.
        blocked: whether that is a reason for all names of the target.
        timeouts: requests of which nobody knows how much they copied.
    """

    target: int
    path: str
    name: str
    copied: int
    tags_copied: int
    failed: int
    not_found: int
    tags_failed: int
    before: int | None
    found: int | None
    new: int | None
    examples: tuple[str, ...]
    lost: tuple[str, ...]
    problem: Problem | None
    saw: str
    blocked: bool
    timeouts: int

    @property
    def is_image(self) -> bool:
        """Whether anything is or was to be there, and it is more than a name above others."""
        counts = (self.copied, self.failed, self.before or 0, self.found or 0, self.tags_failed)
        return any(counts) or self.problem is not None


class Seen(Struct):
    """What an inventory of the targets shows.

    Attributes:
        images: digests and tags by target and name.
        complete: all that the targets have was listed and read; else nothing can be missed.
        unasked: names of targets of which something was asked for by itself, in vain.
    """

    images: dict[tuple[int, str], tuple[Collection[str], Mapping[str, str]]] = field(
        default_factory=dict
    )
    complete: bool = True
    unasked: set[tuple[int, str]] = field(default_factory=set)

    def add(self, key: tuple[int, str], digests: Iterable[str], tags: Mapping[str, str]) -> None:
        """Add what was found of a name beside what lists show."""
        known, tagged = self.images.get(key, ((), {}))
        if more := {*digests}:
            self.images[key] = {*known} | more, {**tagged, **tags}


def by_host(
    targets: Sequence[Target], seen: Seen
) -> dict[tuple[str, str], tuple[Collection[str], Mapping[str, str]]]:
    """Return what was seen by gcr.io host and name below the project."""
    return {(targets[at].host.name, path): one for (at, path), one in seen.images.items()}


def rows_of(
    rescue: Rescue, targets: Sequence[Target], file: RescueFile, seen: Seen | None
) -> Iterator[Row]:
    """Give an account of all names, in order.

    Args:
        rescue: where the walk stands.
        targets: by their numbers.
        file: what was there before.
        seen: the inventory; None if none was taken.
    """
    known = {at for at in range(len(targets)) if file.seen_before(at)}
    keys = {*rescue.walk.folders, *rescue.copied_before, *(seen.images if seen else ())}
    keys |= {(at, path) for at in known for path in file.paths_before(at)}
    for target, path in sorted(keys):
        at = targets[target]
        folder = rescue.walk.folders.get((target, path))
        before = file.before(target, path) if target in known else None
        found = seen.images.get((target, path), ((), {}))[0] if seen else None
        problem, saw = _why(rescue, target, folder)
        failures = folder.failures if folder else None
        yield Row(
            target=target,
            path=path,
            name=f"{at.shown}/{path}" if path else at.shown,
            copied=(folder.copied if folder else 0) + rescue.copied_before[target, path],
            tags_copied=(folder.tags_copied if folder else 0) + rescue.tags_before[target, path],
            failed=failures.failed if failures else 0,
            not_found=failures.not_found if failures else 0,
            tags_failed=failures.tags_failed if failures else 0,
            before=None if before is None else len(before),
            found=None if found is None else len(found),
            new=_new(before, found) if seen and seen.complete else None,
            examples=tuple(failures.examples) if failures else (),
            lost=tuple(failures.lost) if failures else (),
            problem=problem,
            saw=saw,
            blocked=problem is not None and target in rescue.walk.closed,
            timeouts=folder.timeouts if folder else 0,
        )


def _new(before: frozenset[str] | None, found: Collection[str] | None) -> int | None:
    return None if before is None or found is None else len({*found} - before)


def _why(rescue: Rescue, target: int, folder: Folder | None) -> tuple[Problem | None, str]:
    """Say why a name was not gone through to its end."""
    if folder is None:
        return None, ""
    if folder.problem:
        return folder.problem, folder.saw
    if not folder.ended and target in rescue.walk.closed:
        return rescue.walk.closed[target]
    if folder.failures.odd:
        return BAD_REPLY, "; ".join(folder.failures.odd[:3])
    return None, ""


def findings_of(row: Row) -> Iterator[Finding]:
    """Tell what is wrong with one name."""
    others = row.failed - row.not_found
    # Which of the two some words are about is known by their list, or where all are of one kind.
    lost = row.lost or (() if others else row.examples)
    failed = [one for one in row.examples if one not in row.lost]

    if row.problem and not row.blocked:
        yield Finding(row.problem, Severity.ERROR, row.name, row.saw)
    if row.not_found:
        yield Finding(COPY_DAMAGED, Severity.ERROR, row.name, _said(row.not_found, lost))
    if others:
        yield Finding(COPY_FAILED, Severity.ERROR, row.name, _said(others, failed))
    if row.tags_failed:
        yield Finding(COPY_TAGS, Severity.ERROR, row.name, str(row.tags_failed))
    if row.new is not None and row.new < row.copied:
        saw = f"{row.copied} copied, {row.new} there that were not there before"
        yield Finding(COPY_SHORT, Severity.ERROR, row.name, saw)


def _said(count: int, examples: Sequence[str]) -> str:
    return f"{count}, such as {examples[0]}" if examples else str(count)


def named_in_answers(
    file: RescueFile, seen: Seen, targets: int
) -> Iterator[tuple[tuple[int, str], set[str], set[str]]]:
    """Give digests and tags that answers named and that were not seen, name by name."""
    for target in range(targets):
        for path in file.paths_answered(target):
            digests, tags = seen.images.get((target, path), ((), {}))
            named: set[str] = set()
            tagged: set[str] = set()
            for page in filter(None, map(read_page, file.answers(target, path))):
                named |= page.digests
                tagged |= page.tags
            lacking = named.difference(digests), tagged.difference(tags)
            if any(lacking):
                yield (target, path), *lacking


def not_there(row: Row, lacking: tuple[set[str], set[str]]) -> Iterator[Finding]:
    """Tell which manifests and tags answers named, and nobody has seen."""
    for names in map(sorted, lacking):
        if names:
            saw = f"{len(names)} that answers named, such as {names[0]}"
            yield Finding(COPY_SHORT, Severity.ERROR, row.name, saw)


class Account(Struct):
    """The whole account of a rescue.

    Attributes:
        rows: all names.
        verdicts: what became of each expected name, with the digest that is there instead; None
            where nothing was expected, or there is no inventory to look into.
        findings: what is wrong, and what cannot be proven.
    """

    rows: list[Row]
    verdicts: list[tuple[Expected, Verdict, str]] | None
    findings: list[Finding]


def account_of(
    rescue: Rescue,
    targets: Sequence[Target],
    file: RescueFile,
    seen: Seen | None,
    wanted: Wanted | None,
) -> Account:
    """Hold what the service says against what is there and what is expected to be.

    Args:
        rescue: where the walk stands.
        targets: by their numbers.
        file: has all replies.
        seen: an inventory of the targets; None if none was taken.
        wanted: the expected names; None if there is no list.
    """
    rows = [*rows_of(rescue, targets, file, seen)]
    few = FewFindings()
    for row in rows:
        _add(few, findings_of(row))
    verdicts = None
    if seen and seen.complete:
        by_key = {(row.target, row.path): row for row in rows}
        for key, named, tagged in named_in_answers(file, seen, len(targets)):
            if key in by_key and key not in seen.unasked:
                _add(few, not_there(by_key[key], (named, tagged)))
    if seen and wanted:
        unseen = {(targets[at].host.name, path) for at, path in seen.unasked}
        found = by_host(targets, seen)
        verdicts = [*judge(wanted.names, found, complete=seen.complete, unseen=unseen)]
        _add(few, _unmet(verdicts, wanted.project))
    findings = [*few.all(targets[0].project.id if targets else "")]
    all_there = verdicts is not None and all(one[1] in MET for one in verdicts)
    findings += doubts(rescue, targets, expected=bool(wanted), all_there=all_there)
    return Account(rows, verdicts, findings)


def _add(few: FewFindings, findings: Iterable[Finding]) -> None:
    for finding in findings:
        few.add(finding, "names")


def _unmet(
    verdicts: Sequence[tuple[Expected, Verdict, str]], project: Project
) -> Iterator[Finding]:
    for name, verdict, there in verdicts:
        if verdict in {Verdict.OTHER, Verdict.MISSING}:
            problem = EXPECTED_OTHER if verdict is Verdict.OTHER else EXPECTED_MISSING
            saw = f"there is {there}" if there else ""
            yield Finding(problem, Severity.ERROR, name.shown(project), saw)


def doubts(
    rescue: Rescue, targets: Sequence[Target], *, expected: bool, all_there: bool
) -> Iterator[Finding]:
    """Tell what nobody can prove.

    Args:
        rescue: where the walk stands.
        targets: by their numbers.
        expected: whether there was a list of expected names.
        all_there: whether all of them are there.
    """
    for at, target in enumerate(targets):
        if at in rescue.walk.closed:
            problem, saw = rescue.walk.closed[at]
            yield Finding(problem, Severity.ERROR, target.shown, saw)
            continue
        # Where one host was copied from the service is there, and another may have nothing.
        if not rescue.walk.told and not all_there:
            yield Finding(COPY_UNPROVEN, Severity.ERROR, target.shown)
        saw = "beside the expected names" if expected else "there is no list of expected names"
        yield Finding(SOURCE_UNLISTED, Severity.INFO, target.source_shown, saw)
