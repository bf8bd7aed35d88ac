"""A spec to begin with: proposed from what is in a project, chosen by a person or by flags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.cli.asking import somebody_is_there
from gcr_migrate.cli.discover import judged, witnesses_of
from gcr_migrate.cli.files import write_new
from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.options import (
    AccessTokenFile,
    Endpoints,
    Impersonate,
    Json,
    QuotaProject,
    check_known,
    chosen,
)
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Way
from gcr_migrate.errors import BAD_USAGE, NOTHING_TO_PLAN, SPEC_THERE, Exit, MigrateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.connect import Connections
    from gcr_migrate.discover.evidence import HostEvidence, ProjectEvidence
    from gcr_migrate.discover.proposals import By
    from gcr_migrate.discover.specs import Found, Wishes
    from gcr_migrate.model.access import Policy
    from gcr_migrate.model.names import GcrHost, Project
    from gcr_migrate.report.drafting import InitFacts

_TRIES: Final = 3  # what does not answer is named, not waited for
_Policies = dict[str, "Policy | MigrateError"]


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(init)


def init(
    project: Annotated[
        str,
        typer.Argument(metavar="PROJECT", help="Project, or any name or page of its images."),
    ],
    hosts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[HOST]...", help="gcr.io hosts. Default: all that are in use."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="WAY",
            help="first-folder, prefix, host or keep: what decides about an image's repository."
            " Default: what is asked on a terminal, else what is recommended.",
        ),
    ] = None,
    target_project: Annotated[
        str | None,
        typer.Option("--target-project", metavar="P", help="Project that gets the repositories."),
    ] = None,
    location: Annotated[
        str | None,
        typer.Option("--location", metavar="L", help="Of all repositories. Default: each host's."),
    ] = None,
    access: Annotated[
        bool | None,
        typer.Option(
            "--access/--no-access",
            help="Carry over who has access today. Default: if that can be read.",
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: PROJECT.yaml."),
    ] = None,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Print the spec, and write no file.")
    ] = False,
    endpoints: Endpoints = None,
    access_token_file: AccessTokenFile = None,
    impersonate: Impersonate = None,
    quota_project: QuotaProject = None,
    as_json: Json = False,
) -> int:
    """Write a spec to begin with, from the hosts, paths and grants of a project.

    Tells what each way of parting the images leads to. Asks on a terminal, and takes what is
    recommended elsewhere. No file is overwritten, and nothing is changed anywhere else.

    Exit codes: 0 written, 2 bad name or option, 3 a file is there already, or no image of the
    project can be planned yet, 4 out of reach.
    """
    output = Output(as_json=as_json)
    asked = _asked(project, hosts or [], by, target_project, location, access)
    path = None if stdout else output_file or Path(f"{asked.project.path.replace('/', '_')}.yaml")
    if stdout and output_file:
        raise MigrateError(BAD_USAGE, subject="--stdout", saw="it contradicts -o")
    if path and path.exists():
        raise MigrateError(SPEC_THERE, subject=str(path))
    way = Way.of(endpoints, access_token_file, impersonate, quota_project)
    found = in_a_loop(_look(asked, way))
    asks = not as_json and somebody_is_there()
    drafted = _choose(asked, found, output, file=str(path or ""), asks=asks)
    if path and not write_new(path, drafted.text):
        raise MigrateError(SPEC_THERE, subject=str(path))
    _tell(output, drafted, told=asks and asked.by is None)
    return Exit.OK


class _Asked(Struct, frozen=True):
    """What the command line says.

    Attributes:
        project: whose images.
        hosts: at which hosts.
        target: project that gets the repositories; None: the same.
        location: where all of them are made; empty: where each host's are.
        by: what decides; None: not said.
        access: whether access is carried over; None: not said.
    """

    project: Project
    hosts: tuple[GcrHost, ...]
    target: Project | None
    location: str
    by: By | None
    access: bool | None


class _Seen(Struct, frozen=True):
    """What is in the project: the evidence, what each host is, and the policies of those ready."""

    project: ProjectEvidence
    found: list[Found]
    ready: list[HostEvidence]
    policies: _Policies

    @property
    def shows_access(self) -> bool:
        """Whether the policy of each host that is ready was read; else no plan could carry it."""
        read = {name for name, one in self.policies.items() if not isinstance(one, MigrateError)}
        return read.issuperset(one.host.name for one in self.ready)


def _asked(
    project: str,
    hosts: list[str],
    by: str | None,
    target: str | None,
    location: str | None,
    access: bool | None,  # noqa: FBT001  # as typer gives it
) -> _Asked:
    from gcr_migrate.discover.proposals import By
    from gcr_migrate.model.names import GCR_HOSTS, check_location
    from gcr_migrate.model.places import read_place

    place = read_place(project)
    known = {host.name: host for host in GCR_HOSTS}
    check_known("HOST", list(known), hosts)
    named = set(hosts) or ({place.gcr_host.name} if place.gcr_host else set(known))
    into = read_place(target).project if target else None
    if location:
        check_location(location)
    way = next(iter(chosen("--by", By, [by])), None) if by else None
    if way is By.KEEP and (location or into in {None, place.project}):
        saw = "names are kept only in another project, in each host's own location"
        raise MigrateError(BAD_USAGE, subject="--by keep", saw=f"{saw}; say --target-project")
    return _Asked(
        place.project,
        tuple(host for name, host in known.items() if name in named),
        None if into == place.project else into,
        location or "",
        way,
        access,
    )


async def _look(asked: _Asked, way: Way) -> _Seen:
    """Ask about the project, and read the policies of the hosts that can be planned.

    Raises:
        MigrateError: `nothing-to-plan`, or what hides the whole project.
    """
    from gcr_migrate.discover.ask import examine_all
    from gcr_migrate.discover.scope import Scope
    from gcr_migrate.discover.specs import ready_hosts

    async with way.open(tries=_TRIES) as connections:
        scope = Scope({asked.project.id: asked.project})
        (project,) = await examine_all(
            scope, lambda _: asked.hosts, witnesses_of(connections), lambda: None
        )
        found = judged(project)
        ready = ready_hosts(found)
        hidden = [error for _, verdict in found for _, error in verdict.unseen]
        if hidden and all(verdict.kind is None for _, verdict in found):
            raise hidden[0]
        if not ready:
            raise MigrateError(NOTHING_TO_PLAN, subject=str(asked.project), saw=_why_nothing(found))
        return _Seen(project, found, ready, await _policies(ready, connections))


def _why_nothing(found: Sequence[Found]) -> str:
    from gcr_migrate.discover.kinds import TITLES

    return "; ".join(
        f"{host.host.name}: "
        f"{TITLES[verdict.kind] if verdict.kind else 'what it is could not be seen'},"
        f" {'no image in it' if host.images == () else f'next: {verdict.jobs[0]}'}"
        for host, verdict in found
    )


async def _policies(ready: Sequence[HostEvidence], connections: Connections) -> _Policies:
    from gcr_migrate.model.cloud import RepositoryFacts

    policies: _Policies = {}
    for host in ready:
        if isinstance(host.repository, RepositoryFacts):
            try:
                repositories = connections.repositories("source")
                policies[host.host.name] = await repositories.policy(host.repository.resource)
            except MigrateError as error:
                policies[host.host.name] = error
    return policies


def _choose(asked: _Asked, seen: _Seen, output: Output, *, file: str, asks: bool) -> InitFacts:
    """Choose a way, by asking where somebody can answer, and draft the spec."""
    from gcr_migrate.discover.proposals import offered, proposals, recommended
    from gcr_migrate.discover.specs import Wishes, host_paths, spec_text
    from gcr_migrate.report.drafting import InitFacts, bytes_by_way, host_facts, proposed

    ways = proposals(host_paths(seen.ready, asked.location), elsewhere=asked.target is not None)
    best = recommended(ways)
    wishes = Wishes(
        by=offered(ways, asked.by or best),
        target=asked.target,
        location=asked.location,
        carry_access=seen.shows_access if asked.access is None else asked.access,
        command=f"gcr-migrate init {asked.project}",
        file=file,
    )
    target = str(asked.target or asked.project)

    def facts(wishes: Wishes) -> InitFacts:
        mounted, sent = bytes_by_way(seen.ready, wishes)
        return InitFacts(
            project=str(asked.project),
            target_project=target,
            hosts=host_facts(seen.found, seen.ready, seen.policies),
            mounted_bytes=mounted,
            sent_bytes=sent,
            proposals=proposed(wishes.by, ways, best, target, carry_access=wishes.carry_access),
            file=file or None,
            text=spec_text(seen.project, seen.found, wishes) or "",
        )

    if asks:
        wishes = _answered(asked, wishes, facts(wishes), output)
    return facts(wishes)


def _answered(asked: _Asked, wishes: Wishes, facts: InitFacts, output: Output) -> Wishes:
    """Show what there is, and ask for what no option said."""
    from gcr_migrate.discover.proposals import By
    from gcr_migrate.report.drafting import found_lines
    from gcr_migrate.report.terminal import show

    if asked.by is None:
        show(output.err, found_lines(facts, is_chosen=False))
        names = [str(one.by) for one in facts.proposals]
        said = typer.prompt(
            f"Which way ({', '.join(names)})",
            default=str(wishes.by),
            value_proc=lambda text: _one_of(names, text),
            err=True,
        )
        wishes = replace(wishes, by=By(said))
    if asked.access is None:
        question = "Carry over who has access today"
        carry = typer.confirm(question, default=wishes.carry_access, err=True)
        wishes = replace(wishes, carry_access=carry)
    return wishes


def _one_of(names: list[str], text: str) -> str:
    """Return an answer that fits; raise what makes the question be asked again."""
    found = [one for one in names if text and one.startswith(text.strip())]
    if len(found) != 1:
        raise typer.BadParameter(f"it is one of {', '.join(names)}")
    return found[0]


def _tell(output: Output, facts: InitFacts, *, told: bool) -> None:
    """Print the result: the object, the spec, or what is in the project and where the spec is."""
    from gcr_migrate.report.drafting import found_lines, written_lines
    from gcr_migrate.report.terminal import show

    if facts.file is None and not output.as_json:
        if not told:
            show(output.err, found_lines(facts))
        show(output.out, facts.text.splitlines())
        return
    output.result(facts, [*(() if told else found_lines(facts)), *written_lines(facts)])
