"""From answers to the check-list: pure, so that every answer can be tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate import errors
from gcr_migrate.doctor.above import above_checks
from gcr_migrate.doctor.addresses import dns_checks
from gcr_migrate.doctor.answers import Pull, why
from gcr_migrate.doctor.checks import Area, Check, Status, Step, given
from gcr_migrate.doctor.hosts import host_checks, pulled
from gcr_migrate.doctor.logins import clock_check, login_checks
from gcr_migrate.doctor.repositories import read_repository_checks
from gcr_migrate.doctor.rights import permission_checks
from gcr_migrate.doctor.rules import location_checks, policy_checks, repository_checks
from gcr_migrate.doctor.services import project_check, refusal_checks, service_checks
from gcr_migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.doctor.answers import Answers

_READS = frozenset({Step.PLAN, Step.APPLY, Step.VERIFY})


def judge(answers: Answers) -> tuple[Check, ...]:
    """Return the check-list of a case: one line for each thing that an asked step needs or uses."""
    order = list(Area)
    checks = [check for check in _all(answers) if check.verdicts]
    return tuple(sorted(checks, key=lambda check: order.index(check.area)))


def _all(answers: Answers) -> Iterator[Check]:
    yield from login_checks(answers)
    if answers.places:  # nobody else's signatures and tokens are judged by a clock here
        yield clock_check(answers)
    yield from dns_checks(answers)
    yield from refusal_checks(answers)
    for place in answers.places:
        yield project_check(place, answers.steps)
        yield from service_checks(place, answers)
        yield from permission_checks(place, answers)
        yield from above_checks(place, answers)
        yield from location_checks(place, answers)
        yield from repository_checks(place, answers)
        yield from policy_checks(place, answers)
    yield from host_checks(answers)
    yield from read_repository_checks(answers)
    yield from _plain_source(answers)
    yield from _plain_target(answers)


def _plain_source(answers: Answers) -> Iterator[Check]:
    """Judge a real pull from a registry that is not told by project."""
    registry, pull = answers.case.plain_source, answers.plain_pull
    if registry is None:
        return
    steps = _READS & answers.steps
    if isinstance(pull, MigrateError):
        verdicts = given(steps, Status.MISSING)
        yield Check(
            Area.PULL,
            registry.host,
            verdicts,
            why(pull),
            pull.problem.remedy,
            (),
            pull.problem.code,
        )
        return
    subject = pull.name if isinstance(pull, Pull) else registry.host
    yield Check(Area.PULL, subject, given(steps, Status.OK), pulled(pull))


def _plain_target(answers: Answers) -> Iterator[Check]:
    """Judge a plain target as far as that goes without writing to it."""
    registry, answer = answers.case.plain_target, answers.plain_target
    if registry is None:
        return
    steps = _READS & answers.steps
    if isinstance(answer, MigrateError) and answer.problem is not errors.DENIED:
        verdicts = given(steps, Status.MISSING)
        remedy, code = answer.problem.remedy, answer.problem.code
        yield Check(Area.REPOSITORY, registry.host, verdicts, why(answer), remedy, (), code)
        return
    verdicts = given(steps, Status.OK)
    if Step.APPLY in verdicts:
        verdicts[Step.APPLY] = Status.NOT_ASKED
    saw = "it answers; whether it may be written to is not asked without writing"
    yield Check(Area.REPOSITORY, registry.host, verdicts, saw)
