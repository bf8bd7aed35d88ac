"""What stations may ask of Google's services, and the little that they may change there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Mapping,
        Sequence,
    )

    from gcr_migrate.model.access import Analysis, BucketRules, ObjectAccess, Policy
    from gcr_migrate.model.cloud import (
        BucketAsset,
        BucketFacts,
        DockerImage,
        OrgPolicy,
        Package,
        ProjectFacts,
        RedirectSettings,
        RepositoryFacts,
        Subscriber,
        TagRow,
        Version,
    )
    from gcr_migrate.model.policies import ExactPolicy
    from gcr_migrate.model.settings import RepositorySettings
    from gcr_migrate.model.storage import BucketSettings, StoredObject


class Repositories(Protocol):
    """Artifact Registry's repositories and their policies, only read; resources are full names."""

    async def get(self, resource: str) -> RepositorySettings | None:
        """Settings of a Docker repository, None when it does not exist.

        Raises `repository-differs` when it is of another format or mode.
        """
        ...

    async def upstreams(self, resource: str) -> tuple[str, ...] | None:
        """What a virtual repository stands over, the preferred first; None when it is not there.

        Raises `repository-differs` when it is of another format or mode.
        """
        ...

    async def facts(self, resource: str) -> RepositoryFacts | None:
        """Format and mode of a repository, whichever they are; None when it does not exist."""
        ...

    async def policy(self, resource: str) -> Policy:
        """Read the repository's own access policy, version 3."""
        ...

    async def held(self, resource: str, permissions: Collection[str]) -> frozenset[str]:
        """Which of these permissions the caller has on a repository."""
        ...

    async def in_location(self, project: str, location: str) -> tuple[RepositoryFacts, ...]:
        """All repositories of a project in a location, of any format."""
        ...

    async def locations(self, project: str) -> tuple[str, ...]:
        """Locations in which the project may have repositories."""
        ...


class PolicyWriter(Protocol):
    """Access policies of repositories where they are changed."""

    async def exact_policy(self, resource: str) -> ExactPolicy:
        """Read a policy, version 3, for who writes it back."""
        ...

    async def replace_policy(self, before: ExactPolicy, after: Policy) -> bool:
        """Write a policy in the place of what was read, by a single request with its etag.

        Returns False if somebody else wrote meanwhile, so that nothing happened. Of the problems
        that it raises `unreachable`, `server-error` and `bad-reply` leave open what happened.
        """
        ...


class TargetRepositories(Repositories, PolicyWriter, Protocol):
    """Artifact Registry's repositories where new ones are made, and policies are changed."""

    async def create(
        self,
        resource: str,
        settings: RepositorySettings,
        *,
        upstreams: Sequence[str] = (),
        operation: str = "",
        on_operation: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Create a Docker repository and wait until it is there; one that is there is fine.

        With `upstreams` it is a virtual one over these, the first of which counts for most.
        With the name of an `operation` that an earlier run started, that one is waited for
        instead. `on_operation` is told the name of a new one before anything is waited for.
        Raises `operation-failed`, `denied`.
        """
        ...

    async def change(
        self,
        resource: str,
        settings: RepositorySettings,
        changes: Collection[str],
        *,
        on_previous: Callable[[str], None],
    ) -> bool:
        """Write some settings of a repository, and read them back; others' stay.

        `on_previous` is told the repository as it was, as JSON, before anything is written.
        Returns whether anything had to be written. Raises `repository-differs` where the service
        does not show what was written.
        """
        ...


class Contents(Protocol):
    """What is in a repository of Artifact Registry, by its API; pages come as they are wanted."""

    def packages(self, resource: str) -> AsyncIterator[Package]:
        """Image paths of a repository."""
        ...

    def versions(self, resource: str, package: str) -> AsyncIterator[Version]:
        """Manifests of one image path, tagged or not."""
        ...

    def tags(self, resource: str, package: str) -> AsyncIterator[TagRow]:
        """Tags of one image path."""
        ...

    def docker_images(self, resource: str) -> AsyncIterator[DockerImage]:
        """Manifests of all image paths of a repository, tagged or not."""
        ...


class Projects(Protocol):
    """What Google's APIs tell about a project; ids have a colon where a domain scopes them.

    Every method raises `MigrateError`: `denied`, `api-disabled`, `perimeter`, `quota-project`,
    `billing-off`, `unauthorized`, `unreachable` and the like.
    """

    async def facts(self, project: str) -> ProjectFacts:
        """Number, parent and state of a project (Resource Manager v3)."""
        ...

    async def held(self, project: str, permissions: Collection[str]) -> frozenset[str]:
        """Which of these permissions the caller has on the project."""
        ...

    async def enabled(self, project: str, services: Collection[str]) -> frozenset[str]:
        """Which of these services, such as `artifactregistry.googleapis.com`, are enabled."""
        ...

    async def redirection(self, project: str) -> RedirectSettings:
        """The redirect setting of the project's gcr.io names, read as text."""
        ...

    async def org_policy(self, project: str, constraint: str) -> OrgPolicy | None:
        """The effective organisation policy of a constraint; None where it restricts nothing."""
        ...


class SettingsWriter(Protocol):
    """The redirect setting of projects where it is changed."""

    async def redirection(self, project: str) -> RedirectSettings:
        """The redirect setting of the project's gcr.io names, read as text."""
        ...

    async def redirect(self, project: str, word: str) -> None:
        """Write the setting, by a single request.

        Of the problems that it raises `unreachable`, `server-error` and `bad-reply` leave open
        what happened; `agent-denied` names the account that has to read the buckets;
        `redirect-conflict`: somebody else was writing.
        """
        ...


class Topics(Protocol):
    """Topics of Pub/Sub, only read; every method raises `MigrateError`, as those of `Projects`."""

    async def subscribers(self, project: str, topic: str) -> tuple[str, ...]:
        """Names of a topic's subscriptions, also those in other projects; none without it."""
        ...

    async def subscriber(self, name: str) -> Subscriber | None:
        """One subscription by its full name; None where it is gone."""
        ...


class Buckets(Protocol):
    """The artifacts buckets that Container Registry left behind; only ever read."""

    async def get(self, name: str) -> BucketFacts | None:
        """Facts of a bucket, None when it does not exist.

        A bucket that is there and hidden from the caller raises `denied`.
        """
        ...

    async def settings(self, name: str) -> BucketSettings | None:
        """What decides about the end of a bucket and its cost; None when it does not exist.

        Raises `denied` where the caller may not see it.
        """
        ...

    def objects(self, name: str) -> AsyncIterator[StoredObject]:
        """Objects of a bucket by name, older versions too; pages come as they are wanted."""
        ...


class Stored(Protocol):
    """Which blobs lie where: sha256 hashes in hexadecimal digits, page by page.

    Every method raises `MigrateError`, as those of `Projects`.
    """

    def in_bucket(self, name: str) -> AsyncIterator[list[str]]:
        """Blobs that Container Registry kept in a bucket."""
        ...

    def in_repository(self, resource: str) -> AsyncIterator[list[str]]:
        """Files of a repository of Artifact Registry: its blobs and manifests."""
        ...


class Kept(Protocol):
    """One small file that runs share, also those on other machines; it is replaced as a whole."""

    @property
    def name(self) -> str:
        """How a person names it."""
        ...

    async def read(self) -> tuple[bytes, str] | None:
        """Return its bytes, and which version they are; None: there is none yet.

        Raises:
            MigrateError: it cannot be read.
        """
        ...

    async def write(self, data: bytes, version: str) -> bool:
        """Replace a version, as a whole.

        Args:
            data: what it is to hold.
            version: what `read` told; empty: there was none.

        Returns:
            False: somebody else has written meanwhile, and nothing was changed.

        Raises:
            MigrateError: it cannot be written.
        """
        ...


class Access(Protocol):
    """Who may do what; resources are `gs://B`, `projects/P`, `folders/N` or `organizations/N`.

    Every method raises `MigrateError`, as those of `Projects`; `name-unknown` for what is not
    there.
    """

    async def policy(self, resource: str) -> Policy:
        """Read a policy, version 3."""
        ...

    async def above(self, project: str) -> tuple[str, ...]:
        """Folders that a project lies in and its organisation, from below."""
        ...

    async def role(self, name: str) -> frozenset[str] | None:
        """Permissions of a role; None where it cannot be opened."""
        ...

    async def analysis(self, scope: str, bucket: str, permissions: Collection[str]) -> str:
        """Who has permissions on a bucket, as far as a scope shows: the service's own words.

        `projects/P`, `folders/N` and `organizations/N` are scopes; a day of an organisation has 20
        of these answers.
        """
        ...

    def analysed(self, raw: str, bucket: str) -> Analysis:
        """Read such an answer. Raises `bad-reply`."""
        ...

    async def held(self, resource: str, permissions: Collection[str]) -> frozenset[str]:
        """Which of these permissions the caller has on a resource that is no project."""
        ...

    async def rules(self, bucket: str, project: str) -> BucketRules:
        """What decides about access to a bucket of a project, beside policies."""
        ...

    async def objects(self, bucket: str, project: str, number: str, most: int) -> ObjectAccess:
        """Access lists of the images in a bucket that has them."""
        ...


class Assets(Protocol):
    """What lies below a project (`projects/P`), a folder (`folders/N`) or an organisation."""

    def artifacts_buckets(self, scope: str) -> AsyncIterator[BucketAsset]:
        """Buckets whose names have the words of Container Registry's, at any depth."""
        ...

    def resources(self, scope: str, kinds: Sequence[str]) -> AsyncIterator[Mapping[str, Any]]:
        """Resources whose types fit one of these expressions, as the inventory exports them."""
        ...

    def projects_in(self, parent: str) -> AsyncIterator[ProjectFacts]:
        """Projects directly in a folder or organisation, those being deleted too."""
        ...

    def folders_in(self, parent: str) -> AsyncIterator[str]:
        """Folders directly in a folder or organisation."""
        ...
