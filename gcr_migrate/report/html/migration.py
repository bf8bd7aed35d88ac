"""Pages of a migration: its plan, what became of it, and how its runs went."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gcr_migrate.model.finding import Severity
from gcr_migrate.model.steps import Kind
from gcr_migrate.report.html.access import access_table
from gcr_migrate.report.html.columns import Column, Table, filled
from gcr_migrate.report.html.folders import folders
from gcr_migrate.report.html.page import Cell, Grid, Notes, Page, Tone, moment, name, number, size
from gcr_migrate.report.html.pictures import bar, curve, parts
from gcr_migrate.report.runs import ApplyFacts
from gcr_migrate.report.summing import money_lines, time_lines
from gcr_migrate.report.terminal import run_title
from gcr_migrate.report.words import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.report.facts import ReportFacts, ShowFacts
    from gcr_migrate.report.html.folders import Folder
    from gcr_migrate.report.layout import Line
    from gcr_migrate.report.overview import CourseFact, OverviewFact
    from gcr_migrate.report.runs import StatusFacts

    _Filling = tuple[Table, Iterable[Sequence[str | int]]]

_REPOSITORIES_DRAWN: Final = 20
_TONES: Final[dict[str, Tone]] = {"complete": "good", "failed": "bad"}


def report_page(facts: ReportFacts) -> Page:
    """Plan and progress of a migration file.

    Args:
        facts: what `report --json` tells.
    """
    plan, status, overview = facts.plan, facts.status, facts.overview
    notes = _plan_notes(plan)
    notes.add(status.every_failure(), Severity.ERROR, "failed")
    notes.add(status.left_by_rule, Severity.WARNING, "left by rule")
    return Page(
        kind="Migration",
        subject=plan.file,
        outcome=_outcome(status) if status.runs else _planned(plan),
        facts=[*_plan_summary(plan), *_moved(status)],
        notes=notes.all(),
        grids=[_items(status), *_sums(overview), *_runs(status, overview)],
        folders=_folders(plan, overview),
        tables=_images_first(_failures(status), *_plan_tables(plan), _images(plan, overview)),
    )


def plan_page(facts: ShowFacts) -> Page:
    """A frozen plan; `facts` are what `show --json` tells."""
    return Page(
        kind="Plan",
        subject=facts.file,
        outcome=_planned(facts),
        facts=_plan_summary(facts),
        notes=_plan_notes(facts).all(),
        folders=_folders(facts, None),
        tables=_images_first(*_plan_tables(facts), _images(facts, None)),
    )


def run_page(facts: ApplyFacts | StatusFacts) -> Page:
    """What became of a plan; `facts` are what `apply --json` or `status --json` tells."""
    notes = Notes()
    notes.add(facts.every_failure(), Severity.ERROR, "failed")
    notes.add(facts.left_by_rule, Severity.WARNING, "left by rule")
    notes.add(facts.could_not_be_moved, Severity.ERROR, "could not be moved")
    notes.add(facts.could_not_be_listed)
    summary = [("Migration file", name(facts.file)), ("Digest", name(facts.digest))]
    grids = [_items(facts)]
    if isinstance(facts, ApplyFacts) and facts.services:
        grids.append(_services(facts))
    return Page(
        kind="Run",
        subject=facts.file,
        outcome=_outcome(facts),
        facts=[*summary, *_moved(facts)],
        notes=notes.all(),
        grids=grids,
        tables=filled([_failures(facts)]),
    )


def _outcome(facts: ApplyFacts | StatusFacts) -> Cell:
    return Cell(run_title(facts), "word", _TONES.get(facts.outcome, "open"))


def _planned(plan: ShowFacts) -> Cell:
    if not plan.complete:
        return Cell("Planned, but part of the source could not be listed", "word", "bad")
    if plan.exit:
        return Cell("Planned, but not everything can be moved", "word", "bad")
    if open_ := _without_consent(plan):
        told = f"Planned, but `apply` refuses it: {open_:,} rights need consent"
        return Cell(told, "word", "bad")
    if not plan.todo.total:
        return _nothing_to_do(plan)
    if plan.begun:
        return Cell("Planned, and begun; a part is still to be done", "word", "open")
    return Cell("Planned; nothing has been done yet", "word", "open")


def _nothing_to_do(plan: ShowFacts) -> Cell:
    if not plan.counts.images:
        return Cell("The plan has no image", "word", "open")
    return Cell("Nothing of the plan is left to be done", "word", "good")


def _without_consent(plan: ShowFacts) -> int:
    return sum(1 for row in plan.access if row.needs_consent)


def _plan_summary(plan: ShowFacts) -> list[tuple[str, Cell]]:
    counts, sizes = plan.counts, plan.bytes
    by_rule = sum(1 for one in plan.left_out if one.by_rule)
    lost = len(plan.left_out) - by_rule
    return [
        ("Made from", name(plan.spec)),
        ("Made at", moment(plan.created_at)),
        ("Digest", name(plan.digest)),
        ("Source listed whole", Cell("yes" if plan.complete else "no")),
        ("Repositories", number(counts.repositories)),
        ("Images", number(counts.images)),
        ("Manifests", number(counts.manifests)),
        ("Tags", number(counts.tags)),
        ("Blobs", Cell(f"{counts.blobs:,}, {size_text(sizes.total)}")),
        ("To transfer", size(sizes.to_transfer)),
        ("Spared by mounts", size(sizes.to_mount)),
        ("Left out by rule", number(by_rule)),
        ("Could not be moved", number(lost)),
        ("Rights without consent", number(_without_consent(plan))),
        *((line.lead.strip().capitalize(), Cell(line.text)) for line in _takes(plan)),
    ]


def _takes(plan: ShowFacts) -> list[Line]:
    time = time_lines(plan.estimate) if plan.todo.total else ()
    return [*time, *money_lines(plan.estimate)]


def _moved(facts: ApplyFacts | StatusFacts) -> list[tuple[str, Cell]]:
    skipped = ", ".join(f"{count:,} {reason}" for reason, count in facts.skipped.items())
    return [
        ("Transferred", size(facts.bytes.transferred)),
        ("Mounted", size(facts.bytes.mounted)),
        ("Already there", size(facts.bytes.already_there)),
        *([("Skipped", Cell(skipped))] if skipped else []),
        *_now(facts),
    ]


def _now(facts: ApplyFacts | StatusFacts) -> Iterator[tuple[str, Cell]]:
    """Tell of a run that went on when the page was made, or that was cut off."""
    if isinstance(facts, ApplyFacts):
        return
    if facts.is_running:
        yield "A run goes on", Cell(f"{facts.in_flight.items:,} items in flight")
    if facts.to_ask_about:
        yield "Transfers that were cut off", number(facts.to_ask_about)


def _plan_notes(plan: ShowFacts) -> Notes:
    notes = Notes()
    notes.add(plan.findings)
    notes.add((one for one in plan.left_out if not one.by_rule), Severity.ERROR, "cannot be moved")
    notes.add((one for one in plan.left_out if one.by_rule), Severity.INFO, "left out")
    return notes


def _items(facts: ApplyFacts | StatusFacts) -> Grid:
    rows = []
    for kind, c in [*facts.kinds.items(), ("all", facts.counts)]:
        if kind == Kind.SETTING and not c.planned:
            continue
        shares = [("done", c.done), ("skipped", c.skipped), ("failed", c.failed)]
        drawn = parts([*shares, ("pending", c.pending)])
        counts = (c.planned, c.done, c.skipped, c.failed, c.pending)
        rows.append((Cell(kind, picture=drawn), *map(number, counts)))
    heads = ("Item", "Planned", "Done", "Skipped", "Failed", "Pending")
    return Grid("Progress", heads, rows, "Planned = done + skipped + failed + pending.")


def _sums(overview: OverviewFact) -> Iterator[Grid]:
    largest = max((one.size_bytes for one in overview.repositories), default=0)
    drawn = overview.repositories[:_REPOSITORIES_DRAWN]
    rest = overview.repositories[_REPOSITORIES_DRAWN:]
    rows = [
        (
            Cell(one.name, "name", picture=bar(one.size_bytes, largest)),
            size(one.size_bytes),
            number(one.images),
            number(one.manifests),
            number(one.tags),
        )
        for one in drawn
    ]
    note = "Each blob counts once in a repository; what two of them share counts in both."
    if rest:
        more = size_text(sum(one.size_bytes for one in rest))
        note = f"{note} {len(rest):,} smaller ones, {more}, are not drawn."
    heads = ("Repository", "Bytes", "Images", "Manifests", "Tags")
    yield Grid("Bytes by repository", heads, rows, note)
    if overview.layers:
        largest = overview.layers[0].size_bytes
        yield Grid(
            "Largest layers",
            ("Layer", "Bytes", "Images", "One of them"),
            [
                (
                    Cell(one.digest, "name", picture=bar(one.size_bytes, largest)),
                    size(one.size_bytes),
                    number(one.images),
                    name(one.image),
                )
                for one in overview.layers
            ],
        )


def _runs(status: StatusFacts, overview: OverviewFact) -> Iterator[Grid]:
    runs = {one.number: one for one in status.runs}
    rows = []
    for one in overview.courses:
        run, sent = runs.get(one.number), sum(one.sent)
        if run is None:  # it began after the others were read
            continue
        going = status.is_running and run is status.runs[-1]
        ended = run.outcome if run.ended_at else "goes on" if going else "was cut off"
        picture = curve(one.sent if sent else one.done, one.refused, one.failed)
        rows.append(
            (
                Cell(f"run {run.number}", picture=picture),
                moment(run.started_at),
                Cell(str(timedelta(seconds=round(one.seconds)))),
                Cell(ended),
                number(sum(one.done)),
                size(sent),
                Cell(f"{size_text(round(sent / one.seconds))}/s", "number"),
                Cell(f"{size_text(round(_peak(one.sent, one.seconds)))}/s", "number"),
                Cell(_failed(one), "number"),
                number(sum(one.requests)),
                number(sum(one.refused)),
                number(one.retried),
            )
        )
    done = ("Items done", "Sent", "Rate", "Highest rate", "Failed")
    asked = ("Requests", "Refused", "Again")
    heads = ("Run", "Started", "Took", "Ended", *done, *asked)
    note = (
        "Each picture is a run from left to right: bytes sent in each sixtieth of its time, or"
        " items where no bytes were sent; below them where a quota refused requests, and below"
        " that where items failed. Refused: requests that a quota refused. Again: requests that"
        " were sent once more."
    )
    if rows:
        yield Grid("Runs", heads, rows, note)


def _failed(course: CourseFact) -> str:
    by_quota = f" ({course.throttled} by a quota)" if course.throttled else ""
    return f"{sum(course.failed)}{by_quota}"


def _peak(sent: list[int], seconds: float) -> float:
    return max(sent, default=0) * len(sent) / seconds


def _services(facts: ApplyFacts) -> Grid:
    rows = [
        (
            name(host),
            number(one.requests),
            number(one.writes),
            number(one.refusals),
            Cell(f"{one.paused_s:.1f} s", "number"),
        )
        for host, one in facts.services.items()
    ]
    heads = ("Service", "Requests", "Writes", "Answered 429", "Waited")
    return Grid("Requests and throttling", heads, rows)


def _folders(plan: ShowFacts, overview: OverviewFact | None) -> list[Folder]:
    names = {one.name for one in plan.repositories}
    sizes = [one.size_bytes for one in overview.images] if overview else [0] * len(plan.images)
    return folders(
        (image.source, _repository_of(image.target, names), size_bytes)
        for image, size_bytes in zip(plan.images, sizes, strict=True)
    )


def _repository_of(target: str, names: set[str]) -> str:
    at = target
    while at and at not in names:
        at = at.rpartition("/")[0]
    return at or target


def _images_first(*pairs: _Filling) -> list[Table]:
    """Fill tables, and put the images before them: they take the room that the others leave."""
    *others, images = filled(pairs)
    return [images, *others] if images.id == "images" else [*others, images]


def _images(plan: ShowFacts, overview: OverviewFact | None) -> _Filling:
    columns = [Column("Source", "name"), Column("Target", "name"), Column("Tags", "names")]
    rows: Iterator[tuple[str | int, ...]]
    rows = ((one.source, one.target, " ".join(one.tags)) for one in plan.images)
    if overview:
        columns += [Column("State", "word"), Column("Manifests", "number"), Column("Bytes", "size")]
        sums = ((one.state, one.manifests, one.size_bytes) for one in overview.images)
        rows = ((*row, *more) for row, more in zip(rows, sums, strict=True))
    return Table("images", "image", "Images", tuple(columns)), rows


def _failures(facts: ApplyFacts | StatusFacts) -> _Filling:
    columns = (Column("Name", "name"), Column("What", "word"), Column("Code", "code"))
    rows = ((one.subject, one.kind, one.code, one.saw) for one in facts.every_failure())
    return Table("failures", "failure", "Failures", (*columns, Column("Saw"))), rows


def _plan_tables(plan: ShowFacts) -> Iterator[_Filling]:
    columns = (Column("Name", "name"), Column("Code", "code"), Column("Saw"))
    findings = Table("findings", "finding", "Findings", (*columns, Column("Severity", "word")))
    yield findings, ((one.subject, one.code, one.saw, str(one.severity)) for one in plan.findings)
    yield access_table(plan.access)
    changes = (Column("What", "word"), Column("Change", "word"), Column("Value"))
    title = "Repositories, grants and settings"
    grants = Table("grants", "repository", title, (Column("Repository", "name"), *changes))
    yield grants, _repository_rows(plan)
    left_out = Table("left-out", "left-out", "Left out", (*columns, Column("Why", "word")))
    yield (
        left_out,
        (
            (one.subject, one.code, one.saw, "by rule" if one.by_rule else "cannot be moved")
            for one in plan.left_out
        ),
    )


def _repository_rows(plan: ShowFacts) -> Iterator[tuple[str, str, str, str]]:
    writes = {"created": "set", "after-copy": "set in the end", "none": "left as it is"}
    for one in plan.repositories:
        over = f"virtual, over {', '.join(one.upstreams)}" if one.upstreams else ""
        yield one.name, "repository", "create" if one.create else "exists", over
        for grant in one.grants:
            condition = f" if {grant.condition}" if grant.condition else ""
            told = f"{grant.role} for {grant.member}{condition}"
            yield one.name, "grant", "exists" if grant.present else "add", told
        for setting in one.settings:
            told = f"{setting.setting}: {setting.value}"
            yield one.name, "setting", writes[setting.write], told
