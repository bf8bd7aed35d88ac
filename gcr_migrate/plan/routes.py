"""Routes: from the image paths of the sources to names at the target.

Every path gets one edge, or is named in one refusal; all refusals of a run are found at once,
so that a spec is mended in one go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.errors import (
    BAD_NAME,
    LOCATION_MISSING,
    NAME_TOO_LONG,
    NO_IMAGE_NAME,
    ONTO_ITSELF,
    REPOSITORY_NAME_REFUSED,
    SETTINGS_DIFFER,
    STRIP_MISMATCH,
    TARGET_COLLISION,
    UNROUTED,
    MigrateError,
)
from gcr_migrate.model.access import AccessWish, Grant
from gcr_migrate.model.names import (
    LONGEST_NAME,
    ImagePath,
    Project,
    ar_host,
    ar_name,
    check_location,
    check_repository_id,
    gcr_host,
)
from gcr_migrate.model.pattern import Pattern, expand
from gcr_migrate.model.settings import RepositorySettings
from gcr_migrate.plan.cleanup import cleanup_of
from gcr_migrate.plan.refusals import Refusal
from gcr_migrate.spec import RegistryTarget

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gcr_migrate.spec import Route, Spec

_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_NAMED_AT_MOST: Final = 10


class SourcePaths(Struct, frozen=True):
    """The image paths under one root of the source.

    Attributes:
        shown: the name that people know, such as `us.gcr.io/builds` or `127.0.0.1:5000`.
        host: the host that a route's `hosts` names, such as `us.gcr.io`.
        default_location: location that the host implies; None for a plain registry.
        paths: the image paths.
        repository: what stands before each path where routes see it: the repository of a source
            that is read in Artifact Registry by its own name.
    """

    shown: str
    host: str
    default_location: str | None
    paths: Sequence[ImagePath]
    repository: str = ""

    def routed(self, path: ImagePath) -> ImagePath:
        """Return the path as routes see it."""
        return ImagePath((self.repository, *path.components)) if self.repository else path


class Edge(Struct, frozen=True):
    """One image path of the source and where it goes.

    Attributes:
        source_shown: the root it is under.
        source_path: its path there.
        route_index: which of the spec's effective routes took it.
        registry: host of the target, such as `us-docker.pkg.dev`.
        project: target project; None for a plain registry.
        location: target location; None for a plain registry.
        repository: repository id; for a plain registry what stands before the path, or None.
        target_path: its path in the repository.
        wish: who shall have access to the repository.
        settings: how the repository is created.
        existing_tags: what happens to target tags that point elsewhere.
        moved_tags: what happens to source tags that move after planning.
        captures: what the named parts of the route took, sorted by name.
    """

    source_shown: str
    source_path: ImagePath
    route_index: int
    registry: str
    project: Project | None
    location: str | None
    repository: str | None
    target_path: ImagePath
    wish: AccessWish
    settings: RepositorySettings
    existing_tags: str
    moved_tags: str
    captures: tuple[tuple[str, str], ...]

    @property
    def source_name(self) -> str:
        """The image's name at the source, with its host."""
        return f"{self.source_shown}/{self.source_path}"

    @property
    def prefix(self) -> str:
        """What stands before the path in names at the target; may be empty."""
        if self.project and self.repository:
            return ar_name(self.project, self.repository)
        return self.repository or ""

    @property
    def gcr_name(self) -> str:
        """The image's name at the gcr.io host that its repository answers for; empty for others."""
        if self.project and gcr_host(self.repository or ""):
            return f"{self.repository}/{self.project.path}/{self.target_path}"
        return ""

    @property
    def target_name(self) -> str:
        """The image's name at the target, with its host."""
        below = f"{self.prefix}/{self.target_path}" if self.prefix else str(self.target_path)
        return f"{self.registry}/{below}"


class _Rule(Struct, frozen=True):
    """A route of the spec, ready to be matched."""

    index: int
    route: Route
    pattern: Pattern

    def serves(self, host: str) -> bool:
        return self.route.hosts is None or host in self.route.hosts


def route_all(spec: Spec, sources: Sequence[SourcePaths]) -> tuple[list[Edge], list[Refusal]]:
    """Map every path of every source.

    Args:
        spec: the rules.
        sources: the roots with their image paths.

    Returns:
        The edges in order of their source names, and every reason why a path has none. A plan
        can be made only if there are no refusals.
    """
    routes = spec.effective_routes
    rules = [_Rule(at, route, Pattern.parse(route.match)) for at, route in enumerate(routes)]
    edges: list[Edge] = []
    refusals: list[Refusal] = []
    for source in sorted(sources, key=lambda one: one.shown):
        paths = sorted(set(source.paths))
        folders = {path.components[:n] for path in paths for n in range(1, len(path.components))}
        for path in paths:
            try:
                edges.append(_edge(spec, rules, source, path, is_folder=path.components in folders))
            except MigrateError as error:
                refusals.append(Refusal(error.problem, f"{source.shown}/{path}", error.saw))
    kept, collisions = _collisions(edges)
    settled, contradictions = _settle(routes, kept)
    return settled, refusals + collisions + contradictions


def _edge(
    spec: Spec, rules: list[_Rule], source: SourcePaths, path: ImagePath, *, is_folder: bool
) -> Edge:
    name, routed = f"{source.shown}/{path}", source.routed(path)
    served = [rule for rule in rules if rule.serves(source.host)]
    rule, parts = _first_match(served, routed, name, is_folder=is_folder)
    route = rule.route
    registry, location = _registry(spec, route, source, parts, name)
    edge = Edge(
        source_shown=source.shown,
        source_path=path,
        route_index=rule.index,
        registry=registry,
        project=spec.target_project,
        location=location,
        repository=_repository(spec, route, parts, name),
        target_path=_target_path(route, routed, parts, name),
        wish=_wish(route, parts),
        settings=_settings(route, parts, name),
        existing_tags=route.existing_tags or spec.existing_tags,
        moved_tags=route.moved_tags or spec.moved_tags,
        captures=tuple(sorted(parts.items())),
    )
    if len(edge.target_name) > LONGEST_NAME:
        saw = f"{edge.target_name} has {len(edge.target_name)} characters"
        raise MigrateError(NAME_TOO_LONG, subject=name, saw=saw)
    if name in {edge.target_name, edge.gcr_name}:
        raise MigrateError(ONTO_ITSELF, subject=name, saw=f"routes[{rule.index}] {route.match}")
    return edge


def _first_match(
    rules: Iterable[_Rule], path: ImagePath, name: str, *, is_folder: bool
) -> tuple[_Rule, dict[str, str]]:
    at_folder: _Rule | None = None
    for rule in rules:
        parts = rule.pattern.match(path)
        if parts is not None:
            return rule, parts
        folder = rule.pattern.folder
        if is_folder and folder and at_folder is None and folder.match(path) is not None:
            at_folder = rule
    if at_folder:
        saw = f"{path} is an image and a folder too; `{at_folder.route.match}` takes what is below"
        raise MigrateError(NO_IMAGE_NAME, subject=name, saw=saw)
    raise MigrateError(UNROUTED, subject=name, saw=f"no route matches {path}")


def _registry(
    spec: Spec, route: Route, source: SourcePaths, parts: Mapping[str, str], name: str
) -> tuple[str, str | None]:
    """Return host and location of the target: the route's word, then the target's, the host's.

    The repository of a gcr.io host is in one location only, which needs no word.
    """
    if isinstance(spec.target, RegistryTarget):
        return spec.target.registry, None
    chosen = expand(route.location, parts) if route.location else None
    stated = chosen or (spec.target.location if spec.target else None)
    served = gcr_host(expand(route.repository, parts)) if route.repository else None
    if served and stated and stated != served.location:
        saw = f"repository {served.repository_id} exists in {served.location} only, not {stated}"
        raise MigrateError(REPOSITORY_NAME_REFUSED, subject=name, saw=saw)
    location = stated or (served.location if served else source.default_location)
    if location is None:
        raise MigrateError(LOCATION_MISSING, subject=name, saw=f"{source.host} implies none")
    check_location(location)
    return ar_host(location), location


def _repository(spec: Spec, route: Route, parts: Mapping[str, str], name: str) -> str | None:
    if route.repository is None:
        return None
    repository = expand(route.repository, parts)
    if spec.is_plain_target:
        return str(ImagePath.parse(repository))
    if gcr_host(repository):  # ids with a dot in them, which no other repository may have
        return repository
    try:
        check_repository_id(repository)
    except MigrateError as error:
        saw = f"repository {repository!r}: {error.saw}"
        raise MigrateError(REPOSITORY_NAME_REFUSED, subject=name, saw=saw) from error
    return repository


def _target_path(route: Route, path: ImagePath, parts: Mapping[str, str], name: str) -> ImagePath:
    left: ImagePath | None = path
    if route.strip is not None:
        prefix = ImagePath.parse(expand(route.strip, parts))
        if not path.starts_with(prefix):
            raise MigrateError(STRIP_MISMATCH, subject=name, saw=f"strip gives {prefix}")
        left = path.strip(prefix)
    if route.image is not None:
        return ImagePath.parse(expand(route.image, parts))
    if left is None:
        saw = f"strip takes all of {path}, and the route has no `image`"
        raise MigrateError(NO_IMAGE_NAME, subject=name, saw=saw)
    return left


def _wish(route: Route, parts: Mapping[str, str]) -> AccessWish:
    written = route.access
    if written is None:
        return AccessWish()
    grants = {
        Grant(rule.role, expand(one, parts)) for rule in written.grant for one in rule.members
    }
    return AccessWish(
        translate=written.translate,
        basis=written.basis,
        public=written.public == "allow",
        deny=tuple(sorted({expand(one, parts) for one in written.deny})),
        accept=tuple(
            (expand(one.principal, parts), one.change, expand(one.reason, parts))
            for one in written.accept
        ),
        grants=tuple(sorted(grants)),
    )


def _settings(route: Route, parts: Mapping[str, str], name: str) -> RepositorySettings:
    written = route.settings
    if written is None:
        return RepositorySettings()
    labels = tuple(sorted((key, expand(text, parts)) for key, text in written.labels.items()))
    for key, value in labels:
        if not _LABEL_VALUE.fullmatch(value):
            saw = f"label {key}: {value!r} is not up to 63 lower-case letters, digits, _ and -"
            raise MigrateError(BAD_NAME, subject=name, saw=saw)
    return RepositorySettings(
        description=expand(written.description, parts),
        labels=labels,
        immutable_tags=written.immutable_tags,
        kms_key=written.kms_key or "",
        cleanup=cleanup_of(written.cleanup_policies, parts),
        cleanup_dry_run=written.cleanup_dry_run,
        scanning=written.scanning,
        adopt=written.adopt,
    )


def _collisions(edges: list[Edge]) -> tuple[list[Edge], list[Refusal]]:
    """Part the edges that have a target name of their own from those that share one."""
    by_target: dict[str, list[Edge]] = {}
    for edge in edges:
        by_target.setdefault(edge.target_name, []).append(edge)
    kept = [edge for edge in edges if len(by_target[edge.target_name]) == 1]
    refusals = [
        Refusal(TARGET_COLLISION, target, _named([edge.source_name for edge in shared]))
        for target, shared in sorted(by_target.items())
        if len(shared) > 1
    ]
    return kept, refusals


def _settle(routes: Sequence[Route], edges: list[Edge]) -> tuple[list[Edge], list[Refusal]]:
    """Give each repository the settings that a route wrote for it.

    A route without settings says nothing about them; two that say different things are refused.
    """
    written: dict[tuple[str, str], dict[RepositorySettings, Edge]] = {}
    for edge in edges:
        if routes[edge.route_index].settings is not None:
            written.setdefault((edge.registry, edge.prefix), {}).setdefault(edge.settings, edge)
    refusals = [
        Refusal(
            SETTINGS_DIFFER,
            f"{registry}/{prefix}",
            _named([f"routes[{one.route_index}] for {one.source_name}" for one in said.values()]),
        )
        for (registry, prefix), said in sorted(written.items())
        if len(said) > 1
    ]
    settled = []
    for edge in edges:
        said = written.get((edge.registry, edge.prefix))
        settled.append(replace(edge, settings=next(iter(said))) if said else edge)
    return settled, refusals


def _named(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    shown = " and ".join(names[:_NAMED_AT_MOST])
    return f"from {shown}" + (f" and {more} more" if more > 0 else "")
