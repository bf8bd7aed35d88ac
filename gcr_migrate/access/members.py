"""Kinds of members, and how each is spelled (FACTS 6.2)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gcr_migrate.access.roles import BASIC_ROLES

_PUBLIC: Final = frozenset({"allUsers", "allAuthenticatedUsers"})
_AS_WRITTEN: Final = ("principal:", "principalSet:", "principalHierarchy:", "deleted:")
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
    if member in _PUBLIC:
        return Kind.PUBLIC
    prefix, _, name = member.partition(":")
    if prefix in BASIC_ROLES:
        return Kind.BASIC
    if prefix == "deleted":
        return Kind.DELETED
    if prefix == "serviceAccount" and name.endswith(_AGENTS):
        return Kind.AGENT
    return Kind.CARRIED


def spelled(member: str) -> str:
    """Return a member in the one spelling under which it is compared.

    Addresses and domains count in any case; identifiers of identity pools do not.
    """
    if member in _PUBLIC or member.startswith(_AS_WRITTEN):
        return member
    prefix, colon, name = member.partition(":")
    return f"{prefix}{colon}{name.lower()}"
