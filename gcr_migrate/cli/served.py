"""Verifies all that a domain serves, before a move of its redirect and after it.

What the repositories show is read once into a file that nobody keeps. Before the move all of it is
asked for by Artifact Registry's own names, after it by the gcr.io names.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.access import Standing, holdings
from gcr_migrate.cli.taking import take
from gcr_migrate.cli.target import Target
from gcr_migrate.errors import NOT_THERE, MigrateError
from gcr_migrate.model.access import Right
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.names import ar_host, gcr_host
from gcr_migrate.model.pulls import ANY
from gcr_migrate.redirect.evidence import Pulled
from gcr_migrate.redirect.gates import Proof
from gcr_migrate.spec import ProjectSource
from gcr_migrate.state.baseline import Baseline
from gcr_migrate.state.listings import open_shelf
from gcr_migrate.state.snapshot import create_snapshot, open_snapshot
from gcr_migrate.tasks import a_few_of
from gcr_migrate.verify.answers import Expect
from gcr_migrate.verify.baseline_promises import BaselinePromises
from gcr_migrate.verify.checks import Checks
from gcr_migrate.verify.live import Live
from gcr_migrate.verify.redirect import Expected, verify_redirect
from gcr_migrate.verify.result import CONTENT, Level, Verification

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gcr_migrate.connect import Connections
    from gcr_migrate.model.pulls import Pulls
    from gcr_migrate.redirect.evidence import HostReading, Reading
    from gcr_migrate.report.progress import Watch

_NAMED_AT_MOST: Final = 20
_AT_ONCE: Final = 32
_AR: Final = "artifact-registry"  # its dialect


class Shown(Struct, frozen=True):
    """What the repositories of a project's hosts showed.

    Attributes:
        snapshots: files, one for each host, and whether anybody may pull there.
        unread: what could not be read, in words.
    """

    snapshots: tuple[tuple[Path, bool], ...]
    unread: tuple[str, ...]


@contextmanager
def room() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gcr-migrate-") as folder:
        yield Path(folder)


async def read_all(reading: Reading, connections: Connections, watch: Watch, folder: Path) -> Shown:
    """Read everything that the repositories of a project's hosts show.

    Args:
        reading: says which hosts have any.
        connections: hands out clients.
        watch: is told of what is read.
        folder: where it is kept meanwhile.
    """
    snapshots: list[tuple[Path, bool]] = []
    unread: list[str] = []
    for host in reading.hosts:
        if not host.has_repository:
            continue
        path = folder / f"{host.host.name}.snapshot"
        try:
            with create_snapshot(path) as draft, open_shelf() as shelf:
                await take(_target(reading, host), connections, draft, shelf, watch.listed)
        except MigrateError as error:
            if host.images != 0 or error.problem not in NOT_THERE:  # else neither view shows any
                unread.append(f"{reading.shown(host)}: {error.told}")
            continue
        snapshots.append((path, _is_public(host)))
        with open_snapshot(path) as snapshot:
            if not snapshot.complete:
                errors = (f for f in snapshot.findings() if f.severity is Severity.ERROR)
                unread += [f"{f.problem.code}: {f.subject}" for f in errors]
                unread.append(f"{reading.shown(host)}: not all of it could be listed and read")
    return Shown(tuple(snapshots), tuple(unread))


def _target(reading: Reading, host: HostReading) -> Target:
    """Return a host's repository under its own name, whoever answers for the host now."""
    name, id_ = host.host.name, reading.project.id
    source = ProjectSource(project=id_, hosts=(name,), dialect=_AR)
    return Target(reading.shown(host), source)


def _is_public(host: HostReading) -> bool:
    """Whether the policies of a repository let anybody pull from it."""
    if host.target is None or isinstance(host.target, MigrateError):
        return False
    found = holdings(host.target, int(time.time() * 1000))
    return found.of("allUsers", Right.PULL).standing is Standing.YES


def _ar_name(reading: Reading, host: HostReading) -> str:
    where = host.host
    return f"{ar_host(where.location)}/{reading.project.path}/{where.repository_id}"


async def prove(shown: Shown, connections: Connections, watch: Watch, *, by_domain: bool) -> Proof:
    """Ask for everything that was shown: tags and blobs, or each name that clients use.

    Args:
        shown: what the repositories showed.
        connections: hands out clients.
        watch: is told of each check.
        by_domain: by the gcr.io names, as docker asks; else by Artifact Registry's own.
    """
    result = Verification(frozenset({Level.REDIRECT}) if by_domain else CONTENT)
    checks = Checks()
    for path, is_public in shown.snapshots:
        with open_snapshot(path) as snapshot:
            promises = BaselinePromises(Baseline(snapshot))
            if by_domain:
                expected = Expected(anonymous=Expect.WORKS if is_public else None)
                await verify_redirect(promises, expected, connections, result, watch, checks)
            else:
                await Live(snapshot, promises, connections, result, watch, checks).verify()
    counts = result.levels.values()
    findings = [one for one in result.findings if one.severity is Severity.ERROR]
    told = [f"{f.problem.code}: {f.subject}: {f.saw}".removesuffix(": ") for f in findings]
    return Proof(
        checked=sum(one.ok for one in counts),
        wrong=sum(one.wrong for one in counts),
        unchecked=sum(one.unchecked for one in counts) + len(shown.unread),
        complete=not shown.unread and result.proven,
        findings=(*told, *shown.unread)[:_NAMED_AT_MOST],
    )


async def check_pulled(reading: Reading, pulls: Pulls, connections: Connections) -> Pulled:
    """Ask Artifact Registry for each name of a project's hosts that a log shows in use."""
    missing: list[str] = []
    unchecked: list[str] = []
    sought: list[str] = []
    used = [*pulls.last_ms.items(), *pulls.pushed_ms.items()]
    names = _of_hosts(reading, used)
    in_vain = _of_hosts(reading, pulls.sought.items()) - names

    async def one(gcr: str, name: str, reference: str, lacking: list[str]) -> None:
        registry, _, path = name.partition("/")
        separator = "@" if ":" in reference else ":"
        where = gcr_host(gcr)
        prefix = f"{reading.project.path}/{where.repository_id if where else gcr}/"
        shown = f"{gcr}/{reading.project.path}/{path.removeprefix(prefix)}{separator}{reference}"
        reader = connections.source(registry, _AR)
        try:
            found = await reader.manifest_head(path, reference)
        except MigrateError as error:
            unchecked.append(f"{shown}: {error.told}")
            return
        if found is None:
            lacking.append(shown)

    await a_few_of((one(*name, missing) for name in sorted(names)), _AT_ONCE)
    told = len(unchecked)
    await a_few_of((one(*name, sought) for name in sorted(in_vain)), _AT_ONCE)
    project = reading.project.path
    span = pulls.span(project)
    return Pulled(
        len(names) + len(unchecked) - told,
        tuple(sorted(missing)),
        tuple(sorted(unchecked)),
        tuple(sorted(sought)),
        days=f"{span[0]} to {span[1]}" if span else "",
        silences=tuple(one.told for one in pulls.silences(project)),
    )


def _of_hosts(
    reading: Reading, used: Collection[tuple[str, Collection[str]]]
) -> set[tuple[str, str, str]]:
    """Return those of some names that are of a project's hosts: host, name, tag or digest."""
    return {
        (host.host.name, name, reference)
        for host in reading.hosts
        for name, references in used
        if name.startswith(f"{_ar_name(reading, host)}/")
        for reference in references
        if reference != ANY
    }
