"""Images that share much, and the fewest requests with which they can be migrated.

Nothing here is taken from the tool: what it needs is computed from what there is.
"""

from __future__ import annotations

import hashlib
import json
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

INDEX: Final = "application/vnd.oci.image.index.v1+json"
IMAGE: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(data: bytes) -> str:
    """Return the digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Made:
    """A manifest: its bytes, its type, and what it needs by digest."""

    raw: bytes
    media_type: str
    blobs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    subject: str = ""

    def entry(self) -> dict[str, Any]:
        """Return its descriptor."""
        return _entry(self.media_type, self.raw)


@dataclass
class Name:
    """What one image path holds, in the order of pushing."""

    manifests: dict[str, Made] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Corpus:
    """All image paths, and the blobs of all."""

    names: dict[str, Name] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def blob(self, data: bytes) -> str:
        """Keep a blob and return its digest."""
        self.blobs[digest_of(data)] = data
        return digest_of(data)

    def image(
        self, path: str, word: str, layers: Iterable[bytes], *tags: str, subject: Made | None = None
    ) -> Made:
        """Add an image with a configuration of its own."""
        parts = [json.dumps({"architecture": "amd64", "os": "linux", "word": word}).encode()]
        parts += layers
        body: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": _entry(_CONFIG, parts[0]),
            "layers": [_entry(_LAYER, part) for part in parts[1:]],
        }
        if subject:
            body |= {"artifactType": "application/vnd.example.sbom", "subject": subject.entry()}
        blobs = tuple(dict.fromkeys(self.blob(part) for part in parts))
        about = digest_of(subject.raw) if subject else ""
        return self.add(path, Made(json.dumps(body).encode(), IMAGE, blobs, (), about), *tags)

    def index(self, path: str, children: list[Made], *tags: str) -> Made:
        """Add an index."""
        entries = [child.entry() for child in children]
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        digests = tuple(digest_of(child.raw) for child in children)
        return self.add(path, Made(json.dumps(body).encode(), INDEX, (), digests), *tags)

    def add(self, path: str, made: Made, *tags: str) -> Made:
        """Keep a manifest under its tags, or under its digest alone."""
        name, digest = self.names.setdefault(path, Name()), digest_of(made.raw)
        name.manifests[digest] = made
        name.tags |= dict.fromkeys(tags, digest)
        return made


def _entry(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def corpus(*, untagged: bool) -> Corpus:
    """Make ten image paths: shared layers, several tags, an index in each, some referrers.

    Args:
        untagged: with images that only their digest names, and referrers that no tag names.
    """
    made, bases = Corpus(), [b"base %d" % number for number in range(3)]
    for number in range(10):
        path = f"team-{number % 3}/app-{number}"
        for version in range(3):
            word = f"{number}.{version}"
            layers = [bases[number % 3], *(f"{word} {at}".encode() for at in range(2))]
            more = ("latest",) if version == 2 else ()
            image = made.image(path, word, layers, f"v{version}", *more)
            if untagged and version == 0 and number % 4 == 0:
                made.image(path, f"sbom of {word}", [b"sbom " + word.encode()], subject=image)
        children = [
            made.image(path, f"{number} {one}", [bases[0], f"{number} on {one}".encode()])
            for one in ("amd64", "arm64")
        ]
        made.index(path, children, "multi")
        if untagged:
            made.image(path, f"{number} old", [bases[1], f"{number} old".encode()])
    return made


@dataclass(frozen=True)
class Bound:
    """The fewest requests to copy a corpus to where nothing is, and to see that all is there.

    Attributes:
        reading: lists of the source and its manifests, each once.
        copying: blobs read once, sent once and mounted elsewhere, and manifests written.
        nothing_to_do: lists of both sides, and a HEAD for each tag where lists have no digests.
    """

    reading: int
    copying: int
    nothing_to_do: int

    @classmethod
    def of(cls, corpus: Corpus, *, lists_digests: bool) -> Bound:
        """Count them.

        Args:
            corpus: what is migrated.
            lists_digests: both sides' lists tell what tags point to. Such a source is walked down
                from its root, and has a list of its own making for all referrers of a manifest.
        """
        names = corpus.names.values()
        above = {up for path in corpus.names for up in _above(path)} if lists_digests else set()
        subjects = {one.subject for name in names for one in name.manifests.values()} - {""}
        tags = sum(len(name.tags) for name in names)
        manifests = sum(len(name.manifests) for name in names)
        distinct = {digest for name in names for digest in name.manifests}
        tagged = sum(len({*name.tags.values()}) for name in names)
        distinct_tagged = {digest for name in names for digest in name.tags.values()}
        pairs = {
            (path, blob)
            for path, name in corpus.names.items()
            for one in name.manifests.values()
            for blob in one.blobs
        }
        blobs = {blob for _, blob in pairs}
        by_tag = tags + len(distinct - distinct_tagged)
        return cls(
            len(names) + len(above) + (len(distinct) + len(subjects) if lists_digests else by_tag),
            3 * len(blobs) + len(pairs) - len(blobs) + tags + manifests - tagged,
            2 * len(names) + len(above) + (0 if lists_digests else 2 * tags),
        )


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts))]


def push_over_http(made: Corpus, base: str) -> None:
    """Push a corpus to a registry that lets everybody write."""
    for path, name in made.names.items():
        blobs = {blob for one in name.manifests.values() for blob in one.blobs}
        for blob in sorted(blobs):
            opened = _send("POST", f"{base}/v2/{path}/blobs/uploads/", b"")
            mark = "&" if "?" in opened else "?"
            _send("PUT", f"{opened}{mark}digest={blob}", made.blobs[blob])
        for digest, one in name.manifests.items():
            tags = [tag for tag, to in name.tags.items() if to == digest]
            for reference in tags or [digest]:
                url = f"{base}/v2/{path}/manifests/{reference}"
                _send("PUT", url, one.raw, **{"Content-Type": one.media_type})


def _send(method: str, url: str, data: bytes, **headers: str) -> str:
    headers = {"Content-Type": "application/octet-stream"} | headers
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310  # loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
        return str(answer.headers.get("location", ""))
