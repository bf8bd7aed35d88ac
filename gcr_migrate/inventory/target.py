"""What a target has already of what is to come, asked with as few requests as can be.

A list tells digests at Google's registries. At others it tells names of tags: each is asked for
its digest, and a manifest only where no tag at the target tells of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.collect import AT_ONCE
from gcr_migrate.model.inventory import Listing, TargetView
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.inventory import ImageContent


class TagsThere(Struct, frozen=True):
    """What the tags of a target name point to.

    Attributes:
        tags: those that were asked for and are there.
        manifests: digests that are there for certain.
        is_whole: nothing else is there.
    """

    tags: Mapping[str, Digest] = field(default_factory=dict)
    manifests: frozenset[Digest] = frozenset()
    is_whole: bool = True


NOTHING_THERE = TagsThere()


async def tags_there(registry: SourceRegistry, name: str, wanted: Iterable[str]) -> TagsThere:
    """Learn what tags of a target name point to: from its list, else by a HEAD for each.

    Args:
        registry: the target, read only.
        name: the mapped name.
        wanted: tags that the source has.

    Raises:
        MigrateError: the target cannot be read.
    """
    try:
        listing = await registry.listing(name)
    except MigrateError as error:
        if errors.says_not_there(error):
            return NOTHING_THERE
        if error.problem not in errors.NOT_THERE:
            raise
        listing = Listing(
            name, (), {}, None, cut=error.saw
        )  # it may lack the list, and not the name
    tags = {tag: digest for tag, digest in listing.tags.items() if digest}
    digests = {entry.digest for entry in listing.manifests or ()}
    unknown = [one for one in wanted if one not in tags and (one in listing.tags or listing.cut)]

    async def head(tag: str) -> None:
        if found := await registry.manifest_head(name, tag):
            tags[tag] = found.digest

    await a_few_of((head(tag) for tag in unknown), AT_ONCE)
    is_whole = listing.manifests is not None and not listing.cut
    return TagsThere(tags, frozenset(digests.union(tags.values())), is_whole)


async def view_target(
    registry: SourceRegistry,
    name: str,
    there: TagsThere,
    content: ImageContent,
    *,
    asks_each: bool = False,
) -> TargetView:
    """Learn which manifests a target name has of an image.

    What an index lists is taken to be there with it: registries refuse an index that comes before
    what it lists, as they refuse a manifest before its blobs.

    Args:
        registry: the target, read only.
        name: the mapped name.
        there: what its tags tell.
        content: what the source has; only its digests are asked for.
        asks_each: take nothing to be there for that, and ask for each manifest.

    Raises:
        MigrateError: the target cannot be read.
    """
    digests = set(there.manifests)
    if not there.is_whole:
        if not asks_each:
            digests |= with_children(digests, content)

        async def head(digest: Digest) -> None:
            if await registry.manifest_head(name, str(digest)):
                digests.add(digest)

        unknown = [digest for digest in content.nodes if digest not in digests]
        await a_few_of((head(one) for one in unknown), AT_ONCE)
    return TargetView(there.tags, frozenset(digests))


async def only_whole(
    registry: SourceRegistry,
    name: str,
    view: TargetView,
    blobs_of: Mapping[Digest, Mapping[Digest, int]],
) -> TargetView:
    """Return a view without the manifests of which blobs are gone: those are written again.

    Those of their blobs that are there are in it.

    Args:
        registry: the target, read only.
        name: the mapped name.
        view: what is there, blobs left aside.
        blobs_of: what manifests need, with lengths in bytes, -1 where unknown; of others nothing
            is asked.

    Raises:
        MigrateError: the target cannot be read.
    """
    gone: set[Digest] = set()

    async def ask(blob: Digest, size: int) -> None:
        if not await registry.has_blob(name, blob, size):
            gone.add(blob)

    needed: dict[Digest, int] = {}
    for one in view.manifests & blobs_of.keys():
        needed.update(blobs_of[one])
    await a_few_of((ask(blob, size) for blob, size in sorted(needed.items())), AT_ONCE)
    lacking = {one for one, blobs in blobs_of.items() if not gone.isdisjoint(blobs)}
    return TargetView(view.tags, view.manifests - lacking, frozenset(needed.keys() - gone))


def with_children(digests: Iterable[Digest], content: ImageContent) -> set[Digest]:
    """Return digests, and what the indexes among them list at any depth."""
    found: set[Digest] = set()
    edge = [*digests]
    while edge:
        digest = edge.pop()
        if digest not in found:
            found.add(digest)
            node = content.nodes.get(digest)
            edge += node.children if node else ()
    return found
