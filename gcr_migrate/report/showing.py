"""A frozen plan as a difference to what is there: what has to be looked at comes first.

`+` is made or set, `~` is changed, `!` is a conflict, `=` is there already.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from gcr_migrate.model.access import Verdict
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.plan import TagAction
from gcr_migrate.report.layout import STYLES, Line, headed
from gcr_migrate.report.summing import amount_text, sum_lines
from gcr_migrate.report.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gcr_migrate.report.access import AccessRowFact
    from gcr_migrate.report.fact import FindingFact, LeftOutFact
    from gcr_migrate.report.facts import ImageFact, PlanFacts, RepositoryFact, ShowFacts

    ImagesOf = Callable[[str], Sequence[ImageFact]]

_T = TypeVar("_T")

_LISTED: Final = 50  # findings, repositories, names of what is left out
_IMAGES: Final = 20  # of one repository
_IMAGES_IN_ALL: Final = 200
_LEAST: Final = 3
_TAGS: Final = 8
_MARKS: Final = {
    TagAction.SET: "+",
    TagAction.OVERWRITE: "~",
    TagAction.CONFLICT: "!",
    TagAction.PRESENT: "=",
    TagAction.KEEP: "=",
}
_SAID: Final = {
    TagAction.SET: "to be set",
    TagAction.OVERWRITE: "to be moved from another image",
    TagAction.CONFLICT: "conflict: it points to another image there",
    TagAction.PRESENT: "is there",
    TagAction.KEEP: "is kept: it points to another image there",
}
_NOTED: Final = {TagAction.KEEP: " (kept: elsewhere)", TagAction.CONFLICT: " (conflict)"}


class Section(StrEnum):
    """A part of what is shown."""

    FINDINGS = "findings"
    REPOSITORIES = "repositories"
    ACCESS = "access"
    IMAGES = "images"
    LEFT_OUT = "left-out"


class View(Struct, frozen=True):
    """How much of a plan is shown.

    Attributes:
        only: these parts; all, and the sums, if empty.
        is_full: long lists are not folded.
        can_unfold: there is an option for that; else `show` has it.
    """

    only: frozenset[Section] = frozenset()
    is_full: bool = False
    can_unfold: bool = True

    def has(self, section: Section) -> bool:
        """Whether a part is shown."""
        return not self.only or section in self.only

    def most(self, count: int) -> int | None:
        """Return how many of a list are shown, where so many are enough; None: all."""
        return None if self.is_full else count


def show_lines(facts: ShowFacts, images_of: ImagesOf, view: View) -> Iterator[Line]:
    """Tell a whole plan.

    Args:
        facts: what is told.
        images_of: gives the images of a repository.
        view: how much of it.
    """
    yield headed(f"Plan {facts.file}, made from {facts.spec} at {facts.created_at}")
    said = f"plan: {facts.file}, made from {facts.spec} at {facts.created_at}"
    yield Line(f"digest {facts.digest}", depth=1, said=f"{said}, digest {facts.digest}")
    if facts.begun:
        told = "as it was frozen; runs have begun since, see"
        yield Line(
            f"{told} `gcr-migrate status {facts.file}`", depth=1, said=f"plan: {told} status"
        )
    if facts.paths:
        told = f"only image paths like {', '.join(facts.paths)}"
        yield Line(told, depth=1, said=told)
    counts = _severities(facts) if view.has(Section.FINDINGS) else Counter()
    if view.has(Section.FINDINGS):
        yield from _first(facts, counts, view)
        yield from _consent(facts)
    if view.has(Section.REPOSITORIES) or view.has(Section.IMAGES):
        yield from _repositories(facts, images_of, view)
    if view.has(Section.LEFT_OUT):
        yield from _left_out(facts, view)
    if view.has(Section.ACCESS):
        yield from _access(facts, view)
    if view.has(Section.FINDINGS):
        yield from _notes(facts, counts[Severity.INFO], view)
    if not view.only:
        yield headed("Sums of the whole plan" if facts.paths else "Sums")
        yield from sum_lines(facts)


def plan_lines(facts: PlanFacts | ShowFacts) -> Iterator[Line]:
    """Tell a plan that was just made: what has to be looked at, and the sums."""
    view, counts = View(can_unfold=False), _severities(facts)
    yield headed(f"Plan {facts.file}")
    yield from _first(facts, counts, view)
    yield from _left_out(facts, view)
    yield from _notes(facts, counts[Severity.INFO], view)
    yield headed("Sums")
    yield from sum_lines(facts)
    yield Line(f"digest {facts.digest}", depth=1)
    yield Line(f"`gcr-migrate show {facts.file}` tells all of it", depth=1)


def _first(facts: PlanFacts | ShowFacts, counts: Counter[Severity], view: View) -> Iterator[Line]:
    """What has to be looked at before anything else."""
    if not facts.complete:
        told = "part of the source could not be listed; `apply` refuses without --allow-incomplete"
        yield Line(told, label="incomplete:", style="bold red", said=f"incomplete: {told}")
    lost = [one for one in facts.left_out if not one.by_rule]
    parts = [f"{len(lost):,} cannot be moved"] if lost else []
    parts += [counted(counts[one], str(one)) for one in _BAD if counts[one]]
    if not parts:
        return
    yield headed(f"Look at this first: {', '.join(parts)}")
    yield from _folded(lost, len(lost), _left_line, view)
    for severity in _BAD:
        some = (one for one in facts.findings if one.severity is severity)
        yield from _folded(some, counts[severity], _finding_line, view)
    yield _explained()


_BAD: Final = (Severity.ERROR, Severity.WARNING)


def _severities(facts: PlanFacts | ShowFacts) -> Counter[Severity]:
    return Counter(one.severity for one in facts.findings)


def _notes(facts: PlanFacts | ShowFacts, count: int, view: View) -> Iterator[Line]:
    if not count:
        return
    yield headed(f"To know: {count:,}")
    some = (one for one in facts.findings if one.severity is Severity.INFO)
    yield from _folded(some, count, _finding_line, view)
    yield _explained()


def _explained() -> Line:
    return Line("`gcr-migrate explain CODE` tells what a code means and what to do", depth=1)


def _finding_line(finding: FindingFact) -> Line:
    label = f"{finding.severity}[{finding.code}]"
    told = f"{finding.subject} ({finding.saw})" if finding.saw else finding.subject
    said = f"{finding.severity} {finding.code}: {told}"
    return Line(told, depth=1, label=label, style=STYLES[finding.severity], said=said)


def _left_line(left: LeftOutFact) -> Line:
    told = f"{left.subject} ({left.saw})" if left.saw else left.subject
    said = f"{'left out' if left.by_rule else 'cannot be moved'} {left.code}: {told}"
    style = "cyan" if left.by_rule else "bold red"
    return Line(told, depth=1, label=f"[{left.code}]", style=style, said=said)


def _folded(
    items: Iterable[_T],
    count: int,
    line: Callable[[_T], Line],
    view: View,
    *,
    most: int = _LISTED,
    depth: int = 1,
) -> Iterator[Line]:
    """Tell the first of a list, and how many more there are."""
    shown = view.most(most)
    yield from map(line, islice(items, shown))
    if shown is not None and count > shown:
        yield _more(count - shown, view, depth)


def _more(count: int, view: View, depth: int) -> Line:
    how = "--full" if view.can_unfold else "`show --full` tells them"
    told = f"and {count:,} more: {how}"
    return Line(told, depth=depth, style="italic", said=told)


def _left_out(facts: PlanFacts | ShowFacts, view: View) -> Iterator[Line]:
    """What rules leave out, by rule."""
    codes = Counter(one.code for one in facts.left_out if one.by_rule)
    if not codes:
        return
    yield headed(f"Left out by rule: {codes.total():,}")
    most = max(_LISTED // len(codes), _LEAST)
    for code, count in codes.items():
        some = (one for one in facts.left_out if one.by_rule and one.code == code)
        yield from _folded(some, count, _left_line, view, most=most)


def _repositories(facts: ShowFacts, images_of: ImagesOf, view: View) -> Iterator[Line]:
    count = len(facts.repositories)
    new = sum(one.create for one in facts.repositories)
    yield headed(
        f"Repositories: {count:,}, {new:,} to create; + made, ~ changed, ! conflict, = there"
    )
    shown = view.most(_LISTED)
    images = max(min(_IMAGES, _IMAGES_IN_ALL // max(min(count, _LISTED), 1)), _LEAST)
    for one in facts.repositories[:shown]:
        told = list(_repository(one, view))
        found = images_of(one.name) if view.has(Section.IMAGES) else ()
        if facts.paths and not found:
            continue
        yield from told
        for image in islice(found, view.most(images)):
            yield from _image(image, view)
        if not view.is_full and len(found) > images:
            yield _more(len(found) - images, view, 2)
    if shown is not None and count > shown:
        yield _more(count - shown, view, 1)


def _repository(one: RepositoryFact, view: View) -> Iterator[Line]:
    over = f", virtual over {', '.join(one.upstreams)}" if one.upstreams else ""
    sums = (
        ""
        if one.upstreams
        else f": {counted(one.contents.images, 'image')}, {amount_text(one.bytes)}"
    )
    state = "to create" if one.create else "is there"
    said = f"repository {one.name}: {state}{over}{sums.replace(':', ',', 1)}"
    mark = "+ " if one.create else "= "
    yield Line(f"{one.name}{over}{sums}", mark, 1, style="bold", said=said)
    if not view.has(Section.REPOSITORIES):
        return
    lines = [*_grants(one), *_settings(one)]
    yield from _folded(lines, len(lines), lambda line: line, view, most=_IMAGES, depth=2)


def _grants(repository: RepositoryFact) -> Iterator[Line]:
    for grant in repository.grants:
        condition = f" if {grant.condition}" if grant.condition else ""
        told = f"{grant.role} for {grant.member}{condition}"
        state = "there" if grant.present else "to add"
        said = f"grant on {repository.name}, {state}: {told}"
        yield Line(told, "= " if grant.present else "+ ", 2, said=said)


def _settings(repository: RepositoryFact) -> Iterator[Line]:
    for one in repository.settings:
        later = ", once its images are there" if one.write == "after-copy" else ""
        told = f"{one.setting}: {one.value}{later}"
        mark = "= " if one.write == "none" else "+ " if repository.create else "~ "
        state = "left as it is" if one.write == "none" else "to be set"
        yield Line(told, mark, 2, said=f"setting of {repository.name}, {state}: {told}")


def _image(image: ImageFact, view: View) -> Iterator[Line]:
    yield Line(
        f"{image.source} -> {image.target}",
        depth=2,
        said=f"image {image.source}: goes to {image.target}",
    )
    for action, tags in image.tags_by_action.items():
        more = len(tags) - _TAGS if not view.is_full and len(tags) > _TAGS else 0
        told = " ".join(tags[:_TAGS] if more else tags)
        rest = f" and {more:,} more: --full" if more else ""
        said = f"tag of {image.source}, {_SAID[action]}: {told}{rest}"
        yield Line(f"{told}{_NOTED.get(action, '')}{rest}", f"{_MARKS[action]} ", 3, said=said)
    written = f"{image.manifests_to_write:,} of {counted(image.manifests, 'manifest')} to write"
    if image.manifests_to_write == image.manifests:
        written = f"{counted(image.manifests, 'manifest')} to write"
    told = f"{written}; {amount_text(image.bytes)}"
    yield Line(told, depth=3, said=f"image {image.source}: {told}")
    if image.left_out:
        told = ", ".join(f"{count:,} [{code}]" for code, count in image.left_out.items())
        yield Line(f"left out: {told}", depth=3, said=f"image {image.source}: left out {told}")


def _consent(facts: ShowFacts) -> Iterator[Line]:
    unsettled = sum(row.needs_consent for row in facts.access)
    if unsettled:
        told = f"{counted(unsettled, 'right')} without consent: `apply` refuses the plan"
        yield Line(told, depth=1, style="bold red", said=told)


def _access(facts: ShowFacts, view: View) -> Iterator[Line]:
    if not facts.access:
        return
    counts = Counter(row.verdict for row in facts.access)
    told = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in Verdict if counts[verdict])
    yield Line(f"Access: {told}", style="bold", said=f"access: {told}")
    changed = counts.total() - counts[Verdict.SAME]
    if Section.ACCESS in view.only or view.is_full:
        rows = (row for row in facts.access if row.verdict is not Verdict.SAME)
        yield from _folded(rows, changed, _access_line, view)
    hint = f"`gcr-migrate access show {facts.file}` tells who, and what grants it"
    yield Line(hint, depth=1)


def _access_line(row: AccessRowFact) -> Line:
    told = f"{row.principal} {row.right}: {row.change}, {row.verdict}; {row.target}"
    mark = "! " if row.needs_consent else "~ "
    return Line(told, mark, 1, said=f"access: {told}")
