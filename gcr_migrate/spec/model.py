"""The spec: what a person writes about a migration. The model documents the format too."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gcr_migrate.model.login import Login
from gcr_migrate.model.names import Project
from gcr_migrate.model.nearest import with_question
from gcr_migrate.spec.damage import Damaged, DamageRules
from gcr_migrate.spec.fields import Part
from gcr_migrate.spec.limits import LimitRules
from gcr_migrate.spec.rules import ExistingTags, MovedTags, Route
from gcr_migrate.spec.select import Select
from gcr_migrate.spec.sides import (
    ProjectSource,
    RegistrySource,
    RegistryTarget,
    RepositorySource,
    Source,
    Target,
)
from gcr_migrate.spec.virtual import VirtualRule


class Spec(Part):
    """A migration: from where, to where, and by which rules."""

    version: Literal[1] = Field(1, description="Version of this format.")
    source: Source = Field(description="Where images are read.")
    target: Target | None = Field(
        None, description="Where they go; default: repositories in the source's project."
    )
    routes: tuple[Route, ...] = Field(
        (),
        description="Rules; default: a repository per first path component, paths kept; "
        "in Artifact Registry paths begin with the repository.",
    )
    virtual: tuple[VirtualRule, ...] = Field(
        (), description="Virtual repositories: one pull address over several targets each."
    )
    select: Select = Field(Select(), description="What is carried; default: everything.")
    existing_tags: ExistingTags = Field("fail", description="A target tag points elsewhere.")
    moved_tags: MovedTags = Field("fail", description="A source tag moved after planning.")
    damaged: Damaged = Field(
        DamageRules(),
        description="What is damaged at the source: stop and make no plan; skip it, with a report;"
        " or copy what is whole of indexes too. One word, or one for each kind.",
    )
    limits: LimitRules = Field(
        LimitRules(), description="How fast services are asked, and how much is moved at once."
    )

    @property
    def is_plain_source(self) -> bool:
        """Whether images come from a registry that is not told by project."""
        return isinstance(self.source, RegistrySource)

    @property
    def is_plain_target(self) -> bool:
        """Whether images go to a registry that has no repositories to create."""
        return isinstance(self.target, RegistryTarget)

    @property
    def source_project(self) -> Project | None:
        """The source's project; None for a plain registry."""
        if isinstance(self.source, RegistrySource):
            return None
        return Project.parse(self.source.project)

    @property
    def target_project(self) -> Project | None:
        """The project that gets repositories, the source's by default; None for a plain target."""
        if isinstance(self.target, RegistryTarget):
            return None
        named = self.target.project if self.target else None
        return Project.parse(named) if named else self.source_project

    @property
    def source_login(self) -> Login:
        """How the source's side logs in to Google; nothing is said for a plain registry."""
        if isinstance(self.source, RegistrySource) or self.source.credentials is None:
            return Login()
        return self.source.credentials.login

    @property
    def target_login(self) -> Login:
        """How the target's side logs in: as the source's, unless something is written for it."""
        if isinstance(self.target, RegistryTarget):
            return Login()
        if self.target is None or self.target.credentials is None:
            return self.source_login
        return self.target.credentials.login

    @property
    def effective_routes(self) -> tuple[Route, ...]:
        """The routes as written, or the one that counts when none is written."""
        if self.routes:
            return self.routes
        if self.is_plain_target:
            return (Route(match="**"),)
        return (Route(match="{repository}/**", repository="{repository}", strip="{repository}"),)

    @model_validator(mode="after")
    def _sides_fit(self) -> Self:
        if self.is_plain_source and self.target is None:
            raise ValueError("target is needed when the source is a registry")
        if not self.is_plain_target and self.target_project is None:
            raise ValueError("target.project is needed when the source is a registry")
        if isinstance(self.source, RepositorySource) and self.target is None and not self.routes:
            raise ValueError("target is needed, or routes: else images are copied onto themselves")
        if self.virtual and self.is_plain_target:
            raise ValueError("virtual: only Artifact Registry has such repositories")
        known = _hosts(self.source)
        for at, route in enumerate(self.routes):
            strangers = sorted(set(route.hosts or ()).difference(known))
            if strangers:
                said = f"routes[{at}].hosts: {strangers[0]} is not a host of the source"
                raise ValueError(with_question(said, strangers[0], known))
            if route.repository is None and not self.is_plain_target:
                raise ValueError(f"routes[{at}].repository is needed for Artifact Registry")
        return self


def _hosts(source: ProjectSource | RepositorySource | RegistrySource) -> tuple[str, ...]:
    """Return the hosts that routes can tell apart."""
    if isinstance(source, ProjectSource):
        return source.hosts
    return (source.registry if isinstance(source, RegistrySource) else source.host,)
