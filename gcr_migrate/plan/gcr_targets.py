"""Repositories of gcr.io names as targets: whether the old names will lead to what is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import GCR_NAME_NOT_SERVED, GCR_NAME_SERVED
from gcr_migrate.model.cloud import Redirection
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.names import Project, gcr_host

if TYPE_CHECKING:
    from gcr_migrate.model.cloud import RedirectSettings
    from gcr_migrate.model.plan import Repository

_SERVED: Final = frozenset(
    {Redirection.ENABLED, Redirection.FINALIZED, Redirection.ENABLED_AND_COPYING}
)


def gcr_name_of(repository: Repository) -> str:
    """Return the gcr.io name of a target, such as `us.gcr.io/builds`; empty if it has none."""
    parts = repository.resource.split("/")
    if not repository.resource or gcr_host(parts[5]) is None:
        return ""
    return f"{parts[5]}/{Project.parse(parts[1]).path}"


def served_finding(repository: Repository, redirect: RedirectSettings) -> Finding:
    """Tell under which names the images of such a target can be pulled.

    Args:
        repository: a target with a gcr.io name.
        redirect: the redirect setting of its project; a state that is not known serves nothing.
    """
    name = gcr_name_of(repository)
    if redirect.state in _SERVED:
        saw = f"{name} serves them too: {redirect.word}"
        return Finding(GCR_NAME_SERVED, Severity.INFO, repository.shown, saw)
    percent = f" with {redirect.pull_percent} % of reads" if redirect.pull_percent else ""
    saw = f"{name} does not serve them: {redirect.word}{percent}"
    return Finding(GCR_NAME_NOT_SERVED, Severity.WARNING, repository.shown, saw)
