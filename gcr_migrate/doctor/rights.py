"""Judges permissions: on the project, else on each repository that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.doctor.answers import BUCKET, PlaceAnswers, reason
from gcr_migrate.doctor.checks import Area, Check, Status, Step, in_order, worst
from gcr_migrate.doctor.permissions import (
    CREATE,
    DOWNLOAD,
    GET_OBJECT_LISTS,
    LIST_OBJECTS,
    ROLES,
    least_roles,
    needs_of,
)
from gcr_migrate.doctor.remedies import grant_on_project, grant_on_repository
from gcr_migrate.doctor.rules import target_locations, target_repositories
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import gcr_host, repository_resource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from gcr_migrate.doctor.answers import Answers
    from gcr_migrate.doctor.checks import Side
    from gcr_migrate.doctor.permissions import Need

GRANT_LEAST: Final = "Grant the least role that has it, or ask an owner of the project to."


class _Found(Struct, frozen=True):
    """What is known about one permission.

    Attributes:
        status: ok, missing or not asked.
        saw: where it is held, or why it is not known.
        lacking: repositories on which it is lacking; none if the project is to give it.
    """

    status: Status
    saw: str
    lacking: tuple[str, ...] = ()


class _Key(Struct, frozen=True):
    """What is looked for once, for all the steps that need it.

    Attributes:
        side: on whose project or repositories.
        permission: the permission.
        only_there: only on repositories that are there.
    """

    side: Side
    permission: str
    only_there: bool


def permission_checks(place: PlaceAnswers, answers: Answers) -> Iterator[Check]:
    """Judge each permission that an asked step needs or uses, with one remedy for all."""
    found, wanted = _judged(place, answers)
    commands = _commands(place, found)
    merged: dict[str, Check] = {}
    for key, one in found.items():
        check = _check(place, key.permission, one, wanted[key], commands)
        merged[key.permission] = _together(merged.get(key.permission), check)
    yield from merged.values()


def download_grants(place: PlaceAnswers, answers: Answers) -> tuple[str, ...]:
    """Return what to paste so that images of the source can be read; nothing if that is held."""
    found, _ = _judged(place, answers)
    return _commands(place, found).get(DOWNLOAD, ())


def _judged(
    place: PlaceAnswers, answers: Answers
) -> tuple[dict[_Key, _Found], dict[_Key, dict[Step, Need]]]:
    """Look for all permissions of the asked steps; none where there is nothing to have it on."""
    wanted: dict[_Key, dict[Step, Need]] = {}
    for step in in_order(place.place.steps & answers.steps):
        for need in needs_of(step, grants=answers.case.grants, bases=answers.case.bases):
            if need.side in place.place.serves:
                key = _Key(need.side, need.permission, need.only_there)
                wanted.setdefault(key, {})[step] = need
    judged = {
        key: _held_on_project(place, key.permission) or _find(place, answers, needs)
        for key, needs in wanted.items()
    }
    return {key: one for key, one in judged.items() if one is not None}, wanted


def _held_on_project(place: PlaceAnswers, permission: str) -> _Found | None:
    held = place.held_of(permission)
    if isinstance(held, MigrateError) or permission not in held:
        return None
    return _Found(Status.OK, f"held on the project {place.place.project.id}")


def _find(place: PlaceAnswers, answers: Answers, needs: Mapping[Step, Need]) -> _Found | None:
    """Look for a permission elsewhere; None where there is nothing that it could be needed on."""
    need = next(iter(needs.values()))
    held, project = place.held_of(need.permission), place.place.project.id
    if need.side == "target" and (why := _not_needed(place, answers, need)):
        return _Found(Status.OK, f"not needed: {why}")
    if need.by_bucket:
        return _find_on_buckets(place, answers, need)
    repositories = _repositories(place, answers, need)
    on = {name: place.held_on[name] for name in repositories if name in place.held_on}
    if on:
        return _find_on(need.permission, on)
    if isinstance(held, MigrateError):
        return _Found(Status.NOT_ASKED, reason(held))
    if need.by_repository and need.side == "source" and Step.RESCUE not in needs:
        return None  # no repository, nothing to read: the host's own line says so
    saw = f"not held on the project {project}"
    if need.permission == CREATE and need.side == "target" and not answers.case.all_named:
        saw += "; needed for repositories that are not there yet"
    return _Found(Status.MISSING, saw)


def _find_on_buckets(place: PlaceAnswers, answers: Answers, need: Need) -> _Found | None:
    """Look for a permission on each bucket that is there; None where there is none."""
    on = {name: held for name, held in place.held_on.items() if name.startswith(BUCKET)}
    if not on:
        return None
    if need.permission in {LIST_OBJECTS, GET_OBJECT_LISTS} and _all_uniform(on, answers):
        return _Found(Status.OK, "not needed: policies alone decide about the buckets")
    # The project's policy can give what is lacking on all of them at once.
    return replace(_find_on(need.permission, on), lacking=())


def _all_uniform(buckets: Collection[str], answers: Answers) -> bool:
    """Whether objects in all of these buckets are known to have no access lists."""
    facts = [one.bucket for one in answers.hosts.values()]
    uniform = {
        f"{BUCKET}{one.name}"
        for one in facts
        if one and not isinstance(one, MigrateError) and one.uniform_access
    }
    return uniform.issuperset(buckets)


def _not_needed(place: PlaceAnswers, answers: Answers, need: Need) -> str:
    """Return why a permission is not needed on the target; empty if it is."""
    if need.permission == CREATE and _all_there(place, answers):
        return "every target repository is there"
    if need.only_there and _none_there(place, answers):
        return "no target repository is there yet"
    return ""


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
    there = (place.has_repository(name) for name in target_repositories(answers))
    return answers.case.all_named and all(there)


def _none_there(place: PlaceAnswers, answers: Answers) -> bool:
    """Whether everything has to be created at the target."""
    case = answers.case
    if case.all_named:
        return all(place.has_repository(name) is False for name in target_repositories(answers))
    # Names that follow from images are not known yet: no repository at all is sure to be none.
    wanted = [place.repositories.get(location) for location in target_locations(answers)]
    return bool(wanted) and all(
        isinstance(listed, tuple) and all(_is_gcr(one.resource) for one in listed)
        for listed in wanted
    )


def _is_gcr(resource: str) -> bool:
    """Whether a repository serves names of a gcr.io host."""
    return gcr_host(_shown(resource)) is not None


def _repositories(place: PlaceAnswers, answers: Answers, need: Need) -> list[str]:
    """Return the repositories whose own policies can give a permission."""
    case = answers.case
    if not need.by_repository:
        return []
    if need.side == "target":
        # What is yet to be created has no policy: only the project's gives rights on it.
        targets = target_repositories(answers)
        if need.only_there:
            return [name for name in targets if place.has_repository(name) is not False]
        return list(targets) if _all_there(place, answers) else []
    names = [
        repository_resource(place.place.project, host.location, host.repository_id)
        for host in case.hosts
    ]
    names += case.read_repositories
    there = [name for name in names if place.has_repository(name) is not False]
    # Where lists are refused, names of which nothing is held may not be there at all.
    return [name for name in there if place.has_repository(name)] or there


def _shown(resource: str) -> str:
    return resource.rpartition("/")[2]


def _commands(place: PlaceAnswers, found: Mapping[_Key, _Found]) -> dict[str, tuple[str, ...]]:
    """Return by permission what to paste: the least roles that give all that is missing there."""
    on_project: set[str] = set()
    on_repository: dict[str, set[str]] = {}
    for key, one in found.items():
        if one.status is not Status.MISSING:
            continue
        if not one.lacking:
            on_project.add(key.permission)
        for resource in one.lacking:
            on_repository.setdefault(resource, set()).add(key.permission)
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
    grants = commands.get(permission, ())
    tells = next((need.tells for need in needs.values() if need.tells), "")
    saw = f"{found.saw}; optional: it tells {tells}" if tells else found.saw
    return Check(Area.PERMISSION, subject, verdicts, saw, GRANT_LEAST, grants)


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
