"""What `verify` found as text for a terminal: a table, and the first problems first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from rich.text import Text

from gcr_migrate.report.proof import first_problems_first
from gcr_migrate.report.terminal import finding_lines, heading, rows
from gcr_migrate.verify.result import ANY, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.report.proof import VerifyAllFacts, VerifyFacts

_PROVEN: Final = {
    "migration": "Proven: both registries serve what the plan says",
    "spec": "Proven: both registries serve what the spec asks for",
    "snapshot": "Proven: what was there then is there now",
    "live": "Proven: all that is listed is there and whole",
}


def verify_lines(facts: VerifyFacts) -> Iterator[Text]:
    """What was asked of the registries, and what they answered."""
    title = {
        Outcome.PROVEN: _PROVEN["snapshot" if _is_held(facts) else facts.kind],
        Outcome.DIFFERS: "Differs",
        Outcome.UNPROVEN: "Not proven: something could not be checked",
    }[facts.outcome]
    yield heading(f"{facts.target}: {title}")
    yield from rows(_level_rows(facts))
    yield from (Text(f"  {words}") for words in _parts(facts))
    if len(facts.hosts) > 1:
        yield from rows([_HOST_TITLES, *_host_rows(facts)])
    yield from rows(_domain_rows(facts))
    untold = [str(level) for level in ANY if level not in facts.levels]
    if untold:
        yield Text(f"Not looked at: {', '.join(untold)}.")
    if not facts.complete:
        what = {"snapshot": "baseline", "live": "listing"}.get(facts.kind, "plan")
        what = "baseline" if _is_held(facts) else what
        yield Text(f"The {what} is incomplete: there may be more than it names.")
    yield from finding_lines(facts.findings)


def _is_held(facts: VerifyFacts) -> bool:
    """Whether a project or host was held against a baseline."""
    return facts.kind == "live" and bool(facts.file)


def _parts(facts: VerifyFacts) -> Iterator[str]:
    """Say where a proof is one by a sample, and where it was made in parts."""
    if one := facts.sample:
        is_sample = one.wanted < one.population
        yield (
            f"deep: a sample, {one.sentence} (seed {one.seed})"
            if is_sample
            else (f"deep: {one.sentence}")
        )
    if parts := facts.earlier:
        when = f"from {parts.began_at} to {parts.last_at}"
        yield f"{parts.checks} of these were checked by an earlier run, {when}"


def _level_rows(facts: VerifyFacts) -> list[tuple[str, ...]]:
    table: list[tuple[str, ...]] = [("level", "checked", "ok", "wrong", "unchecked")]
    for name, level in facts.levels.items():
        numbers = (level.checked, level.ok, level.wrong, level.unchecked)
        table.append((name, *map(str, numbers)))
    return table


_RANKS: Final = {Outcome.DIFFERS: 0, Outcome.UNPROVEN: 1, Outcome.PROVEN: 2}
_HOST_TITLES: Final = ("host", "outcome", "checked", "wrong", "unchecked")


def _host_rows(facts: VerifyFacts) -> Iterator[tuple[str, ...]]:
    """One line for each host, what is not proven first."""
    for name, host in sorted(facts.hosts.items(), key=lambda one: (_RANKS[one[1].outcome], one[0])):
        levels = host.levels.values()
        sums = [
            sum(one.checked for one in levels),
            sum(one.wrong for one in levels),
            sum(one.unchecked for one in levels),
        ]
        yield (name, str(host.outcome), *map(str, sums))


def _domain_rows(facts: VerifyFacts) -> list[tuple[str, ...]]:
    """Who answers at each gcr.io host, and why that is known."""
    table: list[tuple[str, ...]] = []
    for name, host in facts.hosts.items():
        if seen := host.domain:
            why = seen.evidence[0] if seen.evidence else "no mark of Artifact Registry"
            table.append((name, f"{seen.answered_by} answers", why))
    return table


def verify_all_lines(facts: VerifyAllFacts) -> Iterator[Text]:
    """One table of all targets, and below it what is wrong anywhere."""
    counts = Counter(one.outcome for one in facts.targets)
    told = [f"{counts[one]} {word}" for one, word in _WORDS.items() if counts[one]]
    told += [f"{len(facts.errors)} could not be begun"] if facts.errors else []
    number = len(facts.targets) + len(facts.errors)
    yield heading(f"{number} targets: {', '.join(told)}")
    table: list[tuple[str, ...]] = [(*_HOST_TITLES, "of")]
    table += [(failed.target, failed.code, "-", "-", "-", "") for failed in facts.errors]
    for one in sorted(facts.targets, key=lambda one: _RANKS[one.outcome]):
        hosts = list(_host_rows(one)) or [(one.target, str(one.outcome), "0", "0", "0")]
        table += [(*row, "" if row[0] == one.target else one.target) for row in hosts]
    if not any(row[-1] for row in table[1:]):
        table = [row[:-1] for row in table]
    yield from rows(table)
    for one in facts.targets:
        yield from (Text(f"  {one.target}: {words}") for words in _parts(one))
    for failed in facts.errors:
        yield Text(f"  {failed.target}: {failed.code}: {failed.message} {failed.saw}".rstrip())
        yield Text(f"    {failed.remedy}")
    found = [finding for one in facts.targets for finding in one.findings]
    yield from finding_lines(sorted(found, key=first_problems_first))


_WORDS: Final = {
    Outcome.DIFFERS: "differ",
    Outcome.UNPROVEN: "not proven",
    Outcome.PROVEN: "proven",
}
