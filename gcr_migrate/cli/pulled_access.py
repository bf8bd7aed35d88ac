"""Which targets the images of a log go to, by a plan, and who of its pullers loses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate.access.pulled import pulled_findings
from gcr_migrate.errors import LOG_SILENT
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.names import ar_host, gcr_host
from gcr_migrate.model.pulls import Use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.model.access import AccessRow
    from gcr_migrate.model.pulls import Pulls
    from gcr_migrate.state.migration import Migration

_Uses = dict[str, dict[str, Use]]


def losses(migration: Migration, pulls: Pulls) -> list[Finding]:
    """Return who pulled by a log and cannot from where the images go, and what a log left out.

    Where a plan has no images, as one that was made to show access, whoever pulled from a source
    is held against each of its targets.

    Args:
        migration: the plan.
        pulls: what the log tells.
    """
    uses = _by_image(migration, pulls) or _by_source(migration, pulls)
    rows: dict[str, list[AccessRow]] = {target: [] for target in uses}
    for row in migration.access_rows():
        if row.target in rows:
            rows[row.target].append(row)
    return [*silences(pulls)] + [
        finding
        for target in sorted(uses)
        for finding in pulled_findings(target, uses[target], rows[target])
    ]


def silences(pulls: Pulls) -> Iterator[Finding]:
    """Tell of which days a log is oddly silent, project by project."""
    for project in sorted(pulls.days):
        if silent := pulls.silences(project):
            saw = ", ".join(one.told for one in silent)
            yield Finding(LOG_SILENT, Severity.WARNING, f"audit log of {project}", saw)


def _by_image(migration: Migration, pulls: Pulls) -> _Uses:
    found: _Uses = {}
    sources, repositories = migration.sources(), migration.repositories()
    for image in migration.images():
        source = sources[image.source_id]
        of_image = pulls.uses.get(f"{source.registry}/{source.name(image.path)}", {})
        for member, use in of_image.items():
            _add(found, repositories[image.repository_id].shown, member, use)
    return found


def _by_source(migration: Migration, pulls: Pulls) -> _Uses:
    found: _Uses = {}
    targets: dict[str, set[str]] = {}
    for row in migration.access_rows():
        targets.setdefault(row.source, set()).add(row.target)
    for shown, some in targets.items():
        for member, use in _below(pulls, _root(shown)):
            for target in some:
                _add(found, target, member, use)
    return found


def _root(shown: str) -> str:
    """Return what the names of a source's images begin with in a log."""
    name, _, project = shown.partition("/")
    host = gcr_host(name)
    return f"{ar_host(host.location)}/{project}/{host.repository_id}/" if host else f"{shown}/"


def _below(pulls: Pulls, root: str) -> Iterator[tuple[str, Use]]:
    for name, members in pulls.uses.items():
        if name.startswith(root):
            yield from members.items()


def _add(found: _Uses, target: str, member: str, use: Use) -> None:
    found.setdefault(target, {}).setdefault(member, Use()).add(use)
