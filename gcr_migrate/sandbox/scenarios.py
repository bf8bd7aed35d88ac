"""What a sandbox holds at the start: read from YAML, made into images.

All content follows from the scenario alone, so that every run has the same digests.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import zlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gcr_migrate.errors import BAD_SCENARIO, BAD_YAML, FILE_MISSING, MigrateError
from gcr_migrate.model.content import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Digest,
    Manifest,
    fallback_tag,
)
from gcr_migrate.sandbox.store import NOT_REDIRECTED, Image, Repository, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST_UPLOAD_MS: Final = 1_704_067_200_000  # 2024-01-01T00:00:00Z
_DAY_MS: Final = 86_400_000
_STORED_BLOCK: Final = 65_535  # largest stored block of deflate
_EMPTY: Final = "application/vnd.oci.empty.v1+json"
_DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_COSIGN_LAYER: Final = "application/vnd.dev.cosign.simplesigning.v1+json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IdentityPart(_Part):
    """Somebody with an access token; roles are held on every project."""

    member: str = "user:migrator@example.com"
    token: str = Field("ya29.sandbox-migrator", repr=False)
    roles: tuple[str, ...] = ("roles/owner",)


class LayerPart(_Part):
    """A layer: equal name and size are equal bytes, wherever they occur."""

    name: str
    size: int = 4_000


class ImagePart(_Part):
    """One push, in the order of the file, each a day after the one before.

    Attributes:
        path: image path in the repository.
        tags: its tags; none for an untagged image.
        layers: its layers.
        format: media types of Docker or of OCI.
        platforms: more than one makes an index of one image each; those are untagged.
        signature_of: tag of an image that this signs, in cosign's older scheme.
        subject_of: tag of an image that this refers to.
        artifact_type: what a referrer is.
    """

    path: str
    tags: tuple[str, ...] = ()
    layers: tuple[LayerPart, ...] = ()
    format: Literal["docker", "oci"] = "docker"
    platforms: tuple[str, ...] = ("linux/amd64",)
    signature_of: str | None = None
    subject_of: str | None = None
    artifact_type: str = "application/vnd.example.sbom.v1+json"


class RepositoryPart(_Part):
    """A repository with its policy and images."""

    project: str
    location: str
    id: str
    format: str = "DOCKER"
    immutable_tags: bool = False
    server_moves_own_tags: bool = True
    bindings: tuple[dict[str, Any], ...] = ()
    images: tuple[ImagePart, ...] = ()


class Scenario(_Part):
    """What a sandbox holds and knows.

    Attributes:
        identities: who may come; the first is the one that a demo uses.
        repositories: what is there.
        never_migrated: projects whose gcr.io names answer 412 in plain text.
        token_lifetime: seconds for which a registry token is good.
        operation_polls: after how many polls a repository is made.
    """

    identities: tuple[IdentityPart, ...] = (IdentityPart(),)
    repositories: tuple[RepositoryPart, ...] = ()
    never_migrated: tuple[str, ...] = ()
    token_lifetime: float = 43_200
    operation_polls: int = 2


def scenario_names() -> list[str]:
    """Return the names of the scenarios that come with the tool."""
    folder = resources.files("gcr_migrate.sandbox") / "scenarios"
    names = (one.name for one in folder.iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Read a scenario.

    Args:
        name_or_path: name of one that comes with the tool, or path of a YAML file.

    Raises:
        MigrateError: FILE_MISSING, BAD_YAML or BAD_SCENARIO.
    """
    name = str(name_or_path)
    try:
        if name in scenario_names():
            folder = resources.files("gcr_migrate.sandbox") / "scenarios"
            text = (folder / f"{name}.yaml").read_text("utf-8")
        else:
            text = Path(name).read_text("utf-8")
    except OSError as error:
        known = f"known scenarios: {', '.join(scenario_names())}"
        raise MigrateError(FILE_MISSING, subject=name, saw=known) from error
    try:
        return Scenario.model_validate(YAML(typ="safe").load(text) or {})
    except YAMLError as error:
        raise MigrateError(BAD_YAML, subject=name, saw=str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise MigrateError(BAD_SCENARIO, subject=f"{name}: {where}", saw=first["msg"]) from error


def fill(store: Store, scenario: Scenario) -> None:
    """Put everything that a scenario lists into a store."""
    for project in scenario.never_migrated:
        store.project(project).redirect_state = NOT_REDIRECTED
    at_ms = _FIRST_UPLOAD_MS
    for part in scenario.repositories:
        settings: dict[str, Any] = {"format": part.format}
        if part.immutable_tags:
            settings["dockerConfig"] = {"immutableTags": True}
        repository = Repository(
            part.project, part.location, part.id, settings, [dict(one) for one in part.bindings]
        )
        repository.server_moves_own_tags = part.server_moves_own_tags
        store.add(repository)
        for image in part.images:
            _Maker(store, repository, image, at_ms).push()
            at_ms += _DAY_MS


class _Maker:
    """Pushes one image, as a client would, into a repository."""

    def __init__(self, store: Store, repository: Repository, part: ImagePart, at_ms: int) -> None:
        self._store, self._repository, self._part, self._at = store, repository, part, at_ms
        self._image = repository.images.setdefault(part.path, Image())

    def push(self) -> None:
        """Make the image and set its tags."""
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
