"""What somebody who sleeps is told of a run: the news of all targets as one message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal, Self

from msgspec.structs import replace

from gcr_migrate.alarm.trouble import Look, Trouble, most_of_a_kind, seen, told_apart
from gcr_migrate.errors import BLOB_GONE, BYTES_DIFFER, named
from gcr_migrate.model.finding import Severity
from gcr_migrate.report.fact import VERSION, Fact, Field
from gcr_migrate.report.standing import SAMPLED
from gcr_migrate.verify.result import Level, Outcome, worst
from gcr_migrate.wire.secret import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from gcr_migrate.alarm.news import Known, News
    from gcr_migrate.report.proof import ProofFindingFact
    from gcr_migrate.report.standing import Standing

LISTED_AT_MOST: Final = 50
_HOSTS_AT_MOST: Final = 100
_TEXT_LISTED: Final = 8
_TEXT_AT_MOST: Final = 3_900  # Slack shows 4,000 characters of a text
_IN_BYTES: Final = frozenset({BYTES_DIFFER.code, BLOB_GONE.code})  # what level deep finds
_SAID: Final = {"new": "New", "reminders": "Still so", "over": "Over"}


class HostAlarmFact(Fact):
    """How a host of a project stands."""

    target: str
    host: str
    outcome: Outcome
    codes: dict[str, int] = Field(description="Errors and warnings by code.")


class AlarmFact(Fact):
    """One thing that is told: new, still so, or over."""

    target: str
    code: str = Field(description="Stable code; `gcr-migrate explain CODE` tells more.")
    severity: Severity
    subject: str = Field(description="Full name; of many of a kind, the host.")
    count: int = Field(description="More than 1: it stands for so many names.")
    saw: str
    title: str
    remedy: str
    since: str = Field(description="When it was found first.")

    @classmethod
    def of(cls, target: str, known: Known) -> Self:
        """Tell what is known of a trouble; words of strangers go without what looks secret."""
        trouble, problem = known.trouble, named(known.trouble.code)
        return cls(
            target=target,
            code=trouble.code,
            severity=trouble.severity,
            subject=trouble.subject,
            count=trouble.count,
            saw=without_secrets(trouble.saw),
            title=problem.title,
            remedy=problem.remedy,
            since=_shown(known.since),
        )


class AlarmFacts(Fact):
    """What a webhook is sent (`--webhook-format generic`)."""

    schema_: Literal["gcr-migrate/alarm"] = "gcr-migrate/alarm"
    version: Literal[1] = VERSION
    id: str = Field(description="The same in each try to deliver this message.")
    at: str
    outcome: Outcome = Field(description="What the whole run came to.")
    summary: str = Field(description="One line for people.")
    hosts: list[HostAlarmFact] = Field(description="Those that are not proven, 100 at most.")
    new: list[AlarmFact] = Field(
        description="Found for the first time, changed, or of another severity."
    )
    reminders: list[AlarmFact] = Field(description="Found before, and told long ago.")
    over: list[AlarmFact] = Field(description="No longer so, as this run saw.")
    still: int = Field(description="Number of troubles that were told not long ago.")
    not_listed: dict[str, int] = Field(
        description="What the lists above, 50 long, have no room for."
    )


def look_of(standing: Standing, at: datetime, of: int = 1) -> Look:
    """Return what one run saw of a target, as it is remembered: errors and warnings.

    Args:
        standing: what was found.
        at: now.
        of: how many targets the run has.
    """
    every = frozenset(level for host in standing.hosts for level in host.levels)
    found = list(_troubles(standing.findings, "", every))
    for host in standing.hosts:
        found += _troubles(host.findings, host.name, frozenset(host.levels))
    whole = {host.name: host.whole for host in standing.hosts}
    return Look(standing.target, at, told_apart(found, most_of_a_kind(of)), whole)


def alarm_facts(
    news: Sequence[News], standings: Sequence[Standing], at: datetime, number: str
) -> AlarmFacts:
    """Put the news of all targets into one message.

    Args:
        news: target by target.
        standings: what the run found.
        at: now.
        number: of the message.
    """
    piles: dict[str, list[AlarmFact]] = {}
    for pile in _SAID:
        told = [AlarmFact.of(one.target, known) for one in news for known in getattr(one, pile)]
        piles[pile] = sorted(told, key=lambda one: one.severity is not Severity.ERROR)
    outcome = worst(one.outcome for one in standings)
    hosts = [
        HostAlarmFact(target=one.target, host=host.name, outcome=host.outcome, codes=host.codes)
        for one in standings
        for host in one.hosts
        if host.outcome is not Outcome.PROVEN
    ]
    listed = {pile: told[:LISTED_AT_MOST] for pile, told in piles.items()}
    more = {pile: len(told) - len(listed[pile]) for pile, told in piles.items()}
    more["hosts"] = max(0, len(hosts) - _HOSTS_AT_MOST)
    return AlarmFacts(
        id=number,
        at=_shown(at),
        outcome=outcome,
        summary=_summary(outcome, standings, piles),
        hosts=hosts[:_HOSTS_AT_MOST],
        new=listed["new"],
        reminders=listed["reminders"],
        over=listed["over"],
        still=sum(len(one.still) for one in news),
        not_listed={name: number for name, number in more.items() if number},
    )


def slack_text(facts: AlarmFacts) -> str:
    """Return the body that Slack takes, and whoever takes what Slack does: one text.

    Words of strangers stand in code spans, where nobody can be called by them.
    """
    lines = [f"*gcr-migrate verify: {facts.outcome}* - {_plain(facts.summary)}"]
    for pile, said in _SAID.items():
        told: list[AlarmFact] = getattr(facts, pile)
        for one in told[:_TEXT_LISTED]:
            saw = f": {_code(one.saw)}" if one.saw and pile != "over" else ""
            lines.append(f"{said}: {one.code} {_code(one.subject)}{saw}")
            if pile != "over":
                lines.append(f"> {_plain(one.title)}. {_plain(one.remedy)}")
        left = len(told[_TEXT_LISTED:]) + facts.not_listed.get(pile, 0)
        if left:
            lines.append(f"{said}: {left:,} more")
    if facts.still:
        lines.append(f"{facts.still:,} known before and not told again")
    while len("\n".join(lines)) > _TEXT_AT_MOST:
        lines = [*lines[:-2], "… and more: see the log of the run"]
    return json.dumps({"text": "\n".join(lines)}, ensure_ascii=False)


def _troubles(
    findings: Iterable[ProofFindingFact], host: str, levels: frozenset[str]
) -> Iterator[Trouble]:
    for one in findings:
        if one.severity is not Severity.INFO:
            needed = _needed(one.code, levels)
            told = seen(one.code, one.severity, one.subject, one.saw, host=host, levels=needed)
            yield replace(told, count=one.count)


def _needed(code: str, levels: frozenset[str]) -> frozenset[str]:
    """Return what a run has to look at that clears a finding of a run of these levels.

    What was found in bytes is cleared by who reads all of them; whatever else was found, and what
    could not be read, also by who draws others.
    """
    if Level.DEEP not in levels or code in _IN_BYTES:
        return levels
    return levels - {Level.DEEP} | {SAMPLED}


def _summary(
    outcome: Outcome, standings: Sequence[Standing], piles: dict[str, list[AlarmFact]]
) -> str:
    numbers = [f"{len(told):,} {name}" for name, told in piles.items() if told]
    one = standings[0].target if len(standings) == 1 else f"{len(standings)} targets"
    names = ", ".join(numbers).replace("1 reminders", "1 reminder")
    return f"{one}: {outcome}; {names}" if names else f"{one}: {outcome}"


def _shown(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _plain(text: str) -> str:
    """Return a text in which Slack sees no mark-up of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    flat = " ".join(text.replace("`", "'").split())
    return f"`{_plain(flat)}`" if flat else ""
