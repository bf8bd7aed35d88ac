"""What the check-list is about and what its lines say, as values."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.model.names import GcrHost, Project

Side = Literal["source", "target"]


class Step(StrEnum):
    """A step of a migration that something could stop."""

    DISCOVER = "discover"
    PLAN = "plan"
    APPLY = "apply"
    VERIFY = "verify"
    REDIRECT = "redirect"
    RESCUE = "rescue"


class Status(StrEnum):
    """What is known about one thing that a step needs or uses."""

    OK = "ok"
    NOT_ASKED = "not-asked"  # it could not be asked, which proves nothing
    WARNING = "warning"
    MISSING = "missing"


class Area(StrEnum):
    """What a check is about; in the order of the list."""

    CREDENTIALS = "credentials"
    CLOCK = "clock"
    DNS = "dns"
    PROJECT = "project"
    SERVICE = "service"
    REFUSAL = "refusal"
    PERMISSION = "permission"
    PULL = "pull"
    HOST = "host"
    REDIRECT = "redirect"
    BUCKET = "bucket"
    LOCATION = "location"
    REPOSITORY = "repository"
    POLICY = "policy"


_WEIGHT: Final = {status: weight for weight, status in enumerate(Status)}
STEPS_OF: Final[Mapping[Side, frozenset[Step]]] = {
    "source": frozenset(Step),
    "target": frozenset({Step.PLAN, Step.APPLY, Step.VERIFY}),
}


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Return steps in the order in which a migration takes them."""
    return sorted(steps, key=list(Step).index)


def given(steps: Iterable[Step], status: Status) -> dict[Step, Status]:
    """Return the same verdict for each of these steps."""
    return dict.fromkeys(in_order(steps), status)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the one that weighs most; ok if there is none."""
    return max(statuses, key=_WEIGHT.__getitem__, default=Status.OK)


class Check(Struct, frozen=True):
    """One line of the list.

    Attributes:
        area: what it is about.
        subject: full name of what was looked at.
        verdicts: what that means for each step that needs or uses it.
        saw: what was seen there, or why nothing could be.
        remedy: what to do, in words; empty if nothing is to be done.
        commands: what can be pasted for that.
        code: code of the catalogue, where a refusal is the finding.
    """

    area: Area
    subject: str
    verdicts: Mapping[Step, Status]
    saw: str = ""
    remedy: str = ""
    commands: tuple[str, ...] = ()
    code: str = ""

    @property
    def status(self) -> Status:
        """What it means for the step that is hit worst."""
        return worst(self.verdicts.values())


class PlainRegistry(Struct, frozen=True):
    """A registry that is not told by project: where it is and how it speaks."""

    host: str
    dialect: str
    plain_http: bool | None = None


class Case(Struct, frozen=True):
    """What a person asked about.

    Attributes:
        name: as it was written: a project, a pasted name, a spec file.
        source: project whose gcr.io names or repositories are read; None for a plain registry.
        target: project that gets repositories; None for a plain registry.
        hosts: gcr.io hosts that are looked at.
        hosts_named: a person named these hosts, so each of them has to be there.
        paths: only these image paths are of interest; empty: all. They begin with the repository
            where repositories are read.
        read_location: where repositories are read by their own names; empty where gcr.io names or
            a plain registry is read.
        read_repositories: those that are read, as resources; empty: all of the location.
        plain_source: the plain registry that is read instead of a project.
        plain_target: the plain registry that is written to instead of a project.
        locations: locations of target repositories; empty: those of the hosts in use.
        repositories: target repositories that were named, `projects/P/locations/L/repositories/R`.
        all_named: whether nothing is written to any other target repository than those.
        has_spec: whether a spec says what is wanted.
        grants: whether access is granted on target repositories.
        bases: whose access is carried over: `auto`, `repository`, `bucket`; empty: nobody's.
        public_grants: whether some of that opens a repository to everybody.
        has_key: whether every route of the spec gives an encryption key.
        one_login: whether both sides use the same credentials.
    """

    name: str
    source: Project | None
    target: Project | None
    hosts: tuple[GcrHost, ...] = ()
    hosts_named: bool = False
    paths: tuple[str, ...] = ()
    read_location: str = ""
    read_repositories: tuple[str, ...] = ()
    plain_source: PlainRegistry | None = None
    plain_target: PlainRegistry | None = None
    locations: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    all_named: bool = False
    has_spec: bool = False
    grants: bool = False
    bases: frozenset[str] = frozenset()
    public_grants: bool = False
    has_key: bool = False
    one_login: bool = True

    @property
    def places(self) -> tuple[Place, ...]:
        """The projects to ask about, each once if one login sees both sides."""
        if self.source and self.source == self.target and self.one_login:
            return (Place("source", self.source, frozenset({"source", "target"})),)
        found = []
        if self.source:
            found.append(Place("source", self.source, frozenset({"source"})))
        if self.target:
            found.append(Place("target", self.target, frozenset({"target"})))
        return tuple(found)


class Place(Struct, frozen=True):
    """A project as one side of a migration sees it.

    Attributes:
        side: whose credentials ask.
        project: the project.
        serves: the sides that it is.
    """

    side: Side
    project: Project
    serves: frozenset[Side]

    @property
    def steps(self) -> frozenset[Step]:
        """The steps that have to do with it."""
        return frozenset(step for side in self.serves for step in STEPS_OF[side])

    @property
    def writing(self) -> frozenset[Step]:
        """The steps that create something in it."""
        steps: Mapping[Side, Step] = {"source": Step.RESCUE, "target": Step.APPLY}
        return frozenset(steps[side] for side in self.serves)
