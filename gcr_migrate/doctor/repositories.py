"""Judges the repositories that are read by their own names: what they are, and a real pull."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.doctor.answers import ROOTS, Pull, not_asked, reason
from gcr_migrate.doctor.checks import Area, Check, Status, Step, given
from gcr_migrate.doctor.hosts import pulled
from gcr_migrate.doctor.remedies import grant_on_project
from gcr_migrate.doctor.rights import GRANT_LEAST, download_grants
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import DOCKER
from gcr_migrate.model.names import ar_host, ar_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.doctor.answers import Answers, PlaceAnswers
    from gcr_migrate.model.cloud import RepositoryFacts

_LISTER: Final = "roles/artifactregistry.reader"
_READS: Final = frozenset({Step.PLAN, Step.APPLY, Step.VERIFY})


def read_repository_checks(answers: Answers) -> Iterator[Check]:
    """Judge each repository that is named as a source, or all those of a location."""
    place, case = answers.source, answers.case
    if place is None or not case.read_location:
        return
    pulls, steps = answers.repository_pulls, _READS & answers.steps
    if isinstance(pulls, MigrateError):  # they could not be listed
        project = place.place.project.id
        grants = (grant_on_project(project, place.member, _LISTER),)
        subject = f"repositories of {project} in {case.read_location}"
        yield _failed(Area.REPOSITORY, subject, pulls, steps, grants)
        return
    for resource in case.read_repositories:
        yield _kind(resource, place.repository(resource), steps)
    for resource, pull in pulls.items():
        if place.has_repository(resource) is not False:
            yield _pull(place, resource, pull, answers)


def _kind(
    resource: str, found: RepositoryFacts | MigrateError | None, steps: frozenset[Step]
) -> Check:
    """Say what a repository is; it is there if its source is to be read."""
    if isinstance(found, MigrateError):
        return not_asked(Area.REPOSITORY, resource, steps, found)

    def line(problem: errors.Problem, status: Status, saw: str) -> Check:
        verdicts = given(steps, status)
        return Check(Area.REPOSITORY, resource, verdicts, saw, problem.remedy, code=problem.code)

    if found is None:
        return line(errors.REPOSITORY_MISSING, Status.MISSING, "it is to be read and is not there")
    if found.format != DOCKER:
        return line(errors.NOT_DOCKER, Status.MISSING, f"its format is {found.format}")
    if not found.is_standard:
        return line(errors.NOT_STANDARD, Status.WARNING, f"it is a {found.mode}")
    return Check(Area.REPOSITORY, resource, given(steps, Status.OK), "there, and holds images")


def _pull(
    place: PlaceAnswers, resource: str, pull: Pull | MigrateError | None, answers: Answers
) -> Check:
    """Judge a real pull; that nothing is at the paths that were named is worth a look."""
    steps, repository = _READS & answers.steps, resource.rpartition("/")[2]
    shown = f"{ar_host(answers.case.read_location)}/{ar_name(place.place.project, repository)}"
    if isinstance(pull, MigrateError):
        return _failed(Area.PULL, shown, pull, steps, download_grants(place, answers))
    if pull:
        return Check(Area.PULL, pull.name, given(steps, Status.OK), pulled(pull))
    paths = [path for path in answers.case.paths if path.startswith(f"{repository}/")]
    if paths:
        saw, remedy = f"no image is at {', '.join(paths)}", "Check the spelling of the path."
        return Check(Area.PULL, shown, given(steps, Status.WARNING), saw, remedy)
    return Check(Area.PULL, shown, given(steps, Status.OK), pulled(pull))


def _failed(
    area: Area, subject: str, error: MigrateError, steps: frozenset[Step], grants: tuple[str, ...]
) -> Check:
    """Tell what was refused: it stops each step, unless another line says why."""
    code, denied = error.problem.code, error.problem is errors.DENIED
    if error.problem in ROOTS:
        return not_asked(area, subject, steps, error)
    remedy = GRANT_LEAST if denied and grants else error.problem.remedy
    verdicts = given(steps, Status.MISSING)
    return Check(area, subject, verdicts, reason(error), remedy, grants if denied else (), code)
