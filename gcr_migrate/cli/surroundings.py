"""What surrounds the targets of a plan: places, names, listeners, clean-up, scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.locations import MULTI_REGIONS
from gcr_migrate.model.names import repository_resource
from gcr_migrate.model.plan import Repository
from gcr_migrate.plan.deletions import CopiedVersion, Losses, effective
from gcr_migrate.plan.distances import Streamed, location_finding, unknown_locations
from gcr_migrate.plan.gcr_targets import gcr_name_of, served_finding
from gcr_migrate.plan.moved_cleanup import MovedPath, stays_behind
from gcr_migrate.plan.refusals import Refusal, Refused
from gcr_migrate.plan.scans import SERVICE, scan_finding, scans_the_copy
from gcr_migrate.plan.subscribers import subscriber_finding
from gcr_migrate.plan.virtual import offers, splits_of, virtual_repositories
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from gcr_migrate.cli.reading import Root
    from gcr_migrate.connect import Connections
    from gcr_migrate.model.settings import RepositorySettings
    from gcr_migrate.plan.routes import Edge
    from gcr_migrate.plan.wishes import Target
    from gcr_migrate.spec import Spec
    from gcr_migrate.state.frozen import Draft
    from gcr_migrate.state.totals import Totals

T = TypeVar("T")

_TOPIC: Final = "gcr"
# A source that is not there, or holds no images of its own, has been told.
_TOLD_ELSEWHERE: Final = frozenset({errors.REPOSITORY_DIFFERS, *errors.NOT_THERE})


class Surroundings:
    """Looks around the targets of a plan, and tells what their owners should know.

    Args:
        connections: hands out clients.
        draft: gets what is noteworthy, and the virtual repositories.
    """

    def __init__(self, connections: Connections, draft: Draft) -> None:
        self._connections = connections
        self._draft = draft
        self._tell = draft.add_finding
        self._virtual: list[Repository] = []
        self._scanned: int | None = 0

    @property
    def scans(self) -> dict[str, int]:
        """How many images are scanned as they come; nothing where nobody could be asked."""
        return {} if self._scanned is None else {"scanned": self._scanned}

    async def check(self, spec: Spec, edges: Sequence[Edge]) -> None:
        """Refuse what the spec asks for and there cannot be, before anything is read.

        Raises:
            Refused: locations that there are not, virtual repositories that cannot stand over
                their upstreams, or a repository of that name is another; all are named.
        """
        refusals = await self._unknown_locations(edges)
        splits = splits_of(edges)
        asked, impossible = virtual_repositories(spec, splits)
        looked_at = await all_of(self._look_at_virtual(one) for one in asked)
        refusals += [*impossible, *(one for one in looked_at if isinstance(one, Refusal))]
        if refusals:
            raise Refused(refusals)
        self._virtual = [one for one in looked_at if isinstance(one, Repository)]
        if not spec.virtual:
            self._tell_all(offers(splits))

    async def _unknown_locations(self, edges: Iterable[Edge]) -> list[Refusal]:
        """Find locations that there are not; the multi-regions are there for everybody."""
        wanted: dict[str, set[str]] = {}
        for edge in edges:
            if edge.project and edge.location and edge.location not in MULTI_REGIONS:
                wanted.setdefault(edge.project.id, set()).add(edge.location)
        refusals = []
        for project, locations in sorted(wanted.items()):
            asked = self._connections.repositories("target").locations(project)
            known = await self._seen(asked, f"locations of projects/{project}", Severity.INFO)
            refusals += unknown_locations(locations, known or ())
        return refusals

    async def _look_at_virtual(self, row: Repository) -> Repository | Refusal:
        """Find out whether a virtual repository is there already; it is used as it is."""
        repositories = self._connections.repositories("target")
        try:
            has = await repositories.upstreams(row.resource)
        except MigrateError as error:
            if error.problem is not errors.REPOSITORY_DIFFERS:
                raise
            return Refusal(errors.VIRTUAL_REFUSED, row.shown, error.saw)
        if has is None:
            return row
        lacking = [one.rpartition("/")[2] for one in row.upstreams if one not in has]
        if lacking:
            saw = f"it does not stand over {', '.join(lacking)}"
            self._tell(Finding(errors.REPOSITORY_DIFFERS, Severity.WARNING, row.shown, saw))
        policy = await repositories.policy(row.resource) if row.grants else None
        granted = policy.held(row.grants) if policy else ()
        return replace(row, exists=True, granted=granted)

    def add_virtual(self) -> int:
        """Add the virtual repositories over what gets images; return how many are to be made."""
        used = self._draft.totals().targets()
        made = 0
        for one in self._virtual:
            row = replace(one, upstreams=tuple(name for name in one.upstreams if name in used))
            if row.upstreams:
                self._draft.add_repository(row)
                made += not row.exists
        return made

    async def look(
        self,
        roots: Sequence[Root],
        edges: Sequence[Edge],
        repositories: Mapping[Target, Repository],
        there: Mapping[str, RepositorySettings],
    ) -> None:
        """Tell what surrounds the targets, once it is known what is written to them.

        Args:
            roots: the roots of the source.
            edges: where their image paths go.
            repositories: the targets.
            there: settings of those that exist, by resource.
        """
        totals = self._draft.totals()
        used = totals.targets()
        targets = {one.resource: one for one in repositories.values() if one.resource in used}
        targets.pop("", None)
        self._tell_locations(roots, edges, targets, totals)
        await self._tell_elsewhere(roots, edges, targets)
        self._tell_deletions(targets, there, totals)
        by_project: dict[str, list[Repository]] = {}
        for resource, target in sorted(targets.items()):
            by_project.setdefault(resource.split("/")[1], []).append(target)
        for project, some in by_project.items():
            await self._project(project, some, there, totals)
        await all_of(self._source(root, edges, repositories) for root in roots)

    def _tell_locations(
        self,
        roots: Iterable[Root],
        edges: Iterable[Edge],
        targets: Mapping[str, Repository],
        totals: Totals,
    ) -> None:
        """Tell each pair of locations that images go between."""
        places = {root.source.shown: root.default_location for root in roots}
        pairs: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
        for edge in edges:
            source, target = places.get(edge.source_shown), edge.location
            if source and target and source != target:
                shown, resources = pairs.setdefault((source, target), (set(), set()))
                shown.add(edge.source_shown)
                resources |= {one for one in targets if one.split("/")[3] == target}
        for (source, target), (shown, resources) in sorted(pairs.items()):
            if resources:
                streamed = Streamed(*totals.streams(shown, resources))
                self._tell(location_finding(source, target, streamed))

    async def _tell_elsewhere(
        self,
        roots: Iterable[Root],
        edges: Iterable[Edge],
        targets: Mapping[str, Repository],
    ) -> None:
        """Tell of new repositories that have a namesake in the location that the source implies."""
        places = {root.source.shown: root.default_location for root in roots}
        new: dict[tuple[str, str], set[str]] = {}
        for edge in edges:
            implied, project, id_ = places.get(edge.source_shown), edge.project, edge.repository
            if not (implied and project and edge.location and id_) or implied == edge.location:
                continue
            target = targets.get(repository_resource(project, edge.location, id_))
            if target and not target.exists:
                new.setdefault((project.id, implied), set()).add(target.resource)
        for (owner, location), resources in sorted(new.items()):
            asked = self._connections.repositories("target").in_location(owner, location)
            subject = f"repositories of projects/{owner} in {location}"
            there = await self._seen(asked, subject, Severity.INFO)
            namesakes = {one.resource.rpartition("/")[2]: one.resource for one in there or ()}
            for resource in sorted(resources):
                if other := namesakes.get(resource.rpartition("/")[2]):
                    shown = targets[resource].shown
                    self._tell(Finding(errors.REPOSITORY_ELSEWHERE, Severity.INFO, shown, other))

    def _tell_deletions(
        self,
        targets: Mapping[str, Repository],
        there: Mapping[str, RepositorySettings],
        totals: Totals,
    ) -> None:
        for resource, target in sorted(targets.items()):
            policies, acts = effective(there.get(resource), target.settings)
            if any(policy.deletes for policy in policies):
                losses = Losses(target.shown, policies, acts=acts)
                for versions in totals.versions(resource):
                    losses.add([CopiedVersion(*one) for one in versions])
                self._tell_all(losses.findings())

    async def _project(
        self,
        project: str,
        targets: Sequence[Repository],
        there: Mapping[str, RepositorySettings],
        totals: Totals,
    ) -> None:
        """Tell of a target project: its redirect, its topic `gcr`, its scans."""
        resources = {one.resource for one in targets}
        pushes = totals.pushes(resources)
        named = [one for one in targets if gcr_name_of(one)]
        if named:
            asked = self._connections.projects("target").redirection(project)
            redirect = await self._seen(asked, f"redirect of projects/{project}", Severity.WARNING)
            self._tell_all(served_finding(one, redirect) for one in named if redirect)
        if not pushes.manifests and not pushes.tags:
            return
        await self._tell_subscribers(project, pushes.manifests + pushes.tags)
        if pushes.images:
            services = self._connections.projects("target").enabled(project, [SERVICE])
            subject = f"services of projects/{project}"
            enabled = await self._seen(services, subject, Severity.INFO)
            if enabled is None:
                self._scanned = None
            if enabled:
                scanning = {
                    one.resource
                    for one in targets
                    if scans_the_copy(one.settings, there.get(one.resource))
                }
                scanned = totals.pushes(scanning).images
                if self._scanned is not None:
                    self._scanned += scanned
                subject = f"projects/{project}"
                self._tell(scan_finding(subject, pushes.images, scanned=scanned))

    async def _tell_subscribers(self, project: str, messages: int) -> None:
        topics, subject = self._connections.topics("target"), f"projects/{project}/topics/{_TOPIC}"
        names = await self._seen(topics.subscribers(project, _TOPIC), subject, Severity.WARNING)
        found = await all_of(
            self._seen(topics.subscriber(one), one, Severity.WARNING) for one in names or ()
        )
        self._tell_all(subscriber_finding(one, messages) for one in found if one)

    async def _source(
        self, root: Root, edges: Iterable[Edge], repositories: Mapping[Target, Repository]
    ) -> None:
        """Tell the clean-up policies of a source, unless its targets have their own."""
        moved = [
            (MovedPath(str(edge.source_path), target.shown, str(edge.target_path)), target)
            for edge in edges
            if edge.source_shown == root.source.shown
            and (target := repositories[edge.registry, edge.prefix]).resource
        ]
        if not root.resource or all(target.settings.cleanup for _, target in moved):
            return
        asked = self._connections.repositories("source").get(root.resource)
        has = await self._seen(asked, f"settings of {root.source.shown}", Severity.INFO)
        if has:
            self._tell_all(stays_behind(root.source.shown, has, [path for path, _ in moved]))

    async def _seen(
        self, asked: Coroutine[None, None, T], subject: str, severity: Severity
    ) -> T | None:
        """Return an answer; what cannot be looked at is told, and stops nothing.

        Raises:
            MigrateError: TOKEN_EXPIRED, as all that is still to be asked would fail alike.
        """
        try:
            return await asked
        except MigrateError as error:
            if error.problem is errors.TOKEN_EXPIRED:
                raise
            if error.problem in _TOLD_ELSEWHERE:
                return None
            self._tell(Finding(errors.NOT_SEEN, severity, subject, error.told))
            return None

    def _tell_all(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._tell(finding)
