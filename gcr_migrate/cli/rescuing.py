"""One run of a rescue, from its gates to its account."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct, field

from gcr_migrate import errors
from gcr_migrate.cli.asking import check_agreed, somebody_is_there
from gcr_migrate.cli.reading import Root
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import Redirection
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.names import GcrHost, gcr_host
from gcr_migrate.model.places import artifacts_bucket
from gcr_migrate.model.plan import Source
from gcr_migrate.rescue.account import Seen, account_of
from gcr_migrate.rescue.asking import ask_for_the_rest
from gcr_migrate.rescue.run import Filters, Rescue, Way
from gcr_migrate.rescue.targets import Maker, Target, hosts_in_use, is_there, target_in
from gcr_migrate.state.rescued import RescueTarget, open_rescue, targets_of
from gcr_migrate.state.snapshot import check_replaceable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gcr_migrate.cli.output import Output
    from gcr_migrate.connect import Connections
    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.names import Project
    from gcr_migrate.rescue.account import Account
    from gcr_migrate.rescue.expected import Wanted
    from gcr_migrate.state.rescued import RescueFile
    from gcr_migrate.state.snapshot import Snapshot


class Wish(Struct, frozen=True):
    """What a person wants to be rescued.

    Attributes:
        project: the project whose images they are.
        hosts: hosts that were named; none for those in use.
        start: the name below a host where to begin; empty for all.
        to: repository that was named; empty for those of the hosts.
        filters: which part of the images.
        path: file of the rescue.
        dry_run: whether nothing is to be done.
        asks: whether to ask for a yes first.
    """

    project: Project
    hosts: tuple[GcrHost, ...]
    start: str
    to: str
    filters: Filters
    path: Path
    dry_run: bool
    asks: bool

    @property
    def about(self) -> dict[str, str]:
        """Return what has to be the same for a run that goes on."""
        hosts = " ".join(host.name for host in self.hosts)
        return {"project": self.project.id, "hosts": hosts, "below": self.start, "to": self.to}

    @property
    def inventory(self) -> Path:
        """Return where the inventory of the targets is kept."""
        return self.path.with_name(f"{self.path.stem}.rescued.snapshot")

    def target(self, host: GcrHost) -> Target:
        """Return where the images of a host go."""
        if not self.to:
            return Target.own(host, self.project, self.start)
        return target_in(self.to, host, self.project, self.start)


class Course(Struct):
    """What became of a run, before it is told.

    Attributes:
        state: the redirect state.
        targets: by their numbers.
        existed: numbers of those that were there when the run began.
        made: numbers of those that are there now.
        ended: `finished`, `interrupted` or `dry-run`.
        runs: how many there were.
        seen: the inventory; None if none was taken.
        findings: what was noteworthy on the way.
    """

    state: Redirection
    targets: list[Target]
    existed: set[int]
    made: set[int] = field(default_factory=set)
    ended: str = "finished"
    runs: int = 0
    seen: Seen | None = None
    findings: list[Finding] = field(default_factory=list)


class Run:
    """One run.

    Args:
        wish: what is wanted.
        connections: hands out clients.
        output: where progress goes.
    """

    def __init__(self, wish: Wish, connections: Connections, output: Output) -> None:
        self._wish = wish
        self._connections = connections
        self._output = output
        self._findings: list[Finding] = []

    async def look(self) -> Course:
        """Find out where images go, and refuse what cannot be; nothing is changed.

        Raises:
            MigrateError: REDIRECT_UNKNOWN, NOTHING_TO_RESCUE, NOT_A_TARGET, NOT_A_RESCUE; what
                keeps one from knowing.
        """
        project, tell = self._wish.project, self._findings.append
        check_replaceable(self._wish.inventory, force=True)  # the last step must not fail by this
        settings = await self._connections.projects("target").redirection(project.id)
        if settings.state is Redirection.UNKNOWN:
            raise MigrateError(errors.REDIRECT_UNKNOWN, subject=project.id, saw=settings.word)
        known = targets_of(self._wish.path, self._wish.about)
        hosts = [found for one in known or () if (found := gcr_host(one.host))]
        if not hosts:
            buckets = self._connections.buckets("target")
            hosts = [*self._wish.hosts] or await hosts_in_use(project, buckets, tell)
        targets = [self._wish.target(host) for host in hosts]
        repositories = self._connections.target_repositories()
        there = [await is_there(one, repositories, tell) for one in targets]
        existed = {at for at, exists in enumerate(there) if exists}
        return Course(settings.state, targets, existed, findings=self._findings)

    def confirm(self, course: Course) -> None:
        """Ask a person for a yes, where there is one to ask."""
        if not (self._wish.asks and somebody_is_there()):
            return
        new = len(course.targets) - len(course.existed)
        names = ", ".join(one.shown for one in course.targets)
        question = f"Have Google copy into {names} ({new} repositories to create)?"
        check_agreed(question, names)

    async def go(self, course: Course, file: RescueFile) -> Rescue:
        """Create what is missing, have everything copied, and return how far that came.

        Raises:
            MigrateError: NOT_A_RESCUE if a target is gone into which an earlier run copied.
        """
        from gcr_migrate.cli.interrupt import ended_by, stopping
        from gcr_migrate.report.progress import Watch

        stop, starts = asyncio.Event(), [one.start for one in course.targets]

        def tell(text: str) -> None:
            course.ended = "interrupted"
            self._output.say(text, "rescue.stopping")

        for at in sorted(file.answered() - course.existed):
            saw = f"{course.targets[at].resource}, into which it copied, is gone: begin anew"
            raise MigrateError(errors.NOT_A_RESCUE, subject=str(file.path), saw=saw)
        file.start_run(self._wish.filters.text)
        course.runs = file.runs
        rescue = Rescue(file, starts, self._wish.filters)
        outcome = ""
        try:
            with (
                stopping(stop, tell),
                Watch(self._output.screen, "rescue") as watch,
            ):
                await self._make(course, rescue, file, stop)
                ways = {at: self._way(course, at) for at in course.made}
                await self._look_before(course, file)
                pause_s = self._connections.backoff.base_s
                await rescue.go(ways, stop, watch.listed, pause_s)
            outcome = course.ended
        except BaseException as error:
            outcome = ended_by(error)
            raise
        finally:
            file.end_run(outcome)
        return rescue

    async def _make(
        self, course: Course, rescue: Rescue, file: RescueFile, stop: asyncio.Event
    ) -> None:
        """Create missing repositories; one that cannot be made closes its target alone."""
        repositories = self._connections.target_repositories()
        maker = Maker(repositories, self._connections.creation_pause_s, stop)
        for at, target in enumerate(course.targets):

            async def keep(operation: str, at: int = at) -> None:
                file.keep_operation(at, operation)

            try:
                if at in course.existed or await maker.make(target, file.operation(at), keep):
                    course.made.add(at)
            except MigrateError as error:
                if error.problem is errors.TOKEN_EXPIRED:
                    raise
                rescue.walk.close(at, error.problem, error.saw)

    def _way(self, course: Course, at: int) -> Way:
        host, name, source = course.targets[at].asked(course.state)
        return Way(self._connections.server_copy(host), name, source)

    async def _look_before(self, course: Course, file: RescueFile) -> None:
        """Keep what is in each target before anything is copied there; once for all runs."""
        asked = {kept.target for kept in file.replies()}
        for at in sorted(course.made - asked):
            if file.seen_before(at):
                continue
            resource = course.targets[at].resource
            contents = self._connections.contents("target")
            try:
                rows = [
                    (one.path, str(one.digest)) async for one in contents.docker_images(resource)
                ]
            except MigrateError as error:
                if error.problem is errors.TOKEN_EXPIRED:
                    raise
                shown = course.targets[at].shown
                finding = Finding(errors.LISTING_FAILED, Severity.WARNING, shown, error.told)
                self._findings.append(finding)
            else:
                file.keep_before(at, rows)

    async def check(self, course: Course) -> None:
        """Take an inventory of all targets in both views, with every part of every manifest."""
        from gcr_migrate.cli.taking import take_roots
        from gcr_migrate.report.progress import Watch
        from gcr_migrate.state.listings import open_shelf
        from gcr_migrate.state.snapshot import create_snapshot, open_snapshot

        roots = [_root(course.targets[at]) for at in sorted(course.made)]
        if not roots:
            return
        name, path = self._wish.project.id, self._wish.inventory
        try:
            with (
                create_snapshot(path, force=True) as draft,
                Watch(self._output.screen, "inventory") as watch,
                open_shelf() as shelf,
            ):
                await take_roots(
                    name, roots, self._connections, draft, shelf, watch.listed, checks_blobs=True
                )
        except MigrateError as error:
            if error.problem is errors.TOKEN_EXPIRED:
                raise
            finding = Finding(errors.LISTING_FAILED, Severity.ERROR, error.subject, error.told)
            self._findings.append(finding)
            return
        with open_snapshot(path) as snapshot:
            course.seen = _seen(snapshot, course.targets)
            found = [one for one in snapshot.findings() if one.severity is not Severity.INFO]
            if not (snapshot.complete or any(one.severity is Severity.ERROR for one in found)):
                found.append(Finding(errors.LISTING_FAILED, Severity.ERROR, name, str(path)))
            self._findings += found
            self._findings += [
                Finding(one.problem, Severity.ERROR, one.subject, one.saw)
                for one in snapshot.left_outs()
            ]

    async def ask(self, course: Course, file: RescueFile, wanted: Wanted | None) -> None:
        """Ask by itself for what the inventory lacks though it was named or is expected."""
        if course.seen is None:
            return

        def reader(host: str) -> SourceRegistry:
            return self._connections.target_reader(host, ARTIFACT_REGISTRY.name)

        tell = self._findings.append
        await ask_for_the_rest(course.targets, file, course.seen, wanted, reader, tell)

    async def check_empty(self, course: Course, done: Rescue) -> None:
        """Doubt a target without an image whose bucket has blobs: its plain lists prove nothing.

        Where another host was copied from the service is there, and names that are expected of
        other hosts may be; a bucket may be empty.
        """
        if course.seen is None or self._wish.start or self._wish.filters.text:
            return
        has_images = {at for at, _ in course.seen.images}
        for at in sorted(course.made - done.walk.told - has_images):
            target = course.targets[at]
            name = artifacts_bucket(target.host.name, target.project)
            try:
                pages = self._connections.stored("target").in_bucket(name)
                has_blobs = any([bool(page) async for page in pages])
            except MigrateError as error:
                if error.problem not in errors.NOT_THERE:
                    seen = Finding(errors.NOT_SEEN, Severity.WARNING, f"gs://{name}", error.told)
                    self._findings.append(seen)
                continue
            if has_blobs:
                saw = f"gs://{name} has blobs, and no image of it is there"
                doubt = Finding(errors.COPY_UNPROVEN, Severity.ERROR, target.shown, saw)
                self._findings.append(doubt)


def _root(target: Target) -> Root:
    source = Source(target.shown, target.registry, target.name, ARTIFACT_REGISTRY.name)
    below = (target.start,) if target.start else ()
    return Root(source, target.registry, target.location, target.resource, below=below)


def _seen(snapshot: Snapshot, targets: list[Target]) -> Seen:
    """Return what a snapshot shows, by targets and the names below them."""
    starts = {f"{target.shown}/": at for at, target in enumerate(targets)}
    seen = Seen(complete=snapshot.complete)
    for name, digests, tags in snapshot.images():
        for start, at in starts.items():
            if name.startswith(start):
                seen.images[at, name.removeprefix(start)] = digests, tags
    return seen


async def rescue(
    wish: Wish, wanted: Callable[[Course], Wanted | None], connections: Connections, output: Output
) -> tuple[Course, Account | None]:
    """Do all of it, as far as it goes.

    Args:
        wish: what is wanted.
        wanted: gives the expected names, once it is known of which hosts.
        connections: hands out clients.
        output: where progress goes.

    Returns:
        What became of it, and the account; None for that after a dry run.
    """
    run = Run(wish, connections, output)
    course = await run.look()
    expected = wanted(course)
    if wish.dry_run:
        course.ended = "dry-run"
        return course, None
    run.confirm(course)
    rows = [RescueTarget(one.host.name, one.resource) for one in course.targets]
    with open_rescue(wish.path, wish.about, rows) as file:
        done = await run.go(course, file)
        if course.ended == "finished":
            await run.check(course)
            await run.ask(course, file, expected)
            if done.walk.told or expected:  # else every target is doubted alike
                await run.check_empty(course, done)
        return course, account_of(done, course.targets, file, course.seen, expected)
