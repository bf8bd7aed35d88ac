"""Manifests of every shape, byte by byte, with the digests that these bytes have.

Digests are written down here and not computed: who changes a byte on the way cannot agree.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Final

from gcr_migrate.model.content import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA1_SIGNED,
    Digest,
)

LARGEST: Final = 4 * 1024 * 1024  # what a registry has to take of a manifest
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
FOREIGN_LAYER: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"

AMD64: Final = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
ARM64: Final = b'{"architecture":"arm64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
ONE, TWO, CHART, HI, EMPTY = b"one\n", b"two\n", b"chart\n", b"hi\n", b"{}"
CHART_CONFIG: Final = b'{"name":"web","version":"1.2.3"}'
NO_MANIFEST: Final = b'{"not":"a manifest"}'
ELSEWHERE: Final = b"vendor base\n"  # no registry of a test has it
BLOBS: Final = (AMD64, ARM64, ONE, TWO, CHART, HI, EMPTY, CHART_CONFIG, NO_MANIFEST)


@dataclass(frozen=True)
class Shape:
    """A manifest: its tag, its digest, its type and its bytes."""

    tag: str
    digest: str
    media_type: str
    raw: bytes


def compact(body: dict[str, Any]) -> bytes:
    """Return JSON without any space."""
    return json.dumps(body, separators=(",", ":")).encode()


def entry(media_type: str, data: bytes, /, **more: Any) -> dict[str, Any]:
    """Return the descriptor of some bytes."""
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)} | more


def docker(*layers: dict[str, Any], config: bytes = AMD64) -> bytes:
    """Return an image of Docker's schema 2."""
    body: dict[str, Any] = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST}
    return compact(body | {"config": entry(DOCKER_CONFIG, config), "layers": list(layers)})


def oci(config: dict[str, Any], *layers: dict[str, Any], **more: Any) -> bytes:
    """Return an OCI manifest; `more` may be an artifactType, a subject, annotations."""
    body: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    if "artifactType" in more:
        body["artifactType"] = more.pop("artifactType")  # the order of keys is part of the bytes
    return compact(body | {"config": config, "layers": list(layers)} | more)


def index(*entries: dict[str, Any]) -> bytes:
    """Return an OCI index."""
    return compact({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)})


def _filled(size: int) -> bytes:
    """Return a good OCI manifest of just this size."""
    bare = _twice(annotations={"x": ""})
    return _twice(annotations={"x": "a" * (size - len(bare))})


def _twice(**more: Any) -> bytes:
    layer = entry(OCI_LAYER, TWO)
    return oci(entry(OCI_CONFIG, ARM64), layer, layer, **more)


def _signed_schema1() -> bytes:
    """Return a schema 1 with its signatures in it; its digest is that of the bytes without."""
    body = {
        "schemaVersion": 1,
        "name": "acme/old",
        "tag": "1",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": str(Digest.of(ONE))}],
        "history": [{"v1Compatibility": "{}"}],
    }
    payload = compact(body)
    protected = {"formatLength": len(payload) - 1, "formatTail": _base64(b"}")}
    signature = {
        "header": {"alg": "ES256"},
        "signature": _base64(b"signed"),
        "protected": _base64(compact(protected)),
    }
    return payload[:-1] + b',"signatures":[' + compact(signature) + b"]}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_ONE_LAYER: Final = entry(DOCKER_LAYER, ONE)
_DOCKER_IMAGE: Final = docker(_ONE_LAYER)
_INDEX: Final = index(
    entry(DOCKER_MANIFEST, _DOCKER_IMAGE, platform={"architecture": "amd64", "os": "linux"}),
    entry(OCI_MANIFEST, _twice(), platform={"architecture": "arm64", "os": "linux"}),
)
_PRETTY: Final = f"""\
{{
   "schemaVersion": 2,
   "config": {{"digest": "{Digest.of(AMD64)}", "mediaType": "{DOCKER_CONFIG}", "size": 78}},
   "mediaType": "{DOCKER_MANIFEST}",
   "layers": [ {{"size":4, "digest":"{Digest.of(ONE)}", "mediaType":"{DOCKER_LAYER}"}} ]
}}
""".encode()
_HELM: Final = compact(
    {
        "schemaVersion": 2,
        "config": entry("application/vnd.cncf.helm.config.v1+json", CHART_CONFIG),
        "layers": [entry("application/vnd.cncf.helm.chart.content.v1.tar+gzip", CHART)],
    }
)
_INLINE: Final = oci(
    entry(OCI_EMPTY, EMPTY, data="e30="),
    entry("text/plain", HI),
    artifactType="application/vnd.example.note",
)

WHOLE: Final = (
    Shape(
        "d2",
        "sha256:b8a16027992414ba51420abb20f9b3645568f66c5323aeb0ec1b4ecaf0bbc00f",
        DOCKER_MANIFEST,
        _DOCKER_IMAGE,
    ),
    Shape(
        "oci-twice",
        "sha256:b6e1de63c1d8cad271dae4e1f8d339770dd35a86faa782e903d59219f07e79e4",
        OCI_MANIFEST,
        _twice(),
    ),
    Shape(
        "index",
        "sha256:490e129e0f38b671419f083b6281d7c598f2a85ec6b2f694236fad499141489c",
        OCI_INDEX,
        _INDEX,
    ),
    Shape(
        "nested",
        "sha256:d9e0961ed2c23ef8683bb089f0bbe3fa25b3163b02676200b09f57f72d138094",
        OCI_INDEX,
        index(
            entry(OCI_INDEX, _INDEX),
            entry(
                DOCKER_MANIFEST,
                _DOCKER_IMAGE,
                platform={"architecture": "amd64", "os": "linux"},
            ),
        ),
    ),
    Shape(
        "pretty",
        "sha256:90f295aa2dd14d5af4c21332db5211893c16f8f3404033eaa96f3221f496fab5",
        DOCKER_MANIFEST,
        _PRETTY,
    ),
    Shape(
        "helm",
        "sha256:01ea9e41fd2ee9ddc405fee54454b59b481a0f82baadc0c761cb34e484c7d91a",
        OCI_MANIFEST,
        _HELM,
    ),
    Shape(
        "inline",
        "sha256:984101fc0e852a1f24e9d740c36b5b04e401ee51e7bb5248ef9d5774f9ff2634",
        OCI_MANIFEST,
        _INLINE,
    ),
    Shape(
        "noplatform",
        "sha256:f236d617eeb5c83bb30fea13f004da0c63a4c551b227ff99ea0e67dc3b912d05",
        OCI_INDEX,
        index(entry(OCI_MANIFEST, _INLINE)),
    ),
    Shape(
        "blobindex",
        "sha256:13a6df9590fbda3d8ff761a1963d876a2a57cb6523707a48b755528ab535c8a1",
        OCI_INDEX,
        index(entry("application/vnd.example.thing+json", NO_MANIFEST)),
    ),
)
"""What every registry takes; children before the indexes over them."""

FOREIGN: Final = Shape(
    "foreign",
    "sha256:7e0d8f2abd1cd6b8c758d9b6bd434a97e5c9d131b64e9cf27c231eedb97ca099",
    DOCKER_MANIFEST,
    docker(entry(FOREIGN_LAYER, ELSEWHERE, urls=["https://vendor.example/base"]), _ONE_LAYER),
)
OLD: Final = Shape(
    "old",
    "sha256:1c05e712863f002162979a2c3817c905a36a8b84ae046a879e997753d44b0535",
    SCHEMA1_SIGNED,
    _signed_schema1(),
)
LARGEST_TAKEN: Final = _filled(LARGEST)
TOO_LARGE: Final = _filled(LARGEST + 1)
LONELY: Final = b"what only a manifest needs that is too large\n"
LARGER: Final = oci(
    entry(OCI_CONFIG, ARM64), entry(OCI_LAYER, LONELY), annotations={"x": "a" * LARGEST}
)
