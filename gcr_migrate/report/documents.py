"""Plan and progress as Markdown that fits into a comment of a pull request.

Every word of a stranger is a code span: no name can begin a link, a mention, HTML or a cell there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.model.access import Verdict
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.steps import Kind
from gcr_migrate.report.summing import amount_text, count_lines, money_lines, time_lines
from gcr_migrate.report.terminal import run_title
from gcr_migrate.report.words import counted, size_text, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.report.access import AccessRowFact
    from gcr_migrate.report.fact import FindingFact, LeftOutFact
    from gcr_migrate.report.facts import ImageFact, ReportFacts, RepositoryFact, ShowFacts
    from gcr_migrate.report.runs import FailureFact, StatusFacts

MOST: Final = 65_536  # characters that GitHub takes for a comment
_LONGEST: Final = 1_000  # of one word: a name has 255 at most, and what was seen may be long
_ROOM: Final = 1_200  # for heads, and for the words that name what was cut
_TAGS: Final = 12
_MARKUP: Final = re.compile(r"[\\`*_\[\]<>&|#@~]|:(?=//)")
_HELD: Final = {True: "yes", False: "no", None: "?"}


class _Table(Struct):
    """A table of the document.

    Attributes:
        title: what it shows.
        heads: of its columns.
        rows: all of them, as lines.
        more: command that tells all.
        is_open: it is read at once; else it is folded.
        kept: those of the rows that there is room for.
        total: how many there are.
    """

    title: str
    heads: tuple[str, ...]
    rows: Iterable[str]
    more: str
    is_open: bool = False
    kept: list[str] = field(default_factory=list)
    total: int = 0

    def fill(self, room: int) -> int:
        """Keep rows as long as there is room, and return how much of it they take."""
        used = 0
        for row in self.rows:
            self.total += 1
            if used + len(row) + 1 <= room and len(self.kept) == self.total - 1:
                self.kept.append(row)
                used += len(row) + 1
        return used

    def lines(self) -> Iterator[str]:
        """Tell it."""
        if not self.total:
            return
        title = f"{self.title}: {self.total:,}"
        yield from (
            ("", f"## {title}", "")
            if self.is_open
            else (
                "",
                f"<details><summary>{title}</summary>",
                "",
            )
        )
        if self.kept:
            yield f"| {' | '.join(self.heads)} |"
            yield f"|{'---|' * len(self.heads)}"
            yield from self.kept
        if len(self.kept) < self.total:
            yield from ("", f"{self.total - len(self.kept):,} more are not listed: `{self.more}`")
        if not self.is_open:
            yield from ("", "</details>")


def markdown_text(facts: ReportFacts, most: int = MOST) -> str:
    """Plan and progress for a change review.

    Args:
        facts: what is told.
        most: characters at most; long lists are cut, and what was cut is named.

    Returns:
        Markdown as GitHub and GitLab show it.
    """
    beginning = [*_beginning(facts), *_sums(facts.plan), *_progress(facts.status)]
    tables = _tables(facts)
    room = most - _ROOM - sum(len(line) + 1 for line in beginning)
    for at, table in enumerate(tables):
        # The most important first; none takes all that is left, so that the others have a part.
        room -= table.fill(room if at == len(tables) - 1 else room // 2)
    lines = [*beginning, *(line for table in tables for line in table.lines())]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """Return a stranger's word as a code span in a cell: it is shown as it is, and does nothing."""
    told = visible(text)
    if len(told) > _LONGEST:
        told = f"{told[:_LONGEST]}… ({len(told):,} characters)"
    if not told.strip():
        return f"`{told}`" if told else ""
    fence = "`" * (max(map(len, re.findall("`+", told)), default=0) + 1)
    pad = " " if told[0] in "` " or told[-1] in "` " else ""
    # A bar ends a cell, in a code span too; a stroke before it is taken away there.
    return f"{fence}{pad}{told}{pad}{fence}".replace("|", "\\|")


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _beginning(facts: ReportFacts) -> Iterator[str]:
    plan, status = facts.plan, facts.status
    yield f"# Migration {code(plan.file)}"
    yield ""
    outcome = "planned; nothing has been done yet" if not status.runs else status.outcome
    told = f": {run_title(status)}" if status.runs else ""
    yield f"**{outcome}**{told}"
    if not plan.complete:
        yield ""
        yield "**Incomplete**: part of the source could not be listed."
    yield ""
    yield from ("| | |", "|---|---|", _row("plan", code(plan.digest)))
    yield _row("made from", f"{code(plan.spec)} at {plan.created_at}")


def _sums(plan: ShowFacts) -> Iterator[str]:
    time = time_lines(plan.estimate) if plan.todo.total else ()
    for line in (*count_lines(plan), *time, *money_lines(plan.estimate)):
        yield _row(line.lead.strip(), cell(line.text))


def _progress(status: StatusFacts) -> Iterator[str]:
    if not status.runs:
        return
    yield from ("", "## Progress", "", _row("", "planned", "done", "skipped", "failed", "pending"))
    yield "|---|--:|--:|--:|--:|--:|"
    for kind, c in [*status.kinds.items(), ("**all**", status.counts)]:
        if kind != Kind.SETTING or c.planned:
            numbers = (c.planned, c.done, c.skipped, c.failed, c.pending)
            yield _row(kind, *(f"{one:,}" for one in numbers))
    moved = status.bytes
    yield ""
    yield (
        f"{size_text(moved.transferred)} sent, {size_text(moved.mounted)} mounted,"
        f" {size_text(moved.already_there)} already there."
    )


def _tables(facts: ReportFacts) -> list[_Table]:
    """Return the tables, what matters most first."""
    plan, file = facts.plan, facts.plan.file
    show = f"gcr-migrate show {visible(file)} --full --only"
    bad = (one for one in plan.findings if one.severity is not Severity.INFO)
    lost = (one for one in plan.left_out if not one.by_rule)
    first = [*map(_left_row, lost), *map(_finding_row, bad)]
    return [
        _Table(
            "Failed",
            ("code", "what", "name", "do"),
            map(_failure_row, facts.status.failures),
            f"gcr-migrate status {visible(file)} --json",
            is_open=True,
        ),
        _Table(
            "Look at this first", ("code", "name", "what"), first, f"{show} findings", is_open=True
        ),
        _Table(
            "Left by a rule of the spec",
            ("code", "name", "what"),
            map(_left_row, facts.status.left_by_rule),
            f"gcr-migrate status {visible(file)} --json",
            is_open=True,
        ),
        _Table(
            "Repositories",
            ("repository", "by the plan", "images", "bytes"),
            map(_repository_row, plan.repositories),
            f"{show} repositories",
            is_open=True,
        ),
        _Table(
            "Grants and settings",
            ("repository", "", "what"),
            (row for one in plan.repositories for row in _changes(one)),
            f"{show} repositories",
        ),
        _Table(
            "Access that changes, or is not known",
            ("target", "source", "principal", "right", "now", "then", "verdict", "by", "why"),
            (_access_row(one) for one in plan.access if one.verdict is not Verdict.SAME),
            f"gcr-migrate access show {visible(file)}",
        ),
        _Table(
            "Left out by rule",
            ("code", "name", "what"),
            (_left_row(one) for one in plan.left_out if one.by_rule),
            f"{show} left-out",
        ),
        _Table(
            "To know",
            ("code", "name", "what"),
            (_finding_row(one) for one in plan.findings if one.severity is Severity.INFO),
            f"{show} findings",
        ),
        _Table(
            "Images",
            ("source", "target", "tags", "bytes", "left out"),
            map(_image_row, plan.images),
            f"{show} images",
        ),
    ]


def _failure_row(one: FailureFact) -> str:
    return _row(one.code, one.kind, _with(one.subject, one.saw, one.more), _prose(one.remedy))


def _finding_row(one: FindingFact) -> str:
    label = f"{one.severity} {one.code}"
    return _row(label, code(one.subject), _said(one.message, one.saw))


def _left_row(one: LeftOutFact) -> str:
    label = one.code if one.by_rule else f"**cannot be moved** {one.code}"
    return _row(label, code(one.subject), _said(one.message, one.saw))


def _said(message: str, saw: str) -> str:
    """Return the first sentence of a message, and what was seen."""
    return " ".join(filter(None, (_prose(message.partition(". ")[0]), code(saw))))


def _with(subject: str, saw: str, more: str = "") -> str:
    return f"{code(subject)}{more} {code(saw)}".strip()


def cell(text: str) -> str:
    """Return words with names in them as a cell, in which nothing is markup."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", visible(text))


def _prose(text: str) -> str:
    """Return our own words, which have code spans, as a cell."""
    return visible(text).replace("|", "\\|").replace("<", "&lt;")


def _repository_row(one: RepositoryFact) -> str:
    over = f", virtual over {', '.join(map(code, one.upstreams))}" if one.upstreams else ""
    state = f"{'create' if one.create else 'exists'}{over}"
    return _row(code(one.name), state, f"{one.contents.images:,}", amount_text(one.bytes))


def _changes(one: RepositoryFact) -> Iterator[str]:
    for grant in one.grants:
        condition = f" if {code(grant.condition)}" if grant.condition else ""
        told = f"{code(grant.role)} for {code(grant.member)}{condition}"
        yield _row(code(one.name), "has" if grant.present else "add", told)
    when = {"created": "set", "after-copy": "set once its images are there", "none": "as it is"}
    for setting in one.settings:
        told = f"{setting.setting}: {code(setting.value)}"
        yield _row(code(one.name), when[setting.write], told)


def _access_row(one: AccessRowFact) -> str:
    verdict = f"{one.verdict}{' **(needs consent)**' if one.needs_consent else ''}"
    by = " ".join(
        filter(None, (code(one.before_by), one.after_by and f"then {code(one.after_by)}"))
    )
    why = " ".join(filter(None, (code(one.why), one.consent and f"accepted: {code(one.consent)}")))
    names = (code(one.target), code(one.source), code(one.principal))
    return _row(*names, one.right, _HELD[one.before], _HELD[one.after], verdict, by, why)


def _image_row(one: ImageFact) -> str:
    left = ", ".join(f"{count:,} {code_}" for code_, count in one.left_out.items())
    return _row(code(one.source), code(one.target), _tags(one.tags), amount_text(one.bytes), left)


def _tags(tags: Sequence[str]) -> str:
    told = " ".join(map(code, tags[:_TAGS]))
    more = len(tags) - _TAGS
    return f"{told} and {counted(more, 'more', 'more')}" if more > 0 else told
