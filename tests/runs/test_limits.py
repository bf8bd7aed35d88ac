"""What registries do not give or take at once is known before it hurts, and told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gcr_migrate.model.content import OCI_MANIFEST, Digest
from gcr_migrate.sandbox.scenarios import LimitsPart, RepositoryPart
from tests import shapes
from tests.zoo import SPEC, US, found, grave, opened

if TYPE_CHECKING:
    from pathlib import Path

EUROPE, TARGET = "europe-docker.pkg.dev", "builds/moved"
LARGE = bytes(range(256)) * 1_000
MOST = 100_000


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here fails in passing."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")


def test_a_layer_over_one_answer_comes_in_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan tells it, each range is asked for by itself, and the bytes arrive in one upload."""
    monkeypatch.setenv("GCR_MIGRATE_READ_BYTES", str(MOST))
    with opened(tmp_path, limits=LimitsPart(read_bytes=MOST)) as zoo:
        zoo.blob("app", shapes.AMD64)
        layer = zoo.blob("app", LARGE, shapes.OCI_LAYER)
        small = zoo.blob("app", LARGE[:MOST], shapes.OCI_LAYER)
        config = shapes.entry(shapes.OCI_CONFIG, shapes.AMD64)
        zoo.push_raw("app", shapes.oci(config, layer, small), OCI_MANIFEST, "1")
        code, facts = zoo.plan()
        assert code == 0
        saw = f"{len(LARGE)} bytes, one answer has at most {MOST} at the source"
        assert found(facts, "blob-over-one-answer") == {
            f"app@{layer['digest']}": f"{saw} and {MOST} at the target"
        }
        assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
        blob = f"GET {US} /v2/builds/us.gcr.io/app/blobs/{layer['digest']}"
        assert (zoo.asked(blob), zoo.asked(f"GET {US} /artifacts-downloads/")) == (3, 5)
        encoded = Digest.of(LARGE).encoded
        assert zoo.asked(f"PUT {EUROPE} .*{encoded}") == 1
        assert (
            Digest.of(LARGE)
            in zoo.box.store.repositories["builds", "europe", "moved"].image("app").blobs
        )


def test_a_layer_that_the_target_refuses_for_its_size_is_one_failure(tmp_path: Path) -> None:
    """It is asked once, says what to raise, and everything else arrives."""
    with opened(tmp_path, limits=LimitsPart(upload_bytes=MOST)) as zoo:
        zoo.blob("app", shapes.AMD64)
        layer = zoo.blob("app", LARGE, shapes.OCI_LAYER)
        config = shapes.entry(shapes.OCI_CONFIG, shapes.AMD64)
        zoo.push_raw("app", shapes.oci(config, layer), OCI_MANIFEST, "large")
        small = zoo.image("app", "small")
        assert zoo.plan()[0] == 0
        code, facts = zoo.run("apply", str(zoo.home / "m"))
        codes = sorted(one["code"] for one in facts["failures"])
        assert (code, codes) == (1, ["blob-too-large", "blocked", "blocked"])
        assert zoo.asked(f"PUT {EUROPE} .*{Digest.of(LARGE).encoded}") == 1
        assert zoo.read(EUROPE, f"{TARGET}/app/manifests/small")[1] == small.raw


@pytest.mark.slow
def test_names_and_tags_that_no_registry_takes_are_told_by_the_plan(tmp_path: Path) -> None:
    """A tag of 129 characters stays behind, its manifest does not; a long name stops the plan."""
    with opened(tmp_path) as zoo:
        good, bad = "t" * 128, "t" * 129
        image = zoo.image("app", good, bad)
        code, facts = zoo.plan()
        assert (code, found(facts, "tag-refused")) == (1, {f"app:{bad}": str(image.digest)})
        code, facts = zoo.run("apply", str(zoo.home / "m"))
        assert (code, facts["outcome"], facts["failures"]) == (1, "partial", [])
        assert zoo.read(EUROPE, f"{TARGET}/app/manifests/{good}")[1] == image.raw

        fits = "n" * (255 - len(f"{EUROPE}/{TARGET}/"))
        for path in (fits, f"{fits}n"):
            zoo.image(path, "1")
        code, facts = zoo.plan("--new")
        assert (code, [one["code"] for one in facts["errors"]]) == (2, ["name-too-long"])
        zoo.repository.images.pop(f"{fits}n")
        zoo.plan("--new")
        zoo.migrate()
        assert zoo.read(EUROPE, f"{TARGET}/{fits}/manifests/1")[0] == OCI_MANIFEST


@pytest.mark.slow
def test_a_tag_that_cannot_move_is_told_by_the_plan(tmp_path: Path) -> None:
    """It is left out with both digests, and nothing is sent for it; its manifest is carried."""
    part = RepositoryPart(project="builds", location="europe", id="moved", immutable_tags=True)
    with opened(tmp_path, part) as zoo:
        ours, theirs = zoo.image("app", "1", name="ours"), zoo.image("other", name="theirs")
        target = zoo.box.store.repositories["builds", "europe", "moved"]
        target.put_manifest("app", theirs, "1")
        overwrite = SPEC + "existing_tags: overwrite\n"
        code, facts = zoo.plan(spec=overwrite)
        saw = f"{ours.digest} is planned, target has {theirs.digest}"
        assert (code, found(facts, "immutable-tag")) == (1, {"app:1": saw})
        code, applied = zoo.run("apply", str(zoo.home / "m"))
        assert code == 1
        for facts in (applied, zoo.run_here("status", str(zoo.home / "m"))[1]):
            assert (facts["outcome"], facts["failures"]) == ("partial", [])
            assert [one["code"] for one in facts["could_not_be_moved"]] == ["immutable-tag"]
            assert (facts["kinds"]["tag"]["planned"], facts["counts"]["failed"]) == (0, 0)
        written = f"PUT {EUROPE} /v2/{TARGET}/app/manifests"
        assert (zoo.asked(f"{written}/1"), zoo.asked(f"{written}/{ours.digest}")) == (0, 1)
        assert target.images["app"].tags["1"] == theirs.digest
        (zoo.home / "m").unlink()
        assert zoo.plan(spec=SPEC + "existing_tags: keep\n")[0] == 0
        target.settings["dockerConfig"] = {"immutableTags": False}
        code, facts = zoo.plan(spec=overwrite)
        assert (code, grave(facts)) == (0, ["tag-replaced"])
        assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
        assert target.images["app"].tags["1"] == ours.digest


def test_a_tag_that_was_set_after_planning_and_cannot_move_is_told_with_both_digests(
    tmp_path: Path,
) -> None:
    """The plan could not know it, so it is a failure of the run."""
    part = RepositoryPart(project="builds", location="europe", id="moved", immutable_tags=True)
    with opened(tmp_path, part) as zoo:
        ours, theirs = zoo.image("app", "1", name="ours"), zoo.image("other", name="theirs")
        assert zoo.plan(spec=SPEC + "existing_tags: overwrite\n")[0] == 0
        target = zoo.box.store.repositories["builds", "europe", "moved"]
        target.put_manifest("app", theirs, "1")
        code, facts = zoo.run("apply", str(zoo.home / "m"))
        saw = f"target has {theirs.digest}, planned {ours.digest}"
        told = [(one["code"], one["saw"]) for one in facts["failures"]]
        assert (code, told) == (1, [("immutable-tag", saw)])


@pytest.mark.slow
@pytest.mark.parametrize("status", [201, 400, 403, 404, 405])
def test_a_mount_that_is_refused_or_accepted_in_vain_ends_right(
    tmp_path: Path, status: int
) -> None:
    """Whatever a target answers, each blob comes over once; what it lacks is told at the manifest.

    It is sent then, and the manifest once more.
    """
    with opened(tmp_path) as zoo:
        image = zoo.image("app", "1", name="layer")
        zoo.fault(method="POST", path="mount=", status=status)
        assert zoo.migrate(SPEC.replace("location: europe", "location: us")) == (0, 0, 0)
        assert zoo.read(US, f"{TARGET}/app/manifests/1")[1] == image.raw
        assert zoo.asked(f"PUT {US} /artifacts-uploads/") == 2
        refused = status == 201  # once, for what it lacks
        assert zoo.asked(f"PUT {US} /v2/{TARGET}/app/manifests/") == 1 + refused


def test_a_mount_in_vain_of_what_the_source_lost_fails_by_itself(tmp_path: Path) -> None:
    """It cannot be sent: its manifest is blocked, the rest is done, and the ledger stays sound."""
    with opened(tmp_path) as zoo:
        lost = zoo.image("app", "1", name="layer")
        zoo.image("other", "1", name="another")
        spec = SPEC.replace("location: europe", "location: us")
        assert zoo.plan(spec=spec)[0] == 0
        layer = str(lost.blobs[1].digest)
        zoo.fault(method="POST", path=f"mount={layer}".replace(":", "(:|%3A)"), status=201)
        zoo.fault(method="GET", path=f"us.gcr.io/app/blobs/{layer}", status=404)
        code, facts = zoo.run("apply", str(zoo.home / "m"))
        assert (code, facts["outcome"]) == (1, "failed")
        kinds = {one["kind"]: one["code"] for one in facts["failures"]}
        assert (kinds["blob"], kinds["manifest"]) == ("blob-unknown", "blocked")
        assert zoo.read(US, f"{TARGET}/other/manifests/1")[0] == OCI_MANIFEST
