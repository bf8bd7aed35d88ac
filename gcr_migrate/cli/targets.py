"""Targets of a plan: which repositories there are, and whether they fit what the spec says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, DISTRIBUTION
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.names import repository_resource
from gcr_migrate.model.plan import Repository
from gcr_migrate.model.settings import after_copy, changes_of, differences
from gcr_migrate.plan.refusals import Refusal, Refused
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gcr_migrate.connect import Connections
    from gcr_migrate.model.access import Policy
    from gcr_migrate.model.settings import RepositorySettings
    from gcr_migrate.plan.routes import Edge
    from gcr_migrate.plan.wishes import Target


class Targets:
    """Looks at the target repositories of a plan.

    Args:
        connections: hands out clients.
        plain_http: the spec allows plain HTTP; None decides by loopback.
        add_finding: takes what is noteworthy.

    Attributes:
        fixed_tags: resources of the repositories that let no tag move.
        there: settings of the repositories that exist, by their resources.
        policies: policies of those of them that get grants, likewise.
    """

    def __init__(
        self,
        connections: Connections,
        plain_http: bool | None,  # noqa: FBT001  # a field of the spec, handed on as it is
        add_finding: Callable[[Finding], None],
    ) -> None:
        self._connections = connections
        self._plain_http = plain_http
        self._tell = add_finding
        self.fixed_tags: set[str] = set()
        self.there: dict[str, RepositorySettings] = {}
        self.policies: dict[str, Policy] = {}

    async def look(self, edges: Iterable[Edge]) -> dict[Target, Repository]:
        """Look at every target once: is it there, does it fit, what does its policy grant.

        Raises:
            Refused: images cannot go to some of them; all are named.
        """
        rows: dict[Target, Repository] = {}
        for edge in edges:
            key = (edge.registry, edge.prefix)
            if key in rows:
                grants = tuple(sorted({*rows[key].grants, *edge.wish.grants}))
                rows[key] = replace(rows[key], grants=grants)
                continue
            rows[key] = self._repository(edge)
        looked_at = await all_of(self._look_at(row) for row in rows.values())
        refusals = [one for one in looked_at if isinstance(one, Refusal)]
        if refusals:
            raise Refused(sorted(refusals, key=lambda one: one.subject))
        found = [one for one in looked_at if isinstance(one, Repository)]
        return dict(zip(rows, found, strict=True))

    def _repository(self, edge: Edge) -> Repository:
        resource = ""
        if edge.project and edge.location and edge.repository:
            resource = repository_resource(edge.project, edge.location, edge.repository)
        return Repository(
            registry=edge.registry,
            prefix=edge.prefix,
            dialect=ARTIFACT_REGISTRY.name if resource else DISTRIBUTION.name,
            resource=resource,
            exists=not resource,  # a plain registry is there, or nothing can be planned
            settings=edge.settings,
            grants=edge.wish.grants,
            plain_http=self._plain_http,
            changes=after_copy(edge.settings) if resource else (),
        )

    async def _look_at(self, row: Repository) -> Repository | Refusal:
        if not row.resource:
            return row
        repositories = self._connections.repositories("target")
        try:
            has = await repositories.get(row.resource)
        except MigrateError as error:
            if error.problem is not errors.REPOSITORY_DIFFERS:
                raise
            return Refusal(errors.NOT_A_TARGET, row.shown, error.saw)
        if has is None:
            return row
        self.there[row.resource] = has
        if has.immutable_tags:
            self.fixed_tags.add(row.resource)
        found = differences(has, row.settings)
        changes = changes_of(found) if row.settings.adopt else ()
        for one in found:
            if one.fixed or not row.settings.adopt:
                more = ", and is fixed" if one.fixed else ""
                self._tell(
                    Finding(errors.REPOSITORY_DIFFERS, Severity.WARNING, row.shown, f"{one}{more}")
                )
        policy = await repositories.policy(row.resource) if row.grants else None
        if policy:
            self.policies[row.resource] = policy
        granted = policy.held(row.grants) if policy else ()
        return replace(row, exists=True, granted=granted, changes=changes)
