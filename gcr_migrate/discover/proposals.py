"""Ways to part the images of a project into repositories: proposed from their paths alone.

Each way is a list of rules of which the first that matches a path takes it. Every path that is
known is taken by one of them, into a repository that may be made, and no two images meet.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import (
    LONGEST_REPOSITORY_ID,
    GcrHost,
    ImagePath,
    check_repository_id,
)
from gcr_migrate.model.pattern import Pattern, expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_LOOSE: Final = "images"  # repository of images without a folder
_NO_ID: Final = re.compile(r"[^a-z0-9]+")
_PREFIXED: Final = re.compile(r"([a-z][a-z0-9]+)([-_])[a-z0-9]")
_NOT_ALLOWED: Final = "no repository may be named so"


class By(StrEnum):
    """What decides about an image's repository."""

    FIRST_FOLDER = "first-folder"
    PREFIX = "prefix"
    HOST = "host"
    KEEP = "keep"


class HostPaths(Struct, frozen=True):
    """The images of a host, and where its repositories are made.

    Attributes:
        host: the host.
        location: location of the repositories.
        paths: image paths; None if they could not be listed.
    """

    host: GcrHost
    location: str
    paths: frozenset[str] | None

    def may_meet(self, other: HostPaths) -> bool:
        """Whether a path may be at both, so that two images would get one name."""
        if self.paths is None or other.paths is None:
            return True
        return not self.paths.isdisjoint(other.paths)


class Rule(Struct, frozen=True):
    """What a route of a spec says.

    Attributes:
        match: pattern of paths.
        repository: id of the repository, which may use named parts of the pattern.
        strip: leading components to take off; empty for none.
        host: only for this host; empty for all.
        why: what made it necessary; empty where nothing is special.
    """

    match: str
    repository: str
    strip: str = ""
    host: str = ""
    why: str = ""

    @property
    def renames(self) -> bool:
        """Whether it stands for a folder whose name no repository may have."""
        return self.why == _NOT_ALLOWED


class Proposal(Struct, frozen=True):
    """A way to part images.

    Attributes:
        by: what decides.
        rules: the first that matches takes a path.
        images: number of images by location and repository id.
        loose: those of them that no folder or prefix tells apart.
    """

    by: By
    rules: tuple[Rule, ...]
    images: Mapping[tuple[str, str], int]
    loose: int

    @property
    def total(self) -> int:
        """Number of images."""
        return sum(self.images.values())

    @property
    def renamed(self) -> list[tuple[str, str]]:
        """Folders whose names no repository may have, and the ids that they get instead."""
        return [(rule.strip, rule.repository) for rule in self.rules if rule.renames]


def propose(by: By, hosts: Sequence[HostPaths]) -> Proposal:
    """Part the images of some hosts.

    Args:
        by: what decides.
        hosts: hosts in their usual order.
    """
    rules = tuple(_WAYS[by](hosts))
    images: Counter[tuple[str, str]] = Counter()
    loose = 0
    for host in hosts:
        for kind, count in _kinds(host.paths or ()).items():
            rule, repository = place(rules, host.host.name, kind)
            images[host.location, repository] += count
            loose += count if rule.match in {"*", "**"} else 0
    return Proposal(by, rules, images, loose)


def proposals(hosts: Sequence[HostPaths], *, elsewhere: bool) -> list[Proposal]:
    """Return the ways that there are for these images.

    Args:
        hosts: hosts in their usual order.
        elsewhere: whether the images go to another project, which has gcr.io names of its own.
    """
    found = [propose(By.FIRST_FOLDER, hosts)]
    prefixed = propose(By.PREFIX, hosts)
    if prefixed.rules != found[0].rules:
        found.append(prefixed)
    found.append(propose(By.HOST, hosts))
    if elsewhere and all(host.location == host.host.location for host in hosts):
        found.append(propose(By.KEEP, hosts))
    return found


def offered(found: Sequence[Proposal], by: By) -> By:
    """Return the way that is offered in place of one: prefixes may part images as folders do."""
    is_folders = by is By.PREFIX and all(one.by is not By.PREFIX for one in found)
    return By.FIRST_FOLDER if is_folders else by


def recommended(found: Sequence[Proposal]) -> By:
    """Return the finest way that tells at least half of the images apart."""
    for one in found:
        if one.by in {By.FIRST_FOLDER, By.PREFIX} and 2 * one.loose <= one.total:
            return one.by
    return By.HOST


def place(rules: Iterable[Rule], host: str, path: str) -> tuple[Rule, str]:
    """Return the rule that takes a path at a host, and the repository that it leads to.

    Raises:
        LookupError: no rule takes it.
    """
    image = ImagePath.parse(path)
    for rule in rules:
        if rule.host in {"", host}:
            parts = Pattern.parse(rule.match).match(image)
            if parts is not None:
                return rule, expand(rule.repository, parts)
    raise LookupError(path)


def _kinds(paths: Iterable[str]) -> Counter[str]:
    """Count paths by what rules look at: the first component, and whether another one follows."""
    counts: Counter[str] = Counter()
    for path in paths:
        first, slash, _ = path.partition("/")
        counts[f"{first}/x" if slash else first] += 1
    return counts


# --- repository ids ----------------------------------------------------------------------------
class _Ids(Struct):
    """Ids of repositories that are given away already."""

    taken: set[str] = field(default_factory=set)

    def mended(self, name: str, suffix: str = "") -> str:
        """Return an id that a repository may have and no other one has, and take it."""
        plain = _NO_ID.sub("-", name).strip("-") or _LOOSE
        plain = plain if plain[0].isalpha() else f"{_LOOSE}-{plain}"
        number, more = 1, suffix
        while True:
            id_ = plain[: LONGEST_REPOSITORY_ID - len(more)].rstrip("-") + more
            if id_ not in self.taken:
                self.taken.add(id_)
                return id_
            number += 1
            more = f"{suffix}-{number}"


def _is_legal(id_: str) -> bool:
    try:
        check_repository_id(id_)
    except MigrateError:
        return False
    return True


# --- groups of hosts ---------------------------------------------------------------------------
class _Group(Struct, frozen=True):
    """Images that the same rules part.

    Attributes:
        paths: image paths.
        host: the host that its rules are for; empty for all that are left.
        suffix: what makes its repositories others than those of other groups.
        is_known: whether all of its paths are known.
    """

    paths: frozenset[str]
    host: str
    suffix: str
    is_known: bool

    @property
    def folders(self) -> list[str]:
        """The first components of paths that have more than one."""
        return sorted({path.partition("/")[0] for path in self.paths if "/" in path})

    def without(self, firsts: Iterable[str]) -> _Group:
        """Return the group without the paths that begin with one of these components."""
        gone = set(firsts)
        left = frozenset(path for path in self.paths if path.partition("/")[0] not in gone)
        return _Group(left, self.host, self.suffix, self.is_known)


def _groups(hosts: Sequence[HostPaths]) -> list[_Group]:
    """Put hosts together, but those whose paths may be at an earlier one of the same location."""
    together: list[HostPaths] = []
    apart: list[HostPaths] = []
    for host in hosts:
        before = [one for one in together if one.location == host.location]
        (apart if any(map(host.may_meet, before)) else together).append(host)
    paths = frozenset().union(*(one.paths or () for one in together))
    folders = {path.partition("/")[0] for path in paths}
    groups = []
    for one in apart:
        own = one.paths or frozenset()
        suffix = _suffix(one, {path.partition("/")[0] for path in own}, folders)
        folders |= {f"{path.partition('/')[0]}{suffix}" for path in own}
        groups.append(_Group(own, one.host.name, suffix, one.paths is not None))
    is_known = all(one.paths is not None for one in together)
    return [*groups, _Group(paths, "", "", is_known)]


def _suffix(host: HostPaths, folders: set[str], taken: set[str]) -> str:
    own = f"-{host.host.name.partition('.')[0]}"
    suffix = own
    while any(f"{one}{suffix}" in taken for one in folders):
        suffix += own
    return suffix


# --- ways --------------------------------------------------------------------------------------
def _by_first_folder(hosts: Sequence[HostPaths]) -> Iterator[Rule]:
    ids, groups = _Ids(), _groups(hosts)
    for group in groups:
        ids.taken |= {f"{one}{group.suffix}" for one in group.folders}
    for group in groups:
        yield from _folder_rules(group, ids)


def _folder_rules(group: _Group, ids: _Ids) -> Iterator[Rule]:
    """Give a repository to each folder, and one to the images without any."""
    plain = [one for one in group.folders if _is_legal(f"{one}{group.suffix}")]
    for folder in group.folders:
        if folder not in plain:
            id_ = ids.mended(folder, group.suffix)
            yield Rule(f"{folder}/**", id_, folder, group.host, _NOT_ALLOWED)
    if any("/" not in path for path in group.paths) or not group.is_known:
        id_ = ids.mended(_LOOSE, group.suffix)
        yield Rule("*", id_, "", group.host, "images without a folder")
    if plain or not group.is_known:
        yield Rule("{folder}/**", f"{{folder}}{group.suffix}", "{folder}", group.host)


def _by_prefix(hosts: Sequence[HostPaths]) -> Iterator[Rule]:
    ids, groups = _Ids(), _groups(hosts)
    shared = [_shared_prefixes(group.paths) for group in groups]
    left = [
        group.without(first for firsts in prefixes.values() for first in firsts)
        for group, prefixes in zip(groups, shared, strict=True)
    ]
    for group in left:
        ids.taken |= {f"{one}{group.suffix}" for one in group.folders}
    for group, prefixes, rest in zip(groups, shared, left, strict=True):
        for prefix, firsts in prefixes.items():
            id_ = ids.mended(prefix, group.suffix)
            yield from _prefix_rules(prefix, firsts, id_, group.host)
        yield from _folder_rules(rest, ids)


def _prefix_rules(prefix: str, firsts: set[str], id_: str, host: str) -> Iterator[Rule]:
    """Give one repository to all that begins alike; what is below it keeps its whole path."""
    marks = sorted({first[len(prefix)] for first in firsts if first != prefix})
    heads = [f"{prefix}{mark}{{rest}}" for mark in marks]
    for head in [*heads, prefix] if prefix in firsts else heads:
        yield Rule(f"{head}/**", id_, "", host, "paths stay whole")
        yield Rule(head, id_, "", host)


def _shared_prefixes(paths: Iterable[str]) -> dict[str, set[str]]:
    """Return what several first components begin with, as `payments` of `payments-api`."""
    firsts = {path.partition("/")[0] for path in paths}
    found: dict[str, set[str]] = {}
    for first in firsts:
        if begins := _PREFIXED.match(first):
            found.setdefault(begins[1], set()).add(first)
    whole = {one: sharing | (firsts & {one}) for one, sharing in sorted(found.items())}
    return {one: sharing for one, sharing in whole.items() if len(sharing) > 1}


def _by_host(hosts: Sequence[HostPaths]) -> Iterator[Rule]:
    ids = _Ids()
    for host in hosts:
        yield Rule("**", ids.mended(host.host.name), "", host.host.name)


def _keep(hosts: Sequence[HostPaths]) -> Iterator[Rule]:
    for host in hosts:
        yield Rule("**", host.host.repository_id, "", host.host.name)


_WAYS: Final = {
    By.FIRST_FOLDER: _by_first_folder,
    By.PREFIX: _by_prefix,
    By.HOST: _by_host,
    By.KEEP: _keep,
}
