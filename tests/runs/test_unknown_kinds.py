"""What a manifest needs goes with it, whatever type it is served under; else that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from gcr_migrate.model.content import (
    DOCKER_MANIFEST,
    OCI_ARTIFACT,
    OCI_MANIFEST,
    Digest,
    Manifest,
)
from tests import shapes
from tests.zoo import Zoo, found, grave, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

EUROPE, TARGET = "europe-docker.pkg.dev", "builds/moved"
THING = "application/vnd.example.thing.v1+json"
ONE_LAYER: dict[str, Any] = {
    "config": shapes.entry(shapes.OCI_CONFIG, shapes.AMD64),
    "layers": [shapes.entry(shapes.OCI_LAYER, shapes.ONE)],
}
BLOBS = {"blobs": [*ONE_LAYER["layers"], ONE_LAYER["config"]]}


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    """A source with blobs under `zoo`, and no manifest yet."""
    with opened(tmp_path) as one:
        for data in shapes.BLOBS:
            one.blob("zoo", data)
        yield one


def _serve(zoo: Zoo, served: str, body: dict[str, Any]) -> Manifest:
    """Let the source serve a body as `zoo:1`, under just this type."""
    manifest = replace(Manifest.read(shapes.compact(body), served), media_type=served)
    zoo.repository.put_manifest("zoo", manifest, "1")
    return manifest


@pytest.mark.parametrize(
    ("served", "body", "kept"),
    [
        (OCI_ARTIFACT, {"mediaType": OCI_ARTIFACT, **BLOBS}, OCI_ARTIFACT),
        (THING, {"mediaType": THING, **ONE_LAYER}, THING),
        (THING, ONE_LAYER, THING),
        (OCI_MANIFEST.upper(), {"mediaType": OCI_MANIFEST, **ONE_LAYER}, OCI_MANIFEST),
        ("binary/octet-stream", {"mediaType": DOCKER_MANIFEST, **ONE_LAYER}, DOCKER_MANIFEST),
        ("text/html", {"mediaType": OCI_MANIFEST, **ONE_LAYER}, OCI_MANIFEST),
        ("text/plain", ONE_LAYER, OCI_MANIFEST),
    ],
    ids=["artifact", "thing", "bare-thing", "capitals", "octets", "page", "text"],
)
def test_a_manifest_goes_with_all_it_needs(
    zoo: Zoo, served: str, body: dict[str, Any], kept: str
) -> None:
    """The target has the same bytes under a type of manifests, and each blob of it."""
    manifest = _serve(zoo, served, {"schemaVersion": 2, **body})
    code, facts = zoo.plan()
    assert (code, grave(facts)) == (0, [])
    assert [zoo.run(do, str(zoo.home / "m"))[0] for do in ("apply", "verify")] == [0, 0]
    assert zoo.read(EUROPE, f"{TARGET}/zoo/manifests/1") == (kept, manifest.raw)
    for data in (shapes.AMD64, shapes.ONE):
        assert zoo.read(EUROPE, f"{TARGET}/zoo/blobs/{Digest.of(data)}")[1] == data


def test_what_nobody_can_tell_is_told(zoo: Zoo) -> None:
    """Plan and inventory name a manifest that says nowhere what it needs; it is carried."""
    manifest = _serve(zoo, THING, {"things": [str(Digest.of(shapes.ONE))]})
    code, facts = zoo.plan()
    said = f"{THING} names {Digest.of(shapes.ONE)}"
    assert (code, grave(facts)) == (0, ["needs-unknown"])
    assert found(facts, "needs-unknown") == {f"zoo@{manifest.digest}": said}
    code, facts = zoo.run("inventory", "us.gcr.io/builds", "-o", str(zoo.home / "seen"))
    assert (code, found(facts, "needs-unknown")) == (0, {f"zoo@{manifest.digest}": said})
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    assert zoo.read(EUROPE, f"{TARGET}/zoo/manifests/1") == (THING, manifest.raw)
