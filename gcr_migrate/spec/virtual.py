"""Virtual repositories that a spec asks for: one pull address over several targets."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from gcr_migrate.model.names import check_repository_id
from gcr_migrate.model.pattern import template_names
from gcr_migrate.spec.fields import LocationText, Part, in_words
from gcr_migrate.spec.rules import GrantRule, check_public

RepositoryIdText = Annotated[str, in_words(check_repository_id)]


class VirtualRule(Part):
    """A virtual repository: it stores nothing, and serves what its upstreams have."""

    repository: RepositoryIdText = Field(description="Its name.")
    location: LocationText | None = Field(
        None, description="Region or multi-region; default: that of its upstreams."
    )
    over: Literal["*"] | tuple[str, ...] = Field(
        "*",
        description="Target repositories of this spec, those that are preferred first; * is all.",
    )
    description: str = Field("", description="Text.")
    public: Literal["allow", "refuse"] = Field(
        "refuse", description="Whether allUsers and allAuthenticatedUsers may be readers."
    )
    grant: tuple[GrantRule, ...] = Field(
        (), description="Who may read it, and all of its upstreams through it."
    )

    @field_validator("over")
    @classmethod
    def _some(cls, over: Literal["*"] | tuple[str, ...]) -> Literal["*"] | tuple[str, ...]:
        if not over or (over != "*" and len(set(over)) < len(over)):
            raise ValueError("over: one repository or more, each once, or *")
        return over

    @model_validator(mode="after")
    def _grants_fit(self) -> Self:
        check_public(self.grant, public=self.public)
        for member in (one for rule in self.grant for one in rule.members):
            if names := sorted(template_names(member)):
                raise ValueError(f"grant: {{{names[0]}}} is a part of no route here")
        return self
