"""What Google's API shows of a repository, in lists of the same form as a registry's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.inventory import ListedManifest, Listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcr_migrate.interfaces import Contents
    from gcr_migrate.model.cloud import DockerImage
    from gcr_migrate.model.content import Digest
    from gcr_migrate.state.listings import Listings

_READS_AT_MOST: Final = 3
_ROWS: Final = 1_000  # kept at once


class ApiView(Struct):
    """A repository by the API.

    Attributes:
        paths: image paths that it shows.
        error: why not all of it could be read; None if all of it was.
    """

    paths: set[str] = field(default_factory=set)
    error: MigrateError | None = None


async def read_api(
    contents: Contents,
    resource: str,
    wanted: Callable[[str], bool],
    listings: Listings,
    listen: Callable[[str, int], None],
) -> ApiView:
    """Read packages and images of a repository, in pages and never image by image.

    Args:
        contents: the API.
        resource: `projects/P/locations/L/repositories/R`.
        wanted: whether an image path is looked for.
        listings: get what was read, also where not all of it could be.
        listen: is told `("rows", count)` as rows come.

    Raises:
        MigrateError: TOKEN_EXPIRED, as all that follows would fail alike.
    """
    view = ApiView()
    for reading in range(_READS_AT_MOST):

        def keep(rows: list[tuple[str, ListedManifest]], reading: int = reading) -> None:
            listings.add_rows(rows, reading)
            listen("rows", len(rows))

        packages, count = set[str](), 0
        try:
            packages = await _packages(contents, resource, wanted)
            count = await _images(contents, resource, wanted, keep)
        except MigrateError as error:
            if error.problem is errors.TOKEN_EXPIRED:
                raise
            view.error = error
        repeated = not view.error and listings.count_rows(reading) < count
        if not view.error and not repeated:
            listings.drop_rows_before(reading)
        view.paths = packages | set(listings.paths_of_rows())
        if not repeated:
            return view
    saw = "entries came twice, as if the list had changed between two pages, each time it was read"
    view.error = MigrateError(errors.BAD_REPLY, subject=resource, saw=saw)
    return view


async def _packages(contents: Contents, resource: str, wanted: Callable[[str], bool]) -> set[str]:
    return {one.path async for one in contents.packages(resource) if wanted(one.path)}


async def _images(
    contents: Contents,
    resource: str,
    wanted: Callable[[str], bool],
    keep: Callable[[list[tuple[str, ListedManifest]]], None],
) -> int:
    """Keep the rows of all images, also those before a failure, and return how many there are."""
    count = 0
    held: list[tuple[str, ListedManifest]] = []
    try:
        async for row in contents.docker_images(resource):
            if not wanted(row.path):
                continue
            held.append((row.path, _listed(row)))
            count += 1
            if len(held) == _ROWS:
                keep(held)
                held = []
    finally:
        keep(held)
    return count


def _listed(row: DockerImage) -> ListedManifest:
    return ListedManifest(row.digest, row.media_type, row.tags, row.uploaded_ms, row.size_bytes)


async def read_package(contents: Contents, resource: str, path: str) -> Listing | None:
    """Read versions and tags of one image path anew; None if the API does not show it."""
    try:
        manifests = {
            row.digest: ListedManifest(
                row.digest, row.media_type, row.tags, row.created_ms, row.size_bytes
            )
            async for row in contents.versions(resource, path)
        }
        tags = await read_tags(contents, resource, path)
    except MigrateError as error:
        if error.problem in errors.NOT_THERE:
            return None
        raise
    return Listing(path, (), tags, tuple(manifests.values()))


async def read_tags(contents: Contents, resource: str, path: str) -> dict[str, Digest | None]:
    """Read all tags of one image path, by the one list that has no limit per manifest."""
    return {row.tag: row.digest async for row in contents.tags(resource, path)}
