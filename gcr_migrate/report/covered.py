"""What a plan makes of the names in people's files, as facts, as lines and as SARIF."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field
from rich.text import Text

from gcr_migrate.errors import Exit, printable
from gcr_migrate.refs.cover import Verdict
from gcr_migrate.report.fact import VERSION, Fact
from gcr_migrate.report.references import ReferenceFact, UnreadFact, used_by
from gcr_migrate.report.terminal import LISTED_AT_MOST, rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.files import Found, Unread
    from gcr_migrate.refs.reading import Reference

_TITLES: Final = {
    Verdict.NOT_PLANNED: "the plan has no such image",
    Verdict.GONE: "the plan has the image, and not this tag or digest",
    Verdict.TAG_MOVED: "the tag points to other content than the digest beside it",
    Verdict.OLD: "an old name of your own",
    Verdict.UNREADABLE: "no name, though it looks like one",
    Verdict.OPEN: "a gap keeps it from being looked up",
    Verdict.BY_HAND: "a host, bucket or page: change it by hand where it is needed",
    Verdict.MOVES: "the plan moves it",
    Verdict.NEW: "it is a new name already",
    Verdict.STAYS: "it stays: not yours",
}
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


class CoveredFact(ReferenceFact):
    """One name where it stands, and what becomes of it."""

    verdict: Verdict
    target: str = Field(description="Whole name at the target; empty where there is none.")
    fails: bool
    reason: str = Field(description="What speaks against it.")


class RefsCheckFacts(Fact):
    """Result of `refs check`."""

    schema_: Literal["gcr-migrate/refs-check"] = Field("gcr-migrate/refs-check", alias="schema")
    version: Literal[1] = VERSION
    outcome: Literal["covered", "not-covered", "not-read"]
    files: int = Field(description="Files that have a name.")
    counts: dict[Verdict, int]
    references: list[CoveredFact]
    unread: list[UnreadFact]

    @classmethod
    def of(
        cls,
        names: Iterable[tuple[Found, Reference, Covered]],
        unread: Iterable[Unread],
        fails: Collection[Verdict],
    ) -> Self:
        """Put together what one run found."""
        told = [_covered(*one, fails) for one in names]
        counts = Counter(one.verdict for one in told)
        missed = [UnreadFact(file=printable(one.file), why=one.why) for one in unread]
        bad = any(one.fails for one in told)
        return cls(
            outcome="not-covered" if bad else "not-read" if missed else "covered",
            files=len({one.file for one in told}),
            counts={verdict: counts[verdict] for verdict in Verdict if counts[verdict]},
            references=told,
            unread=missed,
        )

    @property
    def exit(self) -> Exit:
        """Success only if all was read and nothing fails."""
        return Exit.OK if self.outcome == "covered" else Exit.FAILED


def _covered(
    found: Found, reference: Reference, covered: Covered, fails: Collection[Verdict]
) -> CoveredFact:
    return CoveredFact(
        **ReferenceFact.of(found, reference).model_dump(),
        verdict=covered.verdict,
        target=covered.target,
        fails=covered.verdict in fails,
        reason=printable(covered.why),
    )


def check_lines(facts: RefsCheckFacts, *, full: bool) -> Iterator[Text]:
    """Tell names by what becomes of them, those that fail first."""
    titles = {
        "covered": "All names are covered",
        "not-covered": "Some names are not covered",
        "not-read": "Some files could not be read",
    }
    yield Text(titles[facts.outcome], style="bold")
    failing = {one.verdict for one in facts.references if one.fails}
    for verdict in sorted(_TITLES, key=lambda one: one not in failing):
        chosen = [one for one in facts.references if one.verdict is verdict]
        if not chosen:
            continue
        style = "bold red" if verdict in failing else "bold"
        yield Text(f"{len(chosen)} {verdict}: {_TITLES[verdict]}", style=style)
        shown = chosen if full or verdict in failing else chosen[:LISTED_AT_MOST]
        yield from rows([(f"{one.file}:{one.line}:{one.column}", _told(one)) for one in shown])
        if len(shown) < len(chosen):
            yield Text(f"  … and {len(chosen) - len(shown)} more; --full or --json lists them")
    if facts.unread:
        yield Text(f"{len(facts.unread)} could not be read", style="bold red")
        yield from rows([(one.file, one.why) for one in facts.unread])


def _told(one: CoveredFact) -> str:
    target = f"  → {one.target}" if one.target and one.verdict is Verdict.MOVES else ""
    reason = f"  ({one.reason})" if one.reason else ""
    return f"{one.text}{target}{reason}{used_by(one)}"


def sarif_text(facts: RefsCheckFacts) -> str:
    """Return the names that fail as SARIF 2.1.0 (FACTS section 15.9)."""
    failing = [one for one in facts.references if one.fails]
    kinds = sorted({one.verdict for one in failing})
    rules = [{"id": str(kind), "shortDescription": {"text": _TITLES[kind]}} for kind in kinds]
    driver = {"name": "gcr-migrate", "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_result(one) for one in failing]}
    whole = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _result(one: CoveredFact) -> dict[str, Any]:
    reason = f": {one.reason}" if one.reason else ""
    region = {"startLine": one.line, "startColumn": one.column}
    place = {"artifactLocation": {"uri": one.file}, "region": region}
    return {
        "ruleId": str(one.verdict),
        "level": "error",
        "message": {"text": f"{one.text}: {_TITLES[one.verdict]}{reason}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"name/v1": f"{one.field}:{one.text}"},
    }
