"""What `init` found and proposes, as facts and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Self

from rich.text import Text

from gcr_migrate.discover.kinds import TITLES, Job
from gcr_migrate.discover.proposals import By
from gcr_migrate.errors import printable
from gcr_migrate.model.cloud import RepositoryFacts
from gcr_migrate.model.names import ar_host
from gcr_migrate.report.fact import VERSION, Fact, Field
from gcr_migrate.report.terminal import heading, rows
from gcr_migrate.report.words import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gcr_migrate.discover.evidence import HostEvidence
    from gcr_migrate.discover.proposals import Proposal
    from gcr_migrate.discover.specs import Found, Wishes
    from gcr_migrate.errors import MigrateError
    from gcr_migrate.model.access import Policy

_SHOWN_AT_MOST: Final = 6
TITLES_OF: Final = {
    By.FIRST_FOLDER: "a repository for each folder at the top",
    By.PREFIX: "a repository for each prefix that names share, such as payments-*",
    By.HOST: "a repository for each host, paths kept",
    By.KEEP: "the repositories that answer for the other project's gcr.io names",
}


class GrantedFact(Fact):
    """Who has a role on a host's repository."""

    role: str
    members: list[str]
    conditional: bool


class InitHostFact(Fact):
    """A host of the project."""

    host: str
    title: str = Field(description="What it is, in words.")
    job: Job = Field(description="What to do next with it.")
    planned: bool = Field(description="Whether the spec has its images.")
    images: int | None = Field(description="Image paths; null if they could not be counted.")
    size_bytes: int | None = Field(description="What its storage is billed for; null if not told.")
    grants: list[GrantedFact] | None = Field(
        description="The policy of its repository; null if it was not to be read."
    )

    @classmethod
    def of(cls, found: Found, policy: Policy | MigrateError | None, *, planned: bool) -> Self:
        """Tell a host, what it is, and the policy of its repository."""
        host, verdict = found
        known = host.repository if isinstance(host.repository, RepositoryFacts) else None
        bindings = getattr(policy, "bindings", None)
        return cls(
            host=host.host.name,
            title=TITLES[verdict.kind] if verdict.kind else "what it is could not be seen",
            job=verdict.jobs[0],
            planned=planned,
            images=len(host.images) if isinstance(host.images, tuple) else None,
            size_bytes=known.size_bytes if known else None,
            grants=None
            if bindings is None
            else [
                GrantedFact(
                    role=printable(one.role),
                    members=[printable(member) for member in one.members],
                    conditional=one.condition is not None,
                )
                for one in bindings
            ],
        )


class ProposedRepositoryFact(Fact):
    """A repository of a proposal."""

    name: str = Field(description="With host and project, such as us-docker.pkg.dev/builds/web.")
    images: int


class RenamedFact(Fact):
    """A folder whose name Artifact Registry would refuse for a repository."""

    folder: str
    repository: str


class ProposalFact(Fact):
    """A way to part the images into repositories, and what follows from it."""

    by: By
    title: str
    recommended: bool
    chosen: bool
    repositories: list[ProposedRepositoryFact]
    loose: int = Field(description="Images that no folder or prefix tells apart.")
    renamed: list[RenamedFact]
    access: str = Field(description="Who would have access, in words.")

    @classmethod
    def of(cls, proposal: Proposal, project: str, access: str, *, best: bool, chosen: bool) -> Self:
        """Tell a proposal for a target project."""
        path = project.replace(":", "/")
        return cls(
            by=proposal.by,
            title=TITLES_OF[proposal.by],
            recommended=best,
            chosen=chosen,
            repositories=[
                ProposedRepositoryFact(name=f"{ar_host(location)}/{path}/{id_}", images=count)
                for (location, id_), count in sorted(proposal.images.items())
            ],
            loose=proposal.loose,
            renamed=[
                RenamedFact(folder=folder, repository=id_) for folder, id_ in proposal.renamed
            ],
            access=access,
        )


class InitFacts(Fact):
    """Result of `init`."""

    schema_: Literal["gcr-migrate/init"] = "gcr-migrate/init"
    version: Literal[1] = VERSION
    project: str
    target_project: str = Field(description="Project that gets the repositories.")
    hosts: list[InitHostFact]
    mounted_bytes: int | None = Field(
        description="Stored bytes that stay within one service, and are mounted; null if not told."
    )
    sent_bytes: int | None = Field(
        description="Stored bytes that cross to another location; null if not told."
    )
    proposals: list[ProposalFact]
    file: str | None = Field(description="Where the spec was written; null for stdout.")
    text: str = Field(description="The spec.")


def proposed(
    by: By, found: Sequence[Proposal], best: By, target: str, *, carry_access: bool
) -> list[ProposalFact]:
    """Return the proposals as facts.

    Args:
        by: the one that was chosen.
        found: all that there are.
        best: the one that is recommended.
        target: id of the project that gets the repositories.
        carry_access: whether access is carried over.
    """
    return [
        ProposalFact.of(
            one,
            target,
            _access(one.by, target, carry_access=carry_access),
            best=one.by is best,
            chosen=one.by is by,
        )
        for one in found
    ]


def bytes_by_way(hosts: Sequence[HostEvidence], wishes: Wishes) -> tuple[int | None, int | None]:
    """Return the stored bytes that are mounted, and those that are sent; None if not told."""
    sums: dict[bool, int | None] = {True: 0, False: 0}
    for host in hosts:
        stays = wishes.location in {"", host.host.location}
        known = host.repository if isinstance(host.repository, RepositoryFacts) else None
        size, so_far = known.size_bytes if known else None, sums[stays]
        sums[stays] = None if size is None or so_far is None else so_far + size
    return sums[True], sums[False]


def host_facts(
    found: Sequence[Found],
    ready: Sequence[HostEvidence],
    policies: Mapping[str, Policy | MigrateError],
) -> list[InitHostFact]:
    """Return the hosts of a project as facts; policies by host, of those that were read."""
    names = {host.host.name for host in ready}
    return [
        InitHostFact.of(one, policies.get(one[0].host.name), planned=one[0].host.name in names)
        for one in found
    ]


def _access(by: By, target: str, *, carry_access: bool) -> str:
    if not carry_access:
        return f"only who has rights on the project {target}; routes may say `access`"
    if by in {By.HOST, By.KEEP}:
        return "one policy for all images of a host, as today"
    return "each repository gets the grants of its host; then narrow them one by one"


def found_lines(facts: InitFacts, *, is_chosen: bool = True) -> Iterator[Text]:
    """What is in the project, and each way to part it, with what follows.

    Args:
        facts: what was found.
        is_chosen: whether a way is chosen already.
    """
    yield heading(f"Hosts of {facts.project}")
    yield from rows([_host_cells(same) for same in _alike(facts.hosts)])
    yield from _grants(facts)
    yield heading("Ways to part the images into repositories")
    for one in facts.proposals:
        yield from _proposal(one, is_chosen=is_chosen and one.chosen)
    yield Text(f"Bytes: {_bytes(facts)}")


def written_lines(facts: InitFacts) -> Iterator[Text]:
    """Where the spec is, and what to do with it."""
    (chosen,) = [one for one in facts.proposals if one.chosen]
    yield heading(f"{facts.file}: written; {chosen.by}, {chosen.title}")
    yield Text("Next")
    yield Text(f"  gcr-migrate doctor {facts.file}")
    yield Text(f"  gcr-migrate plan {facts.file}")


def _alike(hosts: Sequence[InitHostFact]) -> list[list[InitHostFact]]:
    """Put hosts that are left out for one reason into one line; any other has its own."""
    lines: dict[tuple[str, ...], list[InitHostFact]] = {}
    for host in hosts:
        reason = (host.title, host.job)
        lines.setdefault((host.host,) if host.planned else reason, []).append(host)
    return list(lines.values())


def _host_cells(same: Sequence[InitHostFact]) -> tuple[str, ...]:
    host = same[0]
    images = "" if host.images is None else counted(host.images, "image path")
    size = "" if host.size_bytes is None else size_text(host.size_bytes)
    left = "" if host.planned else f"; not in the spec, {host.job}"
    return ", ".join(one.host for one in same), images, size, f"{host.title}{left}"


def _grants(facts: InitFacts) -> Iterator[Text]:
    """Who has access to the planned hosts by the policies of their repositories."""
    for host in facts.hosts:
        if not host.planned:
            continue
        if host.grants is None:
            yield Text(f"  access to {host.host}: the policy of its repository could not be read")
            continue
        told = [
            f"{', '.join(_few(one.members))} ({one.role.removeprefix('roles/')})"
            for one in host.grants
            if one.members
        ]
        yield Text(
            f"  access to {host.host}: {'; '.join(told) or 'by grants above its repository only'}"
        )


def _proposal(one: ProposalFact, *, is_chosen: bool) -> Iterator[Text]:
    marks = ", ".join(
        word for word, on in (("recommended", one.recommended), ("chosen", is_chosen)) if on
    )
    yield Text.assemble(
        "  ", (f"{one.by}", "bold"), f": {one.title}", f" ({marks})" if marks else ""
    )
    ends = [repository.name.rpartition("/") for repository in one.repositories]
    several = len({begin for begin, _, _ in ends}) > 1
    named = [
        f"{f'{begin}/' if several else ''}{id_} ({repository.images})"
        for (begin, _, id_), repository in zip(ends, one.repositories, strict=True)
    ]
    told = f": {', '.join(_few(named))}" if named else " known, images could not be listed"
    yield Text(f"      {counted(len(named), 'repository')}{told}")
    if one.renamed:
        pairs = [f"{r.folder} -> {r.repository}" for r in one.renamed]
        yield Text(f"      names that would be refused: {', '.join(_few(pairs))}")
    if one.loose and one.by in {By.FIRST_FOLDER, By.PREFIX}:
        yield Text(f"      no folder tells apart: {counted(one.loose, 'image path')}")
    yield Text(f"      access: {one.access}")


def _bytes(facts: InitFacts) -> str:
    parts = []
    if facts.mounted_bytes != 0:
        size = "" if facts.mounted_bytes is None else f" ({size_text(facts.mounted_bytes)})"
        parts.append(
            f"none cross the line where the location stays the same, they are mounted{size}"
        )
    if facts.sent_bytes != 0:
        size = "an unknown number" if facts.sent_bytes is None else size_text(facts.sent_bytes)
        parts.append(f"{size} are sent to another location")
    return "; ".join(parts) or "nothing is stored"


def counted(number: int, what: str) -> str:
    """Tell a number of things, in the singular if it is one."""
    many = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number} {what if number == 1 else many}"


def _few(names: Sequence[str]) -> list[str]:
    more = len(names) - _SHOWN_AT_MOST
    return [*names[:_SHOWN_AT_MOST], f"{more} more"] if more > 0 else [*names]
