"""The check-list of `doctor` as text: a column per step where there is room, then what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from gcr_migrate.doctor.checks import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.doctor.checks import Step
    from gcr_migrate.report.checks import CheckFact, CheckListFact, DoctorFacts

_STYLES: Final = {
    Status.OK: "green",
    Status.NOT_ASKED: "cyan",
    Status.WARNING: "yellow",
    Status.MISSING: "bold red",
}
_MARKS: Final = {
    Status.OK: "ok",
    Status.NOT_ASKED: "?",
    Status.WARNING: "warn",
    Status.MISSING: "MISS",
}
_MARK_WIDTH: Final = 4
_AREA_WIDTH: Final = 11
_ROOM_FOR_WORDS: Final = 45  # with less beside the columns, steps are named at the line's end
_UNUSED: Final = "-"


def checklist_lines(facts: DoctorFacts, width: int) -> Iterator[Text]:
    """All check-lists of a run.

    Args:
        facts: what was found.
        width: characters in a line of the terminal.
    """
    for one in facts.lists:
        yield from _list_lines(one, width)
    counts = facts.counts
    told = f"{counts[Status.MISSING]} missing, {counts[Status.WARNING]} to be looked at (warn), "
    told += f"{counts[Status.NOT_ASKED]} could not be asked (?), {counts[Status.OK]} ok"
    yield Text(told, style="bold")


def _list_lines(one: CheckListFact, width: int) -> Iterator[Text]:
    sides = one.source if one.source == one.target else f"{one.source} -> {one.target}"
    named = one.name if one.name == sides else f"{one.name}: {sides}"
    yield Text(named, style="bold")
    yield from _summary(one)
    # With one project only, each line need not say which.
    checks = one.checks if one.source != one.target else [_short(c, one.source) for c in one.checks]
    rows = _alike(checks)
    columns = [(step, max(len(step), _MARK_WIDTH)) for step in one.steps]
    taken = sum(column + 2 for _, column in columns) + _AREA_WIDTH + 2
    if width - taken >= _ROOM_FOR_WORDS:
        yield from _table(rows, columns)
    else:
        yield from _plain(rows, list(one.steps))
    yield from _todo(checks)


def _short(check: CheckFact, project: str) -> CheckFact:
    """Leave the project out of what stands in or on it."""
    subject = check.subject
    for words in (f" in {project}", f" on {project}", f" for {project}"):
        subject = subject.removesuffix(words)
    return check.but(subject=subject)


def _summary(one: CheckListFact) -> Iterator[Text]:
    """Tell for each step whether it can begin."""
    for step, status in one.steps.items():
        verdicts = [check.steps[step] for check in one.checks if step in check.steps]
        parts = [
            f"{count} {words}"
            for kind, words in (
                (Status.MISSING, "missing"),
                (Status.WARNING, "to be looked at"),
                (Status.NOT_ASKED, "could not be asked"),
            )
            if (count := verdicts.count(kind))
        ]
        ready = "stopped" if status is Status.MISSING else "ready"
        told = f": {', '.join(parts)}" if parts else ""
        yield Text.assemble(f"  {step:<8} ", (ready, _STYLES[status]), told)


def _alike(checks: Iterable[CheckFact]) -> list[tuple[CheckFact, list[str]]]:
    """Put checks that say the same about different names into one row."""
    rows: dict[tuple[object, ...], tuple[CheckFact, list[str]]] = {}
    for check in checks:
        key = (check.area, tuple(check.steps.items()), check.saw, tuple(check.commands))
        rows.setdefault(key, (check, []))[1].append(check.subject)
    return list(rows.values())


def _words(check: CheckFact, subjects: list[str]) -> str:
    names = ", ".join(subjects)
    return f"{names}: {check.saw}" if check.saw else names


def _table(
    rows: list[tuple[CheckFact, list[str]]], columns: list[tuple[Step, int]]
) -> Iterator[Text]:
    """A column per step at the left, so that words of any length stand at the right."""
    yield Text("  " + "  ".join(step.ljust(width) for step, width in columns), style="bold")
    for check, subjects in rows:
        line = Text("  ")
        for step, width in columns:
            status = check.steps.get(step)
            mark = _MARKS[status] if status else _UNUSED
            line.append(mark.ljust(width) + "  ", _STYLES[status] if status else "")
        line.append(f"{check.area:<{_AREA_WIDTH}} {_words(check, subjects)}")
        yield line


def _plain(rows: list[tuple[CheckFact, list[str]]], steps: list[Step]) -> Iterator[Text]:
    """A line per row; steps are named where it does not count for all of them alike."""
    for check, subjects in rows:
        line = Text("  ")
        line.append(_MARKS[check.status].ljust(_MARK_WIDTH), _STYLES[check.status])
        line.append(f"  {check.area:<{_AREA_WIDTH}} {_words(check, subjects)}")
        if list(check.steps) != steps or len(set(check.steps.values())) > 1:
            line.append(f" ({_hit(check)})")
        yield line


def _hit(check: CheckFact) -> str:
    """Name the steps that the status of a check counts for."""
    return ", ".join(step for step, status in check.steps.items() if status is check.status)


def _todo(checks: list[CheckFact]) -> Iterator[Text]:
    """What to do about everything that is not ok; commands that mend several are told once."""
    open_ = [c for c in checks if c.status is not Status.OK and (c.remedy or c.commands)]
    alike: dict[tuple[str, tuple[str, ...]], list[CheckFact]] = {}
    for check in sorted(open_, key=lambda c: list(Status).index(c.status), reverse=True):
        alike.setdefault((check.remedy, tuple(check.commands)), []).append(check)
    if alike:
        yield Text("To do", style="bold")
    for (remedy, commands), same in alike.items():
        names: dict[tuple[str, ...], tuple[CheckFact, list[str]]] = {}
        for check in same:
            key = (check.status, check.code, check.area, _hit(check))
            names.setdefault(key, (check, []))[1].append(check.subject)
        for check, subjects in names.values():
            code = f"[{check.code}]" if check.code else ""
            label = (f"{check.status}{code}", _STYLES[check.status])
            words = f" {check.area} {', '.join(subjects)} ({_hit(check)})"
            yield Text.assemble("  ", label, words)
        for line in (remedy, *commands):
            if line:
                yield Text(f"      {line}")
