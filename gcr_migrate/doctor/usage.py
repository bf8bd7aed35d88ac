"""Tells which gcr.io hosts a project uses, by everything that was answered about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from gcr_migrate.doctor.checks import Step
from gcr_migrate.model.cloud import BucketFacts, Redirection, RedirectSettings
from gcr_migrate.model.names import repository_resource
from gcr_migrate.model.usage import REDIRECTED, holds_repository, is_there, never_migrated

if TYPE_CHECKING:
    from gcr_migrate.doctor.answers import Answers, HostAnswers, PlaceAnswers
    from gcr_migrate.model.names import GcrHost


class Host(Struct, frozen=True):
    """One host with all that is known about it.

    Attributes:
        host: the host.
        place: the project that it belongs to.
        answers: what the host itself and its bucket answered.
        named: whether a person asked for it by its name.
        others_have_bucket: whether a bucket of another host was found.
    """

    host: GcrHost
    place: PlaceAnswers
    answers: HostAnswers
    named: bool
    others_have_bucket: bool

    @property
    def shown(self) -> str:
        """Its name with the project's, as images have it."""
        return f"{self.host.name}/{self.place.place.project.path}"

    @property
    def resource(self) -> str:
        """The repository of Artifact Registry that its images are in, if it is there."""
        project = self.place.place.project
        return repository_resource(project, self.host.location, self.host.repository_id)

    @property
    def has_repository(self) -> bool | None:
        """Whether its repository exists; None if nobody tells."""
        return holds_repository(self.answers.pull, self.is_listed)

    @property
    def is_listed(self) -> bool | None:
        """Whether its repository exists by what Artifact Registry's API says."""
        return self.place.has_repository(self.resource)

    @property
    def has_bucket(self) -> bool | None:
        """Whether Container Registry's bucket is there; None if nobody tells."""
        return is_there(self.answers.bucket)

    @property
    def never_migrated(self) -> bool:
        """Whether Container Registry should answer; a part of the reads may do so elsewhere too."""
        return never_migrated(self.place.redirection, self.answers.pull)

    @property
    def is_idle(self) -> bool:
        """Whether nobody uses it, and nobody asked for it by its name."""
        if self.named or self.has_bucket:
            return False
        if self.never_migrated:  # then all four hosts answer so, those without images too
            return self.has_bucket is False and self.others_have_bucket
        return self.has_repository is False


def pointless(answers: Answers) -> frozenset[Step]:
    """Return the steps for which there is nothing left to do in the source's project."""
    place = answers.source
    if place is None or not answers.hosts:  # where no gcr.io name is read, none is redirected
        return frozenset({Step.DISCOVER, Step.REDIRECT, Step.RESCUE})
    settings = place.redirection
    if not isinstance(settings, RedirectSettings) or settings.state not in REDIRECTED:
        return frozenset()
    done = {Step.REDIRECT} if settings.state is Redirection.FINALIZED else set()
    lost = (host for host in hosts_of(answers) if host.has_bucket and not host.has_repository)
    return frozenset(done if any(lost) else done | {Step.RESCUE})


def visited_hosts(answers: Answers) -> frozenset[str]:
    """Return the gcr.io hosts that a plan asks: all that a spec has, else those in use."""
    if answers.case.has_spec:
        return frozenset(host.name for host in answers.hosts)
    return in_use(answers)


def in_use(answers: Answers) -> frozenset[str]:
    """Return the gcr.io hosts that matter: named ones, and those that are not known to be idle."""
    return frozenset(one.host.name for one in hosts_of(answers) if not one.is_idle)


def hosts_of(answers: Answers) -> list[Host]:
    """Return the hosts that were asked about, each with its answers."""
    place = answers.source
    if place is None:
        return []
    named = answers.case.hosts_named
    left = [host for host, found in answers.hosts.items() if isinstance(found.bucket, BucketFacts)]
    return [
        Host(host, place, found, named, any(other is not host for other in left))
        for host, found in answers.hosts.items()
    ]
