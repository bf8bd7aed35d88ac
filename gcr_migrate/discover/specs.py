"""The spec of a project that has images to split: ready to be planned, and to be changed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.discover.kinds import TITLES, Job
from gcr_migrate.discover.proposals import By, HostPaths, propose
from gcr_migrate.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.discover.evidence import HostEvidence, ProjectEvidence
    from gcr_migrate.discover.kinds import Verdict
    from gcr_migrate.discover.proposals import Proposal, Rule
    from gcr_migrate.model.names import Project

Found = tuple["HostEvidence", "Verdict"]

_TITLES: Final = {
    By.FIRST_FOLDER: "into a repository for each folder at the top",
    By.PREFIX: "into a repository for each prefix that names share, and for each other folder",
    By.HOST: "into a repository for each host",
    By.KEEP: "into the repositories that answer for the gcr.io names of another project",
}


class Wishes(Struct, frozen=True):
    """What a person wants of a spec.

    Attributes:
        by: what decides about an image's repository.
        target: project that gets the repositories; None: the images' own.
        location: location of all repositories; empty: that of each host.
        carry_access: whether who has access today shall have it to the new repositories.
        command: the command that writes the spec.
        file: the name that the spec gets; empty: as its project's.
    """

    by: By = By.FIRST_FOLDER
    target: Project | None = None
    location: str = ""
    carry_access: bool = False
    command: str = "gcr-migrate discover"
    file: str = ""


_AS_USUAL: Final = Wishes()


def spec_name(project: ProjectEvidence) -> str:
    """Return the file name of a project's spec."""
    return f"{project.project.path.replace('/', '_')}.yaml"


def ready_hosts(found: Sequence[Found]) -> list[HostEvidence]:
    """Return the hosts of a project whose images can be planned now."""
    return [host for host, verdict in found if _is_ready(host, verdict)]


def host_paths(hosts: Sequence[HostEvidence], location: str = "") -> list[HostPaths]:
    """Return the images of hosts, with the location that their repositories get.

    Args:
        hosts: hosts that are ready.
        location: where all go; empty: to the location of each host.
    """
    return [
        HostPaths(
            host.host,
            location or host.host.location,
            frozenset(host.images) if isinstance(host.images, tuple) else None,
        )
        for host in hosts
    ]


def spec_text(
    project: ProjectEvidence, found: Sequence[Found], wishes: Wishes = _AS_USUAL
) -> str | None:
    """Return the spec of a project; None if nothing in it is ready to be planned.

    Args:
        project: what is known about it.
        found: its hosts and what they are.
        wishes: what is wanted of it.
    """
    ready = ready_hosts(found)
    if not ready:
        return None
    names = ", ".join(host.host.name for host in ready)
    proposal = propose(wishes.by, host_paths(ready, wishes.location))
    lines = [
        f"# The images of {project.project}, {_TITLES[wishes.by]}.",
        f"# Written by `{wishes.command}`. Change what should be otherwise, then:",
        f"#   gcr-migrate plan {shlex.quote(wishes.file or spec_name(project))}",
        "#",
        *(f"# {line}" for host, verdict in found for line in _told(project, host, verdict)),
        "version: 1",
        "source:",
        f'  project: "{project.project.id}"',
        f"  hosts: [{names}]",
        *_target(wishes),
        "",
        "routes:  # the first that matches a path takes it",
        *_access_hint(wishes),
        *_routes(proposal, wishes),
        "",
        "select:",
        "  untagged: true        # digests that no tag names",
        "  attachments: true     # signatures, attestations, referrers",
        "",
        "existing_tags: fail     # a target tag that points elsewhere: fail | keep | overwrite",
        "moved_tags: fail        # a source tag that moved after planning: fail | pin | skip",
    ]
    text = "\n".join(lines) + "\n"
    load_spec(text, spec_name(project))  # what is not ready is not written
    return text


def _is_ready(host: HostEvidence, verdict: Verdict) -> bool:
    return verdict.jobs[0] is Job.SPLIT and host.images != ()


def _told(project: ProjectEvidence, host: HostEvidence, verdict: Verdict) -> Iterator[str]:
    title = TITLES[verdict.kind] if verdict.kind else "it could not be seen what it is"
    images = host.images
    counted = f"; {len(images)} image paths" if isinstance(images, tuple) else ""
    left = "" if _is_ready(host, verdict) else f" Not in this file; do first: {verdict.jobs[0]}."
    if verdict.jobs[0] in {Job.LEAVE, Job.REWRITE}:
        left = " Not in this file."
    yield f"{project.shown(host)}: {title}{counted}.{left}"
    yield from (f"  {one}" for one in (*verdict.doubts, *verdict.disagreements))


def _target(wishes: Wishes) -> Iterator[str]:
    if not (wishes.target or wishes.location):
        return
    yield "target:"
    if wishes.target:
        yield f'  project: "{wishes.target.id}"'
    if wishes.location:
        yield f"  location: {wishes.location}"


def _access_hint(wishes: Wishes) -> Iterator[str]:
    if not wishes.carry_access:
        yield "  # Who has access today keeps it where a route says: access: {translate: true}"


def _routes(proposal: Proposal, wishes: Wishes) -> Iterator[str]:
    """Give the routes; why a host stands apart is said before its first one."""
    told: set[str] = set()
    parted = proposal.by in {By.FIRST_FOLDER, By.PREFIX}
    for rule in proposal.rules:
        if parted and rule.host and rule.host not in told:
            told.add(rule.host)
            yield f"  # {rule.host} stands apart: a path that another host has would be one image."
        yield from _route(rule, wishes)


def _route(rule: Rule, wishes: Wishes) -> Iterator[str]:
    yield f'  - match: "{rule.match}"' + (f"  # {rule.why}" if rule.why else "")
    if rule.host:
        yield f"    hosts: [{rule.host}]"
    yield f'    repository: "{rule.repository}"'
    if rule.strip:
        yield f'    strip: "{rule.strip}"'
    if wishes.carry_access:
        yield "    access: {translate: true}  # who can pull, push and delete today still can"
