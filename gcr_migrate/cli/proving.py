"""Proves one target after another, or a few at once, over connections that they share."""

from __future__ import annotations

import tempfile
import time
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.cli.held import Area, Held, held_against
from gcr_migrate.cli.logins import host_of, hosts_of, hosts_of_spec, logins
from gcr_migrate.cli.options import read_text
from gcr_migrate.cli.shared import Shared
from gcr_migrate.cli.wish import kept_path, kind_of
from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, Exit, MigrateError
from gcr_migrate.model.domains import Domain
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.names import Project, gcr_host
from gcr_migrate.report.proof import verify_facts
from gcr_migrate.state.baseline import Baseline
from gcr_migrate.state.file import create_draft, open_migration
from gcr_migrate.state.listings import open_shelf
from gcr_migrate.state.names_kept import NamesKept
from gcr_migrate.state.snapshot import ONLY, create_snapshot, open_snapshot
from gcr_migrate.state.verifying import verifying
from gcr_migrate.verify.access import promises_access, verify_access
from gcr_migrate.verify.baseline import verify_baseline
from gcr_migrate.verify.baseline_promises import BaselinePromises
from gcr_migrate.verify.checks import Checks
from gcr_migrate.verify.deep import verify_deep
from gcr_migrate.verify.live import Live
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.plan import verify_plan
from gcr_migrate.verify.plan_promises import PlanPromises
from gcr_migrate.verify.promise import Nothing
from gcr_migrate.verify.redirect import Expected, facts_of, verify_redirect
from gcr_migrate.verify.result import (
    CONTENT,
    OF_A_WHOLE_HOST,
    OF_ALL_THAT_IS_LEFT,
    Level,
    Outcome,
    Verification,
)
from gcr_migrate.verify.sample import Sample
from gcr_migrate.verify.upkeep import Upkeep
from gcr_migrate.wire.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcr_migrate.cli.output import Output
    from gcr_migrate.cli.proving_references import References
    from gcr_migrate.cli.reach import Way
    from gcr_migrate.cli.target import Target
    from gcr_migrate.cli.wish import Wish
    from gcr_migrate.connect import Connections, Side
    from gcr_migrate.model.domains import DomainFacts
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.report.proof import Kind, VerifyFacts
    from gcr_migrate.state.migration import Migration
    from gcr_migrate.verify.promise import Promises

_EXPLAINED: Final = errors.NOT_THERE | {errors.NOT_MIGRATED}  # by what level redirect tells


class Proving:
    """Proves targets.

    Args:
        output: where it is told whose login ends.
        way: how the services are reached.
        wish: what is to be proven.
        watch: shows how far it is.
        stack: closes connections in the end.
    """

    def __init__(
        self, output: Output, way: Way, wish: Wish, watch: Watch, stack: AsyncExitStack
    ) -> None:
        budget = Budget()
        budget.limit(wish.effort.requests, wish.effort.bytes_)
        self._shared = Shared(output, way, stack, budget)
        self._wish = wish
        self._watch = watch
        self._checks = Checks()
        self._near: set[str] = set()

    @property
    def requests(self) -> int:
        """How many were sent for all targets."""
        return self._shared.requests

    async def prove(self, text: str) -> VerifyFacts:
        """Prove one target.

        Raises:
            MigrateError: nothing of it can be looked at, or the login has ended.
            Refused: of a spec, no plan can be made.
        """
        kind = kind_of(text)
        if self._wish.baseline and kind != "live":
            saw = "goes with a project or a host; this target says itself what should be there"
            raise MigrateError(BAD_USAGE, subject=f"--baseline for {text}", saw=saw)
        if kind == "migration":
            return await self._migration(text, Path(text), kind)
        if kind == "spec":
            return await self._spec(text)
        if kind == "snapshot":
            return await self._baseline(text, Path(text), kind)
        return await self._live(text)

    async def _migration(self, text: str, path: Path, kind: Kind) -> VerifyFacts:
        with open_migration(path) as migration:
            migration.check_seal()
            levels = self._wish.levels_for(_levels_of(migration))
            connections = await self._shared.connections(
                *logins(migration), migration.limits(), hosts_of(migration)
            )
            now_ms = int(time.time() * 1000)
            upkeep = Upkeep(connections, "target", now_ms)
            with self._begun(text, migration.digest, levels) as result:
                await verify_plan(migration, connections, result, self._watch, self._checks, upkeep)
                if Level.ACCESS in result.wanted:
                    await verify_access(migration, connections, result, self._watch, now_ms)
                promises = PlanPromises(migration)
                await self._deep(promises, connections, result)
                await self._redirect(promises, connections, result, text)
                if used := self._references(connections, result):
                    await used.of_plan(text, migration)
                self._tell_quotas(connections, result, text)
                self._tell_what_nobody_knows(result, text)
            return verify_facts(
                text,
                kind,
                result,
                file=str(path) if kind == "migration" else "",
                digest=migration.digest,
                complete=migration.complete,
            )

    async def _spec(self, text: str) -> VerifyFacts:
        """Make a plan in a file that nobody keeps, and prove that."""
        from gcr_migrate.cli.pipeline import make_plan
        from gcr_migrate.spec import load_spec

        written = read_text(Path(text))
        spec = load_spec(written, text)
        connections = await self._shared.connections(
            spec.source_login, spec.target_login, spec.limits.limits, hosts_of_spec(spec)
        )
        with tempfile.TemporaryDirectory(prefix="gcr-migrate-") as folder:
            path = Path(folder) / "spec.migration"
            with create_draft(path) as draft, open_shelf() as shelf:
                await make_plan(spec, text, written, connections, draft, shelf, self._watch.listed)
            return await self._migration(text, path, "spec")

    async def _baseline(
        self, text: str, path: Path, kind: Kind, held: Held | None = None
    ) -> VerifyFacts:
        with open_snapshot(path) as snapshot:
            held = held or Held()
            promises = BaselinePromises(Baseline(snapshot), held.below)
            asked = {root.registry for root in promises.roots()}
            hosts: dict[Side, set[str]] = {"source": asked, "target": set()}
            connections = await self._shared.connections(None, None, None, hosts)
            upkeep = Upkeep(connections, promises.side, int(time.time() * 1000))
            levels = self._wish.levels_for(_usual(promises))
            with self._begun(text, promises.identity, levels) as result:
                await verify_baseline(
                    promises, connections, result, self._watch, self._checks, upkeep
                )
                await self._deep(promises, connections, result)
                await self._redirect(promises, connections, result, text, facts_of(promises))
                roots = [root.shown for root in promises.roots()]
                if used := self._references(connections, result):
                    await used.of_roots(text, roots, NamesKept(snapshot))
                self._tell_quotas(connections, result, text)
                self._tell_what_nobody_knows(result, text)
                for name, saw in held.untold.items():
                    for level in result.in_order:
                        Marks(result, self._watch, name).all_unchecked(
                            level, 1, errors.NOT_CHECKED, name, saw
                        )
            return verify_facts(text, kind, result, file=str(path), complete=snapshot.complete)

    async def _live(self, text: str) -> VerifyFacts:
        from gcr_migrate.cli.target import read_target

        target = read_target(text)
        if self._wish.baseline:
            return await self._held_against(text, target, self._wish.baseline)
        hosts: dict[Side, set[str]] = {"source": host_of(target.source), "target": set()}
        connections = await self._shared.connections(target.login, None, target.limits, hosts)
        domains = domains_of(target.source)
        levels = self._wish.levels_for(CONTENT | {Level.REDIRECT} if domains else CONTENT)
        with self._begun(text, "as it is", levels) as result:
            complete = await self._as_it_is(target, connections, result)
            roots = [domain.shown for domain in domains] or [target.name]
            if used := self._references(connections, result):
                await used.of_roots(text, roots, None)
            self._tell_quotas(connections, result, text)
            self._tell_what_nobody_knows(result, text)
        return verify_facts(text, "live", result, complete=complete)

    async def _as_it_is(
        self, target: Target, connections: Connections, result: Verification
    ) -> bool:
        """Read what is there now, and prove it whole; return whether all of it could be listed."""
        from gcr_migrate.cli.taking import take

        with tempfile.TemporaryDirectory(prefix="gcr-migrate-") as folder:
            path = Path(folder) / "live.snapshot"
            try:
                with create_snapshot(path) as draft, open_shelf() as shelf:
                    complete = await take(target, connections, draft, shelf, self._watch.listed)
            except MigrateError as error:
                await self._failed(result, target, connections, error)
                return True  # that nothing was checked says enough
            with open_snapshot(path) as snapshot:
                promises = BaselinePromises(Baseline(snapshot))
                live = Live(snapshot, promises, connections, result, self._watch, self._checks)
                await live.verify()
                self._tell_empty(promises, result, target)
                await self._deep(promises, connections, result)
                domains = domains_of(target.source)
                await self._redirect(promises, connections, result, target.name, domains=domains)
        return complete

    async def _held_against(self, text: str, target: Target, path: Path) -> VerifyFacts:
        """Prove what a baseline shows of a target."""
        with open_snapshot(path) as snapshot:
            baseline = Baseline(snapshot)
            areas = [
                Area(one.shown, tuple(baseline.facts(id_).get(ONLY, ())))
                for id_, one in baseline.sources().items()
            ]
            idle = {one.subject for one in snapshot.findings() if one.problem is errors.HOST_EMPTY}
            held = held_against(target, areas, snapshot.target, idle, f"--baseline {path}")
            images = BaselinePromises(baseline, held.below).images()
            if any(held.below.values()) and next(images, None) is None:
                saw = f"it shows no image at {target.name}"
                raise MigrateError(BAD_USAGE, subject=f"--baseline {path}", saw=saw)
        return await self._baseline(text, path, "live", held)

    @contextmanager
    def _begun(self, text: str, identity: str, levels: frozenset[Level]) -> Iterator[Verification]:
        """Begin a verification, or go on with one that did not come to its end."""
        effort = self._wish.effort
        wanted = " ".join(sorted(levels))
        question = f"{text}\n{identity}\n{wanted}\n{self._wish.question}"
        path = kept_path(text)
        with verifying(path, question, believed_s=effort.resume_s, seed=effort.seed) as kept:
            result = Verification(levels, kept=kept)
            yield result
            if result.came_to_its_end:
                kept.close(ended=True)

    async def _deep(
        self, promises: Promises, connections: Connections, result: Verification
    ) -> None:
        if Level.DEEP in result.wanted:
            sample, room = self._wish.effort.sample or Sample(), self._shared.budget
            await verify_deep(
                promises, connections, result, self._watch, self._checks, sample, room
            )

    def _tell_quotas(self, connections: Connections, result: Verification, text: str) -> None:
        """Tell once how near requests came to a quota, at the target that was proven then."""
        for service, saw in connections.near_quotas().items():
            if service not in self._near:
                self._near.add(service)
                marks = Marks(result, self._watch, next(iter(result.hosts), text))
                marks.note(errors.QUOTA_NEAR, Severity.WARNING, service, saw)

    async def _redirect(
        self,
        promises: Promises,
        connections: Connections,
        result: Verification,
        text: str,
        facts: Mapping[str, DomainFacts] | None = None,
        domains: tuple[Domain, ...] = (),
    ) -> None:
        """Prove what gcr.io names serve, if that is wanted, with what a baseline says of them."""
        if Level.REDIRECT not in result.wanted:
            return
        wish = self._wish
        expected = Expected(facts or {}, wish.identities, wish.anonymous, domains)
        await verify_redirect(promises, expected, connections, result, self._watch, self._checks)
        if not any(one.domain for one in result.hosts.values()):
            host = next(iter(result.hosts), text)
            saw = "none of its names is at a gcr.io host"
            Marks(result, self._watch, host).unproven(Level.REDIRECT, text, saw)

    def _references(self, connections: Connections, result: Verification) -> References | None:
        """Return who proves the names that files use, if that is wanted."""
        if Level.REFERENCES not in result.wanted:
            return None
        from gcr_migrate.cli.proving_references import References

        return References(self._wish.references or (), connections, result, self._watch)

    async def _failed(
        self, result: Verification, target: Target, connections: Connections, error: MigrateError
    ) -> None:
        """Tell why nothing could be read, or else by what that is settled."""
        domains = domains_of(target.source)
        if Level.REDIRECT in result.wanted and error.problem is not errors.TOKEN_EXPIRED:
            await self._redirect(Nothing(), connections, result, target.name, domains=domains)
        if result.outcome is not Outcome.DIFFERS or error.problem not in _EXPLAINED:
            self._tell_failed(result, target, error)

    def _tell_failed(self, result: Verification, target: Target, error: MigrateError) -> None:
        """Tell that nothing could be read; what no other try would mend is raised."""
        if error.problem is errors.TOKEN_EXPIRED:
            raise error
        if error.problem not in OF_A_WHOLE_HOST and error.problem.exit is not Exit.OUT_OF_REACH:
            raise _no_such_thing(target, error) or error
        marks = Marks(result, self._watch, target.name)
        told = result.outcome is not Outcome.PROVEN  # by level redirect
        for level in result.in_order:
            if told and level is Level.REDIRECT:
                continue
            if error.problem in OF_A_WHOLE_HOST | OF_ALL_THAT_IS_LEFT:
                marks.unchecked(level, target.name, error)
            else:
                marks.all_unchecked(level, 1, errors.NOT_CHECKED, target.name, error.told)

    def _tell_empty(self, promises: Promises, result: Verification, target: Target) -> None:
        """Tell that nothing is there, of which nobody can say that nothing should be."""
        if next(iter(promises.images()), None) is None:
            marks = Marks(result, self._watch, next(iter(result.hosts), target.name))
            saw = "no image is listed there; only a baseline tells whether there should be one"
            for level in result.in_order:
                if level in {*CONTENT, Level.DEEP}:
                    marks.all_unchecked(level, 1, errors.NOT_CHECKED, target.name, saw)

    def _tell_what_nobody_knows(self, result: Verification, text: str) -> None:
        """Tell of levels that were asked for, and of which nothing was said that could be held."""
        found = result.levels.get(Level.ACCESS)
        if found and not found.checked + found.unchecked:
            host = next(iter(result.hosts), text)
            saw = "nothing says who shall have access: only a plan with grants or access does, or"
            saw += " level redirect with who could pull"
            Marks(result, self._watch, host).unproven(Level.ACCESS, text, saw)


def _no_such_thing(target: Target, error: MigrateError) -> MigrateError | None:
    """Return what to say where a name was perhaps that of a file; None if it was none."""
    if "/" in target.name:
        return None
    try:
        Project.parse(target.name).check_new()
    except MigrateError:
        saw = f"no such file, and no project of this name answers: {error.told}"
        return MigrateError(FILE_MISSING, subject=target.name, saw=saw)
    return None


def _levels_of(migration: Migration) -> frozenset[Level]:
    return CONTENT | {Level.ACCESS} if promises_access(migration) else CONTENT


def _usual(promises: BaselinePromises) -> frozenset[Level]:
    named = any(Domain.at(root.registry, root.prefix) for root in promises.roots())
    return CONTENT | {Level.REDIRECT} if named else CONTENT


def domains_of(source: object) -> tuple[Domain, ...]:
    """Return the gcr.io names that a source stands for."""
    from gcr_migrate.spec import ProjectSource

    if not isinstance(source, ProjectSource):
        return ()
    project = Project.parse(source.project)
    return tuple(Domain(host, project) for name in source.hosts if (host := gcr_host(name)))
