"""Access lists of buckets and objects, where a bucket's policy does not decide alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from gcr_migrate.sandbox.states import BucketState

_BUCKET_ROLES: Final = {
    "roles/storage.legacyBucketOwner": "OWNER",
    "roles/storage.legacyBucketWriter": "WRITER",
    "roles/storage.legacyBucketReader": "READER",
}
_TEAMS: Final = {"projectOwner": "owners", "projectEditor": "editors", "projectViewer": "viewers"}
# What a new object gets where nobody says otherwise, by team of the project.
_NEW_OBJECT: Final = {"owners": "OWNER", "editors": "OWNER", "viewers": "READER"}
_READS: Final = frozenset({"READER", "OWNER"})
_PEOPLE: Final = {"user": "email", "group": "email", "domain": "domain"}
_ENTITIES: Final = {"user": "user", "serviceAccount": "user", "group": "group", "domain": "domain"}


def of_bucket(bucket: BucketState, number: str) -> list[dict[str, Any]]:
    """Return the access list of a bucket: its legacy roles, in other words.

    Args:
        bucket: has the policy.
        number: of its project.
    """
    return [
        _entry("bucketAccessControl", _entity(member, number), role, bucket=bucket.name)
        for binding in bucket.bindings
        if (role := _BUCKET_ROLES.get(str(binding.get("role")))) and "condition" not in binding
        for member in binding["members"]
    ]


def of_new_objects(number: str) -> list[dict[str, Any]]:
    """Return the access list that a new object gets in a project of this number."""
    return [
        _entry("objectAccessControl", f"project-{team}-{number}", role)
        for team, role in _NEW_OBJECT.items()
    ]


def of_object(bucket: BucketState, name: str, number: str) -> list[dict[str, Any]]:
    """Return the access list of an object: what the scenario says, else that of a new object."""
    starts = [start for start in bucket.object_lists if name.startswith(start)]
    stated = bucket.object_lists[max(starts, key=len)] if starts else of_new_objects(number)
    return [
        _entry("objectAccessControl", one["entity"], one["role"], bucket=bucket.name, object=name)
        for one in stated
    ]


def may_read(entries: Iterable[Mapping[str, Any]], members: Collection[str], number: str) -> bool:
    """Whether an object's list lets somebody read it.

    Args:
        entries: the list.
        members: what policies may call him.
        number: of the bucket's project.
    """
    names = {_entity(member, number) for member in members}
    return any(one["entity"] in names and one["role"] in _READS for one in entries)


def _entity(member: str, number: str) -> str:
    """Return what access lists call a member of a policy."""
    kind, _, name = member.partition(":")
    if kind in _TEAMS:
        return f"project-{_TEAMS[kind]}-{number}"
    return f"{_ENTITIES[kind]}-{name}" if kind in _ENTITIES else member


def _entry(kind: str, entity: str, role: str, **of: str) -> dict[str, Any]:
    who, _, name = entity.partition("-")
    said: dict[str, Any] = {"kind": f"storage#{kind}", **of, "entity": entity, "role": role}
    if who in _PEOPLE:
        said[_PEOPLE[who]] = name
    if who == "project":
        team, _, number = name.partition("-")
        said["projectTeam"] = {"projectNumber": number, "team": team}
    return said | {"etag": "CAE="}
