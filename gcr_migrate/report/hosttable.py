"""What `discover` found as text: a line per host, then doubts, disagreements and the unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from gcr_migrate.discover.kinds import Job, Kind
from gcr_migrate.errors import CATALOGUE
from gcr_migrate.report.words import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.report.discovery import DiscoveredHostFact, DiscoverFacts, RefusalFact

_HEADS: Final = ("KIND", "JOB", "IMAGES", "SIZE", "HOST", "PROJECT", "EVIDENCE")
_NUMBERS: Final = frozenset({2, 3})  # columns that stand to the right
_STYLES: Final = {
    Kind.NEVER_MIGRATED: "bold red",
    Kind.UNFINISHED_CANARY: "bold red",
    Kind.REPOSITORY_MISSING: "bold red",
    Kind.STUCK_COPYING: "yellow",
    Kind.API_DISABLED: "yellow",
}
_NEXT: Final = {
    Job.SPLIT: "gcr-migrate init PROJECT (many: --write-specs DIR), then `gcr-migrate plan SPEC`",
    Job.VERIFY: "gcr-migrate inventory PROJECT, and gcr-migrate verify PROJECT every night",
    Job.RESCUE: "gcr-migrate rescue PROJECT",
    Job.FINISH_COPY: "let the copy end, then `gcr-migrate redirect plan PROJECT`",
    Job.CREATE_REPOSITORY: "make the repository of the host's own name; `doctor` has the command",
    Job.ENABLE_API: "gcloud services enable artifactregistry.googleapis.com --project=PROJECT",
    Job.REWRITE: "nothing to move; `gcr-migrate refs scan` finds what still names the host",
    Job.LEAVE: "nothing to do here",
    Job.LOOK: "ask again with the rights that are named below",
}


def host_lines(facts: DiscoverFacts) -> Iterator[Text]:
    """All that a run found."""
    rows = [_HEADS, *(_row(same) for project in facts.projects for same in _alike(project.hosts))]
    firsts = [same[0] for project in facts.projects for same in _alike(project.hosts)]
    if firsts:
        yield from _table(rows, firsts)
    for host in facts.googles_own:
        yield Text(f"{host}: Google's own images; leave alone")
    yield from _notes(facts)
    yield from _legend(facts)
    for spec in facts.specs:
        told = "written" if spec.written else "was there already, and was kept"
        yield Text(f"{spec.file}: {told}")
    yield Text(_sum(facts), style="bold")


def _alike(hosts: Sequence[DiscoveredHostFact]) -> list[list[DiscoveredHostFact]]:
    """Put hosts of a project that nobody uses into one line; any other has its own."""
    lines: dict[tuple[object, ...], list[DiscoveredHostFact]] = {}
    for number, host in enumerate(hosts):
        has_own_words = host.doubts or host.disagreements or host.unseen
        idle = host.kind is Kind.NOT_IN_USE and not has_own_words
        key = (host.kind, tuple(host.evidence)) if idle else (number,)
        lines.setdefault(key, []).append(host)
    return list(lines.values())


def _row(same: list[DiscoveredHostFact]) -> tuple[str, ...]:
    first = same[0]
    return (
        (first.kind or "?") + ("" if first.seen else "*"),
        first.job,
        "" if first.images is None else str(first.images),
        "" if first.size_bytes is None else size_text(first.size_bytes),
        ",".join(host.host for host in same),
        first.project,
        "; ".join(first.evidence),
    )


def _table(rows: list[tuple[str, ...]], firsts: list[DiscoveredHostFact]) -> Iterator[Text]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
    for at, row in enumerate(rows):
        cells = [
            cell.rjust(width) if column in _NUMBERS else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        kind = firsts[at - 1].kind if at else None
        style = _STYLES.get(kind, "") if kind else ""
        yield Text.assemble(
            (cells[0], style if at else "bold"), "  ", ("  ".join(cells[1:]).rstrip(), "")
        )


def _notes(facts: DiscoverFacts) -> Iterator[Text]:
    hosts = [host for project in facts.projects for host in project.hosts]
    named = [(f"{host.host} of {host.project}", host) for host in hosts]
    sections = {
        "Opinions that disagree": [f"{n}: {one}" for n, h in named for one in h.disagreements],
        "In doubt": [f"{name}: {one}" for name, host in named for one in host.doubts],
        "Not seen (*)": _refused([*facts.unseen, *(one for h in hosts for one in h.unseen)]),
        "Not counted": [
            f"{name}: {one.what}: {one.saw}"
            for name, host in named
            for one in host.unasked
            if host.seen and one.what == "number of images"
        ],
        "Buckets of others": [
            f"gs://{one.bucket} belongs to {one.owner}: not taken as evidence"
            for one in facts.foreign_buckets
        ],
        "Being deleted, not asked": list(facts.inactive),
    }
    for title, lines in sections.items():
        if lines:
            yield Text(title, style="bold")
            yield from (Text(f"  {line}") for line in dict.fromkeys(lines))


def _refused(refusals: list[RefusalFact]) -> list[str]:
    """Tell what was refused, all that was for the same reason in one line; JSON has each whole."""
    alike: dict[str, list[str]] = {}
    for one in refusals:
        alike.setdefault(CATALOGUE[one.code].title, []).append(one.what)
    return [f"{title}: {', '.join(dict.fromkeys(what))}" for title, what in alike.items()]


def _legend(facts: DiscoverFacts) -> Iterator[Text]:
    titles = {h.kind: h.title for project in facts.projects for h in project.hosts if h.kind}
    if titles:
        yield Text("Kinds", style="bold")
        yield from (Text(f"  {kind}  {titles[kind]}") for kind in Kind if kind in titles)
    if facts.jobs:
        yield Text("Jobs", style="bold")
        wide = max(map(len, facts.jobs))
        yield from (Text(f"  {job:<{wide}}  {_NEXT[job]}") for job in facts.jobs)


def _sum(facts: DiscoverFacts) -> str:
    hosts = [host for project in facts.projects for host in project.hosts]
    used = sum(host.kind not in {Kind.NOT_IN_USE, Kind.SOMEBODY_ELSES} for host in hosts)
    hidden = sum(not host.seen for host in hosts) + len(facts.unseen)
    projects = f"{len(facts.projects)} project{'' if len(facts.projects) == 1 else 's'}"
    told = f"{projects}, {used} host{'' if used == 1 else 's'} in use or unknown"
    return f"{told}; {hidden} could not be wholly seen" if hidden else f"{told}; all seen"
