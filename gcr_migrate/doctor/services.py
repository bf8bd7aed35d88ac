"""Judges projects, their services, and refusals that have one cause for many questions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.doctor.answers import (
    ARTIFACT_REGISTRY,
    LOGIN_PROBLEMS,
    ORG_POLICY,
    RESOURCE_MANAGER,
    ROOTS,
    SERVICE_USAGE,
    STORAGE,
    PlaceAnswers,
    not_asked,
    why,
)
from gcr_migrate.doctor.checks import Area, Check, Status, Step, given
from gcr_migrate.doctor.remedies import (
    enable_service,
    grant_on_project,
    grant_quota_use,
    link_billing,
)
from gcr_migrate.doctor.usage import visited_hosts
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import ar_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gcr_migrate.doctor.answers import Answers
    from gcr_migrate.errors import Problem

SCANNING: Final = "containerscanning.googleapis.com"
ASSETS: Final = "cloudasset.googleapis.com"
IAM: Final = "iam.googleapis.com"
_ALL: Final = frozenset(Step)
_WRITE: Final = frozenset({Step.APPLY, Step.RESCUE})
# What a step needs is missing without it; what it uses tells it more.
USED_BY: Final[Mapping[str, frozenset[Step]]] = {
    ARTIFACT_REGISTRY: _ALL,
    RESOURCE_MANAGER: frozenset({Step.DISCOVER, Step.RESCUE}),
    SERVICE_USAGE: frozenset({Step.DISCOVER}),
    STORAGE: frozenset({Step.DISCOVER, Step.RESCUE}),
    ASSETS: frozenset({Step.DISCOVER, Step.RESCUE}),
    IAM: frozenset({Step.RESCUE}),
    ORG_POLICY: _WRITE,
    SCANNING: _WRITE,
}
# Where access is carried over, a plan reads who has it.
_USED_FOR_ACCESS: Final = frozenset({RESOURCE_MANAGER, IAM, STORAGE})
NEEDED: Final = frozenset({ARTIFACT_REGISTRY})
SERVICES: Final = tuple(USED_BY)
_ENABLE: Final = re.compile(r"gcloud services enable \S+ --project=([\w:.-]+)")
_QUOTA_PROJECT: Final = re.compile(r"\bproject ([a-z0-9][a-z0-9:.-]*[a-z0-9])")
_ANSWERS: Final = errors.NOT_THERE | {errors.DENIED}
_SEES_SERVICES: Final = "roles/serviceusage.serviceUsageViewer"
_TOLD_ELSEWHERE: Final = LOGIN_PROBLEMS | {errors.API_DISABLED}


def project_check(place: PlaceAnswers, asked: frozenset[Step]) -> Check:
    """Judge whether the project is there and in use."""
    steps, project = place.place.steps & asked, place.place.project.id
    facts = place.facts
    if isinstance(facts, MigrateError):
        if facts.problem is not errors.DENIED:
            return not_asked(Area.PROJECT, project, steps, facts)
        verdicts = given(steps, Status.NOT_ASKED)
        grant = grant_on_project(project, place.member, "roles/browser")
        saw = f"hidden from this caller, or no such project: {facts.saw}".removesuffix(": ")
        remedy = "Check the spelling; a role that shows the project also tells its organisation."
        return Check(Area.PROJECT, project, verdicts, saw, remedy, (grant,), facts.problem.code)
    inside = f"number {facts.number}" + (f", in {facts.parent}" if facts.parent else "")
    if not facts.active:
        remedy = "Restore it within 30 days of its deletion, or name another project."
        commands = (f"gcloud projects undelete {project}",)
        missing = given(steps, Status.MISSING)
        return Check(Area.PROJECT, project, missing, f"deleted; {inside}", remedy, commands)
    return Check(Area.PROJECT, project, given(steps, Status.OK), inside)


def service_checks(place: PlaceAnswers, answers: Answers) -> Iterator[Check]:
    """Judge each service by the list of enabled ones and by what its own refusals say."""
    refused = {
        service if service in USED_BY else ARTIFACT_REGISTRY: error
        for service, error in _all_errors(place, answers)
        if error.problem is errors.API_DISABLED
    }
    for service, usual in USED_BY.items():
        reads = answers.case.bases and service in _USED_FOR_ACCESS
        users = usual | {Step.PLAN} if reads else usual
        touched = place.place.writing if users == _WRITE else place.place.steps
        steps = users & touched & answers.steps
        if service == SCANNING:
            yield _scanning(place, steps)
        else:
            yield _service(place, service, refused.get(service), steps)


def _service(
    place: PlaceAnswers, service: str, refused: MigrateError | None, steps: frozenset[Step]
) -> Check:
    project = place.place.project.id
    missing = Status.MISSING if service in NEEDED else Status.WARNING
    code, remedy = errors.API_DISABLED.code, errors.API_DISABLED.remedy
    commands = (enable_service(_consumer(place, refused), service),)
    subject = f"{service} in {project}"

    def line(status: Status, saw: str, *, mend: bool = False) -> Check:
        verdicts = given(steps, status)
        if not mend:
            return Check(Area.SERVICE, subject, verdicts, saw)
        return Check(Area.SERVICE, subject, verdicts, saw, remedy, commands, code)

    if refused:
        return line(missing, why(refused), mend=True)
    if not isinstance(place.enabled, MigrateError):
        if service in place.enabled:
            return line(Status.OK, "enabled")
        return line(missing, "not enabled", mend=True)
    if service == ARTIFACT_REGISTRY and _answered(place):
        return line(Status.OK, "it answers; the list of enabled services could not be read")
    return _unknown(place, subject, steps, place.enabled)


def _consumer(place: PlaceAnswers, refused: MigrateError | None) -> str:
    """Return the project in which a service has to be enabled: not always the one asked about."""
    project, facts = place.place.project.id, place.facts
    found = _ENABLE.search(refused.saw) if refused else None
    own = "" if isinstance(facts, MigrateError) else facts.number
    return found[1] if found and own and found[1] not in {own, project} else project


def _answered(place: PlaceAnswers) -> bool:
    """Whether the service itself said anything; a refusal for want of a permission counts."""
    if any(not isinstance(one, MigrateError) for one in place.repositories.values()):
        return True
    refusals = (error for service, error in place.errors() if service == ARTIFACT_REGISTRY)
    return any(error.problem in _ANSWERS for error in refusals)


def _unknown(
    place: PlaceAnswers, subject: str, steps: frozenset[Step], error: MigrateError
) -> Check:
    """Tell that the list of services cannot be read, and which role would show it."""
    grant = grant_on_project(place.place.project.id, place.member, _SEES_SERVICES)
    remedy = "Grant the role that shows enabled services."
    return not_asked(Area.SERVICE, subject, steps, error, grant=grant, remedy=remedy)


def _scanning(place: PlaceAnswers, steps: frozenset[Step]) -> Check:
    """Warn of a service that charges for each image that is pushed."""
    subject = f"{SCANNING} in {place.place.project.id}"
    if isinstance(place.enabled, MigrateError):
        return _unknown(place, subject, steps, place.enabled)
    if SCANNING not in place.enabled:
        verdicts = given(steps, Status.OK)
        return Check(Area.SERVICE, subject, verdicts, "not enabled: pushed images cost no scan")
    saw = "enabled: each image digest that is pushed is scanned for a fee, about $0.26"
    remedy = "Let it be, or switch scanning off on the new repositories until the copy is done."
    verdicts = given(steps, Status.WARNING)
    return Check(Area.SERVICE, subject, verdicts, saw, remedy)


def refusal_checks(answers: Answers) -> Iterator[Check]:
    """Tell each cause of refusals once, with all services that it stops."""
    for place in answers.places:
        found: dict[Problem, list[tuple[str, MigrateError]]] = {}
        for service, error in _all_errors(place, answers):
            if error.problem in ROOTS - _TOLD_ELSEWHERE:
                found.setdefault(error.problem, []).append((service, error))
        yield from (_refusal(place, met, answers) for met in found.values())


def _refusal(place: PlaceAnswers, met: list[tuple[str, MigrateError]], answers: Answers) -> Check:
    project, error = place.place.project.id, met[0][1]
    services = list(dict.fromkeys(service for service, _ in met))
    needed = any(one in NEEDED or one not in USED_BY for one in services)
    status = Status.MISSING if needed else Status.WARNING
    steps = place.place.steps & answers.steps
    return Check(
        Area.REFUSAL,
        f"{', '.join(services)} in {project}",
        given(steps, status),
        why(error),
        error.problem.remedy,
        _commands(place, error),
        error.problem.code,
    )


def _commands(place: PlaceAnswers, error: MigrateError) -> tuple[str, ...]:
    project = place.place.project.id
    if error.problem is errors.BILLING_OFF:
        return (link_billing(project),)
    if error.problem is errors.QUOTA_PROJECT:
        named = _QUOTA_PROJECT.search(error.saw)
        return (grant_quota_use(named[1] if named else "QUOTA_PROJECT", place.member),)
    return ()


def _all_errors(place: PlaceAnswers, answers: Answers) -> Iterable[tuple[str, MigrateError]]:
    """Each refusal with the service or the registry host that it came from."""
    yield from place.errors()
    if "source" in place.place.serves:
        visited = visited_hosts(answers)
        for name, host in answers.hosts.items():
            if isinstance(host.pull, MigrateError) and name.name in visited:
                yield name.name, host.pull
            if isinstance(host.bucket, MigrateError):
                yield STORAGE, host.bucket
        pulls = answers.repository_pulls
        for pull in pulls.values() if not isinstance(pulls, MigrateError) else ():
            if isinstance(pull, MigrateError):
                yield ar_host(answers.case.read_location), pull
