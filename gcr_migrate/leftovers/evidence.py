"""What was seen of what may go: buckets, old repositories, and what speaks for each."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, Self

from msgspec import Struct, field

from gcr_migrate.model.origin import Origin, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gcr_migrate.errors import MigrateError
    from gcr_migrate.model.cloud import (
        DockerImage,
        ProjectFacts,
        RedirectSettings,
        RepositoryFacts,
    )
    from gcr_migrate.model.names import GcrHost, Project
    from gcr_migrate.model.pulls import Silence
    from gcr_migrate.model.storage import BucketSettings, StoredObject

EXAMPLES_AT_MOST: Final = 3
_BLOB: Final = re.compile(r"containers/images/(sha256:[0-9a-f]{64})")
# Tags and manifests of projects from before Container Registry had a database (FACTS section 11).
_OLD_TAG: Final = re.compile(r"containers/repositories/library/(.+)/tag_([^/]+)")
_OLD: Final = "containers/repositories/"
Target = tuple[str, str]  # resource of a repository, and image path in it


class Listed(Struct, frozen=True):
    """What a file says that Artifact Registry held for a host.

    Attributes:
        file: the migration file or snapshot.
        at: when it was read there, as a date.
        is_complete: whether all of it could be listed.
        blobs: digests of configs and layers, each with an image path that needs it.
        tags: image path and tag.
        manifests: how many it lists.
        gone: how many of these Artifact Registry does not have any more, or why that was not to
            be seen.
    """

    file: str
    at: str
    is_complete: bool
    blobs: Mapping[str, str]
    tags: frozenset[tuple[str, str]]
    manifests: int = 0
    gone: int | MigrateError = 0


class Moves(Struct, frozen=True):
    """Where migration files say that the images of a host go.

    Attributes:
        files: the migration files.
        targets: by image path at the host.
        elsewhere: targets at other registries, which no list of Artifact Registry shows.
        is_round: whether they come back to the host, through repositories of gcr.io hosts alone:
            each of these would then be the proof that another may go.
    """

    files: tuple[str, ...]
    targets: Mapping[str, tuple[Target, ...]]
    elsewhere: tuple[str, ...] = ()
    is_round: bool = False


class BucketContents(Struct):
    """What lies in a bucket, taken in object by object.

    Attributes:
        seen: how many objects, older versions included.
        is_complete: whether these were all.
        bytes_by_class: bytes by storage class.
        blobs: digests of images' configs and layers.
        old_tags: image paths and tags that lie there as files, as in very old projects.
        old_files: how many files of that kind there are.
        others: how many objects are nothing of Container Registry's.
        examples: some of these.
        held: how many objects somebody holds.
        newest_ms: when the newest was written, in milliseconds since 1970.
        retained_until_ms: until when a date of its own keeps one, the last of these.
    """

    seen: int = 0
    is_complete: bool = True
    bytes_by_class: Counter[str] = field(default_factory=Counter)
    blobs: set[str] = field(default_factory=set)
    old_tags: set[tuple[str, str]] = field(default_factory=set)
    old_files: int = 0
    others: int = 0
    examples: list[str] = field(default_factory=list)
    held: int = 0
    newest_ms: int | None = None
    retained_until_ms: int | None = None

    def add(self, one: StoredObject) -> None:
        """Take in an object."""
        self.seen += 1
        self.bytes_by_class[one.storage_class] += one.size_bytes
        self.held += one.is_held
        self.newest_ms = _later(self.newest_ms, one.created_ms)
        self.retained_until_ms = _later(self.retained_until_ms, one.retained_until_ms)
        blob, old_tag = _BLOB.fullmatch(one.name), _OLD_TAG.fullmatch(one.name)
        if blob:
            self.blobs.add(blob[1])
        elif one.name.startswith(_OLD):
            self.old_files += 1
            if old_tag:
                self.old_tags.add((old_tag[1], old_tag[2]))
        elif not one.name.endswith("/"):  # what consoles make for an empty folder
            self.others += 1
            if len(self.examples) < EXAMPLES_AT_MOST:
                self.examples.append(one.name)

    @property
    def size_bytes(self) -> int:
        """Bytes of all that was seen."""
        return self.bytes_by_class.total()


class Compared(Struct):
    """An old repository as it is now against where its images should have gone.

    Attributes:
        manifests: how many it has.
        tags: how many it has.
        lacking: how many of these no target has.
        examples: some of these.
        origins: image paths that services and builds left there, by whose they are.
    """

    manifests: int = 0
    tags: int = 0
    lacking: int = 0
    examples: list[str] = field(default_factory=list)
    origins: Counter[Origin] = field(default_factory=Counter)

    @classmethod
    def of(cls, old: Held, moves: Moves, there: Mapping[str, Held]) -> Self:
        """Compare an old repository with its targets.

        Args:
            old: what it has.
            moves: where its images go.
            there: what target repositories have, by resource.
        """
        found = cls()
        for image, digests in old.manifests.items():
            origin = origin_of(image)
            if origin:
                found.origins[origin] += 1
            targets = [
                (there[resource], path)
                for resource, path in moves.targets.get(image, ())
                if resource in there
            ]
            for digest in digests:
                found.manifests += 1
                if not any(digest in held.manifests.get(path, ()) for held, path in targets):
                    found.lack(f"{image}@{digest}")
        for (image, tag), digest in old.tags.items():
            found.tags += 1
            if not any(
                there[resource].tags.get((path, tag)) == digest
                for resource, path in moves.targets.get(image, ())
                if resource in there
            ):
                found.lack(f"{image}:{tag}")
        return found

    def lack(self, name: str) -> None:
        """Take note of what no target has."""
        self.lacking += 1
        if len(self.examples) < EXAMPLES_AT_MOST:
            self.examples.append(name)


class Held(Struct):
    """What a target repository has.

    Attributes:
        manifests: digests by image path.
        tags: digest by image path and tag.
    """

    manifests: dict[str, set[str]] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, one: DockerImage) -> None:
        """Take in a manifest."""
        digest = str(one.digest)
        self.manifests.setdefault(one.path, set()).add(digest)
        self.tags |= {(one.path, tag): digest for tag in one.tags}


class BucketEvidence(Struct, frozen=True):
    """A bucket that Container Registry used.

    Attributes:
        name: its name.
        host: the host whose images it kept.
        settings: what decides about its end, or why that was not to be seen.
        contents: what lies in it, likewise.
        listed: what files say that Artifact Registry has for the host.
        lost: which of its blobs images need that Artifact Registry has not, whatever lists say;
            None if that was not asked.
    """

    name: str
    host: GcrHost
    settings: BucketSettings | MigrateError
    contents: BucketContents | MigrateError
    listed: Sequence[Listed] = ()
    lost: frozenset[str] | MigrateError | None = None


class RepositoryEvidence(Struct, frozen=True):
    """A repository that answers for a gcr.io host.

    Attributes:
        host: the host.
        facts: the repository.
        moves: where its images went; None if no migration file tells.
        compared: it against these places as they are now, or why that was not to be seen.
        virtual: virtual repositories that stand over it, or why these were not to be seen.
        pulls: what an audit log tells of it; None without a log.
    """

    host: GcrHost
    facts: RepositoryFacts
    moves: Moves | None
    compared: Compared | MigrateError | None
    virtual: tuple[str, ...] | MigrateError
    pulls: LoggedPulls | None


class LoggedPulls(Struct, frozen=True):
    """What an audit log tells of the pulls of one repository; times in milliseconds since 1970.

    Attributes:
        begins_ms: the first entry about its project; None if there is none.
        ends_ms: the last pull of anything in its project, likewise.
        last_ms: the last pull of its own images; None if there is none.
        last_name: what that was.
        pushed_ms: the last push to it, likewise.
        pushed_name: what that was.
        silences: days within the log of which it tells nothing, where that is odd.
    """

    begins_ms: int | None
    ends_ms: int | None
    last_ms: int | None = None
    last_name: str = ""
    pushed_ms: int | None = None
    pushed_name: str = ""
    silences: tuple[Silence, ...] = ()


class ProjectEvidence(Struct, frozen=True):
    """All that was seen of one project.

    Attributes:
        project: the project.
        facts: the project itself, or why it was not to be seen.
        redirect: its redirect setting, likewise.
        has_repository: by location whether its repositories could be listed, or why not.
        buckets: the buckets that are there.
        repositories: the repositories of gcr.io hosts that are there.
        unseen: what else was refused: what it is, and why.
    """

    project: Project
    facts: ProjectFacts | MigrateError
    redirect: RedirectSettings | MigrateError
    has_repository: Mapping[str, bool | MigrateError]
    buckets: tuple[BucketEvidence, ...] = ()
    repositories: tuple[RepositoryEvidence, ...] = ()
    unseen: tuple[tuple[str, MigrateError], ...] = ()


def _later(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)
