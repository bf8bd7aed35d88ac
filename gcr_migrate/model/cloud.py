"""What Google's APIs tell about projects, services, repositories and buckets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Redirection(StrEnum):
    """Who answers the gcr.io names of a project; one state for all four hosts.

    A word that is not listed here is `UNKNOWN`, which is never to be read as disabled.
    """

    UNKNOWN = "UNKNOWN"
    UNSPECIFIED = "REDIRECTION_STATE_UNSPECIFIED"
    DISABLED = "REDIRECTION_FROM_GCR_IO_DISABLED"
    ENABLED = "REDIRECTION_FROM_GCR_IO_ENABLED"
    FINALIZED = "REDIRECTION_FROM_GCR_IO_FINALIZED"
    PARTIAL = "REDIRECTION_FROM_GCR_IO_PARTIAL"
    ENABLED_AND_COPYING = "REDIRECTION_FROM_GCR_IO_ENABLED_AND_COPYING"
    PARTIAL_AND_COPYING = "REDIRECTION_FROM_GCR_IO_PARTIAL_AND_COPYING"


@dataclass(frozen=True, slots=True)
class RedirectSettings:
    """The redirect setting of a project.

    Attributes:
        state: the state, `UNKNOWN` for a word that this version does not know.
        word: the service's own word.
        pull_percent: share of reads that go to Artifact Registry, where it says so.
    """

    state: Redirection
    word: str
    pull_percent: int | None = None


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """A Google Cloud project.

    Attributes:
        id: its id, with a colon where a domain scopes it.
        number: its number as text; empty if unknown.
        parent: `folders/N` or `organizations/N`; empty if it has none or it was not told.
        active: whether it is neither deleted nor about to be.
    """

    id: str
    number: str
    parent: str
    active: bool


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """A repository of Artifact Registry, as a list of them shows it.

    Attributes:
        resource: `projects/P/locations/L/repositories/R`.
        format: such as `DOCKER`.
        mode: such as `STANDARD_REPOSITORY`.
        size_bytes: what storage is billed for; None if it was not told.
    """

    resource: str
    format: str
    mode: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """A bucket of Cloud Storage.

    Attributes:
        name: its name.
        location: such as `US`.
        uniform_access: whether its policy alone decides, and no list of an object's own.
        readable: whether the caller may list and read its objects.
    """

    name: str
    location: str
    uniform_access: bool
    readable: bool


@dataclass(frozen=True, slots=True)
class OrgPolicy:
    """The effective rule of an organisation policy for a project.

    Attributes:
        constraint: such as `constraints/gcp.resourceLocations`.
        enforced: whether a boolean constraint is on.
        allowed: values that alone are allowed; empty: no such list.
        denied: values that are denied.
        deny_all: every value is denied.
    """

    constraint: str
    enforced: bool = False
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    deny_all: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose credentials were found.

    Attributes:
        source: where they were found, in words that may be shown; never a secret.
        account: whose they are, empty if it cannot be told.
        renewable: whether a new token can be had when this one ends.
        expires_at: when the token in hand ends, in seconds since 1970; None if unknown.
    """

    source: str
    account: str
    renewable: bool
    expires_at: float | None
