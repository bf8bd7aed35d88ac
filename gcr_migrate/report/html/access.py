"""Pages about access: who can do what before and after."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from gcr_migrate.model.access import Right, Verdict
from gcr_migrate.report.html.columns import Column, Table, filled
from gcr_migrate.report.html.page import Cell, Notes, Page, name, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.report.access import AccessFacts, AccessRowFact

_WORST_FIRST: Final = (
    Verdict.LOST,
    Verdict.GAINED,
    Verdict.UNKNOWN,
    Verdict.EXCUSED,
    Verdict.IMPLIED,
    Verdict.SAME,
)


def access_page(facts: AccessFacts) -> Page:
    """Who can do what; `facts` are what `access show --json` tells."""
    counts = [(str(verdict), number(count)) for verdict, count in facts.counts.items()]
    digest = [("Digest", name(facts.digest))] if facts.digest else []
    notes = Notes()
    notes.add(facts.findings)
    return Page(
        kind="Access",
        subject=facts.file,
        outcome=_outcome(facts),
        facts=[*digest, *counts, ("Without consent", number(facts.unsettled))],
        notes=notes.all(),
        tables=filled([access_table(facts.rows)]),
    )


def _outcome(facts: AccessFacts) -> Cell:
    if facts.unsettled:
        told = f"{facts.unsettled:,} rights need consent: `apply` refuses the plan"
        return Cell(told, "word", "bad")
    if facts.counts.get(Verdict.UNKNOWN):
        return Cell("Of some rights it is not known who holds them", "word", "open")
    if facts.counts.get(Verdict.LOST) or facts.counts.get(Verdict.GAINED):
        return Cell("Rights are lost or gained, and somebody consented to each", "word", "open")
    return Cell("Nobody loses a right, and nobody gains one", "word", "good")


def access_table(rows: Sequence[AccessRowFact]) -> tuple[Table, Iterator[tuple[str, ...]]]:
    """A table and its rows, one for each principal at a target; each right has its column."""
    rights = tuple(Column(right.capitalize(), "word") for right in Right)
    columns = (
        Column("Principal", "name"),
        Column("Target", "name"),
        *rights,
        Column("Verdict", "word"),
        Column("Why"),
        Column("Source", "name"),
    )
    return Table("access", "principal", "Access, before and after", columns), _pivoted(rows)


def _pivoted(rows: Sequence[AccessRowFact]) -> Iterator[tuple[str, ...]]:
    def whose(row: AccessRowFact) -> tuple[str, str, str]:
        return row.target, row.source, row.principal

    for (target, source, principal), group in groupby(rows, key=whose):
        held = {row.right: row for row in group}
        told = [row for row in held.values() if (row.before, row.after) != (False, False)]
        if not told:
            continue
        changes = [_change(held.get(right)) for right in Right]
        verdict = min((row.verdict for row in told), key=_WORST_FIRST.index)
        open_ = any(row.needs_consent for row in told)
        word = f"{verdict}, needs consent" if open_ else str(verdict)
        yield principal, target, *changes, word, _why(told), source


def _change(row: AccessRowFact | None) -> str:
    return row.change.replace("->", "→") if row else "-"


def _why(rows: Sequence[AccessRowFact]) -> str:
    """What gives the rights and what the verdicts stand on, each sentence once."""
    parts = []
    for row in rows:
        parts += [f"now {row.before_by}" if row.before_by else ""]
        parts += [f"then {row.after_by}" if row.after_by else ""]
        parts += [row.why, f"accepted: {row.consent}" if row.consent else ""]
    return "; ".join(dict.fromkeys(filter(None, parts)))
