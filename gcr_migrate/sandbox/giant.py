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
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.model.content import Digest

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP: Final = 25  # manifests
INDEX, SUBJECT, UNTAGGED, REFERRER, LISTED = 2, 3, 19, 23, 24  # places in a group
PLATFORMS: Final = ("amd64", "arm64")
NOTHING: Final = b"{}"  # configuration of a referrer
_BUILDS: Final = REFERRER - 1  # manifests of images in a group: all places before, but the index
_BASES: Final = 16  # lowest layers, which the images of the whole repository share

_APPS: Final = 20  # image paths of a service, one of which is the service itself
_SERVICES: Final = 20
TEAM: Final = _APPS * _SERVICES  # images
_PATH: Final = re.compile(r"team-(\d{4,})(?:/service-(\d\d)(?:/app-(\d\d))?)?")

_FIRST_UPLOAD_MS: Final = 1_704_067_200_000  # 2024-01-01T00:00:00Z
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000


class Counts(Struct, frozen=True):
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


class Giant(Struct, frozen=True):
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
        groups, rest = divmod(self.manifests, GROUP)
        made = groups * _BUILDS + rest
        taggable = groups * (UNTAGGED - INDEX) + rest
        upper = sum(-(-made // (2 << one)) for one in range(self.layers - 1))
        layers = upper * self.images + min(_BASES, self.images)
        configs, reports = made * self.images, groups * self.images
        layer, digest = self.layer(0, 0, 0), str(Digest.of(b""))
        config = self.config(0, 0, PLATFORMS[0], [digest] * self.layers)
        return Counts(
            images=self.images,
            manifests=self.manifests * self.images,
            tags=(self.tags + groups) * self.images,
            untagged=(self.manifests - min(self.tags, taggable) - groups) * self.images,
            children=(len(PLATFORMS) + 1) * groups * self.images,
            referrers=groups * self.images,
            blob_references=(made * (self.layers + 1) + 2 * groups) * self.images,
            blobs=layers + configs + reports + (groups > 0),
            blob_bytes=layers * len(layer)
            + configs * len(config)
            + reports * len(report(digest))
            + (groups > 0) * len(NOTHING),
        )

    def layer(self, number: int, height: int, version: int) -> bytes:
        """Return a layer: a line that says which, and no tar; all are of one length.

        Args:
            number: of the image.
            height: how far below the configuration it lies; 0 for the lowest layer of all.
            version: how many of this height came before.
        """
        number = number if height else number % _BASES
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
        team, place = divmod(number, TEAM)
        service, app = divmod(place, _APPS)
        return f"team-{team:04}/service-{service:02}" + (f"/app-{app:02}" if app else "")

    def number(self, path: str) -> int | None:
        """Return the number of the image at a path; None where there is none."""
        found = _PATH.fullmatch(path)
        if found is None or found[2] is None:
            return None
        number = int(found[1]) * TEAM + int(found[2]) * _APPS + int(found[3] or 0)
        return number if number < self.images and self.path(number) == path else None

    def children(self, path: str) -> list[str]:
        """Return the next path components below a path that lead to images, in order."""
        if not path:
            return [f"team-{team:04}" for team in range(-(-self.images // TEAM))]
        found = _PATH.fullmatch(path)
        if found is None or found[3] is not None:
            return []
        left = self.images - int(found[1]) * TEAM
        if found[2] is None:
            return [f"service-{one:02}" for one in range(min(_SERVICES, -(-left // _APPS)))]
        left -= int(found[2]) * _APPS
        return [f"app-{one:02}" for one in range(1, min(_APPS, left))]

    def uploaded_ms(self, number: int, at: int) -> int:
        """Return when a manifest was pushed."""
        return _FIRST_UPLOAD_MS + number * _SECOND_MS + at * _MINUTE_MS


def report(digest: str) -> bytes:
    """Return the report on a manifest, which its referrer has for a layer."""
    return f'{{"about": "{digest}"}}'.encode()
