"""Images of a giant, each made when it is asked for."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from gcr_migrate.model.content import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Digest,
    Kind,
    Manifest,
    fallback_tag,
)
from gcr_migrate.sandbox.giant import (
    GROUP,
    INDEX,
    LISTED,
    NOTHING,
    PLATFORMS,
    REFERRER,
    SUBJECT,
    UNTAGGED,
    report,
)
from gcr_migrate.sandbox.images import Image, Stored, referrers_index
from gcr_migrate.sandbox.lazy import Lazy

if TYPE_CHECKING:
    from gcr_migrate.sandbox.giant import Giant

_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_REPORT: Final = "application/vnd.example.sbom.v1+json"
_EMPTY: Final = "application/vnd.oci.empty.v1+json"
_KEPT: Final = 8_000  # manifests that stay made at most, beside those of the last image


class GiantImages(MutableMapping[str, Image]):
    """The images of a giant by path; the last few that were asked for stay made.

    Nothing can be pushed into it.

    Args:
        giant: what it holds.
    """

    def __init__(self, giant: Giant) -> None:
        self.giant = giant
        self._kept: OrderedDict[int, _Made] = OrderedDict()

    def __getitem__(self, path: str) -> Image:
        number = self.giant.number(path)
        if number is None:
            raise KeyError(path)
        return self._made(number).image

    def __iter__(self) -> Iterator[str]:
        return (self.giant.path(number) for number in range(self.giant.images))

    def __len__(self) -> int:
        return self.giant.images

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.giant.number(path) is not None

    def __setitem__(self, path: str, image: Image) -> NoReturn:
        raise TypeError(path)

    def __delitem__(self, path: str) -> NoReturn:
        raise TypeError(path)

    def children(self, path: str) -> list[str]:
        """Return the next path components below a path that lead to images, in order."""
        return self.giant.children(path)

    def rows(self) -> Sequence[tuple[str, Stored]]:
        """Return the manifests of all images, each with its path, in the order of the paths."""
        of_one = self.giant.manifests

        def row(at: int) -> tuple[str, Stored]:
            number, place = divmod(at, of_one)
            return self.giant.path(number), self._made(number).stored[place]

        return Lazy(self.giant.images * of_one, row)

    def spans(self) -> Sequence[tuple[str, int, int]]:
        """Return the paths that have manifests, in order, each with its first and last upload."""
        giant = self.giant

        def span(number: int) -> tuple[str, int, int]:
            last = giant.uploaded_ms(number, giant.manifests - 1)
            return giant.path(number), giant.uploaded_ms(number, 0), last

        return Lazy(giant.images, span)

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all blobs that manifests name, each once."""
        return self.giant.counts().blob_bytes

    def _made(self, number: int) -> _Made:
        """Return an image, made anew where it is no longer kept."""
        made = self._kept.pop(number, None) or _Made.of(make_image(self.giant, number))
        while len(self._kept) > _KEPT // self.giant.manifests:
            self._kept.popitem(last=False)
        self._kept[number] = made
        return made


class _Made(NamedTuple):
    """An image, and its manifests by their places."""

    image: Image
    stored: tuple[Stored, ...]

    @classmethod
    def of(cls, image: Image) -> _Made:
        return cls(image, tuple(image.manifests.values()))


def make_image(giant: Giant, number: int) -> Image:
    """Make an image of a giant with everything that is under it."""
    maker = _Maker(giant, number)
    for at in range(giant.manifests):
        maker.add(at)
    return maker.tagged()


class _Blob(NamedTuple):
    """A blob as a value, and as a manifest writes it."""

    descriptor: Descriptor
    text: str


class _Maker:
    """An image of a giant in the making."""

    def __init__(self, giant: Giant, number: int) -> None:
        self._giant, self._number = giant, number
        self._grouped = giant.manifests // GROUP * GROUP
        self._image = Image()
        self._stored: list[Stored] = []
        self._taggable: list[Digest] = []
        self._layers: dict[tuple[int, int], _Blob] = {}
        self._builds = 0  # manifests up to now that are images

    def add(self, at: int) -> None:
        """Make the next manifest, as its place wants it."""
        place = at % GROUP if at < self._grouped else SUBJECT
        if place == INDEX:
            manifest = self._index()
        elif place == REFERRER:
            manifest = self._referrer(self._stored[at - REFERRER + SUBJECT].manifest)
        elif place == LISTED:
            manifest = self._list_of_referrers(self._stored[-1])
        else:
            manifest = self._build(at, PLATFORMS[place == 1])
        uploaded_ms = self._giant.uploaded_ms(self._number, at)
        self._stored.append(Stored(manifest, uploaded_ms, uploaded_ms))
        if INDEX <= place < UNTAGGED:
            self._taggable.append(manifest.digest)

    def tagged(self) -> Image:
        """Return the image with its tags, which go round over all that can have one."""
        image, taggable = self._image, self._taggable
        image.manifests = {stored.manifest.digest: stored for stored in self._stored}
        image.blobs = {*image.made_up}
        for tag in range(self._giant.tags):
            image.tags[f"build-{tag:07}"] = taggable[tag % len(taggable)]
        return image

    def _build(self, at: int, architecture: str) -> Manifest:
        """Make a manifest of an image, whose layers its neighbours share in part."""
        above = range(self._giant.layers - 1, 0, -1)
        layers = [self._layer(0, 0)]
        layers += [self._layer(height, self._builds >> height) for height in above]
        self._builds += 1
        digests = [str(layer.descriptor.digest) for layer in layers]
        data = self._giant.config(self._number, at, architecture, digests)
        config = self._blob(_CONFIG, data)
        raw = _raw(OCI_MANIFEST, _members(config, layers))
        # Most manifests are such: to read what was just written would double the work.
        blobs = (config.descriptor, *(layer.descriptor for layer in layers))
        return Manifest(raw, OCI_MANIFEST, Digest.of(raw), Kind.IMAGE, blobs=blobs)

    def _layer(self, height: int, version: int) -> _Blob:
        """Return a layer, made once; see `Giant.layer`."""
        found = self._layers.get((height, version))
        if found is None:
            found = self._blob(_LAYER, self._giant.layer(self._number, height, version))
            self._layers[height, version] = found
        return found

    def _index(self) -> Manifest:
        children = (one.manifest for one in self._stored[-len(PLATFORMS) :])
        entries = [
            _described(
                child.media_type,
                len(child.raw),
                str(child.digest),
                f', "platform": {{"architecture": "{architecture}", "os": "linux"}}',
            )
            for child, architecture in zip(children, PLATFORMS, strict=True)
        ]
        raw = _raw(OCI_INDEX, f'"manifests": [{", ".join(entries)}]')
        return Manifest.read(raw, OCI_INDEX)

    def _referrer(self, subject: Manifest) -> Manifest:
        about = _described(subject.media_type, len(subject.raw), str(subject.digest))
        layer = self._blob(_REPORT, report(str(subject.digest)))
        members = _members(self._blob(_EMPTY, NOTHING), [layer])
        more = f'"artifactType": "{_REPORT}", "subject": {about}'
        return Manifest.read(_raw(OCI_MANIFEST, f"{members}, {more}"), OCI_MANIFEST)

    def _list_of_referrers(self, referrer: Stored) -> Manifest:
        """Make the index that the server itself keeps, and its tag."""
        raw = json.dumps(referrers_index([referrer])).encode()
        manifest = Manifest.read(raw, OCI_INDEX)
        if referrer.manifest.subject:
            self._image.tags[fallback_tag(referrer.manifest.subject.digest)] = manifest.digest
        return manifest

    def _blob(self, media_type: str, data: bytes) -> _Blob:
        """Keep a blob and describe it."""
        digest = Digest.of(data)
        self._image.made_up[digest] = data
        text = _described(media_type, len(data), str(digest))
        return _Blob(Descriptor(media_type, digest, len(data)), text)


def _raw(media_type: str, members: str) -> bytes:
    return f'{{"schemaVersion": 2, "mediaType": "{media_type}", {members}}}'.encode()


def _members(config: _Blob, layers: Sequence[_Blob]) -> str:
    return f'"config": {config.text}, "layers": [{", ".join(one.text for one in layers)}]'


def _described(media_type: str, size: int, digest: str, more: str = "") -> str:
    return f'{{"mediaType": "{media_type}", "size": {size}, "digest": "{digest}"{more}}}'
