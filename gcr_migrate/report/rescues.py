"""What became of a rescue, as facts and as lines."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from rich.text import Text

from gcr_migrate.errors import Exit, named
from gcr_migrate.model.finding import Severity
from gcr_migrate.report.fact import VERSION, Fact, Field, FindingFact
from gcr_migrate.report.terminal import LISTED_AT_MOST, note_lines, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

Outcome = Literal["rescued", "failed", "incomplete", "interrupted", "dry-run"]
_TITLES: Final[dict[Outcome, str]] = {
    "rescued": "Rescued: all that the service found is copied, and it is there",
    "failed": "Failed: something could not be copied, or is not there",
    "incomplete": "Incomplete: a part was not reached, or cannot be proven",
    "interrupted": "Interrupted; the same command goes on where it stopped",
    "dry-run": "Nothing was done",
}


class ClaimsFact(Fact):
    """What the service says that it did, over all runs; nothing of it is a proof."""

    manifests_copied: int = Field(description="New at the target, summed over all requests.")
    tags_copied: int
    manifests_failed: int = Field(description="Those not found included.")
    manifests_not_found: int = Field(description="Of which a part is gone at the source.")
    tags_failed: int


class CheckedFact(Fact):
    """What is there, by lists that were read."""

    before: int | None = Field(description="Manifests there before; null: not known.")
    found: int | None = Field(description="Manifests there now; null: no inventory was taken.")


class RescueTargetFact(Fact):
    """One gcr.io host, and the repository that its images go to."""

    source: str = Field(description="Such as `gcr.io/old-builds`, or a folder of it.")
    target: str
    resource: str
    repository: Literal["exists", "created", "to-create", "not-made"]
    asked: str = Field(description="The name that the service was asked under.")
    claimed: ClaimsFact
    checked: CheckedFact
    names: int = Field(description="Names that were gone through: images, and names above them.")
    names_open: int = Field(description="Names that could not be gone through to their end.")
    timeouts: int = Field(description="Requests whose work nobody has counted.")


class RescuedImageFact(Fact):
    """One image."""

    name: str
    claimed: ClaimsFact
    checked: CheckedFact
    code: str = Field(description="Why it was not gone through to its end; empty if it was.")
    saw: str
    examples: list[str] = Field(description="The service's words on some failures.")


class ExpectedNameFact(Fact):
    """One name that was expected."""

    name: str
    verdict: Literal["same", "there", "other-digest", "missing", "not-seen"]
    there: str = Field(description="The digest that is there instead; empty if none is.")


class ExpectedFact(Fact):
    """Names that were expected, held against the inventory of the target."""

    files: list[str]
    same: int = Field(description="There with the digest that was expected.")
    there: int = Field(description="There; no digest was expected.")
    other_digest: int
    missing: int
    not_seen: int = Field(description="Not in the inventory, which lacks a part.")
    elsewhere: int = Field(description="Names of other projects or hosts, which were passed over.")
    names: list[ExpectedNameFact]


class RescueFacts(Fact):
    """Result of `rescue`."""

    schema_: Literal["gcr-migrate/rescue"] = "gcr-migrate/rescue"
    version: Literal[1] = VERSION
    file: str = Field(description="Where every reply is kept.")
    project: str
    redirect_state: str
    outcome: Outcome
    runs: int = Field(description="How many runs there were, this one included.")
    filters: str = Field(description="Which part was asked for; empty for everything.")
    targets: list[RescueTargetFact]
    claimed: ClaimsFact
    checked: CheckedFact
    inventory: str = Field(description="Snapshot of the targets; empty if none was taken.")
    images: list[RescuedImageFact]
    expected: ExpectedFact | None
    findings: list[FindingFact]
    next_steps: list[str] = Field(description="Commands and notes, the next thing first.")

    @property
    def exit(self) -> Exit:
        """Success only if all was gone through, nothing failed, and what is there is whole."""
        return {
            "rescued": Exit.OK,
            "failed": Exit.FAILED,
            "incomplete": Exit.OUT_OF_REACH,
            "interrupted": Exit.INTERRUPTED,
            "dry-run": Exit.OK,
        }[self.outcome]


def rescue_lines(facts: RescueFacts) -> Iterator[Text]:
    """What became of a rescue, for a terminal."""
    yield Text(f"{facts.file}: {_TITLES[facts.outcome]}", style="bold")
    yield Text(f"  project {facts.project}, redirect state {facts.redirect_state}")
    if facts.filters:
        yield Text(f"  only {facts.filters}: what this leaves out was not asked for")
    for target in facts.targets:
        yield from _target(target)
    if facts.outcome != "dry-run":
        yield from _sums(facts)
    yield from _images(facts)
    yield from _expected(facts)
    yield from note_lines([], facts.findings)
    if facts.next_steps:
        yield Text("Next", style="bold")
        yield from (Text(f"  {step}") for step in facts.next_steps)


def _target(target: RescueTargetFact) -> Iterator[Text]:
    yield Text(f"  {target.source}")
    yield Text(f"    -> {target.resource} ({target.repository.replace('-', ' ')})")


def _sums(facts: RescueFacts) -> Iterator[Text]:
    heads = ("", "copied", "failed", "not found", "tags", "tags failed", "before", "found")
    named = [(one.source, one.claimed, one.checked) for one in facts.targets]
    yield from rows(
        [heads, *(_row(*one) for one in [*named, ("all", facts.claimed, facts.checked)])]
    )
    yield Text("  copied, failed and tags are the service's word; before and found were counted")
    slow = sum(one.timeouts for one in facts.targets)
    if slow:
        yield Text(f"  {slow} requests ran out of time: what they copied is not in these sums")


def _row(name: str, claimed: ClaimsFact, checked: CheckedFact) -> tuple[str, ...]:
    failed = claimed.manifests_failed - claimed.manifests_not_found
    counts = (claimed.manifests_copied, failed, claimed.manifests_not_found)
    tags = (claimed.tags_copied, claimed.tags_failed)
    seen = ("?" if one is None else str(one) for one in (checked.before, checked.found))
    return (name, *map(str, (*counts, *tags)), *seen)


def _images(facts: RescueFacts) -> Iterator[Text]:
    whole = {one.target for one in facts.targets}
    told = {one.code for one in facts.findings if one.subject in whole}  # of all their images
    bad = [one for one in facts.images if one.code not in {"", *told} or _is_bad(one.claimed)]
    if not bad:
        return
    yield Text(f"Images with failures: {len(bad)}", style="bold")
    for image in islice(bad, LISTED_AT_MOST):
        claimed = image.claimed
        failed = claimed.manifests_failed - claimed.manifests_not_found
        words = [
            f"{count} {word}"
            for count, word in (
                (claimed.manifests_copied, "copied"),
                (failed, "failed"),
                (claimed.manifests_not_found, "not found"),
                (claimed.tags_failed, "tags failed"),
            )
            if count
        ]
        why = [f"{image.code}: {image.saw}".removesuffix(": ")] if image.code else []
        yield Text(f"  {image.name}  {', '.join(words + why)}")
    if len(bad) > LISTED_AT_MOST:
        yield Text(f"  and {len(bad) - LISTED_AT_MOST} more: --json lists all")


def _is_bad(claimed: ClaimsFact) -> bool:
    return bool(claimed.manifests_failed or claimed.tags_failed)


def _expected(facts: RescueFacts) -> Iterator[Text]:
    found = facts.expected
    if found is None:
        return
    yield Text(f"Expected names: {len(found.names)}, of {', '.join(found.files)}", style="bold")
    yield from rows(
        [
            ("with the same digest", str(found.same)),
            ("there, no digest was expected", str(found.there)),
            ("with another digest", str(found.other_digest)),
            ("missing", str(found.missing)),
            *([("not seen", str(found.not_seen))] if found.not_seen else ()),
        ]
    )
    if found.elsewhere:
        yield Text(f"  {found.elsewhere} names of other projects or hosts were passed over")


def outcome_of(findings: list[FindingFact], *, ended: str) -> Outcome:
    """Return what became of a run: what failed weighs most, then what was not reached.

    Args:
        findings: everything that is noteworthy.
        ended: `finished`, `interrupted` or `dry-run`.
    """
    if ended == "interrupted":
        return "interrupted"
    if ended == "dry-run":
        return "dry-run"
    bad = [named(one.code) for one in findings if one.severity is Severity.ERROR]
    reach = {Exit.OUT_OF_REACH, Exit.REFUSED}
    if any(one.exit not in reach for one in bad):
        return "failed"
    return "incomplete" if bad else "rescued"
