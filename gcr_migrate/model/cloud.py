"""What Google's APIs tell about projects, services, repositories and buckets."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from gcr_migrate.model.content import Digest

DOCKER: Final = "DOCKER"
STANDARD: Final = "STANDARD_REPOSITORY"
VIRTUAL: Final = "VIRTUAL_REPOSITORY"
UNTOLD: Final = "MODE_UNSPECIFIED"  # a standard one is meant


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


class RedirectSettings(Struct, frozen=True):
    """The redirect setting of a project.

    Attributes:
        state: the state, `UNKNOWN` for a word that this version does not know.
        word: the service's own word.
        pull_percent: share of reads that go to Artifact Registry, where it says so.
    """

    state: Redirection
    word: str
    pull_percent: int | None = None


class ProjectFacts(Struct, frozen=True):
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


class RepositoryFacts(Struct, frozen=True):
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

    @property
    def has_images(self) -> bool:
        """Whether it is one that images are pushed to."""
        return self.format == DOCKER and self.is_standard

    @property
    def is_standard(self) -> bool:
        """Whether it keeps what is pushed, and is no proxy or view of others."""
        return self.mode in {"", UNTOLD, STANDARD}


class Package(Struct, frozen=True):
    """An image path of a repository, as Artifact Registry counts it.

    Attributes:
        path: image path below the repository, with its slashes.
        created_ms: when it came, in milliseconds since 1970; None if it was not told.
        updated_ms: when it last changed, likewise.
    """

    path: str
    created_ms: int | None = None
    updated_ms: int | None = None


class TagRow(Struct, frozen=True):
    """A tag of an image path, and what it points to."""

    tag: str
    digest: Digest


class Version(Struct, frozen=True):
    """A manifest, as the list of versions of an image path shows it.

    Attributes:
        digest: its digest.
        tags: tags that point to it; the service names a hundred at most.
        media_type: its media type; empty if it was not told.
        artifact_type: its artifact type; empty if it has none or it was not told.
        subject: digest of what it is attached to; None if to nothing, or it was not told.
        size_bytes: size of the image; None if it was not told.
        created_ms: when it came, in milliseconds since 1970; None if it was not told.
    """

    digest: Digest
    tags: tuple[str, ...] = ()
    media_type: str = ""
    artifact_type: str = ""
    subject: Digest | None = None
    size_bytes: int | None = None
    created_ms: int | None = None


class DockerImage(Struct, frozen=True):
    """A manifest, as the list of all manifests of a repository shows it.

    Attributes:
        path: image path below the repository, with its slashes.
        digest: its digest.
        tags: tags that point to it.
        media_type: its media type; empty if it was not told.
        artifact_type: its artifact type; empty if it has none or it was not told.
        subject: digest of what it is attached to; None if to nothing, or it was not told.
        size_bytes: size of the image; None if it was not told.
        uploaded_ms: when it came, in milliseconds since 1970; None if it was not told.
    """

    path: str
    digest: Digest
    tags: tuple[str, ...] = ()
    media_type: str = ""
    artifact_type: str = ""
    subject: Digest | None = None
    size_bytes: int | None = None
    uploaded_ms: int | None = None


class BucketFacts(Struct, frozen=True):
    """A bucket of Cloud Storage.

    Attributes:
        name: its name.
        location: such as `US`; empty where its settings are hidden from the caller.
        uniform_access: whether its policy alone decides, and no list of an object's own; not so
            far as is known where its settings are hidden.
        readable: whether the caller may list and read its objects.
    """

    name: str
    location: str
    uniform_access: bool
    readable: bool


class BucketAsset(Struct, frozen=True):
    """A bucket as a search over many projects shows it.

    Attributes:
        name: its name.
        project: id or number of the project that it belongs to; empty if it was not told.
    """

    name: str
    project: str


class OrgPolicy(Struct, frozen=True):
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


class Subscriber(Struct, frozen=True):
    """A subscription of a Pub/Sub topic.

    Attributes:
        name: `projects/P/subscriptions/S`.
        kind: `push`, `pull`, `BigQuery export`, `Cloud Storage export` or `Pub/Sub export`.
        to: the address that it pushes to, as it is written there, or the table, bucket or topic.
        filter: which messages it takes; empty: all.
        state: such as `ACTIVE`.
        detached: whether it gets no messages any more.
    """

    name: str
    kind: str
    to: str = ""
    filter: str = ""
    state: str = ""
    detached: bool = False
