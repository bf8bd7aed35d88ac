"""What a plan makes of the names in people's files, as facts, as lines, as SARIF and as JUnit."""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from msgspec import Struct
from rich.text import Text

from gcr_migrate.errors import Exit, printable
from gcr_migrate.refs.cover import Verdict
from gcr_migrate.report.fact import VERSION, Fact, Field
from gcr_migrate.report.junit_document import Document, tell
from gcr_migrate.report.references import ReferenceFact, UnreadFact, used_by
from gcr_migrate.report.terminal import LISTED_AT_MOST, rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.files import Found, Unread
    from gcr_migrate.refs.reading import Reference
    from gcr_migrate.report.junit_document import Suite

_TITLES: Final = {
    Verdict.NOT_PLANNED: "the plan has no such image",
    Verdict.GONE: "there is no such image, tag or digest",
    Verdict.TAG_MOVED: "the tag points to other content than what is pinned or planned",
    Verdict.ACCESS_LOST: "who pulls it cannot any more",
    Verdict.UNCHECKED: "its registry could not be asked",
    Verdict.OLD: "an old name of your own",
    Verdict.UNREADABLE: "no name, though it looks like one",
    Verdict.OPEN: "a gap keeps it from being looked up",
    Verdict.BY_HAND: "a host, bucket, page or subscription: change it by hand where it is needed",
    Verdict.EXISTS: "its registry has it",
    Verdict.MOVES: "the plan moves it",
    Verdict.NEW: "it is a new name already",
    Verdict.STAYS: "it stays: not yours",
}
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


class Read(StrEnum):
    """Whether who pulls an image can pull it at its new name."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, can: bool | None) -> Read:  # noqa: FBT001  # as rows of access have it
        """Return the word for what rows of access say."""
        return cls.UNKNOWN if can is None else cls.YES if can else cls.NO


class Judged(Struct, frozen=True):
    """All that is known of one name.

    Attributes:
        found: the name where it stands.
        reference: what it says.
        covered: what becomes of it.
        can_read: whether who pulls it can pull it there; None if there is nobody to ask about.
        why: how that is known, or why it is not.
    """

    found: Found
    reference: Reference
    covered: Covered
    can_read: Read | None = None
    why: str = ""


class CoveredFact(ReferenceFact):
    """One name where it stands, and what becomes of it."""

    verdict: Verdict
    target: str = Field(description="Whole name at the target; empty where there is none.")
    expected: str = Field(
        description="Digest that it is pinned to, or that a plan, a baseline or its older name has."
    )
    found: str = Field(description="What its registry has under it; empty if not asked.")
    can_read: Read | None = Field(
        description="Whether who pulls it can pull it at its new name; null if there is nobody or"
        " nowhere to ask about."
    )
    can_read_why: str = Field(description="Why that is not known.")
    fails: bool
    reason: str = Field(description="What speaks against it.")


class RefsCheckFacts(Fact):
    """Result of `refs check`."""

    schema_: Literal["gcr-migrate/refs-check"] = "gcr-migrate/refs-check"
    version: Literal[1] = VERSION
    outcome: Literal["covered", "not-covered", "not-read"]
    files: int = Field(description="Files that have a name.")
    counts: dict[Verdict, int]
    references: list[CoveredFact]
    unread: list[UnreadFact]

    @classmethod
    def of(
        cls,
        names: Iterable[Judged],
        unread: Iterable[Unread],
        fails: Collection[Verdict],
    ) -> Self:
        """Put together what one run found."""
        told = [_covered(one, fails) for one in names]
        counts = Counter(one.verdict for one in told)
        missed = [UnreadFact(file=printable(one.file), why=one.why) for one in unread]
        bad = any(one.fails for one in told)
        unseen = bool(missed or counts[Verdict.UNCHECKED])
        return cls(
            outcome="not-covered" if bad else "not-read" if unseen else "covered",
            files=len({one.file for one in told}),
            counts={verdict: counts[verdict] for verdict in Verdict if counts[verdict]},
            references=told,
            unread=missed,
        )

    @property
    def exit(self) -> Exit:
        """Success only if all was read and nothing fails."""
        return Exit.OK if self.outcome == "covered" else Exit.FAILED


def _covered(one: Judged, fails: Collection[Verdict]) -> CoveredFact:
    covered = one.covered
    return CoveredFact(
        **vars(ReferenceFact.of(one.found, one.reference)),
        verdict=covered.verdict,
        target=covered.target,
        expected=str(covered.expected or ""),
        found=str(covered.found or ""),
        can_read=one.can_read,
        can_read_why=printable(one.why),
        fails=covered.verdict in fails,
        reason=printable(covered.why),
    )


def check_lines(facts: RefsCheckFacts, *, full: bool) -> Iterator[Text]:
    """Tell names by what becomes of them, those that fail first."""
    titles = {
        "covered": "All names are covered",
        "not-covered": "Some names are not covered",
        "not-read": "Something could not be read, or asked",
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
    is_unsure = one.can_read is Read.UNKNOWN
    unsure = f"  (can it be pulled there? {one.can_read_why})" if is_unsure else ""
    return f"{one.text}{target}{reason}{used_by(one)}{unsure}"


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


def junit_text(facts: RefsCheckFacts) -> str:
    """Return a case for each name, and for each file that was not read, as JUnit XML.

    A suite for each file. What fails is a failure; what could not be read or asked is an error.
    """
    document = Document("gcr-migrate refs check")
    suites: dict[str, Suite] = {}
    for one in facts.references:
        suite = suites.get(one.file) or suites.setdefault(one.file, document.suite(one.file))
        case = suite.case(f"{one.line}:{one.column} {one.text}")
        text = f"{one.text}: {_TITLES[one.verdict]}{f': {one.reason}' if one.reason else ''}"
        if one.verdict is Verdict.UNCHECKED:
            tell(case, "error", text, str(one.verdict))
        elif one.fails:
            tell(case, "failure", text, str(one.verdict))
    for unread in facts.unread:
        tell(document.suite(unread.file).case("read"), "error", unread.why, "not-read")
    return document.written(0)
