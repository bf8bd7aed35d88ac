"""Texts that fields of the spec take: checked when they are read, with words that help."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import ImagePath, check_location
from gcr_migrate.model.pattern import Pattern, template_names

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST_PORT: Final = 65_535
REGISTRY: Final = r"^([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?$"
_KMS_KEY: Final = r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$"
_LABEL_KEY: Final = r"^[a-z][a-z0-9_-]{0,62}$"
_ROLE = re.compile(r"(?:(?:projects|organizations)/[^/\s]+/)?roles/[A-Za-z0-9_.]+")
_SHORT_ROLE = re.compile(r"[a-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)+")
_MEMBER = re.compile(
    r"(?:user|group|serviceAccount):[^\s@]+@[^\s@]+|domain:[^\s@]+\.[^\s@]+|principal(?:Set)?://\S+"
)
_ANY_MEMBER = re.compile(r"[A-Za-z]+(?::\S+)?")
PUBLIC: Final = frozenset({"allUsers", "allAuthenticatedUsers"})


class Part(BaseModel):
    """A part of the spec: nothing unknown in it, and no input in the texts of its errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def in_words(check: Callable[[str], object]) -> AfterValidator:
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
    if text in PUBLIC or _MEMBER.fullmatch(text):
        return text
    kinds = "user:, group:, serviceAccount:, domain:, principal:// or principalSet://"
    raise ValueError(f"{text!r} is no member; it starts with {kinds}")


def _any_member(text: str) -> str:
    if _ANY_MEMBER.fullmatch(text):
        return text
    raise ValueError(f"{text!r} is no member, such as group:devs@example.com or allUsers")


def with_port(text: str) -> str:
    """Return a host whose port, if it has one, is a port; raise ValueError if not."""
    found = re.search(r":([0-9]+)$", text)
    if found and not 0 < int(found[1]) <= _LARGEST_PORT:
        raise ValueError(f"port {found[1]} is not between 1 and {_LARGEST_PORT}")
    return text


PathText = Annotated[str, in_words(ImagePath.parse)]
LocationText = Annotated[str, in_words(check_location)]
PatternText = Annotated[str, in_words(Pattern.parse)]
TemplateText = Annotated[str, Field(min_length=1), in_words(template_names)]
AnyTemplate = Annotated[str, in_words(template_names)]
RegistryText = Annotated[str, Field(pattern=REGISTRY), AfterValidator(with_port)]
RoleText = Annotated[str, AfterValidator(_role)]
MemberText = Annotated[AnyTemplate, AfterValidator(_member)]
AnyMemberText = Annotated[AnyTemplate, AfterValidator(_any_member)]
KmsKeyText = Annotated[str, Field(pattern=_KMS_KEY)]
LabelKeyText = Annotated[str, Field(pattern=_LABEL_KEY)]
