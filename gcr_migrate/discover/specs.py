"""A spec for each project that has images to split: ready to be planned, and to be changed.

A repository per first path component, as the spec's own default has it; with a rule for what
that does not fit: images without a folder, folders whose names no repository may have, and paths
that occur at two hosts of one location.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gcr_migrate.discover.kinds import TITLES, Job
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import LONGEST_REPOSITORY_ID, check_repository_id
from gcr_migrate.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from gcr_migrate.discover.evidence import HostEvidence, ProjectEvidence
    from gcr_migrate.discover.kinds import Verdict

Found = tuple["HostEvidence", "Verdict"]

_LOOSE: Final = "images"  # repository of images without a folder
_NO_ID: Final = re.compile(r"[^a-z0-9]+")


def spec_name(project: ProjectEvidence) -> str:
    """Return the file name of a project's spec."""
    return f"{project.project.path.replace('/', '_')}.yaml"


def spec_text(project: ProjectEvidence, found: Sequence[Found]) -> str | None:
    """Return the spec of a project; None if nothing in it is ready to be split.

    Args:
        project: what is known about it.
        found: its hosts and what they are.
    """
    ready = [host for host, verdict in found if _is_ready(host, verdict)]
    if not ready:
        return None
    names = ", ".join(host.host.name for host in ready)
    lines = [
        f"# The images of {project.project}, into a repository for each folder at the top.",
        "# Written by `gcr-migrate discover`. Change what should be otherwise, then:",
        f"#   gcr-migrate plan {spec_name(project)}",
        "#",
        *(f"# {line}" for host, verdict in found for line in _told(project, host, verdict)),
        "version: 1",
        "source:",
        f'  project: "{project.project.id}"',
        f"  hosts: [{names}]",
        "",
        "routes:  # the first that matches a path takes it",
        *_routes(ready),
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


def _routes(hosts: Sequence[HostEvidence]) -> Iterator[str]:
    """Give the routes; hosts that share a location have them apart where paths occur twice."""
    paths = {host.host.name: _paths(host) for host in hosts}
    twice = [name for name in ("us.gcr.io",) if paths.get(name, set()) & paths.get("gcr.io", set())]
    unknown = [h.host.name for h in hosts if not isinstance(h.images, tuple)]
    if {"gcr.io", "us.gcr.io"} <= paths.keys() and {"gcr.io", "us.gcr.io"} & set(unknown):
        twice = ["us.gcr.io"]  # it cannot be told that no path occurs at both
    together = set().union(*(paths[name] for name in paths if name not in twice))
    taken = {path.partition("/")[0] for path in together if "/" in path}
    for name in twice:
        yield f"  # Paths of {name} that are at gcr.io too would be one image in {_AT_US}."
        suffix = _suffix(paths[name], taken)
        yield from _routes_of(paths[name], taken, suffix, name, is_known=name not in unknown)
    known = not set(unknown) - set(twice)
    yield from _routes_of(together, taken, "", "", is_known=known)


_AT_US: Final = "us-docker.pkg.dev"


def _paths(host: HostEvidence) -> set[str]:
    return set(host.images) if isinstance(host.images, tuple) else set()


def _suffix(paths: Iterable[str], taken: Collection[str]) -> str:
    """Return what makes the repositories of one host others than those of another."""
    folders, suffix = {path.partition("/")[0] for path in paths}, "-us"
    while {f"{one}{suffix}" for one in folders} & set(taken):
        suffix += "-us"
    return suffix


def _routes_of(
    paths: set[str], taken: set[str], suffix: str, host: str, *, is_known: bool
) -> Iterator[str]:
    """Give the routes for some paths, whose repositories end in a suffix."""
    folders = sorted({path.partition("/")[0] for path in paths if "/" in path})
    taken |= {f"{one}{suffix}" for one in folders}
    plain = [one for one in folders if _is_legal(f"{one}{suffix}")]
    for folder in folders:
        if folder not in plain:
            id_ = _mended(folder, suffix, taken)
            yield from _route(f"{folder}/**", id_, host, folder, "no repository may be named so")
    if any("/" not in path for path in paths) or not is_known:
        id_ = _mended(_LOOSE, suffix, taken)
        yield from _route("*", id_, host, "", "images without a folder")
    if plain or not is_known:
        yield from _route("{folder}/**", f"{{folder}}{suffix}", host, "{folder}", "")


def _route(match: str, repository: str, host: str, strip: str, why: str) -> Iterator[str]:
    yield f'  - match: "{match}"' + (f"  # {why}" if why else "")
    if host:
        yield f"    hosts: [{host}]"
    yield f'    repository: "{repository}"'
    if strip:
        yield f'    strip: "{strip}"'


def _is_legal(id_: str) -> bool:
    try:
        check_repository_id(id_)
    except MigrateError:
        return False
    return True


def _mended(name: str, suffix: str, taken: set[str]) -> str:
    """Return an id that a repository may have and no other one has, and take it."""
    plain = _NO_ID.sub("-", name).strip("-") or _LOOSE
    plain = plain if plain[0].isalpha() else f"{_LOOSE}-{plain}"
    number, more = 1, suffix
    while True:
        id_ = plain[: LONGEST_REPOSITORY_ID - len(more)].rstrip("-") + more
        if id_ not in taken or (id_ == name + suffix and name != _LOOSE):
            break
        number += 1
        more = f"{suffix}-{number}"
    taken.add(id_)
    return id_
