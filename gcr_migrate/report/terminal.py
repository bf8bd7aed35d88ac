"""Facts and errors as text for a terminal: whole names that can be pasted, numbers with units."""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, TypeVar

from rich.cells import cell_len
from rich.text import Text

from gcr_migrate.model.steps import Kind, State
from gcr_migrate.report.layout import STYLES, padded
from gcr_migrate.report.running import time_text
from gcr_migrate.report.runs import ApplyFacts
from gcr_migrate.report.words import harmless, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.console import Console

    from gcr_migrate.report.fact import FindingFact, LeftOutFact
    from gcr_migrate.report.problems import (
        DemoFacts,
        ErrorFacts,
        ExplainFacts,
        OneErrorFact,
        ProblemFact,
        SandboxFacts,
    )
    from gcr_migrate.report.runs import FailureFact, LeftFact, ProgressFact, StatusFacts

_T = TypeVar("_T")

LISTED_AT_MOST: Final = 50  # what a person reads; `--json` and the report have all


def show(console: Console, lines: Iterable[Text | str]) -> None:
    """Print lines as they are: no folding inside names, no guessed colours, nothing that steers."""
    lines = map(_harmless, lines)
    if not console.is_terminal:  # there is nothing to draw, and there may be a million lines
        _show_raw(console, (f"{line}\n" for line in lines))
        return
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _harmless(line: Text | str) -> Text | str:
    """Names in it are of strangers: none moves the cursor, or what stands beside it."""
    told = str(line)
    clean = harmless(told)
    if clean == told:
        return line
    return Text(clean, style=line.style) if isinstance(line, Text) else clean


def _show_raw(console: Console, parts: Iterable[str]) -> None:
    try:
        for part in parts:
            console.file.write(part)
        console.file.flush()
    except BrokenPipeError:
        console.on_broken_pipe()


def error_lines(error: ErrorFacts) -> Iterator[Text]:
    """What stopped a command; what several errors have in common is told once."""
    by_code: dict[str, list[OneErrorFact]] = {}
    for one in error.errors:
        by_code.setdefault(one.code, []).append(one)
    for alike in by_code.values():
        first = alike[0]
        yield Text.assemble((f"error[{first.code}]", "bold red"), f": {first.title}")
        for one in alike:
            yield Text(f"  name  {one.subject}")
            if one.saw:
                yield from _told("saw", one.saw)
        yield from _told("means", first.meaning)
        yield from _told("do", first.remedy)
        yield Text(f"  more  {first.more}")


def _told(word: str, text: str) -> Iterator[Text]:
    for number, line in enumerate(text.splitlines()):
        yield Text(f"  {word if number == 0 else '':<5} {line}")


def heading(text: str) -> Text:
    """A line that begins a part."""
    return Text(text, style="bold")


def rows(cells_of: Sequence[tuple[str, ...]]) -> Iterator[Text]:
    """Align all columns but the last; numbers to the right."""
    widths = [max(map(cell_len, column)) for column in zip(*cells_of, strict=True)]
    for row in cells_of:
        cells = [
            cell.rjust(width) if cell.isdigit() else padded(cell, width)
            for cell, width in zip(row, widths, strict=True)
        ]
        yield Text(f"  {'  '.join(cells).rstrip()}")


def note_lines(left_out: Sequence[LeftOutFact], findings: Sequence[FindingFact]) -> Iterator[Text]:
    """What is left out, and what is noteworthy."""
    if left_out:
        yield heading(f"Left out: {len(left_out)}")
        yield from _capped(left_out, _left_line)
    yield from finding_lines(findings)


def _capped(items: Sequence[_T], line: Callable[[_T], Text]) -> Iterator[Text]:
    yield from map(line, islice(items, LISTED_AT_MOST))
    if len(items) > LISTED_AT_MOST:
        yield Text(f"  and {len(items) - LISTED_AT_MOST} more: --json lists all")


def _left_line(left: LeftOutFact) -> Text:
    style = "cyan" if left.by_rule else "bold red"
    saw = f" ({left.saw})" if left.saw else ""
    return Text.assemble("  ", (f"[{left.code}]", style), f" {left.subject}{saw}")


def _finding_line(finding: FindingFact) -> Text:
    label = f"{finding.severity}[{finding.code}]"
    saw = f" ({finding.saw})" if finding.saw else ""
    return Text.assemble("  ", (label, STYLES[finding.severity]), f" {finding.subject}{saw}")


def finding_lines(findings: Sequence[FindingFact]) -> Iterator[Text]:
    """What is noteworthy, and nothing where nothing is."""
    if not findings:
        return
    yield heading(f"Findings: {len(findings)}")
    yield from _capped(findings, _finding_line)
    yield Text("  `gcr-migrate explain CODE` tells what a code means and what to do")


def run_title(facts: ApplyFacts | StatusFacts) -> str:
    """How the plan of a run stands, in a sentence."""
    if facts.only_copied:
        return "The images are there; access or settings are still to be done"
    there = "everything in the plan is there"
    if facts.left_by_rule:
        there += ", or left by a rule of the spec"
    return {
        "complete": f"Complete: {there}",
        "partial": f"Partial: {there}, but the source has or may have more",
        "failed": "Finished, with failures",
        "interrupted": "Interrupted; the same command goes on where it stopped",
        "time-is-up": "The time is up; the same command goes on where it stopped",
        "pending": "A part of the plan is still to be done",
    }[facts.outcome]


def run_lines(facts: ApplyFacts | StatusFacts) -> Iterator[Text]:
    """What became of each item, and why the failed ones failed."""
    yield heading(f"{facts.file}: {run_title(facts)}")
    heads = ("", "planned", "done", "skipped", "failed", "pending")
    table: list[tuple[str, ...]] = [heads]
    for kind, c in [*facts.kinds.items(), ("all", facts.counts)]:
        if kind == Kind.SETTING and not c.planned:
            continue
        table.append((kind, *map(str, (c.planned, c.done, c.skipped, c.failed, c.pending))))
    yield from rows(table)
    if facts.skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in facts.skipped.items())
        yield Text(f"  skipped: {reasons}")
    moved = facts.bytes
    yield Text(
        f"  bytes: {size_text(moved.transferred)} transferred, {size_text(moved.mounted)} mounted, "
        f"{size_text(moved.already_there)} already there"
    )
    if isinstance(facts, ApplyFacts):
        yield _requests(facts) if facts.services else _begins_with(facts.began_with)
    if facts.failures:
        yield heading(f"Failed: {sum(one.count for one in facts.failures)}")
        yield from _capped(facts.failures, _failure_line)
        yield Text("  `gcr-migrate explain CODE` tells what a code means and what to do")
    if facts.left_by_rule:
        yield heading(f"Left by a rule of the spec: {len(facts.left_by_rule)}")
        yield from _capped(facts.left_by_rule, _left_line)
    if facts.could_not_be_moved:
        yield heading(f"Could not be moved: {len(facts.could_not_be_moved)}")
        yield from _capped(facts.could_not_be_moved, _left_line)
    if not facts.complete:
        yield Text("The plan is incomplete: the source may have more than it names.")
        yield from finding_lines(facts.could_not_be_listed)


def _begins_with(left: LeftFact) -> Text:
    """What a run over the images that were chosen would do."""
    return Text(
        f"  to do: {left.manifests} manifests, {left.tags} tags, {left.blobs} blobs; "
        f"{size_text(left.bytes_to_send)} to send, {size_text(left.bytes_to_mount)} to mount"
    )


def _requests(facts: ApplyFacts) -> Text:
    """How much was asked, and how often that was too much."""
    sums = facts.services.values()
    text = f"  requests: {sum(one.requests for one in sums)}"
    throttled = [(name, one) for name, one in facts.services.items() if one.refusals]
    if not throttled:
        return Text(f"{text}, none of them over a quota")
    told = (
        f"{name} {one.refusals} times, with pauses of {one.paused_s:.1f} s"
        for name, one in throttled
    )
    return Text(f"{text}; over a quota: {', '.join(told)}")


def _failure_line(failure: FailureFact) -> Text:
    saw = f" ({failure.saw})" if failure.saw else ""
    return Text.assemble(
        "  ",
        (f"error[{failure.code}]", "bold red"),
        f" {failure.kind} {failure.subject}{failure.more}{saw}",
    )


def status_lines(facts: StatusFacts) -> Iterator[Text]:
    """Progress from the ledger."""
    yield from run_lines(facts)
    for run in facts.runs:
        is_last = run is facts.runs[-1]
        open_end = "goes on" if is_last and facts.is_running else "was cut off"
        ended = f"ended {run.ended_at}: {run.outcome}" if run.ended_at else open_end
        yield Text(f"  run {run.number}: started {run.started_at}, {ended}")
    yield from _flight_lines(facts)
    yield from _waiting_lines(facts)


def _flight_lines(facts: StatusFacts) -> Iterator[Text]:
    if facts.to_ask_about:
        yield Text(
            f"  transfers begun by a run that was cut off: {facts.to_ask_about}; "
            f"the target is asked for each before anything is sent again"
        )
    flight = facts.in_flight
    yield from _progress_lines(facts.progress)
    if not flight.items:
        return
    yield heading(f"In flight: {flight.items}, of them {flight.blobs} blobs")
    yield from rows(
        [(size_text(one.size_bytes), f"since {one.since}", one.subject) for one in flight.largest]
    )


def _progress_lines(now: ProgressFact | None) -> Iterator[Text]:
    if now is not None:
        yield Text(
            f"  {size_text(now.bytes_done)} of {size_text(now.bytes_total)} sent by {now.at}, "
            f"{size_text(round(now.bytes_per_s))}/s and {now.requests_per_s:.0f} requests/s over "
            f"the last minute, time left: {time_text(now.time_left_s)}"
        )


def _waiting_lines(facts: StatusFacts) -> Iterator[Text]:
    """What holds up most, each as a chain from tags down to a blob."""
    held = [one for one in facts.hold_ups if one.chain]
    if not held:
        return
    yield heading("Waiting, by what holds up most")
    for one in held:
        names = ", ".join(one.some_tags) + (", …" if one.tags > len(one.some_tags) else "")
        tags = f"{one.tags} tag{'' if one.tags == 1 else 's'} ({names})" if one.tags else "untagged"
        yield Text(f"  {one.image}: {tags}")
        for depth, digest in enumerate(one.chain):
            what = "manifest" if depth == len(one.chain) - 1 else "index"
            yield Text(f"    waits for {what} {digest}")
        size = f"{size_text(one.size_bytes)}, " if one.size_bytes >= 0 else ""
        cut_off = one.state is State.MOVING and not facts.is_running
        state = "begun by a run that was cut off" if cut_off else one.state
        yield Text(f"    waits for blob {one.blob} ({size}{state})")


def problem_lines(problem: ProblemFact) -> Iterator[Text]:
    """One entry of the catalogue."""
    yield Text.assemble((problem.code, "bold"), f": {problem.title}")
    yield from _told("means", problem.meaning)
    yield from _told("do", problem.remedy)
    yield Text(f"  exit  {problem.exit} when it stops a command")
    yield Text(f"  more  {problem.more}")


def catalogue_lines(facts: ExplainFacts) -> Iterator[Text]:
    """The whole catalogue, a line each, by what problems are about."""
    for group, problems in groupby(facts.problems, key=lambda problem: problem.group):
        yield heading(group)
        yield from rows([(problem.code, problem.title) for problem in problems])


def sandbox_lines(facts: SandboxFacts) -> Iterator[Text]:
    """Where the sandbox is, and how to use it."""
    yield heading(f"Sandbox with {facts.scenario} in {facts.directory}; Ctrl-C ends it")
    yield from rows(list(facts.registries.items()))
    if facts.endpoints:
        yield Text(f"  export GCR_MIGRATE_ENDPOINTS={facts.endpoints}")
    if facts.certificate:
        yield Text(f"  export SSL_CERT_FILE={facts.certificate}")
    yield Text(f"  export GCR_MIGRATE_ACCESS_TOKEN={facts.access_token}")


def demo_lines(facts: DemoFacts) -> Iterator[Text]:
    """Where the demo's files are."""
    yield Text("")
    yield heading("Done: every digest and tag is in place and proven.")
    yield Text(f"  migration file  {facts.migration}")
    yield Text(f"  report          {facts.report}")
    yield Text(f"  as a page       {facts.page}")
    yield Text(f"  everything      {facts.directory}")
