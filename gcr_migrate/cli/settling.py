"""Access in a plan: reads what counts on both sides, and settles it target by target."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Literal

from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.access import SourceAccess, pullers_through, settle
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.access import AccessReader
from gcr_migrate.model.access import AccessWish
from gcr_migrate.model.cloud import DOCKER, VIRTUAL
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.names import gcr_host, repository_resource
from gcr_migrate.model.places import artifacts_bucket
from gcr_migrate.plan.checks import without_room
from gcr_migrate.plan.refusals import Refusal, Refused
from gcr_migrate.plan.wishes import wishes_of
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gcr_migrate.access import Settled
    from gcr_migrate.cli.reading import Root
    from gcr_migrate.connect import Connections
    from gcr_migrate.interfaces import Repositories
    from gcr_migrate.model.access import AccessRow, Picture
    from gcr_migrate.model.names import Project
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.plan.routes import Edge
    from gcr_migrate.plan.wishes import Target

_NAMED_AT_MOST: Final = 10
_HIDDEN: Final = frozenset({errors.DENIED, errors.API_DISABLED, errors.PERIMETER})
_NOTHING_SAID: Final = AccessWish()
Side = Literal["source", "target"]


class Settling:
    """Settles access for the targets of a plan.

    Args:
        connections: hands out clients.
        project: the source's project; None where it has none.
        add_finding: takes what is noteworthy.
        now_ms: milliseconds since 1970, for conditions; None takes the clock's.
    """

    def __init__(
        self,
        connections: Connections,
        project: Project | None,
        add_finding: Callable[[Finding], None],
        now_ms: int | None = None,
    ) -> None:
        self._project = project
        self._tell = add_finding
        self._now_ms = int(time.time() * 1000) if now_ms is None else now_ms
        self._connections = connections
        self._readers: dict[Side, AccessReader] = {}

    async def settle(
        self, edges: Sequence[Edge], roots: Iterable[Root], repositories: dict[Target, Repository]
    ) -> tuple[dict[Target, Repository], dict[Target, tuple[AccessRow, ...]]]:
        """Return the targets with the grants that follow, and what these do to everybody.

        Args:
            edges: image paths with the wishes of their routes.
            roots: the roots of the source.
            repositories: the targets as they are.

        Raises:
            Refused: what is to be carried over cannot be read, or what is there already; all of
                it is named.
        """
        wishes, refusals = wishes_of(edges)
        if refusals:
            raise Refused(refusals)
        by_shown = {root.source.shown: root for root in roots}
        wanted = {
            target: {source: wish for source, wish in by_source.items() if wish.translate}
            for target, by_source in wishes.items()
            if repositories[target].resource
        }
        self._tell_not_carried(wishes, wanted, repositories)
        if not any(wanted.values()):
            return dict(repositories), {}
        found = await self._sources(wanted, by_shown)
        translated = {target: some for target, some in wanted.items() if some}
        settled = await all_of(
            self._one(repositories[target], some, found) for target, some in translated.items()
        )
        refusals = [one for one in settled if isinstance(one, Refusal)]
        if refusals:
            raise Refused(refusals)
        done = {
            target: one
            for target, one in zip(translated, settled, strict=True)
            if not isinstance(one, Refusal)
        }
        around = _Virtual(self._connections.repositories("target"), self._reader("target"))
        through = await all_of(
            around.findings(row, one.rows, self._now_ms) for row, one in done.values() if row.exists
        )
        found_out = [*(one.findings for _, one in done.values()), *through]
        for finding in dict.fromkeys(told for some in found_out for told in some):
            self._tell(finding)
        granted = {target: row for target, (row, _) in done.items()}
        return repositories | granted, {target: one.rows for target, (_, one) in done.items()}

    async def _sources(
        self,
        wanted: Mapping[Target, Mapping[str, AccessWish]],
        by_shown: Mapping[str, Root],
    ) -> dict[tuple[str, str], SourceAccess]:
        """Read each source by what counts there; refuse what cannot be read."""
        pairs = sorted({(s, w.basis) for some in wanted.values() for s, w in some.items()})
        read = await all_of(self._read(by_shown[shown], basis) for shown, basis in pairs)
        refusals = [one for one in read if isinstance(one, Refusal)]
        if refusals:
            raise Refused(refusals)
        return {
            pair: one
            for pair, one in zip(pairs, read, strict=True)
            if isinstance(one, SourceAccess)
        }

    async def _read(self, root: Root, basis: str) -> SourceAccess | Refusal:
        """Read what counts at a source: its repository, or the bucket that it had."""
        shown, project, host = root.source.shown, self._project, gcr_host(root.host)
        if project is None:
            return Refusal(errors.ACCESS_UNREADABLE, shown, "it is not in Google Cloud")
        history: Picture | None = None
        if basis == "bucket" or not (root.resource or basis == "repository"):
            if host is None:
                saw = "`from: bucket` is for gcr.io hosts"
                return Refusal(errors.ACCESS_UNREADABLE, shown, saw)
            name = artifacts_bucket(host.name, project)
            picture = await self._reader("source").bucket(shown, name, project.id)
        else:
            resource = root.resource
            if host and not resource:
                resource = repository_resource(project, host.location, host.repository_id)
            picture = await self._reader("source").repository(shown, resource, project.id)
            if host:
                name = artifacts_bucket(host.name, project)
                history = await self._reader("source").bucket(f"gs://{name}", name, project.id)
        own = picture.policies[0]
        if own.policy is None:
            return Refusal(errors.ACCESS_UNREADABLE, shown, f"{own.resource}: {own.why}")
        known = history if history and history.policies[0].policy else None
        return SourceAccess(picture, _NOTHING_SAID, known)

    async def _one(
        self,
        target: Repository,
        by_source: Mapping[str, AccessWish],
        found: Mapping[tuple[str, str], SourceAccess],
    ) -> tuple[Repository, Settled] | Refusal:
        """Settle access to one target; refuse one whose own policy is there and hidden."""
        picture = await self._reader("target").repository(
            target.shown, target.resource, target.resource.split("/")[1], exists=target.exists
        )
        own = picture.policies[0] if target.exists else None
        if own and own.policy is None:
            return Refusal(errors.ACCESS_UNREADABLE, target.shown, f"{own.resource}: {own.why}")
        sources = [
            replace(found[shown, wish.basis], wish=wish) for shown, wish in by_source.items()
        ]
        settled = settle(picture, sources, self._now_ms)
        policy = own.policy if own else None
        granted = policy.held(settled.grants) if policy else ()
        full = without_room(target.shown, policy, settled.grants)
        settled = replace(settled, findings=(*settled.findings, *full))
        return replace(target, grants=settled.grants, granted=granted), settled

    def _reader(self, side: Side) -> AccessReader:
        if side not in self._readers:
            found = self._connections
            self._readers[side] = AccessReader(
                found.access(side), found.repositories(side), found.answers
            )
        return self._readers[side]

    def _tell_not_carried(
        self,
        wishes: Mapping[Target, Mapping[str, AccessWish]],
        wanted: Mapping[Target, Mapping[str, AccessWish]],
        repositories: Mapping[Target, Repository],
    ) -> None:
        """Tell once which targets get nothing of the source's access."""
        left = [
            repositories[target].shown
            for target, some in wanted.items()
            if len(some) < len(wishes[target])
        ]
        if left and self._project:
            more = f" and {len(left) - _NAMED_AT_MOST} more" if len(left) > _NAMED_AT_MOST else ""
            subject = ", ".join(left[:_NAMED_AT_MOST]) + more
            self._tell(Finding(errors.ACCESS_NOT_CARRIED, Severity.INFO, subject))


class _Virtual:
    """Virtual repositories that are there already; those of a location are listed once.

    Args:
        repositories: Artifact Registry's repositories.
        reader: reads who has access to them.
    """

    def __init__(self, repositories: Repositories, reader: AccessReader) -> None:
        self._repositories = repositories
        self._reader = reader
        self._listed: dict[str, asyncio.Task[dict[str, tuple[str, ...]]]] = {}

    async def findings(
        self, target: Repository, rows: Sequence[AccessRow], now_ms: int
    ) -> list[Finding]:
        """Tell who pulls from a target through those that stand over it, beside its rows."""
        place = target.resource.partition("/repositories/")[0]
        if place not in self._listed:
            self._listed[place] = asyncio.create_task(self._in(place))
        try:
            listed = await self._listed[place]
        except MigrateError as error:
            if error.problem not in _HIDDEN:
                raise
            subject = f"virtual repositories in {place}"
            return [Finding(errors.POLICY_NOT_SEEN, Severity.INFO, subject, error.told)]
        found = []
        for name in (one for one, upstreams in listed.items() if target.resource in upstreams):
            picture = await self._reader.repository(name, name, place.split("/")[1])
            members, hidden = pullers_through(picture, rows, now_ms)
            if hidden:
                found.append(Finding(errors.POLICY_NOT_SEEN, Severity.WARNING, name, hidden))
            if members:
                more = len(members) - _NAMED_AT_MOST
                saw = ", ".join(members[:_NAMED_AT_MOST]) + (
                    f" and {more} more" if more > 0 else ""
                )
                shown = f"{name.rpartition('/')[2]}: {saw}"
                found.append(Finding(errors.PULLED_THROUGH, Severity.WARNING, target.shown, shown))
        return found

    async def _in(self, place: str) -> dict[str, tuple[str, ...]]:
        """Return the virtual repositories of a location with what each stands over."""
        _, project, _, location = place.split("/")
        rows = await self._repositories.in_location(project, location)
        names = [one.resource for one in rows if one.format == DOCKER and one.mode == VIRTUAL]
        upstreams = await all_of(map(self._repositories.upstreams, names))
        return {name: some or () for name, some in zip(names, upstreams, strict=True)}
