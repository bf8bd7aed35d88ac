"""The cache of manifests that lies beside the files that a command writes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from gcr_migrate.spec import RegistrySource
from gcr_migrate.state.cache import open_cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.cli.output import Output
    from gcr_migrate.connect import Connections
    from gcr_migrate.spec import ProjectSource, RepositorySource


class Kept(Struct):
    """What a command says of its reading, and what the cache spared it.

    Attributes:
        complete: everything was read, so that what was not wanted may be forgotten.
        found: manifests that came out of the cache.
        fetched: manifests that were read from the registry.
    """

    complete: bool = False
    found: int = 0
    fetched: int = 0


@contextmanager
def keeping(
    output: Output, connections: Connections, path: Path | None, reader: str
) -> Iterator[Kept]:
    """Read manifests through a cache while this is open.

    Args:
        output: where it is told what was found in it.
        connections: whose sources read through it.
        path: its file; None for no cache.
        reader: see `ManifestCache`.
    """
    kept = Kept()
    if path is None:
        yield kept
        return
    with open_cache(path, reader) as cache:
        connections.keep_manifests(cache)
        try:
            yield kept
        finally:
            kept.found, kept.fetched = cache.found, cache.added
        if kept.complete:
            cache.drop_unwanted()
    if not cache.was_empty:
        text = f"Manifests: {kept.found} from {path}, {kept.fetched} fetched."
        counts = {"found": kept.found, "fetched": kept.fetched}
        output.say(text, "cache.used", file=str(path), **counts)


def name_of(source: ProjectSource | RepositorySource | RegistrySource) -> str:
    """Return what files about a source are called: after its project or its host."""
    if isinstance(source, RegistrySource):
        return source.registry.translate(str.maketrans(".:", "--", "[]"))
    # A colon in a file name is trouble for tar, scp and other systems.
    return source.project.replace(":", "-")


def cache_beside(path: Path, source: ProjectSource | RepositorySource | RegistrySource) -> Path:
    """Return the cache of a source's manifests; all files of one folder share it."""
    return path.with_name(f"{name_of(source)}.cache")
