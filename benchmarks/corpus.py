"""Images to copy: made from a seed, pushed into a registry, and known to the last digest.

`python -m benchmarks.corpus HOST:PORT --truth FILE` fills a registry of this machine.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import io
import json
import math
import random
import struct
import sys
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

_OCI: Final = "application/vnd.oci.image"
INDEX: Final = f"{_OCI}.index.v1+json"
MANIFEST: Final = f"{_OCI}.manifest.v1+json"
_ARCHITECTURES: Final = ("amd64", "arm64")
_BASE_DEPTH: Final = 2  # layers of a base
_AT_ONCE: Final = 4
_BLOCK: Final = 0xFFFF  # the most that deflate stores in one piece
_MB: Final = 1_000_000


@dataclass(frozen=True)
class Shape:
    """What a corpus is like.

    Attributes:
        seed: equal seeds and shapes have equal digests, on every machine.
        images: how many images and indexes, spread evenly over the repositories.
        repositories: how many image paths.
        layers: layers of an image above its base.
        median: bytes of the median layer; sizes are log-normal.
        sigma: how far they spread.
        largest: bytes that no layer exceeds.
        bases: how many bases of two layers there are to build upon.
        indexes: share of images that are an index of two architectures.
        tags: tags of an image, the last of which says no version.
    """

    seed: int = 1
    images: int = 60
    repositories: int = 12
    layers: int = 4
    median: int = 1_300_000
    sigma: float = 1.4
    largest: int = 64 * _MB
    bases: int = 6
    indexes: float = 0.25
    tags: int = 2


@dataclass(frozen=True)
class Layer:
    """How the bytes of a layer are made: always the same for the same seed, name and size."""

    seed: int
    name: str
    size: int

    def tar(self) -> bytes:
        """Return it unpacked: a tar of one file that does not compress."""
        chance = random.Random(f"{self.seed} {self.name} {self.size}")  # noqa: S311  # no secret
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            entry = tarfile.TarInfo(f"opt/{self.name}")
            entry.size = self.size
            tar.addfile(entry, io.BytesIO(chance.randbytes(self.size)))
        return target.getvalue()

    def packed(self, tar: bytes | None = None) -> bytes:
        """Return it as it lies in a registry."""
        return _gzip(self.tar() if tar is None else tar)


@dataclass(frozen=True)
class Blob:
    """A blob of the corpus, and how to make it.

    Attributes:
        size: how many bytes.
        made_of: a layer, or the bytes of a config.
    """

    size: int
    made_of: Layer | bytes

    def data(self) -> bytes:
        """Return its bytes."""
        return self.made_of.packed() if isinstance(self.made_of, Layer) else self.made_of


@dataclass(frozen=True)
class Manifest:
    """A manifest: its bytes, and the digests of what it needs."""

    media_type: str
    body: bytes
    blobs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


@dataclass
class Repository:
    """What an image path has: manifests by digest, children first; and digests by tag."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Corpus:
    """All of it: blobs by digest, repositories by path."""

    shape: Shape
    blobs: dict[str, Blob] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)

    def pairs(self) -> set[tuple[str, str]]:
        """Return each repository with each blob that it needs."""
        return {
            (path, blob)
            for path, one in self.repositories.items()
            for manifest in one.manifests.values()
            for blob in manifest.blobs
        }

    def truth(self) -> dict[str, Any]:
        """Return every tag, digest and blob as what JSON can say."""
        return {
            "shape": asdict(self.shape),
            "blobs": {digest: blob.size for digest, blob in self.blobs.items()},
            "repositories": {
                path: {
                    "tags": one.tags,
                    "manifests": {
                        digest: {"size": len(made.body), "media_type": made.media_type}
                        | {"blobs": made.blobs, "children": made.children}
                        for digest, made in one.manifests.items()
                    },
                }
                for path, one in self.repositories.items()
            },
        }


def make_corpus(shape: Shape) -> Corpus:
    """Make everything but the bytes of layers, which are made again when they are pushed."""
    return _Maker(shape).make()


class _Maker:
    """Makes a corpus; the order in which it asks for chance is part of what it makes."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._chance = random.Random(shape.seed)  # noqa: S311  # no secret
        self._corpus = Corpus(shape)
        self._bases = [
            [self._layer(f"base{number}-{depth}") for depth in range(_BASE_DEPTH)]
            for number in range(shape.bases)
        ]

    def make(self) -> Corpus:
        """Make all images, each in its repository."""
        shape = self._shape
        for number in range(shape.images):
            at = number % shape.repositories
            path = f"team{at % 3}/app{at}"
            repository = self._corpus.repositories.setdefault(path, Repository())
            name = f"image{number}"
            if self._chance.random() < shape.indexes:
                digest = self._index(repository, name)
            else:
                digest = self._image(repository, name, _ARCHITECTURES[0])
            release = f"v{number // shape.repositories}"
            words = [release, *(f"{release}-{extra}" for extra in range(1, shape.tags))]
            repository.tags |= dict.fromkeys(words, digest)
        return self._corpus

    def _layer(self, name: str) -> tuple[str, str]:
        """Make a layer of any size; return its digest, and that of what is packed in it."""
        shape = self._shape
        wanted = shape.median * math.exp(self._chance.gauss(0, shape.sigma))
        layer = Layer(shape.seed, name, max(1, min(int(wanted), shape.largest)))
        tar = layer.tar()
        packed = layer.packed(tar)
        digest = _digest(packed)
        self._corpus.blobs[digest] = Blob(len(packed), layer)
        return digest, _digest(tar)

    def _image(self, repository: Repository, name: str, architecture: str) -> str:
        layers = [*self._chance.choice(self._bases)]
        layers += [
            self._layer(f"{name}-{architecture}-{depth}") for depth in range(self._shape.layers)
        ]
        config = _json(
            {
                "architecture": architecture,
                "os": "linux",
                "config": {"Labels": {"name": name}},
                "rootfs": {"type": "layers", "diff_ids": [unpacked for _, unpacked in layers]},
            }
        )
        config_digest = _digest(config)
        self._corpus.blobs[config_digest] = Blob(len(config), config)
        packed = [digest for digest, _ in layers]
        body = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._entry(f"{_OCI}.config.v1+json", config_digest),
            "layers": [self._entry(f"{_OCI}.layer.v1.tar+gzip", one) for one in packed],
        }
        return _add(
            repository,
            Manifest(MANIFEST, _json(body), blobs=(config_digest, *dict.fromkeys(packed))),
        )

    def _index(self, repository: Repository, name: str) -> str:
        children = [self._image(repository, name, one) for one in _ARCHITECTURES]
        entries = [
            {"mediaType": MANIFEST, "digest": child, "size": len(repository.manifests[child].body)}
            | {"platform": {"architecture": architecture, "os": "linux"}}
            for child, architecture in zip(children, _ARCHITECTURES, strict=True)
        ]
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        return _add(repository, Manifest(INDEX, _json(body), children=tuple(children)))

    def _entry(self, media_type: str, digest: str) -> dict[str, Any]:
        size = self._corpus.blobs[digest].size
        return {"mediaType": media_type, "digest": digest, "size": size}


def _gzip(data: bytes) -> bytes:
    """Wrap bytes as gzip without compressing them: libraries differ in how they do even that."""
    target = io.BytesIO(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
    target.seek(0, io.SEEK_END)
    for start in range(0, len(data), _BLOCK):
        piece = data[start : start + _BLOCK]
        is_last = start + _BLOCK >= len(data)
        target.write(struct.pack("<BHH", is_last, len(piece), len(piece) ^ _BLOCK))
        target.write(piece)
    target.write(struct.pack("<II", zlib.crc32(data), len(data)))
    return target.getvalue()


def _add(repository: Repository, manifest: Manifest) -> str:
    digest = _digest(manifest.body)
    repository.manifests[digest] = manifest
    return digest


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=3).encode()  # spaces that no program would write again


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def push(corpus: Corpus, host: str) -> None:
    """Bring a corpus into a registry of this machine that speaks plain HTTP.

    Raises:
        OSError: the registry does not take it.
    """
    homes: dict[str, list[str]] = {}
    for path, needed in sorted(corpus.pairs()):
        homes.setdefault(needed, []).append(path)

    def blob(digest: str) -> None:
        first, *others = homes[digest]
        start = f"/v2/{first}/blobs/uploads/"
        location = urlsplit(_ask(host, "POST", start, b"", {}, 202))
        end = f"{location.path}?{location.query}&digest={digest}"
        octets = {"Content-Type": "application/octet-stream"}
        _ask(host, "PUT", end, corpus.blobs[digest].data(), octets, 201)
        for path in others:
            query = f"?mount={digest}&from={first}"
            _ask(host, "POST", f"/v2/{path}/blobs/uploads/{query}", b"", {}, 201)

    _all(blob, homes)
    for path, one in corpus.repositories.items():
        for digest, made in one.manifests.items():
            names = [tag for tag, meant in one.tags.items() if meant == digest]
            for name in names or [digest]:
                kind = {"Content-Type": made.media_type}
                _ask(host, "PUT", f"/v2/{path}/manifests/{name}", made.body, kind, 201)


def _all(work: Any, items: Iterable[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for _ in threads.map(work, items):
            pass


def _ask(
    host: str, method: str, target: str, body: bytes, headers: dict[str, str], code: int
) -> str:
    """Send a request; return where its answer points to."""
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != code:
            raise OSError(f"{method} {target}: {answer.status} {said[:200]!r}")
        return answer.headers.get("Location", "")
    finally:
        connection.close()


def main() -> int:
    """Fill a registry, and write what is in it; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("host", metavar="HOST:PORT")
    parser.add_argument("--truth", type=Path, default=Path("truth.json"))
    add_shape(parser)
    asked = parser.parse_args()
    corpus = make_corpus(shape_of(asked))
    push(corpus, asked.host)
    asked.truth.write_text(json.dumps(corpus.truth()), encoding="utf-8")
    return 0


def add_shape(parser: argparse.ArgumentParser) -> None:
    """Add options for the shape of a corpus."""
    for name, value in asdict(Shape()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value, metavar="N")


def shape_of(asked: argparse.Namespace) -> Shape:
    """Return the shape that was asked for."""
    return replace(Shape(), **{name: getattr(asked, name) for name in asdict(Shape())})


if __name__ == "__main__":
    sys.exit(main())
