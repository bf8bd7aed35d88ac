"""Routes that take no image, and limits for nobody: told with what may have been meant."""

from __future__ import annotations

from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from gcr_migrate.errors import LIMIT_UNUSED, ROUTE_UNUSED, UNROUTED
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.limits import quota_host
from gcr_migrate.model.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcr_migrate.model.names import ImagePath
    from gcr_migrate.plan.refusals import Refusal
    from gcr_migrate.plan.routes import Edge, SourcePaths
    from gcr_migrate.spec import Spec

_COMPARED_AT_MOST: Final = 10_000
_AR: Final = "-docker.pkg.dev"
_APIS: Final = ".googleapis.com"  # which of them are asked shows only then


def unused_routes(
    spec: Spec, sources: Sequence[SourcePaths], edges: Iterable[Edge]
) -> list[Finding]:
    """Return a finding for each route of a spec that no image path comes to.

    Args:
        spec: its routes.
        sources: all image paths.
        edges: where they go; empty where there are no images at all.
    """
    used = {edge.route_index for edge in edges}
    if not used:
        return []
    named = {_head(route.match) for route in spec.routes}
    begins: dict[int, set[str]] = {}  # of paths that no other route names, by their components
    found = []
    for at, route in enumerate(spec.routes):
        if at not in used:
            head = _head(route.match)
            depth = head.count("/") + 1
            if head and depth not in begins:
                begins[depth] = _begins(sources, depth) - named
            near = did_you_mean(head, begins[depth]) if head else ""
            severity = Severity.WARNING if near else Severity.INFO
            found.append(Finding(ROUTE_UNUSED, severity, f"routes[{at}] {route.match}", near))
    return found


def unused_limits(spec: Spec, hosts: Iterable[str]) -> list[Finding]:
    """Return a finding for each single limit of a spec that is for none of these hosts.

    Args:
        spec: its limits.
        hosts: registry hosts of the plan's sources and targets.
    """
    services = {quota_host(host) for host in hosts}
    names = services | {one.removesuffix(_AR) for one in services}
    found = []
    for written, (host, _) in zip(spec.limits.at, spec.limits.limits.at, strict=True):
        if host not in services and not host.endswith(_APIS):
            near = did_you_mean(written, names)
            severity = Severity.WARNING if near else Severity.INFO
            found.append(Finding(LIMIT_UNUSED, severity, f"limits.at.{written}", near))
    return found


def with_hints(
    spec: Spec,
    sources: Sequence[SourcePaths],
    refusals: Iterable[Refusal],
    edges: Iterable[Edge],
) -> list[Refusal]:
    """Return refusals of which those without a route name one that takes nothing and is near."""
    used = {edge.route_index for edge in edges}
    heads = {
        head: f"routes[{at}] {route.match}"
        for at, route in enumerate(spec.routes)
        if at not in used and (head := _head(route.match))
    }
    begins = {f"{one.shown}/": f"{one.repository}/".lstrip("/") for one in sources}
    return [_with_hint(one, heads, begins) if one.problem is UNROUTED else one for one in refusals]


def _with_hint(refusal: Refusal, heads: dict[str, str], begins: dict[str, str]) -> Refusal:
    root = max((one for one in begins if refusal.subject.startswith(one)), key=len, default="")
    path = begins.get(root, "") + refusal.subject.removeprefix(root)
    for head, shown in heads.items():
        begin = "/".join(path.split("/")[: head.count("/") + 1])
        if _is_near(head, begin):
            return replace(refusal, saw=f"{refusal.saw}; {shown} takes nothing, and is near")
    return refusal


@lru_cache(maxsize=_COMPARED_AT_MOST)  # most paths begin as others do
def _is_near(head: str, begin: str) -> bool:
    return bool(did_you_mean(head, [begin]))


def _head(match: str) -> str:
    """Return the components of a pattern that stand for themselves, as far as they go."""
    return "/".join(takewhile(lambda one: not set(one) & set("{*"), match.split("/")))


def _begins(sources: Sequence[SourcePaths], depth: int) -> set[str]:
    """Return so many components of each path, until there are too many to compare with."""
    begins: set[str] = set()
    for path in _routed(sources):
        begins.add("/".join(path.components[:depth]))
        if len(begins) > _COMPARED_AT_MOST:
            break
    return begins


def _routed(sources: Sequence[SourcePaths]) -> Iterable[ImagePath]:
    return (source.routed(path) for source in sources for path in source.paths)
