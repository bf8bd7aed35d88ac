"""The redirect of projects as text: a table of states, and the plan of a move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from gcr_migrate.errors import CATALOGUE
from gcr_migrate.redirect.gates import Passing
from gcr_migrate.report.layout import STYLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.report.redirection import (
        AnsweringHostFact,
        GateFact,
        RedirectedProjectFact,
        RedirectMoveFacts,
        RedirectPlanFacts,
        RedirectStatusFacts,
    )

_HEADS: Final = ("PROJECT", "HOST", "ANSWERS", "STATE", "NEXT")
_STATE: Final = "REDIRECTION_FROM_GCR_IO_"
_STYLES: Final = {
    Passing.FAILED: "bold red",
    Passing.UNKNOWN: "yellow",
    Passing.ACCEPTED: "cyan",
    Passing.AT_ENABLING: "cyan",
    Passing.PASSED: "",
}
_ACCEPTABLE: Final = {
    "copied": ("copied",),
    "copy": ("copy",),
    "log": ("log",),
    "pulled": ("pulled",),
    "pullers": ("MEMBER", "unseen"),
}
_CAN: Final = {
    True: ("can", ""),
    False: ("CANNOT", "bold red"),
    None: ("not known whether it can", "yellow"),
}


def status_lines(facts: RedirectStatusFacts) -> Iterator[Text]:
    """A line for each host, then what states mean and what could not be read."""
    rows: list[tuple[str, ...]] = [_HEADS]
    for project in facts.projects:
        rows += [_row(project, host, at) for at, host in enumerate(project.hosts)]
    yield from _table(rows)
    meanings = {_state(one): one.meaning for one in facts.projects if not one.unread}
    if meanings:
        yield Text("States", style="bold")
        yield from (Text(f"  {state}: {told}") for state, told in meanings.items())
    unread = [*facts.unseen, *(one.unread for one in facts.projects if one.unread)]
    if unread:
        yield Text("Not seen", style="bold")
        yield from (Text(f"  {one.what}: {one.saw}") for one in unread)
    count = len(facts.projects)
    told = f"{count} project{'' if count == 1 else 's'}"
    yield Text(f"{told}; {len(unread)} not seen" if unread else told, style="bold")


def _row(project: RedirectedProjectFact, host: AnsweringHostFact, at: int) -> tuple[str, ...]:
    first = at == 0
    return (
        project.project if first else "",
        host.host.partition("/")[0],
        _answer(host),
        _state(project) if first else "",
        (project.next or "-") if first else "",
    )


def _state(project: RedirectedProjectFact) -> str:
    if project.unread:
        return "not read"
    percent = "" if project.pull_percent is None else f" {project.pull_percent}%"
    unknown = "" if project.known else " (unknown)"
    return f"{project.state.removeprefix(_STATE)}{percent}{unknown}"


def _answer(host: AnsweringHostFact) -> str:
    return host.refusal.code if host.refusal else host.answers


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[Text]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
    for at, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield Text(line.rstrip(), style="" if at else "bold")


def plan_lines(facts: RedirectPlanFacts | RedirectMoveFacts) -> Iterator[Text]:
    """The move, what it means for each host, what is for good, and every gate."""
    yield Text(f"{facts.project}: {facts.state}", style="bold")
    yield Text(f"  {facts.meaning}")
    if facts.problem:
        problem = CATALOGUE[facts.problem]
        yield Text.assemble("  ", (f"refused[{facts.problem}]", "bold red"), f" {problem.title}")
        yield Text(f"  {facts.why}")
        yield Text(f"  hint: {problem.remedy}")
        return
    if facts.target is None:
        yield Text("Nothing to write, and it does not work" if facts.troubles else "Nothing to do")
    else:
        yield Text(f"{facts.move}: writes {facts.target}", style="bold")
        yield Text(f"  {facts.why}")
    yield Text("One setting for all four hosts", style="bold")
    for host in facts.hosts:
        yield Text(f"  {host.host}: now {host.now}; then {host.afterwards}")
    yield from _trouble_lines(facts)
    if facts.irreversible:
        yield Text("For good", style="bold")
        yield from (Text(f"  {one}") for one in facts.irreversible)
    if facts.gates:
        yield Text("Gates", style="bold")
    for gate in facts.gates:
        yield from _gate_lines(gate)
    if facts.pullers:
        yield Text("Who is known to pull or push, and can they at Artifact Registry", style="bold")
    for one in facts.pullers:
        said, style = _CAN[one.can]
        words = (f"{said} {one.right}", style)
        yield Text.assemble(f"  {one.host} {one.member}: ", words, f" ({one.by}); {one.why}")


def _trouble_lines(facts: RedirectPlanFacts | RedirectMoveFacts) -> Iterator[Text]:
    """What is wrong where there is nothing to write, and what to do about it."""
    if facts.troubles:
        yield Text("Not as it is set", style="bold")
    for one in facts.troubles:
        head = (f"{one.severity}[{one.code}]", STYLES[one.severity])
        yield Text.assemble("  ", head, f" {one.subject}: {one.saw}".removesuffix(": "))
        yield Text(f"    {one.remedy}")


def _gate_lines(gate: GateFact) -> Iterator[Text]:
    yield Text.assemble(f"  {gate.name:<12} ", (gate.passing.value, _STYLES[gate.passing]))
    yield from (Text(f"    {one}") for one in gate.evidence)


def code_lines(facts: RedirectPlanFacts) -> Iterator[Text]:
    """What comes after a plan: how it is done, or what holds it up."""
    yield from plan_lines(facts)
    if facts.outcome == "ready":
        command = f"gcr-migrate redirect {facts.move} {facts.project}"
        yield Text("All gates are passed that can be before the move itself", style="bold green")
        yield Text(f"  {command}   (on a terminal)")
        yield Text(f"  {command} --yes --i-have-read {facts.code}   (with the same options)")
    elif facts.outcome == "held-up":
        yield from _held_lines(facts, "")


def _held_lines(facts: RedirectPlanFacts | RedirectMoveFacts, before: str) -> Iterator[Text]:
    """What holds a move up, and where somebody may say why that does not matter."""
    held = [gate.name for gate in facts.gates if gate.passing in {"failed", "unknown"}]
    yield Text(f"{before}Held up by: {', '.join(held)}", style="bold red")
    words = [word for name in held for word in _ACCEPTABLE.get(name, ())]
    if words:
        told = ", ".join(f"--accept {word}=REASON" for word in words)
        yield Text(f"  hint: mend it, or say why it does not matter: {told}")


def move_lines(facts: RedirectMoveFacts) -> Iterator[Text]:
    """What became of a move."""
    if facts.outcome in {"held-up", "nothing-to-do", "not-working"}:
        yield from plan_lines(facts)
        if facts.outcome == "held-up":
            yield from _held_lines(facts, "Nothing was changed. ")
        return
    yield Text(f"{facts.project}: {facts.state} -> {facts.after}", style="bold")
    if facts.note:
        yield Text(f"  {facts.note}")
    for host in facts.slow:
        yield Text.assemble("  ", ("error[redirect-slow]", "bold red"), f" {host}")
    proof = facts.proof
    if proof:
        told = f"{proof.checked} right, {proof.wrong} wrong, {proof.unchecked} not checked"
        wrong = bool(proof.wrong or proof.unchecked)
        yield Text(f"  verified afterwards: {told}", style="bold red" if wrong else "")
        yield from (Text(f"    {one}") for one in proof.findings)
    yield from _trouble_lines(facts)
    if facts.recorded_in:
        yield Text(f"  recorded in {facts.recorded_in}")
    if facts.outcome == "moved-unproven":
        yield Text(f"  Run `gcr-migrate verify {facts.project}` until it is proven.", style="bold")
