"""Source and target of the spec: where images are read, and where they go."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import GCR_HOSTS, Project, ar_host
from gcr_migrate.model.places import Place, read_place
from gcr_migrate.spec.credentials import CredentialsField
from gcr_migrate.spec.fields import REGISTRY, LocationText, Part, PathText, RegistryText
from gcr_migrate.spec.places import (
    NewProjectText,
    ProjectText,
    looks_secret,
    path_below,
    place_of,
)

GcrHostName = Literal["gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"]
DialectName = Literal["auto", "gcr", "artifact-registry", "distribution"]


class ProjectSource(Part):
    """A Google Cloud project whose gcr.io names are read."""

    project: ProjectText = Field(
        description="Project id, such as `builds` or `example.com:builds`, or what shows it."
    )
    hosts: tuple[GcrHostName, ...] = Field(
        ("gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"),
        min_length=1,
        description="The gcr.io hosts to read.",
    )
    dialect: DialectName = Field("auto", description="How the registry speaks; auto detects it.")
    paths: tuple[PathText, ...] = Field(
        (), description="Only these image paths, and nothing below them; empty: all."
    )
    below: tuple[PathText, ...] = Field(
        (), description="Only what is at these image paths or below them; empty: all."
    )
    credentials: CredentialsField | None = Field(
        None, description="Who reads; default: what the command line and environment say."
    )

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.paths and self.below:
            raise ValueError("paths and below: one of them at most")
        for path in (*self.paths, *self.below):
            for host in GCR_HOSTS:
                above = f"{host.name}/{Project.parse(self.project).path}/"
                if path.startswith(above):
                    raise ValueError(f"{path}: a path is what follows {above}")
        return self


class RepositorySource(Part):
    """A project's repositories in a location of Artifact Registry."""

    project: ProjectText = Field(description="Project id, such as `builds`, or what shows it.")
    location: LocationText = Field(description="Region or multi-region that is read.")
    paths: tuple[PathText, ...] = Field(
        (), description="Only these images, each as REPOSITORY/IMAGE, and nothing below them."
    )
    below: tuple[PathText, ...] = Field(
        (),
        description="Only these repositories, or what is at or below REPOSITORY/PATH; empty: all "
        "standard repositories of the location.",
    )
    credentials: CredentialsField | None = Field(
        None, description="Who reads; default: what the command line and environment say."
    )

    @property
    def host(self) -> str:
        """The registry host of the location."""
        return ar_host(self.location)

    @property
    def repositories(self) -> tuple[str, ...]:
        """Ids of the repositories that are named; empty: all of the location."""
        return tuple(dict.fromkeys(path.split("/")[0] for path in (*self.paths, *self.below)))

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.paths and self.below:
            raise ValueError("paths and below: one of them at most")
        above = f"{self.host}/{Project.parse(self.project).path}/"
        for path in (*self.paths, *self.below):
            if path.startswith(above):
                raise ValueError(f"{path}: a path is what follows {above}")
        for path in self.paths:
            if "/" not in path:
                raise ValueError(f"{path} is a repository, not an image; write below: [{path}]")
        return self


class RegistrySource(Part):
    """Any registry that speaks the OCI distribution protocol."""

    registry: RegistryText = Field(description="HOST or HOST:PORT, without http://.")
    paths: tuple[PathText, ...] = Field(
        (), description="Image paths, for a registry that does not list them itself."
    )
    plain_http: bool | None = Field(None, description="Allow plain HTTP beyond loopback.")
    dialect: DialectName = Field("auto", description="How the registry speaks; auto: distribution.")

    @model_validator(mode="after")
    def _less_than_there_is(self) -> Self:
        """Refuse what would be read in one view only, where the other form gives two."""
        host = _of_artifact_registry(self.registry)
        if host and self.dialect == "auto":
            wanted = _by_project(host, self.paths)
            raise ValueError(f"{host} is Artifact Registry's; write source: {wanted}")
        return self


def _of_artifact_registry(registry: str) -> str:
    """Return a host of Artifact Registry without its port; empty for any other."""
    host = registry.lower().removesuffix(":443")
    return host if host.endswith(ar_host("")) else ""


def _by_project(host: str, paths: tuple[str, ...]) -> str:
    """Say what to write for images at a host of Artifact Registry, whose names are paths there."""
    try:
        places = [read_place(f"{host}/{path}") for path in paths]
    except MigrateError:
        places = []
    if not places or len({one.project for one in places}) > 1:
        return f"{host}/PROJECT/REPOSITORY"
    images = ", ".join(path_below(one) for one in places)
    first = places[0]
    return f"{{project: '{first.project}', location: {first.location}, paths: [{images}]}}"


class ProjectTarget(Part):
    """Artifact Registry repositories in a project."""

    project: NewProjectText | None = Field(None, description="Project id; default: the source's.")
    location: LocationText | None = Field(
        None, description="Region or multi-region; default: that of the source, or of its host."
    )
    credentials: CredentialsField | None = Field(
        None, description="Who creates and writes; default: the source's credentials."
    )


class RegistryTarget(Part):
    """Any registry that speaks the OCI distribution protocol."""

    registry: RegistryText = Field(description="HOST or HOST:PORT, without http://.")
    plain_http: bool | None = Field(None, description="Allow plain HTTP beyond loopback.")

    @model_validator(mode="after")
    def _is_none_of_artifact_registry(self) -> Self:
        """Refuse what would be written without knowing its repositories and habits."""
        if host := _of_artifact_registry(self.registry):
            location = host.removesuffix(ar_host(""))
            wanted = f"{{project: PROJECT, location: {location}}}, and the repository in routes"
            raise ValueError(f"{host} is Artifact Registry's; write target: {wanted}")
        return self


def _which_source(value: object) -> str:
    has: dict[str, object] = value if isinstance(value, dict) else {}
    if "registry" in has or isinstance(value, RegistrySource):
        return "(registry source)"
    # There is no field `repositories`: who looks for it is told what to write instead.
    by_location = "location" in has or "repositories" in has
    if by_location or isinstance(value, RepositorySource):
        return "(repository source)"
    return "(project source)"


def _which_target(value: object) -> str:
    has = "registry" in value if isinstance(value, dict) else isinstance(value, RegistryTarget)
    return "(registry target)" if has else "(project target)"


def _pasted(text: str) -> Place:
    """Read the place that stands for a whole side; tell where to write a registry instead."""
    try:
        return place_of(text)
    except ValueError as error:
        is_host = not set(".:").isdisjoint(text) and re.match(REGISTRY, text)
        if looks_secret(text) or not is_host:
            raise
        raise ValueError(f"{error}; a registry is written as {{registry: '{text}'}}") from error


def _pasted_source(value: object) -> object:
    """Turn a pasted place into the fields that say the same, never more."""
    if not isinstance(value, str):
        return value
    place = _pasted(value)
    if place.tag or place.digest:
        host = place.gcr_host
        whole = f"{host.name if host else place.host}/{place.project.path}"
        whole += f"/{path}" if (path := path_below(place)) else ""
        raise ValueError(f"{place} says less than an image with all its tags; write {whole}")
    return source_at(place)


def source_at(place: Place) -> ProjectSource | RepositorySource:
    """Return the source that is a whole place: all of it, and nothing else."""
    project, host = place.project.id, place.gcr_host
    below = (path,) if (path := path_below(place)) else ()
    if place.kind == "project":
        return ProjectSource(project=project)
    if host is None:
        return RepositorySource(project=project, location=place.location, below=below)
    return ProjectSource(project=project, hosts=(host.name,), below=below)


def _pasted_target(value: object) -> object:
    """Turn a pasted place into the fields that say the same, never more."""
    if not isinstance(value, str):
        return value
    place = _pasted(value)
    if place.kind == "project":
        return {"project": place.project.id}
    if place.gcr_host:
        said = f"write target: {place.project} and, in a route, repository: {place.gcr_host.name}"
        raise ValueError(f"{place} is served by a repository, which routes name; {said}")
    if place.repository:
        wanted = f"target: {place.host}/{place.project.path}"
        said = f"write {wanted} and, in a route, repository: {place.repository}"
        raise ValueError(f"{place} names a repository, which routes do; {said}")
    return {"project": place.project.id, "location": place.location}


PastedText = Annotated[
    str, Field(description="A place as it is shown elsewhere, such as `us.gcr.io/builds`.")
]
_SourceFields = Annotated[
    Annotated[ProjectSource, Tag("(project source)")]
    | Annotated[RepositorySource, Tag("(repository source)")]
    | Annotated[RegistrySource, Tag("(registry source)")],
    Discriminator(_which_source),
]
_TargetFields = Annotated[
    Annotated[ProjectTarget, Tag("(project target)")]
    | Annotated[RegistryTarget, Tag("(registry target)")],
    Discriminator(_which_target),
]
Source = Annotated[
    _SourceFields,
    BeforeValidator(_pasted_source, json_schema_input_type=PastedText | _SourceFields),
]
Target = Annotated[
    _TargetFields,
    BeforeValidator(_pasted_target, json_schema_input_type=PastedText | _TargetFields),
]
