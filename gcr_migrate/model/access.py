"""Roles, members and conditions of access policies."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

PUBLIC: Final = frozenset({"allUsers", "allAuthenticatedUsers"})
_AS_WRITTEN: Final = ("principal:", "principalSet:", "principalHierarchy:", "deleted:")


class Condition(Struct, frozen=True):
    """When a binding counts."""

    title: str
    expression: str
    description: str = ""


class Grant(Struct, frozen=True):
    """One role for one member, such as `roles/artifactregistry.reader` for `group:a@b.example`.

    Attributes:
        role: full name of the role.
        member: who gets it.
        condition: when it counts; None for always.
    """

    role: str
    member: str
    condition: Condition | None = None

    def __lt__(self, other: Grant) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[str, ...]:
        said = self.condition
        conditions = (said.expression, said.title, said.description) if said else ()
        return (self.role, self.member, *conditions)


class Binding(Struct, frozen=True):
    """A role, its members, and the condition under which they hold it."""

    role: str
    members: tuple[str, ...]
    condition: Condition | None = None


class Policy(Struct, frozen=True):
    """A whole access policy as read; `etag` goes back with a write so that no change is lost."""

    bindings: tuple[Binding, ...]
    etag: str

    def holds(self, grant: Grant) -> bool:
        """Whether the policy gives the grant, under the same condition or without any."""
        return bool(self.held((grant,)))

    def held(self, grants: Iterable[Grant]) -> tuple[Grant, ...]:
        """Return those of some grants that the policy gives, as `holds` tells."""
        given = self._given()
        return tuple(one for one in grants if not given.isdisjoint(_ways(one)))

    def _given(self) -> set[Grant]:
        return {
            Grant(b.role, spelled(member), b.condition)
            for b in self.bindings
            for member in b.members
        }

    def without(self, grants: tuple[Grant, ...]) -> Policy:
        """The same policy without these members in these roles under just these conditions.

        A binding that has no member left stays in its place, empty.
        """
        gone = {(one.role, one.condition, spelled(one.member)) for one in grants}
        left = tuple(
            replace(
                b,
                members=tuple(
                    one for one in b.members if (b.role, b.condition, spelled(one)) not in gone
                ),
            )
            for b in self.bindings
        )
        return replace(self, bindings=left)

    def added(self, grants: tuple[Grant, ...]) -> Policy:
        """The same policy with the missing grants added; no binding is changed or dropped."""
        given, more = self._given(), dict[tuple[str, Condition | None], list[str]]()
        for grant in grants:
            if given.isdisjoint(_ways(grant)):
                given.add(replace(grant, member=spelled(grant.member)))
                more.setdefault((grant.role, grant.condition), []).append(grant.member)
        kept = [
            replace(b, members=(*b.members, *more.pop((b.role, b.condition), ())))
            for b in self.bindings
        ]
        new = [Binding(role, tuple(members), said) for (role, said), members in more.items()]
        return Policy((*kept, *new), self.etag)


def _ways(grant: Grant) -> set[Grant]:
    """Return what gives a member a role when it should have it: the grant, or a wider one."""
    same = replace(grant, member=spelled(grant.member))
    return {same, replace(same, condition=None)}


def spelled(member: str) -> str:
    """Return a member in the one spelling under which it is compared.

    Addresses and domains count in any case; identifiers of identity pools do not.
    """
    if member in PUBLIC or member.startswith(_AS_WRITTEN):
        return member
    prefix, colon, name = member.partition(":")
    return f"{prefix}{colon}{name.lower()}"


class Right(StrEnum):
    """What somebody can do with the images of a host or repository."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"


class Level(StrEnum):
    """What a policy stands on."""

    REPOSITORY = "repository"
    BUCKET = "bucket"
    PROJECT = "project"
    FOLDER = "folder"
    ORGANIZATION = "organization"


READ: Final = "policies"  # the policies themselves were read


class PolicyOn(Struct, frozen=True):
    """A policy and where it was read.

    Attributes:
        level: kind of thing that it stands on.
        resource: the thing: `projects/P/locations/L/repositories/R`, `gs://BUCKET`, `projects/P`,
            `folders/N` or `organizations/N`.
        policy: what was read; None if it could not be.
        why: why it could not be read.
        read_by: how it was read: the policies themselves, or a policy analysis.
    """

    level: Level
    resource: str
    policy: Policy | None
    why: str = ""
    read_by: str = READ


class BucketRules(Struct, frozen=True):
    """What decides about access to a bucket, beside policies.

    Attributes:
        uniform: whether objects have no access lists of their own.
        never_public: whether public access is known to be prevented.
        project_number: of the project that the bucket belongs to.
    """

    uniform: bool
    never_public: bool
    project_number: str


class ObjectAccess(Struct, frozen=True):
    """What access lists of a bucket's objects give, which no policy shows.

    Attributes:
        readers: of how many of the objects that were looked at each member may read the bytes;
            members are spelled as in policies.
        seen: how many objects were looked at.
        complete: whether these were all.
        why: why they are not all, or none.
    """

    readers: tuple[tuple[str, int], ...] = ()
    seen: int = 0
    complete: bool = True
    why: str = ""


class Analysis(Struct, frozen=True):
    """What a policy analysis tells of one bucket.

    Attributes:
        policies: what it found, by what the bindings stand on; nothing that gives nothing.
        roles: of each role there, those of the permissions asked for that it has.
        complete: whether everything was looked at; else it proves nothing.
    """

    policies: tuple[PolicyOn, ...]
    roles: tuple[tuple[str, frozenset[str]], ...]
    complete: bool


class Picture(Struct, frozen=True):
    """All that is known about who can do what with one bucket or repository.

    Attributes:
        shown: what it is about, such as `us.gcr.io/builds` or a target repository.
        level: `BUCKET` or `REPOSITORY`; it says which permissions count.
        project: id of the project that it belongs to.
        policies: its own policy first, then its project's and what is above it. What does not
            exist yet has none of its own.
        roles: permissions of the roles in the policies that the tool does not know by itself;
            None for one that could not be opened, or that is no more.
        objects: access lists of its objects; None where there are none.
        exists: whether the bucket or repository is there.
        never_public: whether public access is prevented, so that nothing lets everybody in.
    """

    shown: str
    level: Level
    project: str
    policies: tuple[PolicyOn, ...] = ()
    roles: tuple[tuple[str, frozenset[str] | None], ...] = ()
    objects: ObjectAccess | None = None
    exists: bool = True
    never_public: bool = False


class Verdict(StrEnum):
    """What a migration does to one right of one member."""

    SAME = "same"
    IMPLIED = "implied"  # comes with the narrowest role that gives a right that was held
    EXCUSED = "excused"  # ended before, or the registry's own
    LOST = "lost"
    GAINED = "gained"
    UNKNOWN = "unknown"


class AccessRow(Struct, frozen=True):
    """One right of one member, before at a source and after at a target.

    Attributes:
        source: the host or repository that images come from, as people know it.
        target: the repository that they go to, likewise.
        member: who, as policies spell it.
        right: what.
        before: whether it is held at the source; None if that is not known.
        after: whether it will be held at the target; None if that is not known.
        before_by: what gives it there, such as `roles/storage.objectViewer on gs://…`.
        after_by: what will give it at the target.
        verdict: what that means.
        why: the reason, where before and after do not say it.
        consent: why the spec accepts it; empty if it says nothing.
        proved_by: how it was found out.
    """

    source: str
    target: str
    member: str
    right: Right
    before: bool | None
    after: bool | None
    before_by: str = ""
    after_by: str = ""
    verdict: Verdict = Verdict.SAME
    why: str = ""
    consent: str = ""
    proved_by: str = READ

    @property
    def needs_consent(self) -> bool:
        """Whether nobody has accepted that a right is lost or gained."""
        return self.verdict in {Verdict.LOST, Verdict.GAINED} and not self.consent


class AccessWish(Struct, frozen=True):
    """What the spec says about access to one target.

    Attributes:
        translate: carry over who has access at the source.
        basis: what counts at the source: `auto`, `bucket` or `repository`.
        public: whether everybody may be a reader.
        deny: members that shall not follow.
        accept: (member, `lost` or `gained`, reason): what is consented to.
        grants: what the spec grants by itself.
    """

    translate: bool = False
    basis: str = "auto"
    public: bool = False
    deny: tuple[str, ...] = ()
    accept: tuple[tuple[str, str, str], ...] = ()
    grants: tuple[Grant, ...] = ()
