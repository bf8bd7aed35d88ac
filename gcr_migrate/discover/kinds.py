"""From evidence to the kind of a host and the job to do next: pure, so that all can be tried."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.discover.evidence import Answer
from gcr_migrate.discover.opinions import disagreements, evidence_words
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import Redirection, RedirectSettings
from gcr_migrate.model.usage import COPYING, NOT_REDIRECTED, PARTIAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.discover.evidence import HostEvidence, ProjectEvidence


class Kind(StrEnum):
    """What a gcr.io host of a project is, years after Container Registry was shut down."""

    REDIRECTED = "A"
    BORN_IN_ARTIFACT_REGISTRY = "B"
    NEVER_MIGRATED = "C"
    STUCK_COPYING = "D"
    UNFINISHED_CANARY = "E"
    REPOSITORY_MISSING = "F"
    NOT_IN_USE = "G"
    SOMEBODY_ELSES = "H"
    API_DISABLED = "I"


class Job(StrEnum):
    """What to do with a host."""

    SPLIT = "split"
    VERIFY = "verify"
    RESCUE = "rescue"
    FINISH_COPY = "finish-copy"
    CREATE_REPOSITORY = "create-repository"
    ENABLE_API = "enable-api"
    REWRITE = "rewrite-references"
    LEAVE = "leave-alone"
    LOOK = "look-again"  # with more rights, or when it answers


JOBS: Final[dict[Kind, tuple[Job, ...]]] = {
    Kind.REDIRECTED: (Job.SPLIT, Job.VERIFY),
    Kind.BORN_IN_ARTIFACT_REGISTRY: (Job.SPLIT, Job.VERIFY),
    Kind.NEVER_MIGRATED: (Job.RESCUE, Job.SPLIT, Job.VERIFY),
    Kind.STUCK_COPYING: (Job.FINISH_COPY, Job.SPLIT, Job.VERIFY),
    Kind.UNFINISHED_CANARY: (Job.FINISH_COPY, Job.SPLIT, Job.VERIFY),
    Kind.REPOSITORY_MISSING: (Job.CREATE_REPOSITORY, Job.RESCUE),
    Kind.NOT_IN_USE: (Job.REWRITE,),
    Kind.SOMEBODY_ELSES: (Job.LEAVE,),
    Kind.API_DISABLED: (Job.ENABLE_API,),
}
TITLES: Final[dict[Kind, str]] = {
    Kind.REDIRECTED: "redirected to Artifact Registry; its bucket is left over",
    Kind.BORN_IN_ARTIFACT_REGISTRY: "in Artifact Registry, without a bucket",
    Kind.NEVER_MIGRATED: "never migrated: the name answers 412",
    Kind.STUCK_COPYING: "redirected, and still copying",
    Kind.UNFINISHED_CANARY: "only a part of the reads is redirected; the others fail",
    Kind.REPOSITORY_MISSING: "redirected to a repository that is not there",
    Kind.NOT_IN_USE: "not in use: neither repository nor bucket",
    Kind.SOMEBODY_ELSES: "a public project of somebody else",
    Kind.API_DISABLED: "Artifact Registry's API is off in the project",
}


class Verdict(Struct, frozen=True):
    """What a host is.

    Attributes:
        kind: its kind; None if what could be seen does not say it.
        jobs: what to do, the next thing first.
        evidence: what that rests on.
        doubts: what may make it another kind.
        disagreements: opinions that contradict each other, each with both sides.
        unseen: what could not be seen and bears on the kind, with the reason.
    """

    kind: Kind | None
    jobs: tuple[Job, ...]
    evidence: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    disagreements: tuple[str, ...] = ()
    unseen: tuple[tuple[str, MigrateError], ...] = ()

    @property
    def is_seen(self) -> bool:
        """Whether nothing that the kind depends on was hidden."""
        return self.kind is not None and not self.unseen


def judge(project: ProjectEvidence, host: HostEvidence) -> Verdict:
    """Return what a host of a project is, by all the evidence there is."""
    kind = _kind(project, host)
    doubts = tuple(_doubts(project, host, kind))
    unseen = tuple(_unseen(project, host, kind))
    return Verdict(
        kind=kind,
        jobs=_jobs(project, host, kind),
        evidence=tuple(evidence_words(project, host)),
        doubts=doubts,
        disagreements=tuple(disagreements(project, host)),
        unseen=unseen,
    )


def _kind(project: ProjectEvidence, host: HostEvidence) -> Kind | None:
    if project.is_somebody_elses:
        return Kind.SOMEBODY_ELSES
    if project.is_api_disabled:
        return Kind.API_DISABLED
    return Kind.NOT_IN_USE if _is_idle(project, host) else _kind_in_use(project, host)


def _kind_in_use(project: ProjectEvidence, host: HostEvidence) -> Kind | None:
    settings = project.settings
    state = settings.state if isinstance(settings, RedirectSettings) else Redirection.UNKNOWN
    if state in PARTIAL:
        return Kind.UNFINISHED_CANARY
    if state in COPYING:
        return Kind.STUCK_COPYING
    if project.never_migrated(host):
        return _never_migrated(host)
    return _in_artifact_registry(host, may_be_redirected=state not in NOT_REDIRECTED)


def _is_idle(project: ProjectEvidence, host: HostEvidence) -> bool:
    """Whether nobody uses a host: it has neither a repository nor a bucket, for all that is known.

    All four hosts of a project that never migrated answer 412, those without images too: one
    without a bucket is idle if the bucket of another shows what the project used.
    """
    if host.has_repository or host.bucket.is_there is not False:
        return False
    if project.never_migrated(host):
        return any(one.bucket.is_there for one in project.hosts if one is not host)
    return host.has_repository is False


def _never_migrated(host: HostEvidence) -> Kind:
    """Judge a host that answers 412; images may have been pushed to its newer name all the same."""
    born_there = host.is_listed and host.bucket.is_there is False
    return Kind.BORN_IN_ARTIFACT_REGISTRY if born_there else Kind.NEVER_MIGRATED


def _in_artifact_registry(host: HostEvidence, *, may_be_redirected: bool) -> Kind | None:
    if not may_be_redirected and host.bucket.is_there:
        # A repository may have been made ahead; its images are still those of the bucket.
        answers = host.answer is Answer.ARTIFACT_REGISTRY
        return Kind.REDIRECTED if answers else Kind.NEVER_MIGRATED
    if host.has_repository:
        known = host.bucket.is_there is False
        return Kind.BORN_IN_ARTIFACT_REGISTRY if known else Kind.REDIRECTED
    if host.has_repository is None or host.bucket.is_there is None:
        return None  # it may be either not in use, or have lost its repository
    return Kind.REPOSITORY_MISSING


def _jobs(project: ProjectEvidence, host: HostEvidence, kind: Kind | None) -> tuple[Job, ...]:
    if kind is None:
        return (Job.LOOK,)
    jobs = JOBS[kind]
    if host.images == () and Job.SPLIT in jobs:  # nothing is there to be split
        jobs = tuple(one for one in jobs if one is not Job.SPLIT)
        if kind is Kind.BORN_IN_ARTIFACT_REGISTRY:
            return (Job.LEAVE,)
    missing = host.has_repository is False
    if missing and kind in {Kind.STUCK_COPYING, Kind.UNFINISHED_CANARY}:
        return (Job.CREATE_REPOSITORY, *jobs)
    if kind is Kind.BORN_IN_ARTIFACT_REGISTRY and project.never_migrated(host):
        return (Job.VERIFY, Job.SPLIT)
    return jobs


def _doubts(project: ProjectEvidence, host: HostEvidence, kind: Kind | None) -> Iterator[str]:
    settings = project.settings
    unknown = isinstance(settings, RedirectSettings) and settings.state is Redirection.UNKNOWN
    if unknown and kind is not Kind.SOMEBODY_ELSES:
        yield "the redirect setting is a word that this version does not know"
    if kind in {Kind.REDIRECTED, Kind.BORN_IN_ARTIFACT_REGISTRY}:
        yield from _doubts_of_images(project, host, kind)
    elif kind is Kind.NEVER_MIGRATED:
        if host.bucket.is_there is False:
            yield "its bucket is not there: it was deleted, or the host was never used"
        if not project.never_migrated(host):
            yield "it is not redirected, and its bucket is there; it did not answer 412"
    elif kind is Kind.NOT_IN_USE and host.word:
        yield f"the host's own word on its use is {host.word}"
    elif kind is None:
        yield from _doubts_of_unknown(project, host)


def _doubts_of_images(project: ProjectEvidence, host: HostEvidence, kind: Kind) -> Iterator[str]:
    if isinstance(project.settings, MigrateError):
        yield "the redirect setting could not be read: it may still be copying"
    if kind is Kind.REDIRECTED and host.bucket.is_there is None:
        yield "whether a bucket is left could not be seen: without one it is of kind B"
    if kind is Kind.REDIRECTED and host.images == ():
        yield "its repository is empty though its bucket is there: a copy may have brought nothing"
    if kind is Kind.BORN_IN_ARTIFACT_REGISTRY and project.never_migrated(host):
        yield f"only {project.ar_name(host)} reaches its images: the redirect is not enabled"


def _doubts_of_unknown(project: ProjectEvidence, host: HostEvidence) -> Iterator[str]:
    if project.is_ours is False:
        yield "there is no such project, or all of it is hidden from this caller"
    elif host.has_repository is False:
        yield "with a bucket it lost its repository (kind F), without one it is not in use (G)"
    elif host.bucket.is_there:
        yield "with a repository it is redirected (kind A), without one it lost it (F)"


def _unseen(
    project: ProjectEvidence, host: HostEvidence, kind: Kind | None
) -> Iterator[tuple[str, MigrateError]]:
    """Give what was refused and might change the kind; of what is decided nothing does."""
    if kind in {Kind.SOMEBODY_ELSES, Kind.API_DISABLED}:
        return
    if isinstance(project.settings, MigrateError):
        yield f"redirect setting of {project.project}", project.settings
    if host.bucket.is_there is None:
        views = (host.bucket.named, host.bucket.searched)
        refused = next((one for one in views if isinstance(one, MigrateError)), None)
        if refused:
            yield f"bucket {host.bucket.name}", refused
    if isinstance(host.repository, MigrateError) and host.answer is not Answer.ARTIFACT_REGISTRY:
        yield f"repositories in {host.host.location} of {project.project}", host.repository
    answer = host.answer
    if not isinstance(answer, MigrateError):
        return
    decided = answer.problem in errors.NOT_THERE | {errors.NOT_MIGRATED}
    if not decided and not (answer.problem is errors.DENIED and host.is_listed is not None):
        yield project.shown(host), answer
