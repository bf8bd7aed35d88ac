"""Routes of the spec: which image paths go to which repository, and how that is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from gcr_migrate.model.nearest import with_question
from gcr_migrate.model.pattern import Pattern, template_names
from gcr_migrate.spec.fields import (
    PUBLIC,
    AnyMemberText,
    AnyTemplate,
    MemberText,
    Part,
    PatternText,
    RoleText,
    TemplateText,
)
from gcr_migrate.spec.settings import Settings  # pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Iterator

ExistingTags = Literal["fail", "keep", "overwrite"]
MovedTags = Literal["fail", "pin", "skip"]

_READER: Final = "roles/artifactregistry.reader"


class GrantRule(Part):
    """A role and who gets it."""

    role: RoleText = Field(description="Such as artifactregistry.reader.")
    members: tuple[MemberText, ...] = Field(
        min_length=1, description="Such as group:{team}@example.com; named parts may be used."
    )


def check_public(grant: tuple[GrantRule, ...], *, public: str | None) -> None:
    """Refuse grants to everybody where the spec does not allow them; raise ValueError."""
    for rule in grant:
        everybody = sorted(PUBLIC.intersection(rule.members))
        if everybody and public != "allow":
            raise ValueError(f"{everybody[0]} opens the repository; it needs `public: allow`")
        if everybody and rule.role != _READER:
            raise ValueError(f"{everybody[0]} can only be artifactregistry.reader")


class Accepted(Part):
    """Consent that somebody loses or gains access."""

    principal: AnyMemberText = Field(
        description="Member as `access show` spells it; projectOwner:, projectEditor: or"
        " projectViewer:PROJECT for all who gain by that role alone; named parts may be used."
    )
    change: Literal["lost", "gained"] = Field(description="What is accepted.")
    reason: AnyTemplate = Field(min_length=1, max_length=500, description="Why; reports show it.")


class Access(Part):
    """Who can do what with the repository."""

    translate: bool = Field(default=False, description="Carry over the grants of the source.")
    public: Literal["allow", "refuse"] = Field(
        "refuse", description="Whether allUsers and allAuthenticatedUsers may be readers."
    )
    basis: Literal["auto", "repository", "bucket"] = Field(
        "auto",
        alias="from",
        description="Whose access is carried over: of the repository that serves the host, or of"
        " the bucket of Container Registry; auto takes what decides today.",
    )
    deny: tuple[MemberText, ...] = Field(
        (), description="Members of the source that shall not follow."
    )
    grant: tuple[GrantRule, ...] = Field((), description="Grants to add.")
    accept: tuple[Accepted, ...] = Field(
        (), description="What may be lost or gained; without consent `apply` does not start."
    )

    @field_validator("grant")
    @classmethod
    def _public_only_on_request(
        cls, grant: tuple[GrantRule, ...], info: ValidationInfo
    ) -> tuple[GrantRule, ...]:
        check_public(grant, public=info.data.get("public"))
        return grant


class Route(Part):
    """A rule for image paths; the first route that matches a path takes it."""

    match: PatternText = Field(
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
            known = Pattern.parse(match).names
            unknown = sorted(used - known)
            if unknown:
                said = f"{{{unknown[0]}}} is not a named part of `match`"
                raise ValueError(with_question(said, unknown[0], sorted(known)))
        return value


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
