"""What was answered about a project and its gcr.io hosts: a value, or the error that came."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from gcr_migrate.errors import API_DISABLED, DENIED, MigrateError
from gcr_migrate.model.names import ar_host
from gcr_migrate.model.usage import holds_repository, never_migrated

if TYPE_CHECKING:
    from gcr_migrate.model.cloud import ProjectFacts, RedirectSettings, RepositoryFacts
    from gcr_migrate.model.names import GcrHost, Project


class BucketView(StrEnum):
    """How it is known whether a bucket is there."""

    SEARCH = "asset-search"
    NAME = "by-name"


class Answer(StrEnum):
    """Who answers for a project at a gcr.io host."""

    ARTIFACT_REGISTRY = "artifact-registry"
    OTHER = "other"  # without the mark of Artifact Registry


class BucketEvidence(Struct, frozen=True):
    """Whether the bucket of a host is there.

    Attributes:
        name: its name.
        searched: whether the search shows it; None if there was no search.
        named: whether a question for its name found it; None if it was not asked.
    """

    name: str
    searched: bool | MigrateError | None = None
    named: bool | MigrateError | None = None

    @property
    def is_there(self) -> bool | None:
        """Whether one of the two views has it; None if neither could tell."""
        told = [one for one in (self.searched, self.named) if isinstance(one, bool)]
        return any(told) if told else None

    @property
    def disagreement(self) -> str:
        """What the two views say of it where they differ; else empty."""
        if self.searched is False and self.named is True:
            return f"the search shows no bucket {self.name}, and Cloud Storage has it"
        if self.searched is True and self.named is False:
            return f"the search shows the bucket {self.name}, and Cloud Storage has none"
        return ""


class HostEvidence(Struct, frozen=True):
    """All that is known about one host of a project.

    Attributes:
        host: the host.
        bucket: Container Registry's bucket.
        usage: the host's own word on its use, empty if it said none; None if not asked.
        answer: who answers for it, or the refusal; None if it was not asked.
        repository: its repository in Artifact Registry; None: the API shows none.
        images: number of image paths in it; None if they were not counted.
        is_public: whether anybody may see what it has; None if that was not asked.
    """

    host: GcrHost
    bucket: BucketEvidence
    usage: str | MigrateError | None = None
    answer: Answer | MigrateError | None = None
    repository: RepositoryFacts | MigrateError | None = None
    images: tuple[str, ...] | MigrateError | None = None
    is_public: bool | MigrateError | None = None

    @property
    def word(self) -> str:
        """The word on its use; empty where there is none, for whatever reason."""
        return self.usage if isinstance(self.usage, str) else ""

    @property
    def is_listed(self) -> bool | None:
        """Whether the API shows its repository; None if it could not be asked."""
        return None if isinstance(self.repository, MigrateError) else self.repository is not None

    @property
    def has_repository(self) -> bool | None:
        """Whether its repository exists; None if nobody tells."""
        if self.answer is None:
            return self.is_listed
        said = self.answer
        if said is Answer.OTHER and self.is_listed is not None:
            return self.is_listed
        return holds_repository(said, self.is_listed)


class ProjectEvidence(Struct, frozen=True):
    """All that is known about a project.

    Attributes:
        project: the project.
        settings: its redirect setting.
        facts: the project itself; None if there was no reason to ask.
        hosts: its hosts.
        repositories: number of its other Docker repositories in the hosts' locations; None if
            they could not be listed.
    """

    project: Project
    settings: RedirectSettings | MigrateError
    facts: ProjectFacts | MigrateError | None = None
    hosts: tuple[HostEvidence, ...] = ()
    repositories: int | None = None

    @property
    def is_ours(self) -> bool | None:
        """Whether the caller has rights in the project itself; None if that cannot be told."""
        for answer in (self.settings, self.facts):
            if answer is not None and not isinstance(answer, MigrateError):
                return True
        if self.is_api_disabled:  # who is told so may see the project
            return True
        known = (self.settings, self.facts)
        denied = all(isinstance(one, MigrateError) and one.problem is DENIED for one in known)
        return False if denied else None

    @property
    def is_api_disabled(self) -> bool:
        """Whether Artifact Registry's API is off in the project."""
        answer = self.settings
        return isinstance(answer, MigrateError) and answer.problem is API_DISABLED

    @property
    def is_somebody_elses(self) -> bool:
        """Whether it is hidden from the caller, and yet anybody may pull from it."""
        return self.is_ours is False and any(one.is_public is True for one in self.hosts)

    def never_migrated(self, host: HostEvidence) -> bool:
        """Whether Container Registry should answer for a host, and is gone."""
        return never_migrated(self.settings, host.answer)

    def shown(self, host: HostEvidence) -> str:
        """Return a host with the project's name, as images have it."""
        return f"{host.host.name}/{self.project.path}"

    def ar_name(self, host: HostEvidence) -> str:
        """Return the name of the same images in Artifact Registry."""
        return f"{ar_host(host.host.location)}/{self.project.path}/{host.host.repository_id}"
