"""Projects, what they lie in, and their buckets, as the sandbox keeps them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

if TYPE_CHECKING:
    from gcr_migrate.model.content import Digest
    from gcr_migrate.sandbox.kept import Kept

STATES: Final = "REDIRECTION_FROM_GCR_IO_"  # how most redirect states begin
REDIRECTED: Final = f"{STATES}ENABLED"
NOT_REDIRECTED: Final = f"{STATES}DISABLED"
_NOT_MIGRATED: Final = frozenset({NOT_REDIRECTED, "REDIRECTION_STATE_UNSPECIFIED"})


class ProjectState(Struct):
    """A project, as far as services ask for it.

    Attributes:
        id: its id, with a colon where a domain scopes it.
        number: its number as text.
        parent: `folders/N` or `organizations/N`, empty without.
        bindings: its own policy.
        disabled: services that are not enabled, such as `artifactregistry.googleapis.com`.
        billing: whether it has a billing account.
        redirect_state: who answers its gcr.io names, in Artifact Registry's words.
        pull_percent: share of reads that Artifact Registry answers, where the state has one.
        org_policies: effective rule by constraint, named without `constraints/`.
        perimeter: name of the service perimeter around it, empty without.
        requests_per_minute: quota of each location; None without limit.
        quotas: those of single locations, instead.
        subscriptions: by id, those of Pub/Sub, as that service words them.
        assets: what Cloud Asset Inventory exports of it.
        retry_after: whether a registry says when to come back after too many requests.
        usage: what a gcr.io host says of its use, by host; else it follows from the rest.
        reads: how many were asked of gcr.io names in a partial state.
        kept: what Container Registry still keeps of it; None for nothing.
        redirect_lag: how many requests of gcr.io names are answered as before after a change.
        lagging: how many of them are left since the last change.
        state_before: what counts for these.
    """

    id: str
    number: str
    parent: str = ""
    bindings: list[dict[str, Any]] = field(default_factory=list)
    disabled: set[str] = field(default_factory=set)
    billing: bool = True
    redirect_state: str = REDIRECTED
    pull_percent: int | None = None
    org_policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    perimeter: str = ""
    requests_per_minute: int | None = None
    quotas: dict[str, int] = field(default_factory=dict)
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    assets: list[dict[str, Any]] = field(default_factory=list)
    retry_after: bool = False
    usage: dict[str, str] = field(default_factory=dict)
    reads: int = 0
    kept: Kept | None = None
    redirect_lag: int = 0
    lagging: int = 0
    state_before: str = ""

    def set_redirect(self, state: str, percent: int | None) -> None:
        """Change who answers the gcr.io names; hosts hear of it after the lag, if there is one."""
        if state != self.redirect_state:
            self.state_before, self.lagging = self.redirect_state, self.redirect_lag
        self.redirect_state, self.pull_percent = state, percent

    def redirects(self, *, write: bool) -> bool:
        """Whether Artifact Registry answers this request for a gcr.io name; counts it.

        In the partial states it gets a share of the reads and nothing else: what is left for
        Container Registry has failed ever since that was shut down.
        """
        state = self.redirect_state
        if self.lagging:
            self.lagging -= 1
            state = self.state_before
        if state in _NOT_MIGRATED:
            return False
        if not state.startswith(f"{STATES}PARTIAL"):
            return True
        if write:
            return False
        share = 100 if self.pull_percent is None else self.pull_percent
        self.reads += 1
        return self.reads * share // 100 > (self.reads - 1) * share // 100


class BucketObject(Struct, frozen=True):
    """An object of a bucket.

    Attributes:
        bucket: name of the bucket.
        name: such as `containers/images/sha256:…`.
        digest: under which its bytes lie in the store.
        updated_ms: when it was written.
    """

    bucket: str
    name: str
    digest: Digest
    updated_ms: int

    @property
    def generation(self) -> str:
        """Return the number that a new version would change."""
        return str(self.updated_ms * 1000)


class CustomRole(Struct, frozen=True):
    """A role that a project or organisation made for itself.

    Attributes:
        permissions: what is in it.
        stage: such as `GA` or `DISABLED`.
        deleted: whether it is about to be gone.
    """

    permissions: frozenset[str]
    stage: str = "GA"
    deleted: bool = False

    @property
    def counts(self) -> bool:
        """Whether it gives anybody anything."""
        return not self.deleted and self.stage != "DISABLED"


class BucketState(Struct):
    """A bucket of Cloud Storage.

    Attributes:
        name: its name.
        project: id of its project.
        location: such as `US`.
        uniform: whether its policy alone decides.
        bindings: its policy.
        objects: by name.
        object_lists: access lists of objects by the beginning of their names, as that service
            words them; the longest beginning counts. None of them where it is uniform.
        never_public: whether nothing lets everybody in, whatever policy and lists say.
        settings: what else it says of itself, as that service words it.
        object_settings: the same of objects, by the beginning of their names.
    """

    name: str
    project: str
    location: str = "US"
    uniform: bool = True
    bindings: list[dict[str, Any]] = field(default_factory=list)
    objects: dict[str, BucketObject] = field(default_factory=dict)
    object_lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    never_public: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    object_settings: dict[str, dict[str, Any]] = field(default_factory=dict)


class FolderState(Struct):
    """A folder or an organisation.

    Attributes:
        name: `folders/N` or `organizations/N`.
        parent: what it lies in, empty without.
        bindings: its policy, which everything below inherits.
    """

    name: str
    parent: str = ""
    bindings: list[dict[str, Any]] = field(default_factory=list)


def project_number(project_id: str) -> str:
    """Return the number of a project for which none was stated: twelve digits from its id."""
    number = int.from_bytes(hashlib.sha256(project_id.encode()).digest()[:8], "big")
    return str(100_000_000_000 + number % 900_000_000_000)
