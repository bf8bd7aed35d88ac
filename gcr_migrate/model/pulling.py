"""A pull as docker makes it, step by step, and the marks by which it tells who answers a name."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import NOT_MIGRATED, UNREACHABLE, UNTRUSTED

if TYPE_CHECKING:
    from gcr_migrate.errors import MigrateError
    from gcr_migrate.model.content import Digest

HEADER: Final = "X-Gcr-Using-Artifact-Registry"
_DOWNLOADS: Final = "artifacts-downloads"  # FACTS section 3.2
_PERMISSIONS: Final = "artifactregistry."
_NO_REPOSITORY: Final = 'Repository "'  # FACTS section 2, kind F


class PullStep(StrEnum):
    """What a client does to pull an image, in this order."""

    PING = "ping"
    TOKEN = "token"  # noqa: S105  # a word
    MANIFEST = "manifest"
    BLOB = "blob"


class Answerer(StrEnum):
    """Who answers for a name."""

    ARTIFACT_REGISTRY = "artifact-registry"
    CONTAINER_REGISTRY = "container-registry"  # it is shut down, and says so
    OTHER = "other"  # without any mark of Artifact Registry
    NOBODY = "nobody"


class PullMarks(Struct, frozen=True):
    """What answers carried beside what was asked for.

    Attributes:
        header: value of `X-Gcr-Using-Artifact-Registry` in the last answer that had it; empty
            if none had.
        blob_from: first part of the path that the host redirected to for a blob's bytes; empty
            without that, or where it led to another host. The rest of it authorises who has it.
        refusal: a refusal in the service's own words.
    """

    header: str = ""
    blob_from: str = ""
    refusal: str = ""


class Pull(Struct, frozen=True):
    """What came of a pull.

    Attributes:
        marks: what the answers carried.
        digest: what the name resolved to; None if it did not get that far.
        failed: the step that failed; None if all of them worked.
        error: why it failed.
    """

    marks: PullMarks = PullMarks()
    digest: Digest | None = None
    failed: PullStep | None = None
    error: MigrateError | None = None

    @property
    def saw(self) -> str:
        """The step that failed and what was seen; empty where all worked."""
        if self.failed is None or self.error is None:
            return ""
        return f"{self.failed}: {self.error.told}"


def answerer(pull: Pull) -> Answerer:
    """Tell who answered a pull, by the first mark that says it."""
    problem = pull.error.problem if pull.error else None
    if problem is NOT_MIGRATED:
        return Answerer.CONTAINER_REGISTRY
    if evidence(pull):
        return Answerer.ARTIFACT_REGISTRY
    if problem in {UNREACHABLE, UNTRUSTED} and pull.digest is None:
        return Answerer.NOBODY
    return Answerer.OTHER


def evidence(pull: Pull) -> tuple[str, ...]:
    """Return in words the marks by which Artifact Registry shows itself in a pull."""
    marks = pull.marks
    found = []
    if marks.header.lower() == "true":
        found.append(f"{HEADER}: true")
    if marks.blob_from == _DOWNLOADS:
        found.append(f"blobs come from /{_DOWNLOADS}/")
    if _PERMISSIONS in marks.refusal:
        found.append("the refusal names a permission of Artifact Registry")
    elif _NO_REPOSITORY in marks.refusal:
        found.append("the refusal names a repository of Artifact Registry")
    return tuple(found)
