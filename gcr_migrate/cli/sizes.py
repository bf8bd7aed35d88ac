"""Sizes of layers about which manifests do not agree: whoever has the layer knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.collect import AT_ONCE
from gcr_migrate.model.content import LARGEST_SIZE
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.connect import Connections
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.plan import Source
    from gcr_migrate.state.frozen import Draft


async def settle_sizes(
    draft: Draft, connections: Connections, sources: Mapping[int, Source]
) -> None:
    """Ask the source for the size of each blob of which different ones are stated.

    Else one manifest that states a wrong size would keep every image back that shares the layer.

    Args:
        draft: a plan with all its images; it gets the sizes, and says who states another one.
        connections: hands out clients.
        sources: by the ids that the draft gave them.

    Raises:
        MigrateError: TOKEN_EXPIRED. Where the source does not answer else, the largest size that is
            stated stands, and `apply` tells whether it is the right one.
    """

    async def size_of(blob: Digest, places: list[tuple[int, str]]) -> int | None:
        for source_id, path in places:
            source = sources[source_id]
            registry = connections.source(source.registry, source.dialect, source.plain_http)
            try:
                size = await registry.blob_size(source.name(path), blob)
            except MigrateError as error:
                if error.problem is errors.TOKEN_EXPIRED:
                    raise
            else:
                if size is not None and size <= LARGEST_SIZE:
                    return size
        return None

    async def settle(blob: Digest, places: list[tuple[int, str]]) -> None:
        size = await size_of(blob, places)
        for source_id, path, digest, stated in draft.sizes.settle(blob, size):
            subject = f"{sources[source_id].shown}/{path}@{digest}"
            saw = f"{blob} has {size} bytes, the manifest says {stated}"
            draft.add_finding(Finding(errors.SIZE_MISSTATED, Severity.WARNING, subject, saw))

    await a_few_of((settle(*disputed) for disputed in draft.sizes.disputed().items()), AT_ONCE)
