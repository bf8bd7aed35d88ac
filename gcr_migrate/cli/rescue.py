"""Google's server-side copy of images that never left Container Registry, driven to its end."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    SPEC_SUFFIXES,
    AccessTokenFile,
    Endpoints,
    Impersonate,
    Json,
    MaxRate,
    QuotaProject,
    read_text,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Pace, Way
from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, NO_NAMES, MigrateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.cli.rescuing import Course, Wish
    from gcr_migrate.model.limits import Limits
    from gcr_migrate.model.login import Login
    from gcr_migrate.model.names import GcrHost, Project
    from gcr_migrate.report.rescue_account import RunOfRescue
    from gcr_migrate.rescue.account import Account
    from gcr_migrate.rescue.expected import Wanted
    from gcr_migrate.spec import Spec

_MOST_DAYS: Final = 180
_PEEK: Final = 65_536  # characters in which an audit log says what it is


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(rescue)


def rescue(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="PROJECT, HOST/PROJECT or HOST/PROJECT/FOLDER of gcr.io names, or a spec file.",
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="REPOSITORY",
            help="Copy there instead: an id in the host's own location, or "
            "LOCATION-docker.pkg.dev/PROJECT/ID. Paths stay as they are.",
        ),
    ] = None,
    pulled_within: Annotated[
        int | None,
        typer.Option(
            "--pulled-within",
            metavar="DAYS",
            min=1,
            max=_MOST_DAYS,
            help="Only what was pulled or pushed in so many days.",
        ),
    ] = None,
    newest: Annotated[
        int | None,
        typer.Option(
            "--newest", metavar="N", min=1, help="Only the newest N versions of each image."
        ),
    ] = None,
    expected: Annotated[
        list[Path] | None,
        typer.Option(
            "--expected",
            metavar="FILE",
            help="Names that have to be there in the end: a snapshot, an exported audit log, or "
            "any text with full names in it; repeat it.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="FILE", help="Where every reply is kept. Default: PROJECT.rescue."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Tell where images would go, and do nothing."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, even on a terminal.")] = False,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> int:
    """Have Google copy what a project left in Container Registry, and prove what came of it.

    Repositories that are missing are created. Every name, page by page, is asked for until it is
    done; at the end the target is read and held against all that the service said. Stopped at any
    point, the same command goes on where it stopped. Nothing is granted, moved or deleted.

    Exit codes: 0 copied and there, 1 something could not be copied or is not there, 2 bad name or
    file, 3 refused and nothing changed, 4 a part was not reached or cannot be proven, 130
    interrupted.
    """
    from gcr_migrate.cli.after_rescue import next_steps
    from gcr_migrate.report.rescue_account import rescue_facts
    from gcr_migrate.report.rescues import rescue_lines

    output = Output(as_json=as_json)
    spec = None
    if Path(target).suffix in SPEC_SUFFIXES:
        from gcr_migrate.spec import load_spec

        spec = load_spec(read_text(Path(target)), target)
    asks = not (yes or as_json)
    wish = _wish(target, spec, to or "", pulled_within, newest, state, dry_run=dry_run, asks=asks)
    pace = Pace.of(max_rate)
    way = Way.of(endpoints, access_token_file, impersonate, quota_project, pace=pace)
    names = _Names(wish, expected or [])
    login = spec.source_login if spec else None
    limits = spec.limits.limits if spec else None
    course, account = in_a_loop(_run(output, wish, names, way, login, limits))
    facts = rescue_facts(_told(wish, course, names), account)
    command = _command(
        target,
        {"--to": to, "--pulled-within": pulled_within, "--newest": newest, "--state": state}
        | {"--endpoints": _unless_set(endpoints), "--access-token-file": access_token_file}
        | {"--impersonate-service-account": impersonate, "--quota-project": quota_project},
        expected or [],
    )
    second = Path(target) if spec else None
    steps = [*next_steps(command, wish, course, facts, second)]
    facts = facts.but(next_steps=steps)
    output.result(facts, rescue_lines(facts))
    return facts.exit


def _wish(
    target: str,
    spec: Spec | None,
    to: str,
    pulled_within: int | None,
    newest: int | None,
    state: Path | None,
    *,
    dry_run: bool,
    asks: bool,
) -> Wish:
    """Read what a person wants.

    Raises:
        MigrateError: `bad-name`, `bad-usage`.
    """
    from gcr_migrate.cli.rescuing import Wish
    from gcr_migrate.rescue.run import Filters

    if spec and to:
        saw = "a spec is rescued into the repositories of its hosts; leave --to out"
        raise MigrateError(BAD_USAGE, subject=f"--to {to}", saw=saw)
    project, hosts, start = _of_spec(target, spec) if spec else _of_name(target)
    if to and len(hosts) != 1:
        saw = "equal paths of several hosts would meet there; name one: HOST/PROJECT"
        raise MigrateError(BAD_USAGE, subject=f"--to {to}", saw=saw)
    words = [*(host.name for host in hosts), project.id, start, *(["to", to] if to else ())]
    name = "-".join(re.sub("[:/]", "-", word) for word in words if word)
    return Wish(
        project=project,
        hosts=hosts,
        start=start,
        to=to,
        filters=Filters(pulled_within, newest),
        path=state or Path(f"{name}.rescue"),
        dry_run=dry_run,
        asks=asks,
    )


def _of_name(target: str) -> tuple[Project, tuple[GcrHost, ...], str]:
    from gcr_migrate.model.places import read_place

    place = read_place(target)
    if place.tag or place.digest:
        saw = "the service copies names with all their tags; leave out the tag or the digest"
        raise MigrateError(BAD_USAGE, subject=target, saw=saw)
    if place.kind == "project":
        return place.project, (), ""
    host = place.gcr_host
    if host is None:
        saw = "only names of gcr.io hosts were left in Container Registry"
        raise MigrateError(BAD_USAGE, subject=target, saw=saw)
    return place.project, (host,), str(place.path or "")


def _of_spec(target: str, spec: Spec) -> tuple[Project, tuple[GcrHost, ...], str]:
    from gcr_migrate.model.names import GCR_HOSTS, Project
    from gcr_migrate.spec import ProjectSource

    source = spec.source
    if not isinstance(source, ProjectSource):
        saw = "its source is no project with gcr.io hosts"
        raise MigrateError(BAD_USAGE, subject=target, saw=saw)
    named = tuple(host for host in GCR_HOSTS if host.name in source.hosts)
    start = source.below[0] if len(source.below) == 1 else ""
    hosts = () if len(named) == len(GCR_HOSTS) else named
    return Project.parse(source.project), hosts, start


def _unless_set(endpoints: Path | None) -> Path | None:
    """Return what has to be said of the endpoints, unless the environment says it."""
    return None if os.environ.get("GCR_MIGRATE_ENDPOINTS") == str(endpoints) else endpoints


def _command(target: str, options: Mapping[str, object], expected: list[Path]) -> str:
    """Return the command that goes on where this one stopped."""
    words = ["gcr-migrate", "rescue", target]
    for option, value in options.items():
        words += [option, str(value)] if value is not None else []
    for file in expected:
        words += ["--expected", str(file)]
    return shlex.join(words)


class _Names:
    """Files of expected names, read once it is known of which hosts.

    Args:
        wish: what is to be rescued.
        files: the files.
    """

    def __init__(self, wish: Wish, files: list[Path]) -> None:
        self._wish = wish
        self.files = files
        self.elsewhere = 0

    def __call__(self, course: Course) -> Wanted | None:
        """Return the names of the hosts of this run; None without a file.

        Raises:
            MigrateError: `file-missing`, `no-names`, and what is wrong with a snapshot or a log.
        """
        from gcr_migrate.rescue.expected import Wanted

        if not self.files:
            return None
        hosts = {one.host.name for one in course.targets}
        wanted = Wanted(self._wish.project, hosts, self._wish.start)
        for file in self.files:
            known = len(wanted.names)
            self._read(file, wanted)
            if len(wanted.names) == known:
                saw = f"{wanted.elsewhere} names of other projects, hosts or folders"
                raise MigrateError(NO_NAMES, subject=str(file), saw=saw)
        self.elsewhere = wanted.elsewhere
        return wanted

    def _read(self, file: Path, wanted: Wanted) -> None:
        from gcr_migrate.cli.pulls import read_pulls
        from gcr_migrate.state.snapshot import is_snapshot, open_snapshot

        if is_snapshot(file):
            with open_snapshot(file) as snapshot:
                for image in snapshot.images():
                    wanted.add_image(*image)
            return
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:  # whoever wrote it
                is_audit_log = '"protoPayload"' in lines.read(_PEEK)
                lines.seek(0)
                if not is_audit_log:
                    wanted.add_text(lines)
                    return
        except OSError as error:
            raise MigrateError(FILE_MISSING, subject=str(file), saw=error.strerror or "") from error
        wanted.add_pulls(read_pulls(file))


async def _run(
    output: Output,
    wish: Wish,
    names: _Names,
    way: Way,
    login: Login | None,
    limits: Limits | None,
) -> tuple[Course, Account | None]:
    from gcr_migrate.cli.logins import announce
    from gcr_migrate.cli.rescuing import rescue as do

    async with way.open(login, login, limits=limits) as connections:
        await announce(output, connections, {"source": set(), "target": {"us-docker.pkg.dev"}})
        return await do(wish, names, connections, output)


def _told(wish: Wish, course: Course, names: _Names) -> RunOfRescue:
    from gcr_migrate.report.rescue_account import RunOfRescue

    return RunOfRescue(
        file=str(wish.path),
        project=wish.project,
        state=course.state,
        filters=wish.filters.text,
        targets=course.targets,
        existed=course.existed,
        made=course.made,
        ended=course.ended,
        runs=course.runs,
        inventory=str(wish.inventory) if course.seen else "",
        findings=course.findings,
        expected_files=[str(one) for one in names.files],
        elsewhere=names.elsewhere,
    )
