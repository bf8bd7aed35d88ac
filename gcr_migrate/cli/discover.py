"""Which gcr.io hosts are in use, of which kind each is, and what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gcr_migrate.cli.files import write_new
from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import AccessTokenFile, Endpoints, Impersonate, Json, QuotaProject
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Way
from gcr_migrate.errors import BAD_USAGE, MigrateError

if TYPE_CHECKING:
    from gcr_migrate.connect import Connections
    from gcr_migrate.discover.ask import Witnesses
    from gcr_migrate.discover.evidence import HostEvidence, ProjectEvidence
    from gcr_migrate.discover.kinds import Verdict
    from gcr_migrate.discover.scope import Scope
    from gcr_migrate.model.names import GcrHost
    from gcr_migrate.report.discovery import DiscoveredProjectFact, SpecFileFact

_TRIES: Final = 3  # what does not answer is named, not waited for
_Hosts = dict[str, tuple["GcrHost", ...]]
Judged = list[tuple["HostEvidence", "Verdict"]]


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(discover)


def discover(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROJECT...",
            help="Project, or any name or page of its images; several may be given.",
        ),
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--folder", metavar="N", help="All projects below a folder.")
    ] = None,
    organization: Annotated[
        str | None,
        typer.Option("--organization", metavar="N", help="All projects of an organisation."),
    ] = None,
    write_specs: Annotated[
        Path | None,
        typer.Option(
            "--write-specs",
            metavar="DIR",
            help="Write a spec for each project with images to split; no file is overwritten.",
        ),
    ] = None,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    as_json: Json = False,
) -> int:
    """Find every gcr.io host in use, what kind each is, and what to do with it next.

    Asks the hosts, Artifact Registry, Cloud Storage and Cloud Asset; what could not be seen and
    opinions that disagree are named. Nothing is changed anywhere.

    Exit codes: 0 all seen, 2 bad name, 3 a project or host could not be wholly seen, 4 nothing
    could be seen.
    """
    from gcr_migrate.report.discovery import DiscoverFacts
    from gcr_migrate.report.hosttable import host_lines

    output = Output(as_json=as_json)
    where = where_of("discover", targets or [], folder, organization)
    own, hosts = _read(targets or [])
    way = Way.of(endpoints, access_token_file, impersonate, quota_project)
    scope, found = in_a_loop(_discover(where, hosts, way, output))
    verdicts = [(project, judged(project)) for project in found]
    specs = _write(write_specs, verdicts) if write_specs else []
    facts = DiscoverFacts.of(where, scope, [_told(*one) for one in verdicts], own, specs)
    output.result(facts, host_lines(facts))
    return facts.exit


def where_of(command: str, targets: list[str], folder: str | None, organization: str | None) -> str:
    """Return the folder or organisation that was named, or nothing where projects were.

    Raises:
        MigrateError: `bad-usage` with the command as its subject.
    """
    named = {"folders": folder, "organizations": organization}
    above = [f"{kind}/{text.removeprefix(f'{kind}/')}" for kind, text in named.items() if text]
    if len(above) + bool(targets) != 1:
        saw = "name either projects, or one --folder, or one --organization"
        raise MigrateError(BAD_USAGE, subject=command, saw=saw)
    if above and not above[0].partition("/")[2].isdecimal():
        saw = "a number is needed, as `gcloud` shows it"
        raise MigrateError(BAD_USAGE, subject=above[0], saw=saw)
    return above[0] if above else ""


def _read(targets: list[str]) -> tuple[list[str], _Hosts]:
    """Return the hosts among the targets that are Google's own, and the hosts by project."""
    from gcr_migrate.model.names import GCR_HOSTS, GOOGLES_OWN
    from gcr_migrate.model.places import read_place

    own: list[str] = []
    named: dict[str, set[str]] = {}
    for target in targets:
        host = target.strip().removeprefix("https://").partition("/")[0].lower()
        if host in GOOGLES_OWN:
            own.append(host)
            continue
        place = read_place(target)
        one = place.gcr_host
        wanted = {one.name} if one else {known.name for known in GCR_HOSTS}
        named.setdefault(place.project.id, set()).update(wanted)
    hosts = {
        project: tuple(host for host in GCR_HOSTS if host.name in names)
        for project, names in named.items()
    }
    return list(dict.fromkeys(own)), hosts


async def _discover(
    where: str, hosts: _Hosts, way: Way, output: Output
) -> tuple[Scope, list[ProjectEvidence]]:
    from gcr_migrate.discover.ask import examine_all
    from gcr_migrate.discover.scope import Scope, below
    from gcr_migrate.model.names import GCR_HOSTS, Project
    from gcr_migrate.report.progress import Watch

    async with way.open(tries=_TRIES) as connections:
        witnesses = witnesses_of(connections)
        if where:
            scope = await below(where, witnesses)
        else:
            scope = Scope({id_: Project.parse(id_) for id_ in hosts})
        total = len(scope.projects)
        with Watch(output.screen, "discover", total) as watch:
            found = await examine_all(
                scope,
                lambda id_: hosts.get(id_, GCR_HOSTS),
                witnesses,
                lambda: watch.listed("projects", 1),
            )
    return scope, found


def witnesses_of(connections: Connections) -> Witnesses:
    """Return everybody who can be asked about projects."""
    from gcr_migrate.discover.ask import Witnesses

    return Witnesses(
        hosts=connections,
        found=connections.assets("source"),
        known=connections.projects("source"),
        repositories=connections.repositories("source"),
        contents=connections.contents("source"),
        buckets=connections.buckets("source"),
    )


def judged(project: ProjectEvidence) -> Judged:
    """Return the hosts of a project, and what each of them is."""
    from gcr_migrate.discover.kinds import judge

    return [(host, judge(project, host)) for host in project.hosts]


def _told(project: ProjectEvidence, found: Judged) -> DiscoveredProjectFact:
    from gcr_migrate.report.discovery import DiscoveredProjectFact

    return DiscoveredProjectFact.of(project, found)


def _write(folder: Path, verdicts: list[tuple[ProjectEvidence, Judged]]) -> list[SpecFileFact]:
    """Write a spec for each project that has images to split, but over no file."""
    from gcr_migrate.discover.specs import spec_name, spec_text
    from gcr_migrate.report.discovery import SpecFileFact

    texts = [(project, spec_text(project, found)) for project, found in verdicts]
    files = []
    for project, text in texts:
        if text is None:
            continue
        path = folder / spec_name(project)
        written = write_new(path, text)
        files.append(SpecFileFact(file=str(path), project=project.project.id, written=written))
    return files
