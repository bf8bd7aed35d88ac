"""The spec: what a person writes about a migration, and errors that lead back to its lines.

The model is the documentation of the format too: `spec_json_schema` is made from it.
"""

from __future__ import annotations

import difflib
import re
import warnings
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gcr_migrate.errors import BAD_SPEC, BAD_YAML, MigrateError
from gcr_migrate.model.names import ImagePath, Project, check_location
from gcr_migrate.model.pattern import Pattern, template_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic_core import ErrorDetails

GcrHostName = Literal["gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"]
DialectName = Literal["auto", "gcr", "artifact-registry", "distribution"]
ExistingTags = Literal["fail", "keep", "overwrite"]
MovedTags = Literal["fail", "pin", "skip"]

_LARGEST_PORT: Final = 65_535
_REGISTRY: Final = r"^([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?$"
_KMS_KEY: Final = r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$"
_LABEL_KEY: Final = r"^[a-z][a-z0-9_-]{0,62}$"
_ROLE = re.compile(r"(?:(?:projects|organizations)/[^/\s]+/)?roles/[A-Za-z0-9_.]+")
_SHORT_ROLE = re.compile(r"[a-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)+")
_MEMBER = re.compile(
    r"(?:user|group|serviceAccount):[^\s@]+@[^\s@]+|domain:[^\s@]+\.[^\s@]+|principal(?:Set)?://\S+"
)
# What the YAML library lets through for tags and keys that do not fit, found by fuzzing.
_YAML_SLIPS: Final = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
_PUBLIC: Final = frozenset({"allUsers", "allAuthenticatedUsers"})
_READER: Final = "roles/artifactregistry.reader"


def _in_words(check: Callable[[str], object]) -> AfterValidator:
    """Make a field check of one that raises MigrateError; the text itself is kept."""

    def checked(text: str) -> str:
        try:
            check(text)
        except MigrateError as error:
            raise ValueError(error.saw) from error
        return text

    return AfterValidator(checked)


def _role(text: str) -> str:
    if _ROLE.fullmatch(text):
        return text
    if _SHORT_ROLE.fullmatch(text):
        return f"roles/{text}"
    raise ValueError(f"{text!r} is no role; write it like artifactregistry.reader")


def _member(text: str) -> str:
    if text in _PUBLIC or _MEMBER.fullmatch(text):
        return text
    kinds = "user:, group:, serviceAccount:, domain:, principal:// or principalSet://"
    raise ValueError(f"{text!r} is no member; it starts with {kinds}")


def _with_port(text: str) -> str:
    found = re.search(r":([0-9]+)$", text)
    if found and not 0 < int(found[1]) <= _LARGEST_PORT:
        raise ValueError(f"port {found[1]} is not between 1 and {_LARGEST_PORT}")
    return text


PathText = Annotated[str, _in_words(ImagePath.parse)]
ProjectText = Annotated[str, _in_words(Project.parse)]
NewProjectText = Annotated[str, _in_words(lambda text: Project.parse(text).check_new())]
LocationText = Annotated[str, _in_words(check_location)]
TemplateText = Annotated[str, Field(min_length=1), _in_words(template_names)]
AnyTemplate = Annotated[str, _in_words(template_names)]
RegistryText = Annotated[str, Field(pattern=_REGISTRY), AfterValidator(_with_port)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProjectSource(_Part):
    """A Google Cloud project whose gcr.io names are read."""

    project: ProjectText = Field(description="Project id, such as `builds`.")
    hosts: tuple[GcrHostName, ...] = Field(
        ("gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"),
        min_length=1,
        description="The gcr.io hosts to read.",
    )
    dialect: DialectName = Field("auto", description="How the registry speaks; auto detects it.")
    paths: tuple[PathText, ...] = Field((), description="Only these image paths; empty: all.")


class RegistrySource(_Part):
    """Any registry that speaks the OCI distribution protocol."""

    registry: RegistryText = Field(description="HOST or HOST:PORT, without http://.")
    paths: tuple[PathText, ...] = Field(
        (), description="Image paths, for a registry that does not list them itself."
    )
    plain_http: bool | None = Field(None, description="Allow plain HTTP beyond loopback.")
    dialect: DialectName = Field("auto", description="How the registry speaks; auto detects it.")


class ProjectTarget(_Part):
    """Artifact Registry repositories in a project."""

    project: NewProjectText | None = Field(None, description="Project id; default: the source's.")
    location: LocationText | None = Field(
        None, description="Region or multi-region; default: that of the source's host."
    )


class RegistryTarget(_Part):
    """Any registry that speaks the OCI distribution protocol."""

    registry: RegistryText = Field(description="HOST or HOST:PORT, without http://.")
    plain_http: bool | None = Field(None, description="Allow plain HTTP beyond loopback.")


class Settings(_Part):
    """Settings of a repository that is created."""

    description: AnyTemplate = Field("", description="Text; named parts may be used.")
    labels: dict[Annotated[str, Field(pattern=_LABEL_KEY)], AnyTemplate] = Field(
        default_factory=dict, description="Labels; named parts may be used in the values."
    )
    immutable_tags: bool = Field(default=False, description="Tags can never be moved or deleted.")
    kms_key: Annotated[str, Field(pattern=_KMS_KEY)] | None = Field(
        None, description="Cloud KMS key, projects/P/locations/L/keyRings/R/cryptoKeys/K."
    )


class GrantRule(_Part):
    """A role and who gets it."""

    role: Annotated[str, AfterValidator(_role)] = Field(
        description="Such as artifactregistry.reader."
    )
    members: tuple[Annotated[AnyTemplate, AfterValidator(_member)], ...] = Field(
        min_length=1, description="Such as group:{team}@example.com; named parts may be used."
    )


class Access(_Part):
    """Who can do what with the repository."""

    translate: bool = Field(default=False, description="Carry over the grants of the source.")
    public: Literal["allow", "refuse"] = Field(
        "refuse", description="Whether allUsers and allAuthenticatedUsers may be readers."
    )
    grant: tuple[GrantRule, ...] = Field((), description="Grants to add.")

    @field_validator("grant")
    @classmethod
    def _public_only_on_request(
        cls, grant: tuple[GrantRule, ...], info: ValidationInfo
    ) -> tuple[GrantRule, ...]:
        for rule in grant:
            public = sorted(_PUBLIC.intersection(rule.members))
            if public and info.data.get("public") != "allow":
                raise ValueError(f"{public[0]} opens the repository; it needs `public: allow`")
            if public and rule.role != _READER:
                raise ValueError(f"{public[0]} can only be artifactregistry.reader")
        return grant


class Route(_Part):
    """A rule for image paths; the first route that matches a path takes it."""

    match: Annotated[str, _in_words(Pattern.parse)] = Field(
        description="Pattern of paths: {name} a component or part of one, * one, ** one or more."
    )
    hosts: tuple[str, ...] | None = Field(None, description="Only for these source hosts.")
    repository: TemplateText | None = Field(None, description="Target repository.")
    strip: TemplateText | None = Field(None, description="Leading components to take off.")
    image: TemplateText | None = Field(None, description="Image name instead of what is left.")
    location: TemplateText | None = Field(None, description="Location of the repository.")
    settings: Settings | None = Field(None, description="How the repository is created.")
    access: Access | None = Field(None, description="Who can do what with the repository.")
    existing_tags: ExistingTags | None = Field(None, description="Instead of the spec's.")
    moved_tags: MovedTags | None = Field(None, description="Instead of the spec's.")

    @field_validator("repository", "strip", "image", "location", "settings", "access")
    @classmethod
    def _uses_parts_of_match(cls, value: Any, info: ValidationInfo) -> Any:
        match = info.data.get("match")
        if match is not None:  # else its own error is reported
            used = {name for text in _texts(value) for name in template_names(text)}
            unknown = sorted(used - Pattern.parse(match).names)
            if unknown:
                raise ValueError(f"{{{unknown[0]}}} is not a named part of `match`")
        return value


class Select(_Part):
    """What is carried besides tagged images."""

    untagged: bool = Field(default=True, description="Digests that no tag names.")
    attachments: bool = Field(default=True, description="Signatures, attestations and referrers.")


def _which_source(value: object) -> str:
    has = "registry" in value if isinstance(value, dict) else isinstance(value, RegistrySource)
    return "(registry source)" if has else "(project source)"


def _which_target(value: object) -> str:
    has = "registry" in value if isinstance(value, dict) else isinstance(value, RegistryTarget)
    return "(registry target)" if has else "(project target)"


Source = Annotated[
    Annotated[ProjectSource, Tag("(project source)")]
    | Annotated[RegistrySource, Tag("(registry source)")],
    Discriminator(_which_source),
]
Target = Annotated[
    Annotated[ProjectTarget, Tag("(project target)")]
    | Annotated[RegistryTarget, Tag("(registry target)")],
    Discriminator(_which_target),
]


class Spec(_Part):
    """A migration: from where, to where, and by which rules."""

    version: Literal[1] = Field(1, description="Version of this format.")
    source: Source = Field(description="Where images are read.")
    target: Target | None = Field(
        None, description="Where they go; default: repositories in the source's project."
    )
    routes: tuple[Route, ...] = Field(
        (), description="Rules; default: a repository per first path component, paths kept."
    )
    select: Select = Field(Select(), description="What is carried besides tagged images.")
    existing_tags: ExistingTags = Field("fail", description="A target tag points elsewhere.")
    moved_tags: MovedTags = Field("fail", description="A source tag moved after planning.")

    @property
    def is_plain_source(self) -> bool:
        """Whether images come from a registry that is not told by project and gcr.io host."""
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
        source = self.source
        known = (source.registry,) if isinstance(source, RegistrySource) else source.hosts
        for at, route in enumerate(self.routes):
            strangers = sorted(set(route.hosts or ()).difference(known))
            if strangers:
                raise ValueError(f"routes[{at}].hosts: {strangers[0]} is not a host of the source")
            if route.repository is None and not self.is_plain_target:
                raise ValueError(f"routes[{at}].repository is needed for Artifact Registry")
        return self


def load_spec(text: str, filename: str) -> Spec:
    """Read a spec.

    Args:
        text: the YAML.
        filename: the name that errors show.

    Returns:
        The spec, checked.

    Raises:
        MigrateError: BAD_YAML, or BAD_SPEC with every field that does not fit.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # an anchor used twice is no concern here
            data = YAML(typ="rt", pure=True).load(text)
    except (YAMLError, *_YAML_SLIPS) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{filename}:{mark.line + 1}" if mark else filename
        saw = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise MigrateError(BAD_YAML, subject=where, saw=saw) from error
    if not isinstance(data, dict):
        saw = "empty" if data is None else "not a mapping of fields"
        raise MigrateError(BAD_SPEC, subject=f"{filename}:1", saw=saw)
    try:
        return Spec.model_validate(data)
    except ValidationError as error:
        every = error.errors(include_url=False)
        wrong = [one for one in every if not any(_is_within(other, one) for other in every)]
        found = sorted(_explain(data, one) for one in wrong)
        more = [f"line {line}: {said}" for line, said in found[1:]]
        saw = "; ".join([found[0][1], *more])
        raise MigrateError(BAD_SPEC, subject=f"{filename}:{found[0][0]}", saw=saw) from error


def spec_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the format, for editors and for checks elsewhere."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Spec.model_json_schema(),
        "title": "gcr-migrate spec",
    }


def _texts(value: Any) -> Iterator[str]:
    """All texts in a field, however deep, that named parts may stand in."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        yield from _texts(dict(value))
    elif isinstance(value, dict):
        yield from (text for one in value.values() for text in _texts(one))
    elif isinstance(value, tuple):
        yield from (text for one in value for text in _texts(one))


_FIELDS_BELOW: Final[dict[str, type[BaseModel]]] = {
    "": Spec,
    "(project source)": ProjectSource,
    "(registry source)": RegistrySource,
    "(project target)": ProjectTarget,
    "(registry target)": RegistryTarget,
    "routes": Route,
    "settings": Settings,
    "access": Access,
    "grant": GrantRule,
    "select": Select,
}


def _explain(data: Any, error: ErrorDetails) -> tuple[int, str]:
    """Turn one error of the model into a line and a sentence with the field's full name."""
    steps = [step for step in error["loc"] if not str(step).startswith("(")]
    name = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps).lstrip(".")
    said = error["msg"].removeprefix("Value error, ")
    above = [step for step in error["loc"][:-1] if isinstance(step, str)]
    known = _FIELDS_BELOW.get(above[-1] if above else "", Spec).model_fields
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(steps[-1]), known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
        said = f"unknown; {hint}"
    elif error["type"] == "string_pattern_mismatch" and (field := known.get(str(steps[-1]))):
        said = f"does not fit: {field.description}"
    elif error["type"] == "missing":
        said = "missing"
    return _line(data, steps), f"field {name}: {said}" if name else said


def _is_within(inner: ErrorDetails, outer: ErrorDetails) -> bool:
    """Whether the outer error only follows from the inner one, as a list without good entries."""
    depth = len(outer["loc"])
    return outer["type"] == "too_short" and inner["loc"][:depth] == outer["loc"] != inner["loc"]


def _line(data: Any, steps: list[int | str]) -> int:
    """Line of the deepest field on the way that is in the file, counted from 1."""
    line = data.lc.line
    for step in steps:
        places = getattr(getattr(data, "lc", None), "data", None) or {}
        if step not in places:
            break
        line = places[step][0]
        data = data[step]
    return int(line) + 1
