"""What a repository holds: Docker images, packages, versions, tags and files.

The lists are complete whatever their size, unlike those of the registry.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gcr_migrate.model.content import Digest, Kind
from gcr_migrate.sandbox.answers import (
    RefusalError,
    bad,
    error,
    failed,
    mask,
    missing,
    moment,
    no_method,
    page,
    read_object,
)
from gcr_migrate.sandbox.enums import VIEWS, word_of
from gcr_migrate.sandbox.repositories import registry_uri

if TYPE_CHECKING:
    from gcr_migrate.sandbox.asks import Ask
    from gcr_migrate.sandbox.store import Image, Repository, Store, Stored

_MOST_RELATED_TAGS: Final = 100
_LARGEST_CONFIG: Final = 4 << 20
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_TIMES: Final = ("name", "createTime", "updateTime")
_KINDS: Final = frozenset({"dockerImages", "packages", "versions", "tags", "files"})
_VERBS: Final = {"POST": "create", "PATCH": "update"}


class Lists:
    """The contents of a store's repositories.

    Args:
        store: where they lie.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answer(self, ask: Ask) -> dict[str, Any]:
        """Answer a call on something in a repository."""
        shape = ask.collections[3:]
        method, is_list = ask.request.method, len(ask.parts) % 2 == 1
        writes = shape[-1] == "tags" and method == ("POST" if is_list else "PATCH")
        if shape[-1] not in _KINDS or (method != "GET" and not writes):
            raise no_method(ask.request)
        repository = self._store.get(ask.key)
        verb = _VERBS.get(method) or ("list" if is_list else "get")
        ask.need(f"{shape[-1].lower()}.{verb}", repository)
        if repository is None:
            raise missing(ask.name(6))
        match shape:
            case ("dockerImages",):
                return self._docker_images(ask, repository, is_list=is_list)
            case ("files",):
                return _files(ask, repository, is_list=is_list)
            case ("packages",):
                return _packages(ask, repository, is_list=is_list)
            case ("packages", "versions" | "tags" as kind):
                return await self._in_package(ask, repository, kind, is_list=is_list)
            case _:
                raise no_method(ask.request)

    async def _in_package(
        self, ask: Ask, repository: Repository, kind: str, *, is_list: bool
    ) -> dict[str, Any]:
        path = ask.parts[7]
        if not repository.image(path).manifests:
            raise missing(ask.name(8))
        if kind == "versions":
            return self._versions(ask, repository, path, is_list=is_list)
        if ask.request.method != "GET":
            return await _write_tag(ask, repository, path)
        return _tags(ask, repository, path, is_list=is_list)

    def _docker_images(self, ask: Ask, repository: Repository, *, is_list: bool) -> dict[str, Any]:
        found = [
            self._docker_image(repository, path, stored, tags.get(digest, []))
            for path, image in sorted(repository.images.items())
            for tags in [_tags_by_digest(image)]
            for digest, stored in image.manifests.items()
        ]
        if not is_list:
            return _named(found, ask)
        orders = ("name", "uploadTime", "updateTime", "buildTime", "mediaType")
        return page(ask.request, "dockerImages", found, orders=orders)

    def _docker_image(
        self, repository: Repository, path: str, stored: Stored, tags: list[str]
    ) -> dict[str, Any]:
        image, manifest = repository.images[path], stored.manifest
        entry: dict[str, Any] = {
            "name": f"{repository.name}/dockerImages/{quote(path, '')}@{manifest.digest}",
            "uri": f"{registry_uri(repository)}/{path}@{manifest.digest}",
            "tags": tags,
            "imageSizeBytes": str(image.size_of(stored)),
            "uploadTime": moment(stored.uploaded_ms),
            "mediaType": manifest.media_type,
            "buildTime": self._built(stored),
            "updateTime": moment(stored.uploaded_ms),
            "artifactType": manifest.artifact_type,
            "subjectDigest": str(manifest.subject.digest) if manifest.subject else None,
            "imageManifests": _platforms(stored),
        }
        return {key: value for key, value in entry.items() if value}

    def _built(self, stored: Stored) -> str | None:
        """Return when an image says that it was built: its configuration, the first blob, does."""
        manifest = stored.manifest
        if manifest.kind is not Kind.IMAGE or manifest.blobs[0].size > _LARGEST_CONFIG:
            return None
        file = self._store.blob_file(manifest.blobs[0].digest)
        try:
            config = json.loads(file.read_bytes()) if file.exists() else None
        except ValueError:
            return None  # the configuration of an artifact may be anything
        created = config.get("created") if isinstance(config, dict) else None
        return created if isinstance(created, str) else None

    def _versions(
        self, ask: Ask, repository: Repository, path: str, *, is_list: bool
    ) -> dict[str, Any]:
        text = ask.parameter("view")
        view = word_of(int(text) if text.isdigit() else text or "BASIC", VIEWS, "view")
        full = view == "FULL" or not is_list
        image = repository.images[path]
        tags = _tags_by_digest(image)
        found = [
            self._version(repository, path, stored, tags.get(digest, []), full=full)
            for digest, stored in image.manifests.items()
        ]
        if not is_list:
            return _named(found, ask)
        return page(ask.request, "versions", found, orders=_TIMES)

    def _version(
        self, repository: Repository, path: str, stored: Stored, tags: list[str], *, full: bool
    ) -> dict[str, Any]:
        package, digest = _package_name(repository, path), stored.manifest.digest
        described = self._docker_image(repository, path, stored, tags)
        members = ("name", "imageSizeBytes", "mediaType", "buildTime", "artifactType")
        told = {key: described.get(key) for key in (*members, "subjectDigest")}
        version: dict[str, Any] = {
            "name": f"{package}/versions/{digest}",
            "createTime": moment(stored.uploaded_ms),
            "updateTime": moment(stored.uploaded_ms),
            "metadata": {key: value for key, value in told.items() if value},
        }
        if full and tags:
            shown = tags[:_MOST_RELATED_TAGS]
            version["relatedTags"] = [_tag(package, tag, digest) for tag in shown]
        return version


def _packages(ask: Ask, repository: Repository, *, is_list: bool) -> dict[str, Any]:
    found = []
    for path, image in sorted(repository.images.items()):
        times = [stored.uploaded_ms for stored in image.manifests.values()]
        if times:
            entry = {"name": _package_name(repository, path)}
            entry |= {"createTime": moment(min(times)), "updateTime": moment(max(times))}
            found.append(entry)
    return page(ask.request, "packages", found, orders=_TIMES) if is_list else _named(found, ask)


def _tags(ask: Ask, repository: Repository, path: str, *, is_list: bool) -> dict[str, Any]:
    package = _package_name(repository, path)
    tags = sorted(repository.images[path].tags.items())
    found = [_tag(package, tag, digest) for tag, digest in tags]
    if not is_list:
        return _named(found, ask)
    return page(ask.request, "tags", found, filters=("name", "version"), orders=())


async def _write_tag(ask: Ask, repository: Repository, path: str) -> dict[str, Any]:
    """Create or move a tag; where tags are immutable, what is set stays."""
    body, creates = await read_object(ask.request), ask.request.method == "POST"
    image, tag = repository.images[path], ask.parameter("tagId") if creates else ask.parts[9]
    if not _TAG.fullmatch(tag):
        raise bad(f"tag_id {tag!r} is invalid")
    if creates and tag in image.tags:
        raise RefusalError(error(409, "the tag already exists"))
    if not creates and tag not in image.tags:
        raise missing(ask.name())
    if not creates and mask(ask.request) not in ([], ["version"], ["*"]):
        raise bad("update_mask: only version can be set")
    package, version = _package_name(repository, path), str(body.get("version", ""))
    found = next((one for one in image.manifests if f"{package}/versions/{one}" == version), None)
    if found is None:
        raise missing(version)
    if repository.immutable_tags and image.tags.get(tag, found) != found:
        raise failed(f"tag {tag} is immutable")
    image.tags[tag] = found
    return _tag(package, tag, found)


def _files(ask: Ask, repository: Repository, *, is_list: bool) -> dict[str, Any]:
    """Return blobs, owned by a package, and manifests, owned by a version."""
    found: dict[Digest, dict[str, Any]] = {}
    for path, image in sorted(repository.images.items()):
        package = _package_name(repository, path)
        for stored in image.manifests.values():
            digest, when = stored.manifest.digest, moment(stored.uploaded_ms)
            files = [(digest, len(stored.manifest.raw), f"{package}/versions/{digest}")]
            files += [(one.digest, max(one.size, 0), package) for one in stored.manifest.blobs]
            for held, size, owner in files:
                entry = {"sizeBytes": str(size), "owner": owner, "hashes": _hashes(held)}
                entry |= {"createTime": when, "updateTime": when}
                found.setdefault(held, {"name": f"{repository.name}/files/{held}"} | entry)
    entries = list(found.values())
    if not is_list:
        return _named(entries, ask)
    return page(ask.request, "files", entries, filters=("name", "owner"), orders=_TIMES)


def _hashes(digest: Digest) -> list[dict[str, str]]:
    if digest.algorithm != "sha256":
        return []
    return [{"type": "SHA256", "value": base64.b64encode(bytes.fromhex(digest.encoded)).decode()}]


def _package_name(repository: Repository, path: str) -> str:
    return f"{repository.name}/packages/{quote(path, '')}"


def _tag(package: str, tag: str, digest: Digest) -> dict[str, Any]:
    return {"name": f"{package}/tags/{tag}", "version": f"{package}/versions/{digest}"}


def _tags_by_digest(image: Image) -> dict[Digest, list[str]]:
    tags: dict[Digest, list[str]] = {}
    for tag, digest in sorted(image.tags.items()):
        tags.setdefault(digest, []).append(tag)
    return tags


def _named(entries: list[dict[str, Any]], ask: Ask) -> dict[str, Any]:
    """Return the entry whose name was asked for."""
    name = ask.name()
    found = next((one for one in entries if one["name"] == name), None)
    if found is None:
        raise missing(name)
    return found


def _platforms(stored: Stored) -> list[dict[str, Any]]:
    """Return what an index says about the images in it."""
    if stored.manifest.kind is not Kind.INDEX:
        return []
    found = []
    for child in json.loads(stored.manifest.raw)["manifests"]:
        platform = child.get("platform") or {}
        entry = {
            "architecture": platform.get("architecture"),
            "os": platform.get("os"),
            "digest": child["digest"],
            "mediaType": child.get("mediaType"),
            "osVersion": platform.get("os.version"),
            "osFeatures": platform.get("os.features"),
            "variant": platform.get("variant"),
        }
        found.append({key: value for key, value in entry.items() if value})
    return found
