"""Judges permissions: on the project, else on each repository that is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gcr_migrate.doctor.answers import PlaceAnswers, reason
from gcr_migrate.doctor.checks import Area, Check, Status, Step, in_order, worst
from gcr_migrate.doctor.permissions import CREATE, ROLES, least_roles, needs_of
from gcr_migrate.doctor.remedies import grant_on_project, grant_on_repository
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import RepositoryFacts
from gcr_migrate.model.names import repository_resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcr_migrate.doctor.answers import Answers
    from gcr_migrate.doctor.checks import Side
    from gcr_migrate.doctor.permissions import Need


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known about one permission.

    Attributes:
        status: ok, missing or not asked.
        saw: where it is held, or why it is not known.
        lacking: repositories on which it is lacking; none if the project is to give it.
    """

    status: Status
    saw: str
    lacking: tuple[str, ...] = ()


def permission_checks(place: PlaceAnswers, answers: Answers) -> Iterator[Check]:
    """Judge each permission that an asked step needs or uses, with one remedy for all."""
    wanted: dict[tuple[Side, str], dict[Step, Need]] = {}
    for step in in_order(place.place.steps & answers.steps):
        for need in needs_of(step, grants=answers.case.grants):
            if need.side in place.place.serves:
                wanted.setdefault((need.side, need.permission), {})[step] = need
    found = {key: _find(place, answers, needs) for key, needs in wanted.items()}
    commands = _commands(place, found)
    merged: dict[str, Check] = {}
    for (side, permission), one in found.items():
        if one is None:
            continue
        check = _check(place, permission, one, wanted[side, permission], commands)
        merged[permission] = _together(merged.get(permission), check)
    yield from merged.values()


def _find(place: PlaceAnswers, answers: Answers, needs: Mapping[Step, Need]) -> _Found | None:
    """Look for a permission; None where there is nothing that it could be needed on."""
    need = next(iter(needs.values()))
    held, project = place.held_of(need.permission), place.place.project.id
    if not isinstance(held, MigrateError) and need.permission in held:
        return _Found(Status.OK, f"held on the project {project}")
    if need.permission == CREATE and need.side == "target" and _all_there(place, answers):
        return _Found(Status.OK, "not needed: every target repository is there")
    repositories = _repositories(place, answers, need.side) if need.by_repository else []
    on = {name: place.held_on[name] for name in repositories if name in place.held_on}
    if on:
        return _find_on(need.permission, on)
    if isinstance(held, MigrateError):
        return _Found(Status.NOT_ASKED, reason(held))
    if need.by_repository and need.side == "source" and Step.RESCUE not in needs:
        return None  # no repository, nothing to read: the host's own line says so
    return _Found(Status.MISSING, f"not held on the project {project}")


def _find_on(permission: str, on: Mapping[str, frozenset[str] | MigrateError]) -> _Found:
    """Look for a permission on each of some repositories."""
    unknown = [one for one in on.values() if isinstance(one, MigrateError)]
    lacking = tuple(
        name
        for name, one in on.items()
        if not isinstance(one, MigrateError) and permission not in one
    )
    if lacking:
        return _Found(Status.MISSING, f"not held on {', '.join(map(_shown, lacking))}", lacking)
    if unknown:
        return _Found(Status.NOT_ASKED, reason(unknown[0]))
    return _Found(Status.OK, f"held on {', '.join(map(_shown, on))}")


def _all_there(place: PlaceAnswers, answers: Answers) -> bool:
    """Whether nothing has to be created at the target."""
    names = answers.case.repositories
    there = (place.repository(name) for name in names)
    return answers.case.all_named and all(isinstance(one, RepositoryFacts) for one in there)


def _repositories(place: PlaceAnswers, answers: Answers, side: Side) -> list[str]:
    """Return the repositories of a side that are there."""
    case = answers.case
    if side == "source":
        names = [
            repository_resource(place.place.project, host.location, host.repository_id)
            for host in case.hosts
        ]
    else:
        names = list(case.repositories)
    there = [name for name in names if place.repository(name) is not None]
    # Where lists are refused, names of which nothing is held may not be there at all.
    sure = [
        name
        for name in there
        if not isinstance(place.repository(name), MigrateError) or place.held_on.get(name)
    ]
    return sure or there


def _shown(resource: str) -> str:
    return resource.rpartition("/")[2]


def _commands(
    place: PlaceAnswers, found: Mapping[tuple[Side, str], _Found | None]
) -> dict[str, tuple[str, ...]]:
    """Return by permission what to paste: the least roles that give all that is missing there."""
    on_project: set[str] = set()
    on_repository: dict[str, set[str]] = {}
    for (_, permission), one in found.items():
        if one is None or one.status is not Status.MISSING:
            continue
        if not one.lacking:
            on_project.add(permission)
        for resource in one.lacking:
            on_repository.setdefault(resource, set()).add(permission)
    commands: dict[str, tuple[str, ...]] = {}
    by_repository: dict[str, tuple[str, ...]] = {}
    for role in least_roles(on_project):
        # What a role of the project gives anyway need not be granted on each repository.
        for permission in ROLES[role] & {*on_project, *set().union(*on_repository.values())}:
            grant = grant_on_project(place.place.project.id, place.member, role)
            commands[permission] = (grant,)
    for resource, permissions in on_repository.items():
        lacking = permissions - commands.keys()
        grants = [
            grant_on_repository(resource, place.member, role)
            for role in least_roles(lacking, repository=True)
        ]
        by_repository |= {one: (*by_repository.get(one, ()), *grants) for one in lacking}
    return commands | by_repository


def _check(
    place: PlaceAnswers,
    permission: str,
    found: _Found,
    needs: Mapping[Step, Need],
    commands: Mapping[str, tuple[str, ...]],
) -> Check:
    verdicts = {step: _weighed(found.status, need) for step, need in needs.items()}
    subject = f"{permission} in {place.place.project.id}"
    if found.status is not Status.MISSING:
        return Check(Area.PERMISSION, subject, verdicts, found.saw)
    remedy = "Grant the least role that has it, or ask an owner of the project to."
    return Check(
        Area.PERMISSION, subject, verdicts, found.saw, remedy, commands.get(permission, ())
    )


def _weighed(status: Status, need: Need) -> Status:
    return Status.WARNING if status is Status.MISSING and not need.needed else status


def _together(one: Check | None, other: Check) -> Check:
    """Return one line for a permission that both sides need in the same project."""
    if one is None:
        return other
    lighter, heavier = sorted((one, other), key=lambda check: list(Status).index(check.status))
    both = (lighter.verdicts, heavier.verdicts)
    verdicts = {
        step: worst(told[step] for told in both if step in told)
        for step in in_order({*lighter.verdicts, *heavier.verdicts})
    }
    return Check(
        heavier.area, heavier.subject, verdicts, heavier.saw, heavier.remedy, heavier.commands
    )
