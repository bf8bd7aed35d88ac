"""Who can do what, worked out from plain policies; it knows nothing of the tool.

A policy is a list of `{"role", "members", "condition"}` as the services give it. What is computed
here is what somebody holds *always*: a binding under a condition gives nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BindingList = list[dict[str, Any]]

_STORAGE = {
    "admin": "rwd",
    "objectAdmin": "rwd",
    "objectUser": "rwd",
    "objectViewer": "r",
    "objectCreator": "w",
    "legacyBucketOwner": "wd",
    "legacyBucketWriter": "wd",
    "legacyBucketReader": "",
    "legacyObjectOwner": "r",
    "legacyObjectReader": "r",
}
_ARTIFACTS = {"reader": "r", "writer": "rw", "repoAdmin": "rwd", "admin": "rwd"}
_BASIC = {"owner": "rwd", "editor": "rwd", "viewer": "r"}
_GROUPS = {"projectOwner": "owner", "projectEditor": "editor", "projectViewer": "viewer"}
_WORDS = {"r": "pull", "w": "push", "d": "delete"}
_STORAGE_RIGHTS = {
    "storage.objects.get": "r",
    "storage.objects.create": "w",
    "storage.objects.delete": "d",
}


def rights_of(role: str, kind: str, custom: Mapping[str, Iterable[str]]) -> set[str]:
    """Return what a role allows with images: of a `bucket` or of a `repository`."""
    name = role.removeprefix("roles/")
    if role in custom:
        found = (
            {_STORAGE_RIGHTS.get(one, "") for one in custom[role]} if kind == "bucket" else set()
        )
        return {_WORDS[one] for one in found if one}
    if kind == "bucket":
        letters = _STORAGE.get(name.removeprefix("storage."), "") if "storage." in name else ""
    elif name in _BASIC:
        letters = _BASIC[name]
    else:
        short = name.removeprefix("artifactregistry.")
        letters = _ARTIFACTS.get(short, "") if short != name else ""
    return {_WORDS[one] for one in letters}


def everybody(*policies: BindingList) -> set[str]:
    """Return all members of some policies."""
    return {member for policy in policies for one in policy for member in one["members"]}


def holders(project: list[BindingList], group: str) -> set[str]:
    """Return who is meant by `projectOwner:P` and the like, by policies there or above."""
    role = f"roles/{_GROUPS[group.partition(':')[0]]}"
    everything = [one for policy in project for one in policy]
    found = (one for one in everything if one["role"] == role and not one.get("condition"))
    return {member for one in found for member in one["members"]}


def can(
    member: str,
    kind: str,
    own: BindingList,
    inherited: list[BindingList],
    project: list[BindingList],
    custom: Mapping[str, Iterable[str]],
) -> set[str]:
    """Return what a member always holds on a bucket or repository.

    Args:
        member: as policies spell it.
        kind: `bucket` or `repository`.
        own: its own policy.
        inherited: those of the project and of what is above it.
        project: those of the project whose owners, editors and viewers are meant.
        custom: permissions of custom roles.
    """
    found: set[str] = set()
    for policy in (own, *inherited):
        for one in policy:
            named = set(one["members"])
            for group in [name for name in named if name.partition(":")[0] in _GROUPS]:
                named |= holders(project, group)
            if member in named and not one.get("condition"):
                found |= rights_of(one["role"], kind, custom)
    return found
