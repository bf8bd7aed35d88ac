"""What is in a repository of Artifact Registry, page by page.

Packages, versions and tags by Google's client library; the list of all images by raw calls, as
the library drops the digest of what an image is attached to.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from gcr_migrate.errors import BAD_DIGEST, BAD_REPLY, MigrateError
from gcr_migrate.google.api import ARTIFACT_REGISTRY, PAGE
from gcr_migrate.google.libraries import CALL
from gcr_migrate.model.cloud import DockerImage, Package, TagRow, Version
from gcr_migrate.model.content import Digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gcr_migrate.google.api import Api
    from gcr_migrate.google.libraries import Libraries

_DIGITS: Final = 18  # more do not fit into 64 bits


class RepositoryContents:
    """Lists; resources are `projects/P/locations/L/repositories/R`, packages are image paths.

    Args:
        api: raw calls.
        libraries: Google's client libraries.
    """

    def __init__(self, api: Api, libraries: Libraries) -> None:
        self._api = api
        self._libraries = libraries

    async def packages(self, resource: str) -> AsyncIterator[Package]:
        """Image paths of a repository."""

        def opened() -> Any:
            request = {"parent": resource, "page_size": PAGE}
            return self._libraries.artifact_registry().list_packages(request=request, **CALL)

        def rows(page: Any) -> list[Package]:
            return [
                Package(_last(row.name), _since_1970(row.create_time), _since_1970(row.update_time))
                for row in page.packages
            ]

        async for page in self._libraries.pages(opened, rows, resource):
            for row in page:
                yield row

    async def versions(self, resource: str, package: str) -> AsyncIterator[Version]:
        """Manifests of one image path, tagged or not."""
        parent = _package(resource, package)

        def opened() -> Any:
            # Only the full view names tags.
            request = {"parent": parent, "page_size": PAGE, "view": "FULL"}
            return self._libraries.artifact_registry().list_versions(request=request, **CALL)

        def rows(page: Any) -> list[Version]:
            return [_version(row, parent) for row in page.versions]

        async for page in self._libraries.pages(opened, rows, parent):
            for row in page:
                yield row

    async def tags(self, resource: str, package: str) -> AsyncIterator[TagRow]:
        """Tags of one image path."""
        parent = _package(resource, package)

        def opened() -> Any:
            request = {"parent": parent, "page_size": PAGE}
            return self._libraries.artifact_registry().list_tags(request=request, **CALL)

        def rows(page: Any) -> list[TagRow]:
            return [
                TagRow(_last(row.name), _digest(_last(row.version), parent)) for row in page.tags
            ]

        async for page in self._libraries.pages(opened, rows, parent):
            for row in page:
                yield row

    async def docker_images(self, resource: str) -> AsyncIterator[DockerImage]:
        """Manifests of all image paths of a repository, tagged or not."""
        url = f"{ARTIFACT_REGISTRY}{quote(resource)}/dockerImages"
        async for page in self._api.pages(url, "dockerImages", resource):
            for row in page:
                yield _docker_image(row, resource)


def _package(resource: str, path: str) -> str:
    """Return the name of a package; the library quotes it once more on its way."""
    return f"{resource}/packages/{quote(path, safe='')}"


def _last(name: str) -> str:
    """Return the last part of a resource name, in which slashes are quoted."""
    return unquote(name.rpartition("/")[2])


def _digest(text: str, subject: str) -> Digest:
    try:
        return Digest.parse(text)
    except MigrateError as error:
        if error.problem is not BAD_DIGEST:
            raise
        raise MigrateError(BAD_REPLY, subject=subject, saw=f"{text[:200]}: no digest") from error


def _since_1970(moment: datetime | None) -> int | None:
    return round(moment.timestamp() * 1000) if moment else None


def _version(row: Any, subject: str) -> Version:
    about = dict(row.metadata or {})
    attached = str(about.get("subjectDigest") or "")
    return Version(
        digest=_digest(_last(row.name), subject),
        tags=tuple(_last(tag.name) for tag in row.related_tags),
        media_type=str(about.get("mediaType") or ""),
        artifact_type=str(about.get("artifactType") or ""),
        subject=_digest(attached, subject) if attached else None,
        size_bytes=_number(about.get("imageSizeBytes")),
        created_ms=_since_1970(row.create_time),
    )


def _docker_image(row: dict[str, Any], resource: str) -> DockerImage:
    place, _, digest = str(row.get("uri") or "").partition("@")
    _, project, _, _, _, repository = resource.split("/")
    root = f"/{project.replace(':', '/')}/{repository}/"
    _, found, path = place.partition(root)
    if not found or not path:
        saw = f"an image whose `uri` is {place[:200]}"
        raise MigrateError(BAD_REPLY, subject=resource, saw=saw)
    tags = row.get("tags")
    attached = str(row.get("subjectDigest") or "")
    return DockerImage(
        path=path,
        digest=_digest(digest, resource),
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        media_type=str(row.get("mediaType") or ""),
        artifact_type=str(row.get("artifactType") or ""),
        subject=_digest(attached, resource) if attached else None,
        size_bytes=_number(row.get("imageSizeBytes")),
        uploaded_ms=_moment(row.get("uploadTime")),
    )


def _number(value: Any) -> int | None:
    """Read a whole number; services send large ones as text."""
    whole = isinstance(value, float) and value.is_integer()  # which no infinity is
    text = str(int(value)) if whole else str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def _moment(value: Any) -> int | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return _since_1970(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
