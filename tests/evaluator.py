"""Who can do what, worked out from plain policies by another hand; it knows nothing of the tool.

A world is made of what the services hold: policies as lists of `{"role", "members", "condition"}`,
projects with their parents, custom roles, a bucket with the access lists of its objects. What comes
out is what somebody holds at one moment: `all` of the images, `some` of them, `none`, or `unknown`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tests.expressions import is_met

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BindingList = list[dict[str, Any]]
RIGHTS: Final = {
    "pull": ("storage.objects.get", "artifactregistry.repositories.downloadArtifacts"),
    "push": ("storage.objects.create", "artifactregistry.repositories.uploadArtifacts"),
    "delete": ("storage.objects.delete", "artifactregistry.repositories.deleteArtifacts"),
}

# What is in predefined roles, as far as images are concerned: letters of pull, push and delete, at
# a bucket and at a repository. Basic roles reach objects only through a bucket's own policy.
_LETTERS: Final = {
    "owner": ("", "rwd"),
    "editor": ("", "rwd"),
    "viewer": ("", "r"),
    "browser": ("", ""),
    "logging.viewer": ("", ""),
    "storage.admin": ("rwd", ""),
    "storage.objectAdmin": ("rwd", ""),
    "storage.objectUser": ("rwd", ""),
    "storage.objectViewer": ("r", ""),
    "storage.objectCreator": ("w", ""),
    "storage.legacyBucketOwner": ("wd", ""),
    "storage.legacyBucketWriter": ("wd", ""),
    "storage.legacyBucketReader": ("", ""),
    "storage.legacyObjectOwner": ("r", ""),
    "storage.legacyObjectReader": ("r", ""),
    "artifactregistry.reader": ("", "r"),
    "artifactregistry.writer": ("", "rw"),
    "artifactregistry.createOnPushWriter": ("", "rw"),
    "artifactregistry.repoAdmin": ("", "rwd"),
    "artifactregistry.createOnPushRepoAdmin": ("", "rwd"),
    "artifactregistry.admin": ("", "rwd"),
    "cloudbuild.builds.builder": ("rwd", "rw"),
}
_CONVENIENCE: Final = {
    "projectOwner": "roles/owner",
    "projectEditor": "roles/editor",
    "projectViewer": "roles/viewer",
}
_IN_ANY_CASE: Final = ("user", "group", "serviceAccount", "domain")


@dataclass
class World:
    """What there is.

    Attributes:
        project: id of the project of the source.
        above: by project, its own policy and those of what it lies in.
        custom: permissions of custom roles; None for those that nobody may open.
        source: own policy of the source.
        is_bucket: whether that is a bucket; else a repository.
        objects: readers of each object by its own list; None where the policy alone decides.
        never_public: whether public access is prevented at the source.
        target_project: id of the project of the target.
        target: own policy of the target.
    """

    project: str
    above: dict[str, list[BindingList]]
    custom: dict[str, list[str] | None] = field(default_factory=dict)
    source: BindingList = field(default_factory=list)
    is_bucket: bool = True
    objects: dict[str, list[str]] | None = None
    never_public: bool = False
    target_project: str = ""
    target: BindingList = field(default_factory=list)
    _seen: dict[tuple[str, ...], set[str]] = field(init=False, repr=False, default_factory=dict)

    def before(self, member: str, right: str, when: datetime) -> str:
        """Return how much somebody holds at the source."""
        policies = [self.source, *self.above[self.project]]
        if not self.is_bucket:
            return self._held(member, RIGHTS[right][1], policies, when, _REPOSITORIES)
        if self.never_public and member in {"allUsers", "allAuthenticatedUsers"}:
            return "none"
        held = self._held(member, RIGHTS[right][0], policies, when, _OBJECTS)
        if right == "pull" and self.objects and held != "all":
            listed = self._listed(member, list(self.objects.values()))
            return max(held, listed, key=("none", "some", "unknown", "all").index)
        return held

    def _listed(self, member: str, lists: list[list[str]]) -> str:
        """Return whether somebody is on all lists, as one and the same; some are unknown."""
        names = {spelled(who) for some in lists for who in some}
        mine = {who for who in names if member in self._meant([who])}
        spelled_lists = [set(map(spelled, some)) for some in lists]
        if any(all(who in some for some in spelled_lists) for who in mine):
            return "all"
        return "unknown" if mine else "none"

    def may_give(self, right: str, member: str, is_chosen: Callable[[str], bool]) -> bool:
        """Whether a binding whose condition is chosen may give somebody a right on either side."""
        sides = [self.above[self.project], self.above[self.target_project or self.project]]
        policies = [self.source, self.target, *sides[0], *sides[1]]
        return any(
            self._gives(one["role"], permission) is not False
            for policy in policies
            for one in policy
            if one.get("condition") and is_chosen(_text(one))
            if member in self._meant(one["members"])
            for permission in RIGHTS[right]
        )

    def is_hidden(self, member: str) -> bool:
        """Whether somebody has a role that nobody could open, at any time."""
        sides = [self.above[self.project], self.above[self.target_project or self.project]]
        return any(
            self._gives(one["role"], "") is None and member in self._meant(one["members"])
            for policy in [self.source, self.target, *sides[0], *sides[1]]
            for one in policy
        )

    def after(self, member: str, right: str, when: datetime) -> str:
        """Return how much somebody holds at the target."""
        policies = [self.target, *self.above[self.target_project or self.project]]
        return self._held(member, RIGHTS[right][1], policies, when, _REPOSITORIES)

    def everybody(self) -> set[str]:
        """Return all members that are named anywhere, in their one spelling."""
        policies = [
            self.source,
            self.target,
            *(one for some in self.above.values() for one in some),
        ]
        named = {spelled(who) for some in policies for one in some for who in one["members"]}
        return named | {spelled(who) for some in (self.objects or {}).values() for who in some}

    def conditions(self) -> set[str]:
        """Return all expressions."""
        policies = [
            self.source,
            self.target,
            *(one for some in self.above.values() for one in some),
        ]
        found = (one.get("condition") for some in policies for one in some)
        return {one["expression"] for one in found if one}

    def _held(
        self,
        member: str,
        permission: str,
        policies: list[BindingList],
        when: datetime,
        things: Iterable[dict[str, str]],
    ) -> str:
        found = []
        for thing in things:
            opened = [
                self._gives(one["role"], permission)
                for policy in policies
                for one in policy
                if member in self._meant(one["members"])
                and (
                    not one.get("condition") or is_met(one["condition"]["expression"], when, thing)
                )
            ]
            found.append(True if True in opened else None if None in opened else False)
        if None in found and not all(found):
            return "unknown"
        return "all" if all(found) else "some" if any(found) else "none"

    def _gives(self, role: str, permission: str) -> bool | None:
        if role in self.custom:
            inside = self.custom[role]
            return None if inside is None else permission in inside
        letters = _LETTERS.get(role.removeprefix("roles/"))
        if letters is None:
            return None
        return any(
            permission == RIGHTS[right][side] and letter in letters[side]
            for right, letter in (("pull", "r"), ("push", "w"), ("delete", "d"))
            for side in (0, 1)
        )

    def _meant(self, members: Iterable[str]) -> set[str]:
        """Return members, and who is meant by `projectOwner:P` and the like."""
        key = tuple(members)
        if key not in self._seen:
            found = {spelled(one) for one in key}
            for kind, _, project in (one.partition(":") for one in key):
                for policy in self.above.get(project, []) if kind in _CONVENIENCE else []:
                    for binding in policy:
                        if binding["role"] == _CONVENIENCE[kind]:
                            found |= set(map(spelled, binding["members"]))
            self._seen[key] = found
        return self._seen[key]


def _text(binding: dict[str, Any]) -> str:
    return str(binding["condition"]["expression"])


def spelled(member: str) -> str:
    """Return the one spelling of a member: addresses and domains count in any case."""
    kind, colon, name = member.partition(":")
    return f"{kind}{colon}{name.lower()}" if kind in _IN_ANY_CASE else member


def moments(world: World, now: datetime) -> list[datetime]:
    """Return moments from now on at which something may be different, and some more."""
    found = {now, datetime(2050, 1, 1, tzinfo=UTC)}
    for expression in world.conditions():
        for text in re.findall(r'timestamp\("([^"]+)"\)', expression):
            edge = datetime.fromisoformat(text)
            found |= {edge, edge.replace(second=1), edge.replace(year=edge.year - 1)}
            found.add(edge.replace(year=edge.year + 1))
        if "getHours" in expression:
            found |= {now.replace(hour=hour) for hour in range(24)}
    return sorted(one for one in found if one >= now)


_OBJECTS: Final = [
    {
        "name": f"projects/_/buckets/images/objects/containers/images/sha256:{one}",
        "type": "storage.googleapis.com/Object",
    }
    for one in "abc"
]
_REPOSITORIES: Final = [
    {
        "name": "projects/somewhere/locations/us/repositories/something",
        "type": "artifactregistry.googleapis.com/Repository",
    }
]
