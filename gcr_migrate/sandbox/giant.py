"""A repository that is too large to be kept: an image of it is made when it is asked for.

All of it follows from a seed and a few numbers, the same bytes on every machine. Of 25 manifests
in a row the first two are the images of an index, the third is that index, and 20 more are images,
four of which never had a tag; then come a referrer of the first of these, and the index that the
server itself keeps under a tag `sha256-…` for that referrer. What is left after the last 25 are
images.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeVar, overload

from gcr_migrate.model.content import OCI_INDEX, OCI_MANIFEST, Digest, Manifest, fallback_tag
from gcr_migrate.sandbox.images import Image, Stored, referrers_index

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_UPLOAD_MS: Final = 1_704_067_200_000  # 2024-01-01T00:00:00Z
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_REPORT: Final = "application/vnd.example.sbom.v1+json"
_EMPTY: Final = "application/vnd.oci.empty.v1+json"
_NOTHING: Final = b"{}"

_GROUP: Final = 25  # manifests
_INDEX, _SUBJECT, _UNTAGGED, _REFERRER, _LISTED = 2, 3, 19, 23, 24  # places in a group
_BUILDS: Final = _REFERRER - 1  # manifests of images in a group: all places before, but the index
_PLATFORMS: Final = ("amd64", "arm64")
_BASES: Final = 16  # lowest layers, which the images of the whole repository share

_APPS: Final = 20  # image paths of a service, one of which is the service itself
_SERVICES: Final = 20
_TEAM: Final = _APPS * _SERVICES
_PATH: Final = re.compile(r"team-(\d{4,})(?:/service-(\d\d)(?:/app-(\d\d))?)?")
_KEPT: Final = 8_000  # manifests that stay made at most, beside those of the last image

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Counts:
    """What there is in a giant.

    Attributes:
        images: image paths.
        manifests: of all kinds, in all images.
        tags: those that the server makes for referrers included.
        untagged: manifests that no tag stands for.
        children: entries of indexes, those by which the server lists referrers included.
        referrers: manifests with a subject.
        blob_references: configs and layers that manifests name, once for each manifest.
        blobs: different configs and layers.
        blob_bytes: their bytes, each once.
    """

    images: int
    manifests: int
    tags: int
    untagged: int
    children: int
    referrers: int
    blob_references: int
    blobs: int
    blob_bytes: int


@dataclass(frozen=True, slots=True)
class Giant:
    """What all images of a giant have in common.

    Attributes:
        seed: other seeds give other bytes, and the same counts.
        images: image paths.
        manifests: of each image.
        tags: of each image, spread evenly over what can have a tag; those that the server makes
            come on top.
        layers: of each manifest that is an image. The lowest is shared across the repository, the
            one above the configuration by two manifests in a row, the next by four, and so on.
    """

    seed: int
    images: int
    manifests: int
    tags: int
    layers: int

    def counts(self) -> Counts:
        """Return what there is, by arithmetic alone."""
        groups, rest = divmod(self.manifests, _GROUP)
        made = groups * _BUILDS + rest
        taggable = groups * (_UNTAGGED - _INDEX) + rest
        upper = sum(-(-made // (2 << one)) for one in range(self.layers - 1))
        layers = upper * self.images + min(_BASES, self.images)
        configs, reports = made * self.images, groups * self.images
        layer, digest = self.layer(0, 0, 0), str(Digest.of(b""))
        config = self.config(0, 0, _PLATFORMS[0], [digest] * self.layers)
        return Counts(
            images=self.images,
            manifests=self.manifests * self.images,
            tags=(self.tags + groups) * self.images,
            untagged=(self.manifests - min(self.tags, taggable) - groups) * self.images,
            children=(len(_PLATFORMS) + 1) * groups * self.images,
            referrers=groups * self.images,
            blob_references=(made * (self.layers + 1) + 2 * groups) * self.images,
            blobs=layers + configs + reports + (groups > 0),
            blob_bytes=layers * len(layer)
            + configs * len(config)
            + reports * len(_report(digest))
            + (groups > 0) * len(_NOTHING),
        )

    def layer(self, number: int, height: int, version: int) -> bytes:
        """Return a layer: a line that says which, and no tar; all are of one length."""
        return b"layer %019d %07d %02d %07d\n" % (self.seed, number, height, version)

    def config(self, number: int, at: int, architecture: str, layers: Sequence[str]) -> bytes:
        """Return the configuration of one manifest; `layers` are digests."""
        label = f"{self.seed:019d} {number:07d} {at:07d}"
        return (
            f'{{"architecture": "{architecture}", "os": "linux", '
            f'"config": {{"Labels": {{"made": "{label}"}}}}, '
            f'"rootfs": {{"type": "layers", "diff_ids": {json.dumps(layers)}}}}}'
        ).encode()

    def path(self, number: int) -> str:
        """Return the path of an image; paths are in the order of the numbers."""
        team, place = divmod(number, _TEAM)
        service, app = divmod(place, _APPS)
        return f"team-{team:04}/service-{service:02}" + (f"/app-{app:02}" if app else "")

    def number(self, path: str) -> int | None:
        """Return the number of the image at a path; None where there is none."""
        found = _PATH.fullmatch(path)
        if found is None or found[2] is None:
            return None
        number = int(found[1]) * _TEAM + int(found[2]) * _APPS + int(found[3] or 0)
        return number if number < self.images and self.path(number) == path else None

    def children(self, path: str) -> list[str]:
        """Return the next path components below a path that lead to images, in order."""
        if not path:
            return [f"team-{team:04}" for team in range(-(-self.images // _TEAM))]
        found = _PATH.fullmatch(path)
        if found is None or found[3] is not None:
            return []
        left = self.images - int(found[1]) * _TEAM
        if found[2] is None:
            return [f"service-{one:02}" for one in range(min(_SERVICES, -(-left // _APPS)))]
        left -= int(found[2]) * _APPS
        return [f"app-{one:02}" for one in range(1, min(_APPS, left))]

    def uploaded_ms(self, number: int, at: int) -> int:
        """Return when a manifest was pushed."""
        return _FIRST_UPLOAD_MS + number * _SECOND_MS + at * _MINUTE_MS

    def image(self, number: int) -> Image:
        """Make an image with everything that is under it."""
        maker = _Maker(self, number)
        for at in range(self.manifests):
            maker.add(at)
        return maker.tagged()


class _Maker:
    """An image of a giant in the making."""

    def __init__(self, giant: Giant, number: int) -> None:
        self._giant, self._number = giant, number
        self._grouped = giant.manifests // _GROUP * _GROUP
        self._image = Image()
        self._stored: list[Stored] = []
        self._taggable: list[Digest] = []
        self._layers: dict[tuple[int, int], tuple[str, str]] = {}
        self._builds = 0  # manifests up to now that are images

    def add(self, at: int) -> None:
        """Make the next manifest, as its place wants it."""
        place = at % _GROUP if at < self._grouped else _SUBJECT
        if place == _INDEX:
            manifest = self._index()
        elif place == _REFERRER:
            manifest = self._referrer(self._stored[at - _REFERRER + _SUBJECT].manifest)
        elif place == _LISTED:
            manifest = self._list_of_referrers(self._stored[-1])
        else:
            manifest = self._build(at, _PLATFORMS[place == 1])
        uploaded_ms = self._giant.uploaded_ms(self._number, at)
        self._stored.append(Stored(manifest, uploaded_ms, uploaded_ms))
        if _INDEX <= place < _UNTAGGED:
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
        digests = [digest for digest, _ in layers]
        data = self._giant.config(self._number, at, architecture, digests)
        config = _described(_CONFIG, len(data), self._keep(data))
        return self._image_of(config, ", ".join(text for _, text in layers))

    def _layer(self, height: int, version: int) -> tuple[str, str]:
        """Return the digest and the descriptor of a layer.

        Args:
            height: how far below the configuration it lies; 0 for the lowest layer of all.
            version: how many of this height came before.
        """
        found = self._layers.get((height, version))
        if found is None:
            number = self._number if height else self._number % _BASES
            data = self._giant.layer(number, height, version)
            digest = self._keep(data)
            found = self._layers[height, version] = digest, _described(_LAYER, len(data), digest)
        return found

    def _index(self) -> Manifest:
        children = (one.manifest for one in self._stored[-len(_PLATFORMS) :])
        entries = [
            _described(
                child.media_type,
                len(child.raw),
                str(child.digest),
                f', "platform": {{"architecture": "{architecture}", "os": "linux"}}',
            )
            for child, architecture in zip(children, _PLATFORMS, strict=True)
        ]
        return _read(OCI_INDEX, f'"manifests": [{", ".join(entries)}]')

    def _referrer(self, subject: Manifest) -> Manifest:
        about = _described(subject.media_type, len(subject.raw), str(subject.digest))
        report = _report(str(subject.digest))
        config = _described(_EMPTY, len(_NOTHING), self._keep(_NOTHING))
        layer = _described(_REPORT, len(report), self._keep(report))
        return self._image_of(config, layer, f', "artifactType": "{_REPORT}", "subject": {about}')

    def _list_of_referrers(self, referrer: Stored) -> Manifest:
        """Make the index that the server itself keeps, and its tag."""
        raw = json.dumps(referrers_index([referrer])).encode()
        manifest = Manifest.read(raw, OCI_INDEX)
        if referrer.manifest.subject:
            self._image.tags[fallback_tag(referrer.manifest.subject.digest)] = manifest.digest
        return manifest

    def _image_of(self, config: str, layers: str, more: str = "") -> Manifest:
        return _read(OCI_MANIFEST, f'"config": {config}, "layers": [{layers}]{more}')

    def _keep(self, data: bytes) -> str:
        digest = Digest.of(data)
        self._image.made_up[digest] = data
        return str(digest)


def _read(media_type: str, members: str) -> Manifest:
    raw = f'{{"schemaVersion": 2, "mediaType": "{media_type}", {members}}}'
    return Manifest.read(raw.encode(), media_type)


def _described(media_type: str, size: int, digest: str, more: str = "") -> str:
    return f'{{"mediaType": "{media_type}", "size": {size}, "digest": "{digest}"{more}}}'


def _report(digest: str) -> bytes:
    return f'{{"about": "{digest}"}}'.encode()


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
        made = self._kept.pop(number, None) or _Made.of(self.giant.image(number))
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


class Lazy(Sequence[T]):
    """A sequence of a known length whose items are made when they are asked for.

    Args:
        length: how many there are.
        make: makes one.
    """

    def __init__(self, length: int, make: Callable[[int], T]) -> None:
        self._length, self._make = length, make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> T: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...

    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        places = range(self._length)[at]
        return self._make(places) if isinstance(places, int) else [*map(self._make, places)]
