"""A scenario made into what the sandbox holds: projects, buckets, repositories and images.

All content follows from the scenario alone, so that every run has the same digests.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import time
import zlib
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.model.content import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Digest,
    Manifest,
    fallback_tag,
)
from gcr_migrate.sandbox.giant import Giant
from gcr_migrate.sandbox.giant_images import GiantImages
from gcr_migrate.sandbox.images import Image, Images
from gcr_migrate.sandbox.kept import DAY_MS, Kept
from gcr_migrate.sandbox.states import (
    NOT_REDIRECTED,
    STATES,
    BucketObject,
    BucketState,
    CustomRole,
    FolderState,
)
from gcr_migrate.sandbox.store import Repository, Store
from gcr_migrate.sandbox.usage import bucket_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.sandbox.copy_parts import ContainerRegistryPart, KeptImagePart
    from gcr_migrate.sandbox.image_parts import ImagePart, LayerPart
    from gcr_migrate.sandbox.scenarios import (
        BucketPart,
        OrgPolicyPart,
        ProjectPart,
        RepositoryPart,
        Scenario,
    )

_FIRST_UPLOAD_MS: Final = 1_704_067_200_000  # 2024-01-01T00:00:00Z
_STORED_BLOCK: Final = 65_535  # largest stored block of deflate
_EMPTY: Final = "application/vnd.oci.empty.v1+json"
_DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_COSIGN_LAYER: Final = "application/vnd.dev.cosign.simplesigning.v1+json"


def fill(store: Store, scenario: Scenario) -> None:
    """Put everything that a scenario lists into a store."""
    for id_ in scenario.never_migrated:
        store.project(id_).redirect_state = NOT_REDIRECTED
    for role in scenario.roles:
        permissions = frozenset(role.permissions)
        store.roles[role.name] = CustomRole(permissions, role.stage, role.deleted)
    for folder in scenario.folders:
        store.folders[folder.name] = FolderState(folder.name, folder.parent, [*folder.bindings])
    for project in scenario.projects:
        _add_project(store, project)
    at_ms = _FIRST_UPLOAD_MS
    for part in scenario.repositories:
        repository = _add_repository(store, part)
        for image in part.images:
            _Maker(store, repository, image, at_ms).push()
            at_ms += DAY_MS
    store.only_known = bool(scenario.projects)


def _add_repository(store: Store, part: RepositoryPart) -> Repository:
    settings: dict[str, Any] = {"format": part.format}
    if part.immutable_tags:
        settings["dockerConfig"] = {"immutableTags": True}
    bindings = [dict(one) for one in part.bindings]
    repository = Repository(part.project, part.location, part.id, settings, bindings)
    repository.server_moves_own_tags = part.server_moves_own_tags
    repository.times_as_text = part.times_as_text
    if part.giant:
        repository.images = GiantImages(Giant(**part.giant.model_dump()))
    store.add(repository)
    return repository


def _add_project(store: Store, part: ProjectPart) -> None:
    state = store.project(part.id)
    state.number = part.number or state.number
    state.parent, state.billing, state.perimeter = part.parent, part.billing, part.perimeter
    state.bindings = [dict(one) for one in part.bindings]
    state.disabled = set(part.disabled_services)
    if part.redirect_state:
        whole = part.redirect_state.startswith("REDIRECTION_")
        state.redirect_state = part.redirect_state if whole else STATES + part.redirect_state
    state.pull_percent, state.redirect_lag = part.pull_percent, part.redirect_lag
    state.org_policies = {
        one.constraint.removeprefix("constraints/"): _rule(one) for one in part.org_policies
    }
    state.subscriptions, state.usage = dict(part.subscriptions), dict(part.usage)
    state.assets = [dict(one) for one in part.assets]
    if part.quota:
        state.requests_per_minute = part.quota.requests_per_minute
        state.quotas = dict(part.quota.locations)
        state.retry_after = part.quota.retry_after
    for bucket in part.buckets:
        store.buckets[bucket.name] = _bucket(store, part.id, bucket)
    if part.container_registry:
        state.kept = _kept(store, part.id, part.container_registry)


def _rule(part: OrgPolicyPart) -> dict[str, Any]:
    """Return an organisation policy's rule as the service words it."""
    if part.enforce is not None:
        return {"enforce": part.enforce}
    if part.deny_all:
        return {"denyAll": True}
    values = {"allowedValues": [*part.allowed], "deniedValues": [*part.denied]}
    stated = {key: value for key, value in values.items() if value}
    return {"values": stated} if stated else {"allowAll": True}


def _bucket(store: Store, project: str, part: BucketPart) -> BucketState:
    stated = part.bindings
    bindings = _new_bucket_bindings(project, uniform=part.uniform) if stated is None else [*stated]
    bucket = BucketState(part.name, project, part.location, part.uniform, bindings)
    bucket.object_lists = {
        start: [entry.model_dump() for entry in some] for start, some in part.object_lists.items()
    }
    bucket.never_public = part.never_public
    bucket.settings, bucket.object_settings = dict(part.settings), dict(part.object_settings)
    # Images are pushed to a repository that nobody sees; the bucket gets its blobs alone.
    images = Images()
    hidden = Repository(project, "us", "hidden", images=images)
    for at, image in enumerate(part.images):
        _Maker(store, hidden, image, _FIRST_UPLOAD_MS + at * DAY_MS).push()
    _add_blobs(bucket, images)
    named = {name: store.add_blob(text.encode()) for name, text in part.objects.items()}
    for name, digest in sorted(named.items()):
        bucket.objects[name] = BucketObject(part.name, name, digest, _FIRST_UPLOAD_MS)
    return bucket


def _kept(store: Store, project: str, part: ContainerRegistryPart) -> Kept:
    """Push images to repositories that nobody sees; then take away what is lost of them."""
    kept, now_ms = Kept(part), int(time.time() * 1000)
    for at, image in enumerate(part.images):
        hidden = Repository(
            project, "us", "hidden", images=kept.images.setdefault(image.host, Images())
        )
        pushed_ms = _FIRST_UPLOAD_MS + at * DAY_MS
        if image.uploaded_days_ago is not None:
            pushed_ms = now_ms - image.uploaded_days_ago * DAY_MS
        digest = _Maker(store, hidden, image, pushed_ms).push()
        key = (image.host, image.path, digest)
        if image.pulled_days_ago is not None:
            kept.pulled_ms[key] = now_ms - image.pulled_days_ago * DAY_MS
        if image.broken:
            kept.broken.add(key)
        kept.stuck |= {(image.host, image.path, tag) for tag in image.stuck_tags}
    for image in part.images:
        kept.images[image.host][image.path].blobs -= _lost(image)
    for host, images in kept.images.items():
        bucket = store.buckets.get(bucket_name(host, project))
        if bucket:
            _add_blobs(bucket, images)
    return kept


def _add_blobs(bucket: BucketState, images: Images) -> None:
    """Put the blobs of images into a bucket, as Container Registry kept them."""
    for digest in sorted({digest for image in images.values() for digest in image.blobs}):
        name = f"containers/images/{digest}"
        bucket.objects[name] = BucketObject(bucket.name, name, digest, _FIRST_UPLOAD_MS)


def _lost(image: KeptImagePart) -> set[Digest]:
    lost = (layer for layer in image.layers if layer.name in image.lost_layers)
    return {Digest.of(_gzip(_tar(layer))) for layer in lost}


def _new_bucket_bindings(project: str, *, uniform: bool) -> list[dict[str, Any]]:
    """Return the policy of a new bucket; where objects have lists of their own, these give more."""
    writers = [f"projectEditor:{project}", f"projectOwner:{project}"]
    readers = [f"projectViewer:{project}"]
    objects = [
        {"role": "roles/storage.legacyObjectOwner", "members": writers},
        {"role": "roles/storage.legacyObjectReader", "members": readers},
    ]
    return [
        {"role": "roles/storage.legacyBucketOwner", "members": writers},
        {"role": "roles/storage.legacyBucketReader", "members": readers},
        *(objects if uniform else ()),
    ]


class _Maker:
    """Pushes one image, as a client would, into a repository."""

    def __init__(self, store: Store, repository: Repository, part: ImagePart, at_ms: int) -> None:
        self._store, self._repository, self._part, self._at = store, repository, part, at_ms
        self._image = repository.images.setdefault(part.path, Image())

    def push(self) -> Digest:
        """Make the image, set its tags, and return its digest."""
        part = self._part
        tags: tuple[str, ...] = part.tags
        if part.signature_of:
            top, tags = self._signature(part.signature_of)
        elif part.subject_of:
            top = self._referrer(part.subject_of)
        elif len(part.platforms) > 1:
            top = self._index()
        else:
            top = self._platform(part.platforms[0])
        self._put(top, tags)
        return top.digest

    def _put(self, manifest: Manifest, tags: Sequence[str]) -> None:
        for tag in tags or (None,):
            self._repository.put_manifest(self._part.path, manifest, tag, self._at)

    def _platform(self, platform: str) -> Manifest:
        os, _, architecture = platform.partition("/")
        part, docker = self._part, self._part.format == "docker"
        tars = [_tar(layer) for layer in part.layers]
        kind = _DOCKER_LAYER if docker else _OCI_LAYER
        layers = [self._blob(_gzip(tar), kind) for tar in tars]
        config = {
            "architecture": architecture,
            "os": os,
            "created": "2024-01-01T00:00:00Z",
            "config": {"Cmd": ["/bin/true"], "Labels": {"path": part.path}},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(tar)) for tar in tars]},
        }
        config_type = _DOCKER_CONFIG if docker else _OCI_CONFIG
        body = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
            "config": self._blob(json.dumps(config).encode(), config_type),
            "layers": layers,
        }
        return _manifest(body)

    def _index(self) -> Manifest:
        entries = []
        for platform in self._part.platforms:
            child = self._platform(platform)
            self._put(child, ())
            os, _, architecture = platform.partition("/")
            described = {"platform": {"architecture": architecture, "os": os}}
            entries.append(_describe(child) | described)
        media_type = DOCKER_LIST if self._part.format == "docker" else OCI_INDEX
        return _manifest({"schemaVersion": 2, "mediaType": media_type, "manifests": entries})

    def _signature(self, tag: str) -> tuple[Manifest, tuple[str, ...]]:
        """Return what cosign's older scheme puts under `sha256-<hex>.sig`."""
        signed = self._image.tags[tag]
        payload = {"critical": {"image": {"docker-manifest-digest": str(signed)}}, "optional": None}
        layer = self._blob(json.dumps(payload).encode(), _COSIGN_LAYER)
        config = self._blob(b'{"architecture":"","os":""}', _OCI_CONFIG)
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config,
            "layers": [layer | {"annotations": {"dev.cosignproject.cosign/signature": "c2FuZA=="}}],
        }
        return _manifest(body), (f"{fallback_tag(signed)}.sig",)

    def _referrer(self, tag: str) -> Manifest:
        subject = self._image.manifests[self._image.tags[tag]].manifest
        report = json.dumps({"about": str(subject.digest)}).encode()
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": self._part.artifact_type,
            "config": self._blob(b"{}", _EMPTY),
            "layers": [self._blob(report, self._part.artifact_type)],
            "subject": _describe(subject),
        }
        return _manifest(body)

    def _blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = self._store.add_blob(data)
        self._image.blobs.add(digest)
        return {"mediaType": media_type, "size": len(data), "digest": str(digest)}


def _manifest(body: dict[str, Any]) -> Manifest:
    return Manifest.read(json.dumps(body, indent=2).encode(), str(body["mediaType"]))


def _describe(manifest: Manifest) -> dict[str, Any]:
    size, digest = len(manifest.raw), str(manifest.digest)
    return {"mediaType": manifest.media_type, "size": size, "digest": digest}


def _tar(layer: LayerPart) -> bytes:
    """Return a tar of one file whose bytes follow from the layer's name and size."""
    data = hashlib.shake_256(layer.name.encode()).digest(layer.size)
    info = tarfile.TarInfo(f"opt/{layer.name}.bin")
    info.size = len(data)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(data))
    return target.getvalue()


def _gzip(data: bytes) -> bytes:
    """Return the data as gzip, uncompressed: the bytes of a compressor change with its version."""
    parts = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for start in range(0, len(data), _STORED_BLOCK):
        block = data[start : start + _STORED_BLOCK]
        last = start + _STORED_BLOCK >= len(data)
        parts += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    parts.append(struct.pack("<II", zlib.crc32(data), len(data)))
    return b"".join(parts)
