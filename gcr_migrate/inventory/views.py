"""Two views of one image path, joined: nothing that either shows is lost, no difference unsaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.model.inventory import Listing

if TYPE_CHECKING:
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.inventory import ListedManifest


class Difference(Struct, frozen=True):
    """Something of which the registry's list and the API's do not say the same.

    Attributes:
        what: `:tag`, `@digest`, or nothing for the whole path.
        registry: what the registry lists; empty for nothing.
        api: what the API lists; empty for nothing.
    """

    what: str
    registry: str
    api: str

    @property
    def saw(self) -> str:
        """Both sides in words."""
        if not self.api:
            return f"only the registry lists it ({self.registry}), the API does not"
        if not self.registry:
            return f"only the API lists it ({self.api}), the registry does not"
        return f"the registry lists {self.registry}, the API {self.api}"


class Joined(Struct, frozen=True):
    """Both views of a path as one list, and where they differ."""

    listing: Listing
    differences: tuple[Difference, ...]


def join(name: str, registry: Listing | None, api: Listing | None) -> Joined:
    """Join what the registry and the API list of one image path.

    Args:
        name: registry name of the path.
        registry: list of the registry; None if it does not show the path. Of one that is cut
            short, what it lacks is no difference.
        api: list of the API; None if it does not show the path.

    Returns:
        All tags, manifests and children of both. A tag that is not told alike has no digest
        there: who reads it asks the registry where it points.
    """
    if registry is None or api is None:
        only = registry or api
        if only is None:
            return Joined(Listing(name, (), {}, None), ())
        shown = contents(only)
        sides = (shown, "") if registry else ("", shown)
        # A tag that the registry does not list is asked for by its name: it may be gone.
        tags = only.tags if registry else dict.fromkeys(only.tags)
        found = (Difference("", *sides),) if only.tags or only.manifests else ()
        return Joined(replace(only, name=name, tags=tags), found)
    tags, differences = _tags(registry, api)
    manifests, more = _manifests(registry, api)
    joined = Listing(name, registry.children, tags, manifests, registry.cut)
    return Joined(joined, (*differences, *more))


def covers(api: Listing, registry: Listing) -> bool:
    """Whether the API lists all that the registry does, and so may stand for what is cut off."""
    held = {entry.digest for entry in api.manifests or ()}
    listed = {entry.digest for entry in registry.manifests or ()}
    return registry.tags.keys() <= api.tags.keys() and listed <= held


def contents(listing: Listing) -> str:
    """Say how much a list holds."""
    parts = [_counted(len(listing.tags), "tag")]
    if listing.manifests is not None:
        parts.append(_counted(len(listing.manifests), "manifest"))
    return ", ".join(parts)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _tags(registry: Listing, api: Listing) -> tuple[dict[str, Digest | None], list[Difference]]:
    tags: dict[str, Digest | None] = {}
    differences = []
    for tag in sorted(registry.tags.keys() | api.tags.keys()):
        ours, theirs = registry.tags.get(tag), api.tags.get(tag)
        if tag not in api.tags:
            tags[tag] = ours
            differences.append(Difference(f":{tag}", str(ours or "no digest told"), ""))
        elif tag not in registry.tags:
            tags[tag] = theirs if registry.cut else None
            if not registry.cut:
                differences.append(Difference(f":{tag}", "", str(theirs or "no digest told")))
        elif ours and theirs and ours != theirs:
            tags[tag] = None
            differences.append(Difference(f":{tag}", str(ours), str(theirs)))
        else:
            tags[tag] = ours or theirs
    return tags, differences


def _manifests(
    registry: Listing, api: Listing
) -> tuple[tuple[ListedManifest, ...] | None, list[Difference]]:
    if registry.manifests is None or api.manifests is None:
        return registry.manifests or api.manifests, []
    ours = {entry.digest: entry for entry in registry.manifests}
    theirs = {entry.digest: entry for entry in api.manifests}
    only = [(digest, False) for digest in theirs.keys() - ours.keys() if not registry.cut]
    only += [(digest, True) for digest in ours.keys() - theirs.keys()]
    differences = [
        Difference(f"@{digest}", "manifest", "")
        if here
        else Difference(f"@{digest}", "", "manifest")
        for digest, here in sorted(only)
    ]
    return tuple((theirs | ours).values()), differences
