"""Who can do what as a matrix for a terminal: a column per right where there is room."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.text import Text

from gcr_migrate.model.access import Right, Verdict
from gcr_migrate.report.terminal import note_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.report.access import AccessFacts, AccessRowFact, UndoFacts

_STYLE: Final = {
    Verdict.LOST: "bold red",
    Verdict.GAINED: "bold red",
    Verdict.UNKNOWN: "yellow",
    Verdict.IMPLIED: "cyan",
    Verdict.EXCUSED: "cyan",
    Verdict.SAME: "",
}
_CELL: Final = max(len("yes -> no"), len("delete"))
_NONE: Final = "-"
_PRINCIPAL_AT_LEAST: Final = 24  # with less room beside the columns, each right has its line
_OUTCOME: Final = {
    "to-do": ("-", "would be taken back"),
    "taken-back": ("-", "taken back"),
    "gone-already": ("=", "was gone already"),
    "not-ours": ("=", "stays: nobody knows that this file added it"),
    "failed": ("!", "not taken back"),
}


def access_lines(facts: AccessFacts, width: int) -> Iterator[Text]:
    """The matrix of each target.

    Args:
        facts: what is told.
        width: characters in a line of the terminal.
    """
    if not facts.rows:
        yield Text(f"{facts.file}: no access to show")
    for (target, source), rows in groupby(facts.rows, key=lambda one: (one.target, one.source)):
        yield Text(f"{target}, from {source}", style="bold")
        yield from _target_lines(list(rows), width)
    yield from note_lines((), facts.findings)
    yield from _sums(facts)


def _target_lines(rows: Sequence[AccessRowFact], width: int) -> Iterator[Text]:
    by_member: dict[str, dict[Right, AccessRowFact]] = {}
    for row in rows:
        by_member.setdefault(row.principal, {})[row.right] = row
    longest = max(map(len, by_member))
    room = width - 2 - len(Right) * (_CELL + 2)
    if longest > room or room < _PRINCIPAL_AT_LEAST:
        for member, rights in by_member.items():
            yield Text(f"  {member}")
            for right, row in rights.items():
                style = _STYLE[row.verdict]
                yield Text.assemble(f"    {right:<6}  ", (f"{row.change}, {row.verdict}", style))
            yield from _reasons(rights)
        return
    yield Text(
        "  " + "principal".ljust(longest) + "".join(f"  {r:<{_CELL}}" for r in Right).rstrip()
    )
    for member, rights in by_member.items():
        line = Text(f"  {member:<{longest}}")
        for right in Right:
            found = rights.get(right)
            told = (
                found.change if found and (found.before, found.after) != (False, False) else _NONE
            )
            line.append(f"  {told:<{_CELL}}", _STYLE[found.verdict] if found else "")
        line.rstrip()
        yield line
        yield from _reasons(rights)


def _reasons(rights: dict[Right, AccessRowFact]) -> Iterator[Text]:
    """What grants each right, and what the verdict stands on; rights that are alike together."""
    alike: dict[tuple[Verdict, str, tuple[tuple[str, str], ...]], list[Right]] = {}
    for right, row in rights.items():
        if row.before is not False or row.after is not False:
            alike.setdefault((row.verdict, row.proved_by, _told(row)), []).append(right)
    for (verdict, method, told), named in alike.items():
        head = (f"{', '.join(named)}: {verdict}", _STYLE[verdict])
        yield Text.assemble("      ", head, f", by {method}")
        for word, text in told:
            yield Text(f"        {word:<8} {text}")


def _told(row: AccessRowFact) -> tuple[tuple[str, str], ...]:
    """Return what is behind a row, each with its word."""
    parts = (
        ("now", row.before_by),
        ("then", row.after_by),
        ("why", row.why if row.why not in {row.before_by, row.after_by} else ""),
        ("accepted", row.consent),
        ("open", "nobody has consented to it" if row.needs_consent else ""),
    )
    return tuple(part for part in parts if part[1])


def _sums(facts: AccessFacts) -> Iterator[Text]:
    counts = [f"{count} {verdict}" for verdict, count in facts.counts.items() if count]
    if counts:
        yield Text(f"Rights: {', '.join(counts)}", style="bold")
    if facts.unsettled:
        told = f"{facts.unsettled} without consent: `apply` refuses the plan"
        yield Text(told, style="bold red")


def undo_lines(facts: UndoFacts) -> Iterator[Text]:
    """What became of the grants that this file had added."""
    title = {
        "done": "What this file added is taken back",
        "nothing-to-do": "Nothing to take back: this file added no grant that is still there",
        "to-do": "This would be taken back",
        "failed": "Not all of what this file added could be taken back",
    }[facts.outcome]
    yield Text(f"{facts.file}: {title}", style="bold")
    for repository, grants in groupby(facts.grants, key=lambda one: one.repository):
        yield Text(f"  {repository}")
        for one in grants:
            mark, words = _OUTCOME[one.outcome]
            condition = f" if {one.condition}" if one.condition else ""
            yield Text(f"    {mark} {one.role} for {one.member}{condition}: {words}")
    for trouble in facts.failures:
        yield Text.assemble(
            "  ", (f"error[{trouble.code}]", "bold red"), f" {trouble.repository} ({trouble.saw})"
        )
    if facts.outcome == "done":
        yield Text("  `apply` would add these again.")
