"""Pages of proofs and comparisons."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from gcr_migrate.model.finding import Severity
from gcr_migrate.report.html.columns import Column, Table, filled
from gcr_migrate.report.html.page import Cell, Grid, Notes, Page, Tone, name, number
from gcr_migrate.report.html.pictures import parts
from gcr_migrate.verify.result import ANY, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gcr_migrate.report.inventories import CompareFacts, ImageChangeFact, SideFact
    from gcr_migrate.report.proof import LevelFact, VerifyAllFacts, VerifyFacts

_WORDS: Final[dict[Outcome, tuple[str, Tone]]] = {
    Outcome.PROVEN: ("Proven: everything promised is there", "good"),
    Outcome.DIFFERS: ("Different: something promised is not as it should be", "bad"),
    Outcome.UNPROVEN: ("Not proven: something got no answer", "open"),
}


def proof_page(facts: VerifyFacts) -> Page:
    """What was proven of one target; `facts` are what `verify --json` tells."""
    notes = Notes()
    notes.add(facts.findings)
    untold = ", ".join(str(level) for level in ANY if level not in facts.levels)
    summary = [
        ("Target", name(facts.target)),
        ("Held against", name(facts.file or facts.kind)),
        ("Digest of the plan", name(facts.digest or "none")),
        ("Promise is whole", Cell("yes" if facts.complete else "no")),
        ("Not looked at", Cell(untold or "nothing")),
    ]
    if facts.sample:
        summary.append(("Sample", Cell(facts.sample.sentence)))
    if facts.earlier:
        told = f"{facts.earlier.checks:,} checks were made by earlier runs"
        summary.append(("Made in parts", Cell(f"{told}, since {facts.earlier.began_at}")))
    return Page(
        kind="Proof",
        subject=facts.target,
        outcome=_outcome(facts.outcome),
        facts=summary,
        notes=notes.all(),
        grids=[_levels(facts.levels), _hosts([facts])],
        tables=_findings([facts]),
    )


def proofs_page(facts: VerifyAllFacts) -> Page:
    """What was proven of several targets; `facts` are what `verify --json` tells of them."""
    notes = Notes()
    notes.add(facts.errors, Severity.ERROR, "not verified")
    for one in facts.targets:
        notes.add(one.findings)
    counts = Counter(one.outcome for one in facts.targets)
    summary = [(outcome.capitalize(), number(counts[outcome])) for outcome in Outcome]
    targets = len(facts.targets) + len(facts.errors)
    return Page(
        kind="Proofs",
        subject=f"{targets:,} targets",
        outcome=_outcome(facts.outcome),
        facts=[*summary, ("Could not be verified", number(len(facts.errors)))],
        notes=notes.all(),
        grids=[_hosts(facts.targets)],
        tables=_findings(facts.targets),
    )


def _outcome(outcome: Outcome) -> Cell:
    text, tone = _WORDS[outcome]
    return Cell(text, "word", tone)


def _levels(levels: Mapping[str, LevelFact]) -> Grid:
    rows = []
    for level, c in levels.items():
        drawn = parts([("done", c.ok), ("failed", c.wrong), ("pending", c.unchecked)])
        counts = (c.checked, c.ok, c.wrong, c.unchecked)
        rows.append((Cell(level, picture=drawn), *map(number, counts)))
    heads = ("Level", "Checked", "Right", "Wrong", "No answer")
    return Grid("Levels", heads, rows, "Checked = right + wrong; what got no answer is beside it.")


def _hosts(proofs: Iterable[VerifyFacts]) -> Grid:
    rows = []
    for proof in proofs:
        for host, found in proof.hosts.items():
            levels = found.levels.values()
            rows.append(
                (
                    name(host),
                    Cell(found.outcome, "word", _WORDS[found.outcome][1]),
                    number(sum(one.checked for one in levels)),
                    number(sum(one.wrong for one in levels)),
                    number(sum(one.unchecked for one in levels)),
                    Cell(found.domain.answered_by if found.domain else "not asked"),
                )
            )
    heads = ("Host", "Outcome", "Checked", "Wrong", "No answer", "gcr.io answered by")
    return Grid("Hosts", heads, rows)


def _findings(proofs: Iterable[VerifyFacts]) -> list[Table]:
    columns = (
        Column("Name", "name"),
        Column("Severity", "word"),
        Column("Code", "code"),
        Column("Saw"),
        Column("Host", "word"),
    )
    rows = (
        (one.subject, str(one.severity), one.code, one.saw, one.host)
        for proof in proofs
        for one in proof.findings
    )
    return filled([(Table("findings", "finding", "Findings", columns), rows)])


def compare_page(facts: CompareFacts) -> Page:
    """What changed between two sides; `facts` are what `compare --json` tells."""
    notes = Notes()
    for side in (facts.before, facts.after):
        notes.add(side.findings)
    words: dict[str, tuple[str, Tone]] = {
        "equal": ("Equal", "good"),
        "differs": ("Different", "bad"),
        "incomplete": ("Not known: a side is incomplete, so what it lacks may be there", "open"),
    }
    text, tone = words[facts.outcome]
    rows = [
        (Cell(what), number(one.added), number(one.removed), number(one.retagged))
        for what, one in facts.counts.items()
    ]
    columns = (
        Column("Image", "name"),
        Column("What", "word"),
        Column("Change", "word"),
        Column("Name", "name"),
        Column("Before", "name"),
        Column("After", "name"),
    )
    table = Table("changes", "image", "Changes", columns, total=facts.images_not_shown)
    return Page(
        kind="Comparison",
        subject=f"{facts.before.name}, {facts.after.name}",
        outcome=Cell(text, "word", tone),
        facts=[("Before", _side(facts.before)), ("After", _side(facts.after))],
        notes=notes.all(),
        grids=[Grid("What changed", ("What", "Added", "Removed", "Retagged"), rows)],
        tables=filled([(table, _changes(facts.images))]),
    )


def _side(side: SideFact) -> Cell:
    doubt = "" if side.complete else ", incomplete"
    return name(f"{side.name} ({side.kind}, read {side.read_at}{doubt})")


def _changes(images: Iterable[ImageChangeFact]) -> Iterator[tuple[str, ...]]:
    for one in images:
        if one.change != "changed":
            yield one.image, "image", one.change, "", "", ""
        for tag in one.tags:
            yield one.image, "tag", tag.change, tag.tag, tag.old, tag.new
        for digest in one.manifests_added:
            yield one.image, "manifest", "added", digest, "", ""
        for digest in one.manifests_removed:
            yield one.image, "manifest", "removed", digest, "", ""
