"""A giant is what its numbers say, the same each time, and made piece by piece."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate.model.content import Manifest
from gcr_migrate.sandbox.giant import Counts, Giant
from gcr_migrate.sandbox.giant_images import GiantImages, make_image
from gcr_migrate.sandbox.images import Images
from tests.made import made

if TYPE_CHECKING:
    from gcr_migrate.model.content import Digest

MILLION = Giant(seed=1, images=20_000, manifests=50, tags=40, layers=5)
giants = made(
    Giant,
    seed=st.integers(0, 10**18 - 1),
    images=st.integers(1, 5),
    manifests=st.integers(1, 60),
    tags=st.integers(0, 70),
    layers=st.integers(1, 7),
)


def _counted(images: GiantImages) -> Counts:
    """Count everything by going through it."""
    made = list(images.values())
    manifests = [one.manifest for image in made for one in image.manifests.values()]
    blobs: dict[Digest, bytes] = {}
    for image in made:
        blobs |= image.made_up
    return Counts(
        images=len(made),
        manifests=len(manifests),
        tags=sum(len(image.tags) for image in made),
        untagged=sum(len(image.manifests.keys() - {*image.tags.values()}) for image in made),
        children=sum(len(one.children) for one in manifests),
        referrers=sum(1 for one in manifests if one.subject),
        blob_references=sum(len(one.blobs) for one in manifests),
        blobs=len(blobs),
        blob_bytes=sum(map(len, blobs.values())),
    )


@settings(max_examples=40)
@given(giants)
def test_arithmetic_and_counting_agree(giant: Giant) -> None:
    """The numbers are known before anything is made, and are those of what is made."""
    assert _counted(GiantImages(giant)) == giant.counts()


@settings(max_examples=40)
@given(giants)
def test_every_part_of_a_manifest_is_there(giant: Giant) -> None:
    """Blobs have the bytes and sizes that are stated; children and subjects lie beside them."""
    image = make_image(giant, giant.images - 1)
    for digest, stored in image.manifests.items():
        manifest = stored.manifest
        assert Manifest.read(manifest.raw, manifest.media_type, digest) == manifest
        assert all(blob.digest.matches(image.made_up[blob.digest]) for blob in manifest.blobs)
        assert all(blob.size == len(image.made_up[blob.digest]) for blob in manifest.blobs)
        needed = [*manifest.children, *([manifest.subject] if manifest.subject else [])]
        assert all(one.digest in image.manifests for one in needed)
    assert image.blobs == image.made_up.keys()


def test_a_seed_gives_the_same_bytes_on_every_machine() -> None:
    """The manifests of an image hash to what they hashed to when this was written."""
    image = make_image(Giant(seed=7, images=3, manifests=30, tags=20, layers=5), 2)
    whole = hashlib.sha256()
    for stored in image.manifests.values():
        whole.update(stored.manifest.raw)
    assert whole.hexdigest() == "12fd5f927dac7ece00663fca89cb377402c9b0a1652c5fac6f6819ee907159e6"


def test_another_seed_gives_other_bytes() -> None:
    """And as many."""
    one, two = (replace(MILLION, images=2, seed=seed) for seed in (1, 2))
    assert one.counts() == two.counts()
    assert make_image(one, 1).manifests.keys().isdisjoint(make_image(two, 1).manifests)


def test_a_million_manifests_have_five_million_references() -> None:
    """Neighbours share their layers: two of three references lead to a blob seen before."""
    counts = MILLION.counts()
    assert (counts.images, counts.manifests) == (20_000, 1_000_000)
    assert counts.blob_references > 5_000_000
    assert counts.blobs * 3 < counts.blob_references * 1.01


@settings(max_examples=30)
@given(st.integers(1, 900))
def test_paths_are_found_from_above_and_in_order(count: int) -> None:
    """A walk down the names below each name comes to every image, and to nothing else."""
    images = GiantImages(replace(MILLION, images=count))
    seen, edge = set(), [""]
    while edge:
        seen |= {*edge}
        edge = [f"{up}/{one}".strip("/") for up in edge for one in images.children(up)]
    assert sorted(images) == list(images) == [path for path in sorted(seen) if path in images]
    assert all(path in images or images.children(path) for path in seen)


@pytest.mark.parametrize("path", ["", "x", "team-0000", "team-00000/service-00", "team-0050"])
def test_no_other_path_is_an_image(path: str) -> None:
    """Neither what is above images, nor another spelling of one."""
    assert path not in GiantImages(MILLION)
    assert "team-0000/service-00/app-00" not in GiantImages(MILLION)


def test_the_end_of_a_million_is_reached_without_the_rest() -> None:
    """Rows and spans are made where they are asked for."""
    images = GiantImages(MILLION)
    rows, spans = images.rows(), images.spans()
    last = list(images)[-1]
    assert (len(rows), len(spans)) == (1_000_000, 20_000)
    assert [path for path, _ in rows[-3:]] == [last] * 3
    times = [stored.uploaded_ms for stored in images[last].manifests.values()]
    assert spans[-1] == (last, min(times), max(times))


def test_an_image_stays_made_for_a_while() -> None:
    """One asked for again soon is the same, and after many others an equal one."""
    images = GiantImages(MILLION)
    paths = list(images)
    first = images[paths[0]]
    assert images[paths[0]] is first
    for path in paths[1:200]:
        images[path]
    assert images[paths[0]] is not first
    assert images[paths[0]] == first


@given(st.lists(st.sampled_from(["a", "a/b", "a/b/c", "a/d", "b", "bc/d", "bc"]), unique=True))
def test_images_that_were_pushed_know_what_is_below(paths: list[str]) -> None:
    """Also after one of them is gone."""
    images = Images()
    for path in paths:
        images[path] = GiantImages(replace(MILLION, manifests=1))["team-0000/service-00"]
    if paths:
        del images[paths.pop()]
    for top in ("", "a", "a/b", "bc", "x"):
        below = {
            path[len(top) :].strip("/").split("/")[0]
            for path in paths
            if path != top and f"{path}/".startswith(f"{top}/" if top else "")
        }
        assert images.children(top) == sorted(below)
