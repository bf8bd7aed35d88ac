"""What a migration left behind, as facts and as lines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, Self

from rich.text import Text

from gcr_migrate.errors import Exit, printable
from gcr_migrate.leftovers.claims import TITLES, ClaimName, Leftover, Standing, Verdict
from gcr_migrate.report.discovery import RefusalFact
from gcr_migrate.report.fact import VERSION, Fact, Field
from gcr_migrate.report.terminal import heading, rows
from gcr_migrate.report.words import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.errors import MigrateError

_HEADS: Final = ("VERDICT", "SIZE", "A MONTH", "WHAT", "NOT PROVEN")
_WHOLE_AT_MOST: Final = 24  # beyond, a person reads the table, and JSON has the rest
_SIGNS: Final = {
    Standing.PROVEN: ("+", "green"),
    Standing.REFUTED: ("-", "red"),
    Standing.OPEN: ("?", "yellow"),
    Standing.UNSEEN: ("*", "yellow"),
}


class ClaimFact(Fact):
    """One thing that has to be true before something may go."""

    name: ClaimName
    title: str
    standing: Standing = Field(
        description="proven; refuted: the contrary was seen; open: nothing that was given or seen"
        " says it; unseen: it was asked, and refused."
    )
    saw: str
    remedy: str = Field(description="What would prove it; empty where it is proven.")


class LeftoverFact(Fact):
    """A bucket or repository that a migration left behind."""

    kind: Literal["bucket", "repository"]
    name: str
    project: str
    host: str = Field(description="The gcr.io host whose images it has.")
    verdict: Verdict = Field(
        description="may-go: all is proven; unproven: some proof is missing; keep: something"
        " speaks against it; not-yours: it only has the name."
    )
    size_bytes: int | None = Field(description="As far as was seen; null if it was not told.")
    usd_a_month: float | None = Field(description="By the prices of the date; null if unknown.")
    cost_unknown: str = Field(description="Why the cost is not known; empty if it is.")
    command: str = Field(description="What a person would run; empty unless it may go.")
    claims: list[ClaimFact]
    notes: list[str] = Field(description="What else to know before.")

    @classmethod
    def of(cls, project: str, one: Leftover) -> Self:
        """Tell something that was left behind."""
        return cls(
            kind="bucket" if one.kind == "bucket" else "repository",
            name=one.name,
            project=project,
            host=one.host,
            verdict=one.verdict,
            size_bytes=one.cost.size_bytes,
            usd_a_month=one.cost.usd_a_month,
            cost_unknown=printable(one.cost.why),
            command=one.command,
            claims=[
                ClaimFact(
                    name=claim.name,
                    title=TITLES[claim.name],
                    standing=claim.standing,
                    saw=printable(claim.saw),
                    remedy=claim.remedy,
                )
                for claim in one.claims
            ],
            notes=list(one.notes),
        )


class LeftoversFacts(Fact):
    """Result of `leftovers`."""

    schema_: Literal["gcr-migrate/leftovers"] = "gcr-migrate/leftovers"
    version: Literal[1] = VERSION
    projects: list[str]
    leftovers: list[LeftoverFact]
    unseen: list[RefusalFact] = Field(description="What was refused, and may be a leftover.")
    counts: dict[Verdict, int]
    usd_a_month: float = Field(description="All costs that are known; for what is the project's.")
    prices_as_of: str = Field(description="Date of the prices that were not stated.")
    seen: bool = Field(description="Whether nothing that counts was refused.")

    @classmethod
    def of(
        cls,
        found: Iterable[tuple[str, Sequence[Leftover], Sequence[tuple[str, MigrateError]]]],
        prices_as_of: str,
    ) -> Self:
        """Tell what was found.

        Args:
            found: project by project: what was left behind, and what was refused.
            prices_as_of: date of the prices.
        """
        all_of_them = list(found)
        leftovers = [
            (one, LeftoverFact.of(project, one)) for project, some, _ in all_of_them for one in some
        ]
        counted = Counter(fact.verdict for _, fact in leftovers)
        unseen = [
            RefusalFact.of(f"{what} of {project}", error)
            for project, _, some in all_of_them
            for what, error in some
        ]
        known = sum(fact.usd_a_month or 0 for _, fact in leftovers)
        return cls(
            projects=[project for project, _, _ in all_of_them],
            leftovers=[fact for _, fact in leftovers],
            unseen=unseen,
            counts={verdict: counted[verdict] for verdict in Verdict},
            usd_a_month=round(float(known), 2),
            prices_as_of=prices_as_of,
            seen=not unseen and all(one.is_seen for one, _ in leftovers),
        )

    @property
    def exit(self) -> Exit:
        """The status that says whether all could be looked at."""
        return Exit.OK if self.seen else Exit.OUT_OF_REACH


def leftover_lines(facts: LeftoversFacts) -> Iterator[Text]:
    """A table of all, then each with its claims; of many what to run alone."""
    if facts.leftovers:
        table = [_HEADS, *(_row(one) for one in facts.leftovers)]
        yield from rows(table)
    if len(facts.leftovers) <= _WHOLE_AT_MOST:
        for one in facts.leftovers:
            yield Text()
            yield from _whole(one)
    else:
        yield Text()
        yield Text("What was seen of each is in --json, or here for fewer projects.")
        yield from (Text(f"  run   {one.command}") for one in facts.leftovers if one.command)
    if facts.unseen:
        yield Text()
        yield heading("Not seen")
        yield from (Text(f"  {one.what}: {one.saw}") for one in facts.unseen)
    yield Text()
    yield heading(_sum(facts))


def _row(one: LeftoverFact) -> tuple[str, ...]:
    size = "" if one.size_bytes is None else size_text(one.size_bytes)
    cost = "unknown" if one.usd_a_month is None else f"${one.usd_a_month:,.2f}"
    cost = "" if one.verdict is Verdict.NOT_YOURS else cost
    missing = [claim.name for claim in one.claims if claim.standing is not Standing.PROVEN]
    return (one.verdict, size, cost, one.name, ", ".join(missing))


def _whole(one: LeftoverFact) -> Iterator[Text]:
    yield heading(f"{one.name}: {one.verdict}")
    for claim in one.claims:
        sign, style = _SIGNS[claim.standing]
        if claim.standing is Standing.PROVEN:
            yield Text.assemble("  ", (sign, style), f" {claim.title} ({claim.saw})")
            continue
        yield Text.assemble("  ", (sign, style), f" {claim.title}: {claim.standing}")
        yield Text(f"      saw  {claim.saw}")
        yield Text(f"      do   {claim.remedy}")
    yield from (Text(f"  note  {note}") for note in one.notes)
    if one.cost_unknown and one.verdict is not Verdict.NOT_YOURS:
        yield Text(f"  cost  unknown: {one.cost_unknown}")
    if one.command:
        yield Text(f"  run   {one.command}")


def _sum(facts: LeftoversFacts) -> str:
    count = len(facts.projects)
    projects = f"{count} project{'' if count == 1 else 's'}"
    if not facts.leftovers:
        told = (
            f"{projects}: nothing is left over" if facts.seen else f"{projects}: nothing was seen"
        )
    else:
        by_verdict = ", ".join(f"{n} {verdict}" for verdict, n in facts.counts.items() if n)
        cost = f"${facts.usd_a_month:,.2f} a month known, by prices of {facts.prices_as_of}"
        told = f"{projects}: {by_verdict}; {cost}; nothing was deleted"
    return told if facts.seen else f"{told}; not all could be seen"
