"""Layers of which manifests or names tell different things: each image comes as far as it can."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.model.content import OCI_MANIFEST, Digest, Kind, Manifest
from tests.zoo import Zoo, found, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYER = b"a layer that some share"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """An empty source, to be filled."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as one:
        yield one


def _image(zoo: Zoo, path: str, name: str, **layer: Any) -> Manifest:
    """Push an image with the layer, of which its manifest may say something else."""
    said = zoo.blob(path, LAYER) | layer
    config = zoo.blob(path, f'{{"a": "{name}"}}'.encode(), _CONFIG)
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [said]}
    return zoo.push(path, body, name)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [len(LAYER) + 1, len(LAYER) - 1, 0])
@pytest.mark.parametrize("place", ["a-first", "z-last"])
@pytest.mark.parametrize("options", [(), ("--check-source",)])
def test_a_wrong_size_in_one_manifest_stops_no_image_that_shares_the_layer(
    zoo: Zoo, wrong: int, place: str, options: tuple[str, ...]
) -> None:
    """Where sizes differ the source knows which is right, whoever is read first."""
    liar = _image(zoo, place, "liar", size=wrong)
    for name in ("m1", "m2"):
        _image(zoo, name, "1")
    left_out = 1 if options else 0  # as each command says
    code, facts = zoo.plan(*options)
    saw = f"{len(LAYER)} bytes, the manifest says {wrong}"
    told = found(facts, "digest-mismatch" if options else "size-misstated")
    assert (code, [*told]) == (left_out, [f"{place}@{liar.digest}"])
    assert saw in told[f"{place}@{liar.digest}"]
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    assert (code, facts["failures"]) == (left_out, [])
    assert zoo.run("verify", str(zoo.home / "m"))[0] == left_out
    moved = zoo.box.store.repositories["builds", "europe", "moved"].images
    assert {"m1", "m2"} <= {path for path in moved if "1" in moved[path].tags}


def test_sizes_are_asked_for_only_where_they_differ(zoo: Zoo) -> None:
    """A source whose manifests agree gets no request more for them; else one for each layer."""
    for name in ("m1", "m2"):
        _image(zoo, name, "1")
    zoo.plan()
    assert zoo.asked("HEAD .*/blobs/") == 0
    _image(zoo, "m3", "1", size=1)
    _image(zoo, "m4", "1", size=2)
    zoo.plan()
    assert zoo.asked("HEAD .*/blobs/") == 1


def test_who_has_the_layer_settles_it_though_others_have_lost_it(zoo: Zoo) -> None:
    """What is planned first states a larger size, and its name has the layer no more."""
    _image(zoo, "a", "1", size=len(LAYER) + 1)
    zoo.repository.images["a"].blobs.discard(Digest.of(LAYER))
    _image(zoo, "b", "1")
    code, facts = zoo.plan()
    assert (code, len(found(facts, "size-misstated"))) == (0, 1)
    zoo.run("apply", str(zoo.home / "m"))
    moved = zoo.box.store.repositories["builds", "europe", "moved"].images
    assert "1" in moved["b"].tags


def test_each_manifest_that_states_a_wrong_size_is_named(zoo: Zoo) -> None:
    """Be they the first, the most, or such that state another wrong one."""
    sizes = {"a": 5, "b": 5, "c": len(LAYER), "d": 7, "e": len(LAYER)}
    for path, size in sizes.items():
        _image(zoo, path, path, size=size)
    told = found(zoo.plan()[1], "size-misstated")
    assert {name.partition("@")[0]: saw.split()[-1] for name, saw in told.items()} == {
        path: str(size) for path, size in sizes.items() if size != len(LAYER)
    }


def test_a_plan_is_made_though_the_source_does_not_say_which_size_is_right(zoo: Zoo) -> None:
    """Then the larger one stands, and `apply` fails what needs the layer."""
    _image(zoo, "m1", "1")
    _image(zoo, "m2", "1", size=len(LAYER) + 1)
    zoo.fault(method="HEAD", path="/blobs/", status=500, times=99)
    assert zoo.plan()[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("has_it", ["win/a", "win/b"])
def test_a_foreign_layer_goes_only_with_the_names_that_have_it(zoo: Zoo, has_it: str) -> None:
    """Whether such a layer is there is a matter of each name, though the manifest is the same."""
    urls = ["https://example.com/layer"]
    for path in ("win/a", "win/b"):
        _image(zoo, path, "1", urls=urls, mediaType=_FOREIGN)
        if path != has_it:
            zoo.repository.images[path].blobs.discard(Digest.of(LAYER))
    lacks = "win/b" if has_it == "win/a" else "win/a"
    code, facts = zoo.plan()
    assert code == 0
    assert [one.partition("@")[0] for one in found(facts, "foreign-layer")] == [lacks]
    file = str(zoo.home / "m")
    code, facts = zoo.run("apply", file)
    assert (code, facts["failures"]) == (0, [])
    assert zoo.run("verify", file)[0] == 0
    moved = zoo.box.store.repositories["builds", "europe", "moved"].images
    assert [path for path in moved if Digest.of(LAYER) in moved[path].blobs] == [has_it]


def test_a_manifest_that_states_more_than_there_can_be_stops_no_other(zoo: Zoo) -> None:
    """Sums of such sizes are more than SQLite can hold; the image is left out as damaged."""
    _image(zoo, "good", "1")
    layers = [
        {"mediaType": "a/b", "digest": str(Digest.of(str(one).encode())), "size": (1 << 53) - 1}
        for one in range(1_100)
    ]
    config = zoo.blob("absurd", b"{}", _CONFIG)
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
    raw = json.dumps(body).encode()
    absurd = Manifest(raw, OCI_MANIFEST, Digest.of(raw), Kind.IMAGE)  # unread, as by a registry
    zoo.repository.put_manifest("absurd", absurd, "1")
    code, facts = zoo.plan()
    left_out = {(one["code"], one["subject"].rpartition("/")[2]) for one in facts["left_out"]}
    told = {("bad-manifest", f"absurd@{absurd.digest}"), ("blocked", "absurd:1")}
    assert (code, left_out) == (1, told)
    assert facts["counts"]["manifests"] == 1
