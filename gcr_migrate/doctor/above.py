"""Judges what can be seen of access that is granted above a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate.doctor.answers import not_asked
from gcr_migrate.doctor.checks import Area, Check, Status, Step, given
from gcr_migrate.doctor.permissions import REVIEWER
from gcr_migrate.doctor.remedies import grant_above
from gcr_migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.doctor.answers import Answers, PlaceAnswers

_REMEDY = "Grant the role there, or one that lets policies of the organisation be analysed."


def policy_permission(name: str) -> str:
    """Return what reads the policy of a folder or an organisation, such as `folders/7`."""
    return f"resourcemanager.{name.partition('/')[0]}.getIamPolicy"


def above_checks(place: PlaceAnswers, answers: Answers) -> Iterator[Check]:
    """Judge for each folder, and for the organisation, whether its policy may be read."""
    steps = {Step.PLAN} & place.place.steps & answers.steps
    project = place.place.project.id
    if isinstance(place.above, MigrateError):
        subject = f"folders and organisation of {project}"
        yield not_asked(Area.PERMISSION, subject, steps, place.above)
        return
    for name, readable in (place.above or {}).items():
        subject = f"{policy_permission(name)} on {name}"
        if isinstance(readable, MigrateError):
            yield not_asked(Area.PERMISSION, subject, steps, readable)
        elif readable:
            yield Check(Area.PERMISSION, subject, given(steps, Status.OK), f"held on {name}")
        else:
            saw = f"not held: who has access to {project} by a grant there is not seen"
            grant = grant_above(name, place.member, REVIEWER)
            verdicts = given(steps, Status.WARNING)
            yield Check(Area.PERMISSION, subject, verdicts, saw, _REMEDY, (grant,))
