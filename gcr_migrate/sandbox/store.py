"""What the sandbox holds: repositories, images and tags in memory, blobs on disk."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field
from msgspec.structs import asdict

from gcr_migrate.model.content import OCI_INDEX, Digest, Manifest, fallback_tag
from gcr_migrate.model.names import GCR_HOSTS, gcr_host
from gcr_migrate.sandbox.giant_images import GiantImages
from gcr_migrate.sandbox.images import Image, Images, Stored, referrers_index
from gcr_migrate.sandbox.states import (
    BucketState,
    CustomRole,
    FolderState,
    ProjectState,
    project_number,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.model.content import Descriptor
    from gcr_migrate.sandbox.giant import Giant

REGISTRY_HOSTS: Final = (
    *(host.name for host in GCR_HOSTS),
    "us-docker.pkg.dev",
    "europe-docker.pkg.dev",
    "asia-docker.pkg.dev",
    "us-central1-docker.pkg.dev",
    "europe-west1-docker.pkg.dev",
)
_AR_SUFFIX: Final = "-docker.pkg.dev"
_REPOSITORY_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


class Repository(Struct):
    """One Artifact Registry repository.

    Attributes:
        project: id of the project, with a colon where a domain scopes it.
        location: such as `us`.
        id: such as `us.gcr.io` or `product1`.
        settings: what a create call stated: format, mode, dockerConfig, …
        bindings: its own policy.
        policy_version: counts the writes of the policy; the etag is made of it.
        ready: false while the operation that creates it runs.
        images: by path below the repository; those of a giant are made on request, and nothing
            can be pushed there.
    """

    project: str
    location: str
    id: str
    settings: dict[str, Any] = field(default_factory=lambda: {"format": "DOCKER"})
    bindings: list[dict[str, Any]] = field(default_factory=list)
    policy_version: int = 0
    ready: bool = True
    server_moves_own_tags: bool = True
    times_as_text: bool = False
    images: Images | GiantImages = field(default_factory=Images)

    @property
    def name(self) -> str:
        """Return the resource name in the REST API."""
        return f"projects/{self.project}/locations/{self.location}/repositories/{self.id}"

    @property
    def immutable_tags(self) -> bool:
        """Whether a tag, once set, stays where it is."""
        return bool(self.settings.get("dockerConfig", {}).get("immutableTags"))

    @property
    def etag(self) -> str:
        """Return the etag of the policy, bytes in base64, which changes with every write."""
        return base64.b64encode(b"\x07" + self.policy_version.to_bytes(7)).decode()

    @property
    def giant(self) -> Giant | None:
        """Return what its images are made from; None where they were pushed."""
        return self.images.giant if isinstance(self.images, GiantImages) else None

    def image(self, path: str) -> Image:
        """Return the image at a path; an empty one, not kept, where there is none."""
        return self.images.get(path) or Image()

    def children(self, path: str) -> list[str]:
        """Return the next path components below a path that lead to images."""
        return self.images.children(path)

    def put_manifest(
        self, path: str, manifest: Manifest, tag: str | None, at_ms: int | None = None
    ) -> None:
        """Keep a manifest, set its tag, and list it as a referrer where it has a subject."""
        now = int(time.time() * 1000) if at_ms is None else at_ms
        image = self.images.setdefault(path, Image())
        image.manifests.setdefault(manifest.digest, Stored(manifest, now, now))
        if tag:
            image.tags[tag] = manifest.digest
        if manifest.subject:
            self._list_referrers(image, manifest.subject.digest, now)

    def _list_referrers(self, image: Image, subject: Digest, now: int) -> None:
        """Make or move the tag `sha256-<hex>`.

        Artifact Registry does this itself on a push with `subject`; whether also where tags are
        immutable is not known, so a scenario may have it either way.
        """
        tag = fallback_tag(subject)
        if tag in image.tags and self.immutable_tags and not self.server_moves_own_tags:
            return
        raw = json.dumps(referrers_index(image.referrers(subject))).encode()
        index = Manifest.read(raw, OCI_INDEX)
        image.manifests.setdefault(index.digest, Stored(index, now, now))
        image.tags[tag] = index.digest


class Place(Struct, frozen=True):
    """Where a registry name leads: the repository's key and the image path in it."""

    project: str
    location: str
    repository: str
    path: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Return the key of the repository."""
        return self.project, self.location, self.repository


class Store:
    """All projects, repositories and buckets, and the blobs on disk.

    Args:
        directory: where blobs and unfinished uploads lie.

    Attributes:
        repositories: by project, location and id.
        buckets: by name.
        folders: folders and organisations by their full names.
        roles: custom roles by their full names.
        only_known: whether projects that nothing has named do not exist; else all do.
        uploads: folder of unfinished uploads.
    """

    def __init__(self, directory: Path) -> None:
        self.repositories: dict[tuple[str, str, str], Repository] = {}
        self.buckets: dict[str, BucketState] = {}
        self.folders: dict[str, FolderState] = {}
        self.roles: dict[str, CustomRole] = {}
        self.only_known = False
        self._projects: dict[str, ProjectState] = {}
        self._blobs = directory / "blobs"
        self.uploads = directory / "uploads"
        self.uploads.mkdir(parents=True, exist_ok=True)

    def project(self, project_id: str) -> ProjectState:
        """Return the state of a project, made on demand."""
        if project_id not in self._projects:
            self._projects[project_id] = ProjectState(project_id, project_number(project_id))
        return self._projects[project_id]

    def find_project(self, id_or_number: str) -> ProjectState | None:
        """Return a project by its id or number, or None where it does not exist."""
        if id_or_number in self._projects:
            return self._projects[id_or_number]
        if id_or_number.isdigit():
            kept = self._projects.values()
            return next((one for one in kept if one.number == id_or_number), None)
        return None if self.only_known else self.project(id_or_number)

    def projects(self) -> list[ProjectState]:
        """Return all projects that something has named, by id."""
        return sorted(self._projects.values(), key=lambda one: one.id)

    def above(self, parent: str) -> list[FolderState]:
        """Return a folder or organisation and what it lies in, bottom up."""
        found: list[FolderState] = []
        while parent in self.folders and self.folders[parent] not in found:
            found.append(self.folders[parent])
            parent = found[-1].parent
        return found

    def blob_file(self, digest: Digest) -> Path:
        """Return where the bytes of a digest lie, whether or not they are there."""
        return self._blobs / digest.algorithm / digest.encoded

    def add_blob(self, data: bytes) -> Digest:
        """Put bytes on disk under their digest."""
        digest = Digest.of(data)
        file = self.blob_file(digest)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_bytes(data)
        return digest

    def adopt(self, upload: Path, digest: Digest) -> None:
        """Move a finished upload to its place."""
        file = self.blob_file(digest)
        file.parent.mkdir(parents=True, exist_ok=True)
        upload.replace(file)

    def get(self, key: tuple[str, str, str]) -> Repository | None:
        """Return a repository that is ready for use."""
        repository = self.repositories.get(key)
        return repository if repository and repository.ready else None

    def add(self, repository: Repository) -> None:
        """Keep a new repository; its project exists from now on."""
        self.project(repository.project)
        self.repositories[repository.project, repository.location, repository.id] = repository

    def state(self) -> dict[str, Any]:
        """Return everything that is held, as plain data."""
        found = {}
        for repository in self.repositories.values():
            found[repository.name] = {
                "host": registry_host(repository),
                "settings": repository.settings,
                "bindings": repository.bindings,
            } | _contents(repository)
        return found


def _contents(repository: Repository) -> dict[str, Any]:
    """Return what is in a repository; of a giant, how much."""
    giant = repository.giant
    if giant:
        return {"giant": asdict(giant.counts())}
    images = {
        path: {
            "tags": {tag: str(digest) for tag, digest in sorted(image.tags.items())},
            "manifests": sorted(map(str, image.manifests)),
            "blobs": sorted(map(str, image.blobs)),
        }
        for path, image in sorted(repository.images.items())
    }
    return {"images": images}


def registry_host(repository: Repository) -> str:
    """Return the host under which clients know a repository."""
    return repository.id if gcr_host(repository.id) else f"{repository.location}{_AR_SUFFIX}"


def place(host: str, name: str) -> Place | None:
    """Return where a name at a host leads, or None if the name is too short.

    A domain-scoped project takes two components, its domain being the only first component with
    a dot. `us.gcr.io/P/IMG` is answered by the repository `us.gcr.io` of the location `us`.
    """
    parts = name.split("/")
    if "." in parts[0]:
        parts[:2] = [":".join(parts[:2])]
    project, rest = parts[0], parts[1:]
    gcr = gcr_host(host)
    if gcr:
        return Place(project, gcr.location, gcr.repository_id, "/".join(rest))
    if not rest:
        return None
    return Place(project, host.removesuffix(_AR_SUFFIX), rest[0], "/".join(rest[1:]))


def legal_repository_id(repository_id: str, location: str) -> bool:
    """Whether a repository may be created under this id.

    Ids have no dot, save those of the four gcr.io hosts in their own location.
    """
    gcr = gcr_host(repository_id)
    if gcr:
        return gcr.location == location
    return bool(_REPOSITORY_ID.fullmatch(repository_id))


def missing_parts(store: Store, image: Image, manifest: Manifest) -> list[Descriptor]:
    """Return what a manifest needs and its name does not hold.

    Foreign layers, which name outside addresses, are not in the registry and are not asked for.
    An entry of an index may be a blob of the name, too: a plain registry takes that as well.
    """

    def held(one: Descriptor) -> bool:
        return one.digest in image.blobs and store.blob_file(one.digest).exists()

    children = [one for one in manifest.children if one.digest not in image.manifests]
    needed = [*children, *(blob for blob in manifest.blobs if not blob.urls)]
    return [one for one in needed if not held(one)]


def hash_file(file: Path, algorithm: str) -> str:
    """Return the hexadecimal hash of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
