"""Roles and members of an access policy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One role for one member, such as `roles/artifactregistry.reader` for `group:a@b.example`."""

    role: str
    member: str


@dataclass(frozen=True, slots=True)
class Condition:
    """When a binding counts."""

    title: str
    expression: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """A role, its members, and the condition under which they hold it."""

    role: str
    members: tuple[str, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole access policy as read; `etag` goes back with a write so that no change is lost."""

    bindings: tuple[Binding, ...]
    etag: str

    def holds(self, grant: Grant) -> bool:
        """Whether the policy gives the grant without a condition."""
        return any(
            b.role == grant.role and b.condition is None and grant.member in b.members
            for b in self.bindings
        )

    def added(self, grants: tuple[Grant, ...]) -> Policy:
        """The same policy with the missing grants added; no binding is changed or dropped."""
        bindings = list(self.bindings)
        for grant in grants:
            if Policy(tuple(bindings), self.etag).holds(grant):
                continue
            at = next(
                (i for i, b in enumerate(bindings) if b.role == grant.role and not b.condition),
                None,
            )
            if at is None:
                bindings.append(Binding(grant.role, (grant.member,)))
            else:
                bindings[at] = Binding(grant.role, (*bindings[at].members, grant.member))
        return Policy(tuple(bindings), self.etag)
