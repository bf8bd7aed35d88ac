"""Kinds of members (FACTS 6.2)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gcr_migrate.access.roles import BASIC_ROLES
from gcr_migrate.model.access import PUBLIC

_AGENTS: Final = (
    "@containerregistry.iam.gserviceaccount.com",
    "@gcp-sa-artifactregistry.iam.gserviceaccount.com",
    "artifact-registry-same-project-copier@system.gserviceaccount.com",
)


class Kind(StrEnum):
    """What a migration does with a member."""

    CARRIED = "carried"
    PUBLIC = "public"  # everybody, or everybody with an account
    BASIC = "basic"  # owners, editors or viewers of a project, as such
    DELETED = "deleted"
    AGENT = "agent"  # of the registry itself


def kind_of(member: str) -> Kind:
    """Return the kind of a member as policies spell it."""
    if member in PUBLIC:
        return Kind.PUBLIC
    prefix, _, name = member.partition(":")
    if prefix in BASIC_ROLES:
        return Kind.BASIC
    if prefix == "deleted":
        return Kind.DELETED
    if prefix == "serviceAccount" and name.endswith(_AGENTS):
        return Kind.AGENT
    return Kind.CARRIED
