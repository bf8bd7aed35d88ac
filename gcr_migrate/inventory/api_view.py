"""What Google's API shows of a repository, in lists of the same form as a registry's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.inventory import ListedManifest, Listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcr_migrate.interfaces import Contents
    from gcr_migrate.model.cloud import DockerImage
    from gcr_migrate.model.content import Digest

_READS_AT_MOST: Final = 3


@dataclass(slots=True)
class ApiView:
    """A repository by the API.

    Attributes:
        listings: by image path; the names in them are paths.
        error: why not all of it could be read; None if all of it was.
    """

    listings: dict[str, Listing] = field(default_factory=dict)
    error: MigrateError | None = None


class _Paths:
    """Rows of the API, gathered per image path."""

    def __init__(self) -> None:
        self._tags: dict[str, dict[str, Digest | None]] = {}
        self._manifests: dict[str, dict[Digest, ListedManifest]] = {}
        self.repeated = False

    def add_path(self, path: str) -> None:
        self._tags.setdefault(path, {})
        self._manifests.setdefault(path, {})

    def add(self, row: DockerImage) -> None:
        self.add_path(row.path)
        held = self._manifests[row.path]
        self.repeated = self.repeated or row.digest in held
        held[row.digest] = ListedManifest(
            row.digest, row.media_type, row.tags, row.uploaded_ms, row.size_bytes
        )
        for tag in row.tags:
            self._tags[row.path][tag] = row.digest

    def listings(self) -> dict[str, Listing]:
        return {
            path: Listing(path, (), self._tags[path], tuple(held.values()))
            for path, held in self._manifests.items()
        }


async def read_api(contents: Contents, resource: str, wanted: Callable[[str], bool]) -> ApiView:
    """Read packages and images of a repository, in pages and never image by image.

    Args:
        contents: the API.
        resource: `projects/P/locations/L/repositories/R`.
        wanted: whether an image path is looked for.

    Returns:
        What was read, also where not all of it could be.

    Raises:
        MigrateError: TOKEN_EXPIRED, as all that follows would fail alike.
    """
    view = ApiView()
    for _ in range(_READS_AT_MOST):
        paths = _Paths()
        try:
            await _read(contents, resource, wanted, paths)
        except MigrateError as error:
            if error.problem is errors.TOKEN_EXPIRED:
                raise
            view.error = error
        view.listings |= paths.listings()
        if view.error or not paths.repeated:
            return view
    saw = "entries came twice, as if the list had changed between two pages, each time it was read"
    view.error = MigrateError(errors.BAD_REPLY, subject=resource, saw=saw)
    return view


async def _read(
    contents: Contents, resource: str, wanted: Callable[[str], bool], paths: _Paths
) -> None:
    async for package in contents.packages(resource):
        if wanted(package.path):
            paths.add_path(package.path)
    async for row in contents.docker_images(resource):
        if wanted(row.path):
            paths.add(row)


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
