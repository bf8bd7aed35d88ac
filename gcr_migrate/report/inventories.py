"""Snapshots, and what changed between two views of registries, as facts and as lines."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, Literal

from rich.text import Text

from gcr_migrate.errors import Exit
from gcr_migrate.model.change import How, What
from gcr_migrate.model.finding import Severity
from gcr_migrate.report.fact import VERSION, Fact, Field, FindingFact, LeftOutFact
from gcr_migrate.report.rows import Many, Rows
from gcr_migrate.report.terminal import LISTED_AT_MOST, note_lines, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gcr_migrate.model.change import Change
    from gcr_migrate.state.snapshot import Snapshot

_PER_IMAGE: Final = 10  # lines of one image that a person reads before it is folded
_SIGN: Final = {How.ADDED: "+", How.REMOVED: "-", How.RETAGGED: "~"}


class SnapshotCountsFact(Fact):
    """How much a snapshot shows; a manifest counts once for each image that has it."""

    images: int
    manifests: int
    tags: int
    untagged: int = Field(description="Manifests to which no tag of their image points.")
    children: int = Field(description="Entries of indexes.")
    attached: int = Field(description="Manifests that have a subject.")


class CacheFact(Fact):
    """Where the manifests came from."""

    found: int = Field(description="Out of the cache.")
    fetched: int = Field(description="From the registry; 0 with --no-cache, which counts none.")


class InventoryFacts(Fact):
    """Result of `inventory`."""

    schema_: Literal["gcr-migrate/inventory"] = "gcr-migrate/inventory"
    version: Literal[1] = VERSION
    file: str
    target: str
    complete: bool = Field(description="All that it has could be listed, and read or named.")
    began_at: str
    ended_at: str
    roots: list[str]
    counts: SnapshotCountsFact
    cache: CacheFact
    left_out: Many[LeftOutFact] = Field(description="What was shown and could not be read.")
    findings: Many[FindingFact]

    @property
    def exit(self) -> Exit:
        """Success only if nothing may be missing, and all that is shown could be read."""
        if not self.complete:
            return Exit.REFUSED
        bad = any(one.severity is Severity.ERROR for one in self.findings)
        return Exit.FAILED if bad or len(self.left_out) else Exit.OK


def inventory_facts(snapshot: Snapshot, found: int, fetched: int) -> InventoryFacts:
    """Tell what a snapshot shows, and how many manifests were found in the cache or fetched."""
    counts = snapshot.counts()
    return InventoryFacts(
        file=str(snapshot.path),
        target=snapshot.target,
        complete=snapshot.complete,
        began_at=snapshot.began_at.isoformat(timespec="seconds"),
        ended_at=snapshot.ended_at.isoformat(timespec="seconds"),
        roots=list(snapshot.roots()),
        counts=SnapshotCountsFact(
            images=counts.images,
            manifests=counts.manifests,
            tags=counts.tags,
            untagged=counts.untagged,
            children=counts.children,
            attached=counts.attached,
        ),
        cache=CacheFact(found=found, fetched=fetched),
        left_out=Rows(counts.left_out, lambda: map(LeftOutFact.of, snapshot.left_outs())),
        findings=Rows(counts.findings, lambda: map(FindingFact.of, snapshot.findings())),
    )


def inventory_lines(facts: InventoryFacts) -> Iterator[Text]:
    """What a snapshot shows."""
    yield Text(f"Snapshot {facts.file} of {facts.target}", style="bold")
    for root in facts.roots:
        yield Text(f"  {root}")
    counts = facts.counts
    yield Text(f"  images     {counts.images}")
    yield Text(f"  manifests  {counts.manifests}, {counts.untagged} of them without a tag")
    yield Text(f"  tags       {counts.tags}")
    yield Text(f"  linked     {counts.children} entries of indexes, {counts.attached} attached")
    yield from note_lines(facts.left_out, facts.findings)
    if not facts.complete:
        yield Text.assemble(
            ("incomplete", "bold red"), ": part of it could not be read; there may be more"
        )


class SideFact(Fact):
    """One side of a comparison."""

    name: str
    kind: Literal["snapshot", "migration", "live"]
    roots: list[str]
    complete: bool
    read_at: str = Field(description="When it was read from the registries.")
    findings: list[FindingFact] = Field(description="Why it may be incomplete.")


class ChangeCountsFact(Fact):
    """How many of a kind changed."""

    added: int = 0
    removed: int = 0
    retagged: int = 0


TagChange = Literal["added", "removed", "retagged"]


class TagChangeFact(Fact):
    """What became of a tag; a digest is empty where there is none, or none is known."""

    tag: str
    change: TagChange
    old: str
    new: str


class ImageChangeFact(Fact):
    """What changed at one image."""

    image: str
    change: Literal["added", "removed", "changed"]
    tags: list[TagChangeFact]
    manifests_added: list[str]
    manifests_removed: list[str]
    not_shown: int = Field(description="Differences beyond those; 0 with --json and --full.")


class CompareFacts(Fact):
    """Result of `compare`."""

    schema_: Literal["gcr-migrate/compare"] = "gcr-migrate/compare"
    version: Literal[1] = VERSION
    outcome: Literal["equal", "differs", "incomplete"]
    compared_by: Literal["name", "path"] = Field(
        description="Images by whole names, or by their paths below the one root of each side."
    )
    before: SideFact
    after: SideFact
    counts: dict[str, ChangeCountsFact] = Field(description="By image, manifest and tag.")
    images: Many[ImageChangeFact]
    images_not_shown: int = Field(description="Changed images beyond those; 0 likewise.")

    @property
    def exit(self) -> Exit:
        """Success only if both sides are whole, and the same."""
        codes = {"equal": Exit.OK, "differs": Exit.FAILED, "incomplete": Exit.REFUSED}
        return codes[self.outcome]


class Differences:
    """Differences of a comparison: counted at once, and read again where they are told.

    Args:
        read: goes through all of them in their order.
        keep_all: tell every difference; else only what a person reads of them.
    """

    def __init__(self, read: Callable[[], Iterable[Change]], *, keep_all: bool) -> None:
        self._counts: Counter[tuple[What, How]] = Counter()
        count, name = 0, None
        for one in read():
            self._counts[one.what, one.how] += 1
            count, name = count + (one.image != name), one.image
        told = count if keep_all else min(count, LISTED_AT_MOST)
        at_most = 0 if keep_all else _PER_IMAGE
        self.images = Rows(told, lambda: islice(_images_of(read(), at_most), told))
        self.images_not_shown = count - told

    def counts(self) -> dict[str, ChangeCountsFact]:
        """How many of each kind changed, also those that are not told one by one."""
        return {
            what.value: ChangeCountsFact(**{how.value: self._counts[what, how] for how in How})
            for what in What
        }


def _images_of(changes: Iterable[Change], at_most: int) -> Iterator[ImageChangeFact]:
    for name, alike in groupby(changes, key=lambda one: one.image):
        image = _Image(name, at_most)
        for one in alike:
            image.add(one)
        yield image.fact()


class _Image:
    """What changed at one image so far; at most `at_most` differences are held, 0 for all."""

    def __init__(self, name: str, at_most: int) -> None:
        self.name = name
        self._at_most = at_most
        self._change: Literal["added", "removed", "changed"] = "changed"
        self._seen = 0
        self._tags: list[TagChangeFact] = []
        self._digests: dict[How, list[str]] = {How.ADDED: [], How.REMOVED: []}

    def add(self, change: Change) -> None:
        """Take in one difference."""
        if change.what is What.IMAGE:
            self._change = "added" if change.how is How.ADDED else "removed"
            return
        self._seen += 1
        if self._at_most and self._seen > self._at_most:
            return
        if change.what is What.MANIFEST:
            self._digests[change.how].append(change.name)
            return
        how: TagChange = change.how.value
        tag = TagChangeFact(tag=change.name, change=how, old=change.old, new=change.new)
        self._tags.append(tag)

    def fact(self) -> ImageChangeFact:
        """Return all of it."""
        return ImageChangeFact(
            image=self.name,
            change=self._change,
            tags=self._tags,
            manifests_added=self._digests[How.ADDED],
            manifests_removed=self._digests[How.REMOVED],
            not_shown=max(0, self._seen - self._at_most) if self._at_most else 0,
        )


def compare_lines(facts: CompareFacts) -> Iterator[Text]:
    """What changed: `+` was added, `-` was removed, `~` points elsewhere now."""
    title = {
        "equal": "Equal",
        "differs": "Different",
        "incomplete": "Not known: a side is incomplete, so what it lacks may be there",
    }[facts.outcome]
    yield Text(title, style="bold")
    for word, side in (("before", facts.before), ("after", facts.after)):
        doubt = "" if side.complete else ", incomplete"
        yield Text(f"  {word:<6}  {side.name} ({side.kind}, read {side.read_at}{doubt})")
    if facts.compared_by == "path":
        yield Text(f"  by path below {facts.before.roots[0]} and {facts.after.roots[0]}")
    heads = ("", "added", "removed", "retagged")
    yield from rows(
        [heads]
        + [
            (f"{what}s", str(c.added), str(c.removed), str(c.retagged) if what == "tag" else "")
            for what, c in facts.counts.items()
        ]
    )
    for image in facts.images:
        yield from _image_lines(image)
    if facts.images_not_shown:
        yield Text(f"  and {facts.images_not_shown} more images: --full lists all")
    for side in (facts.before, facts.after):
        yield from note_lines([], side.findings)


def _image_lines(image: ImageChangeFact) -> Iterator[Text]:
    sign = {"added": "+", "removed": "-", "changed": " "}[image.change]
    yield Text(f"  {sign} {image.image}")
    for tag in image.tags:
        digests = [one for one in (tag.old, tag.new) if one]
        told = f"  {' -> '.join(digests)}" if digests else ""
        yield Text(f"      {_SIGN[How(tag.change)]} :{tag.tag}{told}")
    for sign, listed in (("+", image.manifests_added), ("-", image.manifests_removed)):
        for digest in listed:
            yield Text(f"      {sign} @{digest}")
    if image.not_shown:
        yield Text(f"      and {image.not_shown} more: --full lists all")
