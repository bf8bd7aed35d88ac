"""Who pulls, as a person lists it: members one on each line, or names in use by what runs."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from gcr_migrate.cli.options import read_text
from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.model.access import PUBLIC
from gcr_migrate.model.places import read_place
from gcr_migrate.redirect.pullers import Named

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.model.names import Project
    from gcr_migrate.report.references import ReferenceFact, RefsScanFacts

_SERVICE_ACCOUNT: Final = ".gserviceaccount.com"


def read_pullers(path: Path, project: Project) -> tuple[Named, ...]:
    """Return who pulls by a file.

    Args:
        path: a list of members, or what `refs scan --json` wrote of an export.
        project: the project whose images they pull.

    Raises:
        MigrateError: `file-missing`, `bad-usage`.
    """
    from gcr_migrate.report.references import listed

    text = read_text(path)
    try:
        scan = listed(text)
    except ValueError as error:
        saw = "a list of names that is cut off, or of another version"
        raise MigrateError(BAD_USAGE, subject=f"--pullers {path}", saw=saw) from error
    if scan is not None:
        return tuple(_of_what_runs(scan, project))
    return tuple(Named(_member(line), "", "named by the list") for line in lines_in(text))


def lines_in(text: str) -> list[str]:
    """Return the lines of a list that say something; # begins a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _of_what_runs(scan: RefsScanFacts, project: Project) -> list[Named]:
    """Return who pulls for what runs, once for each gcr.io host, with an example of what."""
    from gcr_migrate.refs.pullers import needs_grant
    from gcr_migrate.report.references import consumer_of

    used: defaultdict[tuple[str, str], list[ReferenceFact]] = defaultdict(list)
    for one in scan.references:
        consumer = consumer_of(one)
        if consumer and consumer.identity and one.project == project.id and one.name:
            host = read_place(one.name).gcr_host
            if host and needs_grant(consumer, one.name):
                used[consumer.identity, host.name].append(one)
    return [Named(member, host, _why(names)) for (member, host), names in used.items()]


def _why(names: list[ReferenceFact]) -> str:
    first = names[0]
    more = f" and {len(names) - 1} more" if names[1:] else ""
    user = first.consumer.shown if first.consumer else ""
    return f"pulls {first.name} for {user} ({first.file}:{first.line}){more}"


def _member(text: str) -> str:
    """Return a member as policies spell it; an address alone is a person's or a robot's."""
    if ":" in text or text in PUBLIC:
        return text
    if "@" in text:
        return f"{'serviceAccount' if text.endswith(_SERVICE_ACCOUNT) else 'user'}:{text}"
    saw = "no member, such as serviceAccount:ci@builds.iam.gserviceaccount.com"
    raise MigrateError(BAD_USAGE, subject=f"--pullers: {text}", saw=saw)
