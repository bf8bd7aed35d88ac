"""Images that are deleted at the source after planning: by the spec's rule failed, or left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.model.content import OCI_MANIFEST, Digest
from gcr_migrate.state.file import open_migration
from gcr_migrate.state.left import left
from tests.fault_stage import EUROPE
from tests.zoo import SPEC, US, Zoo, opened

if TYPE_CHECKING:
    from pathlib import Path

SKIP = f"{SPEC}moved_tags: skip\n"


def applied(zoo: Zoo, expected: int) -> dict[str, Any]:
    """Apply, which must end so; return what it said."""
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    assert code == expected, facts
    counts = facts["counts"]
    assert counts["pending"] == 0
    assert counts["planned"] == counts["done"] + counts["skipped"] + counts["failed"]
    return facts


def names(facts: dict[str, Any]) -> set[tuple[str, str]]:
    """Return code and name, without repository, of what a rule left."""
    moved = f"{EUROPE}/builds/moved/"
    return {(one["code"], one["subject"].removeprefix(moved)) for one in facts["left_by_rule"]}


def codes(facts: dict[str, Any]) -> set[tuple[str, str]]:
    """Return kind and code of what failed."""
    return {(one["kind"], one["code"]) for one in facts["failures"]}


@pytest.mark.parametrize("rule", ["fail", "pin"])
def test_what_is_gone_fails_unless_it_may_be_skipped(tmp_path: Path, rule: str) -> None:
    """Its blobs are not there, and what needs them is blocked."""
    with opened(tmp_path) as zoo:
        zoo.image("app", "1", name="one")
        zoo.plan(spec=f"{SPEC}moved_tags: {rule}\n")
        del zoo.repository.images["app"]
        facts = applied(zoo, 1)
    assert codes(facts) == {
        ("blob", "blob-unknown"),
        ("manifest", "blocked"),
        ("tag", "blocked"),
    }


@pytest.mark.slow
def test_what_is_gone_is_skipped_with_all_its_tags(tmp_path: Path) -> None:
    """An index, its children and what is attached to it; each with its reason, and exit 0."""
    with opened(tmp_path) as zoo:
        children = [zoo.image("app", name=name) for name in ("one", "two")]
        index = zoo.index("app", "1", "latest", of=children)
        zoo.image("app", name="signature", subject=index)
        stays = zoo.image("other", "1", name="stays")
        zoo.plan(spec=SKIP)
        del zoo.repository.images["app"]
        asks = "us.gcr.io/app/(manifests|blobs)/"

        facts = applied(zoo, 0)
        assert zoo.asked(asks)
        assert facts["outcome"] == "complete"
        assert facts["skipped"] == {"blob-unknown": 4, "manifest-unknown": 4, "tag-moved": 2}
        assert {("tag-moved", "app:1"), ("tag-moved", "app:latest")} < names(facts)
        assert ("manifest-unknown", f"app@{index.digest}") in names(facts)
        assert zoo.read(EUROPE, "builds/moved/other/manifests/1")[1] == stays.raw
        with open_migration(zoo.home / "m") as migration:
            assert (left(migration).content, left(migration).bytes) == (0, 0)

        zoo.forget()
        assert applied(zoo, 0)["counts"] == facts["counts"]
        assert not zoo.asked(asks)


def test_an_image_that_was_overwritten_and_cleaned_up_is_skipped(tmp_path: Path) -> None:
    """Its tag is elsewhere, its layer is gone; a blob that another image keeps comes over."""
    with opened(tmp_path) as zoo:
        old, kept = zoo.image("app", "1", name="old"), zoo.image("app", "2", name="kept")
        zoo.plan(spec=SKIP)
        zoo.image("app", "1", name="new")
        zoo.lose("app", old)
        zoo.repository.images["app"].blobs.discard(old.blobs[-1].digest)

        facts = applied(zoo, 0)
        assert facts["skipped"] == {"blob-unknown": 1, "manifest-unknown": 1, "tag-moved": 1}
        target = zoo.box.store.repositories["builds", "europe", "moved"].images["app"]
        assert target.tags == {"2": kept.digest}


def test_a_source_that_lost_a_layer_is_damaged_and_not_skipped(tmp_path: Path) -> None:
    """The image is there still, so that it is its failure; when it is mended, a run brings it."""
    with opened(tmp_path) as zoo:
        image = zoo.image("app", "1", name="one")
        zoo.plan(spec=SKIP)
        layer = image.blobs[-1].digest
        zoo.repository.images["app"].blobs.discard(layer)
        assert codes(applied(zoo, 1)) == {
            ("blob", "blob-unknown"),
            ("manifest", "blocked"),
            ("tag", "blocked"),
        }
        zoo.repository.images["app"].blobs.add(layer)
        applied(zoo, 0)
        assert zoo.read(EUROPE, "builds/moved/app/manifests/1")[1] == image.raw


def test_a_source_that_does_not_answer_for_an_image_has_not_lost_it(tmp_path: Path) -> None:
    """Where nobody can tell whether an image was deleted, it failed."""
    with opened(tmp_path) as zoo:
        image = zoo.image("app", "1", name="one")
        zoo.plan(spec=SKIP)
        del zoo.repository.images["app"]
        zoo.fault(method="HEAD", path=f"us.gcr.io/app/manifests/{image.digest}", status=403)
        assert ("manifest", "blocked") in codes(applied(zoo, 1))


@pytest.mark.parametrize("shared", [False, True])
def test_what_failed_of_a_vanished_image_is_left_with_it_unless_others_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    """A layer that could not be written for another reason is no failure of what is gone."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as zoo:
        layers = [zoo.blob("app", b"bad"), zoo.blob("app", b"lost")]
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
        body |= {"config": zoo.blob("app", b"{}"), "layers": layers}
        gone = zoo.push("app", body, "1")
        zoo.push("app", body | {"layers": layers[: 1 if shared else 0]}, "2")
        zoo.plan(spec=SKIP)
        zoo.lose("app", gone)
        zoo.repository.images["app"].blobs.discard(Digest.of(b"lost"))
        bad = str(Digest.of(b"bad"))
        zoo.fault(host=US, method="GET", path=f"/blobs/{bad}", status=403)
        facts = applied(zoo, 1 if shared else 0)
        assert (("blob", "denied") in codes(facts)) is shared
        assert ("manifest-unknown", f"app@{gone.digest}") in names(facts)


@pytest.mark.slow
def test_a_layer_that_is_gone_is_not_skipped_while_another_manifest_needs_it(
    tmp_path: Path,
) -> None:
    """Of two that share it one is gone, too: the other one is damaged, until the layer is back."""
    with opened(tmp_path) as zoo:
        layer, config = zoo.blob("app", b"shared"), zoo.blob("app", b"{}")
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}
        gone, stays = (zoo.push("app", body | {"annotations": {"n": n}}, n) for n in ("1", "2"))
        zoo.image("other", "1", name="other")
        zoo.plan(spec=SKIP)
        source = zoo.repository.images["app"]
        source.blobs.discard(Digest.parse(layer["digest"]))
        del source.manifests[gone.digest], source.tags["1"]

        facts = applied(zoo, 1)
        assert codes(facts) == {
            ("blob", "blob-unknown"),
            ("manifest", "blocked"),
            ("tag", "blocked"),
        }
        assert all(one["saw"] for one in facts["failures"] if one["kind"] == "manifest")
        assert names(facts) == {("tag-moved", "app:1"), ("manifest-unknown", f"app@{gone.digest}")}

        source.blobs.add(Digest.parse(layer["digest"]))
        assert applied(zoo, 0)["outcome"] == "complete"
        assert zoo.read(EUROPE, "builds/moved/app/manifests/2")[1] == stays.raw


@pytest.mark.slow
def test_a_layer_is_skipped_though_an_earlier_run_left_another_manifest_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That one lies far behind, and is not read again before: it needs the layer no more."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as zoo:
        layer, config = zoo.blob("app", b"shared"), zoo.blob("app", b"{}")
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config}
        near = zoo.push("app", body | {"layers": [layer]}, "near")
        for number in range(150):
            own = zoo.blob("app", f"own {number}".encode())
            zoo.push("app", body | {"layers": [own]}, f"t{number}")
        far = zoo.push("app", body | {"layers": [layer], "annotations": {"n": "far"}}, "far")
        zoo.plan(spec=SKIP)
        source = zoo.repository.images["app"]
        source.blobs.discard(Digest.parse(layer["digest"]))
        for tag, gone in (("near", near), ("far", far)):
            del source.manifests[gone.digest], source.tags[tag]
        zoo.fault(method="HEAD", path=f"/app/manifests/{near.digest}", status=403, times=1)
        invalid = '{"errors": [{"code": "MANIFEST_INVALID"}]}'
        zoo.fault(host=EUROPE, method="PUT", path="/manifests/", status=400, body=invalid)
        zoo.run("apply", str(zoo.home / "m"))
        zoo.heal()
        assert applied(zoo, 0)["outcome"] == "complete"
