"""What was read about a project and its four hosts: a value, or the error that came instead."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import NOT_MIGRATED, NOT_THERE, MigrateError
from gcr_migrate.model.cloud import RedirectSettings
from gcr_migrate.model.names import GCR_HOSTS, ar_host, ar_name, repository_resource
from gcr_migrate.model.places import artifacts_bucket
from gcr_migrate.model.usage import PARTIAL, is_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gcr_migrate.model.access import Picture
    from gcr_migrate.model.change import Entry
    from gcr_migrate.model.cloud import BucketFacts, ProjectFacts, RepositoryFacts
    from gcr_migrate.model.names import GcrHost, Project

COPIER: Final = "artifact-registry-same-project-copier@system.gserviceaccount.com"
"""The account with which Google's copy within a project may read buckets instead (FACTS 5.3)."""
_OF_EITHER: Final = NOT_THERE | {NOT_MIGRATED}  # what the one or the other service says


def roots_of(project: Project) -> Iterator[tuple[str, GcrHost]]:
    """Give the names below which a baseline may have a host's images, each with its host."""
    for host in GCR_HOSTS:
        yield f"{host.name}/{project.path}", host
        yield f"{ar_host(host.location)}/{ar_name(project, host.repository_id)}", host


class Answer(StrEnum):
    """Who answers for a project at a gcr.io host, asked as a client would."""

    ARTIFACT_REGISTRY = "artifact-registry"
    OTHER = "other"  # without the mark of Artifact Registry


class Copied(Struct, frozen=True):
    """How much of a host's bucket is in its repository, by the hashes of blobs.

    Attributes:
        seen: blobs in the bucket.
        missing: how many of them the repository lacks.
        examples: hashes of some that it lacks.
        mark: stands for all that it lacks.
    """

    seen: int
    missing: int
    examples: tuple[str, ...] = ()
    mark: str = ""


class Expected(Struct, frozen=True):
    """What a baseline says of a host, held against its repository.

    Attributes:
        seen: manifests and tags that it names.
        missing: how many of them the repository lacks, or has otherwise.
        examples: names of some of these.
        whole: whether the baseline could see everything when it was taken.
        mark: stands for all that it names, and what of that is missing.
    """

    seen: int = 0
    missing: int = 0
    examples: tuple[str, ...] = ()
    whole: bool = True
    mark: str = ""


class Wanted(Struct, frozen=True):
    """A baseline: what has to be there.

    Attributes:
        entries: goes through what it names, in the order of names.
        roots: of what it speaks, such as `us.gcr.io/builds`.
        whole: whether it could see everything when it was taken.
    """

    entries: Callable[[], Iterable[Entry]]
    roots: frozenset[str]
    whole: bool = True


class Pulled(Struct, frozen=True):
    """What a log shows that was pulled or pushed, held against Artifact Registry.

    Attributes:
        seen: tags and digests of images that were.
        missing: names of those that are not there.
        unchecked: names of those of which it could not be told, with the reason.
        sought: names of those that were asked for in vain, and are not there either.
        days: the days of which the log tells, in words; empty for none.
        silences: days in between of which it tells nothing, where that is odd, in words.
    """

    seen: int
    missing: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()
    days: str = ""
    silences: tuple[str, ...] = ()


class Rescued(Struct, frozen=True):
    """What Google's copy answered about a host, by the file of a rescue; counts are its words.

    Attributes:
        copied: manifests that it copied.
        failed: manifests that it could not copy, those of `damaged` included.
        damaged: those of which a part is gone in the bucket, so that nobody can copy them.
        tags_failed: tags that it could not set.
        unended: names that were not gone through to their end, where all were asked for.
        examples: words on some that failed.
        is_part: only a part of the images was asked for.
        last: when the last answer came that says more than a plain list, as ISO 8601; empty if
            none did.
        mark: stands for all names with what was said of them.
    """

    copied: int = 0
    failed: int = 0
    damaged: int = 0
    tags_failed: int = 0
    unended: int = 0
    examples: tuple[str, ...] = ()
    is_part: bool = False
    last: str = ""
    mark: str = ""

    @property
    def is_whole(self) -> bool | None:
        """Whether all that it met was copied; None if it did not go through all that it began."""
        if self.failed or self.tags_failed:
            return False
        return None if self.unended else True


class HostReading(Struct, frozen=True):
    """What was read about one host.

    Attributes:
        host: the host.
        answer: who answers for it.
        bucket: Container Registry's bucket; None: there is none.
        repository: the repository that answers for it; None: the API shows none.
        misplaced: repositories with its id where they cannot answer for it.
        images: image paths in the repository; None if it was not asked.
        copied: how much of the bucket is in the repository; None if it was not looked.
        expected: what a baseline says; None without one, or if it does not speak of the host.
        rescued: what Google's copy answered; None without the file of a rescue that speaks of it.
        source: who can pull from the bucket; None without one.
        target: who can pull from the repository; None without one.
    """

    host: GcrHost
    answer: Answer | MigrateError
    bucket: BucketFacts | MigrateError | None
    repository: RepositoryFacts | MigrateError | None
    misplaced: tuple[str, ...] = ()
    images: int | MigrateError | None = None
    copied: Copied | MigrateError | None = None
    expected: Expected | MigrateError | None = None
    rescued: Rescued | None = None
    source: Picture | MigrateError | None = None
    target: Picture | MigrateError | None = None

    @property
    def has_bucket(self) -> bool | None:
        """Whether it has a bucket; None if nobody tells."""
        return is_there(self.bucket)

    @property
    def has_repository(self) -> bool | None:
        """Whether its repository is there; None if the API could not be asked."""
        return None if isinstance(self.repository, MigrateError) else self.repository is not None

    @property
    def is_idle(self) -> bool:
        """Whether it surely has neither a bucket nor a repository."""
        return self.has_bucket is False and self.has_repository is False

    @property
    def is_not_migrated(self) -> bool:
        """Whether it answers 412: that Container Registry should answer, and is gone."""
        answer = self.answer
        return isinstance(answer, MigrateError) and answer.problem is NOT_MIGRATED


class Reading(Struct, frozen=True):
    """What was read about a project.

    Attributes:
        project: the project.
        settings: its redirect setting.
        facts: the project itself.
        hosts: its four hosts.
    """

    project: Project
    settings: RedirectSettings | MigrateError
    facts: ProjectFacts | MigrateError | None
    hosts: tuple[HostReading, ...]

    def shown(self, host: HostReading) -> str:
        """Return a host with the project's name, as images have it."""
        return f"{host.host.name}/{self.project.path}"

    def answer_words(self, host: HostReading) -> str:
        """Return who answers at a host, or what came instead, in words.

        In the partial states that changes from one request to the next, and tells nothing.
        """
        settings, said = self.settings, host.answer
        varies = isinstance(settings, RedirectSettings) and settings.state in PARTIAL
        if varies and (isinstance(said, Answer) or said.problem in _OF_EITHER):
            return "now Artifact Registry, now 412, by the percentage"
        if host.is_not_migrated:
            return "412: Container Registry, which is gone"
        return said.told if isinstance(said, MigrateError) else said.value

    def unredirected(self, host: HostReading) -> str:
        """Say how an answer belies a redirect that is set; empty where it does not.

        Nor does it say anything of 412, and of a host that could not be asked.
        """
        answer = host.answer
        if not isinstance(answer, MigrateError):
            is_ours = answer is Answer.ARTIFACT_REGISTRY
            return "" if is_ours else "it answers without the mark of Artifact Registry"
        if answer.problem in NOT_THERE and host.has_repository:
            return f"it says that there is no such name, and {self.resource(host)} is there"
        return ""

    def resource(self, host: HostReading) -> str:
        """Return the repository that has to answer for a host."""
        return repository_resource(self.project, host.host.location, host.host.repository_id)

    def bucket_name(self, host: HostReading) -> str:
        """Return the name of a host's bucket."""
        return artifacts_bucket(host.host.name, self.project)

    @property
    def agent(self) -> str:
        """The account with which Artifact Registry reads buckets; empty if it is not known."""
        facts = self.facts
        if facts is None or isinstance(facts, MigrateError) or not facts.number:
            return ""
        return f"service-{facts.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
