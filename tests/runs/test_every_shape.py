"""Manifests of every shape arrive byte by byte, or are named with the reason why they cannot."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.model.content import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Digest, fallback_tag
from tests import shapes
from tests.zoo import SPEC, Zoo, found, grave, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import MakeRegistry

pytestmark = pytest.mark.slow

EUROPE, TARGET = "europe-docker.pkg.dev", "builds/moved"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A source with every shape under `zoo`."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    with opened(tmp_path) as one:
        for data in shapes.BLOBS:
            one.blob("zoo", data)
        for shape in shapes.WHOLE:
            manifest = one.push_raw("zoo", shape.raw, shape.media_type, shape.tag)
            assert str(manifest.digest) == shape.digest
        yield one


@pytest.fixture
def no_manifest_is_written_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the encoder fail at whatever was parsed from a manifest."""
    for name in ("encode", "iterencode"):
        real = getattr(json.JSONEncoder, name)

        def checked(self: json.JSONEncoder, o: Any, _real: Any = real, **more: Any) -> Any:
            assert not (isinstance(o, dict) and "schemaVersion" in o), "a manifest is encoded"
            return _real(self, o, **more)

        monkeypatch.setattr(json.JSONEncoder, name, checked)


@pytest.mark.usefixtures("no_manifest_is_written_as_json")
def test_every_shape_keeps_its_bytes_or_is_named(zoo: Zoo) -> None:
    """What can go is at the target with bytes, digest and type; what cannot is told, with why."""
    zoo.push_raw("zoo", shapes.FOREIGN.raw, shapes.FOREIGN.media_type, "foreign")
    old = zoo.push_raw(
        "zoo", shapes.OLD.raw, shapes.OLD.media_type, "old", digest=shapes.OLD.digest
    )
    big = zoo.push_raw("zoo", shapes.TOO_LARGE, OCI_MANIFEST, "big")
    zoo.blob("zoo", shapes.LONELY)
    larger = zoo.push_raw("zoo", shapes.LARGER, OCI_MANIFEST, "larger")
    code, facts = zoo.plan()
    assert (code, facts["complete"]) == (1, True)
    assert found(facts, "manifest-too-large") == {
        f"zoo@{big.digest}": f"{shapes.LARGEST + 1} bytes, limit {shapes.LARGEST}",
        f"zoo@{larger.digest}": f"{len(larger.raw)} bytes, limit {shapes.LARGEST}",
    }
    assert found(facts, "schema-1").keys() == {f"zoo@{old.digest}"}
    assert found(facts, "blocked").keys() == {"zoo:big", "zoo:larger", "zoo:old"}
    remedies = {one["code"]: one["remedy"] for one in facts["left_out"]}
    assert remedies["schema-1"].startswith("Rebuild the image, or convert it by hand")
    assert found(facts, "foreign-layer") == {
        f"zoo@{shapes.FOREIGN.digest}": (
            f"{Digest.of(shapes.ELSEWHERE)} from https://vendor.example/base"
        )
    }
    assert (len(facts["left_out"]), grave(facts)) == (6, ["foreign-layer"])
    tried = f"HEAD .*/manifests/{Digest.of(shapes.NO_MANIFEST)}"
    assert zoo.asked(tried) == 1

    code, facts = zoo.run("apply", str(zoo.home / "m"))
    left = {one["code"] for one in facts["could_not_be_moved"]}
    assert (code, facts["outcome"]) == (1, "partial")
    assert left == {"blocked", "manifest-too-large", "schema-1"}
    for data in (shapes.TWO, shapes.NO_MANIFEST):
        upload = f"PUT {EUROPE} .*digest=sha256(:|%3A){Digest.of(data).encoded}"
        assert zoo.asked(upload) == 1
    assert zoo.asked(f"{EUROPE} .*{Digest.of(shapes.LONELY).encoded}") == 0
    code, facts = zoo.run("verify", str(zoo.home / "m"), "--level", "blobs")
    left = {one["code"] for one in facts["findings"]}
    assert (code, left) == (1, {"blocked", "manifest-too-large", "schema-1"})
    level = facts["levels"]["blobs"]
    assert level["checked"] == level["ok"] > 0 == level["unchecked"]
    for shape in (*shapes.WHOLE, shapes.FOREIGN):
        for reference in (shape.tag, shape.digest):
            read = zoo.read(EUROPE, f"{TARGET}/zoo/manifests/{reference}")
            assert read == (shape.media_type, shape.raw), shape.tag


def test_a_foreign_layer_that_the_source_has_is_copied_as_any_other(zoo: Zoo) -> None:
    """Nothing depends on the address outside then, and no finding says so."""
    zoo.blob("zoo", shapes.ELSEWHERE)
    zoo.push_raw("zoo", shapes.FOREIGN.raw, shapes.FOREIGN.media_type, "foreign")
    assert zoo.migrate() == (0, 0, 0)
    blob = f"{TARGET}/zoo/blobs/{Digest.of(shapes.ELSEWHERE)}"
    assert zoo.read(EUROPE, blob)[1] == shapes.ELSEWHERE


@pytest.mark.needs("docker-registry")
def test_a_plain_registry_takes_every_whole_shape(zoo: Zoo, make_registry: MakeRegistry) -> None:
    """A real registry gives back what the source had, an index over a blob included."""
    target = make_registry()
    spec = SPEC.replace("{location: europe}", f"{{registry: '{target.host}'}}")
    assert zoo.migrate(spec.replace(", repository: moved", "")) == (0, 0, 0)
    for shape in shapes.WHOLE:
        address = f"{target.url}/v2/zoo/manifests/{shape.tag}"
        request = urllib.request.Request(address, headers={"accept": shape.media_type})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            assert answer.headers["docker-content-digest"] == shape.digest
            assert (answer.headers["content-type"], answer.read()) == (shape.media_type, shape.raw)


_ATTESTATION = {
    "platform": {"architecture": "unknown", "os": "unknown"},
    "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
}


def test_all_that_registries_hold_today_goes_over(zoo: Zoo) -> None:
    """Artifacts, attachments and odd names arrive too; only what is a byte too large does not."""
    app, empty = "team-a/app", shapes.entry(shapes.OCI_EMPTY, shapes.EMPTY)
    deep = "/".join(f"d{level}" for level in range(12))
    for path in (app, f"{app}/debug", deep, "team-a"):
        for data in shapes.BLOBS:
            zoo.blob(path, data)
    sha512 = zoo.blob_of_sha512(app, b"long")
    config = shapes.entry(shapes.OCI_CONFIG, shapes.AMD64)
    zstd = shapes.entry("application/vnd.oci.image.layer.v1.tar+zstd", shapes.ONE)
    image = zoo.push_raw(app, shapes.oci(config, zstd), OCI_MANIFEST, "V1")
    statement = shapes.entry("application/vnd.in-toto+json", shapes.HI)
    attested = shapes.oci(config, statement)
    zoo.push_raw(app, attested, OCI_MANIFEST)
    built = shapes.index(
        shapes.entry(OCI_MANIFEST, image.raw), shapes.entry(OCI_MANIFEST, attested, **_ATTESTATION)
    )
    zoo.push_raw(app, built, OCI_INDEX, "v1")
    subject = shapes.entry(OCI_MANIFEST, image.raw)
    report = {"artifactType": "application/spdx+json", "subject": subject}
    pushed = {
        app: {
            "wasm": shapes.oci(empty, shapes.entry("application/wasm", shapes.HI)),
            "sha512": shapes.oci(config, sha512),
            "largest": shapes.LARGEST_TAKEN,
            "": shapes.oci(empty, shapes.entry("text/spdx", shapes.HI), **report),
        }
        | {
            f"{fallback_tag(image.digest)}.{kind}": shapes.oci(config, shapes.entry(kind, data))
            for kind, data in {"sig": shapes.ONE, "att": shapes.TWO, "sbom": shapes.HI}.items()
        },
        f"{app}/debug": {"1": shapes.docker(shapes.entry(shapes.DOCKER_LAYER, shapes.ONE))},
        deep: {"1": shapes.docker(shapes.entry(shapes.DOCKER_LAYER, shapes.TWO))},
        "team-a": {"": shapes.docker(shapes.entry(shapes.DOCKER_LAYER, shapes.HI))},
    }
    for path, manifests in pushed.items():
        for tag, raw in manifests.items():
            type_ = DOCKER_MANIFEST if path != app else OCI_MANIFEST
            zoo.push_raw(path, raw, type_, *([tag] if tag else []))
    assert zoo.migrate() == (0, 0, 0)
    for path, manifests in pushed.items():
        for raw in manifests.values():
            assert zoo.read(EUROPE, f"{TARGET}/{path}/manifests/{Digest.of(raw)}")[1] == raw
    for tag, raw in {"V1": image.raw, "v1": built}.items():
        assert zoo.read(EUROPE, f"{TARGET}/{app}/manifests/{tag}")[1] == raw
    assert zoo.read(EUROPE, f"{TARGET}/{app}/manifests/{Digest.of(attested)}")[1] == attested
    listed = json.loads(zoo.read(EUROPE, f"{TARGET}/{app}/referrers/{image.digest}")[1])
    assert [one["digest"] for one in listed["manifests"]] == [str(Digest.of(pushed[app][""]))]
