"""Proves one target after another, or a few at once, over connections that they share."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from gcr_migrate import errors
from gcr_migrate.cli.logins import announce, host_of, hosts_of, hosts_of_spec, logins
from gcr_migrate.cli.options import SPEC_SUFFIXES, read_text
from gcr_migrate.cli.pipeline import make_plan
from gcr_migrate.cli.taking import take
from gcr_migrate.cli.target import SUFFIX, read_target
from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, Exit, MigrateError
from gcr_migrate.model.names import Project
from gcr_migrate.report.proof import verify_facts
from gcr_migrate.spec import load_spec
from gcr_migrate.state.baseline import Baseline
from gcr_migrate.state.file import create_draft, open_migration
from gcr_migrate.state.listings import open_shelf
from gcr_migrate.state.snapshot import create_snapshot, is_snapshot, open_snapshot
from gcr_migrate.verify.access import promises_access, verify_access
from gcr_migrate.verify.baseline import verify_baseline
from gcr_migrate.verify.checks import Checks
from gcr_migrate.verify.live import Live
from gcr_migrate.verify.marks import CONTENT, OF_A_WHOLE_HOST, Level, Marks, Verification
from gcr_migrate.verify.plan import verify_plan
from gcr_migrate.verify.promise import BaselinePromises
from gcr_migrate.verify.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.cli.options import Way
    from gcr_migrate.cli.output import Output
    from gcr_migrate.cli.target import Target
    from gcr_migrate.connect import Connections, Side
    from gcr_migrate.model.limits import Limits
    from gcr_migrate.model.login import Login
    from gcr_migrate.report.progress import Watch
    from gcr_migrate.report.proof import Kind, VerifyFacts
    from gcr_migrate.state.migration import Migration

_FILES: Final = (SUFFIX, ".migration")


def kind_of(text: str) -> Literal["migration", "spec", "snapshot", "live"]:
    """Return what a person named as a target.

    Raises:
        MigrateError: FILE_MISSING.
    """
    path = Path(text)
    if path.suffix in SPEC_SUFFIXES:
        return "spec"
    if path.is_file():
        return "snapshot" if is_snapshot(path) else "migration"
    if path.suffix in _FILES or path.is_dir():
        saw = "a folder" if path.is_dir() else "no such file"
        raise MigrateError(FILE_MISSING, subject=text, saw=saw)
    return "live"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be proven of each target.

    Attributes:
        levels: what to look at; none: all that a target speaks of.
        baseline: snapshot that live projects and hosts are held against.
    """

    levels: frozenset[Level] = frozenset()
    baseline: Path | None = None


@dataclass(slots=True)
class _Shared:
    """Connections by how they log in and how fast they ask, each opened once."""

    output: Output
    way: Way
    stack: AsyncExitStack
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _open: dict[tuple[Login | None, Login | None, Limits | None], Connections] = field(
        default_factory=dict
    )

    async def connections(
        self,
        source: Login | None,
        target: Login | None,
        limits: Limits | None,
        hosts: Mapping[Side, set[str]],
    ) -> Connections:
        """Return connections; whose login ends is told when they are opened."""
        key = (source, target, limits)
        async with self._opening:  # of several who want the same, one opens it
            if key not in self._open:
                opened = self.way.open(source, target, limits=limits)
                self._open[key] = await self.stack.enter_async_context(opened)
                await announce(self.output, self._open[key], hosts)
        return self._open[key]


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
        self._shared = _Shared(output, way, stack)
        self._wish = wish
        self._watch = watch
        self._checks = Checks()

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
            result = Verification(self._wish.levels or _levels_of(migration))
            connections = await self._shared.connections(
                *logins(migration), migration.limits(), hosts_of(migration)
            )
            now_ms = int(time.time() * 1000)
            upkeep = Upkeep(connections, "target", now_ms)
            await verify_plan(migration, connections, result, self._watch, self._checks, upkeep)
            if Level.ACCESS in result.wanted:
                await verify_access(migration, connections, result, self._watch, now_ms)
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
        self, text: str, path: Path, kind: Kind, roots: frozenset[str] = frozenset()
    ) -> VerifyFacts:
        with open_snapshot(path) as snapshot:
            promises = BaselinePromises(Baseline(snapshot), roots)
            result = Verification(self._wish.levels or CONTENT)
            asked = {root.registry for root in promises.roots()}
            hosts: dict[Side, set[str]] = {"source": asked, "target": set()}
            connections = await self._shared.connections(None, None, None, hosts)
            upkeep = Upkeep(connections, promises.side, int(time.time() * 1000))
            await verify_baseline(promises, connections, result, self._watch, self._checks, upkeep)
            self._tell_what_nobody_knows(result, text)
            return verify_facts(text, kind, result, file=str(path), complete=snapshot.complete)

    async def _live(self, text: str) -> VerifyFacts:
        target = read_target(text)
        if self._wish.baseline:
            return await self._held_against(text, target, self._wish.baseline)
        hosts: dict[Side, set[str]] = {"source": host_of(target.source), "target": set()}
        connections = await self._shared.connections(target.login, None, target.limits, hosts)
        result = Verification(self._wish.levels or CONTENT)
        with tempfile.TemporaryDirectory(prefix="gcr-migrate-") as folder:
            path = Path(folder) / "live.snapshot"
            try:
                with create_snapshot(path) as draft, open_shelf() as shelf:
                    complete = await take(target, connections, draft, shelf, self._watch.listed)
            except MigrateError as error:
                self._tell_failed(result, target, error)
                return verify_facts(text, "live", result)
            with open_snapshot(path) as snapshot:
                promises = BaselinePromises(Baseline(snapshot))
                live = Live(snapshot, promises, connections, result, self._watch, self._checks)
                await live.verify()
        self._tell_what_nobody_knows(result, text)
        return verify_facts(text, "live", result, complete=complete)

    async def _held_against(self, text: str, target: Target, path: Path) -> VerifyFacts:
        """Prove those roots of a baseline that a target names."""
        with open_snapshot(path) as snapshot:
            named = frozenset(one for one in snapshot.roots() if _names(target.name, one))
            if not named:
                saw = f"it shows {', '.join(snapshot.roots()) or 'nothing'}, and not {target.name}"
                raise MigrateError(BAD_USAGE, subject=f"--baseline {path}", saw=saw)
        return await self._baseline(text, path, "live", named)

    def _tell_failed(self, result: Verification, target: Target, error: MigrateError) -> None:
        """Tell that nothing could be read; what no other try would mend is raised."""
        if error.problem is errors.TOKEN_EXPIRED:
            raise error
        if error.problem not in OF_A_WHOLE_HOST and error.problem.exit is not Exit.OUT_OF_REACH:
            raise _no_such_thing(target, error) or error
        marks = Marks(result, self._watch, target.name)
        for level in result.levels:
            marks.unchecked(level, target.name, error)

    def _tell_what_nobody_knows(self, result: Verification, text: str) -> None:
        """Tell of levels that were asked for, and of which nothing was said that could be held."""
        if Level.ACCESS in result.wanted:
            host = next(iter(result.hosts), text)
            saw = "only a plan says who shall have access"
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


def _names(target: str, root: str) -> bool:
    """Whether a target, `PROJECT` or `HOST/PROJECT` or a repository, has a root in it."""
    return root == target or root.startswith(f"{target}/") or root.partition("/")[2] == target


def _levels_of(migration: Migration) -> frozenset[Level]:
    return CONTENT | {Level.ACCESS} if promises_access(migration) else CONTENT
