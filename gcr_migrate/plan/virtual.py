"""Virtual repositories: one pull address over several targets, where that can be.

They are in one location and project with their upstreams, of which they have 30 at most, and serve
one image for a path (FACTS 4.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import (
    VIRTUAL_IMPOSSIBLE,
    VIRTUAL_POSSIBLE,
    VIRTUAL_REFUSED,
    MigrateError,
)
from gcr_migrate.model.access import Grant
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.names import Project, ar_host, ar_name, repository_resource
from gcr_migrate.model.plan import Repository
from gcr_migrate.model.settings import RepositorySettings
from gcr_migrate.plan.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.plan.routes import Edge
    from gcr_migrate.spec import Spec
    from gcr_migrate.spec.virtual import VirtualRule

UPSTREAMS_AT_MOST: Final = 30
_NAMED_AT_MOST: Final = 3
_NAMES: Final = ("images", "all-images", "every-image")  # one is free


class Split(Struct, frozen=True):
    """The targets of a plan in one project and location.

    Attributes:
        project: their project.
        location: their location.
        paths: image paths of each, by repository.
        keeps_paths: whether all image paths are as they were at the source.
    """

    project: Project
    location: str
    paths: dict[str, set[str]]
    keeps_paths: bool

    def obstacle(self, over: Sequence[str]) -> str:
        """Say why no virtual repository can stand over some of them; empty if one can."""
        if len(over) > UPSTREAMS_AT_MOST:
            return f"{len(over)} upstreams, {UPSTREAMS_AT_MOST} are allowed"
        holders: dict[str, list[str]] = {}
        for repository in over:
            for path in self.paths[repository]:
                holders.setdefault(path, []).append(repository)
        shared = sorted(path for path, some in holders.items() if len(some) > 1)
        if not shared:
            return ""
        named = [f"{path} in {' and '.join(holders[path])}" for path in shared[:_NAMED_AT_MOST]]
        more = f" and {len(shared) - len(named)} more" if len(shared) > len(named) else ""
        return f"the same path in several: {', '.join(named)}{more}"

    def shown(self, repository: str) -> str:
        """Return the name that people know of a repository here."""
        return f"{ar_host(self.location)}/{ar_name(self.project, repository)}"


def splits_of(edges: Iterable[Edge]) -> list[Split]:
    """Return the targets of a plan by place, in order; plain registries have none."""
    found: dict[tuple[Project, str], dict[str, set[str]]] = {}
    moved: set[tuple[Project, str]] = set()
    for edge in edges:
        if edge.project and edge.location and edge.repository:
            place = edge.project, edge.location
            repositories = found.setdefault(place, {})
            repositories.setdefault(edge.repository, set()).add(str(edge.target_path))
            if edge.target_path != edge.source_path:
                moved.add(place)
    return [
        Split(*place, paths, keeps_paths=place not in moved)
        for place, paths in sorted(found.items())
    ]


def offers(splits: Iterable[Split]) -> Iterator[Finding]:
    """Tell for each place with several targets whether one address could serve all of them."""
    for split in splits:
        if len(split.paths) < 2:  # noqa: PLR2004  # one has its own address
            continue
        over, name = sorted(split.paths), next(one for one in _NAMES if one not in split.paths)
        subject = split.shown(name)
        obstacle = split.obstacle(over)
        if obstacle:
            yield Finding(VIRTUAL_IMPOSSIBLE, Severity.INFO, subject, obstacle)
            continue
        same = "paths are as at the source" if split.keeps_paths else "paths are those of the split"
        saw = f"virtual over {_named(over)}: all images as {subject}/PATH; {same}"
        yield Finding(VIRTUAL_POSSIBLE, Severity.INFO, subject, saw)


def virtual_repositories(
    spec: Spec, splits: Sequence[Split]
) -> tuple[list[Repository], list[Refusal]]:
    """Return the virtual repositories that a spec asks for, and why some cannot be.

    Args:
        spec: what the user wrote.
        splits: its targets by place.
    """
    found: dict[str, Repository] = {}
    refusals: list[Refusal] = []
    for rule in spec.virtual:
        try:
            made = _repository(rule, _place(rule, splits))
            if made.shown in found:
                raise _refused(rule, f"{made.shown} is asked for twice")
            found[made.shown] = made
        except MigrateError as error:
            refusals.append(Refusal(error.problem, error.subject, error.saw))
    return [*found.values()], refusals


def _place(rule: VirtualRule, splits: Sequence[Split]) -> Split:
    """Return where a virtual repository belongs; raise VIRTUAL_REFUSED where that is not clear."""
    fits = [one for one in splits if rule.location in {None, one.location}]
    if rule.over != "*":
        fits = [one for one in fits if one.paths.keys() >= set(rule.over)] or fits
    if len(fits) == 1:
        return fits[0]
    there = ", ".join(one.location for one in splits)
    if not fits:
        raise _refused(rule, f"no target is in {rule.location}; they are in {there}")
    raise _refused(rule, f"targets are in {there}: it needs a `location`")


def _repository(rule: VirtualRule, split: Split) -> Repository:
    """Return a virtual repository; raise VIRTUAL_REFUSED where it cannot be."""
    over = sorted(split.paths) if rule.over == "*" else [*rule.over]
    strangers = [one for one in over if one not in split.paths]
    if strangers:
        raise _refused(rule, f"{strangers[0]} is no target of this plan in {split.location}")
    if rule.repository in split.paths:
        raise _refused(rule, f"{split.shown(rule.repository)} is a target itself")
    if obstacle := split.obstacle(over):
        raise _refused(rule, obstacle)
    resources = [repository_resource(split.project, split.location, one) for one in over]
    grants = {Grant(one.role, member) for one in rule.grant for member in one.members}
    return Repository(
        registry=ar_host(split.location),
        prefix=ar_name(split.project, rule.repository),
        dialect=ARTIFACT_REGISTRY.name,
        resource=repository_resource(split.project, split.location, rule.repository),
        exists=False,
        settings=RepositorySettings(description=rule.description),
        grants=tuple(sorted(grants)),
        upstreams=tuple(resources),
    )


def _refused(rule: VirtualRule, saw: str) -> MigrateError:
    return MigrateError(VIRTUAL_REFUSED, subject=f"virtual {rule.repository}", saw=saw)


def _named(over: Sequence[str]) -> str:
    more = f" and {len(over) - _NAMED_AT_MOST} more" if len(over) > _NAMED_AT_MOST else ""
    return ", ".join(over[:_NAMED_AT_MOST]) + more
