"""What was answered: for each question a value, or the error that came instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct, field

from gcr_migrate import errors
from gcr_migrate.doctor.checks import Check, Status, given
from gcr_migrate.doctor.remedies import member_of
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.caller import ANONYMOUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gcr_migrate.doctor.checks import Area, Case, Place, Step
    from gcr_migrate.model.address import Way
    from gcr_migrate.model.caller import Caller
    from gcr_migrate.model.cloud import (
        BucketFacts,
        OrgPolicy,
        ProjectFacts,
        RedirectSettings,
        RepositoryFacts,
    )
    from gcr_migrate.model.names import GcrHost

T = TypeVar("T")

ARTIFACT_REGISTRY: Final = "artifactregistry.googleapis.com"
RESOURCE_MANAGER: Final = "cloudresourcemanager.googleapis.com"
SERVICE_USAGE: Final = "serviceusage.googleapis.com"
ORG_POLICY: Final = "orgpolicy.googleapis.com"
STORAGE: Final = "storage.googleapis.com"
BUCKET: Final = "gs://"


class Pull(Struct, frozen=True):
    """An image that was really pulled: its manifest, and the beginning of one blob.

    Attributes:
        name: full name with its digest.
        blob_bytes: bytes of the blob that were read; None if it has no blob to read.
    """

    name: str
    blob_bytes: int | None


class PlaceAnswers(Struct, frozen=True):
    """What was asked about a project with the credentials of one side.

    Attributes:
        place: the project and the side.
        caller: whose credentials those are.
        facts: the project itself.
        enabled: its services that are on, of those asked for.
        held: permissions on the project, of those asked for, by the first word of their names.
        redirection: the redirect setting; None if it does not matter here.
        policies: organisation policies by constraint.
        locations: where repositories may be.
        repositories: repositories by location.
        held_on: permissions by repository, and by bucket, which is named `gs://…`.
        above: whether the policy of each folder and of the organisation that it lies in may be
            read; None if that does not matter here.
    """

    place: Place
    caller: Caller | MigrateError
    facts: ProjectFacts | MigrateError
    enabled: frozenset[str] | MigrateError
    held: Mapping[str, frozenset[str] | MigrateError]
    redirection: RedirectSettings | MigrateError | None
    policies: Mapping[str, OrgPolicy | MigrateError | None]
    locations: tuple[str, ...] | MigrateError
    repositories: Mapping[str, tuple[RepositoryFacts, ...] | MigrateError]
    held_on: Mapping[str, frozenset[str] | MigrateError] = field(default_factory=dict)
    above: Mapping[str, bool | MigrateError] | MigrateError | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is somebody at all who asks."""
        return not isinstance(self.caller, MigrateError) and self.caller != ANONYMOUS

    @property
    def member(self) -> str:
        """Whose credentials those are, as policies name it."""
        known = "" if isinstance(self.caller, MigrateError) else self.caller.account
        return member_of(known)

    def repository(self, resource: str) -> RepositoryFacts | MigrateError | None:
        """Return what a list shows of a repository; None: it is not there."""
        listed = self.repositories.get(resource.split("/")[3], ())
        if isinstance(listed, MigrateError):
            asked = self.held_on.get(resource)
            absent = isinstance(asked, MigrateError) and asked.problem in errors.NOT_THERE
            return None if absent else listed
        return next((one for one in listed if one.resource == resource), None)

    def has_repository(self, resource: str) -> bool | None:
        """Whether a repository is there; None where lists are refused and nothing else tells it."""
        found = self.repository(resource)
        if not isinstance(found, MigrateError):
            return found is not None
        held = self.held_on.get(resource)
        return True if held and not isinstance(held, MigrateError) else None

    def held_of(self, permission: str) -> frozenset[str] | MigrateError:
        """Return the answer that has a permission in it if it is held on the project."""
        return self.held.get(service_of(permission), frozenset())

    def errors(self) -> Iterator[tuple[str, MigrateError]]:
        """Each refusal, with the service that it came from."""
        answers: list[tuple[str, object]] = [
            (RESOURCE_MANAGER, self.facts),
            *((RESOURCE_MANAGER, one) for one in self.held.values()),
            (SERVICE_USAGE, self.enabled),
            (ARTIFACT_REGISTRY, self.redirection),
            (ARTIFACT_REGISTRY, self.locations),
            *((ORG_POLICY, one) for one in self.policies.values()),
            *((ARTIFACT_REGISTRY, one) for one in self.repositories.values()),
            *(
                (STORAGE if name.startswith(BUCKET) else ARTIFACT_REGISTRY, one)
                for name, one in self.held_on.items()
            ),
        ]
        for service, answer in answers:
            if isinstance(answer, MigrateError):
                yield service, answer


class HostAnswers(Struct, frozen=True):
    """What was asked about one gcr.io host of the source's project.

    Attributes:
        bucket: the bucket that Container Registry used; None: there is none.
        pull: the image that was pulled; None: there is no image to pull.
    """

    bucket: BucketFacts | MigrateError | None
    pull: Pull | MigrateError | None


class Answers(Struct, frozen=True):
    """Everything that was asked about one case.

    Attributes:
        case: what a person asked about.
        steps: the steps that they asked for.
        places: the projects.
        hosts: the gcr.io hosts of the source's project.
        repository_pulls: an image of each repository that is read by its own name, as for hosts.
        plain_pull: an image of the plain source; None: there was none, or no such source.
        plain_target: whether the plain target answers; None: there is no such target.
        ways: how each host is reached.
        skew_s: how far the clock of this machine is ahead of Google's; None if unknown.
        now_s: the time, in seconds since 1970.
    """

    case: Case
    steps: frozenset[Step]
    places: tuple[PlaceAnswers, ...]
    hosts: Mapping[GcrHost, HostAnswers]
    repository_pulls: Mapping[str, Pull | MigrateError | None] | MigrateError
    plain_pull: Pull | MigrateError | None
    plain_target: bool | MigrateError | None
    ways: Mapping[str, Way | MigrateError]
    skew_s: float | None
    now_s: float

    @property
    def source(self) -> PlaceAnswers | None:
        """The answers about the source's project."""
        return next((one for one in self.places if "source" in one.place.serves), None)

    @property
    def target(self) -> PlaceAnswers | None:
        """The answers about the target's project."""
        return next((one for one in self.places if "target" in one.place.serves), None)


LOGIN_PROBLEMS: Final = frozenset(
    {errors.UNAUTHORIZED, errors.TOKEN_EXPIRED, errors.NO_CREDENTIALS, errors.BAD_CREDENTIALS}
    | {errors.IMPERSONATION_REFUSED}
)
# One cause, told once; the questions that met it only say that they could not be asked.
ROOTS: Final = LOGIN_PROBLEMS | {
    errors.API_DISABLED,
    errors.PERIMETER,
    errors.BILLING_OFF,
    errors.QUOTA_PROJECT,
    errors.UNREACHABLE,
    errors.UNTRUSTED,
    errors.ENDPOINT_UNMAPPED,
    errors.BAD_REPLY,
    errors.SERVER_ERROR,
    *errors.TOO_MANY,
}


def service_of(permission: str) -> str:
    """Return the first word of a permission, such as `artifactregistry`."""
    return permission.partition(".")[0]


def reason(error: MigrateError) -> str:
    """Return why something could not be asked, without details that another line tells."""
    return error.problem.title if error.problem in ROOTS else why(error)


def why(error: MigrateError) -> str:
    """Return in one line what an error says."""
    return f"{error.problem.title}: {error.saw}".removesuffix(": ")


def not_asked(  # the parts of a line
    area: Area,
    subject: str,
    steps: Iterable[Step],
    error: MigrateError,
    *,
    grant: str = "",
    remedy: str = "",
) -> Check:
    """Return the line of something that could not be asked.

    Args:
        area: what it is about.
        subject: full name of what was looked at.
        steps: the steps that would like to know.
        error: what came instead of an answer.
        grant: command that lets the caller know, where only a permission is missing.
        remedy: that in words.
    """
    verdicts, code = given(steps, Status.NOT_ASKED), error.problem.code
    if not grant or error.problem is not errors.DENIED:
        return Check(area, subject, verdicts, reason(error), code=code)
    return Check(area, subject, verdicts, reason(error), remedy, (grant,), code)
