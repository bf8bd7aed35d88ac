"""What a person named: a project, a pasted name, or a spec file; turned into a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate.doctor.checks import Case, PlainRegistry
from gcr_migrate.model.dialect import DISTRIBUTION
from gcr_migrate.model.names import GCR_HOSTS, gcr_host, repository_resource
from gcr_migrate.model.pattern import template_names
from gcr_migrate.model.places import read_place
from gcr_migrate.spec import ProjectSource, RegistrySource, RegistryTarget, RepositorySource
from gcr_migrate.spec.fields import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.model.names import GcrHost, Project
    from gcr_migrate.spec import Route, Spec


def case_of_name(text: str) -> Case:
    """Return what a project id or any pasted name asks about.

    Raises:
        MigrateError: `bad-name`.
    """
    place = read_place(text)
    host = place.gcr_host
    path = (str(place.path),) if place.path and host else ()
    repositories: tuple[str, ...] = ()
    if place.repository and not host:
        repositories = (repository_resource(place.project, place.location, place.repository),)
    return Case(
        name=str(place),  # not as it was pasted: an address may hold a signature
        source=place.project,
        target=place.project,
        hosts=(host,) if host else GCR_HOSTS,
        hosts_named=host is not None and place.kind != "bucket",
        paths=path,
        locations=(place.location,) if place.location else (),
        repositories=repositories,
        all_named=bool(repositories),
    )


def case_of_spec(spec: Spec, name: str) -> Case:
    """Return what a spec asks about.

    Args:
        spec: what is wanted.
        name: file name of the spec.
    """
    source, target = spec.source, spec.target
    hosts = _hosts(spec)
    routes = spec.effective_routes
    rules = [rule for route in routes if route.access for rule in route.access.grant]
    bases = {route.access.basis for route in routes if route.access and route.access.translate}
    keys = [bool(route.settings and route.settings.kms_key) for route in routes]
    read_location, read_repositories = "", tuple[str, ...]()
    if isinstance(source, RepositorySource):
        read_location, project = source.location, source.project
        read_repositories = tuple(
            repository_resource(project, read_location, one) for one in source.repositories
        )
    plain_source = plain_target = None
    if isinstance(source, RegistrySource):
        dialect = DISTRIBUTION.name if source.dialect == "auto" else source.dialect
        plain_source = PlainRegistry(source.registry, dialect, source.plain_http)
    if isinstance(target, RegistryTarget):
        plain_target = PlainRegistry(target.registry, DISTRIBUTION.name, target.plain_http)
    return Case(
        name=name,
        source=spec.source_project,
        target=spec.target_project,
        hosts=hosts,
        hosts_named=len(hosts) < len(GCR_HOSTS),
        paths=source.paths or getattr(source, "below", ()),
        read_location=read_location,
        read_repositories=read_repositories,
        plain_source=plain_source,
        plain_target=plain_target,
        locations=tuple(dict.fromkeys(_locations(spec, hosts))),
        repositories=tuple(dict.fromkeys(_repositories(spec, hosts))),
        all_named=all(
            route.repository and not template_names(route.repository + (route.location or ""))
            for route in routes
        ),
        has_spec=True,
        grants=bool(rules or bases),
        bases=frozenset(bases),
        public_grants=any(PUBLIC.intersection(rule.members) for rule in rules),
        has_key=bool(keys) and all(keys),
        one_login=spec.source_login == spec.target_login,
    )


def _hosts(spec: Spec) -> tuple[GcrHost, ...]:
    if not isinstance(spec.source, ProjectSource):
        return ()
    return tuple(host for name in spec.source.hosts if (host := gcr_host(name)))


def _locations(spec: Spec, hosts: tuple[GcrHost, ...]) -> Iterator[str]:
    """Give the locations that the spec says in full; one that it implies by a host follows it."""
    if spec.target_project is None:
        return
    for route in spec.effective_routes:
        yield from _locations_of(spec, route, hosts if len(hosts) < len(GCR_HOSTS) else ())


def _locations_of(spec: Spec, route: Route, hosts: tuple[GcrHost, ...]) -> Iterator[str]:
    stated = route.location or getattr(spec.target, "location", None)
    if stated:
        if not template_names(stated):
            yield stated
        return
    served = gcr_host(route.repository or "")
    if served:  # it is in one location only
        yield served.location
        return
    if isinstance(spec.source, RepositorySource):
        yield spec.source.location
    for host in hosts:
        if not route.hosts or host.name in route.hosts:
            yield host.location


def _repositories(spec: Spec, hosts: tuple[GcrHost, ...]) -> Iterator[str]:
    """Give the target repositories that the spec names in full."""
    project: Project | None = spec.target_project
    if project is None:
        return
    for route in spec.effective_routes:
        if route.repository and not template_names(route.repository):
            for location in _locations_of(spec, route, hosts):
                yield repository_resource(project, location, route.repository)
