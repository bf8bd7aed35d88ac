"""What routes together say about access to each target, source by source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gcr_migrate.errors import SETTINGS_DIFFER
from gcr_migrate.model.access import AccessWish
from gcr_migrate.plan.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.plan.routes import Edge

Target = tuple[str, str]  # registry and prefix
Wishes = dict[Target, dict[str, AccessWish]]  # by target and by source


def wishes_of(edges: Iterable[Edge]) -> tuple[Wishes, list[Refusal]]:
    """Put together what is said about each target.

    A repository has one policy, whatever route or source its images come by: grants, members who
    are denied, and consent count for all of it. Whether to translate, and what, is each source's.

    Args:
        edges: image paths with the wishes of their routes.

    Returns:
        The wishes, and a refusal for each pair of source and target with two answers to `from`.
    """
    said: dict[Target, dict[str, dict[AccessWish, Edge]]] = {}
    for edge in edges:
        by_source = said.setdefault((edge.registry, edge.prefix), {})
        by_source.setdefault(edge.source_shown, {}).setdefault(edge.wish, edge)
    refusals = [
        Refusal(SETTINGS_DIFFER, f"{registry}/{prefix}", f"access.from for {source}: {named}")
        for (registry, prefix), by_source in sorted(said.items())
        for source, some in by_source.items()
        if (named := _contradiction(some))
    ]
    return {target: _together(by_source) for target, by_source in said.items()}, refusals


def _contradiction(some: Mapping[AccessWish, Edge]) -> str:
    by_basis = {wish.basis: edge.route_index for wish, edge in some.items() if wish.translate}
    if len(by_basis) <= 1:
        return ""
    return " and ".join(f"routes[{index}] says {basis}" for basis, index in by_basis.items())


def _together(by_source: Mapping[str, Iterable[AccessWish]]) -> dict[str, AccessWish]:
    everything = [wish for some in by_source.values() for wish in some]
    shared = AccessWish(
        public=any(wish.public for wish in everything),
        deny=tuple(sorted({member for wish in everything for member in wish.deny})),
        accept=tuple(dict.fromkeys(one for wish in everything for one in wish.accept)),
        grants=tuple(sorted({grant for wish in everything for grant in wish.grants})),
    )
    return {
        source: replace(
            shared,
            translate=any(wish.translate for wish in some),
            basis=next((wish.basis for wish in some if wish.translate), "auto"),
        )
        for source, some in ((source, list(some)) for source, some in by_source.items())
    }
